"""Small random VQGANs, of nearest codes and of Gumbel's, as files in the published layout; and the shipped one."""

import pytest
import torch
import yaml
from safetensors.torch import save_file

from guided_gan.core import generators
from guided_gan.core.generators.vqgan import VQGAN, VQGANGenerator, described
from guided_gan.picturebook import MODELS

KINDS = ("VQModel", "GumbelVQ")


def config(kind="VQModel", **changes):
    """Of a small VQGAN; changes go where the key belongs."""
    network = {
        "double_z": False, "z_channels": 12, "resolution": 32, "in_channels": 3, "out_ch": 3, "ch": 32,
        "ch_mult": [1, 2, 1], "num_res_blocks": 1, "attn_resolutions": [16], "dropout": 0.0,
    }  # fmt: skip
    params = {"embed_dim": 12 if kind == "GumbelVQ" else 6, "n_embed": 20, "ddconfig": network}
    for key, value in changes.items():
        (network if key in network else params)[key] = value
    return {"model": {"base_learning_rate": 4.5e-6, "target": f"taming.models.vqgan.{kind}", "params": params}}


def state(kind="VQModel", seed=0):
    """Random tensors in the published names, with the spread that training gives."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = VQGAN(described(config(kind))[0])
        for value in model.parameters():
            if value.ndim == 1:
                torch.nn.init.normal_(value, 0.5, 0.5)
    return {name: value.detach().clone() for name, value in model.state_dict().items()}


def write(folder, tensors, said, name="model"):
    folder.mkdir(exist_ok=True)
    save_file(tensors, folder / f"{name}.safetensors")
    (folder / f"{name}.yaml").write_text(yaml.safe_dump(said))
    return folder / f"{name}.safetensors"


def write_each(folder):
    """A VQGAN of each kind, in a folder called as the kind; returns the folder of all."""
    for kind in KINDS:
        write(folder / kind, state(kind), config(kind))
    return folder


@pytest.fixture(name="folder", scope="module")
def vqgan_folder(tmp_path_factory):
    return write_each(tmp_path_factory.mktemp("vqgan"))


@pytest.fixture(name="kind", params=KINDS)
def vqgan_kind(request):
    return request.param


@pytest.fixture(name="vqgan", scope="module")
def shipped_vqgan():
    return generators.load(MODELS / "vqgan")


def load(path):
    generator = generators.load(path)
    assert isinstance(generator, VQGANGenerator)
    return generator
