"""run.py's parts, without a network, an environment or a host."""

import io
import json
import sys
import tarfile
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace

import pytest

from guided_gan.core.published.catalogue import TABLE
from guided_gan.launcher import ROOT, LauncherError, cli, client, comfyui, demo, environment, host, models
from guided_gan.launcher.workflow import Workflow

DEFINITIONS = {
    "GuidedGAN_LoadGenerator": {
        "input": {"required": {"model": ["COMBO", {"options": ["tiny", "big"]}]}},
        "display_name": "Load",
    },
    "GuidedGAN_EncodeText": {
        "input": {
            "required": {"clip": ["CLIP_JOINT"], "text": ["STRING", {"multiline": True}]},
            "optional": {"weight": ["FLOAT", {"default": 1.0}]},
        },
        "display_name": "Encode Text",
    },
    "GuidedGAN_Optimize": {
        "input": {
            "required": {
                "generator": ["GAN_GENERATOR"],
                "seed": ["INT", {"control_after_generate": True}],
                "method": [
                    "COMFY_DYNAMICCOMBO_V3",
                    {
                        "options": [
                            {"key": "adam", "inputs": {"required": {"lr": ["FLOAT", {"default": 0.05}]}}},
                            {
                                "key": "cma",
                                "inputs": {
                                    "required": {"sigma": ["FLOAT", {"default": 0.5}], "pop": ["INT", {"default": 8}]}
                                },
                            },
                        ]
                    },
                ],
                "steps": ["INT", {"default": 200}],
            },
            "optional": {
                "init": ["IMAGE"],
                "preview": ["BOOLEAN", {"default": False}],
                "strength": ["FLOAT", {"forceInput": True}],
            },
        },
        "display_name": "Optimize",
    },
    "ImageInvert": {"input": {"required": {"image": ["IMAGE"]}}, "display_name": "Invert"},
    "SaveImage": {
        "input": {"required": {"images": ["IMAGE"], "filename_prefix": ["STRING", {"default": "x"}]}},
        "display_name": "Save",
    },
}


def link(name, number, kind="*"):
    return {"name": name, "type": kind, "link": number}


def graph():
    """Load and Encode Text feed Optimize, which feeds Save through a bypassed node and a reroute."""
    return {
        "nodes": [
            {"id": 1, "type": "GuidedGAN_LoadGenerator", "widgets_values": ["big"]},
            {
                "id": 2,
                "type": "GuidedGAN_EncodeText",
                "title": "Wish",
                "inputs": [link("clip", None)],
                "widgets_values": ["a tree"],
            },
            {
                "id": 3,
                "type": "GuidedGAN_Optimize",
                "inputs": [link("generator", 10)],
                "widgets_values": [7, "randomize", "cma", 0.3, 12, 50, True],
            },
            {
                "id": 4,
                "type": "ImageInvert",
                "mode": 4,
                "inputs": [link("mask", 99, "MASK"), link("image", 11, "IMAGE")],
            },
            {"id": 5, "type": "Reroute", "inputs": [link("", 12)]},
            {"id": 6, "type": "SaveImage", "inputs": [link("images", 13)], "widgets_values": ["out"]},
            {"id": 7, "type": "SaveImage", "mode": 2, "inputs": [link("images", 11)], "widgets_values": ["never"]},
            {"id": 8, "type": "MarkdownNote", "widgets_values": ["read me"]},
        ],
        "links": [
            [10, 1, 0, 3, 0, "GAN_GENERATOR"],
            [11, 3, 1, 4, 1, "IMAGE"],
            [12, 4, 0, 5, 0, "IMAGE"],
            [13, 5, 0, 6, 0, "IMAGE"],
        ],
        "extra": {
            "ds": {},
            "guided_gan": {
                "prompts": [{"name": "wish", "about": "what to show"}, {"name": "style", "about": "how to show it"}],
                "texts": {"2.text": "{wish} | {style}:0.5", "6.filename_prefix": "{wish}"},
                "seeds": {"3.seed": 2},
            },
        },
    }


def several():
    """The same graph, whose last prompt takes any number of texts."""
    said = graph()
    said["extra"]["guided_gan"]["prompts"][1] |= {"several": True, "count": "3.steps"}
    said["extra"]["guided_gan"]["texts"]["2.text"] = "{style}"
    return said


def inner():
    """The same graph with its third node in a subgraph that two nodes stand for; the second feeds what follows."""
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


@pytest.fixture
def workflow():
    return Workflow(graph(), DEFINITIONS)


def inputs(workflow, node):
    return workflow.prompt[node]["inputs"]


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

    def test_an_unknown_node_is_named(self):
        with pytest.raises(LauncherError, match=r"does not know SaveImage \(node 6\)"):
            Workflow(graph(), {k: v for k, v in DEFINITIONS.items() if k != "SaveImage"})


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


class TestUnpacking:
    @staticmethod
    def archive(folder, *members):
        path = folder / "source.tar.gz"
        with tarfile.open(path, "w:gz") as tar:
            for member in members:
                info = tarfile.TarInfo(member) if isinstance(member, str) else member
                info.size = 0 if info.issym() else 4
                tar.addfile(info, io.BytesIO(b"text"))
        return path

    def test_only_the_host_is_unpacked(self, tmp_path):
        names = (
            "d-1/vendor/ComfyUI/main.py",
            "d-1/vendor/ComfyUI/a/b.py",
            "d-1/setup.py",
            "vendor/ComfyUI/x",
            "../../evil",
        )
        target = tmp_path / "in" / "here"
        comfyui.unpack(self.archive(tmp_path, *names), target)
        files = [path for path in tmp_path.rglob("*") if path.suffix != ".gz" and path.is_file()]
        unpacked = sorted(path.relative_to(tmp_path).as_posix() for path in files)
        assert unpacked == ["in/here/a/b.py", "in/here/main.py"]
        assert (target / "main.py").read_bytes() == b"text"

    @pytest.mark.parametrize("name", ["d/{}/../../../evil", "../{}/evil", "/{}/evil", "d/{}/C:/evil", "d/{}/..\\evil"])
    def test_paths_that_lead_out_are_refused(self, tmp_path, name):
        with pytest.raises(LauncherError, match="no plain file below its folder"):
            comfyui.unpack(self.archive(tmp_path, name.format("vendor/ComfyUI")), tmp_path / "in" / "here")
        assert not list(tmp_path.rglob("evil*"))

    def test_links_are_refused(self, tmp_path):
        evil = tarfile.TarInfo("d/vendor/ComfyUI/link")
        evil.type, evil.linkname = tarfile.SYMTYPE, "/etc"
        with pytest.raises(LauncherError, match="no plain file"):
            comfyui.unpack(self.archive(tmp_path, evil), tmp_path / "here")


class TestFindingTheHost:
    def test_the_named_one_comes_first(self, tmp_path):
        (tmp_path / "main.py").touch()
        assert comfyui.find(tmp_path / "custom_nodes" / "pack", {"COMFYUI_PATH": str(tmp_path)}) == tmp_path

    def test_the_one_around_this_folder(self, tmp_path):
        assert comfyui.find(tmp_path / "custom_nodes" / "pack", {}) is None
        (tmp_path / "main.py").touch()
        assert comfyui.find(tmp_path / "custom_nodes" / "pack", {}) == tmp_path
        assert comfyui.find(tmp_path / "elsewhere" / "pack", {}) is None

    def test_a_wrong_name_is_an_error(self, tmp_path):
        with pytest.raises(LauncherError, match=r"no main\.py"):
            comfyui.find(tmp_path, {"COMFYUI_PATH": str(tmp_path)})


class Installer:
    """Fakes an installation of torch and counts how often it was asked for."""

    def __init__(self):
        self.calls = 0

    def __call__(self, folder):
        self.calls += 1
        python = environment.executable(folder)
        python.parent.mkdir(parents=True)
        python.touch()
        major, minor = sys.version_info[:2]
        library = folder / ("Lib" if sys.platform == "win32" else f"lib/python{major}.{minor}") / "site-packages"
        self.torch = library / "torch"
        self.torch.mkdir(parents=True)
        (library / "torch-2.dist-info").mkdir()


class TestEnvironment:
    @pytest.fixture
    def builder(self):
        return Installer()

    def test_a_whole_one_is_reused(self, tmp_path, builder):
        environment.make(tmp_path / "env", builder)
        environment.make(tmp_path / "env", builder)
        assert builder.calls == 1

    def test_fresh_makes_it_anew(self, tmp_path, builder):
        environment.make(tmp_path / "env", builder)
        environment.make(tmp_path / "env", builder, fresh=True)
        assert builder.calls == 2

    def test_an_interrupted_one_is_made_anew(self, tmp_path, builder, capsys):
        def interrupted(folder):
            folder.mkdir()
            (folder / "half").touch()
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            environment.make(tmp_path / "env", interrupted)
        environment.make(tmp_path / "env", builder)
        assert environment.damage(tmp_path / "env") is None
        assert not (tmp_path / "env" / "half").exists()
        assert "an earlier installation did not finish" in capsys.readouterr().err

    def test_a_lost_package_is_noticed_and_repaired(self, tmp_path, builder):
        environment.make(tmp_path / "env", builder)
        builder.torch.rmdir()
        assert environment.damage(tmp_path / "env") == "the old one has lost torch"
        environment.make(tmp_path / "env", builder)
        assert environment.damage(tmp_path / "env") is None

    def test_a_lost_interpreter_is_noticed(self, tmp_path, builder):
        environment.make(tmp_path / "env", builder)
        environment.executable(tmp_path / "env").unlink()
        assert environment.damage(tmp_path / "env") == "the Python that the old one was made from is gone"

    def test_the_key_follows_the_lock_and_the_python(self, monkeypatch):
        key = environment.key(b"torch==2")
        assert environment.key(b"torch==2") == key
        assert environment.key(b"torch==3") != key
        monkeypatch.setattr(environment.sys, "version_info", (3, 99, 0))
        assert environment.key(b"torch==2") != key

    def test_what_many_rows_need_is_added_once_and_again_where_it_is_lost(self, tmp_path, builder, monkeypatch):
        environment.make(tmp_path / "env", builder)
        ray, added = builder.torch.with_name("ray"), []

        def install(_, lock):
            added.append(lock.name)
            ray.mkdir(exist_ok=True)

        monkeypatch.setattr(environment, "install_lock", install)
        environment.add_scale(tmp_path / "env")
        environment.add_scale(tmp_path / "env")
        assert added == ["requirements-scale.lock"]
        assert environment.damage(tmp_path / "env") is None
        ray.rmdir()
        environment.add_scale(tmp_path / "env")
        assert len(added) == 2
        monkeypatch.setattr(environment, "SCALE_LOCK", environment.LOCK)  # another one
        environment.add_scale(tmp_path / "env")
        assert len(added) == 3

    def test_the_users_torch_is_never_asked_for(self, tmp_path, monkeypatch):
        asked = []
        monkeypatch.setattr(
            environment, "installed_versions", lambda _: {"open-clip-torch": "3.0", "torch": "2.5+cu121"}
        )

        def pip(command, **_):
            asked.extend(command[command.index("--constraint") + 2 :])
            asked.append(Path(command[command.index("--constraint") + 1]).read_text())
            return environment.subprocess.CompletedProcess(command, 0)

        monkeypatch.setattr(environment.subprocess, "run", pip)
        environment.complete(
            tmp_path, ["# host", "", "torch", "torchaudio", "numpy>=1.25", "open_clip_torch>=2", "aiohttp>=3"]
        )
        assert asked == ["aiohttp>=3", "open-clip-torch==3.0\ntorch==2.5+cu121\n"]


class TestInstallerOutput:
    def test_pip(self):
        log = "Ignoring tomli: markers 'x' don't match your environment\nCollecting torch==2 (from -r lock (line 3))\n"
        assert environment.read_progress(log, 10, 2) == ("fetching torch", 1, 9)
        assert environment.read_progress(f"{log}Installing collected packages: torch\n", 10, 4) == ("installing", 4, 9)

    def test_uv(self):
        log = "Resolved 8 packages in 2ms\nDownloading torch (500MiB)\nDownloading pillow (6MiB)\n Downloaded pillow\n"
        assert environment.read_progress(log, 10, 2) == ("fetching pillow", 2, 8)
        assert environment.read_progress(f"{log}Prepared 8 packages in 9s\n", 10, 11) == ("installing", 8, 8)

    def test_uv_looks_where_pip_does(self):
        config = (
            ":env:.cert='/c.pem'\nglobal.cert='/old.pem'\n"
            "global.extra-index-url='\\nhttps://a/s\\nhttps://b/s'\nlist.format='json'\n"
        )
        assert environment.uv_settings(config) == {
            "SSL_CERT_FILE": "/c.pem",
            "UV_INDEX": "https://a/s https://b/s",
            "UV_INDEX_STRATEGY": "unsafe-best-match",
        }
        assert environment.uv_settings("") == {}


class TestCommands:
    @pytest.mark.parametrize(
        ("arguments", "expected"),
        [
            (["test", "-k", "seed", "--fresh", "tests/x.py"], ["-m", "pytest", "-k", "seed", "tests/x.py"]),
            (["test"], ["-m", "pytest", "-n", "auto", "--maxprocesses", "4", "--dist", "loadfile"]),
            (
                ["train", "picturebook", "clip", "--steps", "0.1"],
                ["-m", "guided_gan.picturebook.recipes", "clip", "--steps", "0.1"],
            ),
        ],
    )
    def test_further_arguments_are_passed_on_in_order(self, arguments, expected):
        options, rest = cli.parser().parse_known_args(arguments)
        assert cli.commands(options, rest, arguments) == [expected]

    def test_an_unknown_benchmark_is_an_error_that_lists_the_known(self, tmp_path):
        (tmp_path / "speed.py").touch()
        with pytest.raises(LauncherError, match=r"has no '../x'; it has: speed"):
            cli.named_file(tmp_path, "../x", ".py")

    @pytest.mark.parametrize(
        ("command", "listed"),
        [
            ("bench", ["fusedream", "studies/attack", "Does the picture show its prompt? FuseDream"]),
            ("train", ["picturebook", "stylegan-t", "Train a StyleGAN-T on captioned pictures"]),
        ],
    )
    def test_help_lists_what_there_is(self, command, listed, capsys, monkeypatch):
        monkeypatch.setattr(cli, "prepare", None)  # nothing is made for that
        assert cli.main([command, "--help"]) == 0
        told = capsys.readouterr().out
        assert all(words in told for words in listed)
        assert cli.main([command]) == 2
        assert capsys.readouterr().out == told

    def test_help_of_one_of_them_is_its_own(self):
        options, rest = cli.parser().parse_known_args(["bench", "fusedream", "--help"])
        assert cli.commands(options, rest, []) == [["-m", "guided_gan.benchmarks.fusedream", "--help"]]

    def test_demo_says_which_prompts_it_wants_before_it_starts_a_host(self, capsys, monkeypatch):
        monkeypatch.setattr(demo, "start", None)
        assert demo.main(["demo", "a red house", "--workflow", "composition"]) == 1
        error = capsys.readouterr().err
        assert "takes 2 prompts: foreground (" in error
        assert "background (" in error
        assert "got 1" in error

    def test_a_workflow_is_found_by_its_name_and_by_its_file(self):
        for path in (ROOT / "workflows").glob("*.json"):
            name = json.loads(path.read_text(encoding="utf-8"))["extra"]["guided_gan"]["name"]
            assert cli.workflow_file(name) == cli.workflow_file(path.stem) == path
        with pytest.raises(LauncherError, match="has no 'x'; it has: fusedream, fusedream_batch, composition"):
            cli.workflow_file("x")

    @pytest.mark.parametrize(("arguments", "opened"), [([], ["http://here"]), (["--no-browser"], [])])
    def test_serve_opens_the_browser(self, arguments, opened, monkeypatch):
        pages = []
        process = SimpleNamespace(wait=lambda: 0)
        monkeypatch.setenv("GUIDED_GAN_MODELS", "models")
        monkeypatch.setattr(demo.webbrowser, "open", pages.append)
        monkeypatch.setattr(
            demo, "start", lambda *_, **__: nullcontext(SimpleNamespace(url="http://here", process=process))
        )
        assert demo.serve(cli.parser().parse_args(["serve", *arguments])) == 0
        assert pages == opened

    def test_models_list_shows_sizes_and_licences(self, tmp_path, capsys):
        assert models.show(tmp_path) == 0
        told = capsys.readouterr().out
        assert all(entry.licence in told for entry in TABLE)
        assert "980 MB" in told  # of vqgan-imagenet-16384.ckpt

    def test_demo_refuses_what_it_does_not_know(self, capsys):
        with pytest.raises(SystemExit):
            cli.main(["demo", "a tree", "--sed", "7"])
        assert "unrecognized arguments: --sed" in capsys.readouterr().err


class TestRefusal:
    def test_a_sentence_of_a_node_is_told_once_and_for_itself(self, workflow):
        own = [
            {
                "type": "custom_validation_failed",
                "message": "Custom validation failed",
                "details": f"{name} - It is empty - so.",
            }
            for name in ("text", "weight")
        ]
        hosts = {"type": "value_bigger_than_max", "message": "Value 7 bigger than max of 5", "details": "steps"}
        told = client.refusal({"node_errors": {"2": {"errors": [*own, hosts]}}}, workflow)
        title = f"{workflow.title('2')} (node 2) was refused: "
        assert told == f"{title}It is empty - so.; {title}Value 7 bigger than max of 5 (steps)"


class TestImportFailure:
    FAILED = "\nImport times for custom nodes:\n   0.0 seconds (IMPORT FAILED): /base/custom_nodes/guided_gan\n"

    def test_the_traceback_is_told(self):
        trace = 'Traceback (most recent call last):\n  File "/base/guided_gan/x.py"\nImportError: no core'
        assert host.import_failure(f"hello\n{trace}\n\n\x1b[33mCannot import\x1b[0m{self.FAILED}") == trace

    def test_an_error_without_one_is_told_by_its_line(self):
        line = "Error while calling comfy_entrypoint in /base/guided_gan: no nodes"
        assert line in host.import_failure(f"hello\n\x1b[33m{line}\x1b[0m{self.FAILED}").splitlines()

    def test_another_packs_failure_is_not_ours(self):
        assert host.import_failure(self.FAILED.replace("guided_gan", "other")) == ""


def test_requirements_mirror_the_project():
    """ComfyUI-Manager reads one file and the registry the other."""
    project = (cli.ROOT / "pyproject.toml").read_text(encoding="utf-8")
    listed = json.loads(project.split("\ndependencies = ")[1].split("\n]")[0].rstrip(",\n") + "]")
    lines = (cli.ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if not line.startswith("#")] == listed
