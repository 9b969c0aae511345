"""The interface to ComfyUI: model folders, devices and memory, picture layout, progress, interruption.

The host runs every node under `torch.inference_mode`, in which no tensors for gradients can be created. So everything
that uses a model runs inside `models`, loaders included: it leaves inference mode, has the host load the weights to the
device, and replaces weights that were moved under inference mode by ordinary tensors.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import comfy.cli_args
import comfy.model_management as mm
import comfy.model_patcher
import comfy.utils
import folder_paths
import torch
from aiohttp import web
from comfy.cli_args import args
from comfy_api.latest import io, ui
from comfy_execution.progress import get_progress_state
from comfy_execution.utils import get_executing_context
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from server import PromptServer
from torch import Tensor, nn

from ..core.compute import memory, precision
from ..core.errors import first_line, printable
from ..core.files import formats
from ..core.files.whole import whole
from ..core.types import Model
from ..picturebook import UPSCALER

SHIPPED = "picturebook"  # the name in menus of the models that come with the pack
Part = TypeVar("Part")
Place = tuple[str, str]  # identifies a running node: ids of the prompt and of the node


# --- files -----------------------------------------------------------------------------------------------------------


def register_folders() -> None:
    """Register the pack's model folders, and its upscaler, with the host.

    Paths from the user's extra_model_paths.yaml are kept.
    """
    weights = set(formats.SUFFIXES)
    folders = {"gan": weights, "clip_joint": {".json", *weights}, "lpips": weights, "gan_latents": {".safetensors"}}
    for name, extensions in folders.items():
        folder_paths.add_model_folder_path(name, str(Path(folder_paths.models_dir) / name))
        folder_paths.folder_names_and_paths[name] = (folder_paths.folder_names_and_paths[name][0], extensions)
    folder_paths.add_model_folder_path("gan_latents", str(latents_folder()), is_default=True)
    folder_paths.add_model_folder_path("upscale_models", str(UPSCALER.parent))


def latents_folder() -> Path:
    """The folder in which latents are saved."""
    return Path(folder_paths.get_output_directory()) / "gan_latents"


def cache_folder(name: str) -> Path:
    """A persistent cache folder of the pack."""
    return Path(folder_paths.get_user_directory()) / "guided_gan" / name


# --- models and memory -----------------------------------------------------------------------------------------------


def adopt(model: Model) -> None:
    """Put a newly loaded model under the host's memory management, with the dtype that the host chooses."""
    device = mm.get_torch_device()
    # The host looks for this attribute on the outputs of nodes.
    model.patcher = comfy.model_patcher.CoreModelPatcher(model.module, device, mm.unet_offload_device())
    precision.compute_in(model, _precision(device, sum(value.numel() for value in model.module.parameters())))


def _precision(device: torch.device, size: int) -> torch.dtype:
    """The host's choice, or that of its command line, for a model of `size` parameters; on a CPU the pack's default."""
    dtype = mm.unet_dtype(device, size, precision.DTYPES)
    if dtype not in precision.DTYPES:  # a dtype for storage only, such as float8
        return torch.float32
    forced = comfy.cli_args.args.fp32_unet or comfy.cli_args.args.force_fp32
    return precision.default() if device.type == "cpu" and dtype is torch.float32 and not forced else dtype


@contextlib.contextmanager
def models(*wanted: Model) -> Iterator[None]:
    """A context with models on the device and gradients enabled; an out-of-memory error says what to reduce."""
    with torch.inference_mode(False), torch.enable_grad(), memory.freed_kept():
        try:
            patchers = list({id(model.module): model.patcher for model in wanted}.values())
            mm.load_models_gpu(patchers, force_full_load=True)
            for model in wanted:
                _heal(model.module)
            yield
        except RuntimeError as error:
            if not (mm.is_oom(error) or memory.ran_out(error)):
                raise
            mm.soft_empty_cache()
            raise type(error)(
                "Out of memory, though batches were made as small as they can be. Work on smaller or fewer pictures, "
                f"or take a smaller generator or CLIP. ({first_line(error)}.)"
            ) from error


def rows_at_once() -> int:
    """The batch size for rows of a search, 0 for all; on a CPU, 4 is a sixth faster than 1."""
    return 4 if mm.get_torch_device().type == "cpu" else 0


def _heal(module: nn.Module) -> None:
    """Replace weights that the host moved under inference mode, through which gradients cannot flow."""
    for part in module.modules():
        for name, value in part._parameters.items():
            if value is not None and value.is_inference():
                part._parameters[name] = nn.Parameter(value.clone(), requires_grad=False)
        for name, value in part._buffers.items():
            if value is not None and value.is_inference():
                part._buffers[name] = value.clone()


# --- pictures --------------------------------------------------------------------------------------------------------


def to_image(pictures: Tensor) -> Tensor:
    """[N, 3, H, W] in [-1, 1] to the host's IMAGE, [N, H, W, 3] in [0, 1]."""
    image = (pictures.detach() / 2 + 0.5).clamp(0, 1).movedim(1, -1)
    return image.to(mm.intermediate_device(), mm.intermediate_dtype()).contiguous()


def from_image(image: Tensor) -> Tensor:
    """The host's IMAGE to [N, 3, H, W] in [-1, 1] on the device; other channels as in `colours`."""
    return colours(image).clone().float().movedim(-1, 1).to(mm.get_torch_device()) * 2 - 1


def colours(image: Tensor) -> Tensor:
    """The host's IMAGE as [N, H, W, 3]: one or two channels are read as grey, and alpha is dropped."""
    return image[..., :3] if image.shape[-1] > 2 else image[..., :1].expand(*image.shape[:-1], 3)


def from_mask(mask: Tensor) -> Tensor:
    """The host's MASK, of one picture or of a batch, to [N, H, W] on the CPU."""
    return mask.reshape(-1, *mask.shape[-2:]).cpu().float().clone()


def to_mask(inside: Tensor) -> Tensor:
    """[N, 1, H, W], bool or in [0, 1], to the host's MASK, [N, H, W]."""
    return inside[:, 0].float().to(mm.intermediate_device())


def shown(image: Tensor, node: type[io.ComfyNode]) -> dict[str, Any]:
    """The UI output that shows an IMAGE on its node, saved in the temporary folder like those of Preview Image."""
    return ui.PreviewImage(image, cls=node).as_dict()


def save_pictures(folder: str, name: str, pictures: Tensor, hidden: io.HiddenHolder) -> list[str]:
    """Save [N, 3, H, W] in [-1, 1] as PNGs with the workflow, in a folder of the output folder; returns their paths.

    Raises:
        OSError: the disk is full or the folder cannot be written.
    """
    files = [f"{folder}/{name}_{i}.png" for i in range(1, len(pictures) + 1)]
    for file, picture in zip(files, to_image(pictures), strict=True):
        with whole(Path(folder_paths.get_output_directory()) / file) as part:
            _picture(picture).save(part, "PNG", pnginfo=_workflow(hidden))
    return files


def _workflow(hidden: io.HiddenHolder) -> PngInfo | None:
    """The metadata that the host writes into pictures: the prompt and, from the editor, the workflow."""
    if args.disable_metadata:
        return None
    notes = PngInfo()
    for name, value in {"prompt": hidden.prompt, **(hidden.extra_pnginfo or {})}.items():
        notes.add_text(name, json.dumps(value))
    return notes


def _picture(image: Tensor) -> Image.Image:
    return Image.fromarray((image.float().cpu().numpy() * 255).round().astype("uint8"))


# --- progress and interruption ---------------------------------------------------------------------------------------


class Progress:
    """The running node's progress bar, preview and text; each update raises if the user has interrupted the node.

    A preview is a function that returns a picture [1, 3, H, W] in [-1, 1], and a text may be a function too: they are
    called only if the result is shown.
    """

    def __init__(self, total: int, node_id: str | None, preview_every: int = 0) -> None:
        self._bar = comfy.utils.ProgressBar(total)
        self._total, self._node_id, self._preview_every = total, node_id, preview_every

    def __call__(
        self, done: int, text: str | Callable[[], str] = "", preview: Callable[[], Tensor] | None = None
    ) -> None:
        mm.throw_exception_if_processing_interrupted()
        shown = preview and self._preview_every and (done % self._preview_every == 0 or done == self._total)
        picture = ("JPEG", _picture(to_image(preview())[0]), None) if shown and preview else None
        self._bar.update_absolute(done, self._total, picture)
        if text and (shown or done == self._total or not self._preview_every):
            say(text if isinstance(text, str) else text(), self._node_id)


def each(parts: Sequence[Part], node_id: str | None) -> Iterator[Part]:
    """Iterate over parts, with a progress bar on the node."""
    progress = Progress(len(parts), node_id)
    for done, part in enumerate(parts, 1):
        yield part
        progress(done)


def say(text: str, node_id: str | None) -> None:
    """Show text on a node. Nodes 2.0 renders it as Markdown, in which two spaces end a line."""
    server = PromptServer.instance
    if node_id is not None:
        server.send_progress_text(printable(text).replace("\n", "  \n"), node_id, server.client_id)


def say_here(text: str) -> None:
    """Show text on the running node."""
    if context := get_executing_context():
        say(text, context.node_id)


def place(node_id: str) -> Place:
    """The ids of the running prompt and of a node."""
    context = get_executing_context()
    return (context.prompt_id if context else "", node_id)


def display_node(node_id: str) -> str:
    """The id, in the user's graph, of the node that a node was expanded from at run time, or its own id."""
    return get_progress_state().dynprompt.get_display_node_id(node_id)


def workflow(hidden: io.HiddenHolder) -> str | None:
    """The id of the user's graph, which the page sends with a prompt; None without one."""
    graph = (hidden.extra_pnginfo or {}).get("workflow")
    return graph.get("id") if isinstance(graph, dict) else None


def send(event: str, data: Mapping[str, Any]) -> None:
    """Send a message to the page that queued the running prompt, if there is one."""
    server = PromptServer.instance
    if server.client_id is not None:
        server.send_sync(event, data, server.client_id)


def serve(path: str, answer: Callable[[web.Request], Awaitable[web.StreamResponse]]) -> None:
    """Register a handler of POST requests with the host's server, if it runs."""
    server = getattr(PromptServer, "instance", None)
    if server is not None and path not in [route.path for route in server.routes if isinstance(route, web.RouteDef)]:
        server.routes.post(path)(answer)


def seeds(first: int, count: int) -> list[int]:
    """The seeds of a batch: seed 7 is the third of a batch that starts at 5."""
    return [first + i for i in range(count)]


def provenance(prompt: Mapping[str, Any], node_id: str, leave_out: Sequence[str] = ()) -> dict[str, Any]:
    """The part of a prompt that a node's outputs depend on: itself and everything upstream.

    leave_out: inputs of the node itself to omit. For a node that was created while the graph runs, such as in a loop,
    it is the whole prompt.
    """
    if node_id not in prompt:
        return dict(prompt)
    found: dict[str, Any] = {}
    waiting = [node_id]
    while waiting:
        identity = waiting.pop()
        if identity in found or identity not in prompt:
            continue
        unwanted = leave_out if identity == node_id else ()
        inputs = {name: value for name, value in prompt[identity]["inputs"].items() if name not in unwanted}
        found[identity] = {**prompt[identity], "inputs": inputs}
        waiting += [str(value[0]) for value in inputs.values() if isinstance(value, list) and len(value) == 2]
    return found
