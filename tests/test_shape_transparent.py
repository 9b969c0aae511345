"""Transparent pictures: what is drawn of them, what losses see of them, and that a search cuts things out."""

from typing import Any

import pytest
import torch
from toys import ToyEncoder, ToyGenerator, random_pictures, rngs, seeded, toy_autoencoder

from guided_gan.core.errors import LatentError, PackError
from guided_gan.core.generators import transparent
from guided_gan.core.generators.latent_grid import autoencoder
from guided_gan.core.generators.shaped import shaped
from guided_gan.core.generators.symmetry import Symmetry, symmetric
from guided_gan.core.generators.tiles import Tiles
from guided_gan.core.generators.transparent import ALPHA, Transparent
from guided_gan.core.losses import targets
from guided_gan.core.losses.aug_clip import AugCLIPLoss
from guided_gan.core.losses.base import SumLoss, with_error
from guided_gan.core.losses.by_generator import suited
from guided_gan.core.losses.cutout_loss import CutoutLoss
from guided_gan.core.losses.regularisers import Opacity
from guided_gan.core.search.compose import Composite
from guided_gan.core.search.masking import masked
from guided_gan.core.search.optimize import Options, optimize
from guided_gan.core.search.weightings import of_latent
from guided_gan.core.types import Autoencoder


def opaque(latent, logits):
    """The latent with these logits of the alpha channel in all cells."""
    return type(latent)(latent.generator, {**latent.tensors, ALPHA: torch.full_like(latent.tensors[ALPHA], logits)})


def score_of(generator, kind=AugCLIPLoss, **options) -> Any:
    encoder = ToyEncoder()
    return suited(kind(encoder, targets.from_text(encoder, "a boat"), copies=3, **options), generator.settings)


def test_a_picture_is_drawn_on_white_and_cut_out_without_it():
    base = toy_autoencoder(24, 48)
    generator = shaped(base, Transparent())
    assert isinstance(generator, Autoencoder)
    assert generator.spec == {**base.spec, ALPHA: (1, 8, 16)}
    latent = generator.encode(random_pictures(24, 48))
    colours, alpha = transparent.cut_out(generator, latent)
    assert torch.equal(colours, base.decode(base.encode(random_pictures(24, 48))))
    torch.testing.assert_close(alpha, torch.full_like(alpha, 0.88), atol=0.01, rtol=0)
    torch.testing.assert_close(generator.decode(latent), alpha * colours + (1 - alpha))
    assert torch.equal(generator.decode(opaque(latent, -20.0)), torch.ones_like(colours))
    torch.testing.assert_close(generator.decode(opaque(latent, 20.0)), colours)
    assert generator.at(8, 8).spec[ALPHA] == (1, 8, 8)
    assert generator.constrain(latent).tensors[ALPHA].equal(latent.tensors[ALPHA])


def test_each_copy_lies_on_a_background_of_its_own():
    images, rng = random_pictures(12, 10), seeded(1)
    backgrounds = torch.rand(2, 3, transparent.BACKGROUND, generator=rng)

    def on(alpha):
        white = alpha * images + (1 - alpha)
        return transparent.over(torch.cat([white, torch.full((2, 1, 12, 10), alpha)], 1), backgrounds)

    torch.testing.assert_close(on(1.0), images.repeat_interleave(3, 0))
    behind = on(0.0)
    assert behind.abs().max() <= 1
    assert all((one - other).abs().max() > 0.3 for i, one in enumerate(behind) for other in behind[:i])
    torch.testing.assert_close(on(0.25), 0.25 * on(1.0) + 0.75 * behind)


@pytest.mark.parametrize("kind", [AugCLIPLoss, CutoutLoss])
def test_losses_see_what_is_opaque_alone(kind):
    generator = shaped(toy_autoencoder(16, 16), Transparent())
    loss = score_of(generator, kind)
    one, other = generator.sample(2, seeded(1)).split()

    def value(latent, seed=3):
        return loss(generator.decode(latent), latent, rngs(seed))

    gone = [value(opaque(latent, -20.0)) for latent in (one, other)]
    assert torch.equal(*gone)
    assert not torch.equal(gone[0], value(opaque(one, -20.0), 4))  # by chance: other backgrounds
    plain = kind(loss.encoder, loss.target, copies=3)
    torch.testing.assert_close(
        value(opaque(one, 20.0)), plain(generator.base.decode(generator.parts(one)[0]), one, rngs(3))
    )
    mean, error = with_error(loss, generator.decode(one), one, rngs(3))
    torch.testing.assert_close(mean, value(one))
    assert error > 0


def test_a_micro_batch_changes_neither_loss_nor_gradient():
    generator = shaped(toy_autoencoder(16, 16), Transparent())
    values, gradients = [], []
    for size in (0, 1, 2):
        latent = generator.sample(2, seeded(1)).map(lambda value: value.clone().requires_grad_())
        loss = score_of(generator, micro_batch=size)(generator.decode(latent), latent, rngs(3, 4))
        gradients.append(torch.autograd.grad(loss.sum(), list(latent.tensors.values())))
        values.append(loss.detach())
    for value, gradient in zip(values[1:], gradients[1:], strict=True):
        torch.testing.assert_close(value, values[0])
        for one, other in zip(gradient, gradients[0], strict=True):
            assert other.abs().max() > 0
            torch.testing.assert_close(one, other)


def test_the_alpha_channel_of_tiles_wraps_around():
    base = shaped(toy_autoencoder(16, 16), Tiles("left and right"))
    generator = shaped(base, Transparent())
    latent = opaque(generator.sample(1, seeded(1)), -2.0)
    latent.tensors[ALPHA][..., 0] = 20.0
    colours, alpha = transparent.cut_out(generator, latent)
    assert alpha[..., -1].min() > 0.5 > 1e-3 > alpha[..., 8].max()
    torch.testing.assert_close(generator.decode(latent), alpha * colours + (1 - alpha))
    torch.testing.assert_close(suited(Opacity(), generator.settings)(colours, latent, rngs(1)), alpha.mean((1, 2, 3)))


def test_opacity_is_the_opaque_share():
    generator = shaped(toy_autoencoder(16, 16), Transparent())
    latent = generator.sample(1, seeded(1))
    latent.tensors[ALPHA][:] = -20.0
    latent.tensors[ALPHA][..., :4] = 20.0
    torch.testing.assert_close(
        Opacity()(generator.decode(latent), latent, rngs(1)), torch.tensor([0.5]), atol=0.02, rtol=0
    )
    base = generator.base.sample(1, seeded(1))
    with pytest.raises(PackError, match="known in a search with a transparent generator only"):
        Opacity()(generator.base.decode(base), base, rngs(1))


def test_a_search_makes_transparent_what_a_prompt_does_not_need():
    generator = shaped(toy_autoencoder(16, 16), Transparent())
    start = of_latent(generator.sample(2, seeded(1)))
    ends = []
    for weight in (0.0, 1.0):
        loss = SumLoss([(1.0, score_of(generator)), (weight, Opacity())])
        result = optimize(generator, loss, start, seeds=[1, 2], options=Options(30, 0.05))
        again = optimize(generator, loss, start, seeds=[1, 2], options=Options(30, 0.05))
        assert torch.equal(result.images, again.images)
        ends.append(transparent.cut_out(generator, result.best)[1].mean().item())
    assert ends[1] < 0.5 < ends[0]


def test_a_mask_holds_the_alpha_channel_too():
    generator = autoencoder(shaped(toy_autoencoder(16, 16), Transparent()))
    latent = generator.encode(random_pictures(16, 16)[:1])
    mask = torch.zeros(1, 16, 16)
    mask[..., 8:] = 1
    basis = masked(generator, latent, mask)
    result = optimize(generator, Opacity(), basis, seeds=[1], options=Options(5, 0.2))
    alpha = result.best.tensors[ALPHA]
    assert torch.equal(alpha[..., :4], latent.tensors[ALPHA][..., :4])
    assert (alpha[..., 4:] < latent.tensors[ALPHA][..., 4:]).all()


def test_what_cannot_be_transparent_is_refused():
    base = toy_autoencoder(24, 24)
    mirrored = shaped(base, Symmetry("left and right"))
    generator = shaped(mirrored, Transparent())
    latent = generator.sample(1, seeded(1))
    torch.testing.assert_close(
        transparent.cut_out(generator, latent)[0], symmetric(base.decode(base.sample(1, seeded(1))), "left and right")
    )
    for shape in (Transparent(), Symmetry("both"), Tiles()):
        with pytest.raises(PackError, match="make a generator transparent last"):
            shaped(generator, shape)
    with pytest.raises(PackError, match="cannot be composed"):
        Composite(shaped(ToyGenerator(), Transparent()))
    with pytest.raises(PackError, match="have no alpha channel"):
        transparent.cut_out(base, base.sample(1, seeded(1)))
    with pytest.raises(LatentError, match="belongs to the generator"):
        transparent.cut_out(generator, base.sample(1, seeded(1)))
