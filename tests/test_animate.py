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
from guided_gan.core.schedules import Keyframes
from guided_gan.core.search.animate import Camera, Motion, frames, moved, scheduled
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


def test_a_number_steps_or_fades_from_line_to_line_by_frame():
    text = "0: 1.02 | 4: 0.98\n\n 6 : 2e0"
    stepped, faded = Keyframes.of(text, 0.1, 10), Keyframes.of(text, 0.1, 10, fade=3)
    assert [stepped.at(frame) for frame in range(8)] == [1.02] * 4 + [0.98] * 2 + [2.0] * 2
    assert [faded.at(frame) for frame in (0, 3)] == [1.02] * 2
    assert [faded.at(frame) for frame in range(4, 11)] == pytest.approx([1.01, 1.0, 1.25, 1.5, 1.75, 2.0, 2.0])
    assert Keyframes.of("0: -7", -10, 10).at(1_000_000) == -7


def test_a_motion_changes_by_frame_where_a_schedule_says_so():
    motion = Motion(1.1, 1, 0, 5)
    camera = scheduled(motion, {"zoom": "0: 1.02 | 40: 0.98", "right": " ", "turn": "0: 0 | 2: 90"})
    assert [camera.at(frame) for frame in (1, 2, 39, 40)] == [
        Motion(1.02, 1, 0, 0), Motion(1.02, 1, 0, 90), Motion(1.02, 1, 0, 90), Motion(0.98, 1, 0, 90),
    ]  # fmt: skip
    assert scheduled(motion, {"zoom": "", "down": "\n"}) is motion.at(7) is motion
    with_fade = scheduled(motion, {"down": "0: 0 | 10: 8"}, fade=3)
    assert [with_fade.at(frame).down for frame in (9, 10, 11, 13, 20)] == [0, 2, 4, 8, 8]


def test_a_frame_is_moved_by_its_own_motion(film):
    """Up to the frame where a schedule changes, a film is that of the first motion, to the bit."""
    plain = list(film(4))
    moving = list(film(4, motion=Camera(1.1, 1, 0, Keyframes.of("0: 5 | 3: -20", -180, 180))))
    assert all(torch.equal(one, other) for (one, _), (other, _) in zip(plain[:3], moving, strict=False))
    assert not torch.equal(plain[3][0], moving[3][0])
    last = list(film(2, latent=plain[2][1], motion=Motion(1.1, 1, 0, -20), options=Options(1, 1e-30, latent_noise=0.0)))
    still = Film(Latent.cat([latent for _, latent in plain[:3]]), torch.cat([picture for picture, _ in plain[:3]]))
    again = list(film(4, unfinished=still, motion=Camera(1.1, 1, 0, Keyframes.of("0: 5 | 3: -20", -180, 180)),
                      options=Options(1, 1e-30, latent_noise=0.0)))  # fmt: skip
    assert torch.equal(last[1][0], again[3][0])


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("zoom", "1.02", "The zoom: Line 1 of the schedule must begin with a step or frame.*'40: 1'.*got \"1.02\""),
        ("zoom", "0: 1.02 | 40: 0", "The zoom: Line 2 of the schedule, after its colon: A number from 0.1 to 10"),
        ("right", "0: left", 'pan to the right: Line 1 .*from -1000 to 1000 is expected; got "left"'),
        ("down", "0: nan", 'pan downward: .*got "nan"'),
        ("turn", "0:", 'turn: .*from -180 to 180 is expected; got ""'),
        ("turn", "3: 1", "must be that of 0; got 3"),
        ("turn", "0: 1 | 0: 2", "later than the one before"),
        ("turn", "|", "needs 1 to 256 lines"),
    ],
)
def test_a_motion_that_cannot_be_read_is_refused_where_it_stands(name, text, message):
    with pytest.raises(PackError, match=message):
        scheduled(Motion(), {name: text})


def test_a_films_last_latent_begins_another(film):
    first = list(film(3))
    second = list(film(2, latent=first[-1][1]))
    assert torch.equal(second[0][0], first[-1][0])
    assert torch.equal(second[0][1].tensors["z"], first[-1][1].tensors["z"])
    with pytest.raises(PackError, match="fade must be at least 0"):
        scheduled(Motion(), {"zoom": "0: 1"}, fade=-1)


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
