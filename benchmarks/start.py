"""The search's start on picturebook: does the quick ranking find the best, what does a seed share, what does it cost?

First, of the k best of a full ranking by all copies, how many the two stages find. Then, by the share of the pool that
a seed takes, how many of their k starts two seeds have in common and how good those are. Last the CPU time of the first
start, of another prompt's and of another seed's, beside that of looking once at each candidate, as the released code
does. Prints tables in Markdown; intervals are of 95 %, over prompts and pools.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from itertools import combinations
from pathlib import Path
from statistics import fmean
from tempfile import TemporaryDirectory

import torch
from torch import Tensor

from ..core.losses import targets
from ..core.losses.aug_clip import AugCLIPLoss
from ..core.search import basis_init
from ..core.search.bank import Bank
from ..core.search.pool import Pool, shortlist
from ._common import GUIDES, Prompt, each, guide, models, prompts, table

SHARES = (0.2, 0.3, basis_init.SHARE, 0.5, 1.0)
PLAIN = 500  # candidates that the released way is timed with


def wanted(options: argparse.Namespace) -> list[Prompt]:
    """The prompts: half of combinations that the GAN has seen, half of others."""
    seen = options.prompts // 2
    return prompts(True, seen, options.seed) + prompts(False, options.prompts - seen, options.seed)


def aug_clip(prompt: Prompt, options: argparse.Namespace) -> AugCLIPLoss:
    """The loss that ranks for a prompt."""
    encoder = guide(options.clip)
    return AugCLIPLoss(encoder, targets.from_text(encoder, prompt.text), copies=options.copies)


# --- rankings --------------------------------------------------------------------------------------------------------


def scores(seed: int, options: argparse.Namespace) -> tuple[Tensor, Tensor]:
    """Scores [prompts, M] of a seed's candidates by few copies and by all."""

    def silent(size: int) -> Callable[[int, str], None]:
        return lambda known, what: None

    few, full = [], []
    with TemporaryDirectory() as folder:
        for prompt in wanted(options):
            pool = Pool(models()[0], [(1.0, aug_clip(prompt, options))], seed, Path(folder), False, print)
            few.append(pool.by_few(options.candidates, silent))
            full.append(pool.by_all(torch.arange(options.candidates), silent))
    return torch.stack(few), torch.stack(full)


def two_stages(few: Tensor, full: Tensor, part: Tensor, k: int) -> set[int]:
    """The k best of a part of the candidates, as a start finds them; from scores [M] of one prompt."""
    numbers = part[shortlist(few[part])]
    return best(full, numbers, k)


def best(full: Tensor, part: Tensor, k: int) -> set[int]:
    """The k best of a part of the candidates by all copies."""
    return set(part[full[part].topk(k).indices].tolist())


def agreement(pools: Sequence[tuple[Tensor, Tensor]], options: argparse.Namespace) -> list[list[str]]:
    """How many of the k best the two stages find, of all candidates and of what a seed takes."""
    rows = []
    everything = torch.arange(options.candidates)
    for name, parts in (
        ("all candidates", [everything]),
        ("a seed's share", [basis_init.part_of_pool(seed, options.candidates) for seed in range(options.seeds)]),
    ):
        common = [
            len(two_stages(few, full, part, options.k) & best(full, part, options.k))
            for pool in pools
            for few, full in zip(*pool, strict=True)
            for part in parts
        ]
        rows.append([name, str(len(parts[0])), interval(common), str(min(common)), str(len(common))])
    return rows


def shares(pools: Sequence[tuple[Tensor, Tensor]], options: argparse.Namespace) -> list[list[str]]:
    """By share: the starts that two seeds have in common, and the scores of the best and of all k of them."""
    return [shared(share, pools, options) for share in SHARES]


def shared(share: float, pools: Sequence[tuple[Tensor, Tensor]], options: argparse.Namespace) -> list[str]:
    """A row of `shares`."""
    parts = [basis_init.part_of_pool(seed, options.candidates, share) for seed in range(options.seeds)]
    common, top, mean = [], [], []
    for full in (row for pool in pools for row in pool[1]):
        found = [best(full, part, options.k) for part in parts]
        common.append(fmean(len(one & other) for one, other in combinations(found, 2)))
        top.append(fmean(full[list(numbers)].max().item() for numbers in found))
        mean.append(fmean(full[list(numbers)].mean().item() for numbers in found))
    return [f"{share:.0%}", interval(common), f"{fmean(top):.3f}", f"{fmean(mean):.3f}"]


def interval(values: Sequence[float]) -> str:
    """The mean with its interval of 95 %."""
    numbers = torch.tensor(values, dtype=torch.float64)
    return f"{numbers.mean():.2f} ± {1.96 * numbers.std() / len(numbers) ** 0.5:.2f}"


# --- costs -----------------------------------------------------------------------------------------------------------


def seconds(work: Callable[[], object]) -> float:
    """CPU time of one call."""
    begun = time.process_time()
    work()
    return time.process_time() - begun


def costs(options: argparse.Namespace) -> list[list[str]]:
    """CPU time of starts, in seconds and as a share of the first, in one process of one thread."""
    generator = models()[0]
    first, *others = (aug_clip(prompt, options) for prompt in wanted(options))

    def start(loss: AugCLIPLoss, seed: int, folder: str) -> float:
        return seconds(
            lambda: basis_init.initialise(
                generator, loss, seeds=[seed], k=options.k, count=options.candidates, folder=Path(folder)
            )
        )

    def plain() -> Tensor:
        return Bank(generator, first.plain(), basis_init.SHARED, range(1), None).vectors(torch.arange(PLAIN))

    plain()
    looks = seconds(plain) * options.candidates / PLAIN
    with TemporaryDirectory() as folder:
        build = start(first, 0, folder)
        seeds = [start(first, seed, folder) for seed in range(1, options.seeds)]
        texts = [start(loss, 0, folder) for loss in others]
    lines = {
        "one look at each candidate": ([looks], 1),
        "the first start": ([build], 1),
        "another seed, same prompt": (seeds, len(seeds)),
        "another prompt, same seed": (texts, len(texts)),
    }
    return [
        [name, f"{fmean(taken):.2f}", f"{fmean(taken) / build:.1%}", f"{max(taken) / build:.1%}", str(n)]
        for name, (taken, n) in lines.items()
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--candidates", type=int, default=2000, help="the paper's M")
    parser.add_argument("--copies", type=int, default=50)
    parser.add_argument("--k", type=int, default=10)
    parser.add_argument("--prompts", type=int, default=20)
    parser.add_argument("--pools", type=int, default=3, help="seeds of pools")
    parser.add_argument("--seeds", type=int, default=6, help="seeds that choose from each")
    parser.add_argument("--seed", type=int, default=1, help="decides the prompts")
    parser.add_argument("--clip", default="robust", choices=GUIDES, help="which shipped one ranks")
    parser.add_argument("--jobs", type=int, default=2, help="processes of one thread each")
    options = parser.parse_args()
    torch.set_num_threads(1)
    print(f"{options.clip} CLIP, M = {options.candidates}, {options.copies} copies, k = {options.k}\n")
    head = ["start", "CPU seconds", "of the first", "at most", "n"]
    print(table(head, costs(options)), flush=True)
    pools = each(scores, range(options.pools), options, jobs=options.jobs)
    head = ["ranked", "candidates", f"found of the {options.k} best", "at least", "n"]
    print(f"\n{table(head, agreement(pools, options))}")
    head = ["share of the pool", "starts that two seeds have in common", "best score", f"mean of the {options.k}"]
    print(f"\n{table(head, shares(pools, options))}")


if __name__ == "__main__":
    main()
