"""The pack's nodes: the one list of them."""

from __future__ import annotations

from comfy_api.latest import ComfyExtension, io

from . import (
    animate,
    blend,
    checks,
    compose,
    grid,
    grid_sheet,
    host,
    interpolate,
    keep,
    load,
    loss,
    optimize,
    perceptual,
    regularize,
    search,
    stylegan,
    target,
    textmask,
    vae,
)

_NODES: list[type[io.ComfyNode]] = [
    load.LoadGenerator,
    vae.VAEGenerator,
    grid.SetSize,
    grid.CodebookSampling,
    load.LoadCLIP,
    load.CombineCLIP,
    target.EncodeText,
    target.EncodeImagePrompt,
    target.CombineTargets,
    textmask.TextMask,
    loss.AugCLIPLoss,
    loss.CutoutLoss,
    regularize.LatentRegularization,
    regularize.TotalVariationLoss,
    regularize.InitialImageLoss,
    perceptual.PerceptualLoss,
    loss.AddLosses,
    search.RandomLatent,
    grid.EncodeImage,
    grid.MaskLatent,
    search.BasisInit,
    optimize.Optimize,
    compose.ComposeOptimize,
    animate.Animate,
    stylegan.StyleGANTSample,
    stylegan.Truncate,
    stylegan.EditLatent,
    interpolate.Interpolate,
    search.Decode,
    vae.LatentToVAE,
    vae.VAEToLatent,
    blend.PoissonBlend,
    loss.Score,
    grid_sheet.Grid,
    keep.ScoreCurve,
    keep.SaveLatent,
    keep.LoadLatent,
]
NODES = [checks.checked(node) for node in _NODES]


class GuidedGAN(ComfyExtension):
    """What the host asks for nodes."""

    async def on_load(self) -> None:
        host.register_folders()

    async def get_node_list(self) -> list[type[io.ComfyNode]]:
        return NODES


async def comfy_entrypoint() -> ComfyExtension:
    return GuidedGAN()
