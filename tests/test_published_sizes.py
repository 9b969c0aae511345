"""Each family at its published size, with random weights in its published container: loading, memory, conversion."""

import json
import subprocess
import sys

import pytest
import torch
from biggan_ports import ivclab, v1
from published_sizes import backbone, biggan_256, meta, random, vqgan
from safetensors.torch import save_file
from torch.nn import functional as F
from toys import lightning

from guided_gan.core.generators.stylegan_t.network import LITE, Network
from guided_gan.core.generators.vqgan import VQGAN, Shape

pytestmark = [
    pytest.mark.published_size,
    pytest.mark.skipif(sys.platform != "linux", reason="the peak of a process's memory is asked of Linux"),
]

# What a fresh process does with a file: the most memory that loading takes, what the model gives, also once converted.
PROBE = """
import json, re, sys, types
from importlib import import_module
from pathlib import Path
sys.modules["guided_gan"] = package = types.ModuleType("guided_gan")
package.__path__ = [sys.argv[2]]
import torch
from guided_gan.core import clip, generators
from guided_gan.core.losses import perceptual
from guided_gan.core.published import convert

def memory(key):
    return int(re.search(rf"{key}:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) * 1024

def noise(seed):
    return torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(seed)) * 2 - 1

kinds = {
    "generator": (generators.load, lambda model: model.decode(model.sample(1, torch.Generator().manual_seed(3)))),
    "perceptual": (perceptual.load, lambda model: model(noise(1), noise(2))),
    "clip": (clip.load, lambda model: model.encode_image(noise(1))),
}
path = Path(sys.argv[1])
load, look = kinds[sys.argv[3]]
for name in ("pytorch_pretrained_biggan.model", "torch._dynamo"):  # as in a running host
    import_module(name)
shipped = Path(sys.argv[2], "picturebook", "models")
for name in ("biggan", "vqgan"):
    generators.load(shipped / name)
perceptual.load(shipped / "perceptual" / "model.safetensors")
clip.load(shipped / "clip")
Path("/proc/self/clear_refs").write_text("5")
before = memory("VmRSS")
model = load(path)
peak = memory("VmHWM") - before
with torch.no_grad():
    here = look(model)
    there = look(load(convert.convert(path)) if path.is_file() else load(path))
apart = (here - there).abs().max().item()
print(json.dumps({"peak": peak, "shape": here.shape, "apart": apart, "length": here.norm().item()}))
"""


def port(file):
    """BigGAN-256 in the layout of a port of TensorFlow Hub's weights."""

    def make(folder, rng):
        torch.save(file(biggan_256(), 20), folder / "port.pth")
        return folder / "port.pth"

    return make


def biggan(folder, rng):
    state = biggan_256()
    torch.save({name: value for name, value in state.items() if not name.endswith(".sv0")}, folder / "biggan.pth")
    return folder / "biggan.pth"


def deep(folder, rng):
    from pytorch_pretrained_biggan import BigGAN, BigGANConfig

    widths = [(16, 16), (16, 16), (16, 16), (16, 8), (8, 8), (8, 8), (8, 8), (8, 4), (4, 4), (4, 2), (2, 2), (2, 1)]
    layers = [[bool(i % 2), *pair] for i, pair in enumerate(widths)]
    state = random(meta(lambda: BigGAN(BigGANConfig(output_dim=256, layers=layers, attention_layer_position=8))), rng)
    for name, value in state.items():
        if name.endswith("running_vars"):
            value.fill_(1)
        elif name.endswith("weight_orig"):  # the vectors of its largest singular value, about
            layer, matrix = name.removesuffix("orig"), value.flatten(1)
            state[f"{layer}v"] = F.normalize(matrix.T @ state[f"{layer}u"], dim=0)
            state[f"{layer}u"] = F.normalize(matrix @ state[f"{layer}v"], dim=0)
    torch.save(state, folder / "deep.bin", _use_new_zipfile_serialization=False)
    return folder / "deep.bin"


def gumbel(folder, rng):
    shape = Shape(True, 128, (1, 1, 2, 4), 2, (3,), 256, 256, 8192)
    return lightning(folder, "gumbel.ckpt", random(meta(lambda: VQGAN(shape)), rng))


def stylegan_t(folder, rng):
    torch.save({"G_ema": random(meta(lambda: Network(LITE)), rng)}, folder / "stylegan_t.pt")
    return folder / "stylegan_t.pt"


def clip_folder(folder, rng):
    """A ViT-B/32 as LAION published it."""
    import open_clip

    config = {"model_cfg": open_clip.get_model_config("ViT-B-32"), "preprocess_cfg": {}}
    (folder / "open_clip_config.json").write_text(json.dumps(config))
    save_file(open_clip.create_model("ViT-B-32").state_dict(), folder / "open_clip_model.safetensors")
    return folder


@pytest.mark.parametrize(
    ("make", "kind", "shape"),
    [
        (biggan, "generator", [1, 3, 256, 256]),
        (port(v1), "generator", [1, 3, 256, 256]),
        (port(ivclab), "generator", [1, 3, 256, 256]),
        (deep, "generator", [1, 3, 256, 256]),
        (vqgan, "generator", [1, 3, 256, 256]),
        (gumbel, "generator", [1, 3, 256, 256]),
        (stylegan_t, "generator", [1, 3, 64, 64]),
        (backbone("alexnet"), "perceptual", [1]),
        (backbone("vgg16"), "perceptual", [1]),
        (clip_folder, "clip", [1, 512]),
    ],
    ids=["biggan", "v1", "ivclab", "deep", "vqgan", "gumbel", "stylegan_t", "alexnet", "vgg16", "clip"],
)
def test_loads_within_memory_and_converts_to_the_same_model(tmp_path, make, kind, shape):
    path = make(tmp_path, torch.Generator().manual_seed(0))
    size = sum(file.stat().st_size for file in (path.iterdir() if path.is_dir() else [path]))
    root = sys.modules["guided_gan"].__path__[0]
    probe = subprocess.run([sys.executable, "-c", PROBE, path, root, kind], capture_output=True, text=True, check=False)
    assert probe.returncode == 0, probe.stderr
    found = json.loads(probe.stdout)
    assert found["shape"] == shape
    assert found["length"] > 0
    assert found["apart"] < 1e-5
    assert found["peak"] < 1.3 * size
