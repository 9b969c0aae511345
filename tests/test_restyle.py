"""Videos in another style: what a frame's search starts from, what is smoothed, how a film goes on, what is refused."""

import pytest
import torch
from toys import ToyEncoder, ToyGenerator, seeded, small_autoencoder, toy_autoencoder  # noqa: F401 (one is a fixture)

from guided_gan.core.errors import LatentError, PackError
from guided_gan.core.files import latent_files
from guided_gan.core.losses.aug_clip import AugCLIPLoss
from guided_gan.core.losses.targets import from_text
from guided_gan.core.pictures.patterns import octaves
from guided_gan.core.results import Film
from guided_gan.core.search.optimize import Options
from guided_gan.core.search.restyle import Follow, frames, key
from guided_gan.core.types import Latent

OPTIONS = Options(2, 0.1, latent_noise=0.0)
STILL = Options(1, 1e-30, latent_noise=0.0)  # whose searches end where they start


@pytest.fixture
def pictures():
    return [octaves(24, 32, seeded(i)) for i in range(5)]


@pytest.fixture
def video(generator, pictures):
    return Latent.cat([generator.encode(picture) for picture in pictures])


@pytest.fixture
def film(generator, video):
    encoder = ToyEncoder()
    loss = AugCLIPLoss(encoder, from_text(encoder, "a boat"), copies=2)
    given = {"generator": generator, "loss": loss, "video": video, "follow": Follow(0.4, 0.3, 3)}
    given |= {"count": 5, "seed": 4, "options": OPTIONS}
    return lambda **changed: frames(**{**given, **changed})


def z(frame):
    return frame[1].tensors["z"]


def alike(some, others):
    return all(
        torch.equal(one[0], other[0]) and torch.equal(z(one), z(other)) for one, other in zip(some, others, strict=True)
    )


def test_a_film_held_to_the_video_keeps_to_its_encoded_frames(film, generator, video):
    made = list(film(follow=Follow(1.0, 0.0, 1), options=STILL))
    assert torch.equal(torch.cat([z(frame) for frame in made]), video.tensors["z"])
    for i, (picture, _) in enumerate(made):
        assert torch.equal(picture, generator.decode(video[i : i + 1]))


def test_a_film_that_does_not_hold_to_it_goes_on_from_its_own_frames(film, video):
    made = list(film(follow=Follow(0.0, 0.0, 1), options=STILL))
    assert all(torch.equal(z(frame), video.tensors["z"][:1]) for frame in made)


def test_a_search_starts_from_the_blend_of_the_last_result_and_the_next_frame(film, video):
    made = list(film(follow=Follow(0.25, 0.0, 1), options=STILL))
    for i in range(1, 5):
        torch.testing.assert_close(z(made[i]), 0.75 * z(made[i - 1]) + 0.25 * video.tensors["z"][i : i + 1])


def test_latents_are_smoothed_over_frames_and_pictures_are_theirs(film, generator):
    plain, smooth = (list(film(follow=Follow(0.4, share, 3), count=2)) for share in (0.0, 0.3))
    assert alike(plain[:1], smooth[:1])
    torch.testing.assert_close(z(smooth[1]), 0.7 * z(plain[1]) + 0.3 * z(plain[0]))
    assert torch.equal(smooth[1][0], generator.decode(smooth[1][1]))
    still = list(film(follow=Follow(0.4, 1.0, 3)))
    assert all(torch.equal(z(frame), z(still[0])) for frame in still)


def test_the_first_frame_takes_its_own_steps_and_all_are_told(film):
    told = []
    list(film(count=3, callback=lambda frame, done, loss, pictures: told.append((frame, done, pictures.shape))))
    numbers = [(0, 1), (0, 2), (0, 3), (1, 1), (1, 2), (2, 1), (2, 2)]
    assert told == [(*number, (1, 3, 24, 32)) for number in numbers]


@pytest.mark.parametrize("stopped", [1, 2, 4])
def test_a_film_goes_on_from_its_first_frames(film, tmp_path, stopped):
    told, whole = [], list(film())
    pictures, latents = zip(*whole[:stopped], strict=True)
    latent_files.save(tmp_path / "film.safetensors", Film(Latent.cat(latents), torch.cat(pictures)), {})
    unfinished, _ = latent_files.load(tmp_path / "film.safetensors")
    resumed = list(film(unfinished=unfinished, callback=lambda frame, *_: told.append(frame)))
    assert told[0] == stopped
    assert len(resumed) == len(whole) == 5
    assert alike(whole, resumed)


def test_a_frame_knows_nothing_of_those_after_it(film, video):
    whole = list(film())
    assert alike(whole[:3], list(film(count=3)))
    assert alike(whole[:3], list(film(video=video[:3], count=3)))
    assert not torch.equal(next(film(seed=5, count=1))[0], whole[0][0])


def test_the_next_part_of_a_video_goes_on_from_the_last_result(film, video):
    told, end = [], list(film(count=2))[-1][1]
    part = {"video": video[2:], "count": 2, "before": end, "follow": Follow(0.25), "options": STILL}
    whole = list(film(**part, callback=lambda frame, *_: told.append(frame)))
    assert told == [0, 1]
    torch.testing.assert_close(z(whole[0]), 0.75 * end.tensors["z"] + 0.25 * video.tensors["z"][2:3])


def test_what_cannot_be_a_film_is_refused(film, video):
    wrongs: list[dict] = [{"hold": -0.1}, {"hold": 1.1}, {"hold": torch.nan}, {"smooth": 2.0}, {"first_steps": 0}]
    for wrong in wrongs:
        with pytest.raises(PackError, match="hold and smooth must be from 0 to 1"):
            Follow(**wrong)
    with pytest.raises(PackError, match="has 5 frames; got 6"):
        next(film(count=6))
    with pytest.raises(PackError, match="at least 1 frame"):
        next(film(count=0))
    with pytest.raises(LatentError, match="belongs to the generator"):
        next(film(generator=ToyGenerator()))
    with pytest.raises(LatentError, match="belongs to the generator"):
        next(film(before=ToyGenerator().sample(1, seeded(0))))


def test_a_key_is_of_all_that_a_frame_depends_on(generator, pictures, video):
    encoder = ToyEncoder()
    given = {
        "generator": generator,
        "loss": AugCLIPLoss(encoder, from_text(encoder, "a boat"), copies=2),
        "video": torch.cat(pictures),
        "follow": Follow(),
        "seed": 3,
        "options": OPTIONS,
    }
    others = [
        {"generator": toy_autoencoder(seed=1)},
        {"loss": AugCLIPLoss(encoder, from_text(encoder, "a house"), copies=2)},
        {"video": torch.cat(pictures[:4])},
        {"follow": Follow(0.4)},
        {"follow": Follow(smooth=0.1)},
        {"follow": Follow(first_steps=7)},
        {"seed": 4},
        {"options": Options(3)},
        {"before": video[:1]},
    ]
    keys = [key(**{**given, **other}) for other in ({}, *others)]
    assert len(set(keys)) == len(keys)
    assert keys[0] == key(**given)
