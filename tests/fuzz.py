"""Odd values for every input of every node, queued through the API of a running host; and what must hold all the same.

A try is a small graph of a node with what it needs, with one or two of its inputs exchanged for values that a client
may send. The host must answer; what it refuses must be refused in words; and what runs must end, or stop when asked to.
"""

from __future__ import annotations

import json
import random
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from host_client import Graph, Link, Prompt, fields_by_hand, within

from guided_gan.core import errors
from guided_gan.core.published import catalogue

PREFIX = "GuidedGAN_"
LONGEST_MESSAGE = errors.MOST + 200  # and what the host puts around it
PATIENCE = 2.0  # seconds that a try may run before it is stopped
STOP = 60.0  # and that it may take to stop, on a busy machine
OURS = {kind.__name__ for kind in (errors.PackError, *errors.PackError.__subclasses__())}
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
_TARGET = _made("EncodeText", clip=_CLIP)
_LOSS = _made("AugCLIPLoss", clip=_CLIP, target=_TARGET, copies=2)
_LATENT = _made("RandomLatent", generator=_GAN)
_FEW: dict[str, Any] = {"generator": _GAN, "loss": _LOSS, "candidates": 20, "k": 3}
_IMAGE = _made("EmptyImage", width=64, height=64, color=0x40A060)
_SPOT = _made("SolidMask", value=1.0, width=16, height=16)
_DARK = _made("SolidMask", value=0.0, width=64, height=64)

# What can be linked to an input of a type; the first one suits most nodes.
SOCKETS: dict[str, list[Supply]] = {
    "GAN_GENERATOR": [_GAN, _VQGAN, _STYLEGAN, _OF_VAE],
    "GAN_LATENT": [
        *(_LATENT, _made("RandomLatent", generator=_VQGAN), _made("StyleGANTSample", generator=_STYLEGAN, clip=_CLIP)),
        *(_made("RandomLatent", generator=_GAN, batch=3), _made("RandomLatent", generator=_OF_VAE)),
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
    "EncodeImage": {"GAN_GENERATOR": 1},
    "MaskLatent": {"GAN_GENERATOR": 1, "GAN_LATENT": 1},
    "Animate": {"GAN_GENERATOR": 1, "GAN_LATENT": 1},
    "RestyleVideo": {"GAN_GENERATOR": 1},
    "StyleGANTSample": {"GAN_GENERATOR": 2},
    "Truncate": {"GAN_GENERATOR": 2, "GAN_LATENT": 2},
    "EditLatent": {"GAN_GENERATOR": 2, "GAN_LATENT": 2},
    "LatentToVAE": {"GAN_GENERATOR": 3, "GAN_LATENT": 4},
    "VAEToLatent": {"GAN_GENERATOR": 3},
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


@dataclass(frozen=True)
class Try:
    """A prompt, and the inputs of a node that are odd in it."""

    node: str
    odd: dict[str, Any]
    prompt: Prompt

    def __str__(self) -> str:
        values = {name: "nothing" if value is LEFT_OUT else repr(value) for name, value in self.odd.items()}
        return f"{self.node} with " + ", ".join(f"{name} = {errors.shortened(value)}" for name, value in values.items())


def plain(definitions: dict[str, Any], node: str) -> Try:
    """A node with nothing odd: it runs."""
    return _try(definitions, node, (), random.Random())


def tries(definitions: dict[str, Any], count: int, seed: int) -> Iterator[Try]:
    """So many tries: all inputs of all nodes in turn, half of them with another input of the node, by the seed."""
    rng = random.Random(seed)
    places = [
        (name.removeprefix(PREFIX), key, spec)
        for name, node in definitions.items()
        if name.startswith(PREFIX)
        for key, spec, _ in within(node)
    ]
    while count > 0:
        rng.shuffle(places)
        for node, key, spec in places[:count]:
            another = rng.choice([other for other in places if other[0] == node])
            odd = {key: spec, another[1]: another[2]} if rng.random() < 0.5 else {key: spec}
            yield _try(definitions, node, odd.items(), rng)
        count -= len(places)


def _try(definitions: dict[str, Any], node: str, odd: Iterable[tuple[str, Any]], rng: random.Random) -> Try:
    graph = Graph(definitions)
    required = definitions[PREFIX + node]["input"].get("required", {})
    suited = SUITED.get(node, {})
    given = {
        name: SOCKETS[spec[0]][suited.get(spec[0], 0)](graph) for name, spec in required.items() if spec[0] in SOCKETS
    }
    fields = required.keys() | fields_by_hand(definitions[PREFIX + node])
    given |= {name: value for name, value in SMALL.items() if name in fields}
    given |= {name: supply(graph) for name, supply in NEEDED.get(node, {}).items()}
    values = {key: _odd(graph, key, spec, rng) for key, spec in odd}
    added = graph.add(node, **given)
    values = {key: value for key, value in values.items() if not _ends_the_host(key, value, added.inputs, values)}
    for key, value in values.items():
        if value is LEFT_OUT:
            added.inputs.pop(key, None)
        else:
            added.inputs[key] = value
    for slot in range(len(definitions[PREFIX + node]["output"])):
        graph.add("PreviewAny", source=added[slot])  # which prints whatever it is given
    return Try(node, values, graph.prompt)


def _ends_the_host(key: str, value: Any, inputs: Mapping[str, Any], odd: Mapping[str, Any]) -> bool:
    """Whether it is a link to no node in a field of a choice that a menu may not have made.

    The host does not check such a field; at the link, its only worker ends, whatever the node.
    """
    menu = key.partition(".")[0]
    return value == NOWHERE and menu != key and (key not in inputs or menu in odd)


def _odd(graph: Graph, name: str, spec: list[Any], rng: random.Random) -> Any:
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


class Host:
    """A running host, asked over HTTP alone."""

    def __init__(self, url: str) -> None:
        self._url = url

    def ask(self, path: str, body: Any = None) -> tuple[int, Any]:
        """Status and JSON of a request; a body makes it a POST."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self._url + path, data, {"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=STOP) as answer:
                return answer.status, json.loads(answer.read() or b"null")
        except urllib.error.HTTPError as error:
            text = error.read()
            with error:
                return error.code, json.loads(text) if text[:1] == b"{" else text.decode(errors="replace")

    def run(self, prompt: Prompt, patience: float = PATIENCE) -> dict[str, Any]:
        """The history entry of a prompt, which is interrupted once it has run for so many seconds.

        Raises:
            Refused: the host refuses it. TimeoutError: it neither ends nor stops.
        """
        status, reply = self.ask("/prompt", {"prompt": prompt})
        if status != 200 or reply.get("node_errors"):
            raise Refused(status, reply)
        start, asked = time.monotonic(), False
        while time.monotonic() - start < patience + STOP:
            _, history = self.ask(f"/history/{reply['prompt_id']}")
            if history:
                return history[reply["prompt_id"]]
            if not asked and time.monotonic() - start > patience:
                asked = True
                self.ask("/interrupt", {})
            time.sleep(0.02)
        raise TimeoutError


class Refused(Exception):
    """The host refused a prompt: its status and reply."""


def fault(host: Host, odd: Try) -> str | None:
    """What is wrong with how the host took a try, or None."""
    try:
        entry = host.run(odd.prompt)
    except Refused as refused:
        return _fault_of_refusal(*refused.args)
    except TimeoutError:
        return f"it neither ends nor stops within {STOP:.0f} s"
    except OSError as error:
        return f"the host does not answer: {error!r}"
    for kind, data in entry["status"]["messages"]:
        if kind == "execution_error" and data["node_type"].startswith(PREFIX):
            if data["exception_type"] not in OURS:
                return f"{data['exception_type']}: {data['exception_message'][:300]} {data['traceback'][-1].strip()}"
            if len(data["exception_message"]) > LONGEST_MESSAGE:
                return f"a message of {len(data['exception_message'])} characters"
    return None


def _fault_of_refusal(status: int, reply: Any) -> str | None:
    if not isinstance(reply, dict):
        # The host's own validation breaks on some values before a node is asked, as on a list for an identity.
        return None if status == 500 and PREFIX not in reply else f"status {status}: {reply[:300]}"
    for found in reply["node_errors"].values():
        for error in found["errors"]:
            if len(error["details"]) > LONGEST_MESSAGE and error["type"] == "custom_validation_failed":
                return f"a message of {len(error['details'])} characters"
            places = error.get("extra_info", {}).get("traceback", [])
            if any("guided_gan" in place for place in places):
                return f"{error['message']}: {error['details'][:300]} {places[-1].strip()}"
    return None
