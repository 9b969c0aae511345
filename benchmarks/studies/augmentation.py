"""Which augmentation does the work: each of the four alone, all, and none (FuseDream, Figure 15).

All searches of a prompt share one start, chosen under all augmentations, and all are scored under all of them. The
claim, that each helps alone and all together help most, is borne out where the score rises from none over each to all,
and the judges agree.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from ...core.augment import diffaug
from ...core.losses.aug_clip import AugCLIPLoss
from ...core.search import optimize
from .._common import Prompt, each, models
from ._common import (
    Found,
    add_search,
    add_start,
    aug_clip,
    banks,
    compared,
    draw_found,
    found,
    parser,
    search,
    settings,
    start,
    wanted,
)

POLICIES: dict[str, tuple[str, ...]] = {
    "none": (),
    **{name: (name,) for name in diffaug.POLICIES},
    "all": diffaug.POLICIES,
}


def searched(prompt: Prompt, options: argparse.Namespace, folder: Path) -> dict[str, Found]:
    """What the search finds under each choice of augmentations."""
    text = prompt.text
    begin, target = start(text, options, folder), aug_clip(text).target
    out = {}
    for name, policies in POLICIES.items():
        loss = AugCLIPLoss(models()[1], target, policies=policies, copies=options.copies)
        result = optimize.optimize(models()[0], loss, begin, seeds=[options.seed], options=search(options))
        out[name] = found(result.images, prompt)
    return out


def main() -> None:
    options = parser(__doc__, "augmentation", count=16)
    add_search(options)
    add_start(options)
    options = options.parse_args()
    chosen = wanted(options)
    with banks(options) as folder:
        rows = each(searched, chosen, options, folder, jobs=options.jobs)
    print(f"{settings(options)}\n")
    print(compared(rows, "augmentations"))
    draw_found(rows, chosen, options.figure)


if __name__ == "__main__":
    main()
