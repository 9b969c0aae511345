"""The files around the code: what the forge and the registry read of them is there and fits the rest."""

import re

import pytest
import yaml
from architecture import imported

from guided_gan.launcher import ROOT

FORGE = ROOT / ".github"
FORMS = [path for path in sorted((FORGE / "ISSUE_TEMPLATE").glob("*.yml")) if path.stem != "config"]
FIELDS = {"markdown", "input", "textarea", "dropdown", "checkboxes"}
LEFT_OUT = (ROOT / ".comfyignore").read_text(encoding="utf-8").split()


def read(path):
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def project(pattern):
    """What a pattern's group holds in pyproject.toml."""
    (found,) = re.findall(pattern, (ROOT / "pyproject.toml").read_text(encoding="utf-8"), re.MULTILINE)
    return found


# ---- The forge


@pytest.mark.parametrize("path", FORMS, ids=lambda path: path.stem)
def test_an_issue_form_is_one(path):
    form = read(path)
    assert form.keys() <= {"name", "description", "title", "labels", "body"}
    assert form["name"]
    assert form["description"]
    ids = [field["id"] for field in form["body"] if field["type"] != "markdown"]
    assert len(set(ids)) == len(ids)
    for field in form["body"]:
        assert field.keys() <= {"type", "id", "attributes", "validations"}
        assert field["type"] in FIELDS
        assert field["attributes"]["label"]
        assert (field["type"] == "dropdown") == ("options" in field["attributes"])


@pytest.mark.parametrize("path", sorted((FORGE / "workflows").glob("*.yml")), ids=lambda path: path.stem)
def test_a_forge_workflow_names_what_there_is(path):
    workflow = read(path)
    assert workflow[True]  # "on" is YAML 1.1's yes
    for job in workflow["jobs"].values():
        assert set(job.get("needs", "").split()) <= workflow["jobs"].keys()
        if "uses" in job:
            assert (ROOT / job["uses"]).is_file()
    for named in re.findall(r"hashFiles\((.+?)\)", path.read_text(encoding="utf-8")):
        for name in re.findall(r"'(.+?)'", named):
            assert (ROOT / name).is_file()


def test_the_forge_and_the_hook_run_what_the_repo_does():
    jobs = read(FORGE / "workflows" / "test.yml")["jobs"]
    assert ".ci/run" in [step.get("run") for step in jobs["all"]["steps"]]
    assert jobs["all"]["strategy"]["matrix"]["python"][0] == project(r'^requires-python = ">=(.+)"$')
    (hook,) = read(ROOT / ".pre-commit-config.yaml")["repos"][0]["hooks"]
    assert hook["entry"] in (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()


# ---- The registry


def test_the_changelog_knows_the_version():
    headings = re.findall(r"^## \[(.+?)\](.*)$", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert headings[0] == ("Unreleased", "")
    assert headings[1][0] == project(r'^version = "(.+)"$')
    assert all(re.fullmatch(r" - \d{4}-\d\d-\d\d", date) for _, date in headings[1:])


def test_every_folder_of_the_library_and_the_nodes_is_packaged():
    packages = re.findall(
        r'^    "(guided_gan[\w.]*)",$', (ROOT / "pyproject.toml").read_text(encoding="utf-8"), re.MULTILINE
    )
    folders = [path.parent.relative_to(ROOT) for name in ("core", "nodes") for path in ROOT.glob(f"{name}/**/*.py")]
    assert {".".join(("guided_gan", *folder.parts)) for folder in folders} <= set(packages)


def is_left_out(path):
    name = path.relative_to(ROOT).as_posix()
    return any(name == entry or (entry.endswith("/") and name.startswith(entry)) for entry in LEFT_OUT)


def test_what_is_published_needs_nothing_that_is_left_out():
    assert [entry for entry in LEFT_OUT if not (ROOT / entry).exists()] == []
    published = [path for path in ROOT.glob("**/*.py") if not path.relative_to(ROOT).parts[0].startswith(".")]
    published = [path for path in published if not is_left_out(path)]
    assert {"core", "nodes"} < {path.relative_to(ROOT).parts[0] for path in published}
    for path in published:
        for target in imported(path):
            assert not is_left_out(target.with_suffix(".py")), f"{path} imports {target}"
            assert not is_left_out(target / "__init__.py"), f"{path} imports {target}"
