"""What a bank of candidates promises: it grows, survives stops, other processes and broken files, and stays small."""

import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from searches import loss_of
from toys import ToyEncoder, ToyGenerator

from guided_gan.core.files import tensor_files
from guided_gan.core.search import bank, bank_file
from guided_gan.core.search.bank import Bank


class SlowGenerator(ToyGenerator):
    """One whose chunks take long enough for others to take some."""

    def decode(self, latent):
        time.sleep(0.005)
        return super().decode(latent)


def vectors(model, encoder, folder, numbers, *, loss=None, seed=7, copies=range(3), report=None, **options):
    """Those of a bank's candidates with these numbers, or the first so many."""
    numbers = torch.arange(numbers) if isinstance(numbers, int) else torch.tensor(numbers)
    loss = loss or loss_of(encoder)
    return Bank(model, loss, seed, copies, folder, **options).vectors(numbers, report)


def test_a_bank_grows_and_keeps_what_it_has(generator, encoder, tmp_path):
    small = vectors(generator, encoder, tmp_path, 100)
    generator.decoded.clear()
    large = vectors(generator, encoder, tmp_path, 250)
    assert torch.equal(large[:100], small)
    assert sum(generator.decoded) == 150
    assert len(large) == 250
    generator.decoded.clear()
    assert torch.equal(vectors(generator, encoder, tmp_path, 120), large[:120])
    assert generator.decoded == []
    assert torch.equal(vectors(generator, encoder, None, 250), large)


def test_candidates_are_taken_by_their_numbers(generator, encoder, tmp_path):
    whole = vectors(generator, encoder, None, 320)
    for numbers in ([3, 4, 250, 319], [4, 5], [0, 3, 4, 5, 99, 100, 319]):
        torch.testing.assert_close(vectors(generator, encoder, tmp_path, numbers, together=1), whole[numbers])
    assert generator.decoded.count(1) == 8


def test_copies_make_the_mean_of_all_together(generator, encoder):
    """The first copies are the same however many there are, and none is counted twice."""
    loss = loss_of(encoder, copies=12)
    first, rest, whole = (
        vectors(generator, encoder, None, 30, loss=loss, copies=copies)
        for copies in (range(3), range(3, 12), range(12))
    )
    torch.testing.assert_close((3 * first + 9 * rest) / 12, whole)
    assert torch.equal(first, vectors(generator, encoder, None, 30))


def test_a_bank_belongs_to_all_that_decides_its_vectors_and_to_no_prompt(generator, encoder, tmp_path):
    def build(model=generator, loss=None, **options):
        before = sum(model.decoded)
        vectors(model, encoder, tmp_path, 1, loss=loss, **options)
        return sum(model.decoded) > before

    assert build()
    others = loss_of(encoder, "a fish", -2.0), loss_of(encoder, distance="spherical"), loss_of(encoder, micro_batch=1)
    for other in (*others, loss_of(encoder, copies=4)):
        assert not build(loss=other)
    assert build(model=ToyGenerator(1))
    assert build(loss=loss_of(ToyEncoder(1)))
    assert build(copies=range(2))
    assert build(copies=range(2, 3))
    assert build(loss=loss_of(encoder, policies=("color",)))
    assert build(seed=8)
    assert build(gaussian_y=True)
    assert not build()


@pytest.mark.parametrize("kept", [0, 10, 0.5, -1])
def test_a_corrupt_bank_is_computed_anew_with_a_word(generator, encoder, tmp_path, kept):
    whole = vectors(generator, encoder, tmp_path, 100)
    (path,) = tmp_path.iterdir()
    content = path.read_bytes()
    path.write_bytes(content[: int(kept * len(content)) if isinstance(kept, float) else kept])
    with pytest.warns(UserWarning, match="bank is computed anew: .*cannot be read"):
        again = vectors(generator, encoder, tmp_path, 100)
    assert torch.equal(again, whole)
    assert path.read_bytes() == content


SPOILT = {
    "nan": lambda t: {**t, "vectors": t["vectors"].index_fill(1, torch.tensor(3), float("nan"))},
    "columns": lambda t: {**t, "vectors": t["vectors"][:, :5]},
    "rows": lambda t: {**t, "vectors": t["vectors"][:70]},
    "dimensions": lambda t: {**t, "vectors": t["vectors"][0]},
    "dtype": lambda t: {**t, "vectors": t["vectors"].double()},
    "no vectors": lambda t: {"numbers": t["numbers"]},
    "no numbers": lambda t: {"vectors": t["vectors"]},
    "twice": lambda t: {**t, "numbers": t["numbers"].clamp(max=198)},
    "order": lambda t: {**t, "numbers": t["numbers"].flip(0)},
    "negative": lambda t: {**t, "numbers": t["numbers"] - 1},
    "numbers' dtype": lambda t: {**t, "numbers": t["numbers"].float()},
}


@pytest.mark.parametrize("spoil", SPOILT.values(), ids=SPOILT)
def test_a_bank_that_is_whole_but_wrong_is_computed_anew_and_kept(generator, encoder, tmp_path, spoil):
    right = vectors(generator, encoder, tmp_path, 200)
    (path,) = tmp_path.iterdir()
    content = path.read_bytes()
    tensors, recipe = tensor_files.read(path)
    tensor_files.write(path, spoil(tensors), recipe)
    said = []
    again = vectors(generator, encoder, tmp_path, 200, warn=said.append)
    assert len(said) == 1
    assert "computed anew" in said[0]
    assert torch.equal(again, right)
    assert path.read_bytes() == content


class Overflowing(ToyGenerator):
    """A generator some of whose pictures have an element that is not a number."""

    def decode(self, latent):
        images = super().decode(latent)
        images[latent.tensors["z"][:, 0] > 1, 0, 0, 0] = torch.nan
        return images


def test_candidates_without_a_vector_are_stored_and_not_computed_again(generator, encoder, tmp_path):
    overflowing = Overflowing()
    found = vectors(overflowing, encoder, tmp_path, 200)
    unfit = found.isnan()
    assert 0 < unfit[:, 0].sum() < 100
    assert torch.equal(unfit.all(1), unfit.any(1))
    torch.testing.assert_close(found[~unfit[:, 0]], vectors(generator, encoder, None, 200)[~unfit[:, 0]])
    overflowing.decoded.clear()
    said = []
    again = vectors(overflowing, encoder, tmp_path, 200, warn=said.append)
    assert torch.equal(again.nan_to_num(7), found.nan_to_num(7))
    assert (overflowing.decoded, said) == ([], [])


def test_banks_have_a_limit_and_the_least_recently_used_goes_first(generator, encoder, tmp_path, monkeypatch):
    def build(seed):
        before = sum(generator.decoded)
        vectors(generator, encoder, tmp_path, 100, seed=seed)
        return sum(generator.decoded) > before

    assert build(0)
    (path,) = tmp_path.iterdir()
    monkeypatch.setattr(bank_file, "MOST_BYTES", 3 * path.stat().st_size)
    assert all(build(seed) for seed in (1, 2))
    assert not build(0)  # used again, so that 1 is now the first to go
    assert build(3)
    assert len(list(tmp_path.iterdir())) == 3
    assert not build(0)
    assert build(1)


def test_what_two_processes_compute_at_once_is_kept(generator, encoder, tmp_path):
    def meanwhile(known, what):
        if known == 100:
            vectors(ToyGenerator(), ToyEncoder(), tmp_path, [150, 299])

    mine = vectors(generator, encoder, tmp_path, 100, report=meanwhile)
    generator.decoded.clear()
    assert torch.equal(vectors(generator, encoder, tmp_path, 100), mine)
    vectors(generator, encoder, tmp_path, [99, 150, 299])
    assert generator.decoded == []


def test_many_workers_build_one_bank_each_chunk_once_and_to_the_bit_that_of_one(encoder, tmp_path, monkeypatch):
    monkeypatch.setattr(bank, "WAIT_SECONDS", 0.01)
    monkeypatch.setattr(bank, "SAVE_SECONDS", 0.02)
    models = [SlowGenerator() for _ in range(3)]
    with ThreadPoolExecutor(3) as workers:
        found = list(workers.map(lambda model: vectors(model, encoder, tmp_path / "many", 600), models))
    alone = vectors(ToyGenerator(), encoder, tmp_path / "one", 600)
    assert all(torch.equal(each, alone) for each in found)
    assert sum(sum(model.decoded) for model in models) == 600
    assert sum(bool(model.decoded) for model in models) > 1
    (one,), (many,) = ((tmp_path / name).iterdir() for name in ("one", "many"))
    assert one.read_bytes() == many.read_bytes()


def test_what_a_killed_worker_was_at_is_computed_by_another(generator, encoder, tmp_path):
    code = "import sys, time; from filelock import FileLock; FileLock(sys.argv[1]).acquire(); print(); time.sleep(60)"
    whole = vectors(generator, encoder, tmp_path, 100)
    (path,) = tmp_path.iterdir()
    lock = path.with_suffix(".1.lock")
    holder = subprocess.Popen([sys.executable, "-c", code, str(lock)], stdout=subprocess.PIPE)
    waits = []

    def killed(known, what):
        if known == 200 and not waits:  # the third chunk is done, and another is at the second
            waits.append(known)
            holder.kill()
            holder.wait()

    try:
        assert holder.stdout is not None
        holder.stdout.readline()
        found = vectors(generator, encoder, tmp_path, 300, report=killed)
    finally:
        holder.kill()
        holder.communicate()
    assert waits
    assert torch.equal(found[:100], whole)
    assert torch.equal(found, vectors(ToyGenerator(), encoder, None, 300))


def test_a_full_disk_costs_a_word_and_nothing_else(generator, encoder, tmp_path, monkeypatch):
    def full(*_):
        raise OSError("No space left on device")

    monkeypatch.setattr(bank_file.tensor_files, "write", full)
    monkeypatch.setattr(bank, "SAVE_SECONDS", -1)  # try to save after every chunk
    with pytest.warns(UserWarning, match="could not be kept .No space left on device.") as said:
        found = vectors(generator, encoder, tmp_path, 300)
    assert len(said) == 1
    assert torch.equal(found, vectors(generator, encoder, None, 300))


def test_a_stopped_build_goes_on_where_it_was_saved(generator, encoder, tmp_path):
    def stop(known, what):
        if known > 200:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        vectors(generator, encoder, tmp_path, 300, report=stop)
    generator.decoded.clear()
    found = vectors(generator, encoder, tmp_path, 300)
    assert sum(generator.decoded) == 100
    assert torch.equal(found, vectors(generator, encoder, None, 300))
