"""Child processes that end with their parent, even if that is killed."""

from __future__ import annotations

import ctypes
import signal
import sys


def _ask_linux() -> None:
    """For `preexec_fn`: have the kernel send SIGTERM to this process when the thread that started it ends."""
    set_parent_death_signal = 1  # PR_SET_PDEATHSIG
    ctypes.CDLL(None).prctl(set_parent_death_signal, signal.SIGTERM)


# Other systems have no equivalent: there the parent stops its children, unless it is killed.
end_with_parent = _ask_linux if sys.platform == "linux" else None
