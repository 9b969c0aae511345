"""Masks from text: where a picture shows what a phrase names (VQGAN-CLIP, Crowson et al. 2022, Appendix G.2)."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from .. import pictures, prompts
from ..compute.memory import Batches
from ..errors import PackError, check_choice
from ..losses import targets
from ..pictures.resample import crop
from ..types import JointEncoder

_RAMP = torch.tensor([[-0.9, -0.8, 0.1], [0.2, -0.6, 0.2], [1.0, -0.2, -0.6], [1.0, 0.9, -0.2]])  # from cold to hot
_OPACITY = 0.65


@torch.no_grad()
def text_mask(
    encoder: JointEncoder,
    images: Tensor,
    text: str,
    rngs: Sequence[torch.Generator],
    *,
    crops: int = 1000,
    smallest: float = 0.25,
    largest: float = 1.0,
    sharpness: float = 1.5,
    sigmas: float = 1.0,
    method: str = "cover",
    micro_batch: int = 64,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[Tensor, Tensor]:
    """Heat map and mask of what a phrase names, by the CLIP scores of random crops.

    heat = sum_c exp(sharpness s_c / std(s)) [pixel in c], s_c = cos(f(c), g(text)); mask = heat > mean + sigmas std

    This is the method "cover". With "centres", the paper's, heat is the mean of s_c over the crops centred at a pixel;
    a pixel that is no crop's centre has the mean of its neighbours. Either way it is scaled to [0, 1].

    Crops are squares with uniform random sides, centred anywhere in the picture. Scores are divided by their standard
    deviation, so that the sharpness is comparable between encoders. The paper's threshold is two deviations below the
    mean (`sigmas` = -2); the released code spreads exp(100 s) over the crop, as "cover", without a threshold.

    Args:
        encoder: frozen.
        images: [N, 3, H, W] in [-1, 1].
        text: a phrase, or several in the notation of `prompts.parse`; negative weights lower a crop's score.
        rngs: one for each picture.
        crops: crops per picture, >= 2.
        smallest: least side of a crop as a share of the picture's shorter side, above 0.
        largest: greatest side, at least `smallest`.
        sharpness: inverse temperature of the softmax over crops; "centres" has none.
        sigmas: the threshold in standard deviations of the heat above its mean; lower values select more.
        method: a name of METHODS.
        micro_batch: crops that are encoded at once, >= 1; halved on out of memory.
        progress: called with the number of crops done and their total.

    Returns:
        The heat in [0, 1] and the mask in {0, 1}, [N, H, W] each.

    Raises:
        ChoiceError: the method is unknown.
        PackError: the text cannot be parsed, a number is out of its range, a picture is not finite, or a mask selects
            nothing.
    """
    pictures.check(images)
    check_choice("method", METHODS, method)
    check(text, smallest, largest)
    if crops < 2 or micro_batch < 1:
        raise PackError(f"crops must be at least 2 and micro_batch at least 1; got {crops} and {micro_batch}.")
    target = targets.from_prompts(encoder, text)
    batches = Batches(micro_batch)

    def heat_of(number: int) -> Tensor:
        image = images[number]
        rows, columns = _windows(image.shape[1:], torch.rand(3, crops, generator=rngs[number]), smallest, largest)

        def score(part: slice) -> Tensor:
            vectors = encoder.encode_image(crop(image[None], rows[None, part], columns[None, part], encoder.image_size))
            if progress:
                progress(number * crops + part.stop, len(images) * crops)
            return vectors.cpu() @ (target.weights @ target.vectors)

        scores = torch.cat(batches.each(crops, score))
        return _scaled(METHODS[method].heat(scores, rows, columns, image.shape[1:], sharpness))

    heats = [heat_of(number) for number in range(len(images))]
    heat = torch.stack(heats).to(images)
    mean = heat.mean((1, 2), keepdim=True)
    deviation = heat.std((1, 2), keepdim=True, correction=min(1, heat[0].numel() - 1))
    mask = heat > mean + sigmas * deviation
    for number, selected in enumerate(mask):
        if not selected.any():
            peak = ((heat[number].max() - mean[number]) / deviation[number]).item()
            raise PackError(f"The mask of picture {number + 1} selects nothing at sigmas = {sigmas:g}: {_advice(peak)}")
    return heat, mask.to(heat)


def _advice(peak: float) -> str:
    """How to get a mask that is not empty, if the heat's maximum is `peak` standard deviations above its mean."""
    if not peak > 0:  # the heat is constant
        return "its heat is the same everywhere, since the picture is too small or too plain; take a larger one."
    lower = math.ceil(peak * 10 - 1) / 10
    return f"lower sigmas, for example to {lower:g}."


def check(text: str, smallest: float, largest: float) -> None:
    """Check the arguments of `text_mask` as far as possible without pictures.

    Raises:
        PackError: the text cannot be parsed, or the crops' sides are out of their range.
    """
    targets.check_prompts(text)
    if any(prompt.stop > -math.inf for prompt in prompts.parse(text)):
        raise PackError("The prompts of a mask have no loss floor: remove the number after the second colon.")
    if not 0 < smallest <= largest:
        raise PackError(
            f"The smallest crop must be above 0 and not above the largest; got {smallest:g} and {largest:g}."
        )


def heat_map(images: Tensor, heat: Tensor) -> Tensor:
    """Heat [N, H, W] in [0, 1] drawn over grey pictures [N, 3, H, W]: [N, 3, H, W], from blue (0) to yellow (1)."""
    place = heat[:, None] * (len(_RAMP) - 1)
    index = torch.arange(len(_RAMP)).to(heat).view(1, -1, 1, 1)
    colours = torch.einsum("nkhw,kc->nchw", (1 - (place - index).abs()).clamp(min=0), _RAMP.to(heat))
    return torch.lerp(images.mean(1, keepdim=True), colours, _OPACITY)


def _windows(shape: Sequence[int], numbers: Tensor, smallest: float, largest: float) -> tuple[Tensor, Tensor]:
    """Rows and columns (first pixel, extent), [crops, 2] each, of squares whose centre is in the picture."""
    size, *middle = numbers
    side = ((smallest + (largest - smallest) * size) * min(shape)).floor().clamp(min=1)
    rows, columns = (
        # A square of one pixel whose centre is beyond the centre of the last pixel is that pixel.
        torch.stack([(number * length - side / 2).ceil().clamp(max=length - 1), side], 1)
        for number, length in zip(middle, shape, strict=True)
    )
    return rows, columns


def _cover(scores: Tensor, rows: Tensor, columns: Tensor, shape: Sequence[int], sharpness: float) -> Tensor:
    """The sum of the weights of all crops that cover a pixel, [H, W]."""
    weights = (sharpness * scores / scores.std().clamp(min=1e-6)).softmax(0)
    down, across = (_covers(windows, length) for windows, length in zip((rows, columns), shape, strict=True))
    return (down * weights[:, None]).T @ across


def _covers(windows: Tensor, length: int) -> Tensor:
    """Whether each window covers each pixel of an axis, [crops, length] of 0 and 1."""
    start, extent = windows[:, None].unbind(2)
    index = torch.arange(length)
    return ((index >= start) & (index < start + extent)).to(windows)


def _centres(scores: Tensor, rows: Tensor, columns: Tensor, shape: Sequence[int], sharpness: float) -> Tensor:
    """The mean score of the crops that are centred at a pixel, spread to pixels that are no crop's centre, [H, W]."""
    height, width = shape
    down, across = (
        (windows[:, 0] + windows[:, 1] / 2).floor().long().clamp(max=length - 1)
        for windows, length in zip((rows, columns), shape, strict=True)
    )
    at = down * width + across
    total, count = (
        torch.zeros(height * width).index_add(0, at, value).view(1, 1, height, width)
        for value in (scores.float(), torch.ones(len(at)))
    )
    known = (count > 0).float()
    heat = total / count.clamp(min=1)
    while not known.all():  # a ring of pixels more each time
        around, neighbours = (F.avg_pool2d(value, 3, 1, 1, divisor_override=1) for value in (heat, known))
        heat = torch.where(known > 0, heat, around / neighbours.clamp(min=1))
        known = (neighbours > 0).float()
    return heat[0, 0]


def _scaled(heat: Tensor) -> Tensor:
    """Heat from 0 at its least to 1 at its greatest."""
    return (heat - heat.min()) / (heat.max() - heat.min()).clamp(min=torch.finfo(heat.dtype).tiny)


@dataclass(frozen=True)
class Method:
    """How scores of crops become heat: scores [C], rows and columns [C, 2], (H, W), sharpness -> [H, W]."""

    says: str
    heat: Callable[[Tensor, Tensor, Tensor, Sequence[int], float], Tensor]


METHODS: dict[str, Method] = {
    "cover": Method("a pixel has the weights of all crops that cover it, the best ones counting most", _cover),
    "centres": Method("as in the paper, a pixel has the scores of the crops whose centre it is", _centres),
}
