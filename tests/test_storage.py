"""What is saved comes back whole, with its recipe, or not at all."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from searches import latent, state
from toys import ToyEncoder, ToyGenerator, seeded

from guided_gan.core.errors import PackError
from guided_gan.core.files import latent_files
from guided_gan.core.files.whole import whole
from guided_gan.core.losses import targets
from guided_gan.core.losses.aug_clip import AugCLIPLoss
from guided_gan.core.results import Film, State
from guided_gan.core.search import optimize, weightings
from guided_gan.core.types import Basis, Latent

RECIPE = {
    "prompt": {"3": {"class_type": "Optimize", "inputs": {"text": "ein blauer Bär", "steps": 7, "link": ["1", 0]}}}
}


def film():
    return Film(latent(), torch.rand(3, 3, 12, 10, generator=seeded(1)))


def assert_same(a, b):
    if isinstance(a, torch.Tensor):
        assert torch.equal(a, b)
        assert a.dtype == b.dtype
    elif isinstance(a, tuple):
        for one, other in zip(a, b, strict=True):
            assert_same(one, other)
    elif isinstance(a, dict) or hasattr(a, "__dataclass_fields__"):
        a, b = (value if isinstance(value, dict) else vars(value) for value in (a, b))
        assert a.keys() == b.keys()
        for name in a:
            assert_same(a[name], b[name])
    else:
        assert a == b


@pytest.mark.parametrize(
    "value",
    [
        *(latent(), film(), latent()[1:2], weightings.of_latent(latent())),
        *(state("scalar").basis, state().basis, state(), replace(state(), best=None)),
    ],
    ids=["latent", "film", "slice", "of latent", "scalar", "softmax", "state", "state without a best"],
)
def test_what_is_saved_comes_back_with_its_recipe(tmp_path, value):
    path = tmp_path / "new" / "folder" / "value.safetensors"
    latent_files.save(path, value, RECIPE)
    back, recipe = latent_files.load(path)
    assert type(back) is type(value)
    assert_same(back, value)
    assert recipe == RECIPE
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_a_basis_saved_before_there_was_more_than_adam_goes_on_as_it_did(tmp_path):
    basis = state().basis
    moments = {}
    for name, value in basis.moments.items():
        _, leaf, key = name.split("/")
        moments |= {
            f"{new}.{leaf}": value for old, new in (("exp_avg", "mean"), ("exp_avg_sq", "square")) if key == old
        }
    latent_files.save(tmp_path / "old.safetensors", replace(basis, moments=moments), RECIPE)
    back, _ = latent_files.load(tmp_path / "old.safetensors")
    assert isinstance(back, Basis)
    assert_same(dict(sorted(back.moments.items())), dict(sorted(basis.moments.items())))


def test_a_search_goes_on_from_a_file_as_from_memory(tmp_path):
    generator, encoder, found = ToyGenerator(), ToyEncoder(), state()
    loss = AugCLIPLoss(encoder, targets.from_text(encoder, "a tree"), copies=2)
    latent_files.save(tmp_path / "basis.safetensors", found.basis, {})
    loaded, _ = latent_files.load(tmp_path / "basis.safetensors")
    assert isinstance(loaded, Basis)
    ends = [
        optimize.optimize(generator, loss, start, seeds=[7, 8], options=optimize.Options(3))
        for start in (found.basis, loaded)
    ]
    assert_same(*ends)


def test_what_was_loaded_no_longer_needs_the_file(tmp_path):
    path = tmp_path / "latent.safetensors"
    latent_files.save(path, latent(), {})
    back, _ = latent_files.load(path)
    with path.open("r+b") as file:
        file.write(bytes(path.stat().st_size))
    assert_same(back, latent())


@pytest.mark.parametrize("kept", [0, 4, 60, 0.5, -1])
def test_a_file_cut_short_is_refused(tmp_path, kept):
    path = tmp_path / "basis.safetensors"
    latent_files.save(path, state().basis, {})
    content = path.read_bytes()
    path.write_bytes(content[: int(kept * len(content)) if isinstance(kept, float) else kept])
    with pytest.raises(PackError, match=r"basis\.safetensors cannot be read .*must be a whole \.safetensors file"):
        latent_files.load(path)


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(PackError, match="cannot be read"):
        latent_files.load(tmp_path / "nothing.safetensors")


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_a_number_that_is_none_is_refused(tmp_path, number):
    given = latent()
    given.tensors["z"][1, 2] = number
    latent_files.save(tmp_path / "latent.safetensors", given, {})
    with pytest.raises(PackError, match="holds numbers that are not finite"):
        latent_files.load(tmp_path / "latent.safetensors")


NOTES = {"generator": "toy-gan-0"}
GOOD = {"format": latent_files.FORMAT, "kind": "Latent", "notes": json.dumps(NOTES), "recipe": "{}"}


@pytest.mark.parametrize(
    "metadata",
    [
        {},
        {**GOOD, "format": "pt"},
        {**GOOD, "kind": "Cat"},
        {**GOOD, "kind": "Basis"},
        {**GOOD, "kind": "State"},
        {**GOOD, "notes": "{"},
        {**GOOD, "notes": "[]"},
        {**GOOD, "notes": "{}"},
        {**GOOD, "recipe": ""},
        {name: value for name, value in GOOD.items() if name != "recipe"},
    ],
)
def test_a_file_of_another_make_is_refused(tmp_path, metadata):
    path = tmp_path / "other.safetensors"
    save_file({"z": torch.ones(1, 3)}, path, metadata=metadata)
    with pytest.raises(PackError, match=r"is not a latent of this pack .*choose a file that a latent was saved to"):
        latent_files.load(path)
    save_file({"z": torch.ones(1, 3)}, path, metadata=GOOD)
    assert_same(latent_files.load(path), (Latent("toy-gan-0", {"z": torch.ones(1, 3)}), {}))


@pytest.mark.parametrize("error", [OSError("No space left on device"), KeyboardInterrupt()])
@pytest.mark.parametrize("when", ["writing", "renaming"])
def test_an_interrupted_write_leaves_the_old_file_and_no_half_one(tmp_path, monkeypatch, error, when):
    path = tmp_path / "latent.safetensors"
    latent_files.save(path, latent(), {"old": True})
    content = path.read_bytes()

    def interrupted(tensors, name, metadata):
        with open(name, "wb") as file:
            file.write(content[:100])
        raise error

    def refused(*_):
        raise error

    if when == "writing":
        monkeypatch.setattr("safetensors.torch.save_file", interrupted)
    else:
        monkeypatch.setattr(os, "replace", refused)
    with pytest.raises(type(error)):
        latent_files.save(path, latent()[:1], {"new": True})
    assert path.read_bytes() == content
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


TAKE = """
import sys
from pathlib import Path
from types import ModuleType
sys.modules["guided_gan"] = package = ModuleType("guided_gan")
package.__path__ = [sys.argv[3]]
import torch
from guided_gan.core.files import latent_files
from guided_gan.core.files.whole import whole
from guided_gan.core.types import Latent
folder, mine = Path(sys.argv[1]), Latent("some GAN", {"z": torch.zeros(1, 4)})
print("ready", flush=True)
sys.stdin.readline()
for number in range(40):
    try:
        latent_files.save(folder / f"{number}.safetensors", mine, {"who": sys.argv[2]}, replace=False)
        print(number, flush=True)
    except FileExistsError:
        pass
"""


def test_a_name_is_taken_by_one_process_alone(tmp_path):
    """Two processes that save under the same names at once: each name is the first one's, and none is lost."""
    start = [sys.executable, "-c", TAKE, str(tmp_path)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    root = Path(__file__).resolve().parent.parent
    both = {who: subprocess.Popen([*start, who, root], **pipes) for who in "ab"}
    for process in both.values():
        assert process.stdout
        assert process.stdout.readline() == "ready\n"
    for process in both.values():
        assert process.stdin
        process.stdin.write("\n")
        process.stdin.flush()
    said = {who: set(map(int, process.communicate()[0].split())) for who, process in both.items()}
    assert not said["a"] & said["b"]
    assert said["a"] | said["b"] == set(range(40))
    for who, numbers in said.items():
        assert all(latent_files.load(tmp_path / f"{number}.safetensors")[1] == {"who": who} for number in numbers)
    assert len(list(tmp_path.iterdir())) == 40


@pytest.mark.parametrize("links", [True, False])
def test_what_is_not_to_be_replaced_stays(tmp_path, monkeypatch, links):
    if not links:  # as on a stick formatted for other systems

        def refused(*_):
            raise OSError("Operation not permitted")

        monkeypatch.setattr(os, "link", refused)
    path = tmp_path / "latent.safetensors"
    latent_files.save(path, latent(), {}, replace=False)
    content = path.read_bytes()
    with pytest.raises(FileExistsError):
        latent_files.save(path, latent()[:1], {}, replace=False)
    assert path.read_bytes() == content
    assert [file.name for file in tmp_path.iterdir()] == [path.name]
    latent_files.save(path, latent()[:1], {})
    assert path.read_bytes() != content


def test_two_writers_of_a_name_do_not_write_into_one_file(tmp_path):
    path = tmp_path / "a.txt"
    with whole(path) as one, whole(path) as other:
        one.write_text("one")
        other.write_text("other")
    assert path.read_text() == "one"
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


def test_a_place_that_cannot_be_written_is_an_os_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="file"):
        latent_files.save(tmp_path / "file" / "latent.safetensors", latent(), {})


def test_kinds_are_those_that_travel():
    assert set(latent_files._UNPACK) == {kind.__name__ for kind in (Latent, Basis, State, Film)}
