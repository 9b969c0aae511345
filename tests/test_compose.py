"""Compositions: the composite of two layers as a generator like any other, and the search over places."""

from dataclasses import replace

import pytest
import torch
from toy_losses import distance
from toys import ToyGenerator, seeded, toy_autoencoder

from guided_gan.core.errors import LatentError, PackError
from guided_gan.core.files import latent_files
from guided_gan.core.losses import targets
from guided_gan.core.losses.aug_clip import AugCLIPLoss
from guided_gan.core.losses.seam import Seam
from guided_gan.core.pictures import pasting
from guided_gan.core.results import State
from guided_gan.core.search import basis_init, compose, evaluation, weightings
from guided_gan.core.search.bilevel import Tradeoff
from guided_gan.core.search.optimize import Options, Search
from guided_gan.core.types import Latent


@pytest.fixture
def composite(generator):
    return compose.Composite(generator)


@pytest.fixture
def loss(encoder):
    return AugCLIPLoss(encoder, targets.from_text(encoder, "a tree and a house"), copies=4)


def layers_of(composite, loss, seeds):
    front, back = (
        basis_init.initialise(composite.base, loss, seeds=[seed + offset for seed in seeds], k=3, count=100)
        for offset in (0, 50)
    )
    return front, back


def start_of(composite, loss, seeds=(7,), places=("centre", "top left"), scales=(0.5,)):
    return compose.start(composite, *layers_of(composite, loss, seeds), pasting.placements(scales, places))


# --- a generator like any other --------------------------------------------------------------------------------------


def test_a_composition_decodes_to_its_pasted_layers(composite, generator):
    latent = composite.sample(4, seeded(0))
    front, back = (composite.layer(latent, which) for which in compose.LAYERS)
    pasted = pasting.paste(generator.decode(front), generator.decode(back), latent.tensors["place"])
    torch.testing.assert_close(composite.decode(latent), pasted)
    assert {name: value.shape[1:] for name, value in latent.tensors.items()} == dict(composite.spec)
    again = composite.join(front, back, latent.tensors["place"])
    assert all(torch.equal(value, latent.tensors[name]) for name, value in again.tensors.items())


def test_constrain_reaches_both_layers_and_not_the_place(composite):
    latent = composite.sample(2, seeded(1)).map(lambda value: value * 9)
    kept = composite.constrain(latent).tensors
    assert kept["foreground.z"].abs().max() <= 2
    assert kept["background.z"].abs().max() <= 2
    assert torch.equal(kept["place"], latent.tensors["place"])


def test_a_latent_of_a_single_picture_is_refused(composite, generator):
    with pytest.raises(LatentError, match="composed"):
        composite.decode(generator.sample(1, seeded(0)))


# --- the search ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("weighting", weightings.WEIGHTINGS)
def test_the_start_is_what_the_two_bases_stand_for(composite, generator, loss, weighting):
    front, back = (
        basis_init.initialise(generator, loss, seeds=[s, s + 1], k=k, count=100, weighting=weighting)
        for s, k in ((0, 3), (50, 2))
    )
    places = pasting.placements([0.5, 0.3], ["centre"])
    joined = compose.start(composite, front, back, places)
    latent = weightings.mix(joined)
    assert len(latent) == 4
    for which, layer in zip(compose.LAYERS, (front, back), strict=True):
        wanted = weightings.mix(layer)
        for i in range(4):
            for name, value in composite.layer(latent, which).tensors.items():
                torch.testing.assert_close(value[i], wanted.tensors[name][i // 2])
    assert torch.equal(latent.tensors["place"], places.repeat(2, 1))


@pytest.mark.parametrize("scaled", [(True, True), (True, False)])
def test_layers_that_were_searched_at_all_scales_start_as_the_pictures_that_they_decode_to(scaled):
    generator = toy_autoencoder()

    def layer(seed, all_scales):
        basis = weightings.of_latent(generator.sample(2, seeded(seed)))
        coarse = weightings.at_all_scales(basis).coarse if all_scales else {}
        drawn = {name: torch.randn(grid.shape, generator=seeded(2)) for name, grid in coarse.items()}
        return replace(basis, coarse=drawn)

    front, back = map(layer, (0, 1), scaled)
    place = pasting.placements([0.5], ["centre"])
    composite = compose.Composite(generator)
    found = composite.decode(weightings.mix(compose.start(composite, front, back, place)))
    shown, behind = (generator.decode(weightings.mix(basis)) for basis in (front, back))
    torch.testing.assert_close(found, pasting.paste(shown, behind, place.expand(2, -1)))


@pytest.mark.parametrize("batch", [0, 1, 4])
def test_the_best_places_are_those_whose_compositions_score_best_as_they_are(composite, loss, batch):
    seeds, places = [7, 11], pasting.placements([0.5])
    layers = layers_of(composite, loss, seeds)
    known = []
    found = compose.best_places(
        composite, loss, *layers, places, seeds=seeds, count=3, batch=batch, progress=known.append
    )
    assert known == [min(done, 18) for done in range(batch or 18, 18 + (batch or 18), batch or 18)]
    latents = weightings.mix(compose.start(composite, *layers, places))
    for row, seed in enumerate(seeds):
        losses = []
        for i in range(9 * row, 9 * row + 9):
            latent = latents[i : i + 1]
            losses.append(loss(composite.decode(latent), latent, evaluation.fixed_rngs([seed])))
        assert torch.equal(found[row], places[torch.cat(losses).topk(3, largest=False).indices])
    start = compose.start(composite, *layers, found)
    assert torch.equal(start.fixed["place"], found.flatten(0, 1))
    assert torch.equal(start.vectors["foreground.z"], layers[0].vectors["z"].repeat_interleave(3, 0))


def test_the_choice_of_places_can_be_interrupted(composite, loss):
    def interrupt(done):
        if done == 2:
            raise KeyboardInterrupt

    layers, places = layers_of(composite, loss, [7]), pasting.placements([0.5])
    composite.base.decoded.clear()
    with pytest.raises(KeyboardInterrupt):
        compose.best_places(composite, loss, *layers, places, seeds=[7], count=3, progress=interrupt)
    assert sum(composite.base.decoded) == 2 * 2


def search_of(composite, loss, start, seed=7, **options):
    seam = Tradeoff(Seam(composite, distance))
    return Search(composite, loss, start, seeds=[seed] * len(start), options=Options(**options), tradeoff=seam)


def run(search, steps=None):
    for _ in range(steps or search.left):
        search.step()
    return search.result()


def test_the_search_raises_the_score_lowers_the_distance_and_keeps_the_places(composite, loss):
    start = start_of(composite, loss)
    result = run(search_of(composite, loss, start, steps=30, lr=0.05))
    scores = torch.tensor(result.curve.scores["AugCLIP"])
    assert (scores[-1] > scores[0]).all()
    distance = torch.tensor(result.trace.scores["perceptual"])
    assert (distance[-1] < distance[0]).all()
    assert torch.equal(result.best.tensors["place"], start.fixed["place"])
    assert set(result.trace.scores) == {"AugCLIP", "perceptual", "lambda", "angle"}
    assert len(result.trace.steps) == 30
    torch.testing.assert_close(result.images, composite.decode(result.best))


def test_one_place_alone_is_that_place_among_others(composite, loss):
    both, one = (start_of(composite, loss, places=places) for places in (("centre", "top left"), ("top left",)))
    options = {"steps": 4, "lr": 0.05}
    together, alone = (run(search_of(composite, loss, start, **options)) for start in (both, one))
    assert torch.equal(together.images[1:], alone.images)


@pytest.mark.parametrize("at_once", [0, 2])
def test_places_together_are_places_in_turn(composite, loss, at_once):
    start = start_of(composite, loss, places=("centre", "top left", "bottom left"))
    options = {"steps": 4, "lr": 0.05}
    one = run(search_of(composite, loss, start, **options))
    composite.base.decoded.clear()
    many = run(search_of(composite, loss, start, at_once=at_once, **options))
    assert max(composite.base.decoded) == 2 * (at_once or 3)
    torch.testing.assert_close(many.images, one.images, atol=1e-4, rtol=0)


def test_out_of_memory_halves_what_goes_at_once(composite, loss, monkeypatch):
    start = start_of(composite, loss, places=list(pasting.PLACES)[:5])
    decode = ToyGenerator.decode

    def small(self, latent):
        if len(latent) > 4:
            raise torch.OutOfMemoryError("too many")
        return decode(self, latent)

    monkeypatch.setattr(ToyGenerator, "decode", small)
    result = run(search_of(composite, loss, start, steps=3, lr=0.05, at_once=0))
    monkeypatch.undo()
    at_once = run(search_of(composite, loss, start, steps=3, lr=0.05)).images
    torch.testing.assert_close(result.images, at_once, atol=1e-4, rtol=0)
    assert len(result.trace.steps) == 3

    def never(self, latent):
        raise torch.OutOfMemoryError("no memory at all")

    monkeypatch.setattr(ToyGenerator, "decode", never)
    with pytest.raises(torch.OutOfMemoryError):
        run(search_of(composite, loss, start, steps=3, at_once=0))


def test_a_stopped_composition_goes_on_from_its_file(composite, loss, tmp_path):
    start = start_of(composite, loss)
    options = {"steps": 8, "lr": 0.05}
    unbroken = run(search_of(composite, loss, start, **options))
    stopped = search_of(composite, loss, start, **options)
    run(stopped, steps=5)
    latent_files.save(tmp_path / "stopped.safetensors", stopped.state(), {})
    state, _ = latent_files.load(tmp_path / "stopped.safetensors")
    assert isinstance(state, State)
    seam = Tradeoff(Seam(composite, distance))
    again = Search(composite, loss, start, seeds=[7, 7], options=Options(**options), tradeoff=seam, state=state)
    resumed = run(again)
    assert torch.equal(resumed.images, unbroken.images)
    assert resumed.trace == unbroken.trace
    assert resumed.curve == unbroken.curve


def test_the_best_has_nearly_the_best_score_and_of_those_a_low_distance(composite, loss, monkeypatch):
    monkeypatch.setattr(evaluation, "SLACK", 0.3)  # as much as a toy's few steps need
    start = start_of(composite, loss)
    result = run(search_of(composite, loss, start, steps=40, lr=0.2, evaluate_every=1))
    scores, distances = (-torch.tensor(result.curve.scores[name]) for name in (loss.name, "perceptual"))
    best = scores.argmin(0)
    row = torch.arange(len(best))
    assert (result.losses <= scores[best, row] + evaluation.SLACK * scores[best, row].abs() + 1e-6).all()
    seam = Seam(composite, distance)(result.images, result.best, [])
    assert (seam <= distances[best, row] + 1e-6).all()
    assert (seam < distances[best, row] - 1e-4).any()  # the rule has made a difference


def test_a_step_decodes_both_layers_once(composite, generator, loss):
    search = search_of(composite, loss, start_of(composite, loss, places=("centre",)), steps=3, evaluate_every=2)
    generator.decoded.clear()
    for expected in ([2, 2], [2, 2], [2, 2]):  # a look and a step; a step and a look; a step and the last look
        search.step()
        assert generator.decoded == expected
        generator.decoded.clear()


def test_the_seam_of_decoded_pictures_is_that_of_their_latent(composite, generator):
    latent = composite.sample(2, seeded(3)).map(lambda value: value.requires_grad_())
    seam, images = Seam(composite, distance), composite.decode(latent)
    found = []
    for pictures in (images, images.detach()):  # the latter are not known: their layers are decoded
        losses = seam(pictures, latent, [])
        found.append(
            (losses, *torch.autograd.grad(losses.sum(), [latent.tensors[f"{layer}.z"] for layer in compose.LAYERS]))
        )
    assert all(torch.equal(a, b) for a, b in zip(*found, strict=True))
    del images, pictures
    assert len(composite._layers_of) == 0


def test_a_seam_that_is_not_a_number_stops_the_search(composite, loss):
    def broken(a, b):
        return distance(a, b) * float("nan")

    start = start_of(composite, loss)
    seam = Tradeoff(Seam(composite, broken))
    result = run(Search(composite, loss, start, seeds=[7, 7], options=Options(5), tradeoff=seam))
    assert "not a number" in result.stopped
    assert torch.isfinite(result.images).all()


def test_layers_that_do_not_go_together_are_refused(composite, generator, loss):
    one = basis_init.initialise(generator, loss, seeds=[1], k=2, count=100)
    two = basis_init.initialise(generator, loss, seeds=[1, 2], k=2, count=100)
    soft = basis_init.initialise(generator, loss, seeds=[1], k=2, count=100, weighting="softmax")
    place = pasting.placements()
    for other in (two, soft):
        with pytest.raises(PackError, match="as many searches and the same weighting"):
            compose.start(composite, one, other, place)
    foreign = weightings.of_latent(replace(Latent("another", one.vectors), tensors={"z": torch.zeros(1, 3)}))
    with pytest.raises(LatentError, match="another"):
        compose.start(composite, replace(one, generator="another"), replace(foreign, weighting="scalar"), place)


def test_ranked_names_each_searchs_best_and_the_rest_in_order():
    winners, others = compose.ranked(torch.tensor([3.0, 1.0, 2.0, -1.0, 5.0, -2.0]), 3)
    assert winners.tolist() == [1, 5]
    assert others.tolist() == [2, 0, 3, 4]
    assert compose.ranked(torch.tensor([3.0, 1.0]), 1)[1].numel() == 0
