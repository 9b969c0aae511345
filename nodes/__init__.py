"""The pack's nodes: the one list of them."""

from __future__ import annotations

from comfy_api.latest import ComfyExtension, io

from . import host, keep, load, loss, search, target

NODES: list[type[io.ComfyNode]] = [
    load.LoadGenerator,
    load.LoadCLIP,
    load.CombineCLIP,
    target.EncodeText,
    target.EncodeImagePrompt,
    target.CombineTargets,
    loss.AugCLIPLoss,
    loss.AddLosses,
    search.RandomLatent,
    search.BasisInit,
    search.Optimize,
    search.Decode,
    loss.Score,
    keep.ScoreCurve,
    keep.SaveLatent,
    keep.LoadLatent,
]


class GuidedGAN(ComfyExtension):
    """What the host asks for nodes."""

    async def on_load(self) -> None:
        host.register_folders()

    async def get_node_list(self) -> list[type[io.ComfyNode]]:
        return NODES


async def comfy_entrypoint() -> ComfyExtension:
    return GuidedGAN()
