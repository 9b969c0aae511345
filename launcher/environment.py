"""The virtual environment that everything runs in, made from the lock file in the user's cache folder.

Its folder is named after a hash of the lock file and the Python version, so that clones with the same lock share it,
and a changed lock gets a new one. A stamp file, written last, tells complete installations from interrupted ones, and
lists the installed files.
"""

from __future__ import annotations

import ast
import contextlib
import hashlib
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from . import ROOT, LauncherError, cache, failure
from .locks import locked
from .progress import Progress

LOCK = ROOT / "requirements.lock"
SCALE_LOCK = ROOT / "requirements-scale.lock"  # further requirements of the commands for batches
STAMP, SCALE_STAMP = "complete.json", "scale.json"
# Never installed into an interpreter that the user provides: the wrong build would not support their GPU.
USERS_OWN = {"torch", "torchvision", "torchaudio", "numpy"}
# pip's settings, and the environment variables with the same effect on uv.
UV_SETTINGS = {
    "index-url": "UV_DEFAULT_INDEX",
    "extra-index-url": "UV_INDEX",
    "find-links": "UV_FIND_LINKS",
    "cert": "SSL_CERT_FILE",
    "proxy": "ALL_PROXY",
}


def cache_folder() -> Path:
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return base.absolute() / "guided-gan"


def key(lock: bytes) -> str:
    """The key of an environment: a hash of the lock file, the machine type and the Python version."""
    major, minor = sys.version_info[:2]
    return f"py{major}{minor}-{hashlib.sha256(lock + platform.machine().encode()).hexdigest()[:12]}"


def folder_in(cache: Path) -> Path:
    """The folder, existing or not, of the environment for this lock file."""
    return cache / f"env-{key(LOCK.read_bytes())}"


def make(folder: Path, build: Callable[[Path], None], *, fresh: bool = False) -> None:
    """Have `build` fill the folder, and write its stamp, unless it is complete already."""
    with locked(folder):
        reason = "a fresh one was asked for" if fresh else damage(folder)
        if reason is None:
            return
        print(f"Making the environment ({reason}) in {folder}", file=sys.stderr)
        shutil.rmtree(folder, ignore_errors=True)
        build(folder)
        (folder / STAMP).write_text(json.dumps(contents(folder)), encoding="utf-8")
    cache.retire(folder.parent, "environments", folder)


def add_scale(folder: Path) -> None:
    """Add the requirements of the commands for batches to a complete environment, unless they are installed."""
    stamp, lock = folder / SCALE_STAMP, hashlib.sha256(SCALE_LOCK.read_bytes()).hexdigest()
    with locked(folder):
        made: dict[str, Any] = {}
        with contextlib.suppress(OSError, ValueError):
            made = json.loads(stamp.read_text(encoding="utf-8"))
        if made.get("lock") == lock and set(made["contents"]) <= set(contents(folder)):
            return
        print(f"Adding Ray and Parquet to the environment in {folder}", file=sys.stderr)
        install_lock(folder, SCALE_LOCK)
        stamp.write_text(json.dumps({"lock": lock, "contents": contents(folder)}), encoding="utf-8")


def damage(folder: Path) -> str | None:
    """Why the environment in the folder cannot be used; None if it is complete."""
    if not folder.is_dir():
        return "the first run with this lock file"
    try:
        expected = json.loads((folder / STAMP).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return "an earlier installation did not finish"
    if not executable(folder).exists():
        return "the Python that the old one was made from is gone"
    missing = sorted(set(expected) - set(contents(folder)))
    return f"the old one has lost {', '.join(missing[:3])}" if missing else None


def contents(folder: Path) -> list[str]:
    """Names of the files and folders in site-packages."""
    major, minor = sys.version_info[:2]
    packages = folder / ("Lib" if os.name == "nt" else f"lib/python{major}.{minor}") / "site-packages"
    return sorted(path.name for path in packages.glob("*") if path.name != "__pycache__")


def executable(folder: Path) -> Path:
    return folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def install(folder: Path) -> None:
    """Make a virtual environment and install the lock file."""
    venv = subprocess.run([sys.executable, "-m", "venv", str(folder)], capture_output=True, text=True, check=False)
    if venv.returncode:
        raise failure(
            folder,
            f"could not make a virtual environment with {sys.executable}: {(venv.stderr or venv.stdout).strip()}\n"
            "On Debian and Ubuntu, `apt install python3-venv` helps; or name another interpreter with --python.",
        )
    install_lock(folder, LOCK)


def install_lock(folder: Path, lock: Path) -> None:
    """Install a lock file into a virtual environment: with uv, which is faster, or with pip if uv fails."""
    python = str(executable(folder))
    pip = [python, "-m", "pip", "--disable-pip-version-check"]
    packages = len(re.findall(r"^\w", lock.read_text(encoding="utf-8"), re.MULTILINE))
    uv_pin = re.search(r"^uv==[^\s;]+", LOCK.read_text(encoding="utf-8"), re.MULTILINE)
    if uv_pin and _install(folder, [*pip, "install", uv_pin[0]], os.environ, 1):
        settings = subprocess.run([*pip, "config", "list"], capture_output=True, text=True, check=False).stdout
        uv = [python, "-m", "uv", "pip", "install", "--python", python, "-r", str(lock)]
        if _install(folder, uv, {**uv_settings(settings), **os.environ}, packages):
            return
    if not _install(folder, [*pip, "install", "-r", str(lock)], os.environ, packages):
        tail = "\n".join((folder / "install.log").read_text(encoding="utf-8", errors="replace").splitlines()[-15:])
        raise failure(folder, f"installing {lock.name} failed; run the command again once this is put right:\n{tail}")


def _install(folder: Path, command: list[str], environ: Mapping[str, str], packages: int) -> bool:
    """Run an installer with a progress line; its output goes to install.log. Returns whether it succeeded."""
    progress, log = Progress(), folder / "install.log"
    before = _count(folder)
    with open(log, "wb") as output:
        process = subprocess.Popen(command, env={**environ, "NO_COLOR": "1"}, stdout=output, stderr=subprocess.STDOUT)
        try:
            while process.poll() is None:
                installed = _count(folder) - before
                progress.update(*read_progress(log.read_text(encoding="utf-8", errors="replace"), packages, installed))
                time.sleep(0.25)
        finally:
            process.terminate()
            process.wait()
            progress.close()
    return process.returncode == 0


def _count(folder: Path) -> int:
    """The number of installed packages."""
    return sum(name.endswith(".dist-info") for name in contents(folder))


def read_progress(log: str, packages: int, installed: int) -> tuple[str, int, int]:
    """The progress of pip or uv (label, done, total), from its output and the number of packages installed so far.

    Both download everything first and then install it. packages: number of lines in the lock file, some of which the
    installer reports as ignored on this machine.
    """
    resolved = re.search(r"^Resolved (\d+) packages", log, re.MULTILINE)
    total = int(resolved[1]) if resolved else packages - len(re.findall(r"^Ignoring ", log, re.MULTILINE))
    if re.search(r"^(Installing collected packages|Prepared \d+)", log, re.MULTILINE):
        return "installing", min(installed, total), total
    fetched = [a or b for a, b in re.findall(r"^(?:Collecting ([\w.-]+)|Downloading ([\w-]+) \()", log, re.MULTILINE)]
    return f"fetching {fetched[-1]}" if fetched else "looking up packages", len(set(fetched)), total


def uv_settings(pip_config: str) -> dict[str, str]:
    """Environment variables that make uv use pip's configuration, from the output of `pip config list`."""
    settings: dict[str, str] = {}
    for section in ("global", "install", ":env:"):  # in increasing precedence
        for name, value in re.findall(rf"^{section}\.([\w-]+)=(.+)$", pip_config, re.MULTILINE):
            if name in UV_SETTINGS:
                words = str(ast.literal_eval(value)).split()
                settings[UV_SETTINGS[name]] = ("," if name == "find-links" else " ").join(words)
    if settings:
        settings["UV_INDEX_STRATEGY"] = "unsafe-best-match"  # as pip: all indexes are searched for the pinned version
    return settings


def interpreter(path: str) -> Path:
    """The interpreter that the user chose.

    Raises:
        LauncherError: it does not exist or run, or lacks a package that is never installed for the user.
    """
    found = shutil.which(path)
    if found is None:
        raise LauncherError(f"--python: {path} is no program; give the path of a Python interpreter that has torch.")
    python = Path(found).absolute()
    lacking = sorted({"torch", "torchvision", "numpy"} - installed_versions(python).keys())
    if lacking:
        raise LauncherError(
            f"--python: {python} lacks {', '.join(lacking)}, which is never installed for you there; "
            "install the build that fits your GPU, or leave --python out."
        )
    return python


def installed_versions(python: Path) -> dict[str, str]:
    """Versions of all packages installed for an interpreter, by normalised name."""
    query = "import json, importlib.metadata as m; print(json.dumps([(d.name, d.version) for d in m.distributions()]))"
    answer = subprocess.run([str(python), "-c", query], capture_output=True, text=True, check=False)
    if answer.returncode:
        raise LauncherError(f"--python: {python} does not run: {answer.stderr.strip()[-300:]}")
    return {normalised(name): version for name, version in json.loads(answer.stdout) if name and version}


def normalised(requirement: str) -> str:
    """The normalised package name of a requirement; empty for a comment or blank line."""
    name = re.match(r"\s*([A-Za-z0-9][\w.-]*)", requirement)
    return re.sub(r"[-_.]+", "-", name[1]).lower() if name else ""


def complete(python: Path, requirements: Iterable[str]) -> None:
    """Install missing requirements for an interpreter that the user provides; installed packages are not changed."""
    present = installed_versions(python)
    missing = [line for line in requirements if normalised(line) not in {"", *present, *USERS_OWN}]
    if not missing:
        return
    print(f"Installing for {python}: {', '.join(map(normalised, missing))}", file=sys.stderr)
    with tempfile.TemporaryDirectory() as folder:
        kept = Path(folder) / "constraints.txt"
        kept.write_text("".join(f"{name}=={version}\n" for name, version in present.items()), encoding="utf-8")
        command = [str(python), "-m", "pip", "install", "--constraint", str(kept), *missing]
        if subprocess.run(command, stdout=sys.stderr, check=False).returncode:
            raise LauncherError(
                f"could not install what {python} lacks beside what it has (see pip's words above); "
                "install it by hand, or leave --python out."
            )


def clone_folder(cache_folder: Path) -> Path:
    """The folder of this checkout in the cache, existing or not; `custom_nodes/guided_gan` in it is the checkout."""
    return cache_folder / "clones" / hashlib.sha256(str(ROOT).encode()).hexdigest()[:12]


def make_clone(base: Path) -> None:
    """Make that folder, which is the host's base directory; Python finds the package in its `custom_nodes`."""
    link = base / "custom_nodes" / "guided_gan"
    if link.exists():
        return
    with locked(base):
        link.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(FileExistsError):  # another run of this checkout has made it
            if sys.platform == "win32":
                import _winapi

                _winapi.CreateJunction(str(ROOT), str(link))
            else:
                link.symlink_to(ROOT, target_is_directory=True)
    cache.retire(base.parent.parent, "clones", base)
