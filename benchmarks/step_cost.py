"""What the library's work costs on a CPU: each job at published size with random weights, on one thread.

The unit is the sgemm-GFLOP, the CPU time of the job times the rate of a 2048 x 2048 product in float32 that is measured
between the jobs in the same process, so that figures of different machines and days compare. Lower is better. The last
column is the share of the matrix rate: floating-point operations of the job over what a product of matrices in the
job's own precision would do in its time.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from statistics import median
from typing import Any, cast

import torch

from ..core import draws
from ..core.compute import memory, precision
from ..core.search.bank import DECODE
from ..core.search.pool import shortlisted
from ..core.types import Latent
from ._gpu_jobs import JOBS, Job
from ._gpu_measure import PRECISIONS, Meter, computing
from ._gpu_models import PUBLISHED, TINY, Sizes
from ._tables import table

SIDE = 2048  # of the matrices
CPU = torch.device("cpu")
HEAD = ("job", "precision", "sgemm-GFLOP", "generator", "CLIP", "everything else", "of the matrix rate")
# Job -> latents decoded at once, pictures that CLIP sees of each, and whether gradients come back.
PARTS: Mapping[str, Callable[[Sizes], tuple[int, int, bool]]] = {
    "fusedream": lambda sizes: (1, sizes.copies, True),
    "vqgan": lambda sizes: (1, sizes.cutouts, True),
    "stylegan_t": lambda sizes: (1, 0, False),
    "candidate_plain": lambda sizes: (DECODE, 1, False),
    "candidate": lambda sizes: (DECODE, sizes.few, False),
    "candidate_best": lambda sizes: (1, sizes.copies - sizes.few, False),
}
M = 10_000  # candidates of a start
Work = Callable[[], object]


def seconds(work: Work) -> float:
    """CPU time of one call."""
    begun = time.process_time()
    work()
    return time.process_time() - begun


def product(dtype: torch.dtype) -> Work:
    """A product of two matrices of 2 SIDE^3 operations."""
    a, b = (torch.randn(SIDE, SIDE, generator=draws.rng(0, name)).to(dtype) for name in "ab")
    return lambda: a @ b


def rate(dtype: torch.dtype) -> float:
    """Floating-point operations per second of such a product."""
    work = product(dtype)
    return 2 * SIDE**3 / median(seconds(work) for _ in range(5))


def whole(name: str, job: Job) -> Work:
    """The job itself; of the candidates, as many as are decoded together."""
    return job.fixed[""]().run if name.startswith("candidate") else job.library()


def parts(job: Job, latents: int, pictures: int, backward: bool) -> dict[str, Work]:
    """The job's way through each of its models alone."""
    generator, *encoders = cast(list[Any], job.models)
    found: dict[str, Work] = {
        "generator": partial(through, generator.decode, generator.sample(latents, draws.rng(0, "parts")), backward, 1)
    }
    for encoder in encoders if pictures else ():
        images = torch.rand(pictures, 3, *encoder.image_size, generator=draws.rng(0, "pictures")) * 2 - 1

        def look(shown: Latent, encoder: Any = encoder) -> torch.Tensor:
            return encoder.encode_image(shown.tensors["images"])

        found["CLIP"] = partial(through, look, Latent("", {"images": images}), backward, latents)
    return found


def through(look: Callable[[Latent], torch.Tensor], values: Latent, backward: bool, times: int) -> None:
    """Through a model and, if asked, back."""
    for _ in range(times):
        leaves = values.map(lambda value: value.clone().requires_grad_(backward))
        with torch.set_grad_enabled(backward):
            seen = look(leaves)
        if backward:
            torch.autograd.grad(seen.sum(), list(leaves.tensors.values()))


def measured(name: str, sizes: Sizes, precisions: Sequence[str], rounds: int) -> list[list[str]]:
    """The job's rows, one for each precision, from medians over interleaved rounds."""
    job = JOBS[name](sizes, CPU)
    latents, pictures, backward = PARTS[name](sizes)
    works: dict[tuple[str, str], Work] = {}
    for chosen in precisions:
        works[chosen, "rate"] = product(PRECISIONS[chosen])
        with computing(chosen, job.models):
            works |= {(chosen, part): work for part, work in parts(job, latents, pictures, backward).items()}
            works[chosen, "job"] = whole(name, job)
    works["float32", "rate"] = product(torch.float32)
    taken: dict[tuple[str, str], list[float]] = {place: [] for place in works}
    for i in range(rounds + 1):
        for place, work in works.items():
            with computing(place[0], job.models):
                once = seconds(work)
            if i:  # the first round warms up
                taken[place].append(once)
    middle = {place: median(values) for place, values in taken.items()}
    operations = Meter(CPU, 0).operations(works[precisions[0], "job"])
    return [row(job.name, chosen, middle, operations, latents) for chosen in precisions]


def row(name: str, chosen: str, middle: Mapping[tuple[str, str], float], operations: int, count: int) -> list[str]:
    """A row below HEAD. middle: CPU seconds by precision and part. count: units of the job's work in one call."""
    job, product_flop = middle[chosen, "job"], 2 * SIDE**3
    shares = [middle.get((chosen, part), 0) / job for part in ("generator", "CLIP")]
    gflop = job / count * product_flop / middle["float32", "rate"] / 1e9
    reached = operations / job * middle[chosen, "rate"] / product_flop
    return [name, chosen, f"{gflop:,.0f}", *(f"{share:.0%}" for share in (*shares, 1 - sum(shares))), f"{reached:.0%}"]


def start(first: Sequence[Sequence[str]], second: Sequence[Sequence[str]]) -> list[list[str]]:
    """Rows of a candidate's share of a start of M candidates, from the rows of its two stages."""
    share = shortlisted(M) / M
    costs = [[float(row[2].replace(",", "")) for row in pair] for pair in zip(first, second, strict=True)]
    name = f"one candidate of the start, both stages, M = {M:,}"
    return [
        [name, row[1], f"{all_of_them + share * best:,.0f}", *"----"]
        for row, (all_of_them, best) in zip(first, costs, strict=True)
    ]


def main() -> None:
    default = ["float32", *(["bfloat16"] if precision.default() is torch.bfloat16 else [])]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument(
        "--jobs", nargs="+", default=list(PARTS), choices=PARTS, metavar="NAME", help=f"of {', '.join(PARTS)}"
    )
    parser.add_argument("--precisions", nargs="+", default=default, choices=("float32", "bfloat16"), metavar="NAME")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--tiny", action="store_true", help="models of a few numbers: does the script work?")
    options = parser.parse_args()
    torch.set_num_threads(1)
    memory.keep_freed()  # as a search does
    found: dict[str, list[list[str]]] = {}
    for name in options.jobs:
        found[name] = measured(name, TINY if options.tiny else PUBLISHED, options.precisions, options.rounds)
        print("\n".join(" | ".join(line) for line in found[name]), flush=True)
    if {"candidate", "candidate_best"} <= found.keys():
        found["start"] = start(found["candidate"], found["candidate_best"])
    rows = [row for lines in found.values() for row in lines]
    rates = ", ".join(f"{name} {rate(PRECISIONS[name]) / 1e9:.0f}" for name in options.precisions)
    print(f"\nGFLOP/s of a {SIDE} x {SIDE} product: {rates}\n\n{table(HEAD, rows)}")


if __name__ == "__main__":
    main()
