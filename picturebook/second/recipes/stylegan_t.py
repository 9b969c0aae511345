"""Recipe of the StyleGAN-T: free captions to shaded scenes of one object, read and guided by the edition's CLIP.

The generator starts as a painter, as the BigGAN does (`gan.py`): noise stands for all that the caption leaves open
(`scene_of`), and the generator learns to draw that scene, by pixels and through the perceptual backbone. Then
StyleGAN-T's own training (`training.trainer`) begins, with the projected discriminator, on the same backbone, and CLIP
guidance. The painter's losses stay: they keep each latent at its scene, and the discriminator asks for the edges that
they leave soft.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ....core import clip, draws, metrics
from ....core.generators.stylegan_t.network import Network, Shape
from ....training.trainer import Settings
from ...language import PLAIN, Captions, Meanings, describe
from ...language.meaning import FIELDS, OPEN
from ...recipes import choices
from ...recipes.stylegan_t import Plan, recipe
from ...recipes.training import Recipe
from ...scenes import kinds, render
from .. import MODELS, judging
from ..networks import PerceptualBackbone

SHAPE = Shape(channels=(256, 128, 64, 64), num_res_blocks=1, z_dim=96, c_dim=192)
SETTINGS = Settings(batch=192, lr=2e-3, ema_decay=0.998, seed=55)
STOCK = 65536  # captions that those of the training are drawn from
# How often captions say what they can; often enough not, for noise to decide it.
LIKELY = {"kind": 1.0, "colour": 0.6, "background": 0.6, "size": 0.3, "place": 0.25, "facing": 0.2, "alone": 0.1}

# --- what noise means ------------------------------------------------------------------------------------------------

# The numbers of z that decide what captions leave open; each stands for a share in [0, 1] (`choices.shares`).
SIZE, X, Y, FACING, COLOUR, BACKGROUND = range(6)
VARIETY = range(6, 6 + kinds.NUM_VARIETY)
JITTER = range(VARIETY.stop, VARIETY.stop + kinds.NUM_JITTER)


def scene_of(z: Tensor, meanings: Meanings) -> kinds.Scenes:
    """The shaded scenes that z [N, 96] stands for under captions of these meanings, which z completes.

    Size and place spread as in `kinds.sample`, as far as the caption lets them.
    """
    share = choices.shares(z)
    said = dict(zip(FIELDS, meanings.says.T, strict=True))

    def open_or_said(name: str, names: Sequence[str], column: int) -> Tensor:
        chosen = (share[:, column] * len(names)).long().clamp(max=len(names) - 1)
        return torch.where(said[name] == OPEN, chosen, said[name])

    least, most = (torch.full_like(share[:, 0], limit) for limit in kinds.ALONE)
    least = torch.where(said["size"] == kinds.SIZES.index("big"), kinds.BIG, least)
    most = torch.where(said["size"] == kinds.SIZES.index("small"), kinds.SMALL, most)
    middle = said["place"] == kinds.PLACES.index("middle")
    aside = (said["place"] != OPEN) & ~middle
    most = torch.where(aside, most.clamp(max=0.5 - kinds.MARGIN - 0.03), most)  # room to lie at a side
    size = torch.lerp(least, most, share[:, SIZE])
    centre = []
    for column, sides in ((X, ("left", "right")), (Y, ("top", "bottom"))):
        before, after = (said["place"] == kinds.PLACES.index(side) for side in sides)
        low = torch.where(after, 0.5 + kinds.MARGIN, torch.where(middle, 0.5 - kinds.MARGIN, size + 0.02))
        high = torch.where(before, 0.5 - kinds.MARGIN, torch.where(middle, 0.5 + kinds.MARGIN, 0.98 - size))
        centre.append(torch.lerp(low, high, share[:, column]))
    colour = open_or_said("colour", kinds.COLOURS, COLOUR)
    background = open_or_said("background", kinds.BACKGROUNDS, BACKGROUND)
    facing = open_or_said("facing", kinds.FACINGS, FACING)
    variety, jitter = share[:, list(VARIETY)], share[:, list(JITTER)]
    cx, cy = centre
    return kinds.single(said["kind"], colour, background, facing, cx, cy, size, variety, jitter)


def functions() -> list[choices.Function]:
    """What f says of z: all that `scene_of` reads."""
    where = [choices.level(column, 3) for column in (SIZE, X, Y)]
    vocabulary = ((FACING, kinds.FACINGS), (COLOUR, kinds.COLOURS), (BACKGROUND, kinds.BACKGROUNDS))
    names = [choices.choice(column, len(choice)) for column, choice in vocabulary]
    return [*where, *names, *(choices.level(column, 2) for column in (*VARIETY, *JITTER))]


# --- training --------------------------------------------------------------------------------------------------------


def stylegan_t(steps: int, device: torch.device) -> Recipe:
    said = stock(STOCK, draws.rng(SETTINGS.seed, "stock"))

    def paint(z: Tensor, says: Tensor) -> tuple[Tensor, Tensor]:
        scenes = scene_of(z, Meanings(says))
        return render.render(scenes), render.layers(scenes).amax(1, keepdim=True)

    known, backbone = (said.texts, said.meanings.says), PerceptualBackbone.shipped(device)
    plan = Plan(SHAPE, SETTINGS, functions(), known, paint, measure, backbone, MODELS, "clip_robust")
    return recipe(steps, device, plan)


def stock(n: int, rng: torch.Generator, *, held_out: bool = False) -> Captions:
    """So many captions of shaded scenes of one object that CLIP was shown; or held_out, that it never was."""
    drawn = (20 if held_out else 2) * n + 600  # enough to choose from: one in eleven is held out
    scenes = kinds.sample(drawn, rng, two_objects=0.0, shaded=1.0)
    fitting = kinds.clip_holds_out(scenes.kind[:, 0], scenes.colour[:, 0], scenes.background) == held_out
    chosen = scenes[fitting.nonzero()[:n, 0]]
    return describe(chosen, rng, PLAIN if held_out else LIKELY)


@torch.inference_mode()
def measure(network: Network, reader: clip.OpenCLIP, device: torch.device, prompts: int = 200) -> dict[str, float]:
    """What the judges say of one picture for each of so many captions of combinations that were never shown."""
    rng = draws.rng(SETTINGS.seed + 1000, "measure")
    said = stock(prompts, rng, held_out=True)
    z = torch.randn(prompts, SHAPE.z_dim, generator=rng)
    scenes = scene_of(z, said.meanings)
    images = network(z.to(device), reader.encode_text(said.texts).to(device)).clamp(-1, 1)
    score = metrics.clip_score(reader, images, said.texts).mean().item()
    things = torch.stack([scenes.kind[:, :1], scenes.colour[:, :1]], -1)
    return {**judging.agreement(images.cpu(), things, scenes.background), "clip_score": score}
