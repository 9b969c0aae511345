"""Search settings that suit a generator: each family declares them, and a file beside the weights may change them.

Each stage has its section. `Settings()` are FuseDream's (Liu et al. 2021, and its released code where the paper gives
no value), `VQGAN_CLIP` those of Crowson, Biderman et al. 2022. `NAMED` has both as published, in paper and code.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace


@dataclass(frozen=True)
class SearchSettings:
    """Arguments of `search.options.Options`.

    constraint: a name of `search.options.CONSTRAINTS`. schedule: a name of `search.optimizers.SCHEDULES`. grid_scales:
    a name of `search.options.GRID_SCALES`.
    """

    steps: int = 1000
    lr: float = 5e-3
    latent_noise: float = 0.01
    constraint: str = "none"
    schedule: str = "constant"
    grid_scales: str = "finest"


@dataclass(frozen=True)
class StartSettings:
    """Arguments of `search.basis_init.initialise`; `candidates` is its `count`."""

    k: int = 5
    candidates: int = 10_000
    weighting: str = "scalar"
    ranking: str = "AugCLIP"
    fresh: bool = False


@dataclass(frozen=True)
class AugCLIPSettings:
    """Arguments of `losses.aug_clip.AugCLIPLoss`. released: resize as FuseDream's released code does."""

    copies: int = 50
    color: bool = True
    translation: bool = True
    resize: bool = True
    cutout: bool = True
    distance: str = "cosine"
    released: bool = False


@dataclass(frozen=True)
class CutoutSettings:
    """Arguments of `losses.cutout_loss.CutoutLoss`; `cutouts` is its `copies`."""

    cutouts: int = 32
    smallest: float = 0.5
    power: float = 1.0
    whole: float = 0.0


@dataclass(frozen=True)
class RegularizationSettings:
    """Arguments of `losses.regularisers.LatentRegularization`; a weight of 0 means no regularisation."""

    weight: float = 1.5
    decay: float = 0.005
    every: int = 1


@dataclass(frozen=True)
class Settings:
    """The search settings that suit a generator.

    search, start, aug_clip, cutouts, regularization: arguments of each stage. loss: name of the loss to search with, as
    in the score curve. backbone: file name, in `models/lpips`, of the backbone for perceptual distances between its
    pictures. composition: settings for a composition of two layers; None for the same as for a single picture. wraps:
    which opposite sides of its pictures are joined, a name of `resample.SIDES`. transparent: whether its latents have
    an alpha channel, see `generators.transparent`.
    """

    search: SearchSettings = SearchSettings()
    start: StartSettings = StartSettings()
    aug_clip: AugCLIPSettings = AugCLIPSettings()
    cutouts: CutoutSettings = CutoutSettings()
    regularization: RegularizationSettings = RegularizationSettings(weight=0.0)
    loss: str = "AugCLIP"
    backbone: str = "alexnet.pth"
    composition: Settings | None = None
    wraps: str = "none"
    transparent: bool = False

    @property
    def composed(self) -> Settings:
        """The settings for a composition, and for the search of each of its layers."""
        return self.composition or self


# Pictures of random codes are all noise, so choosing among many gains little: k and candidates are not FuseDream's.
VQGAN_CLIP = Settings(
    search=SearchSettings(steps=400, lr=0.15, latent_noise=0.0),
    start=StartSettings(k=1, candidates=100),
    regularization=RegularizationSettings(),
    loss="cutouts",
)
_PAPER, _CODE = StartSettings(fresh=True), StartSettings(weighting="softmax", ranking="CLIP", fresh=True)
FUSEDREAM_AS_PUBLISHED: Mapping[str, Settings] = {
    "FuseDream as in the paper": Settings(search=SearchSettings(latent_noise=0.0), start=_PAPER),
    "FuseDream as in its code": Settings(start=_CODE, aug_clip=AugCLIPSettings(released=True)),
}
VQGAN_CLIP_AS_PUBLISHED: Mapping[str, Settings] = {
    # The paper names no number of crops; 64 is that of all its notebooks.
    "VQGAN-CLIP as in the paper": replace(VQGAN_CLIP, cutouts=CutoutSettings(cutouts=64)),
    # The notebook with the regulariser: pictures 512 pixels high, crops of at least 224; it runs until it is stopped.
    "VQGAN-CLIP as in its notebook": replace(
        VQGAN_CLIP,
        search=SearchSettings(steps=1000, lr=0.95, latent_noise=0.0),
        cutouts=CutoutSettings(cutouts=64, smallest=0.4375),
        regularization=RegularizationSettings(weight=1.5, decay=0.3, every=50),
    ),
}
NAMED: Mapping[str, Settings] = {**FUSEDREAM_AS_PUBLISHED, **VQGAN_CLIP_AS_PUBLISHED}


def in_words(section: object) -> str:
    """A section as text: "steps 1,000, lr 0.005, latent_noise 0.01"; of booleans, the names of those that are on."""
    parts = []
    for field in fields(section):  # type: ignore[arg-type]
        value = getattr(section, field.name)
        if isinstance(value, bool):
            parts += [field.name] if value else []
        else:
            shown = f"{value:,}" if isinstance(value, int) else f"{value:g}" if isinstance(value, float) else value
            parts.append(f"{field.name} {shown}")
    return ", ".join(parts)
