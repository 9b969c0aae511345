"""Files that hold what no latent, basis or search can be are refused in words, and nothing of theirs fails to print."""

import json
from dataclasses import replace

import pytest
import torch
from searches import latent, state
from toys import ToyGenerator

from guided_gan.core.errors import LatentError, PackError
from guided_gan.core.files import latent_files, tensor_files
from guided_gan.core.losses.base import SumLoss
from guided_gan.core.losses.regularisers import TotalVariation
from guided_gan.core.results import Curve, Film, Result
from guided_gan.core.search import optimize, weightings
from guided_gan.core.types import Basis, Latent, Target

SCALAR, SOFTMAX, FOUND = state("scalar").basis, state().basis, state()
GRID = weightings.of_latent(Latent("toy", {"z": torch.zeros(2, 3, 4, 4)}))


def without(tensors, name):
    return {key: value for key, value in tensors.items() if key != name}


def with_basis(**changes):
    return replace(FOUND, basis=replace(FOUND.basis, **changes))


def with_best(**changes):
    assert FOUND.best is not None
    return replace(FOUND, best=replace(FOUND.best, **changes))


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (Latent("toy", {}), "its latent is without any tensor"),
        (Latent("toy", {"z": torch.zeros(())}), "as many rows"),
        (Latent("toy", {"z": torch.zeros(0, 3)}), "as many rows"),
        (Latent("toy", {"z": torch.zeros(2, 3), "y": torch.zeros(3, 3)}), "as many rows"),
        (Latent("toy", {"z": torch.zeros(2, 3, dtype=torch.int64)}), "not floating-point"),
        (Latent("toy", {"z": torch.zeros(2, 3).to(torch.float8_e4m3fn)}), "not floating-point numbers of 16 bits"),
        (Latent("toy", {"z": torch.zeros(2, 3).to(torch.float8_e5m2)}), "not floating-point numbers of 16 bits"),
        (Latent("toy", {"z": torch.full((2, 3), torch.inf)}), "not finite"),
        (Latent("\ud800", {"z": torch.zeros(2, 3)}), r'the name "\\ud800"'),
        (Latent("n" * 1001, {"z": torch.zeros(2, 3)}), "the name"),
        (Latent(7, {"z": torch.zeros(2, 3)}), "the name"),  # type: ignore[arg-type]
        (replace(SCALAR, vectors={}), "its vectors is without any tensor"),
        (replace(SCALAR, scores=torch.tensor(0.0)), r"scores must be \[N, k\]"),
        (replace(SCALAR, scores=torch.zeros(2)), r"scores must be \[N, k\]"),
        (replace(SCALAR, scores=torch.zeros(3, 2)), "must be [3, k, ...]"),
        (replace(SCALAR, weights={}), 'lacks the tensor "all"'),
        (replace(SCALAR, weights={"all": torch.zeros(2, 3)}), r"weights must have the shape \[2, 2\]"),
        (replace(SCALAR, weighting="softmax"), "lacks the tensor"),
        (replace(SCALAR, weighting="best"), 'its weighting is "best"'),
        (replace(SOFTMAX, weights=without(SOFTMAX.weights, "y")), 'lacks the tensor "y"'),
        (replace(SOFTMAX, steps=-1), "whole numbers"),
        (replace(SOFTMAX, steps="many"), "whole numbers"),
        (replace(SOFTMAX, moments={"Adam/vectors.x/exp_avg": torch.zeros(2, 2)}), 'lacks the tensor "vectors.x"'),
        (replace(SOFTMAX, moments={**SOFTMAX.moments, "Adam/weights.y/exp_avg": torch.zeros(1)}), "moments of"),
        (replace(SOFTMAX, fixed={"place": torch.zeros(5, 3)}), "as many rows"),
        (replace(SOFTMAX, mask={"z": torch.zeros(2, 1)}), 'lacks the tensor "z"'),
        (replace(GRID, coarse={"y@2x2": torch.zeros(2, 3, 2, 2)}), 'lacks the tensor "y"'),
        (replace(GRID, coarse={"z@2x2": torch.zeros(2, 1, 2, 2)}), 'coarse grid of "z" has the shape [2, 1, 2, 2]'),
        (replace(GRID, coarse={"z@5x4": torch.zeros(2, 3, 5, 4)}), 'coarse grid of "z" has the shape [2, 3, 5, 4]'),
        (replace(GRID, coarse={"z@2x2@in": torch.zeros(2, 3, 2, 2)}), 'coarse grid of "z" has the unknown sides "in"'),
        (with_basis(vectors={}), "without any tensor"),
        (with_best(latents=latent()), "as many rows"),
        (with_best(losses=torch.zeros(2, 1)), "losses must have the shape"),
        (with_best(images=torch.zeros(2, 1, 4, 4)), "images must be"),
        (replace(FOUND, curve=Curve((1, 2), {"a": ((0.0, 0.0),)})), "is not one of 2 points"),
        (replace(FOUND, curve=Curve((1,), {"a": ((0.0,),)})), "is not one of 1 points of 2 searches"),
        (replace(FOUND, curve=Curve((1,), {"a": ((0.0, 0.0),)}, kept=(1,))), "has kept the steps"),
        (replace(FOUND, curve=Curve((1,), {"a": ((0.0, 0.0),)}, kept=(1, 2))), "has kept the steps"),
        (replace(FOUND, trace=Curve((1,), {"a": ((float("nan"), 0.0),)})), "not a number"),
        (Film(latent(), torch.zeros(2, 3, 4, 4)), "images must be [3, 3, H, W]"),
        (Film(latent(), torch.zeros(3, 3, 0, 4)), "images must be [3, 3, H, W]"),
        (Film(Latent("toy", {}), torch.zeros(1, 3, 4, 4)), "without any tensor"),
    ],
)
def test_what_no_value_can_be_is_refused(tmp_path, value, words):
    path = tmp_path / "value.safetensors"
    latent_files.save(path, value, {})
    with pytest.raises(
        PackError, match=rf"is not a latent of this pack .*{words}" if "\\" in words else None
    ) as refused:
        latent_files.load(path)
    assert "\\" in words or words in str(refused.value)


@pytest.mark.parametrize(
    "notes", [[], {"generator": "toy"}, {"generator": "toy", "curve": [[1], []], "trace": 7}, "[" * 10_000, None]
)
@pytest.mark.parametrize("kind", ["Latent", "Basis", "State"])
def test_notes_of_any_form_are_refused_or_read(tmp_path, kind, notes):
    from safetensors.torch import save_file

    text = notes if isinstance(notes, str) else json.dumps(notes)
    metadata = {"format": latent_files.FORMAT, "kind": kind, "recipe": "{}", "notes": text}
    save_file({"scores": torch.zeros(1, 1)}, tmp_path / "a.safetensors", metadata)
    if kind == "Latent" and isinstance(notes, dict):
        assert latent_files.load(tmp_path / "a.safetensors")[0].generator == "toy"  # type: ignore[union-attr]
    else:
        with pytest.raises(PackError, match="is not a latent of this pack"):
            latent_files.load(tmp_path / "a.safetensors")


@pytest.mark.parametrize(
    "broken",
    [
        Latent("\ud800", {}),
        Latent(None, {"z": torch.tensor(0.0)}),  # type: ignore[arg-type]
        Basis("a", {}, {}, "scalar", torch.tensor(0.0)),
        Target("a", torch.zeros(0), torch.zeros(3), ("one",)),
        Curve((1,), None),  # type: ignore[arg-type]
        Film(Latent("a", {}), torch.zeros(0)),
        Result(Latent("a" * 10**6, {}), torch.zeros(0), torch.zeros(0), None, Curve()),  # type: ignore[arg-type]
    ],
)
def test_printing_never_fails_and_stays_short(broken):
    for text in (repr(broken), str(broken), f"{[broken]}"):
        assert text.encode()
        assert len(text) < 300


def test_tensors_of_another_shape_than_the_generators_are_refused_before_they_are_used():
    generator = ToyGenerator()
    z, y = latent().tensors.values()
    for tensors in ({"z": z}, {"z": z, "y": y, "x": z}, {"z": y, "y": y}, {"z": z, "y": y[:, :1]}):
        with pytest.raises(LatentError, match=r"This latent holds .* hold z \[3\], y \[2, 2\]"):
            Latent(generator.name, tensors).check(generator)
    odd = weightings.of_latent(Latent(generator.name, {"z": y, "y": y}))
    with pytest.raises(LatentError, match="its file is broken"):
        optimize.optimize(generator, SumLoss([(1.0, TotalVariation())]), odd, seeds=[1, 2, 3])


def test_a_message_can_be_printed_and_is_short():
    message = str(PackError("a\ud800" * 10**6 + "the end"))
    assert message.encode()
    assert len(message) < 5000
    assert message.endswith("the end")
    assert (PackError.__module__, LatentError.__module__) == ("builtins", "builtins")


def test_states_from_before_curves_said_what_is_kept_are_read(tmp_path):
    kept = replace(FOUND, curve=Curve((1, 2), {"a": ((0.0, 0.5), (1.0, 0.0))}, kept=(2, 1)))
    path = tmp_path / "state.safetensors"
    latent_files.save(path, kept, {})
    assert latent_files.load(path)[0].curve == kept.curve  # type: ignore[union-attr]
    tensors, metadata = tensor_files.read(path)
    notes = json.loads(metadata["notes"])
    for name in ("curve", "trace"):
        notes[name] = notes[name][:2]
    tensor_files.write(path, tensors, {**metadata, "notes": json.dumps(notes)})
    assert latent_files.load(path)[0].curve == replace(kept.curve, kept=())  # type: ignore[union-attr]
