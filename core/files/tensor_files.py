"""Reads and writes tensors and metadata as safetensors files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from ..errors import PackError
from .whole import whole


def write(path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str], *, replace: bool = True) -> None:
    """Write a safetensors file atomically, by `whole`.

    Raises:
        OSError: as `whole`.
    """
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    # Copies: the format refuses tensors that share memory, such as a masked latent and its anchor.
    copies = {
        name: value.detach().cpu().clone(memory_format=torch.contiguous_format) for name, value in tensors.items()
    }
    with whole(path, replace=replace) as part:
        try:
            save_file(copies, str(part), dict(metadata))
        except SafetensorError as error:
            raise OSError(str(error)) from error


def read(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Tensors and metadata of a safetensors file.

    Raises:
        PackError: the file is missing or incomplete.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(str(path), "pt") as file:
            # Copies: get_tensor's results are mapped from the file, which Windows could then not replace.
            return {name: file.get_tensor(name).clone() for name in file.keys()}, dict(file.metadata() or {})
    except (OSError, SafetensorError) as error:
        raise PackError(
            f"{path} cannot be read ({error}): it must be a whole .safetensors file. Save or copy it again."
        ) from error


def read_metadata(path: Path) -> dict[str, str]:
    """The metadata of a safetensors file, without its tensors.

    Raises:
        PackError: the file is missing or not whole.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(str(path), "pt") as file:
            return dict(file.metadata() or {})
    except (OSError, SafetensorError) as error:
        raise PackError(f"{path} cannot be read ({error}): it must be a whole .safetensors file.") from error
