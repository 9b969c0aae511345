"""Folders that are kept small: what goes, what stays, and what is in use."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from guided_gan.core.files.shelf import Shelf, discard, touch
from guided_gan.core.files.whole import PART

SIZE = 1000
HOUR, DAY = 3600, 86_400


@pytest.fixture
def shelf(tmp_path):
    return Shelf(tmp_path, most=3 * SIZE, days=30)


def put(shelf, name, age=0.0, size=SIZE):
    """A file that was last used so many seconds ago."""
    path = shelf.path(name)
    path.write_bytes(bytes(size))
    os.utime(path, (time.time() - age, time.time() - age))
    return path


def names(shelf):
    return {path.stem for path in shelf.find("")}


def test_the_least_recently_used_go_first(shelf):
    files = [put(shelf, str(i), age=(10 - i) * HOUR) for i in range(6)]
    touch(files[1])
    shelf.tidy(files[5])
    assert names(shelf) == {"1", "4", "5"}


def test_no_more_goes_than_must(shelf):
    put(shelf, "large", age=2 * HOUR, size=3 * SIZE)
    put(shelf, "small", age=3 * HOUR, size=1)
    newest = put(shelf, "new")
    shelf.tidy(newest)
    assert names(shelf) == {"new"}
    put(shelf, "old", age=HOUR, size=2 * SIZE)
    shelf.tidy(newest)
    assert names(shelf) == {"new", "old"}


def test_what_nobody_used_for_long_goes_and_the_newest_stays_whatever_its_size(shelf):
    put(shelf, "old", age=31 * DAY)
    put(shelf, "young", age=29 * DAY)
    newest = put(shelf, "new", age=40 * DAY, size=1)
    shelf.tidy(newest)
    assert names(shelf) == {"young", "new"}
    huge = put(shelf, "huge", size=10 * SIZE)
    shelf.tidy(huge)
    assert names(shelf) == {"huge"}


def test_use_leaves_the_time_of_writing(shelf):
    path = put(shelf, "a", age=DAY)
    written = path.stat().st_mtime_ns
    touch(path)
    assert path.stat().st_mtime_ns == written
    touch(shelf.path("missing"))


def test_other_files_are_left_alone_and_halves_go_after_a_day(shelf):
    others = [
        shelf.folder / "notes.txt",
        shelf.folder / f"a.safetensors.1{PART}",
        shelf.folder / f"b.safetensors.2{PART}",
    ]
    for path, age in zip(others, (99 * DAY, 2 * DAY, HOUR), strict=True):
        path.write_bytes(bytes(9 * SIZE))
        os.utime(path, (time.time() - age, time.time() - age))
    newest = put(shelf, "new")
    shelf.tidy(newest)
    assert {path.name for path in shelf.folder.iterdir()} == {"notes.txt", others[2].name, newest.name}


HOLD = """
import contextlib, sys
from pathlib import Path
from conftest import ROOT
from guided_gan.core.files.shelf import Shelf
path = Path(sys.argv[1])
with Shelf(path.parent, 1).using(path):
    print("held", flush=True)
    sys.stdin.readline()
"""


def test_what_another_process_uses_stays_until_it_ends(shelf):
    """As of a search that goes on from there, in another host over the same folders."""
    path, other = (put(shelf, name, age=99 * DAY) for name in ("used", "other"))
    command = [sys.executable, "-c", HOLD, str(path)]
    with subprocess.Popen(
        command, cwd=Path(__file__).parent, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout
        assert holder.stdout.readline() == "held\n"
        os.utime(path, (0, 0))
        newest = put(shelf, "new", size=9 * SIZE)
        shelf.tidy(newest)
        assert names(shelf) == {"used", "new"}
        assert not discard(path)
        assert not other.exists()
        holder.kill()  # as a host that dies
    assert discard(path)
    assert not path.exists()
    assert discard(path), "what is gone already is gone"


def test_several_may_use_a_file_at_once(shelf):
    path = put(shelf, "used")
    with shelf.using(path):
        with shelf.using(path):
            assert not discard(path)
        assert not discard(path)
    assert discard(path)
    with pytest.raises(FileNotFoundError), shelf.using(path):
        pass


def test_a_folder_that_is_not_there_is_empty(tmp_path):
    shelf = Shelf(tmp_path / "nothing", 1)
    assert shelf.find("") == []
    shelf.tidy(shelf.path("a"))
    assert not shelf.folder.exists()
