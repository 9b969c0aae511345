"""What the published code computes, recorded: the part in reference/, and the whole where it lies beside the clone.

A recording is a checkpoint and, in `<name>.io.safetensors`, what the published code made of which inputs.
"""

import io
import lzma
from contextlib import redirect_stdout
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pytest
import torch
import yaml
from safetensors import safe_open
from toys import lightning

CARRIED = Path(__file__).resolve().parent / "reference"
VQMODEL = CARRIED / "diffusers_vqmodel_ldm"
WHOLE = CARRIED.parents[2] / "shared" / "reference"
IO = ".io.safetensors"


def recordings(pattern):
    """Parameters of a test: the recordings whose names fit, each that the repo carries and each of the whole.

    A test of recordings that the repo does not carry is skipped where the whole is not there.
    """
    found = [
        pytest.param(Recording(folder, path.name.removesuffix(IO)), id=f"{kind}-{path.name.removesuffix(IO)}")
        for kind, folder in (("carried", CARRIED), ("whole", WHOLE), ("layouts", WHOLE / "layouts"))
        for path in sorted(folder.glob(pattern + IO))
    ]
    if found or WHOLE.is_dir():
        return found
    return [pytest.param(None, id="whole", marks=pytest.mark.skip(f"no recordings of the whole in {WHOLE}"))]


@dataclass(frozen=True)
class Recording:
    """One checkpoint and what was recorded from it."""

    folder: Path
    name: str

    def file(self, suffix):
        return self.folder / f"{self.name}{suffix}"

    @cached_property
    def tensors(self):
        """Inputs and outputs by name."""
        return read(self.file(IO))[0]

    @cached_property
    def prompts(self):
        return read(self.file(IO))[1]["prompts"].split("|")

    def checkpoint(self, folder):
        """Its path, in the published layout; written to `folder` first where only a part of it is carried."""
        for suffix in ("", ".safetensors", ".ckpt", ".pkl", ".pth", ".pt"):  # the first of a folder
            if self.file(suffix).exists():
                return self.file(suffix)
            if self.file(f"{suffix}.xz").exists():
                path = folder / f"{self.name}{suffix}"
                path.write_bytes(lzma.decompress(self.file(f"{suffix}.xz").read_bytes()))
                return path
        config = self.file(".yaml").read_text()
        (folder / f"{self.name}.yaml").write_text(config)
        return lightning(folder, f"{self.name}.ckpt", self._drawn(yaml.safe_load(config)))

    def _drawn(self, config):
        """The state dict of a VQGAN whose encoder and decoder are as the published classes draw them from a seed."""
        from taming.modules.diffusionmodules.model import Decoder, Encoder

        stored, metadata = read(self.file(".undrawn.safetensors"))
        shape = config["model"]["params"]["ddconfig"]
        with redirect_stdout(io.StringIO()), torch.random.fork_rng(devices=[]):
            torch.manual_seed(int(metadata["seed"]))
            networks = {"encoder": Encoder(**shape), "decoder": Decoder(**shape)}
        drawn = {f"{part}.{name}": value for part, net in networks.items() for name, value in net.state_dict().items()}
        for name in stored.keys() & drawn.keys():  # the last that was drawn, so that all before it are as recorded too
            assert torch.allclose(stored[name], drawn[name]), f"PyTorch draws other weights from this seed: {name}"
        return {**drawn, **stored}


def read(path):
    """The tensors and the metadata of a .safetensors file."""
    with safe_open(path, "pt") as file:
        return {name: file.get_tensor(name) for name in file.keys()}, file.metadata() or {}


def difference(value, recorded):
    """The largest absolute difference; of pictures of which every k-th row and column was recorded, at those."""
    step = (value.shape[-1] - 1) // (recorded.shape[-1] - 1)
    thinned = value[..., ::step, ::step]
    assert thinned.shape == recorded.shape
    return (thinned - recorded).abs().max()
