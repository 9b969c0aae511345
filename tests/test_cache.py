"""What run.py keeps: shown, emptied, removed when old, and never while a run uses it."""

import errno
import os
import subprocess
import sys
import time

import pytest

from guided_gan.launcher import ROOT, LauncherError, cache, cli, environment, failure, in_words, locks

DAY = cache.DAY
HOLD = (
    "import pathlib, sys; sys.path.insert(0, sys.argv[1]); from launcher import locks\n"
    "with locks.using(pathlib.Path(sys.argv[2])): print('held', flush=True); sys.stdin.read()"
)


@pytest.fixture
def kept(tmp_path):
    """An environment, a ComfyUI, and the folder of a checkout's host with a bank and a stopped search."""
    checkout, clone = tmp_path / "checkout", tmp_path / "cache" / "clones" / "0123"
    checkout.mkdir()
    (clone / "custom_nodes").mkdir(parents=True)
    (clone / "custom_nodes" / "guided_gan").symlink_to(checkout, target_is_directory=True)
    for name in ("banks", "stopped"):
        (clone / "user" / "guided_gan" / name).mkdir(parents=True)
        (clone / "user" / "guided_gan" / name / "a.safetensors").write_bytes(b"x" * 1000)
    for name in ("env-py311-a", "comfyui-0.1", "bytecode"):
        (tmp_path / "cache" / name).mkdir()
        (tmp_path / "cache" / name / "file").write_bytes(b"y" * 2000)
    return tmp_path / "cache"


def entry(kept, kind):
    (found,) = (entry for entry in cache.entries(kept) if entry.kind == kind)
    return found


def age(path, days):
    for place in (path, path.parent / f"{path.name}.runs"):
        if place.exists():
            os.utime(place, (time.time() - days * DAY,) * 2)


@pytest.fixture
def run_of():
    """Starts another process that uses a path, as a run does."""
    started = []

    def start(path):
        command = [sys.executable, "-c", HOLD, str(ROOT), str(path)]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        started.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == b"held\n"
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def test_all_that_is_kept_is_listed_with_its_size(kept, capsys):
    assert {entry.kind: cache.size(entry.path) for entry in cache.entries(kept)} == {
        "banks": 1000,
        "stopped": 1000,
        "environments": 2000,
        "comfyui": 2000,
        "clones": 2000,
        "bytecode": 2000,
    }
    age(kept / "env-py311-a", 12)
    cache.show(kept)
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["environments", "0.0", "MB", "12.0", "days", "env-py311-a"] in lines
    assert [
        "banks",
        *"0.0 MB 0.0 days clones/0123/user/guided_gan/banks (of".split(),
        f"{kept.parent / 'checkout'})",
    ] in lines


@pytest.mark.parametrize("kind", cache.KINDS)
def test_one_kind_is_emptied_and_no_other(kept, kind, capsys):
    others = [entry.path for entry in cache.entries(kept) if entry.kind not in (kind, *cache.KEPT)]
    path = entry(kept, kind).path
    cache.empty(kept, [kind])
    assert not path.exists()
    assert all(path.exists() for path in others)
    assert f"removed {path}" in capsys.readouterr().out
    assert (kept.parent / "checkout").exists()  # the link went, not what it leads to


@pytest.mark.parametrize("kind", cache.KINDS)
def test_what_a_run_uses_stays(kept, kind, run_of, capsys):
    found = entry(kept, kind)
    process = run_of(found.user)
    cache.empty(kept, [kind])
    assert found.path.exists()
    assert f"left {found.path}: in use" in capsys.readouterr().out
    process.kill()  # a run that is killed uses nothing any more
    process.wait()
    cache.empty(kept, [kind])
    assert not found.path.exists()


def test_workflows_that_were_saved_in_the_browser_stay(kept, capsys):
    saved = kept / "clones" / "0123" / "user" / "default" / "workflows" / "mine.json"
    saved.parent.mkdir(parents=True)
    saved.touch()
    cache.empty(kept, ["clones"])
    assert saved.exists()
    assert "saved in the browser" in capsys.readouterr().out


@pytest.mark.parametrize("kind", cache.LIMITS)
def test_old_ones_go_when_a_new_one_is_made(kept, kind, run_of):
    old = entry(kept, kind).path
    new = old.parent / f"{old.name}x"
    (new / "custom_nodes" / "guided_gan").mkdir(parents=True)
    age(old, cache.LIMITS[kind] - 1)
    cache.retire(kept, kind, new)
    assert old.exists()
    age(old, cache.LIMITS[kind] + 1)
    process = run_of(old)
    age(old, cache.LIMITS[kind] + 1)
    cache.retire(kept, kind, new)
    assert old.exists()
    process.kill()
    process.wait()
    age(old, cache.LIMITS[kind] + 1)
    cache.retire(kept, kind, new)
    assert not old.exists()
    assert new.exists()


def test_a_clone_goes_with_its_checkout(kept):
    (kept.parent / "checkout").rmdir()
    cache.retire(kept, "clones", kept / "clones" / "new")
    assert not (kept / "clones" / "0123").exists()


def test_a_use_makes_it_young(kept):
    path = kept / "env-py311-a"
    age(path, 40)
    assert entry(kept, "environments").age == pytest.approx(40, abs=0.1)
    with locks.using(path):
        assert locks.in_use(path)
    assert entry(kept, "environments").age == pytest.approx(0, abs=0.1)
    assert not locks.in_use(path)


def test_a_new_environment_retires_the_old(kept):
    age(kept / "env-py311-a", cache.LIMITS["environments"] + 1)
    environment.make(kept / "env-py311-b", lambda folder: folder.mkdir())
    assert not (kept / "env-py311-a").exists()
    assert (kept / "env-py311-b").exists()


class TestCommand:
    @pytest.fixture(autouse=True)
    def cached(self, kept, monkeypatch):
        monkeypatch.setattr(environment, "cache_folder", lambda: kept)

    def test_lists_and_makes_nothing(self, kept, capsys):
        before = sorted(kept.rglob("*"))
        assert cli.main(["cache"]) == 0
        assert "stopped" in capsys.readouterr().out
        assert sorted(kept.rglob("*")) == before

    def test_empties_what_it_is_told(self, kept):
        assert cli.main(["cache", "empty", "banks", "stopped"]) == 0
        assert not list(kept.rglob("*.safetensors"))

    @pytest.mark.parametrize("arguments", [["cache", "empty"], ["cache", "empty", "everything"]])
    def test_asks_what_to_empty(self, arguments, capsys):
        assert cli.main(arguments) == 1
        assert "one or more of banks, stopped" in capsys.readouterr().err


class TestDiskFaults:
    """One sentence for each, and no traceback."""

    def test_a_cache_that_is_a_file(self, tmp_path, monkeypatch, capsys):
        (tmp_path / "cache").touch()
        monkeypatch.setattr(environment, "cache_folder", lambda: tmp_path / "cache")
        assert cli.main(["lint"]) == 1
        error = capsys.readouterr().err
        assert error.startswith(f"run.py: could not use {tmp_path / 'cache'}")
        assert "a file is where a folder belongs" in error
        assert error.count("\n") == 1

    @pytest.mark.parametrize(
        ("number", "words"),
        [
            (errno.ENOSPC, "the disk is full, so /x could not be written"),
            (errno.EACCES, "could not use /x: permission denied; name another folder"),
            (errno.EROFS, "could not use /x: read-only file system"),
            (errno.ENOTDIR, "could not use /x: a file is where a folder belongs"),
        ],
    )
    def test_the_place_and_the_reason_are_said(self, number, words):
        assert words in in_words(OSError(number, os.strerror(number), "/x"))

    def test_an_installer_that_fails_on_a_full_disk_fails_for_that(self, tmp_path, monkeypatch):
        assert isinstance(failure(tmp_path / "a" / "b", "pip said no"), LauncherError)
        monkeypatch.setattr("guided_gan.launcher.FULL", sys.maxsize)
        fault = failure(tmp_path / "a" / "b", "pip said no")
        assert isinstance(fault, OSError)
        assert "the disk is full" in in_words(fault)


@pytest.mark.skipif(sys.platform != "linux", reason="other systems cannot end a process with its parent")
def test_children_end_with_a_run_that_is_killed(tmp_path):
    child = "import os, time; print(os.getpid(), flush=True); time.sleep(60)"
    parent = (
        "import pathlib, sys; sys.path.insert(0, sys.argv[1]); from launcher import cli\n"
        "cli.run([['-c', sys.argv[2]]], pathlib.Path(sys.executable), {}, folder=pathlib.Path.cwd())"
    )
    process = subprocess.Popen([sys.executable, "-c", parent, str(ROOT), child], stdout=subprocess.PIPE)
    assert process.stdout is not None
    number = int(process.stdout.readline())
    os.kill(number, 0)
    process.kill()
    process.communicate()  # ends once the child no longer holds the pipe
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            os.kill(number, 0)
        except ProcessLookupError:
            return
        time.sleep(0.05)
    raise AssertionError("the child lives on")
