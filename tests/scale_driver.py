"""For test_scale.py: rows of a stand-in for a workflow on two of Ray's workers, `python scale_driver.py FOLDER
[SECONDS [WORKERS]]`.

What a row does is its prompt: "die" kills its worker at the first try, "poison" at every try, "fail" raises, "full"
finds the disk full once. All others write a picture that follows from prompt and seed.
"""

import os
import signal
import sys
import time
from functools import partial
from pathlib import Path

from guided_gan.launcher import program
from guided_gan.scale import batch, crew, table
from guided_gan.scale.jobs import Columns
from guided_gan.scale.ledger import Ledger
from guided_gan.scale.results import Record, Results
from guided_gan.scale.worker import Plan, RowFailed

GRAPH = {
    "nodes": [],
    "extra": {"guided_gan": {"prompts": [{"name": "prompt", "about": ""}], "texts": {}, "seeds": {"1.seed": 0}}},
}


class StandIn:
    """A worker without a host; it notes every try of a row below `tries`."""

    def __init__(self, seconds):
        self.seconds = seconds

    def ready(self):
        pass

    def check(self, plan, job):
        pass

    def stop(self):
        pass

    def do(self, plan, job):
        prompt, results = job.prompts[0], Results(plan.folder)
        tries = plan.folder / "tries"
        tries.mkdir(exist_ok=True)
        with (tries / str(job.number)).open("a") as file:
            file.write("x")
        count = (tries / str(job.number)).stat().st_size
        if prompt == "poison" or (prompt == "die" and count == 1):
            os.kill(os.getpid(), signal.SIGKILL)
        if prompt == "fail":
            raise RowFailed("no such thing can be drawn.")
        if prompt == "full" and count == 1:
            raise OSError(28, "No space left on device", str(plan.folder))
        time.sleep(self.seconds)
        name = results.pictures(job.number) / f"{job.number:06}-0.png"
        name.parent.mkdir(parents=True, exist_ok=True)
        name.write_bytes(f"{prompt} {job.seed}".encode())
        file = name.relative_to(results.folder).as_posix()
        results.keep(Record(job.number, job.key, job.given, [prompt], [job.seed], [file], [], 0.1, "here"))


def main(folder, seconds=0.0, workers=2.0):
    ledger = Ledger(Columns(GRAPH, 0), Results(folder))
    total = sum(1 for _ in table.rows(folder / "rows.txt"))
    pending = ledger.pending(table.rows(folder / "rows.txt"))
    if first := next(pending, None):
        with (
            crew.connected(None, int(workers)) as room,
            crew.crew(partial(StandIn, seconds), room, folder) as workers,
        ):
            batch.work(Plan(folder, GRAPH), ledger, first, pending, total, workers)
    Results(folder).join(total)
    return 1 if ledger.failed else 0


if __name__ == "__main__":
    program.stop_on_signals()
    sys.exit(program.exit_status(lambda: main(Path(sys.argv[1]), *(float(each) for each in sys.argv[2:]))))
