"""The pack's nodes: the one list of them."""

from __future__ import annotations

from comfy_api.latest import ComfyExtension, io

from . import (
    checks,
    finish,
    host,
    image,
    latent,
    latent_class,
    latent_files,
    latent_walk,
    load,
    load_shape,
    loss,
    loss_palette,
    loss_perceptual,
    loss_regular,
    prompt,
    score,
    search_animate,
    search_basis,
    search_compose,
    search_invert,
    search_optimize,
    search_restyle,
    stylegan,
)

# In the order of the menu.
_NODES: list[type[io.ComfyNode]] = [
    load.LoadGenerator,
    load.VAEGenerator,
    load.SetSize,
    load.CodebookSampling,
    load_shape.SeamlessTiles,
    load_shape.Symmetry,
    load_shape.Redraw,
    load_shape.Transparency,
    load.LoadCLIP,
    load.CombineCLIP,
    prompt.EncodeText,
    prompt.PromptSchedule,
    prompt.EncodeImagePrompt,
    prompt.NoisePrompt,
    prompt.CombineTargets,
    loss.AugCLIPLoss,
    loss.CutoutLoss,
    loss_regular.LatentRegularization,
    loss_regular.TotalVariationLoss,
    loss_regular.OpacityLoss,
    loss_regular.InitialImageLoss,
    loss_palette.PaletteLoss,
    loss_perceptual.PerceptualLoss,
    loss.AddLosses,
    search_basis.BasisInit,
    search_basis.MaskLatent,
    search_optimize.Optimize,
    search_compose.ComposeOptimize,
    search_invert.Invert,
    search_animate.Animate,
    search_restyle.RestyleVideo,
    latent.RandomLatent,
    latent_class.ClassLatent,
    latent.EncodeImage,
    latent.Decode,
    latent.DecodeCutOut,
    latent_walk.Interpolate,
    latent.LatentToVAE,
    latent.VAEToLatent,
    latent_files.SaveLatent,
    latent_files.LoadLatent,
    stylegan.StyleGANTSample,
    stylegan.Truncate,
    stylegan.EditLatent,
    image.TextMask,
    image.PoissonBlend,
    score.Score,
    score.ScoreCurve,
    score.Grid,
]
NODES = [checks.checked(node) for node in _NODES]


class GuidedGAN(ComfyExtension):
    """What the host asks for nodes."""

    async def on_load(self) -> None:
        host.register_folders()
        finish.serve()

    async def get_node_list(self) -> list[type[io.ComfyNode]]:
        return NODES


async def comfy_entrypoint() -> ComfyExtension:
    return GuidedGAN()
