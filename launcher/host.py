"""Starts ComfyUI with this pack on a local port, and stops it when the work is done."""

from __future__ import annotations

import contextlib
import re
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from . import LauncherError, children
from .progress import Progress

START_SECONDS = 300


@dataclass(frozen=True)
class Host:
    """A running host.

    Attributes:
        url: of the server, without a trailing slash.
        output: the folder in which its nodes save.
        process: of the server.
        log: the file with its output; None if it prints to the terminal.
        previews: the folder of pictures that it removes at its end.
    """

    url: str
    output: Path
    process: subprocess.Popen[bytes]
    log: Path | None
    previews: Path

    def last_words(self) -> str:
        """The end of its log, for error messages."""
        if self.log is None:
            return ""
        return "\n".join(self.log.read_text(encoding="utf-8", errors="replace").splitlines()[-15:])


@contextlib.contextmanager
def running(
    comfyui: Path,
    base: Path,
    output: Path,
    *,
    port: int = 0,
    quiet: bool = True,
    python: str = sys.executable,
    options: Sequence[str] = (),
) -> Iterator[Host]:
    """Start a host, wait until it answers, and stop it at the end.

    Args:
        comfyui: the folder with its main.py.
        base: base directory, with the packs to load in `custom_nodes`, and folders for models and user data.
        output: folder for pictures; created if it does not exist.
        port: 0 for any free one.
        quiet: write its output to a log, which is shown if it fails, instead of to the terminal.
        python: the interpreter.
        options: further options of ComfyUI's main.py.

    Raises:
        LauncherError: it stopped before it answered, or this pack failed to load.
    """
    port = port or free_port()
    base.mkdir(parents=True, exist_ok=True)
    output.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="guided-gan-", ignore_cleanup_errors=True) as temporary:
        log = Path(temporary) / "host.log" if quiet else None
        command = [
            *(python, "-u", str(comfyui / "main.py"), "--port", str(port)),
            *("--base-directory", str(base), "--output-directory", str(output), "--temp-directory", temporary),
            *("--disable-api-nodes", "--database-url", "sqlite:///:memory:", *options),
        ]
        with contextlib.ExitStack() as stack:
            stream = stack.enter_context(open(log, "wb")) if log else None
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=subprocess.STDOUT if stream else None,
                # A separate process group, so that Ctrl-C reaches this process only, which interrupts the job first.
                start_new_session=sys.platform != "win32",
                preexec_fn=children.end_with_parent,
                creationflags=subprocess.CREATE_NEW_PROCESS_GROUP if sys.platform == "win32" else 0,
            )
            stack.callback(_stop, process)
            host = Host(f"http://127.0.0.1:{port}", output, process, log, Path(temporary, "temp"))
            _wait(host)
            yield host


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _wait(host: Host) -> None:
    progress, deadline = Progress(), time.monotonic() + START_SECONDS
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # no proxy for local addresses
    try:
        while True:
            if host.process.poll() is not None:
                raise LauncherError(f"ComfyUI stopped while it was starting.\n{host.last_words()}".rstrip())
            if time.monotonic() > deadline:
                raise LauncherError(
                    f"ComfyUI did not answer within {START_SECONDS} seconds.\n{host.last_words()}".rstrip()
                )
            with contextlib.suppress(urllib.error.URLError, ConnectionError, TimeoutError):
                direct.open(f"{host.url}/system_stats", timeout=5).close()
                break
            if host.log:
                progress.update("starting ComfyUI")
            time.sleep(0.2)
    finally:
        progress.close()
    if host.log and (reason := import_failure(host.log.read_text(encoding="utf-8", errors="replace"))):
        raise LauncherError(f"this pack failed to load in ComfyUI:\n{reason}")


def import_failure(log: str) -> str:
    """The part of a log about this pack's failure to load, which does not stop the host; empty if it loaded."""
    if not re.search(r"\(IMPORT FAILED\).*guided_gan", log):
        return ""
    log = re.sub(r"\x1b\[[\d;]*m", "", log)
    traceback = log[max(log.rfind("Traceback (most recent call last)"), 0) :].split("\n\n")[0]
    if "guided_gan" in traceback:
        return traceback
    return "\n".join(line for line in log.splitlines() if "guided_gan" in line)


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(timeout=10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
