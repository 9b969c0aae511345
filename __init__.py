"""ComfyUI nodes that turn text into pictures with GANs: FuseDream, VQGAN-CLIP and StyleGAN-T.

ComfyUI takes `comfy_entrypoint` and `WEB_DIRECTORY` from here. The nodes are imported when the first is asked for, so
that `guided_gan.core` can be used, and the tests collected, where there is no ComfyUI.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .nodes import comfy_entrypoint

__all__ = ["WEB_DIRECTORY", "comfy_entrypoint"]

WEB_DIRECTORY = "./web"


def __getattr__(name: str):
    if name == "comfy_entrypoint":
        from .nodes import comfy_entrypoint

        return comfy_entrypoint
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
