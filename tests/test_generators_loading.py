"""Files of generators: which family each is of, its name and its configuration, and what is refused."""

import importlib
import json
import pickle
import sys
import types
from pathlib import Path

import pytest
import torch
from biggans import FREE, KINDS, PAIRS, biggan_folder, biggan_state, deep_config  # noqa: F401 (one is a fixture)
from safetensors.torch import load_file, save_file

from guided_gan.core import generators
from guided_gan.core.errors import CheckpointError

ROOT = Path(__file__).resolve().parent.parent


# ---- Names and configurations


def test_name_is_of_the_weights_not_of_the_file(folder, tmp_path):
    torch.save(load_file(folder / "free" / "model.safetensors"), tmp_path / "pytorch_model.bin")
    (tmp_path / "config.json").write_text(json.dumps(deep_config(FREE, 3)))
    name = generators.load(tmp_path).name
    assert name == generators.load(folder / "free").name == generators.load(tmp_path / "pytorch_model.bin").name
    assert name.startswith("biggan-deep-32@")


def test_published_pairs_need_no_config(folder, tmp_path):
    save_file(load_file(folder / "pairs" / "model.safetensors"), tmp_path / "model.safetensors")
    (tmp_path / "config.json").write_text(json.dumps(deep_config(PAIRS, -1)))
    assert generators.load(tmp_path).name == generators.load(folder / "pairs").name


def test_other_blocks_need_a_config(folder, tmp_path):
    save_file(load_file(folder / "free" / "model.safetensors"), tmp_path / "model.safetensors")
    with pytest.raises(CheckpointError, match="needs its config"):
        generators.load(tmp_path)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({**deep_config(FREE, 3), "z_dim": 7}, "z_dim is 7 but the weights say 6"),
        (deep_config(FREE, 2), "attention_layer_position is 2 but the weights say 3"),
        (deep_config(PAIRS, 3), "widths is .* but the weights say"),
        ({**deep_config(FREE, 3), "eps": float("nan")}, "eps is nan"),
        ({"model_type": "bert"}, "does not describe a BigGAN-deep"),
    ],
)
def test_config_of_another_model_is_refused(folder, tmp_path, config, message):
    save_file(load_file(folder / "free" / "model.safetensors"), tmp_path / "model.safetensors")
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(CheckpointError, match=message):
        generators.load(tmp_path)


@pytest.mark.parametrize(
    "config", [deep_config(FREE, 3), {**deep_config(PAIRS, -1), "z_dim": 7}, {"model_type": "bert"}]
)
def test_config_of_another_file_is_not_applied(folder, tmp_path, config):
    save_file(load_file(folder / "pairs" / "model.safetensors"), tmp_path / "mine.safetensors")
    (tmp_path / "config.json").write_text(json.dumps(config))
    assert generators.load(tmp_path / "mine.safetensors").name == generators.load(folder / "pairs").name
    for name in ("mine.json", "mine-config.json"):
        (tmp_path / name).write_text(json.dumps(config))
        with pytest.raises(CheckpointError, match=rf"{name}.*(but the weights say|does not describe a BigGAN-deep)"):
            generators.load(tmp_path / "mine.safetensors")
        (tmp_path / name).unlink()


def test_config_called_as_the_file_is_the_files(folder, tmp_path):
    save_file(load_file(folder / "free" / "model.safetensors"), tmp_path / "mine.safetensors")
    (tmp_path / "config.json").write_text(json.dumps(deep_config(PAIRS, -1)))
    text = json.dumps(deep_config(FREE, 3)).replace(", ", ",\r\n")
    (tmp_path / "mine-config.json").write_text(text, encoding="utf-8-sig")
    assert generators.load(tmp_path / "mine.safetensors").name == generators.load(folder / "free").name


# ---- Tensors


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("damage", ["missing", "shape", "variance"])
def test_tensors_that_do_not_fit_are_refused(folder, tmp_path, kind, damage):
    (path,) = (folder / kind).glob("*.safetensors")
    state = load_file(path)
    victim = next(name for name in state if name.endswith(("conv1.bias", "conv_1.bias")))
    if damage == "missing":
        del state[victim]
    elif damage == "shape":
        state[victim] = torch.zeros(3)
    else:
        state[next(name for name in state if name.endswith(("bn2.stored_var", "bn_2.running_vars")))].fill_(-1)
        victim = r"bn_?2\..* not finite"
    save_file(state, tmp_path / "model.safetensors")
    if kind == "free":
        (tmp_path / "config.json").write_text(json.dumps(deep_config(FREE, 3)))
    with pytest.raises(CheckpointError, match=f"does not fit it: .*{victim}"):
        generators.load(tmp_path)


@pytest.mark.parametrize("kind", KINDS)
def test_tensors_that_nothing_uses_do_not_matter(folder, tmp_path, kind):
    (path,) = (folder / kind).glob("*.safetensors")
    state = load_file(path)
    norm = next(name for name in state if name.endswith(("bn1.stored_mean", "bn_1.running_means"))).rpartition(".")[0]
    unused = {
        f"{norm}.running_mean": torch.zeros(3),
        f"{norm}.num_batches_tracked": torch.tensor(7),
        "decay": torch.ones(()),
    }
    save_file({**state, **unused, "discriminator.0.weight": torch.ones(2)}, tmp_path / "model.safetensors")
    if kind == "free":
        (tmp_path / "config.json").write_text(json.dumps(deep_config(FREE, 3)))
    assert generators.load(tmp_path).name == generators.load(folder / kind).name


@pytest.mark.parametrize(("kind", "stride"), [("free", 41), ("pairs", 67), ("biggan", 2)])
def test_every_tensor_is_needed(folder, tmp_path, kind, stride):
    (path,) = (folder / kind).glob("*.safetensors")
    state = load_file(path)
    for victim in [name for name in state if not name.endswith("sv0")][::stride]:
        save_file({name: value for name, value in state.items() if name != victim}, tmp_path / "model.safetensors")
        with pytest.raises(CheckpointError):
            generators.load(tmp_path / "model.safetensors")


# ---- Families


def test_wrong_family_is_told_what_was_expected_and_found(tmp_path):
    save_file({"visual.conv1.weight": torch.ones(2), "logit_scale": torch.ones(1)}, tmp_path / "w.safetensors")
    known = r"BigGAN: shared\.weight.*BigGAN-deep: embeddings\.weight"
    with pytest.raises(CheckpointError, match=rf"no generator.*{known}.*2 tensors such as .*visual\.conv1"):
        generators.load(tmp_path)


def network(**layers):
    """Nested modules by dotted names."""
    root = torch.nn.Module()
    for name, layer in layers.items():
        *path, last = name.split("__")
        module = root
        for part in path:
            if part not in module._modules:
                module.add_module(part, torch.nn.Module())
            module = module.get_submodule(part)
        module.add_module(last, layer)
    return root


def persistent(name, **layers):
    """As StyleGAN2 and 3 pickle a network: a call of their own function with the source and the state."""
    state = network(**layers).__dict__
    return Reconstructed(
        {"type": "class", "version": 6, "module_src": "raise SystemExit", "class_name": name, "state": state}
    )


class Reconstructed:
    def __init__(self, meta):
        self.meta = meta

    def __reduce__(self):
        return reconstruct, (self.meta,)


def reconstruct(meta):
    pytest.fail("the file's own function was called")


reconstruct.__module__, reconstruct.__qualname__ = "torch_utils.persistence", "_reconstruct_persistent_obj"


@pytest.mark.parametrize(
    "layers",
    [
        {"mapping__fc0": torch.nn.Linear(4, 4), "synthesis__b4__conv1": torch.nn.Conv2d(2, 2, 3)},
        {"mapping__fc0": torch.nn.Linear(4, 4), "synthesis__L0_36_512": torch.nn.Conv2d(2, 2, 3)},
    ],
    ids=["StyleGAN2", "StyleGAN3"],
)
def test_stylegan_2_and_3_are_called_by_their_names(tmp_path, monkeypatch, layers):
    monkeypatch.setitem(sys.modules, "torch_utils", types.ModuleType("torch_utils"))
    module = types.ModuleType("torch_utils.persistence")
    vars(module)["_reconstruct_persistent_obj"] = reconstruct
    monkeypatch.setitem(sys.modules, "torch_utils.persistence", module)
    contents = {
        "plain.pkl": pickle.dumps({"G": None, "G_ema": network(**layers)}),
        "persistent.pkl": pickle.dumps({"G": None, "G_ema": persistent("Generator", **layers)}),
    }
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(
            CheckpointError, match=r"is a StyleGAN2 or StyleGAN3, which is not supported: choose one of BigGAN"
        ):
            generators.load(tmp_path / name)
    torch.save({"g_ema": {"style.1.weight": torch.ones(4), "convs.0.conv.weight": torch.ones(4)}}, tmp_path / "port.pt")
    with pytest.raises(CheckpointError, match="is a StyleGAN2, which is not supported"):
        generators.load(tmp_path / "port.pt")


def test_two_families_at_once_are_refused(folder, tmp_path):
    save_file({**load_file(folder / "pairs" / "model.safetensors"), **biggan_state()}, tmp_path / "w.safetensors")
    with pytest.raises(CheckpointError, match="more than one generator"):
        generators.load(tmp_path)


def test_folder_must_say_which_file(tmp_path):
    with pytest.raises(CheckpointError, match="holds 0 weight files"):
        generators.load(tmp_path)
    for name in ("one.pt", "two.bin"):
        torch.save(biggan_state(), tmp_path / name)
    with pytest.raises(CheckpointError, match="holds 2 weight files"):
        generators.load(tmp_path)


def test_backends_are_found_whatever_the_package_is_called(folder):
    name = "/home/me/custom nodes/guided-gan"  # ComfyUI names a pack by its path
    package = types.ModuleType(name)
    package.__path__ = [str(ROOT)]
    sys.modules[name] = package
    try:
        elsewhere = importlib.import_module(f"{name}.core.generators")
        assert {backend.name for backend in elsewhere.backends()} >= {"BigGAN", "BigGAN-deep"}
        assert elsewhere.load(folder / "biggan").name == generators.load(folder / "biggan").name
    finally:
        for module in [module for module in sys.modules if module.startswith(name)]:
            del sys.modules[module]
