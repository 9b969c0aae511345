"""Search: Basis Init and Mask Latent, the starts of searches."""

from __future__ import annotations

from collections import Counter
from typing import Any

import torch
from comfy_api.latest import io
from torch import Tensor

from ..core.errors import PackError, quoted
from ..core.files.download import in_words
from ..core.pace import Pace, duration
from ..core.search import bank_file, basis_init, masking, weightings
from ..core.settings import FUSEDREAM_AS_PUBLISHED, Settings
from ..core.types import Generator, Latent, Loss
from . import checks, grids, host, sockets, suited

_SETTINGS = suited.Menu(
    "start",
    [
        io.Int.Input(
            "k",
            default=5,
            min=1,
            max=basis_init.MAX_BASIS,
            tooltip="Basis latents per search; the paper's tables have 5 and 10.",
        ),
        io.Int.Input(
            "candidates",
            default=10_000,
            min=1,
            max=1_000_000,
            tooltip="Random latents in the pool that all seeds share, the paper's M. Each seed chooses from "
            f"{basis_init.SHARE:.0%} of them, which it draws, unless fresh is on.",
        ),
        io.Combo.Input(
            "weighting",
            options=list(weightings.WEIGHTINGS),
            default="scalar",
            tooltip="scalar: one weight per basis latent, as in the paper. "
            "softmax: one per dimension, as in the released code.",
        ),
    ],
    FUSEDREAM_AS_PUBLISHED,
    composed=True,
)


class BasisInit(io.ComfyNode):
    """The k best of M random latents."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="GuidedGAN_BasisInit",
            display_name="Basis Init",
            category="guided GAN/search",
            description="FuseDream's start: of many random latents, the k whose pictures score best. The first run "
            "computes a pool of candidates and keeps it on disk, "
            f"up to {bank_file.MOST_BYTES // 10**9} GB in all; every later prompt and seed takes little time. "
            "Look at the starts, and pick by hand if you like.",
            search_aliases=["FuseDream"],
            is_output_node=True,
            inputs=[
                sockets.Generator.Input("generator", tooltip="The GAN to search."),
                sockets.Loss.Input(
                    "loss", tooltip="AugCLIP Loss, or a sum that has one: what the candidates are ranked by."
                ),
                io.Int.Input(
                    "seed",
                    tooltip="Decides which candidates the first search chooses from; the next ones of a batch follow.",
                    **sockets.SEED,
                ),
                io.Int.Input(
                    "batch",
                    tooltip="How many searches, each with its own seed and choice of candidates.",
                    **sockets.BATCH,
                ),
                _SETTINGS.input,
                io.String.Input(
                    "pick",
                    default="",
                    optional=True,
                    tooltip="Keep only these starts, counted from 1, with shares if you like: '1 3:0.5'. Empty keeps "
                    "all.",
                ),
                io.Boolean.Input(
                    "gaussian_y",
                    default=False,
                    optional=True,
                    advanced=True,
                    tooltip="Draw the class vector from a normal distribution, not from the classes: worse; for "
                    "comparison.",
                ),
                io.Boolean.Input(
                    "fresh",
                    default=False,
                    optional=True,
                    advanced=True,
                    label_on="candidates for each seed",
                    label_off="a pool for all seeds",
                    tooltip="Draw and score new candidates for each seed, as in the paper and the published settings. "
                    "Otherwise they are scored once for all seeds, and each seed chooses from a random part of them.",
                ),
            ],
            outputs=[
                sockets.Basis.Output(display_name="basis", tooltip="The start of the search, for Optimize."),
                io.Image.Output(display_name="starts", tooltip="The k best of each search, best first."),
            ],
            hidden=[io.Hidden.unique_id],
            accept_all_inputs=True,  # for the fields of older graphs
        )

    @classmethod
    def validate_inputs(cls, settings: suited.Given = None, **given: Any) -> bool | str:
        # With **given, the host passes all inputs, those of the chosen option too, and checks no ranges itself.
        values = {name: value for name, value in {"settings": settings, **given}.items() if value is not None}

        def check(settings: suited.Given = None, pick: str = "", **older: Any) -> None:
            _picks(pick)
            choice = _SETTINGS.choose(settings, older)
            numbers = settings if isinstance(settings, dict) else given
            linked = [
                name for name in (*_SETTINGS.defaults(), "pick") if numbers.get(name, given.get(name, "")) is None
            ]
            if choice.published is not None and not linked:
                own = choice.of(Settings())
                _check(own.k, own.candidates, pick)

        return checks.refusal(cls, check, **values)

    @classmethod
    def execute(
        cls,
        generator: Generator,
        loss: Loss,
        seed: int,
        batch: int,
        pick: str = "",
        gaussian_y: bool = False,
        fresh: bool = False,
        settings: suited.Given = None,
        **older: Any,
    ):
        choice = _SETTINGS.choose(settings, older)
        own = choice.of(generator.settings)
        fresh = fresh or own.fresh
        _check(own.k, own.candidates, pick)
        loss, taken = suited.bound(loss, choice.along(generator.settings))
        says = choice.says(own, taken)
        size = basis_init.bank_bytes(loss, batch, own.candidates, fresh=fresh)
        with host.models(generator, *loss.models):
            warnings: list[str] = []
            start = basis_init.initialise(
                generator,
                loss,
                seeds=host.seeds(seed, batch),
                k=own.k,
                count=own.candidates,
                weighting=own.weighting,
                ranking=own.ranking,
                gaussian_y=gaussian_y,
                fresh=fresh,
                folder=host.cache_folder("banks"),
                progress=_Forecast(size, cls.hidden.unique_id),
                warn=warnings.append,
            )
            with torch.no_grad():
                decoded = [generator.decode(one) for one in basis_init.starts(start).split()]
        every = host.to_image(torch.cat(decoded))  # including those that are not picked
        ui = {**host.shown(every, cls), "scores": start.scores.tolist()}
        if pick.strip():
            start = basis_init.choose(start, _picks(pick))
            every = every.unflatten(0, (batch, own.k))[:, [place - 1 for place, _ in _picks(pick)]].flatten(0, 1)
        shown = start.scores[0] if len(start) == 1 else start.scores.amax(1)  # of several searches, the best of each
        scores = "scores " + ", ".join(f"{score:.3f}" for score in shown.tolist())
        host.say("\n".join([says, scores, *warnings]), cls.hidden.unique_id)
        return io.NodeOutput(start, every, ui=ui)


def _check(k: int, candidates: int, pick: str) -> None:
    """Check numbers and picks as far as possible without a generator."""
    basis_init.check_counts(k, candidates)
    if pick.strip():
        basis_init.check_picks(_picks(pick), k)


def _picks(text: str) -> list[tuple[int, float]]:
    """A text such as '1 3:0.5' as [(1, 1.0), (3, 0.5)]."""
    try:
        picks = []
        for part in text.replace(",", " ").split():
            place, _, share = part.partition(":")
            picks.append((int(place), float(share or 1)))
        return picks
    except ValueError as error:
        raise PackError(
            f"pick must be places, each with a share if you like, such as '1 3:0.5'; got {quoted(text)}."
        ) from error


class _Forecast:
    """The progress of scoring candidates. For each stage, its text is shown once, and once more with the time left.

    size: of the bank on disk, in bytes.
    """

    def __init__(self, size: int, node_id: str | None) -> None:
        self._size, self._node_id = size, node_id
        self._bar: host.Progress | None = None
        self._pace = Pace()
        self._reports: Counter[str] = Counter()  # by stage

    def __call__(self, done: int, total: int, stage: str) -> None:
        self._bar = self._bar or host.Progress(total, self._node_id)
        seconds = self._pace.left(done, total)
        self._reports[stage] += 1
        left = f", about {duration(seconds)}" if seconds is not None else ""
        if self._reports[stage] <= 2:
            host.say(f"{stage}{left}, kept in {in_words(self._size)}", self._node_id)
        self._bar(done)


class MaskLatent(io.ComfyNode):
    """A search in a part of the picture."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="GuidedGAN_MaskLatent",
            display_name="Mask Latent",
            category="guided GAN/search",
            description="Confines a search to a mask: elsewhere the latent does not change. Paint the mask in the "
            "host's mask editor, or let Text Mask find it. Pixels near the mask may still change a little, since a "
            "cell affects its neighbours: Image Composite Masked restores them.",
            search_aliases=["inpaint", "masked", "edit region", "VQGAN-CLIP"],
            inputs=[
                sockets.Generator.Input(
                    "generator", tooltip=f"The generator that the latent belongs to: {grids.GRID}."
                ),
                sockets.Latent.Input(
                    "latent",
                    tooltip="What to edit, from Encode Image or Load Latent. It does not change outside the mask.",
                ),
                io.Mask.Input(
                    "mask",
                    tooltip="What may change: one mask, or one for each latent. It is resized to the picture.",
                ),
                io.Int.Input(
                    "feather",
                    default=1,
                    min=0,
                    max=64,
                    tooltip="Width of the mask's soft edge in cells, on either side: cells there change in part.",
                ),
                sockets.Latent.Input(
                    "inside",
                    optional=True,
                    tooltip="Initial value inside the mask, e.g. from Random Latent, to replace what is there: one "
                    "latent, or one for each. Without it, the latent to edit.",
                ),
            ],
            outputs=[
                sockets.Basis.Output(display_name="basis", tooltip="The start of the confined search, for Optimize.")
            ],
            hidden=[io.Hidden.unique_id],
        )

    @classmethod
    def execute(
        cls, generator: Generator, latent: Latent, mask: Tensor, feather: int, inside: Latent | None = None
    ) -> io.NodeOutput:
        with host.models():
            basis = masking.masked(generator, latent, host.from_mask(mask), feather, inside)
        shares = next(iter(basis.mask.values()))
        host.say(f"{(shares > 0).sum()} of {shares.numel()} cells may change", cls.hidden.unique_id)
        return io.NodeOutput(basis)
