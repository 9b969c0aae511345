"""Where a picture shows what a phrase says (VQGAN-CLIP, Crowson, Biderman et al. 2022, Appendix G.2)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from . import targets
from .cutouts import crop
from .errors import PackError
from .memory import Batches
from .types import JointEncoder

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
    micro_batch: int = 64,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[Tensor, Tensor]:
    """Heat map and mask of what a phrase names, by how well random crops of a picture fit it.

    heat = sum_c exp(sharpness s_c / std(s)) [pixel in c], s_c = cos(f(c), g(text)); mask = heat > mean + sigmas std

    Crops are squares centred anywhere, their sides uniform. The scores are divided by their deviation, so that the
    sharpness means the same for every encoder. The paper gives each score to the crop's centre and keeps what is above
    two deviations below the mean (`sigmas` = -2), the released code spreads exp(100 s) over the crop as here and sets
    no threshold.

    Args:
        encoder: frozen.
        images: [N, 3, H, W] in [-1, 1].
        text: a phrase, or several as `prompts.parse` reads them: those of a negative weight are held against a crop.
        rngs: one per picture, which draws from it alone.
        crops: crops per picture, >= 2.
        smallest: least side of a crop as a share of the picture's shorter side, above 0.
        largest: greatest side, at least `smallest`.
        sharpness: how much better crops count more than worse ones.
        sigmas: the threshold in standard deviations of the heat above its mean; lower keeps more.
        micro_batch: how many crops go through the encoder at once, >= 1; fewer when memory runs out.
        progress: called with crops done and to do.

    Returns:
        The heat in [0, 1] and the mask in {0, 1}, [N, H, W] each.

    Raises:
        PackError: the text is none that `prompts.parse` reads, a number is out of its range, or a mask selects nothing.
    """
    if crops < 2 or micro_batch < 1 or not 0 < smallest <= largest:
        raise PackError(
            "crops must be at least 2, micro_batch at least 1, and the smallest crop above 0 and not above the largest; "
            f"got {crops}, {micro_batch}, {smallest} and {largest}."
        )
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

        return _heat(torch.cat(batches.each(crops, score)), rows, columns, image.shape[1:], sharpness)

    heats = [heat_of(number) for number in range(len(images))]
    heat = torch.stack(heats).to(images)
    mask = heat > heat.mean((1, 2), keepdim=True) + sigmas * heat.std((1, 2), keepdim=True)
    for number, selected in enumerate(mask, 1):
        if not selected.any():
            raise PackError(
                f"The mask of picture {number} selects nothing at sigmas = {sigmas:g}: lower sigmas, for example to 1."
            )
    return heat, mask.to(heat)


def heat_map(images: Tensor, heat: Tensor) -> Tensor:
    """Heat [N, H, W] in [0, 1] over pictures [N, 3, H, W], which turn grey: [N, 3, H, W], blue where cold, yellow where hot."""
    place = heat[:, None] * (len(_RAMP) - 1)
    index = torch.arange(len(_RAMP)).to(heat).view(1, -1, 1, 1)
    colours = torch.einsum("nkhw,kc->nchw", (1 - (place - index).abs()).clamp(min=0), _RAMP.to(heat))
    return torch.lerp(images.mean(1, keepdim=True), colours, _OPACITY)


def _windows(shape: Sequence[int], numbers: Tensor, smallest: float, largest: float) -> tuple[Tensor, Tensor]:
    """First pixel and extent, down and across, [crops, 2] each, of squares whose middle lies in the picture."""
    size, *middle = numbers
    side = ((smallest + (largest - smallest) * size) * min(shape)).floor().clamp(min=1)
    rows, columns = (
        torch.stack([(number * length - side / 2).ceil(), side], 1) for number, length in zip(middle, shape, strict=True)
    )
    return rows, columns


def _heat(scores: Tensor, rows: Tensor, columns: Tensor, shape: Sequence[int], sharpness: float) -> Tensor:
    """[H, W] in [0, 1]: what the crops that cover a pixel weigh together."""
    tiny = torch.finfo(scores.dtype).tiny
    weights = (sharpness * scores / scores.std().clamp(min=1e-6)).softmax(0)
    down, across = (_covers(windows, length) for windows, length in zip((rows, columns), shape, strict=True))
    heat = (down * weights[:, None]).T @ across
    return (heat - heat.min()) / (heat.max() - heat.min()).clamp(min=tiny)


def _covers(windows: Tensor, length: int) -> Tensor:
    """Whether each window covers each pixel, [crops, length] of 0 and 1."""
    start, extent = windows[:, None].unbind(2)
    index = torch.arange(length)
    return ((index >= start) & (index < start + extent)).to(windows)
