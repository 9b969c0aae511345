"""Initial weights of a training (fine-tuning), and which parts stay frozen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import torch
from torch import nn

from ..core import generators
from ..core.errors import PackError
from ..core.generators.stylegan_t import Network, Shape, text_to_image

MODEL = "stylegan_t.safetensors"  # in the folder of a training
CHECKPOINTS = "checkpoints"  # and its states, by the number of the stage


def modules(path: Path) -> dict[str, dict[str, Any]]:
    """The state dicts of a `Trainer`'s modules, by their names, as far as a file or a training's folder has them.

    path: a StyleGAN-T's weights, which bring a generator and maybe a text encoder, or a folder or checkpoint of an
        earlier training, which brings the discriminator too.

    Raises:
        PackError: it is none of these.
    """
    if path.is_dir():
        states = sorted((path / CHECKPOINTS).glob("*.pt"), key=lambda state: int(state.stem))
        path = states[-1] if states else path / MODEL
    if path.parent.name == CHECKPOINTS and path.is_file():
        found = torch.load(path, map_location="cpu", weights_only=True)["modules"]
        return {name: state for name, state in found.items() if name != "adaptive"}  # which is of the other's pictures
    model = text_to_image(generators.load(path)).module
    network = cast(nn.Module, model["network"]).state_dict()
    states = {"network": network, "average": network}
    if "text" in model:
        states["text"] = cast(nn.Module, model["text"]).state_dict()
    return states


def check(states: dict[str, dict[str, Any]], network: Network, path: Path) -> None:
    """Check that initial weights have the sizes of the network to be trained.

    Raises:
        PackError: the sizes differ; the message names them.
    """
    given, wanted = Shape.of(states["network"]), network.shape
    shared = min(len(given.channels), len(wanted.channels))
    for what, there, here in (
        ("channels", given.channels[:shared], wanted.channels[:shared]),
        ("pairs of layers at a side", given.num_res_blocks, wanted.num_res_blocks),
        ("numbers of noise", given.z_dim, wanted.z_dim),
        ("numbers of a text embedding", given.c_dim, wanted.c_dim),
    ):
        if there != here:
            raise PackError(
                f"{path} cannot be the start: its {what} are {there}, those of this training {here}. "
                "Choose its --size, and the --clip that it was trained with."
            )


def apply(states: Mapping[str, dict[str, Any]], modules: Mapping[str, nn.Module]) -> None:
    """Load weights into modules of the same names; layers that a larger generator adds keep their initial values."""
    for name in modules.keys() & states.keys():
        modules[name].load_state_dict(states[name], strict=False)


def freeze(network: Network, names: Sequence[str]) -> None:
    """Freeze parts of a generator.

    Raises:
        PackError: it has no such part, or no other.
    """
    parts: dict[str, nn.Module] = {"mapping": network.mapping}
    parts |= {str(side): network.synthesis.get_submodule(f"b{side}") for side in network.shape.sides}
    unknown = [name for name in names if name not in parts]
    if unknown or set(names) == set(parts):
        said = f"there is no {', '.join(unknown)} to freeze" if unknown else "nothing would be left to learn"
        raise PackError(f"At {network.shape.resolution} pixels {said}: choose some of {', '.join(parts)}.")
    for name in names:
        parts[name].requires_grad_(False)
