"""Downloads a published file into a folder, completely and verified, or not at all.

The data is written to a `.part` file beside the target, which an interrupted download resumes, in this run or a later
one. It is renamed to the target once its size and SHA-256 are correct. If nobody publishes a file's hash, that of the
first download is saved beside it, and later downloads must match it.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import CheckpointError

if TYPE_CHECKING:
    from requests import Response

TRIES = 3  # consecutive failures without a new byte, after which a source is given up
PAUSE = 0.5  # seconds before the second try, doubled before each further one
TIMEOUT = 30.0  # seconds without data from a server
CHUNK = 1 << 20
OFFLINE = ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")

LOOK = 0.5  # seconds between two looks whether another program has ended its download

# Called with bytes received and total bytes, which are 0 while another program downloads; may raise to stop.
Progress = Callable[[int, int], None]
WAITING = "waiting for another program that downloads it"


@dataclass(frozen=True)
class Hub:
    """A file in a repository of the Hugging Face hub."""

    repo: str
    path: str
    revision: str = "main"


@dataclass(frozen=True)
class File:
    """A published file.

    name: that it is saved under. sources: in order of preference, of equal content. size: in bytes, None if unknown.
    sha256: its hexadecimal digits, or the first of them if only those are published. page: for a download by hand.
    """

    name: str
    sources: tuple[Hub | str, ...]
    size: int | None = None
    sha256: str = ""
    page: str = ""

    @property
    def hashed(self) -> bool:
        """Whether its SHA-256 is published for every source; the hub publishes those of its own files."""
        return bool(self.sha256) or (bool(self.sources) and all(isinstance(source, Hub) for source in self.sources))


class _RefusedError(Exception):
    """A source does not have the file; another one may."""


class _BrokenOffError(Exception):
    """A transfer failed and may be resumed."""


def silent(done: int, total: int) -> None:
    """A `Progress` that does nothing."""


def fetch(file: File, folder: Path, progress: Progress = silent, endpoint: str | None = None) -> Path:
    """The path of a file in a folder, downloaded if it does not exist.

    Args:
        file: what to download.
        folder: where to.
        progress: called while data comes.
        endpoint: address of the hub; None for the default.

    Raises:
        CheckpointError: no source has the file, or it cannot be saved. The message says how to get it by hand.
    """
    target = folder / file.name
    if target.is_file():
        return target
    if file.sources and (variable := offline()):
        raise CheckpointError(
            f"{file.name} ({in_words(file.size)}) is not downloaded, because the environment variable {variable} is "
            f"set. Unset it and start again, or: {_by_hand(file, target, endpoint)}"
        )
    reasons = []
    try:
        with alone(target, progress):
            for source in file.sources if not target.is_file() else ():  # another program may have been quicker
                address, headers = _locate(source, endpoint)
                try:
                    return _fetch(file, target, address, headers, progress)
                except _RefusedError as error:
                    reasons.append(f"{address}: {error}")
    except OSError as error:
        raise CheckpointError(
            f"{target} cannot be saved ({error.strerror or error}): make room or choose another folder."
        ) from error
    if target.is_file():
        return target
    why = f"could not be downloaded ({'; '.join(reasons)})" if reasons else "cannot be downloaded by a program"
    raise CheckpointError(f"{file.name} ({in_words(file.size)}) {why}. {_by_hand(file, target, endpoint)}")


def offline() -> str:
    """The name of the environment variable, of those that the hub's tools respect, that forbids downloads; or ""."""
    return next((name for name in OFFLINE if os.environ.get(name, "").upper() in {"1", "ON", "YES", "TRUE"}), "")


def _by_hand(file: File, target: Path, endpoint: str | None) -> str:
    where = file.page or (_locate(file.sources[0], endpoint)[0] if file.sources else "its publisher")
    return f"Fetch it by hand from {where} and save it as {target}."


def in_words(size: int | None) -> str:
    """A size in bytes as text: "0.2 MB", "234 MB", "4.26 GB"."""
    if size is None:
        return "size not known"
    return f"{size / 1e9:.2f} GB" if size >= 1e9 else f"{max(size, 1e5) / 1e6:.{0 if size >= 1e7 else 1}f} MB"


def sha256(path: Path) -> str:
    """The SHA-256 of a file's contents, in hexadecimal digits."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


@contextlib.contextmanager
def alone(target: Path, progress: Progress) -> Iterator[None]:
    """A context in which this program alone downloads a file, or the files of a folder; makes the parent folder.

    It first waits for another program that downloads them.

    Raises:
        OSError: the parent folder cannot be made or written.
    """
    from filelock import FileLock, Timeout

    target.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(target.with_name(f"{target.name}.lock"), timeout=LOOK)
    while True:
        try:
            lock.acquire()
            break
        except Timeout:
            progress(0, 0)
    try:
        yield
    finally:
        lock.release()
        with contextlib.suppress(OSError):  # where open files cannot be deleted, another program may have it by now
            Path(lock.lock_file).unlink()


def _locate(source: Hub | str, endpoint: str | None) -> tuple[str, Mapping[str, str]]:
    """The address of a source, and the headers to send there."""
    if isinstance(source, str):
        return source, {}
    from huggingface_hub import hf_hub_url
    from huggingface_hub.utils import build_hf_headers

    return hf_hub_url(source.repo, source.path, revision=source.revision, endpoint=endpoint), build_hf_headers()


def _fetch(file: File, target: Path, address: str, headers: Mapping[str, str], progress: Progress) -> Path:
    """Retry until the file is complete, as long as retries make progress."""
    failures = most = 0
    while True:
        try:
            return _try(file, target, address, headers, progress)
        except _BrokenOffError as error:
            received = max((part.stat().st_size for part in _parts(target)), default=0)
            failures = 1 if received > most else failures + 1
            most = max(most, received)
            if failures >= TRIES:
                raise _RefusedError(str(error)) from error
            time.sleep(PAUSE * 2 ** (failures - 1))


def _try(file: File, target: Path, address: str, headers: Mapping[str, str], progress: Progress) -> Path:
    with _ask(address, headers) as answer:
        size, digest, version = _announced(answer, file)
        part = target.with_name(f"{target.name}.{hashlib.sha256(f'{address} {version}'.encode()).hexdigest()[:8]}.part")
        received = part.stat().st_size if part.is_file() else 0
        if not 0 < received <= size:
            _receive(answer, part, 0, size, progress)
    if 0 < received < size:
        with _ask(address, {**headers, "Range": f"bytes={received}-"}) as answer:
            resumes = answer.headers.get("Content-Range", "") == f"bytes {received}-{size - 1}/{size}"
            _receive(answer, part, received if resumes else 0, size, progress)
    first = "" if digest or file.hashed else _first(target)
    if not (found := sha256(part)).startswith(digest or first):
        part.unlink()
        why = f", as the first download had; to take this one, delete {_kept(target)}" if first else ""
        raise _RefusedError(f"what it sends has the SHA-256 {found}, expected {digest or first}{why}")
    if not file.hashed:
        _kept(target).write_text(f"{found}  {target.name}\n", encoding="utf-8")
    os.replace(part, target)
    for other in _parts(target):  # of other sources
        other.unlink()
    return target


def _kept(target: Path) -> Path:
    """The file with the SHA-256 of a file's first download, in the format of `sha256sum`."""
    return target.with_name(f"{target.name}.sha256")


def _first(target: Path) -> str:
    """The SHA-256 of a file's first download; "" if unknown."""
    kept = _kept(target)
    digest = kept.read_text(encoding="utf-8", errors="replace").partition(" ")[0] if kept.is_file() else ""
    return digest if re.fullmatch("[0-9a-f]{64}", digest) else ""


@contextlib.contextmanager
def _ask(address: str, headers: Mapping[str, str]) -> Iterator[Response]:
    """The successful response to a request for an address."""
    import requests

    try:
        # A compressed transfer could not be resumed.
        with requests.get(
            address, headers={**headers, "Accept-Encoding": "identity"}, stream=True, timeout=TIMEOUT
        ) as answer:
            if answer.status_code in (408, 429) or answer.status_code >= 500:
                raise _BrokenOffError(f"it answered {answer.status_code} {answer.reason}")
            if not answer.ok:
                raise _RefusedError(f"it answered {answer.status_code} {answer.reason}")
            yield answer
    except requests.Timeout as error:
        raise _BrokenOffError(f"it fell silent for {TIMEOUT:g} seconds") from error
    except requests.ConnectionError as error:  # also raised on a timeout within the transfer
        silent = "timed out" in str(error)
        raise _BrokenOffError(
            f"it fell silent for {TIMEOUT:g} seconds" if silent else "the connection failed"
        ) from error
    except requests.RequestException as error:
        raise _BrokenOffError("the connection broke off") from error


def _announced(answer: Response, file: File) -> tuple[int, str, str]:
    """The expected size and SHA-256 ("" if unknown) of the file, and an identifier of its version."""
    if answer.headers.get("Content-Type", "").startswith("text/html"):
        raise _RefusedError("it answers with a web page")
    # The hub gives size and hash of a large file in the headers of its redirect to the storage.
    headers = {
        name: value.strip('"') for step in (answer, *answer.history) for name, value in step.headers.lower_items()
    }
    size = headers.get("x-linked-size") or answer.headers.get("Content-Length", "")
    if not size.isdecimal():
        raise _RefusedError("it does not say how large the file is")
    if file.size not in (None, int(size)):
        raise _RefusedError(f"it has a file of {size} bytes, expected {file.size}")
    linked = headers.get("x-linked-etag", "")
    digest = file.sha256 or (linked if re.fullmatch("[0-9a-f]{64}", linked) else "")
    return int(size), digest, headers.get("etag", "") or headers.get("last-modified", "")


def _receive(answer: Response, part: Path, start: int, size: int, progress: Progress) -> None:
    """Write the data from offset `start` on to the part, until it is complete."""
    done = start
    with part.open("r+b" if start else "wb") as file:
        file.seek(start)
        progress(done, size)
        for chunk in answer.iter_content(CHUNK):
            file.write(chunk)
            done += len(chunk)
            progress(done, size)
            if done > size:  # more than announced: it is another file, which the hash will show
                break
    if done < size:
        raise _BrokenOffError(f"the connection broke off after {done} of {size} bytes")


def _parts(target: Path) -> list[Path]:
    return [
        path for path in target.parent.iterdir() if path.name.startswith(f"{target.name}.") and path.suffix == ".part"
    ]
