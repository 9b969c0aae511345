"""A progress line, which is redrawn on a terminal and printed rarely in a log."""

from __future__ import annotations

import shutil
import sys
import time

WIDTH = 24


class Progress:
    """A line on stderr with a label, a bar, the progress and the time since the start.

    If stderr is not a terminal, a line is printed for each new label and each tenth of the work.
    """

    def __init__(self) -> None:
        self._started = time.monotonic()
        self._terminal = sys.stderr.isatty()
        self._shown: tuple[str, int] | None = None

    def update(self, label: str, done: float = 0, total: float = 0, note: str = "") -> None:
        share = min(done / total, 1.0) if total else 0.0
        if not self._terminal and self._shown == (label, int(share * 10)):
            return
        self._shown = (label, int(share * 10))
        filled = round(share * WIDTH)
        bar = f" [{'#' * filled}{'.' * (WIDTH - filled)}] {done:g}/{total:g}" if total else ""
        self._write(f"{label}{bar} {note}".rstrip() + f"  {time.monotonic() - self._started:.0f} s")

    def close(self) -> None:
        """Keep the last line; the next output starts on a new line."""
        if self._terminal and self._shown:
            print(file=sys.stderr)
        self._shown = None

    def _write(self, line: str) -> None:
        if self._terminal:
            print(f"\r\033[K{line[: shutil.get_terminal_size().columns - 1]}", end="", file=sys.stderr, flush=True)
        else:
            print(line, file=sys.stderr, flush=True)
