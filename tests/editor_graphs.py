"""Graphs in the editor's form: a template that is quick, one of its nodes, and other values of their widgets."""

import json

from guided_gan.launcher import cli

QUICK = {
    "GuidedGAN_BasisInit": {"k": 10, "candidates": 200, "weighting": "softmax"},
    "GuidedGAN_Optimize": {"steps": 4, "lr": 0.05, "latent_noise": 0.25},
    "GuidedGAN_ComposeOptimize": {"steps": 2, "lr": 0.05, "latent_noise": 0.1},
}


def template(name):
    """A template, with settings that make it quick."""
    graph = json.loads(cli.workflow_file(name).read_text(encoding="utf-8"))
    for kind, values in QUICK.items():
        by_hand(graph, kind, **values)
    return graph


def node(graph, kind):
    """The identity of the only node of a type."""
    (found,) = (one["id"] for one in graph["nodes"] if one["type"] == kind)
    return found


def nodes(graph, kind):
    """The nodes of a type, those in subgraphs too."""
    graphs = [graph, *graph.get("definitions", {}).get("subgraphs", [])]
    return [node for graph in graphs for node in graph["nodes"] if node["type"] == kind]


def by_hand(graph, kind, **fields):
    """Set the nodes of a type by hand, in the editor's form: the fields stand behind the choice."""
    set_widgets(graph, kind, settings="by hand")
    widgets = [{"name": f"settings.{name}", "widget": {"name": f"settings.{name}"}, "link": None} for name in fields]
    for one in nodes(graph, kind):
        behind = [socket["name"] for socket in one["inputs"]].index("settings") + 1
        one["inputs"][behind:behind] = widgets
        place = one["widgets_values"].index("by hand") + 1
        one["widgets_values"][place:place] = fields.values()


def set_widgets(graph, kind, **values):
    """Set widgets of the nodes of a type, in the editor's form."""
    for node in nodes(graph, kind):
        names = [one["name"] for one in node["inputs"] if one.get("widget")]
        for name, value in values.items():
            # After a seed stands what is to become of it, which has no name.
            node["widgets_values"][names.index(name) + ("seed" in names[: names.index(name)])] = value
