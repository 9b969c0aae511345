"""Inversion: the nearest of many starts, searched to the nearest picture, within the generator's range."""

from dataclasses import replace

import pytest
import torch
from backbones import stages
from safetensors.torch import save_file
from toys import rngs, seeded, toy_autoencoder

from guided_gan.core import clip, draws, generators
from guided_gan.core.errors import PackError, ShapeError
from guided_gan.core.generators.stylegan_t import text_to_image
from guided_gan.core.losses import perceptual
from guided_gan.core.search import invert
from guided_gan.core.search.optimize import Options
from guided_gan.core.search.weightings import mix
from guided_gan.core.types import Latent
from guided_gan.picturebook import BACKBONE, MODELS, judging
from guided_gan.picturebook.scenes import kinds, render

SHORT = Options(steps=30, lr=0.1, latent_noise=0.0, schedule="cosine")


@pytest.fixture(scope="module")
def metric(tmp_path_factory):
    path = tmp_path_factory.mktemp("backbone") / "w.safetensors"
    save_file(stages(4, 6), path)
    return perceptual.load(path)


@pytest.fixture
def picture(generator):
    """A picture that the toy can draw."""
    return generator.decode(generator.sample(1, seeded(99)))


def losses(generator, loss, latent):
    return loss(generator.decode(latent), latent, [draws.rng(0)] * len(latent))


def test_the_loss_is_perceptual_distance_and_weighted_squares(generator, metric, picture):
    other = generator.decode(generator.sample(3, seeded(1)))
    expected = metric(other, picture) + 0.3 * (other - picture).square().mean((1, 2, 3))
    loss = invert.distance(generator, metric, picture, 0.3)
    assert torch.allclose(loss(other, Latent("pictures", {}), rngs(1, 2, 3)), expected)


def test_a_picture_of_another_size_is_resized(generator, metric, picture):
    large = picture.repeat_interleave(2, 2).repeat_interleave(3, 3)
    same = losses(generator, invert.distance(generator, metric, large), generator.sample(1, seeded(99)))
    assert same.item() < 0.05


def test_the_starts_are_the_best_of_all_candidates(generator, metric, picture):
    loss, reports = invert.distance(generator, metric, picture), []
    basis = invert.start(
        generator, picture, loss, seed=5, candidates=37, starts=3, progress=lambda *done: reports.append(done)
    )
    every = generator.sample(37, draws.rng(5, "invert"))
    best = losses(generator, loss, every).sort().indices[:3]
    assert torch.equal(mix(basis).tensors["z"], every.tensors["z"][best])
    assert reports[-1] == (37, 37)
    assert max(generator.decoded[1:-1]) <= invert.CHUNK


def test_an_inversion_finds_what_the_generator_can_draw(generator, metric, picture):
    latent, found = invert.invert(generator, metric, picture, seed=1, candidates=50, starts=3, options=SHORT)
    loss = invert.distance(generator, metric, picture)
    start = invert.start(generator, picture, loss, seed=1, candidates=50, starts=1)
    assert torch.allclose(found, generator.decode(latent), atol=1e-6)
    assert losses(generator, loss, latent).item() < 0.2 * losses(generator, loss, mix(start)).item()
    assert latent.tensors["z"].abs().max() <= 2
    assert not torch.equal(latent.tensors["y"] * 2, (latent.tensors["y"] * 2).round())  # no longer a class's


def test_several_starts_end_no_farther_than_the_best_alone(generator, metric, picture):
    def distance(starts):
        latent, _ = invert.invert(generator, metric, picture, seed=2, candidates=20, starts=starts, options=SHORT)
        return losses(generator, invert.distance(generator, metric, picture), latent).item()

    assert distance(5) <= distance(1) + 1e-6


def test_an_encoder_says_where_to_start(metric):
    generator = toy_autoencoder(16, 16)
    picture = torch.rand(1, 3, 16, 16, generator=seeded(3)) * 2 - 1
    loss = invert.distance(generator, metric, picture)
    basis = invert.start(generator, picture, loss, seed=0)
    assert torch.equal(mix(basis).tensors["z"], generator.encode(picture).tensors["z"])


def test_what_cannot_be_inverted_is_refused(generator, metric, picture):
    for wrong in (picture[0], picture.expand(2, -1, -1, -1)):
        with pytest.raises(ShapeError, match="One picture at a time"):
            invert.distance(generator, metric, wrong)
    with pytest.raises(PackError):
        invert.distance(generator, metric, picture * float("nan"))
    for starts, candidates in ((0, 5), (6, 5)):
        with pytest.raises(PackError, match="starts must be from 1 to the number of candidates, 5"):
            invert.invert(generator, metric, picture, seed=0, candidates=candidates, starts=starts)


@pytest.mark.parametrize(("folder", "lr", "name"), [("biggan", 0.1, "house"), ("stylegan_t", 0.03, "heart")])
def test_the_shipped_generators_draw_a_scene_again(folder, lr, name):
    generator = generators.load(MODELS / folder)
    if folder == "stylegan_t":  # whose candidates are of prompts
        generator = text_to_image(generator)
        said = generator.embed(["a red thing", f"a {name}", "a cat", "a green boat"], clip.load(MODELS / "clip"))
        generator = generator.of(said)
    metric = perceptual.load(BACKBONE)
    thing = torch.tensor([[kinds.KINDS.index(name), kinds.COLOURS.index("red")]])
    kind, colour, background, facing = torch.tensor([*thing[0].tolist(), kinds.BACKGROUNDS.index("snow"), 0])[:, None]
    x, y, size = (torch.tensor([value]) for value in (0.5, 0.6, 0.3))
    variety, jitter = (torch.full((1, count), 0.5) for count in (kinds.NUM_VARIETY, kinds.NUM_JITTER))
    scene = kinds.single(kind, colour, background, facing, x, y, size, variety, jitter)
    search = replace(SHORT, lr=lr)
    _, found = invert.invert(generator, metric, render.render(scene), seed=1, candidates=100, starts=1, options=search)
    assert judging.finds(found, thing[None]).all()
