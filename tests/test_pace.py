"""The pace of a task, and what is said of it."""

import time

import pytest

from guided_gan.core.pace import Pace, duration
from guided_gan.scale import batch


@pytest.fixture
def clock(monkeypatch):
    """The time in seconds, in a list to change it."""
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    return now


def test_what_was_done_before_the_first_call_does_not_count(clock):
    pace = Pace()
    clock[0] += 50
    assert pace.left(400, 1000) is None
    clock[0] += 20
    assert pace.rate(440) == 2
    assert pace.left(440, 1000) == 280
    assert pace.left(1000, 1000) == 0


def test_a_task_may_start_with_its_pace(clock):
    pace = Pace(0)
    clock[0] += 10
    assert pace.rate(0) is None
    assert pace.rate(20) == 2


def test_a_batch_tells_its_speed_once_a_row_is_done(clock):
    pace = Pace(0)
    clock[0] += 10
    assert batch._speed(pace, 0, 5) == ""
    assert batch._speed(pace, 20, 60) == "2 rows/s, 30 seconds left,"
    assert batch._speed(pace, 1, 3600) == "0.1 rows/s, 10 hours left,"


def test_a_duration_has_the_unit_that_suits_it():
    assert [duration(seconds) for seconds in (0.4, 119, 120, 7199, 7200, 172_799, 172_800)] == [
        *("0 seconds", "119 seconds", "2 minutes", "120 minutes", "2 hours", "48 hours", "2 days")
    ]
