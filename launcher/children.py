"""Processes that end when the one that started them does, even where that is killed."""

from __future__ import annotations

import ctypes
import signal
import sys


def _ask_linux() -> None:
    """For `preexec_fn`: have the system stop this process once the thread that started it has ended."""
    set_parent_death_signal = 1  # PR_SET_PDEATHSIG
    ctypes.CDLL(None).prctl(set_parent_death_signal, signal.SIGTERM)


# Other systems have no such wish; there a process is stopped by whoever started it, unless that is killed.
end_with_parent = _ask_linux if sys.platform == "linux" else None
