"""How a program that run.py starts ends: with a sentence for what the user can put right, and nothing left running."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable

from . import LauncherError, in_words


def ended(work: Callable[[], int]) -> int:
    """As `reported`, of work that a signal to end stops as Ctrl-C does."""
    for name in ("SIGTERM", "SIGHUP"):  # clean up as for Ctrl-C, so that no host is left behind
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.default_int_handler)
    return reported(work)


def reported(work: Callable[[], int]) -> int:
    """The exit status of some work; an error of the user's or of a disk is told in a sentence, without a traceback."""
    try:
        return work()
    except (LauncherError, OSError) as error:
        print(f"run.py: {in_words(error) if isinstance(error, OSError) else error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nStopped.", file=sys.stderr)
        return 130
