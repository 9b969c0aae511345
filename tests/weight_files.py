"""Weight files for tests: small ones in every container, in several files, and an object that acts when unpickled."""

import json
import os
import warnings
from typing import Any

import pytest
import torch
from safetensors.torch import save_file


@pytest.fixture(name="state")
def small_state():
    rng = torch.Generator().manual_seed(0)
    return {
        "a.weight": torch.randn(40, 30, generator=rng),
        "a.steps": torch.tensor(7),
        "b": torch.randn(5, generator=rng).half(),
    }


def save(state, path, legacy=False):
    if path.suffix == ".safetensors":
        save_file(state, path, metadata={"origin": "here"})
    else:
        torch.save(state, path, _use_new_zipfile_serialization=not legacy)
    return path


def shards(state, folder, stem="model", suffix="safetensors"):
    names = sorted(state)
    places = {name: f"{stem}-0000{1 + i % 2}-of-00002.{suffix}" for i, name in enumerate(names)}
    for file in set(places.values()):
        save({name: state[name] for name in names if places[name] == file}, folder / file)
    index = folder / f"{stem}.{suffix}.index.json"
    index.write_text(json.dumps({"metadata": {"total_size": 1}, "weight_map": places}))
    return index


class Holder(torch.nn.Module):
    """Modules within modules that hold tensors under dotted names, for torch.jit to save."""

    def __init__(self, state):
        super().__init__()
        for name, value in state.items():
            *path, last = name.split(".")
            module: torch.nn.Module = self
            for part in path:
                if part not in module._modules:
                    module.add_module(part, torch.nn.Module())
                module = module.get_submodule(part)
            module.register_buffer(last, value)

    def forward(self, x):
        return x


def save_jit(state, path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch advises against torch.jit
        traced: Any = torch.jit.trace(Holder(state), torch.ones(1))
        traced.save(str(path))


class Call:
    """Makes a folder when unpickled."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return os.mkdir, (self.path,)
