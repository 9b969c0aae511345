"""Weight files of published size and layout with random numbers, for `published`."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from importlib import import_module
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional as F

from ..core import clip, draws
from ..core.files.weights import hollow
from ..core.generators.vqgan import VQGAN, Shape
from ..core.published import catalogue, fetch
from ..core.settings import Settings

State = dict[str, Tensor]


class Made(NamedTuple):
    """A file, or a folder of a CLIP: the models folder that it belongs in, its name there, and what writes it."""

    kind: str
    name: str
    write: Callable[[Path], None]


def _filled(shapes: Mapping[str, Tensor]) -> State:
    """Random numbers that keep activations in range: small weights, norms that change nothing."""
    rng = draws.rng(0, "published")
    state = {}
    for name, value in shapes.items():
        if value.ndim > 1 and not name.endswith("vars"):
            state[name] = torch.randn(value.shape, generator=rng) * value[0].numel() ** -0.5
        else:
            state[name] = torch.full(value.shape, float(name.endswith(("weight", "gain", "gamma", "var", "vars"))))
    return state


def _shapes(build: Callable[[], nn.Module]) -> State:
    with hollow():
        return build().state_dict()


def _spectral(state: State, weight: str, row: str, column: str = "") -> None:
    """Add the vectors of a weight's largest singular value, about, as files of a spectral norm hold them."""
    matrix = state[weight].flatten(1)
    u = torch.randn(len(matrix), generator=draws.rng(0, weight))
    v = F.normalize(matrix.T @ u, dim=0)
    u = F.normalize(matrix @ v, dim=0)
    state[row] = u if column else u[None]
    if column:
        state[column] = v


# --- BigGAN ----------------------------------------------------------------------------------------------------------


def _biggan(multiples: tuple[int, ...], attention: int, chunk: int) -> Callable[[Path], None]:
    """FuseDream's file: Brock's names, from TensorFlow Hub."""
    condition, width = 128 + chunk, 96

    def write(path: Path) -> None:
        layers: dict[str, tuple[int, ...]] = {"linear": (16 * multiples[0] * width, chunk)}
        norms = {"output_layer.0": width}
        biased = ["linear", "output_layer.2"]
        for i, (a, b) in enumerate((a * width, b * width) for a, b in pairwise(multiples)):
            block = f"blocks.{i}.0"
            convs = {"conv1": (b, a, 3, 3), "conv2": (b, b, 3, 3), "conv_sc": (b, a, 1, 1)}
            layers |= {f"{block}.{name}": shape for name, shape in convs.items()}
            biased += [f"{block}.{name}" for name in convs]
            for norm, channels in (("bn1", a), ("bn2", b)):
                norms[f"{block}.{norm}"] = channels
                layers |= {f"{block}.{norm}.{part}": (channels, condition) for part in ("gain", "bias")}
        c = multiples[attention + 1] * width
        for name, (out, into) in {"theta": (c // 8, c), "phi": (c // 8, c), "g": (c // 2, c), "o": (c, c // 2)}.items():
            layers[f"blocks.{attention}.1.{name}"] = (out, into, 1, 1)
        layers["output_layer.2"] = (3, width, 3, 3)
        shapes: dict[str, tuple[int, ...]] = {"shared.weight": (1000, 128), f"blocks.{attention}.1.gamma": (1,)}
        shapes |= {f"{name}.weight": shape for name, shape in layers.items()}
        shapes |= {f"{name}.bias": (layers[name][0],) for name in biased}
        shapes |= {f"output_layer.0.{part}": (width,) for part in ("gain", "bias")}
        shapes |= {f"{name}.stored_{part}": (size,) for name, size in norms.items() for part in ("mean", "var")}
        state = _filled({name: torch.empty(shape, device="meta") for name, shape in shapes.items()})
        for name in layers:
            _spectral(state, f"{name}.weight", f"{name}.u0")
        torch.save(state, path)

    return write


def _deep(path: Path) -> None:
    """BigGAN-deep-256 as `pytorch_pretrained_biggan` publishes it."""
    package = import_module("pytorch_pretrained_biggan")
    widths = [(16, 16), (16, 16), (16, 16), (16, 8), (8, 8), (8, 8), (8, 8), (8, 4), (4, 4), (4, 2), (2, 2), (2, 1)]
    layers = [[bool(i % 2), *pair] for i, pair in enumerate(widths)]
    config = package.BigGANConfig(output_dim=256, layers=layers, attention_layer_position=8)
    state = _filled(_shapes(lambda: package.BigGAN(config)))
    for name in [name.removesuffix("_orig") for name in state if name.endswith("weight_orig")]:
        _spectral(state, f"{name}_orig", f"{name}_u", f"{name}_v")
    torch.save(state, path, _use_new_zipfile_serialization=False)


# --- VQGANs and VAEs -------------------------------------------------------------------------------------------------

_F16 = Shape(False, 128, (1, 1, 2, 2, 4), 2, (4,), 256, 256, 16384)
_GUMBEL = Shape(True, 128, (1, 1, 2, 4), 2, (3,), 256, 256, 8192)
_LLAMAGEN = Shape(False, 128, (1, 1, 2, 2, 4), 2, (4,), 256, 8, 16384)
_VAE = Shape(False, 128, (1, 2, 4, 4), 2, (), 4, 4, 1)  # Stable Diffusion's, but for its codes


def _of_taming(shape: Shape) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        torch.save({"state_dict": _filled(_shapes(lambda: VQGAN(shape)))}, path)

    return write


def _of_llamagen(path: Path) -> None:
    words = {".block.": ".res.", ".mid.block_1.": ".mid.0.", ".mid.attn_1.": ".mid.1.", ".mid.block_2.": ".mid.2."}
    state = _filled(_shapes(lambda: VQGAN(_LLAMAGEN)))
    torch.save({"model": _renamed(state, words, "conv_blocks", "conv_blocks", len(_LLAMAGEN.ch_mult))}, path)


def _of_diffusers(path: Path) -> None:
    """The VAE of Stable Diffusion, whose encoder gives mean and variance."""
    words = {
        **{".mid.block_1.": ".mid_block.resnets.0.", ".mid.block_2.": ".mid_block.resnets.1."},
        **{".mid.attn_1.norm.": ".mid_block.attentions.0.group_norm.", ".mid.attn_1.": ".mid_block.attentions.0."},
        **{".block.": ".resnets.", ".nin_shortcut.": ".conv_shortcut.", ".norm_out.": ".conv_norm_out."},
        **{".downsample.conv.": ".downsamplers.0.conv.", ".upsample.conv.": ".upsamplers.0.conv."},
        **{f".attentions.0.{part}.": f".attentions.0.to_{part}." for part in "qkv"},
        ".proj_out.": ".to_out.0.",
    }
    shapes = {name: value for name, value in _shapes(lambda: VQGAN(_VAE)).items() if not name.startswith("quantize.")}
    for name in ("encoder.conv_out", "quant_conv"):
        rows = 2 * _VAE.z_channels
        columns = rows if name == "quant_conv" else shapes[f"{name}.weight"].shape[1]
        kernel = shapes[f"{name}.weight"].shape[2:]
        shapes[f"{name}.weight"] = torch.empty(rows, columns, *kernel, device="meta")
        shapes[f"{name}.bias"] = torch.empty(rows, device="meta")
    state = _renamed(_filled(shapes), words, "down_blocks", "up_blocks", len(_VAE.ch_mult))
    linear = {name: value.flatten(1) for name, value in state.items() if ".attentions." in name and value.ndim == 4}
    save_file({**state, **linear}, path)


def _renamed(state: State, words: Mapping[str, str], down: str, up: str, levels: int) -> State:
    """From the names of taming-transformers, which counts the decoder's levels from the full side."""

    def called(name: str) -> str:
        name = re.sub(r"^encoder\.down\.", f"encoder.{down}.", name)
        name = re.sub(r"^decoder\.up\.(\d+)", lambda level: f"decoder.{up}.{levels - 1 - int(level[1])}", name)
        for ours, theirs in words.items():
            name = name.replace(ours, theirs)
        return name

    return {called(name): value for name, value in state.items()}


# --- perceptual distances --------------------------------------------------------------------------------------------


def _alexnet(path: Path) -> None:
    """torchvision's layers of features; lpips brings its own weights for their channels."""
    models: Any = import_module("torchvision.models")
    state = _shapes(lambda: models.alexnet(weights=None).features)
    torch.save({f"features.{name}": value for name, value in _filled(state).items()}, path)


# --- CLIPs -----------------------------------------------------------------------------------------------------------


def _encoder(name: str) -> Callable[[Path], None]:
    """The folder of a published CLIP."""

    def write(folder: Path) -> None:
        import open_clip

        config = fetch.clip_config(catalogue.find(name))
        folder.mkdir(parents=True)
        (folder / clip.CONFIG).write_text(json.dumps(config), encoding="utf-8")
        if "hf_tokenizer_name" in config["model_cfg"]["text_cfg"]:
            _tokenizer(folder)
        model: Any = open_clip.create_model(f"local-dir:{folder}", load_weights=False)
        save_file({name: value.contiguous() for name, value in model.state_dict().items()}, folder / clip.WEIGHTS[0])

    return write


def _tokenizer(folder: Path) -> None:
    """One of few words in the place of SigLIP's, of its kind."""
    tokenizers: Any = import_module("tokenizers")
    pieces = ["<pad>", "</s>", "<unk>", *(f"▁{word}" for word in ("a", "blue", "tree", "in", "the", "snow")), "▁"]
    made = tokenizers.Tokenizer(tokenizers.models.Unigram([(p, -float(i)) for i, p in enumerate(pieces)], unk_id=2))
    made.pre_tokenizer = tokenizers.pre_tokenizers.Metaspace()
    made.add_special_tokens(pieces[:3])
    made.post_processor = tokenizers.processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    made.save(str(folder / "tokenizer.json"))
    said = {"tokenizer_class": "T5Tokenizer", "pad_token": "</s>", "eos_token": "</s>", "unk_token": "<unk>"}
    (folder / "tokenizer_config.json").write_text(json.dumps({**said, "model_max_length": 64}), encoding="utf-8")


GENERATORS = {
    "BigGAN-256": Made("gan", "biggan-256.pth", _biggan((16, 16, 8, 8, 4, 2, 1), 4, 20)),
    "BigGAN-512": Made("gan", "biggan-512.pth", _biggan((16, 16, 8, 8, 4, 2, 1, 1), 3, 16)),
    "BigGAN-deep-256": Made("gan", "biggan-deep-256.bin", _deep),
    "VQGAN f16": Made("gan", "vqgan-imagenet-16384.ckpt", _of_taming(_F16)),
    "VQGAN Gumbel f8": Made("gan", "vqgan-openimages-gumbel-f8.ckpt", _of_taming(_GUMBEL)),
    "LlamaGen VQ-16": Made("gan", "llamagen-vq-16.pt", _of_llamagen),
    "diffusers VAE": Made("vae", "diffusion_pytorch_model.safetensors", _of_diffusers),
}
BACKBONE = Made("lpips", Settings().backbone, _alexnet)
ENCODERS = {
    "OpenAI ViT-B/32": Made("clip_joint", "openai-vit-b-32", _encoder("openai-vit-b-32")),
    "LAION ViT-B/32": Made("clip_joint", "laion-vit-b-32", _encoder("laion-vit-b-32")),
    "SigLIP ViT-B/16": Made("clip_joint", "vit-b-16-siglip", _encoder("vit-b-16-siglip")),
}
