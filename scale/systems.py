"""The systems of an evaluation: the papers' methods, by the pack's workflows, and any other workflow."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Any

from ..launcher import LauncherError
from ..picturebook import ENSEMBLES
from .batch import load

CLIP = "GuidedGAN_LoadCLIP"
_SEARCH = {
    "steps": "GuidedGAN_Optimize.steps",
    "model": "GuidedGAN_LoadGenerator.model",
    "clip": f"{CLIP}.model",
}
_START = {"candidates": "GuidedGAN_BasisInit.candidates", "copies": "GuidedGAN_AugCLIPLoss.copies"}


@dataclass(frozen=True)
class Preset:
    """A method of a paper.

    Attributes:
        about: a description.
        workflow: short name of a workflow of the pack, whose settings are the defaults.
        pictures: NODE.OUTPUT that gives its pictures.
        options: short names of inputs, and their NODE.INPUT.
        fixed: values of inputs that turn the workflow into this method.
    """

    about: str
    workflow: str
    pictures: str
    options: Mapping[str, str]
    fixed: Mapping[str, str] = field(default_factory=dict)


PRESETS = {
    "fusedream": Preset(
        "FuseDream's search", "fusedream", "GuidedGAN_Optimize.0", {"k": "GuidedGAN_BasisInit.k", **_START, **_SEARCH}
    ),
    "best-of": Preset(
        "the best of M candidates, without a search",
        "fusedream",
        "GuidedGAN_BasisInit.1",
        {**_START, "model": _SEARCH["model"], "clip": _SEARCH["clip"]},
        {"GuidedGAN_BasisInit.k": "1"},
    ),
    "vqgan-clip": Preset(
        "VQGAN-CLIP's search",
        "vqgan_clip",
        "GuidedGAN_Optimize.0",
        {"cutouts": "GuidedGAN_CutoutLoss.cutouts", "redraw": "GuidedGAN_Redraw.times", **_SEARCH},
    ),
    "stylegan-t": Preset(
        "StyleGAN-T, truncated by psi",
        "truncation_grid",
        "GuidedGAN_Decode.0",
        {"psi": "GuidedGAN_Truncate.psi", "model": _SEARCH["model"], "clip": _SEARCH["clip"]},
        {"GuidedGAN_Truncate.psi": "1", "GuidedGAN_StyleGANTSample.batch": "1"},
    ),
}


@dataclass(frozen=True)
class System:
    """A system that draws a picture for a caption.

    Attributes:
        name: as given by the user.
        graph: a workflow in the editor's format.
        settings: NODE.INPUT=VALUE each.
        method: the preset, or the file of the workflow.
        psi: the value of truncation, if it is set; otherwise None.
    """

    name: str
    graph: Mapping[str, Any]
    settings: Sequence[str]
    method: str
    psi: float | None = None

    @property
    def clips(self) -> set[str]:
        """The CLIPs that it uses, by their names in the node's menu; of an ensemble, its members."""
        found = {
            str(node["id"]): (node, (node.get("widgets_values") or [""])[0])
            for node in self.graph["nodes"]
            if node["type"] == CLIP
        }
        for setting in self.settings:
            place, _, value = setting.partition("=")
            for identity, (node, _) in found.items():
                if place in (f"{name}.model" for name in (identity, node["type"], node.get("title"))):
                    found[identity] = node, value
        return {name for _, value in found.values() for name in ENSEMBLES.get(value, (value,))}


def systems(asked: Sequence[str]) -> list[System]:
    """The systems in the notation NAME:OPTION=VALUE,...; VALUE|VALUE gives a system for each value.

    NAME is a preset or a workflow's file; OPTION is one of the preset's short names, or NODE.INPUT.

    Raises:
        LauncherError: there is no such preset, workflow or option, or a system is given twice.
    """
    found = [system for each in asked for system in _expanded(each)]
    if len({system.name for system in found}) < len(found):
        raise LauncherError("a system is asked for twice; each must differ in its options.")
    return found


def _expanded(asked: str) -> Iterator[System]:
    name, _, options = asked.partition(":")
    preset = PRESETS.get(name)
    pairs = [option.partition("=") for option in options.split(",") if option]
    for values in product(*(value.split("|") for _, _, value in pairs)):
        chosen = {key: value for (key, _, _), value in zip(pairs, values, strict=True)}
        if lacking := [key for key in chosen if "." not in key and key not in (preset.options if preset else {})]:
            there = ", ".join(preset.options) if preset else "none"
            raise LauncherError(f"{name} has no option {lacking[0]!r}, only {there}, and inputs as NODE.INPUT.")
        label = name + ":" * bool(chosen) + ",".join(f"{key}={value}" for key, value in chosen.items())
        places = {preset.options.get(key, key) if preset else key: value for key, value in chosen.items()}
        graph = saving(load(preset.workflow), preset.pictures) if preset else _own(name)
        settings = {**(preset.fixed if preset else {}), **places}
        psi = float(settings[_PSI]) if _PSI in settings else None
        yield System(label, graph, [f"{place}={value}" for place, value in settings.items()], name, psi)


def _own(name: str) -> dict[str, Any]:
    """The graph of a workflow that is no preset.

    Raises:
        LauncherError: as `load`; the message lists the presets too.
    """
    try:
        return load(name)
    except LauncherError as error:
        raise LauncherError(f"{name} is none of {', '.join(PRESETS)}, and {error}") from error


_PSI = PRESETS["stylegan-t"].options["psi"]


def saving(graph: Mapping[str, Any], place: str) -> dict[str, Any]:
    """The part of a graph that computes NODE.OUTPUT, with a node that saves its pictures; NODE is an id or a type.

    Raises:
        LauncherError: it has no such node.
    """
    name, _, slot = place.rpartition(".")
    nodes = {node["id"]: node for node in graph["nodes"]}
    source = next((node["id"] for node in graph["nodes"] if name in (str(node["id"]), node["type"])), None)
    if source is None:
        raise LauncherError(f"the workflow has no node {name}.")
    kept, sources = set(), [source]
    while sources:
        kept.add(node := sources.pop())
        sources += [link[1] for link in graph["links"] if link[3] == node]
    new, wire = max(nodes) + 1, max(link[0] for link in graph["links"]) + 1
    save = {
        "id": new,
        "type": "SaveImage",
        "inputs": [{"name": "images", "type": "IMAGE", "link": wire}],
        "widgets_values": ["picture"],
    }
    shipped = graph.get("extra", {}).get("guided_gan", {})

    def of_kept(places: Mapping[str, Any]) -> dict[str, Any]:
        return {place: value for place, value in places.items() if place.partition(".")[0] in map(str, kept)}

    fields = {**shipped, "texts": of_kept(shipped.get("texts", {})), "seeds": of_kept(shipped.get("seeds", {}))}
    return {
        **graph,
        "nodes": [node for node in graph["nodes"] if node["id"] in kept] + [save],
        "links": [link for link in graph["links"] if link[3] in kept] + [[wire, source, int(slot), new, 0, "IMAGE"]],
        "extra": {**graph.get("extra", {}), "guided_gan": fields},
    }
