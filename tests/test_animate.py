"""Films: the camera's moves, frames that do not depend on how many there are, and what is refused."""

from itertools import islice

import pytest
import torch
from toys import ToyEncoder, ToyGenerator, seeded, toy_autoencoder

from guided_gan.core.errors import LatentError, PackError
from guided_gan.core.files import latent_files
from guided_gan.core.losses.aug_clip import AugCLIPLoss
from guided_gan.core.losses.targets import from_text
from guided_gan.core.pictures.patterns import octaves
from guided_gan.core.results import Film
from guided_gan.core.search.animate import Motion, frames, moved
from guided_gan.core.search.optimize import Options
from guided_gan.core.types import Latent

OPTIONS = Options(2, 0.1, latent_noise=0.0)


@pytest.fixture
def picture():
    return octaves(32, 48, seeded(1))


def inner(picture, rim=8):
    return picture[..., rim:-rim, rim:-rim]


def test_no_motion_changes_nothing(picture):
    assert (moved(picture, Motion()) - picture).abs().max() < 1e-4


def test_the_picture_shifts_right_and_down_in_pixels(picture):
    shifted = moved(picture, Motion(right=3, down=-2))
    assert (inner(shifted) - inner(picture.roll((3, -2), (3, 2)))).abs().max() < 1e-4


def test_a_quarter_turns_clockwise():
    square = octaves(32, 32, seeded(2))
    assert (moved(square, Motion(turn=90)) - square.rot90(-1, (2, 3))).abs().max() < 1e-4


def test_a_disc_turns_into_itself_in_a_wide_picture():
    down, across = torch.meshgrid(torch.arange(32) - 15.5, torch.arange(48) - 23.5, indexing="ij")
    disc = (-(down**2 + across**2) / 60).exp().expand(1, 3, -1, -1)
    assert (inner(moved(disc, Motion(turn=30))) - inner(disc)).abs().max() < 0.01


def test_zooming_enlarges_about_the_centre():
    ramp = torch.linspace(-1, 1, 33)[None, None, None].expand(1, 3, 33, 33).contiguous()
    assert (inner(moved(ramp, Motion(zoom=2))) - inner(ramp) / 2).abs().max() < 0.01
    assert (inner(moved(ramp, Motion(zoom=0.8))) - inner(ramp) * 1.25).abs().max() < 0.01


def test_what_comes_in_is_the_mirror_image(picture):
    shifted = moved(picture, Motion(right=4))
    assert (shifted[..., :4] - picture[..., :4].flip(3)).abs().max() < 0.05


@pytest.fixture
def film():
    generator, encoder = toy_autoencoder(), ToyEncoder()
    loss = AugCLIPLoss(encoder, from_text(encoder, "a boat"), copies=2)
    start = generator.encode(octaves(24, 32, seeded(3)))
    return lambda count, **changed: frames(
        **{
            "generator": generator, "loss": loss, "latent": start, "motion": Motion(1.1, 1, 0, 5), "count": count,
            "seed": 4,
            "options": OPTIONS, **changed,
        }
    )  # fmt: skip


def test_a_frame_is_the_same_however_many_follow(film):
    long, short = list(film(4)), list(film(2))
    assert len(long) == 4
    assert len(short) == 2
    for (picture, latent), (again, same) in zip(long, short, strict=False):
        assert torch.equal(picture, again)
        assert torch.equal(latent.tensors["z"], same.tensors["z"])
    assert len({picture.sum().item() for picture, _ in long}) == 4
    assert not torch.equal(list(film(2, seed=5))[1][0], short[1][0])


@pytest.mark.parametrize("stopped", [1, 2, 3])
def test_a_film_goes_on_from_its_first_frames(film, tmp_path, stopped):
    told, whole = [], list(film(4))
    pictures, latents = zip(*whole[:stopped], strict=True)
    latent_files.save(tmp_path / "film.safetensors", Film(Latent.cat(latents), torch.cat(pictures)), {})
    unfinished, _ = latent_files.load(tmp_path / "film.safetensors")
    resumed = list(film(4, unfinished=unfinished, callback=lambda frame, *_: told.append(frame)))
    assert told[0] == stopped
    assert len(resumed) == 4
    for (picture, latent), (again, same) in zip(whole, resumed, strict=True):
        assert torch.equal(picture, again)
        assert torch.equal(latent.tensors["z"], same.tensors["z"])


def test_a_frame_is_the_last_one_moved_and_searched(film):
    generator = toy_autoencoder()
    (first, start), (second, latent) = film(2)
    assert torch.equal(first, generator.decode(start))
    assert torch.allclose(second, generator.decode(latent))
    before = generator.encode(moved(first, Motion(1.1, 1, 0, 5))).tensors["z"]
    assert 0 < (latent.tensors["z"] - before).abs().max() < 2.5 * OPTIONS.lr * OPTIONS.steps


def test_each_step_is_told(film):
    told = []
    list(film(3, callback=lambda frame, done, loss, pictures: told.append((frame, done, pictures.shape))))
    assert told == [(frame, done, (1, 3, 24, 32)) for frame in (1, 2) for done in (1, 2)]


def test_a_film_is_made_as_it_is_asked_for(film):
    told = []
    assert len(list(islice(film(50, callback=lambda *step: told.append(step)), 2))) == 2
    assert len(told) == 2


class Endless:
    name = "endless"
    models = ()

    def __call__(self, images, latent, rngs):
        return images.mean((1, 2, 3)) * torch.inf


def test_what_cannot_be_a_film_is_refused(film):
    toy = ToyGenerator()
    for wrong in ({"zoom": 0.0}, {"zoom": torch.inf}, {"turn": torch.nan}, {"right": torch.inf}):
        with pytest.raises(PackError, match="motion"):
            Motion(**wrong)
    with pytest.raises(PackError, match="cannot turn pictures into latents"):
        next(film(2, generator=toy, latent=toy.sample(1, seeded(1))))
    with pytest.raises(LatentError, match="one latent"):
        next(film(2, latent=toy_autoencoder().sample(2, seeded(1))))
    with pytest.raises(LatentError, match="belongs to the generator"):
        next(film(2, latent=toy_autoencoder(seed=1).sample(1, seeded(1))))
    with pytest.raises(PackError, match="at least 1 frame"):
        next(film(0))
    with pytest.raises(PackError, match="found nothing"):
        list(film(2, loss=Endless()))
