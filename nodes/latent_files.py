"""Latent: Save Latent and Load Latent."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Mapping
from pathlib import Path

import folder_paths
from comfy_api.latest import io

from ..core.errors import PackError
from ..core.files import latent_files
from ..core.results import Film, State
from ..core.search import weightings
from ..core.types import Basis, Latent
from . import checks, files, host, names, sockets


class SaveLatent(io.ComfyNode):
    """A latent or a basis, with the graph that made it, as a safetensors file."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="GuidedGAN_SaveLatent",
            display_name="Save Latent (GAN)",
            category="guided GAN/latent",
            description="Saves a latent or a basis to output/gan_latents, with the graph that made it inside.",
            search_aliases=["FuseDream", "VQGAN-CLIP", "StyleGAN-T"],
            is_output_node=True,
            inputs=[
                io.String.Input(
                    "filename_prefix",
                    default="latent",
                    tooltip="Start of the file's name; a number follows. %date:yyyy-MM-dd% becomes the day.",
                ),
                sockets.Latent.Input("latent", optional=True, tooltip="Latents to save; connect this or basis."),
                sockets.Basis.Input(
                    "basis",
                    optional=True,
                    tooltip="A basis to save, from which Optimize can go on; connect this or latent.",
                ),
            ],
            outputs=[],
            hidden=[io.Hidden.unique_id, io.Hidden.prompt],
        )

    @classmethod
    def validate_inputs(cls, filename_prefix: str) -> bool | str:
        return checks.refusal(cls, names.prefix, filename_prefix=filename_prefix)

    @classmethod
    def execute(cls, filename_prefix: str, latent: Latent | None = None, basis: Basis | None = None) -> io.NodeOutput:
        given = [value for value in (latent, basis) if value is not None]
        if len(given) != 1:
            raise PackError("Save Latent saves one thing: connect either a latent or a basis.")
        folder, name, counter, subfolder, _ = folder_paths.get_save_image_path(
            names.prefix(filename_prefix, cls.hidden.prompt), str(host.latents_folder())
        )
        recipe = {"prompt": host.provenance(cls.hidden.prompt, cls.hidden.unique_id)}
        path = _save_beside(Path(folder) / name, counter, given[0], recipe)
        host.say(f"saved {path.name}", cls.hidden.unique_id)
        saved = {"filename": path.name, "subfolder": f"gan_latents/{subfolder}".rstrip("/"), "type": "output"}
        return io.NodeOutput(ui={"latents": [saved]})


def _save_beside(start: Path, first: int, value: Latent | Basis, recipe: Mapping[str, object]) -> Path:
    """Save under the first free number, atomically with other processes; returns the file's path."""
    for number in itertools.count(first):
        path = start.with_name(f"{start.name}_{number:05}.safetensors")
        if not path.exists():  # the host's counter considers its own files only
            with contextlib.suppress(FileExistsError):
                latent_files.save(path, value, recipe, replace=False)
                return path
    raise AssertionError("unreachable: the counter is infinite")


class LoadLatent(io.ComfyNode):
    """What Save Latent wrote."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="GuidedGAN_LoadLatent",
            display_name="Load Latent (GAN)",
            category="guided GAN/latent",
            description="Loads a latent or a basis from output/gan_latents or models/gan_latents.",
            search_aliases=["FuseDream", "VQGAN-CLIP", "StyleGAN-T"],
            inputs=[
                io.Combo.Input(
                    "file",
                    options=folder_paths.get_filename_list("gan_latents"),
                    tooltip="A file that Save Latent wrote.",
                ),
            ],
            outputs=[
                sockets.Latent.Output(
                    display_name="latent", tooltip="The latents; of a basis, those that it combines to."
                ),
                sockets.Basis.Output(display_name="basis", tooltip="The basis; of a latent, the latent alone."),
            ],
        )

    @classmethod
    def fingerprint_inputs(cls, file: str) -> str:
        return files.fingerprint(Path(folder_paths.get_full_path_or_raise("gan_latents", file)))

    @classmethod
    def execute(cls, file: str) -> io.NodeOutput:
        with host.models():
            value, _ = latent_files.load(Path(folder_paths.get_full_path_or_raise("gan_latents", file)))
            if isinstance(value, State):
                value = value.basis
            if isinstance(value, Film):
                value = value.latents
            if isinstance(value, Latent):
                return io.NodeOutput(value, weightings.of_latent(value))
            return io.NodeOutput(weightings.mix(value), value)
