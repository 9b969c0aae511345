"""Masks in the search: what is outside stays to the bit, edges fade, files keep them, and what is refused."""

import pytest
import torch
from toy_losses import Bright
from toys import ToyGenerator, seeded, small_autoencoder, toy_autoencoder  # noqa: F401 (one is a fixture)

from guided_gan.core.errors import LatentError, PackError, ShapeError
from guided_gan.core.files import latent_files
from guided_gan.core.generators.shaped import shaped
from guided_gan.core.generators.tiles import Tiles
from guided_gan.core.search.masking import cells, masked
from guided_gan.core.search.optimize import Options, Search, optimize
from guided_gan.core.search.weightings import mix
from guided_gan.core.types import Basis, Latent


@pytest.fixture
def latent(generator):
    return generator.sample(2, seeded(3))


def box(height=24, width=32):
    """A mask of the cells of rows 1 to 3 and columns 2 to 4, and of half the cell beside the last one."""
    mask = torch.zeros(1, height, width)
    mask[:, 4:16, 8:20] = 1
    mask[:, 4:8, 20:22] = 1
    return mask


def test_a_cell_has_the_share_of_its_pixels():
    shares = cells(box(), (6, 8))
    expected = torch.zeros(1, 1, 6, 8)
    expected[..., 1:4, 2:5] = 1
    expected[..., 1, 5] = 0.5
    assert torch.equal(shares, expected)


def test_a_mask_of_another_size_is_stretched():
    large = box().repeat_interleave(3, 1).repeat_interleave(3, 2)
    assert torch.allclose(cells(large, (6, 8)), cells(box(), (6, 8)))
    assert torch.equal(cells(torch.ones(1, 64, 64), (6, 8), feather=2), torch.ones(1, 1, 6, 8))


@pytest.mark.parametrize("feather", [1, 2])
def test_the_edge_fades_over_as_many_cells_and_no_farther(feather):
    mask = torch.zeros(1, 9, 9)
    mask[:, 3:6, 3:6] = 1
    row = cells(mask, (9, 9), feather)[0, 0, 4]
    assert torch.equal(row > 0, (torch.arange(9) - 4).abs() <= 1 + feather)
    assert torch.equal(row, row.flip(0))
    assert (row[:4].diff() >= 0).all()


def test_a_mask_does_not_fade_at_the_edge_of_the_picture():
    mask = torch.zeros(1, 8, 8)
    mask[:, :, :4] = 1
    faded = cells(mask, (8, 8), feather=2)[0, 0]
    assert torch.equal(faded[0], faded[4])
    assert faded[0, 0] == 1


def test_mixing_takes_the_share_and_keeps_the_rest_to_the_bit(generator, latent):
    start = masked(generator, latent, box())
    moved = Basis(**{**vars(start), "vectors": {"z": start.vectors["z"] + 1e3}})
    z, shares = mix(moved).tensors["z"], start.mask["z"].expand_as(latent.tensors["z"])
    assert torch.equal(z[shares == 0], latent.tensors["z"][shares == 0])
    assert torch.equal(z[shares == 1], moved.vectors["z"][:, 0][shares == 1])
    half = shares == 0.5
    assert half.any()
    assert torch.allclose(z[half], latent.tensors["z"][half] + 500)


@pytest.mark.parametrize("noise", [0.0, 0.5])
def test_a_search_leaves_what_lies_outside(generator, latent, noise):
    start = masked(generator, latent, box(), feather=1)
    pictures = []
    result = optimize(
        generator,
        Bright(),
        start,
        seeds=[1, 2],
        options=Options(5, 0.1, noise),
        callback=lambda step, loss, images: pictures.append(images),
    )
    outside = start.mask["z"].expand_as(latent.tensors["z"]) == 0
    assert outside.any()
    for value in (result.best, mix(result.basis)):
        assert torch.equal(value.tensors["z"][outside], latent.tensors["z"][outside])
        assert not torch.equal(value.tensors["z"], latent.tensors["z"])
    pixels = (start.mask["z"] == 0).repeat_interleave(4, 2).repeat_interleave(4, 3).expand(-1, 3, -1, -1)
    before = generator.decode(latent)
    assert all(torch.equal(after[pixels], before[pixels]) for after in (*pictures, result.images))


def test_an_edge_moves_by_its_share(generator, latent):
    """Where a gradient that is scaled would move as far as any other."""
    start = masked(generator, latent[:1], box())
    result = optimize(generator, Bright(), start, seeds=[1], options=Options(1, 0.1, 0.0))
    change = (mix(result.basis).tensors["z"] - latent[:1].tensors["z"]).abs()
    assert torch.allclose(change[0, :, 2, 3], torch.full((6,), 0.1), rtol=0.01)
    assert torch.allclose(change[0, :, 1, 5], torch.full((6,), 0.05), rtol=0.01)


def test_a_saved_basis_keeps_its_mask_and_the_search_goes_on_as_unbroken(generator, latent, tmp_path):
    start = masked(generator, latent, box(), feather=1)
    latent_files.save(tmp_path / "start.safetensors", start, {})
    loaded, _ = latent_files.load(tmp_path / "start.safetensors")

    def search(basis, steps, state=None):
        options = Options(steps, 0.1, 0.3, evaluate_every=1)
        return Search(generator, Bright(), basis, seeds=[1, 2], options=options, state=state)

    half = search(loaded, 6)
    for _ in range(3):
        half.step()
    latent_files.save(tmp_path / "half.safetensors", half.state(), {})
    state, _ = latent_files.load(tmp_path / "half.safetensors")
    broken, unbroken = search(start, 6, state), search(start, 6)
    for running in (broken, unbroken):
        while running.left:
            running.step()
    assert torch.equal(mix(broken.result().basis).tensors["z"], mix(unbroken.result().basis).tensors["z"])
    assert torch.equal(broken.result().images, unbroken.result().images)


def test_inside_a_search_starts_from_another_latent(generator, latent):
    others = generator.sample(2, seeded(4))
    one, other = (Latent.cat([each[:1], each[:1]]).tensors["z"] for each in (latent, others))
    pairs = {
        (latent, others): (latent.tensors["z"], others.tensors["z"]),
        (latent, others[:1]): (latent.tensors["z"], other),
        (latent[:1], others): (one, others.tensors["z"]),
    }
    for (held, inside), (anchor, begun) in pairs.items():
        start = masked(generator, held, box(), feather=1, inside=inside)
        shares = start.mask["z"]
        z = mix(start).tensors["z"]
        assert torch.equal(z, torch.lerp(anchor, begun, shares))
        outside = (shares == 0).expand_as(z)
        result = optimize(generator, Bright(), start, seeds=[1, 2], options=Options(5, 0.1, 0.0))
        for value in (z, result.best.tensors["z"]):
            assert torch.equal(value[outside], anchor[outside])


def test_the_edge_fades_on_at_the_opposite_side_where_sides_meet():
    mask = torch.zeros(1, 6, 16)
    mask[..., :2] = 1
    plain, around = (cells(mask, (6, 16), feather=2, wraps=wraps)[0, 0, 0] for wraps in ("none", "left and right"))
    assert torch.equal(plain > 0, torch.arange(16) < 4)
    assert torch.equal(around > 0, (torch.arange(16) < 4) | (torch.arange(16) > 13))
    assert torch.allclose(around[:2], around[:2].flip(0))
    assert torch.allclose(around.roll(2)[:6], around.roll(2)[:6].flip(0))
    tiles = shaped(toy_autoencoder(24, 32), Tiles())
    start = masked(tiles, tiles.sample(1, seeded(1)), torch.ones(1, 24, 32).tril(-20), feather=1)
    assert (start.mask["z"][..., 0, :] > 0).any()


def test_what_cannot_mask_is_refused(generator, latent):
    nothing, everything = torch.zeros(1, 24, 32), torch.ones(1, 24, 32)
    for wrong, words in [
        (nothing, "selects nothing"),
        (everything * torch.nan, "mask is empty, or has values that are not finite"),
    ]:
        with pytest.raises(PackError, match=words):
            masked(generator, latent, wrong)
    with pytest.raises(PackError, match="selects nothing"):  # one of two
        masked(generator, latent, torch.cat([everything, nothing]))
    with pytest.raises(PackError, match="feather"):
        masked(generator, latent, everything, -1)
    with pytest.raises(ShapeError, match="one for each of the 2 latents"):
        masked(generator, latent, everything.expand(3, -1, -1))
    with pytest.raises(LatentError, match="belongs to the generator"):
        masked(generator.at(40, 40), latent, everything)
    with pytest.raises(LatentError, match="belongs to the generator"):
        masked(generator, latent, everything, inside=generator.at(40, 40).sample(1, seeded(1)))
    with pytest.raises(LatentError, match=r"sizes differ: latent has 2, inside has 3\. Give two batches of one size"):
        masked(generator, latent, everything, inside=generator.sample(3, seeded(1)))
    with pytest.raises(PackError, match="cannot turn pictures into latents"):
        masked(ToyGenerator(), ToyGenerator().sample(1, seeded(1)), everything)
