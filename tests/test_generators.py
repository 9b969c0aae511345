"""Generators: agreement with the published implementations, latents, and what is refused."""

import importlib
import json
import pickle
import sys
import types
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch.nn import functional as F
from vectors import difference, recordings

from guided_gan.core import generators
from guided_gan.core.errors import CheckpointError, LatentError
from guided_gan.core.generators import doubling
from guided_gan.core.types import Latent

ROOT = Path(__file__).resolve().parent.parent

FREE = [[False, 16, 16], [True, 16, 8], [True, 8, 4], [True, 4, 2], [False, 2, 1]]
PAIRS = [
    [False, 16, 16],
    [True, 16, 8],
    [False, 8, 8],
    [True, 8, 4],
    [False, 4, 4],
    [True, 4, 2],
    [False, 2, 2],
    [True, 2, 1],
]


def seeded(seed):
    return torch.Generator().manual_seed(seed)


def deep_config(layers, attention):
    return {
        "output_dim": 32, "z_dim": 6, "class_embed_dim": 6, "channel_width": 8, "num_classes": 5, "layers": layers,
        "attention_layer_position": attention, "eps": 1e-4, "n_stats": 11,
    }  # fmt: skip


def deep_model(config):
    """The package's own network, random, with settled spectral norms and its statistics filled."""
    from pytorch_pretrained_biggan import BigGAN, BigGANConfig

    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(0)
        model = BigGAN(BigGANConfig.from_dict(config)).train()
        for name, value in model.state_dict().items():
            if name.endswith("running_vars"):
                value.uniform_(0.5, 2)
            elif name.endswith(("running_means", "gamma", "generator.bn.weight", "generator.bn.bias")):
                value.normal_()
        for _ in range(3):
            model(torch.randn(2, 6), torch.eye(5)[:2], 1.0)
    return model.eval().requires_grad_(False)


def biggan_state(seed=0, ch=8, mult=(2, 2, 2, 1), attention=1, chunk=4, y_dim=5, classes=7):
    """Random tensors in the published names: by default three blocks to 32 pixels, attention after the second."""
    rng, state = seeded(seed), {"shared.weight": torch.randn(classes, y_dim, generator=seeded(seed + 1))}

    def layer(name, *shape, bias=True):
        state[f"{name}.weight"] = torch.randn(shape, generator=rng)
        state[f"{name}.u0"], state[f"{name}.sv0"] = torch.randn(1, shape[0], generator=rng), torch.ones(1)
        if bias:
            state[f"{name}.bias"] = torch.randn(shape[0], generator=rng)

    def statistics(name, channels):
        state[f"{name}.stored_mean"] = torch.randn(channels, generator=rng)
        state[f"{name}.stored_var"] = torch.rand(channels, generator=rng) + 0.5

    widths = [(a * ch, b * ch) for a, b in pairwise(mult)]
    layer("linear", 16 * widths[0][0], chunk)
    for i, (a, b) in enumerate(widths):
        layer(f"blocks.{i}.0.conv1", b, a, 3, 3)
        layer(f"blocks.{i}.0.conv2", b, b, 3, 3)
        layer(f"blocks.{i}.0.conv_sc", b, a, 1, 1)
        for norm, channels in ((f"blocks.{i}.0.bn1", a), (f"blocks.{i}.0.bn2", b)):
            statistics(norm, channels)
            layer(f"{norm}.gain", channels, y_dim + chunk, bias=False)
            layer(f"{norm}.bias", channels, y_dim + chunk, bias=False)
    c = widths[attention][1]
    for name, (out, into) in {"theta": (c // 8, c), "phi": (c // 8, c), "g": (c // 2, c), "o": (c, c // 2)}.items():
        layer(f"blocks.{attention}.1.{name}", out, into, 1, 1, bias=False)
    state[f"blocks.{attention}.1.gamma"] = torch.tensor(0.7)
    statistics("output_layer.0", ch)
    state["output_layer.0.gain"] = torch.rand(ch, generator=rng)
    state["output_layer.0.bias"] = torch.randn(ch, generator=rng)
    layer("output_layer.2", 3, ch, 3, 3)
    return state


def biggan_sigma(state, name):
    """The published spectral norm of a layer's weight."""
    matrix = state[f"{name}.weight"].flatten(1)
    v = F.normalize(state[f"{name}.u0"] @ matrix)
    return v @ matrix.T @ F.normalize(v @ matrix.T).T


def biggan_forward(state, z, y, bn_eps=1e-5, output_eps=1e-5, sigma=biggan_sigma):
    """The published function, step by step, nothing folded."""

    def weight(name):
        return state[f"{name}.weight"] / sigma(state, name)

    def conv(name, x):
        return F.conv2d(x, weight(name), state.get(f"{name}.bias"), padding=weight(name).shape[2] // 2)

    def norm(name, x, eps):
        return F.batch_norm(x, state[f"{name}.stored_mean"], state[f"{name}.stored_var"], eps=eps)

    def conditional(name, x, c):
        gain, offset = (F.linear(c, weight(f"{name}.{part}"))[:, :, None, None] for part in ("gain", "bias"))
        return norm(name, x, bn_eps) * (1 + gain) + offset

    zs = z.split(state["linear.weight"].shape[1], 1)
    h = F.linear(zs[0], weight("linear"), state["linear.bias"]).view(len(z), -1, 4, 4)
    for i, chunk in enumerate(zs[1:]):
        c = torch.cat((y, chunk), 1)
        x, h = h, F.interpolate(conditional(f"blocks.{i}.0.bn1", h, c).relu(), scale_factor=2)
        h = conditional(f"blocks.{i}.0.bn2", conv(f"blocks.{i}.0.conv1", h), c).relu()
        h = conv(f"blocks.{i}.0.conv2", h) + conv(f"blocks.{i}.0.conv_sc", F.interpolate(x, scale_factor=2))
        if f"blocks.{i}.1.gamma" in state:
            theta, phi, g = (conv(f"blocks.{i}.1.{name}", h) for name in ("theta", "phi", "g"))
            phi, g = F.max_pool2d(phi, 2).flatten(2), F.max_pool2d(g, 2).flatten(2)
            beta = torch.softmax(theta.flatten(2).transpose(1, 2) @ phi, -1)
            o = (g @ beta.transpose(1, 2)).view(len(z), -1, *h.shape[2:])
            h = state[f"blocks.{i}.1.gamma"] * conv(f"blocks.{i}.1.o", o) + h
    gain, bias = (state[f"output_layer.0.{part}"][:, None, None] for part in ("gain", "bias"))
    h = norm("output_layer.0", h, output_eps) * gain + bias
    return conv("output_layer.2", h.relu()).tanh()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """One checkpoint of each kind; `free` needs its config.json, `pairs` does not."""
    folder = tmp_path_factory.mktemp("generators")
    for name, layers, attention in (("free", FREE, 3), ("pairs", PAIRS, -1)):
        (folder / name).mkdir()
        save_file(deep_model(deep_config(layers, attention)).state_dict(), folder / name / "model.safetensors")
    (folder / "free" / "config.json").write_text(json.dumps(deep_config(FREE, 3)))
    (folder / "biggan").mkdir()
    save_file(biggan_state(), folder / "biggan" / "any name.safetensors")
    return folder


KINDS = ["free", "pairs", "biggan"]


@pytest.fixture(params=KINDS)
def generator(request, folder):
    return generators.load(folder / request.param)


@pytest.fixture
def biggan(folder):
    return generators.load(folder / "biggan")


# ---- What they compute


@pytest.mark.parametrize("recording", recordings("biggan_[0-9]*"))
def test_biggan_agrees_with_the_recorded_pictures(recording, tmp_path):
    generator, io = generators.load(recording.checkpoint(tmp_path)), recording.tensors
    image = generator.decode(Latent(generator.name, {"z": io["z"], "y": io["shared"]}))
    assert generator.resolution == tuple(image.shape[2:]) == (int(recording.name[-3:]),) * 2
    assert difference(image, io["image"]) < 1e-4


def test_biggan_computes_the_published_function(biggan):
    latent = biggan.sample(3, seeded(1))
    expected = biggan_forward(biggan_state(), latent.tensors["z"], latent.tensors["y"])
    assert expected.std() > 0.1
    assert (biggan.decode(latent) - expected).abs().max() < 1e-4


@pytest.mark.parametrize(("kind", "layers", "attention", "side"), [("free", FREE, 3, 32), ("pairs", PAIRS, -1, 64)])
def test_biggan_deep_folds_exactly(folder, kind, layers, attention, side):
    generator = generators.load(folder / kind)
    latent = generator.sample(3, seeded(1))
    z_and_y = torch.cat((latent.tensors["z"], latent.tensors["y"]), 1)
    expected = deep_model(deep_config(layers, attention)).generator(z_and_y, 1.0)
    assert expected.std() > 0.1
    assert generator.resolution == (side, side) == expected.shape[2:]
    assert (generator.decode(latent) - expected).abs().max() < 1e-5


def test_file_may_lack_the_log_of_the_spectral_norm(folder, tmp_path, biggan):
    state = {name: value for name, value in biggan_state().items() if not name.endswith("sv0")}
    save_file(state, tmp_path / "w.safetensors")
    assert generators.load(tmp_path / "w.safetensors").name == biggan.name


def test_metadata_may_set_eps(tmp_path, biggan):
    save_file(biggan_state(), tmp_path / "w.safetensors", metadata={"BN_eps": "0.1"})
    other, latent = generators.load(tmp_path / "w.safetensors"), biggan.sample(2, seeded(1))
    assert other.name != biggan.name
    z, y = latent.tensors["z"], latent.tensors["y"]
    assert (other.module(z, y) - biggan_forward(biggan_state(), z, y, bn_eps=0.1)).abs().max() < 1e-4


# ---- Generator protocol


def test_pictures_and_latents_have_the_shapes_said(generator):
    latent = generator.sample(2, seeded(1))
    assert {name: tuple(value.shape[1:]) for name, value in latent.tensors.items()} == generator.spec
    image = generator.decode(latent)
    assert image.shape == (2, 3, *generator.resolution)
    assert image.dtype == torch.float32
    assert image.abs().max() <= 1


def test_same_seed_same_latent(generator):
    first, again, other = (generator.sample(4, seeded(seed)) for seed in (1, 1, 2))
    for name in generator.spec:
        assert torch.equal(first.tensors[name], again.tensors[name])
        assert not torch.equal(first.tensors[name], other.tensors[name])


def test_sample_draws_class_embeddings(biggan):
    latent = biggan.sample(64, seeded(1))
    same = (latent.tensors["y"][:, None] == biggan_state()["shared.weight"]).all(2)
    assert same.any(1).all()
    assert same.any(0).all()
    assert latent.tensors["z"].abs().max() == 2


def test_sample_draws_rows_of_the_deep_models_embeddings(folder):
    y = generators.load(folder / "pairs").sample(20, seeded(1)).tensors["y"]
    rows = load_file(folder / "pairs" / "model.safetensors")["embeddings.weight"].T
    assert (y[:, None] == rows).all(2).any(1).all()


def test_gaussian_y_is_free_of_the_classes(biggan):
    y = biggan.sample(2000, seeded(1), gaussian_y=True).tensors["y"]
    assert y.mean().abs() < 0.05
    assert (y.std() - 1).abs() < 0.05


def test_constrain_clamps_z_alone(generator):
    latent = generator.sample(3, seeded(1)).map(lambda value: 5 * value)
    inside = generator.constrain(latent)
    assert torch.equal(inside.tensors["z"], latent.tensors["z"].clamp(-2, 2))
    assert torch.equal(inside.tensors["y"], latent.tensors["y"])
    assert latent.tensors["z"].abs().max() > 2


def test_latent_of_another_generator_is_refused(generator, tmp_path):
    save_file(biggan_state(seed=9), tmp_path / "w.safetensors")
    other = generators.load(tmp_path / "w.safetensors")
    latent = other.sample(1, seeded(1))
    for stage in (generator.decode, generator.constrain):
        with pytest.raises(LatentError, match=f"{other.name}.*{generator.name}"):
            stage(latent)


def test_gradients_reach_z_and_y_alone(generator):
    latent = generator.sample(2, seeded(1)).map(lambda value: value.requires_grad_())
    generator.decode(latent).square().sum().backward()
    for value in latent.tensors.values():
        assert value.grad.isfinite().all()
        assert (value.grad.abs().amax(1) > 0).all()
    assert not any(parameter.requires_grad for parameter in generator.module.parameters())
    assert not generator.module.training


def test_pictures_of_a_batch_do_not_mix(generator):
    latent = generator.sample(3, seeded(1))
    assert torch.allclose(generator.decode(latent)[1:2], generator.decode(latent[1:2]), atol=1e-5)


def test_a_host_may_attach_to_generator_and_module(generator):
    generator.patcher = generator.module.device = "there"
    assert generator.patcher == generator.module.device


# ---- Recognising


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


# ---- Doubling


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_a_folded_doubling_is_the_doubling(layout):
    plain = doubling.DoublingConv(5, 7, 6).requires_grad_(False)
    for i, value in enumerate(plain.parameters()):
        value.copy_(torch.randn(value.shape, generator=seeded(i)))
    folded = doubling.folded(plain.to(memory_format=layout))
    assert folded.weight.is_contiguous(memory_format=layout)
    assert not any(value.requires_grad for value in folded.parameters())
    x = torch.randn(2, 5, 6, 9, generator=seeded(3), requires_grad=True)
    (expected, found), up = (conv(x) for conv in (plain, folded)), torch.randn(2, 7, 12, 18, generator=seeded(4))
    gradient, quicker = (torch.autograd.grad(y, x, up)[0] for y in (expected, found))
    assert (found - expected).norm() < 1e-6 * expected.norm()
    assert (quicker - gradient).norm() < 1e-6 * gradient.norm()


def test_only_larger_maps_are_doubled_by_folded_convolutions(generator):
    sides = [module.side for module in generator.module.modules() if isinstance(module, doubling.DoublingConv)]
    assert sides
    assert all(side < doubling.FOLDED_FROM for side in sides)
    assert any(isinstance(module, torch.nn.ConvTranspose2d) for module in generator.module.modules())
