"""VQGAN-CLIP's loss: distance of augmented random crops of a picture to the prompts (Crowson, Biderman et al. 2022)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from ..augment import vqgan_clip
from ..errors import PackError
from ..pictures import resample
from ..types import JointEncoder, Target
from .copies import CopiesLoss


class CutoutLoss(CopiesLoss):
    """Mean squared spherical distance of random cutouts to a target.

    L(I) = E_c [ sum_p w_p theta(f(c(I)), t_p)^2 / 2 / sum_p |w_p| ]      (VQGAN-CLIP, Crowson, Biderman et al. 2022)

    With a target that combines a picture and a phrase, it is the paper's loss for replacing the content of a picture.

    Convention:
        The side of a crop is u^power (short - least) + least pixels, with u uniform, short the picture's shorter side
        and least = smallest * short; crops lie anywhere in the picture. On CUDA the gradients of warps are not
        deterministic: two runs may differ by rounding.

    Args:
        encoder, target, micro_batch: as in `CopiesLoss`.
        copies: cutouts per picture, >= 1.
        smallest: the least side of a crop as a share of the picture's shorter side, in (0, 1].
        power: above 1 favours small crops, below 1 large ones.
        whole: share of the cutouts that show the whole picture, resized to the encoder's input, in [0, 1].
        strengths: name of `vqgan_clip.AUGMENTATIONS` -> strength from 0 (off) to `vqgan_clip.STRONGEST`; 1 is that of
            the published notebook, and the default for the paper's augmentations; for others it is 0.

    Raises:
        ChoiceError: an unknown augmentation.
        PackError: a number is out of its range, or the target is of another encoder.
    """

    name = "cutouts"

    def __init__(
        self,
        encoder: JointEncoder,
        target: Target,
        *,
        copies: int = 64,
        smallest: float = 0.5,
        power: float = 1.0,
        whole: float = 0.0,
        strengths: Mapping[str, float] | None = None,
        micro_batch: int = 0,
    ) -> None:
        super().__init__(encoder, target, copies=copies, distance="spherical", micro_batch=micro_batch)
        if not (0 < smallest <= 1 and 0 <= whole <= 1 and 0 < power < math.inf):
            raise PackError(
                "The smallest crop must be above 0 and at most 1, the share of whole pictures from 0 to 1 and power "
                f"above 0; got {smallest}, {whole} and {power}."
            )
        self.size, self.smallest, self.power, self.whole = encoder.image_size, smallest, power, whole
        self.strengths = vqgan_clip.check_strengths(strengths or {})

    def parameters(self, rngs: Sequence[torch.Generator]) -> Tensor:
        """Augmentation parameters, as `vqgan_clip.draw`."""
        return vqgan_clip.draw(self.copies, rngs)

    def augment(self, images: Tensor, parameters: Tensor) -> Tensor:
        """Augmented crops of the encoder's size."""
        where, how = parameters[..., : vqgan_clip.WINDOW], parameters[..., vqgan_clip.WINDOW :]
        rows, columns = vqgan_clip.windows(where, images.shape[2:], self.smallest, self.power, self.whole)
        return vqgan_clip.augment(resample.crop(images, rows, columns, self.size), how.flatten(0, 1), self.strengths)
