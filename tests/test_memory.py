"""Batches whose size is halved when memory runs out, and memory that is kept for reuse."""

import gc
import json
import os
import platform
import subprocess
import sys
import weakref

import pytest
import torch

from guided_gan.core.compute import memory
from guided_gan.core.compute.memory import Batches, batches_of
from guided_gan.core.losses.aug_clip import AugCLIPLoss
from guided_gan.core.losses.targets import from_text
from guided_gan.core.search.basis_init import initialise
from guided_gan.core.types import Latent


class Small:
    """A device with room for so many rows."""

    def __init__(self, room, kind=torch.OutOfMemoryError, says="CUDA out of memory."):
        self.room, self.kind, self.says, self.seen = room, kind, says, []

    def __call__(self, rows):
        self.seen.append(rows.stop - rows.start)
        if self.seen[-1] > self.room:
            raise self.kind(self.says)
        return list(range(rows.start, rows.stop))


@pytest.mark.parametrize(
    ("kind", "says"),
    [
        (torch.OutOfMemoryError, "CUDA out of memory."),
        (RuntimeError, "DefaultCPUAllocator: can't allocate memory: you tried to allocate 64 bytes."),
        (RuntimeError, "DefaultCPUAllocator: not enough memory: you tried to allocate 64 bytes."),  # under Windows
        (RuntimeError, "MPS backend out of memory (MPS allocated: 64 bytes)."),
    ],
)
@pytest.mark.parametrize(
    ("size", "room", "tried"),
    [(0, 10, [10]), (4, 10, [4, 4, 2]), (0, 3, [10, 5, 3, 3, 3, 1]), (0, 1, [10, 5, 3, 2] + [1] * 10)],
)
def test_all_is_done_in_order_in_batches_that_fit(size, room, tried, kind, says):
    device = Small(room, kind, says)
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
    """Makes the encoder run out of memory with more pictures than this at once; gives how many it is tried with."""

    def change(room):
        encode, tried = type(encoder).encode_image, []

        def cramped(self, images):
            tried.append(len(images))
            if len(images) > room:
                raise torch.OutOfMemoryError("too many")
            return encode(self, images)

        monkeypatch.setattr(type(encoder), "encode_image", cramped)
        return tried

    return change


@pytest.mark.parametrize("graded", [True, False])
def test_a_loss_finds_how_many_copies_fit_and_stays_as_it_was_made(encoder, narrow, graded):
    loss = AugCLIPLoss(encoder, from_text(encoder, "a tree"), copies=7)
    made = dict(vars(loss))
    images = torch.rand(2, 3, 12, 10).requires_grad_(graded)

    def value():
        rngs = [torch.Generator().manual_seed(seed) for seed in (1, 2)]
        found = loss(images, Latent("any", {}), rngs)
        return [found.detach(), *(torch.autograd.grad(found.sum(), images) if graded else ())]

    ample = value()
    tried = narrow(2 * 3)
    for a, b in zip(value(), ample, strict=True):
        torch.testing.assert_close(a, b)
    assert tried == [2 * 7, 2 * 4, 2 * 2, 2 * 2, 2 * 2, 2 * 1]
    tried.clear()
    value()
    assert tried == [2 * 2, 2 * 2, 2 * 2, 2 * 1]  # what did not fit is not tried again
    assert vars(loss) == made


def test_what_fits_is_remembered_for_a_value_and_a_device_as_long_as_the_value_lives(encoder):
    loss, other = (AugCLIPLoss(encoder, from_text(encoder, "a tree"), copies=7, micro_batch=4) for _ in range(2))
    cpu, elsewhere = torch.device("cpu"), torch.device("meta")
    batches = batches_of(loss, cpu, 4)
    batches.each(7, Small(3))
    assert batches_of(loss, cpu, 4).size == 2
    assert batches_of(loss, elsewhere, 4).size == batches_of(other, cpu, 4).size == 4
    lives = weakref.ref(batches)
    del loss, batches
    gc.collect()
    assert lives() is None


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
    assert said[-1][:2] == (100, 100)


RESIDENT = """
import importlib.util, json, pathlib, resource, sys, torch
spec = importlib.util.spec_from_file_location("memory", sys.argv[1])
memory = importlib.util.module_from_spec(spec)
spec.loader.exec_module(memory)

def resident():
    torch.ones(2**24)  # 64 MiB, written and freed
    return int(pathlib.Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / 2**20

found = [resident()]
with memory.freed_kept():
    with memory.freed_kept():
        found.append(resident())
    found.append(resident())
found.append(resident())
print(json.dumps([round(value - found[0]) for value in found[1:]]))
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library")
@pytest.mark.parametrize("configured", [False, True])
def test_freed_memory_is_kept_until_the_outermost_context_ends_unless_the_user_configured_it(configured):
    others = {name: value for name, value in os.environ.items() if not name.startswith(("MALLOC_", "GLIBC_"))}
    environment = {**others, **({"MALLOC_TRIM_THRESHOLD_": "131072"} if configured else {})}
    command = [sys.executable, "-c", RESIDENT, memory.__file__]
    said = subprocess.run(command, env=environment, capture_output=True, check=True, text=True).stdout
    inner, outer, after = json.loads(said)
    assert (inner > 48, outer > 48) == (not configured, not configured)
    assert after < 16
