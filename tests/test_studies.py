"""The studies: each runs end to end on toy models, attacks by exactly eps, and climbs with and without gradients."""

import re
from argparse import Namespace
from itertools import pairwise
from types import SimpleNamespace

import pytest
import torch
from searches import short_loss_of_a_tree  # noqa: F401 (a fixture)
from tables import table
from toy_losses import distance
from toys import seeded

from guided_gan.benchmarks.studies import (
    _common,
    attack,
    augmentation,
    basin_cma,
    class_norm,
    initialisation,
    object_to_object,
    perceptual,
)
from guided_gan.core.search.optimize import Options
from guided_gan.core.types import Latent
from guided_gan.picturebook import judging
from guided_gan.picturebook.scenes.kinds import gan_sees

SEARCH = ["--steps=3", "--copies=2", "--lr=0.1"]
START = ["--candidates=20", "--k=2"]
# study -> arguments, and how many rows its table then has
STUDIES = {
    attack: (["--copies=2", "--eps", "2", "8"], 3),
    object_to_object: ([*SEARCH, "--candidates=20"], 2),
    initialisation: ([*SEARCH, "--candidates", "2", "20", "--k", "1", "5"], 6),
    augmentation: ([*SEARCH, *START], 6),
    perceptual: ([*SEARCH, *START, "--lambdas", "0.5", "--betas", "2", "--places", "top left", "centre"], 4),
    basin_cma: ([*SEARCH, *START, "--descent=2"], 5),
    class_norm: ([*SEARCH, *START, "--seeds=1", "--weights", "1"], 3),
}


@pytest.fixture
def toys(generator, encoder, monkeypatch):
    """Toy models for all studies, with the real judges, and no further processes."""

    def each(work, items, *arguments, jobs):
        return [work(item, *arguments) for item in items]

    generator.class_norm = 1.0
    parts = generator, encoder
    for module in (_common, *STUDIES):
        monkeypatch.setattr(module, "models", lambda: parts, raising=False)
        monkeypatch.setattr(module, "each", each, raising=False)
    monkeypatch.setattr(perceptual, "metric", lambda: distance)
    return SimpleNamespace(generator=generator, encoder=encoder)


@pytest.mark.parametrize("study", STUDIES, ids=lambda study: study.__name__.rpartition(".")[2])
def test_a_study_prints_its_table_and_draws_its_figure(study, toys, capsys, monkeypatch, tmp_path):
    arguments, rows = STUDIES[study]
    picture = tmp_path / "new folder" / "figure.png"
    monkeypatch.setattr("sys.argv", ["study", "--prompts=2", f"--figure={picture}", *arguments])
    study.main()
    printed = capsys.readouterr().out
    cells = table(printed)
    assert len(cells) == rows
    assert len({row[0] for row in cells}) == rows
    assert "nan" not in printed
    counts = [tuple(map(int, found)) for row in cells for cell in row for found in re.findall(r"^(\d+)/(\d+)$", cell)]
    assert study is attack or counts
    assert all(some <= 2 and of == 2 for some, of in counts)
    scores = [float(found) for row in cells for found in re.findall(r"-?0\.\d{3}", " ".join(row))]
    assert scores
    assert all(-1 <= score <= 1 for score in scores)
    assert "prompts 2" in printed
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_prompts_are_seen_and_unseen_by_turns():
    chosen = _common.wanted(Namespace(prompts=7, seed=3))
    assert [bool(gan_sees(*map(torch.tensor, prompt.thing))) for prompt in chosen] == [True, False] * 3 + [True]


# --- attack ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("plain", [True, False])
def test_the_attack_moves_each_pixel_by_eps_up_the_score(loss, plain):
    loss = loss.plain() if plain else loss
    picture = torch.rand(1, 3, 16, 16, generator=seeded(0)) - 0.5
    sizes = torch.tensor([0.0, 1e-4, 0.1])
    moved = attack.fgsm(picture, loss, sizes)
    leaf = picture.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(_common.score(loss, leaf, "attack").sum(), leaf)
    assert (gradient != 0).float().mean() > 0.9
    torch.testing.assert_close(moved - picture, sizes.view(-1, 1, 1, 1) * gradient.sign(), atol=1e-6, rtol=0)
    scores = _common.score(loss, moved, "attack")
    torch.testing.assert_close(scores[1] - scores[0], 1e-4 * gradient.abs().sum(), rtol=0.05, atol=0)  # to first order
    assert scores[1] > scores[0]


def test_attacked_pictures_stay_pictures(loss):
    moved = attack.fgsm(torch.ones(1, 3, 16, 16), loss, torch.tensor([0.5]))
    assert moved.max() == 1
    assert moved.min() == 0.5


def test_true_and_false_prompts_share_nothing_and_are_what_the_judges_see():
    pairs = attack.pairs(30, 0)
    assert all(a != b for true, false in pairs for a, b in zip(true, false, strict=True))
    pictures = torch.cat([attack.picture_of(true) for true, _ in pairs])
    things = torch.tensor([[true.thing] for true, _ in pairs])
    assert judging.finds(pictures, things).all(0).float().mean() > 0.9


# --- object to object ------------------------------------------------------------------------------------------------


def test_start_and_target_are_two_kinds_that_the_gan_has_seen_in_one_colour():
    pairs = object_to_object.pairs(40, 0)
    assert len(set(pairs)) == 40
    for source, target in pairs:
        assert source[0] != target[0]
        assert source[1:3] == target[1:3]
        assert all(gan_sees(*map(torch.tensor, prompt.thing)) for prompt in (source, target))


def test_each_search_raises_the_score_that_guides_it(toys, tmp_path):
    options = Namespace(steps=30, lr=0.05, noise=0, copies=4, seed=0, candidates=20, k=1)
    changes = object_to_object.changed(object_to_object.pairs(1, 0)[0], options, tmp_path)
    assert set(changes) == {"CLIP", "AugCLIP"}
    for name, change in changes.items():
        assert change.scores[name][-1] > change.scores[name][0]
        assert len(change.steps) == len(change.scores["CLIP"]) == len(change.scores["AugCLIP"])
    assert torch.equal(changes["CLIP"].start, changes["AugCLIP"].start)
    assert changes["CLIP"].scores["AugCLIP"][0] == pytest.approx(changes["AugCLIP"].scores["AugCLIP"][0], abs=1e-6)


# --- basin cma -------------------------------------------------------------------------------------------------------


class Bowl:
    """How far the pictures are from one that the generator can draw."""

    name, models = "bowl", ()

    def __init__(self, goal):
        self.goal = goal

    def __call__(self, images, latent, rngs):
        return distance(images, self.goal)


@pytest.mark.parametrize("steps", [0, 3])
def test_evolution_finds_the_bottom_of_a_bowl(generator, steps):
    goal = generator.decode(generator.sample(1, seeded(5)))
    centre = Latent(generator.name, {"z": torch.zeros(1, 3), "y": torch.zeros(1, 2, 2)})
    climb = basin_cma.by_cma(generator, Bowl(goal), centre, 0, 1.0, steps, 0.2)
    assert climb[0].loss == pytest.approx(distance(generator.decode(centre), goal).item())
    best = basin_cma.best(climb)
    assert best.loss < 0.2 * climb[0].loss
    assert best.loss == pytest.approx(distance(best.picture, goal).item(), abs=1e-6)
    assert all(a.seconds < b.seconds for a, b in pairwise(climb))


def test_descent_lowers_every_loss_and_no_steps_leave_the_latents(generator):
    goal = generator.decode(generator.sample(1, seeded(5)))
    latents = generator.sample(4, seeded(6))
    before = distance(generator.decode(latents), goal)
    same, losses = basin_cma.descended(generator, Bowl(goal), latents, 0, 0, 0.05)
    assert torch.equal(same.tensors["z"], latents.tensors["z"])
    torch.testing.assert_close(losses, before)
    lower, losses = basin_cma.descended(generator, Bowl(goal), latents, 0, 5, 0.05)
    assert (losses < before).all()
    torch.testing.assert_close(distance(generator.decode(lower), goal), losses)


def test_rows_and_latents_are_one_anothers_inverse(generator):
    latents = generator.sample(3, seeded(1))
    again = basin_cma.shaped(generator, basin_cma.flat(generator, latents))
    assert all(torch.equal(value, again.tensors[name]) for name, value in latents.tensors.items())


def test_how_much_sooner_adam_was_there(generator):
    def climb(*points):
        return [basin_cma.Point(seconds, loss, torch.zeros(1)) for seconds, loss in points]

    climbs = {
        "Adam": climb((1, -0.2), (2, -0.5), (3, -0.6)),
        "slow": climb((0, 0), (10, -0.4)),
        "better": climb((9, -0.7)),
    }
    assert basin_cma.sooner(climbs, "slow") == 5
    assert basin_cma.sooner(climbs, "better") == 0
    assert basin_cma.best(climbs["Adam"], 2.5).loss == -0.5
    assert basin_cma.best(climbs["slow"], 9.9).loss == 0
    assert basin_cma.best(climb((0, 3), (1, 1), (2, 2))).loss == 1


def test_adams_climb_ends_where_the_librarys_search_does(generator, loss):
    from guided_gan.core.search import basis_init, optimize

    begin, options = basis_init.initialise(generator, loss, seeds=[3], k=2, count=100), Options(steps=25, lr=0.05)
    climb = basin_cma.by_adam(generator, loss, begin, 3, options)
    result = optimize.optimize(generator, loss, begin, seeds=[3], options=options)
    assert len(climb) == 3
    assert climb[-1].loss == result.losses.item()
    assert torch.equal(climb[-1].picture, result.images)
