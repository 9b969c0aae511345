"""run.py's commands, and what they tell where the host refuses a prompt or cannot import the pack."""

import json
from contextlib import nullcontext
from types import SimpleNamespace

import pytest
from toy_workflow import toy_workflow  # noqa: F401 (a fixture)

from guided_gan.core.published.catalogue import TABLE
from guided_gan.launcher import ROOT, LauncherError, cli, client, demo, host, models


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

    def test_files_beside_the_workflows_spoil_none(self, tmp_path, monkeypatch):
        (tmp_path / "workflows").mkdir()
        described = {"extra": {"guided_gan": {"name": "mine"}}}
        for name, text in {"a": "{bad", "b": "[]", "c": "{}", "d": json.dumps(described)}.items():
            (tmp_path / "workflows" / f"{name}.json").write_text(text, encoding="utf-8")
        monkeypatch.setattr(cli, "ROOT", tmp_path)
        assert cli.workflow_file("mine") == tmp_path / "workflows" / "d.json"
        assert cli.workflow_file("c") == tmp_path / "workflows" / "c.json"  # which gives itself no short name
        with pytest.raises(LauncherError, match=r"has no 'x'; it has: mine\.$"):
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
