"""What may be sent for an input: odd texts and numbers, links from small graphs, and what a node needs to run."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

from host_client import Graph, Link

from guided_gan.core.published import catalogue

# Values that are allowed, but need more memory or time than a test has: at most these.
MODEST = {"width": 128, "height": 128, "micro_batch": 64, "batch": 8, "frames": 32, "columns": 16}

TEXTS = [
    *(
        "",
        " ",
        "\n\n",
        "a red house",
        "a red house\na blue tree",
        "|",
        "a|",
        ":",
        "a:0",
        "a:nan",
        "a:-inf",
        "a:2049",
        "a:1:1",
    ),
    *(
        "{a|b}",
        "{",
        "\ud800",
        "a\udfff",
        "\x00",
        "\x1b[31m",
        "\u202ea",
        "\U0001f600",
        "\u732b",
        "\u05d0",
        "%",
        "%s%n",
        "'\"\\`",
    ),
    *("a" * 1_000_000, "a " * 500_000, "|" * 100_000, "\n" * 100_000, "9" * 5_000, "1" * 100_000 + "x", "a:" * 50_000),
    *(
        "1",
        "0",
        "-1",
        "1 2 3",
        "1:0",
        "1:nan",
        "1:1e999",
        "1e400",
        "2.5",
        "inf",
        "nan",
        "0.5",
        "0.5 0.5",
        "0.5,,0.25",
        "1e-9",
    ),
    *(
        "all",
        "ALL",
        "top left",
        "top left, nowhere",
        ",",
        "../../evil",
        "..",
        "/evil",
        "C:\\evil",
        "a/../../evil",
        "~/evil",
    ),
    *("%date:yyyy-MM-dd%", "%date:%", "%year%", "%KSampler.seed%", "con", "a:b*c?", "a/", ".", "a" * 300, "a/b/c/d"),
    *("picturebook", "picturebook VQGAN", "../../../etc/passwd", "<script>", "None", "null", "true", "[]"),
]
NUMBERS: list[Any] = [
    *(0, 1, -1, 2, 0.5, -0.5, 1e-30, 1e30, 1e308, 2**31, 2**53, 2**63, 2**64 - 1, 2**64, -(2**63), 10**400),
    *(float("nan"), float("inf"), float("-inf"), "nan", "inf", "-1", "1e5", " 7 ", "seven", ""),
]
NOWHERE = ["nowhere", 0]  # a link from a node that is not in the graph
OTHERS: list[Any] = [
    *(None, True, False, [], {}, [1], [1, 2, 3], NOWHERE, {"a": 1}, {"__value__": [1, 2]}, {"__value__": None}),
]
LEFT_OUT = object()

Supply = Callable[[Graph], Link]


def _made(kind: str, slot: int = 0, **inputs: Any) -> Supply:
    """Adds a node to a graph, after those that its inputs come from, and gives one of its outputs."""

    def add(graph: Graph) -> Link:
        made = {name: value(graph) if callable(value) else value for name, value in inputs.items()}
        return graph.add(kind, **made)[slot]

    return add


_GAN, _VQGAN, _STYLEGAN = (
    _made("LoadGenerator", model=f"picturebook{family}") for family in ("", " VQGAN", " StyleGAN-T")
)
_CLIP, _VAE = _made("LoadCLIP"), _made("VAELoader", vae_name="pixel_space")
_OF_VAE = _made("VAEGenerator", vae=_VAE, width=64, height=64)
_TRANSPARENT = _made("Transparency", generator=_GAN)
_TARGET = _made("EncodeText", clip=_CLIP)
_LOSS = _made("AugCLIPLoss", clip=_CLIP, target=_TARGET, copies=2)
_LATENT = _made("RandomLatent", generator=_GAN)
_FEW: dict[str, Any] = {"generator": _GAN, "loss": _LOSS, "candidates": 20, "k": 3}
_IMAGE = _made("EmptyImage", width=64, height=64, color=0x40A060)
_SPOT = _made("SolidMask", value=1.0, width=16, height=16)
_DARK = _made("SolidMask", value=0.0, width=64, height=64)

# What can be linked to an input of a type; the first one suits most nodes.
SOCKETS: dict[str, list[Supply]] = {
    "GAN_GENERATOR": [_GAN, _VQGAN, _STYLEGAN, _OF_VAE, _TRANSPARENT],
    "GAN_LATENT": [
        *(_LATENT, _made("RandomLatent", generator=_VQGAN), _made("StyleGANTSample", generator=_STYLEGAN, clip=_CLIP)),
        *(_made("RandomLatent", generator=_GAN, batch=3), _made("RandomLatent", generator=_OF_VAE)),
        _made("RandomLatent", generator=_TRANSPARENT),
    ],
    "GAN_BASIS": [
        *(
            _made("BasisInit", **_FEW),
            _made("BasisInit", **_FEW, weighting="softmax"),
            _made("BasisInit", **_FEW, batch=2),
        ),
        _made("MaskLatent", generator=_VQGAN, latent=_made("RandomLatent", generator=_VQGAN), mask=_SPOT),
    ],
    "CLIP_JOINT": [
        _CLIP,
        _made("LoadCLIP", model="picturebook robust"),
        _made("CombineCLIP", clip_1=_CLIP, clip_2=_CLIP),
    ],
    "CLIP_TARGET": [_TARGET, _made("EncodeImagePrompt", clip=_CLIP, image=_IMAGE)],
    "GUIDANCE_LOSS": [
        *(_LOSS, _made("CutoutLoss", clip=_CLIP, target=_TARGET, cutouts=2), _made("TotalVariationLoss")),
        *(
            _made("AddLosses", loss_1=_LOSS, loss_2=_made("LatentRegularization")),
            _made("PerceptualLoss", image=_IMAGE),
        ),
        _made("OpacityLoss"),
    ],
    "SCORE_CURVE": [_made("Optimize", 3, generator=_GAN, loss=_LOSS, latent=_LATENT, steps=1)],
    "IMAGE": [
        *(_IMAGE, _made("EmptyImage", width=1, height=1), _made("EmptyImage", width=2, height=200)),
        _made("EmptyImage", width=130, height=70, batch_size=3),
    ],
    "MASK": [
        _made("MaskComposite", destination=_DARK, source=_SPOT, x=20, y=20, operation="add"),
        *(_SPOT, _DARK, _made("SolidMask", value=1.0, width=64, height=64)),
    ],
    "VAE": [_VAE],
    "LATENT": [_made("VAEEncode", pixels=_IMAGE, vae=_VAE), _made("EmptyLatentImage", width=64, height=64)],
}
# And to a field.
FIELDS: dict[str, list[Supply]] = {
    "INT": [_made("PrimitiveInt", value=value) for value in (-7, 0, 2**53)],
    "FLOAT": [_made("PrimitiveFloat", value=value) for value in (-1e9, 0.0, 1e15)],
    "STRING": [_made("PrimitiveString", value=value) for value in ("", "\ud800", "a" * 100_000, "7 7")],
    "BOOLEAN": [_made("PrimitiveBoolean", value=True)],
}
SUPPLIES = SOCKETS | FIELDS
# Nodes whose sockets need another supply than the first, by its place.
SUITED = {
    "SetSize": {"GAN_GENERATOR": 1},
    "CodebookSampling": {"GAN_GENERATOR": 1},
    "SeamlessTiles": {"GAN_GENERATOR": 1},
    "Redraw": {"GAN_GENERATOR": 1},
    "EncodeImage": {"GAN_GENERATOR": 1},
    "MaskLatent": {"GAN_GENERATOR": 1, "GAN_LATENT": 1},
    "Animate": {"GAN_GENERATOR": 1, "GAN_LATENT": 1},
    "RestyleVideo": {"GAN_GENERATOR": 1},
    "StyleGANTSample": {"GAN_GENERATOR": 2},
    "Truncate": {"GAN_GENERATOR": 2, "GAN_LATENT": 2},
    "EditLatent": {"GAN_GENERATOR": 2, "GAN_LATENT": 2},
    "LatentToVAE": {"GAN_GENERATOR": 3, "GAN_LATENT": 4},
    "VAEToLatent": {"GAN_GENERATOR": 3},
    "DecodeCutOut": {"GAN_GENERATOR": 4, "GAN_LATENT": 5},
}
SMALL: dict[str, Any] = {
    "steps": 1,
    "copies": 2,
    "candidates": 20,
    "crops": 10,
    "frames": 2,
    "steps_per_frame": 1,
    "first_steps": 1,
    "cutouts": 2,
    "k": 3,
    "colours": "navy gold",  # a palette needs some, if no picture brings them
}
# Optional inputs that a node does not work without.
NEEDED = {
    "Optimize": {"latent": _LATENT},
    "SaveLatent": {"latent": _LATENT},
    "StyleGANTSample": {"clip": _CLIP},
    "EditLatent": {"clip": _CLIP},
    "Interpolate": {"latent_b": _LATENT},
}


def odd_value(graph: Graph, name: str, spec: list[Any], rng: random.Random) -> Any:
    """A value for an input, or LEFT_OUT."""
    kind, options = spec[0], spec[1] if len(spec) > 1 else {}
    chance = rng.random()
    if chance < 0.05:
        return LEFT_OUT
    if chance < 0.15:
        return rng.choice(OTHERS)
    if chance < 0.2:
        return rng.choice(SUPPLIES[rng.choice(sorted(SUPPLIES))])(graph)
    if kind in SUPPLIES and chance < (0.8 if kind in SOCKETS else 0.35):
        return rng.choice(SUPPLIES[kind])(graph)
    if kind in ("INT", "FLOAT"):
        return _number(name, options, rng)
    if kind == "COMBO" and chance < 0.7:
        return rng.choice([choice for choice in options["options"] if not _published(choice)])
    return rng.choice(TEXTS)


def _number(name: str, options: dict[str, Any], rng: random.Random) -> Any:
    low, highest, step = options["min"], options["max"], options.get("step", 1)
    high = min(highest, MODEST.get(name, highest))
    value = rng.choice([*NUMBERS, low, high, low - step, highest + step, rng.uniform(low, high)])
    return high if isinstance(value, int | float) and high < value <= highest else value


def _published(choice: str) -> bool:
    """Whether a menu's choice would be downloaded."""
    return any(choice == entry.name for kind in ("gan", "clip_joint", "lpips") for entry in catalogue.published(kind))
