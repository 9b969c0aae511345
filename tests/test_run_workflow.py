"""Workflows as the editor saves them become prompts for the host: widgets, links, bypassed nodes and subgraphs."""

import pytest
from toy_workflow import DEFINITIONS, graph, inputs, link, toy_workflow  # noqa: F401 (one is a fixture)

from guided_gan.launcher import LauncherError
from guided_gan.launcher.workflow import Workflow


def inner():
    """The toy graph with its third node in a subgraph that two nodes stand for; the second feeds what follows."""
    outer = graph()
    first = outer["nodes"].pop(2)
    names = ("seed", "method", "method.sigma", "method.pop", "steps", "preview")
    seed, *others = [{"name": name, "type": "x", "widget": {"name": name}, "link": None} for name in names]
    first["inputs"] = [{**first["inputs"][0], "link": 1}, {**seed, "link": 3}, *others]
    fed = [{"name": "gan", "type": "GAN_GENERATOR", "link": 10}, seed]
    for identity in (8, 9):
        outer["nodes"].append({"id": identity, "type": "one", "inputs": fed, "widgets_values": [identity - 3]})
    outer["nodes"] = [node for node in outer["nodes"] if node["type"] not in ("ImageInvert", "Reroute", "MarkdownNote")]
    outer["nodes"][2]["inputs"][0]["link"] = outer["nodes"][3]["inputs"][0]["link"] = 11
    outer["links"] = [[10, 1, 0, 8, 0, "GAN_GENERATOR"], [11, 9, 0, 6, 0, "IMAGE"]]
    named = ("id", "origin_id", "origin_slot", "target_id", "target_slot", "type")
    links = [(1, -10, 0, 3, 0, "GAN_GENERATOR"), (2, 3, 1, -20, 0, "IMAGE"), (3, -10, 1, 3, 1, "INT")]
    one = {"id": "one", "nodes": [first], "links": [dict(zip(named, link, strict=True)) for link in links]}
    outer["definitions"] = {"subgraphs": [one]}
    return outer


def primitive():
    """The toy graph with a primitive that feeds a number to its second node, and through a reroute to its third."""
    fed = graph()
    fed["nodes"][1]["inputs"].append({**link("weight", 21), "widget": {"name": "weight"}})
    fed["nodes"][2]["inputs"].append(link("steps", 23))
    fed["nodes"].append({"id": 22, "type": "Reroute", "inputs": [link("", 22)]})
    fed["nodes"].append({"id": 20, "type": "PrimitiveNode", "widgets_values": [4, "fixed"]})
    fed["links"] += [[21, 20, 0, 2, 1, "FLOAT"], [22, 20, 0, 22, 0, "*"], [23, 22, 0, 3, 1, "INT"]]
    return fed


class TestConversion:
    def test_widgets_are_named_by_position(self, workflow):
        assert inputs(workflow, "3") == {
            "seed": 7,
            "method": "cma",
            "method.sigma": 0.3,
            "method.pop": 12,
            "steps": 50,
            "preview": True,
            "generator": ["1", 0],
        }

    def test_a_value_the_file_lacks_is_the_default(self, workflow):
        assert inputs(workflow, "2") == {"text": "a tree", "weight": 1.0}

    def test_bypassed_nodes_and_reroutes_are_looked_through(self, workflow):
        assert inputs(workflow, "6")["images"] == ["3", 1]

    def test_only_nodes_that_run_are_sent(self, workflow):
        assert set(workflow.prompt) == {"1", "2", "3", "6"}

    def test_a_muted_source_feeds_nothing(self):
        muted = graph()
        muted["nodes"][0]["mode"] = 2
        assert "generator" not in inputs(Workflow(muted, DEFINITIONS), "3")

    def test_subgraphs_stand_for_what_is_in_them(self):
        nested = inner()
        workflow = Workflow(nested, DEFINITIONS)
        assert set(workflow.prompt) == {"1", "2", "6", "8:3", "9:3"}
        assert inputs(workflow, "8:3") == {**inputs(Workflow(graph(), DEFINITIONS), "3"), "seed": 5}
        assert inputs(workflow, "9:3")["seed"] == 6
        assert inputs(workflow, "6")["images"] == ["9:3", 1]

    def test_what_stands_on_a_subgraph_is_set_there(self):
        workflow = Workflow(inner(), DEFINITIONS)
        workflow.set_input("8:3.seed=40")
        assert workflow.graph is not None
        assert [node["widgets_values"] for node in workflow.graph["nodes"] if node["id"] in (8, 9)] == [[40], [6]]
        assert inputs(workflow, "9:3")["seed"] == 6

    def test_what_two_subgraphs_share_is_set_in_both(self):
        workflow = Workflow(inner(), DEFINITIONS)
        workflow.set_input("8:3.steps=40")
        assert inputs(workflow, "8:3")["steps"] == inputs(workflow, "9:3")["steps"] == 40
        assert workflow.graph is not None

    def test_a_muted_subgraph_runs_nothing(self):
        nested = inner()
        next(node for node in nested["nodes"] if node["id"] == 9)["mode"] = 2
        assert set(Workflow(nested, DEFINITIONS).prompt) == {"1", "2", "6", "8:3"}

    def test_names_in_the_file_come_before_positions(self):
        """A file from before `steps` stood after `method`, whose widgets are named, keeps its meaning."""
        old = graph()
        names = ["steps", "seed", "method", "method.lr"]
        old["nodes"][2]["inputs"] += [{"name": n, "type": "x", "widget": {"name": n}, "link": None} for n in names]
        old["nodes"][2]["widgets_values"] = [50, 7, "fixed", "adam", 0.1]
        converted = inputs(Workflow(old, DEFINITIONS), "3")
        expected = {"steps": 50, "seed": 7, "method.lr": 0.1, "preview": False}
        assert {name: converted[name] for name in expected} == expected

    def test_an_input_within_an_option_is_where_its_forerunner_was(self):
        """A file from before the options had inputs of their own calls what followed the combo by another name."""
        old = graph()
        names = ["seed", "method", "force", "steps"]
        old["nodes"][2]["inputs"] += [{"name": n, "type": "x", "widget": {"name": n}, "link": None} for n in names]
        old["nodes"][2]["widgets_values"] = [7, "fixed", "adam", 0.3, 50]
        workflow = Workflow(old, DEFINITIONS)
        expected = {"seed": 7, "method": "adam", "method.lr": 0.3, "steps": 50, "preview": False}
        assert {name: inputs(workflow, "3")[name] for name in expected} == expected
        workflow.set_input("3.method.lr=0.7")
        assert workflow.graph is not None
        assert workflow.graph["nodes"][2]["widgets_values"] == [7, "fixed", "adam", 0.7, 50]

    def test_a_linked_widget_is_fed_by_its_link(self):
        linked = graph()
        linked["nodes"][1]["inputs"].append({**link("text", 14, "STRING"), "widget": {"name": "text"}})
        linked["links"].append([14, 1, 2, 2, 1, "STRING"])
        assert inputs(Workflow(linked, DEFINITIONS), "2")["text"] == ["1", 2]

    def test_a_primitive_gives_its_value_to_all_that_it_feeds(self):
        fed = primitive()
        workflow = Workflow(fed, DEFINITIONS)
        assert inputs(workflow, "2")["weight"] == inputs(workflow, "3")["steps"] == 4
        assert "20" not in workflow.prompt
        workflow.set_input("3.steps=5")
        assert inputs(workflow, "2")["weight"] == 5
        assert workflow.graph is not None
        assert workflow.graph["nodes"][-1]["widgets_values"] == [5, "fixed"]

    @pytest.mark.parametrize(("change", "steps"), [({"mode": 2}, 4), ({"widgets_values": []}, 50)])
    def test_a_primitive_counts_if_it_is_muted_but_not_without_a_value(self, change, steps):
        fed = primitive()
        fed["nodes"][-1].update(change)
        assert inputs(Workflow(fed, DEFINITIONS), "3")["steps"] == steps

    def test_values_may_be_saved_by_name(self):
        named = graph()
        film = {"images": ["IMAGE"], "rate": ["FLOAT", {"default": 8.0}], "loops": ["INT", {"default": 3}]}
        saved = {"loops": 0, "crf": 19, "preview": {"hidden": False}}  # the second is a widget of the page alone
        named["nodes"][5] = {**named["nodes"][5], "type": "Film", "widgets_values": saved}
        workflow = Workflow(named, {**DEFINITIONS, "Film": {"input": {"required": film}}})
        assert inputs(workflow, "6") == {"loops": 0, "crf": 19, "rate": 8.0, "images": ["3", 1]}
        workflow.set_input("6.loops=2")
        assert workflow.graph is not None
        assert workflow.graph["nodes"][5]["widgets_values"] == {**saved, "loops": 2}

    @pytest.mark.parametrize(
        ("at", "instead", "words"),
        [
            (0, [], r"does not list link 10, an input of node 3; open it in ComfyUI, connect"),
            (1, [], r"does not list link 11, an input of node 4;"),  # which is bypassed
            (0, [[10, 99, 0, 3, 0, "GAN_GENERATOR"]], r"lacks node 99, from which its link 10 comes;"),
            (0, [None], r"lists null among its links, which is none;"),
            (0, [[10, 1, 0]], r"lists \[10, 1, 0\] among its links"),
            (0, [{"id": 10, "origin_id": 1}], r'lists \{"id": 10, .* among its links'),
        ],
    )
    def test_links_that_are_none_are_told(self, at, instead, words):
        broken = graph()
        broken["links"][at : at + 1] = instead
        with pytest.raises(LauncherError, match=words):
            Workflow(broken, DEFINITIONS)

    def test_an_unknown_node_is_named(self):
        with pytest.raises(LauncherError, match=r"does not know SaveImage \(node 6\)"):
            Workflow(graph(), {k: v for k, v in DEFINITIONS.items() if k != "SaveImage"})
