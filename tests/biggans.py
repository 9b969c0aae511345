"""Small random BigGANs and BigGANs-deep in the published layouts, and BigGAN's published function."""

import json
from itertools import pairwise

import pytest
import torch
from safetensors.torch import save_file
from torch.nn import functional as F
from toys import seeded

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
KINDS = ["free", "pairs", "biggan"]


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


def biggan(folder):
    """As FuseDream's: from TensorFlow, so without the log of singular values, and with transposed views."""
    state = {name: value for name, value in biggan_state().items() if not name.endswith(".sv0")}
    state["shared.weight"] = state["shared.weight"].T.contiguous().T
    torch.save(state, folder / "biggan.pth")
    return folder / "biggan.pth"


def write_each(folder):
    """A checkpoint of each kind, in a folder called as the kind; `free` needs its config.json, `pairs` does not."""
    for name, layers, attention in (("free", FREE, 3), ("pairs", PAIRS, -1)):
        (folder / name).mkdir()
        save_file(deep_model(deep_config(layers, attention)).state_dict(), folder / name / "model.safetensors")
    (folder / "free" / "config.json").write_text(json.dumps(deep_config(FREE, 3)))
    (folder / "biggan").mkdir()
    save_file(biggan_state(), folder / "biggan" / "any name.safetensors")
    return folder


@pytest.fixture(name="folder", scope="module")
def biggan_folder(tmp_path_factory):
    return write_each(tmp_path_factory.mktemp("generators"))
