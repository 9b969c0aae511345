"""How a program that run.py starts ends: it cleans up when it is stopped, and reports a user's error in a sentence."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterable

from . import LauncherError, in_words


def stop_on_signals(names: Iterable[str] = ("SIGTERM", "SIGHUP")) -> None:
    """Have signals raise KeyboardInterrupt, as Ctrl-C does, so that a stopped program leaves no host behind.

    A signal that is ignored stays ignored, such as SIGHUP below `nohup`. Signals that this system lacks are skipped.
    """
    for name in names:
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, signal.default_int_handler)


def exit_status(work: Callable[[], int], *errors: type[Exception], stopped: str = "Stopped.") -> int:
    """The exit status of some work: its own, 1 for an error that the user or the disk caused, 130 if it was stopped.

    Such an error is printed as a sentence, without a traceback. errors: further kinds of them. stopped: what to say of
    work that was stopped.
    """
    try:
        return work()
    except (LauncherError, OSError, *errors) as error:
        print(f"run.py: {in_words(error) if isinstance(error, OSError) else error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"\n{stopped}", file=sys.stderr)
        return 130
