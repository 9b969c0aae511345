"""What run.py's demo changes in a workflow: inputs, the seed and prompts, and what a picture was made with."""

import pytest
from toy_workflow import DEFINITIONS, graph, inputs, toy_workflow  # noqa: F401 (one is a fixture)

from guided_gan.launcher import LauncherError
from guided_gan.launcher.workflow import Workflow


def several():
    """The toy graph, whose last prompt takes any number of texts."""
    said = graph()
    said["extra"]["guided_gan"]["prompts"][1] |= {"several": True, "count": "3.steps"}
    said["extra"]["guided_gan"]["texts"]["2.text"] = "{style}"
    return said


class TestChanges:
    def test_the_prompt_and_the_saved_graph_change_together(self, workflow):
        workflow.set_prompts(["a blue tree", "striped"])
        workflow.set_seed(41)
        workflow.set_input("GuidedGAN_Optimize.steps=9")
        again = Workflow(workflow.graph, DEFINITIONS)
        assert again.prompt == workflow.prompt
        assert inputs(again, "2")["text"] == "a blue tree | striped:0.5"
        assert inputs(again, "6")["filename_prefix"] == "a blue tree"
        assert (inputs(again, "3")["seed"], inputs(again, "3")["steps"]) == (43, 9)

    def test_the_given_graph_is_not_changed(self):
        given = graph()
        Workflow(given, DEFINITIONS).set_seed(41)
        assert given == graph()

    @pytest.mark.parametrize("node", ["3", "Optimize", "GuidedGAN_Optimize"])
    def test_a_node_goes_by_id_title_or_type(self, workflow, node):
        workflow.set_input(f"{node}.steps=3")
        assert inputs(workflow, "3")["steps"] == 3

    def test_text_stays_text_and_other_values_are_read(self, workflow):
        workflow.set_input("Wish.text=7 = seven. Ok")
        workflow.set_input("3.preview=false")
        assert inputs(workflow, "2")["text"] == "7 = seven. Ok"
        assert inputs(workflow, "3")["preview"] is False

    def test_another_option_brings_its_own_inputs(self, workflow):
        workflow.set_input("3.method=adam")
        method = {name: value for name, value in inputs(workflow, "3").items() if name.startswith("method")}
        assert method == {"method": "adam", "method.lr": 0.05}
        (saved,) = (node["widgets_values"] for node in workflow.graph["nodes"] if node["id"] == 3)
        assert saved == [7, "randomize", "adam", 0.05, 50, True]
        assert inputs(Workflow(workflow.graph, DEFINITIONS), "3") == inputs(workflow, "3")

    @pytest.mark.parametrize(
        ("assignment", "words"),
        [
            ("steps", "takes NODE.INPUT=VALUE"),
            ("steps=3", "takes NODE.INPUT=VALUE"),
            ("3.=3", "takes NODE.INPUT=VALUE"),
            ("Nobody.steps=3", r"no node is called 'Nobody'; there are .*Optimize \(3"),
            ("3.step=3", "Optimize has no input 'step', only .*steps"),
            ("3.steps=many", "the value now there is 50; 'many' is none of that kind"),
        ],
    )
    def test_bad_forms_say_what_is_wrong(self, workflow, assignment, words):
        with pytest.raises(LauncherError, match=words):
            workflow.set_input(assignment)


class TestPrompts:
    @pytest.mark.parametrize("given", [["a"], ["a", "b", "c"]])
    def test_too_many_or_too_few_lists_the_prompts_and_their_use(self, workflow, given):
        words = rf"takes 2 prompts: wish \(what to show\), style \(how to show it\); got {len(given)}\."
        with pytest.raises(LauncherError, match=words):
            workflow.set_prompts(given)

    def test_the_last_one_may_take_several(self):
        workflow = Workflow(several(), DEFINITIONS)
        workflow.set_prompts(["a", "b", "c", "d"])
        assert inputs(workflow, "2")["text"] == "b\nc\nd"
        assert inputs(workflow, "3")["steps"] == 3
        with pytest.raises(LauncherError, match="takes 2 or more prompts: "):
            workflow.set_prompts(["a"])

    def test_a_text_with_braces_is_taken_as_it_is(self, workflow):
        workflow.set_prompts(["{style} {0} {", "}"])
        assert inputs(workflow, "2")["text"] == "{style} {0} { | }:0.5"

    def test_a_workflow_that_names_none_says_so(self):
        silent = graph()
        del silent["extra"]["guided_gan"]
        with pytest.raises(LauncherError, match="does not say which of its inputs are prompts"):
            Workflow(silent, DEFINITIONS).set_prompts(["a boat"])
        with pytest.raises(LauncherError, match="does not say which of its inputs take the seed"):
            Workflow(silent, DEFINITIONS).set_seed(1)
        assert Workflow(silent, DEFINITIONS).made_with(1) == [{"prompts": {}, "seed": None}]

    def test_an_input_that_is_gone_is_named(self):
        lost = graph()
        lost["extra"]["guided_gan"]["texts"]["9.text"] = "{wish}"
        with pytest.raises(LauncherError, match=r"names the input 9\.text, which it does not have"):
            Workflow(lost, DEFINITIONS).set_prompts(["a", "b"])

    def test_a_muted_node_is_left_alone(self):
        silent = graph()
        silent["nodes"][1]["mode"] = 2
        workflow = Workflow(silent, DEFINITIONS)
        workflow.set_prompts(["a boat", "striped"])
        assert inputs(workflow, "6")["filename_prefix"] == "a boat"

    def test_a_picture_knows_what_it_was_made_with(self, workflow):
        workflow.set_prompts(["a blue tree", "striped"])
        workflow.set_seed(41)
        assert workflow.made_with(1) == [{"prompts": {"wish": "a blue tree", "style": "striped"}, "seed": 41}]

    def test_what_the_file_holds_counts_where_nothing_was_given(self, workflow):
        """Its text was written by hand, not by the template: all of it is told."""
        assert workflow.made_with(1) == [{"prompts": {"wish": "out", "style": "a tree"}, "seed": 5}]

    def test_each_picture_of_a_batch_has_its_own_seed(self, workflow):
        workflow.prompt["3"]["inputs"]["batch"] = 3
        assert [made["seed"] for made in workflow.made_with(3, [2, 0, 1])] == [7, 5, 6]
        assert [made["seed"] for made in workflow.made_with(3)] == [5, 6, 7]
        assert [made["seed"] for made in workflow.made_with(2)] == [5, 5]
