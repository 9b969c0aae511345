"""How the programs that run.py starts end: by a signal, or with a sentence."""

import os
import signal
import subprocess
import sys

import pytest

from guided_gan.launcher import ROOT, LauncherError, program

WORK = """
import os, signal, sys
sys.path.insert(0, sys.argv[1])
from launcher import program

def work():
    os.kill(os.getpid(), getattr(signal, sys.argv[2]))
    print("goes on")
    return 0

program.stop_on_signals()
sys.exit(program.exit_status(work))
"""


@pytest.mark.skipif(os.name == "nt", reason="Windows has no signals that a parent can ignore")
@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP"])
@pytest.mark.parametrize("ignored", [False, True])
def test_a_signal_stops_the_work_unless_the_parent_ignores_it(name, ignored):
    def start():  # in the child, as `nohup` does
        signal.signal(getattr(signal, name), signal.SIG_IGN if ignored else signal.SIG_DFL)

    run = subprocess.run(
        [sys.executable, "-c", WORK, str(ROOT), name], preexec_fn=start, capture_output=True, text=True, check=False
    )
    expected = (0, "goes on\n", "") if ignored else (130, "", "\nStopped.\n")
    assert (run.returncode, run.stdout, run.stderr) == expected


@pytest.mark.parametrize("error", [LauncherError("it lacks a prompt."), FileNotFoundError(2, "No such file", "/x")])
def test_an_error_of_the_user_or_the_disk_is_one_sentence(error, capsys):
    def work():
        raise error

    assert program.exit_status(work) == 1
    told = capsys.readouterr().err
    assert told.startswith("run.py: ")
    assert told.count("\n") == 1


def test_other_errors_keep_their_traceback():
    def work():
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        program.exit_status(work)


def test_the_work_says_how_it_ended():
    assert program.exit_status(lambda: 3) == 3
