"""Searches of a grid at all scales: the same start, whole regions that move, and all that holds of any search."""

from dataclasses import replace

import pytest
import torch
from searches import Failing, assert_equal
from toys import ToyGenerator, seeded, small_autoencoder  # noqa: F401 (one is a fixture)

from guided_gan.core.errors import ChoiceError
from guided_gan.core.files import latent_files
from guided_gan.core.pictures.resample import enlarged
from guided_gan.core.search import optimizers
from guided_gan.core.search.masking import masked
from guided_gan.core.search.optimize import Options, Search, optimize
from guided_gan.core.search.options import ALL, FINEST
from guided_gan.core.search.weightings import WEIGHTINGS, at_all_scales, at_finest_scale, mix, of_latent
from guided_gan.core.types import Basis


class OnePixel:
    """Falls as one pixel of the picture brightens."""

    name = "one pixel"
    models = ()

    def __call__(self, images, latent, rngs):
        return -images[:, :, 0, 0].mean(1)


@pytest.fixture
def start(generator):
    return of_latent(generator.sample(2, seeded(3)))


def search(generator, start, steps=6, **options):
    return optimize(generator, OnePixel(), start, seeds=[7, 8], options=Options(steps, 0.05, 0.0, **options))


def test_the_coarser_grids_begin_as_nothing(start):
    scaled = at_all_scales(start)
    shapes = {name: tuple(grid.shape[2:]) for name, grid in scaled.coarse.items()}
    ((name, value),) = mix(start).tensors.items()
    assert shapes == {f"{name}@3x4": (3, 4), f"{name}@2x2": (2, 2)}
    assert torch.equal(mix(scaled).tensors[name], value)


def test_a_latent_that_is_no_grid_has_no_coarser_ones():
    assert not at_all_scales(of_latent(ToyGenerator().sample(2, seeded(3)))).coarse


def test_a_coarse_grid_is_added_where_it_lies(start):
    scaled = at_all_scales(start)
    (name,) = scaled.vectors
    grid = torch.zeros_like(scaled.coarse[f"{name}@2x2"])
    grid[..., 0, 0] = 1.0
    moved = mix(replace(scaled, coarse={**scaled.coarse, f"{name}@2x2": grid})).tensors[name] - mix(start).tensors[name]
    assert torch.allclose(moved[..., 0, 0], torch.ones(2, moved.shape[1]), atol=1e-6)
    assert moved[..., -1, -1].abs().max() < 1e-6
    assert (moved[:, :, 0].diff(dim=-1) <= 1e-6).all(), "it fades away from there"


def test_enlarged_is_bilinear():
    grids = torch.randn(2, 3, 3, 4, generator=seeded(0))
    expected = torch.nn.functional.interpolate(grids, (7, 9), mode="bilinear", align_corners=False)
    assert torch.allclose(enlarged(grids, 7, 9), expected, atol=1e-6)


@pytest.mark.parametrize(("sides", "padded"), [("both", (0, 1)), ("left and right", (1,)), ("top and bottom", (0,))])
@pytest.mark.parametrize("size", [(3, 4), (1, 2)])
def test_enlarged_wraps_around_as_in_the_middle_of_many_side_by_side(sides, padded, size):
    grids = torch.randn(2, 3, *size, generator=seeded(0))
    times = [3 if axis in padded else 1 for axis in (0, 1)]
    whole = enlarged(grids.repeat(1, 1, *times), 7 * times[0], 9 * times[1])
    down, right = (slice(n, 2 * n) if t == 3 else slice(n) for n, t in zip((7, 9), times, strict=True))
    assert torch.allclose(enlarged(grids, 7, 9, sides=sides), whole[..., down, right], atol=1e-6)


def test_a_step_moves_whole_regions(generator, start):
    """Of a loss of one pixel, which on cells alone moves few of them."""
    ((name, before),) = mix(start).tensors.items()

    def cells_moved(**options):
        after = mix(search(generator, start, 1, **options).basis).tensors[name]
        return int(((after - before).abs().amax(1) > 1e-4).sum())

    assert cells_moved(grid_scales=ALL) > 3 * cells_moved()


def test_what_is_outside_a_mask_stays_to_the_bit(generator):
    latent, mask = generator.sample(2, seeded(3)), torch.zeros(1, 24, 32)
    mask[:, :12, :16] = 1
    found = search(generator, masked(generator, latent, mask), grid_scales=ALL)
    ((name, value),) = latent.tensors.items()
    after = found.best.tensors[name]
    assert torch.equal(after[..., 3:, :], value[..., 3:, :])
    assert torch.equal(after[..., 4:], value[..., 4:])
    assert not torch.equal(after, value)


def test_it_resumes_and_goes_on_as_if_unbroken(generator, start, tmp_path):
    options = Options(8, 0.05, 0.0, evaluate_every=2, grid_scales=ALL)

    def begin(state=None):
        return Search(generator, OnePixel(), start, seeds=[7, 8], options=options, state=state)

    unbroken, stopped = begin(), begin()
    while unbroken.left:
        unbroken.step()
    for _ in range(3):
        stopped.step()
    file = tmp_path / "state.safetensors"
    latent_files.save(file, stopped.state(), {})
    resumed = begin(latent_files.load(file)[0])
    while resumed.left:
        resumed.step()
    assert_equal(resumed.result(), unbroken.result())
    half = search(generator, start, 5, grid_scales=ALL)
    assert_equal(search(generator, half.basis, 3, grid_scales=ALL).basis, unbroken.result().basis)


@pytest.mark.parametrize("optimizer", optimizers.OPTIMIZERS)
def test_a_search_of_cells_goes_on_at_all_scales_whose_grids_begin_afresh(generator, start, optimizer, tmp_path):
    """As far as the cells go, whose moments go on, it begins with the very step that goes on with cells alone."""
    found = search(generator, start, 3, optimizer=optimizer).basis
    latent_files.save(tmp_path / "basis.safetensors", found, {})
    read = latent_files.load(tmp_path / "basis.safetensors")[0]
    cells, scaled = (search(generator, read, 1, optimizer=optimizer, grid_scales=s).basis for s in (FINEST, ALL))
    for name, value in cells.vectors.items():
        assert torch.equal(scaled.vectors[name], value)
    assert all((grid != 0).any() for grid in scaled.coarse.values())
    begun = search(generator, of_latent(mix(found)), 1, optimizer=optimizer, grid_scales=ALL).basis
    for name, grid in begun.coarse.items():
        torch.testing.assert_close(scaled.coarse[name], grid)


def test_before_a_step_a_search_has_the_moments_that_it_was_given(generator, start):
    found = search(generator, start, 3).basis
    options = Options(2, 0.05, 0.0, grid_scales=ALL)
    going = Search(generator, Failing(OnePixel(), 2), found, seeds=[7, 8], options=options)
    going.step()
    assert going.stopped
    moments = going.state().basis.moments
    assert moments.keys() == found.moments.keys()
    assert all(torch.equal(value, found.moments[name]) for name, value in moments.items())


@pytest.mark.parametrize("weighting", WEIGHTINGS)
def test_coarse_grids_become_part_of_the_cells_where_these_alone_are_searched(weighting):
    vectors = {"z": torch.randn(2, 3, 4, 6, 8, generator=seeded(1)), "y": torch.randn(2, 3, 5, generator=seeded(2))}
    weights = WEIGHTINGS[weighting][0](vectors, [1, 2])
    weights = {name: value + torch.randn(value.shape, generator=seeded(3)) for name, value in weights.items()}
    basis = at_all_scales(Basis("a", vectors, weights, weighting, torch.zeros(2, 3)))
    coarse = {name: torch.randn(grid.shape, generator=seeded(4)) for name, grid in basis.coarse.items()}
    basis = replace(basis, coarse=coarse)
    found = at_finest_scale(basis)
    assert not found.coarse
    assert torch.equal(found.vectors["y"], vectors["y"])
    torch.testing.assert_close(mix(found).tensors, mix(basis).tensors)


def test_a_search_at_all_scales_goes_on_with_cells_alone_from_the_picture_where_it_was(generator, start):
    found = search(generator, start, grid_scales=ALL).basis
    going = Search(generator, OnePixel(), found, seeds=[7, 8], options=Options(3, 0.05, 0.0))
    going.step()
    assert going.best is not None
    assert torch.allclose(going.best.images, generator.decode(mix(found)), atol=1e-5)
    basis = going.result().basis
    assert not basis.coarse
    assert not any("coarse" in name for name in basis.moments)


def test_seed_eight_ends_alike_alone_and_among_others(generator, start):
    both = search(generator, start, grid_scales=ALL)
    alone = of_latent(mix(start)[1:])
    options = Options(6, 0.05, 0.0, grid_scales=ALL)
    one = optimize(generator, OnePixel(), alone, seeds=[8], options=options)
    assert torch.equal(one.images[0], both.images[1])


def test_a_gan_is_searched_as_it_was():
    generator = ToyGenerator()
    start = of_latent(generator.sample(2, seeded(3)))
    assert_equal(search(generator, start, grid_scales=ALL), search(generator, start))


def test_an_unknown_name_is_refused(generator, start):
    with pytest.raises(ChoiceError, match=r"grid_scales.*finest, all"):
        search(generator, start, grid_scales="some")
