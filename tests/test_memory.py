"""Batches that become smaller when memory runs out."""

import pytest
import torch

from guided_gan.core.losses.base import AugCLIPLoss
from guided_gan.core.memory import Batches
from guided_gan.core.search.basis_init import initialise
from guided_gan.core.targets import from_text
from guided_gan.core.types import Latent


class Small:
    """A device with room for so many rows."""

    def __init__(self, room, error=torch.OutOfMemoryError):
        self.room, self.error, self.seen = room, error, []

    def __call__(self, rows):
        self.seen.append(rows.stop - rows.start)
        if self.seen[-1] > self.room:
            raise self.error("DefaultCPUAllocator: can't allocate memory")
        return list(range(rows.start, rows.stop))


@pytest.mark.parametrize("error", [torch.OutOfMemoryError, RuntimeError])
@pytest.mark.parametrize(
    ("size", "room", "tried"),
    [(0, 10, [10]), (4, 10, [4, 4, 2]), (0, 3, [10, 5, 3, 3, 3, 1]), (0, 1, [10, 5, 3, 2] + [1] * 10)],
)
def test_all_is_done_in_order_in_batches_that_fit(size, room, tried, error):
    device = Small(room, error)
    batches = Batches(size)
    assert [row for batch in batches.each(10, device) for row in batch] == list(range(10))
    assert device.seen == tried
    device.seen.clear()
    batches.each(10, device)
    assert max(device.seen) <= room  # it remembers


def test_no_room_for_one_and_other_errors_are_said():
    with pytest.raises(torch.OutOfMemoryError):
        Batches(0).each(3, Small(0))

    def broken(rows):
        raise RuntimeError("of another kind")

    with pytest.raises(RuntimeError, match="another kind"):
        Batches(0).each(3, broken)


@pytest.fixture
def narrow(encoder, monkeypatch):
    """Of an encoder, makes it run out of memory with more pictures than this at once, gradients or not."""

    def change(room):
        encode = type(encoder).encode_image

        def cramped(self, images):
            if len(images) > room:
                raise torch.OutOfMemoryError("too many")
            return encode(self, images)

        monkeypatch.setattr(type(encoder), "encode_image", cramped)

    return change


@pytest.mark.parametrize("graded", [True, False])
def test_a_loss_finds_how_many_copies_fit(encoder, narrow, graded):
    loss = AugCLIPLoss(encoder, from_text(encoder, "a tree"), copies=7)
    images = torch.rand(2, 3, 12, 10).requires_grad_(graded)

    def value():
        rngs = [torch.Generator().manual_seed(seed) for seed in (1, 2)]
        found = loss(images, Latent("any", {}), rngs)
        return [found.detach(), *(torch.autograd.grad(found.sum(), images) if graded else ())]

    ample = value()
    narrow(2 * 3)
    for a, b in zip(value(), ample, strict=True):
        torch.testing.assert_close(a, b)


def test_a_bank_finds_how_many_candidates_and_copies_fit(generator, encoder, narrow, monkeypatch):
    loss = AugCLIPLoss(encoder, from_text(encoder, "a tree"), copies=5)
    ample = initialise(generator, loss, seeds=[3], k=2, count=100)
    decode, said = type(generator).decode, []

    def cramped(self, latent):
        if len(latent) > 3:
            raise torch.OutOfMemoryError("too many")
        return decode(self, latent)

    monkeypatch.setattr(type(generator), "decode", cramped)
    narrow(2)
    found = initialise(generator, loss, seeds=[3], k=2, count=100, progress=lambda *counts: said.append(counts))
    torch.testing.assert_close(found.scores, ample.scores)
    assert torch.equal(found.vectors["z"], ample.vectors["z"])
    assert said[-1] == (100, 100)
