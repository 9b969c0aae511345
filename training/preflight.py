"""The pretrained networks of a training, by path or published name, and remarks on captions too long for CLIP."""

from __future__ import annotations

import os
import sys
from argparse import Namespace
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from tqdm import tqdm

from ..core import clip
from ..core.errors import PackError, quoted
from ..core.files.download import in_words
from ..core.published import catalogue, fetch
from ..launcher import models
from .data import Caption, Files

# Options that name what is needed: the kinds of published weights that can serve, and what for.
NEEDS = {
    "clip": (("clip_joint",), "what reads the captions and guides the generator"),
    "features": (("dino", "lpips"), "what the discriminator sees through"),
    "fid_network": (("inception", "lpips"), "whose features FID compares, unless --measure-every is 0"),
    "judge": (("clip_joint",), "the CLIP of the score that is measured, unless --measure-every is 0"),
}
MEASURING = ("fid_network", "judge")  # which are needed for figures alone
NAMED = 5  # of what is wrong with the data, on screen


def all_needed(options: Namespace) -> dict[str, Path]:
    """Paths of all networks that a command line needs, by option name; see `obtain`."""
    wanted = [name for name in NEEDS if options.measure_every or name not in MEASURING]
    return {name: obtain(getattr(options, name), *NEEDS[name]) for name in wanted}


def obtain(asked: str, kinds: Sequence[str], purpose: str) -> Path:
    """The path that was asked for, or the published weights of that name, which are downloaded if they are not there.

    kinds: of the weights that can serve. purpose: what the training needs them for, for people.

    Raises:
        PackError: it is neither, or cannot be downloaded; the message tells how to download it by hand.
    """
    if (path := Path(asked)).exists():
        return path
    known = {catalogue.stem(entry): entry for kind in kinds for entry in catalogue.published(kind)}
    if asked not in known:
        raise PackError(f"{quoted(asked)} is no path here, nor one of {', '.join(known)}.")
    entry, folder = known[asked], Path(os.environ["GUIDED_GAN_MODELS"])
    if fetch.is_there(entry, folder / entry.kind):
        return fetch.place(entry, folder / entry.kind)
    print(
        f"The training needs {asked} as {purpose} ({in_words(entry.size or entry.about)}, licence {entry.licence}). "
        f"It is downloaded into {folder / entry.kind}; without a connection here, bring it there from a machine where "
        f"`run.py models get {asked}` was run.",
        file=sys.stderr,
    )
    return models.get(folder, asked)


def remarks(files: Files, encoder: clip.OpenCLIP, listing: Path) -> Iterator[str]:
    """Remarks on the data before a training starts, one line each; see `too_long` for the file `listing`."""
    yield f"{len(files):,} captioned pictures in {files.name}."
    if alone := files.uncaptioned:
        of = f"{len(alone):,} of {len(alone) + len(files):,} pictures"
        yield f"{of} have no text beside them and are left out: {named(alone)}."
    for name, why in files.skipped.items():
        yield f"{name}: {why}."
    if text := too_long(files.captions(), len(files), encoder, listing):
        yield text


def too_long(captions: Iterable[Caption], total: int, encoder: clip.OpenCLIP, listing: Path) -> str:
    """What to say of captions with more tokens than the encoder reads, all of which the file `listing` then names.

    Returns "" where there are none. total: pictures, for the progress bar.
    """
    count, found = 0, []
    for caption in tqdm(captions, "reading captions", total, unit="", leave=False, mininterval=2, delay=2):
        count += 1
        if length := encoder.excess(caption.text):
            found.append(f"{caption.place}, line {caption.line}: {length}")
    listing.unlink(missing_ok=True)
    if not found:
        return ""
    listing.write_text("\n".join([*found, ""]), encoding="utf-8")
    return (
        f"{len(found):,} of {count:,} captions have more than the {encoder.room} tokens that {encoder.name} "
        f"reads, and are cut there: {named(found)}. {listing} names them all."
    )


def named(found: Sequence[str]) -> str:
    """The first few names, and the number of the others."""
    more = f"; and {len(found) - NAMED:,} more" if len(found) > NAMED else ""
    return f"{'; '.join(found[:NAMED])}{more}"
