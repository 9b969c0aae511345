"""The commands of run.py: prepare the environment and the host, then run the command inside the environment."""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from . import ROOT, LauncherError, comfyui, environment

LOCK_COMMAND = [
    *"-m uv pip compile pyproject.toml --quiet --output-file requirements.lock --group dev --universal --upgrade".split(),
    *("--python-version", "3.10", "--no-annotate", "--custom-compile-command", "python3 run.py lock"),
]
# What a command needs beyond the pack's and the host's requirements, where the user brings the interpreter.
TOOLS = {"test": ["pytest"], "lint": ["ruff", "basedpyright", "pytest"], "lock": ["uv"]}
TRAININGS = {"picturebook": "guided_gan.picturebook.recipes", "stylegan-t": "guided_gan.training"}
PASS_ON = {"test", "train", "bench"}  # commands whose further arguments are another program's


def parser() -> argparse.ArgumentParser:
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--fresh", action="store_true", help="make the environment anew and fetch ComfyUI again")
    common.add_argument("--python", metavar="PATH", help="use this interpreter; only what it lacks is installed, never torch")
    output = argparse.ArgumentParser(add_help=False)
    output.add_argument("--output", type=Path, default=Path("output"), metavar="DIR", help="where pictures go (default: output)")

    top = argparse.ArgumentParser(
        prog="run.py",
        description="Makes an environment and gets ComfyUI on the first run; later runs reuse both.",
        epilog="The variable COMFYUI_PATH names a ComfyUI to use instead of the one that is fetched.",
    )
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def add(name: str, text: str, *parents: argparse.ArgumentParser) -> argparse.ArgumentParser:
        own_help = name != "train"
        return commands.add_parser(
            name, help=text, description=text, parents=[common, *parents], allow_abbrev=False, add_help=own_help
        )

    demo = add("demo", "make a picture from a prompt with one of the workflows", output)
    demo.add_argument(
        "prompts", nargs="*", metavar="PROMPT", help="what to show; some workflows take several (default: the saved ones)"
    )
    demo.add_argument("--workflow", default="fusedream", metavar="NAME", help="a file of workflows/ (default: fusedream)")
    demo.add_argument("--seed", type=int, metavar="N", help="another seed, another picture (default: the saved one)")
    demo.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="NODE.INPUT=VALUE",
        dest="settings",
        help="change an input; NODE is a node's id, title or type, e.g. GuidedGAN_Optimize.steps=50 (repeatable)",
    )
    demo.add_argument(
        "--json", action="store_true", help="end with one line of JSON: images, prompts and seed of each, scores, seconds"
    )
    serve = add("serve", "start ComfyUI with this pack, for the browser", output)
    serve.add_argument("--port", type=int, default=8188, metavar="N", help="default: 8188")
    add("test", "run pytest; further arguments go to it")
    add("lint", "check style and types")
    train = add("train", "make the shipped models, or train a StyleGAN-T; further arguments, --help too, go to the training")
    train.add_argument("family", choices=list(TRAININGS))
    add("bench", "run a script of benchmarks/; further arguments go to it").add_argument("name", metavar="NAME")
    models = add("models", "published weights: list them, get some, check what is here, convert a file to .safetensors")
    models.add_argument("action", choices=["list", "get", "check", "convert"])
    models.add_argument("names", nargs="*", metavar="NAME", help="of get and convert: what `list` shows, or a file's path")
    add("lock", "for maintainers: write requirements.lock anew from pyproject.toml")
    return top


def main(arguments: Sequence[str]) -> int:
    options, rest = parser().parse_known_args(arguments)
    if rest and options.command not in PASS_ON:
        parser().error(f"unrecognized arguments: {' '.join(rest)}")
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # an installer that runs is stopped too, as by Ctrl-C
    try:
        steps = commands(options, rest, arguments)
        python, places = prepare(options)
        return run(steps, python, places, folder=Path.cwd() if options.command in {"demo", "serve", "models", "train"} else ROOT)
    except LauncherError as error:
        print(f"run.py: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nStopped.", file=sys.stderr)
        return 130


def commands(options: argparse.Namespace, rest: Sequence[str], arguments: Sequence[str]) -> list[list[str]]:
    """What to give the environment's interpreter, one list of arguments for each time it is started."""
    if options.command in {"demo", "serve"}:
        return [["-m", "guided_gan.launcher.demo", *arguments]]
    if options.command == "models":
        return [["-m", "guided_gan.launcher.models", *arguments]]
    if options.command == "test":
        return [["-m", "pytest", *rest]]
    if options.command == "lint":
        return [["-m", "ruff", "check", "."], ["-m", "basedpyright"]]
    if options.command == "train":
        return [["-m", TRAININGS[options.family], *rest]]
    if options.command == "bench":
        named_file(ROOT / "benchmarks", options.name, ".py")
        return [["-m", f"guided_gan.benchmarks.{options.name.replace('/', '.')}", *rest]]
    return [LOCK_COMMAND]


def named_file(folder: Path, name: str, suffix: str) -> Path:
    """The file of that name in a folder of ours, such as "studies/attack", or an error that lists what there is."""
    files = [path for path in folder.rglob(f"*{suffix}") if not path.name.startswith("_")]
    known = {path.relative_to(folder).with_suffix("").as_posix(): path for path in sorted(files)}
    if name not in known:
        raise LauncherError(f"{folder.name}/ has no {name!r}; it has: {', '.join(known) or 'nothing yet'}.")
    return known[name]


def prepare(options: argparse.Namespace) -> tuple[Path, dict[str, str]]:
    """The interpreter to use and the variables that tell what it runs where all is; makes and fetches what is not there yet."""
    cache = environment.cache_folder()
    python = environment.interpreter(options.python) if options.python else environment.ensure(cache, fresh=options.fresh)
    own = comfyui.find(ROOT, os.environ)
    host = own or comfyui.ensure(cache, python, fresh=options.fresh)
    if options.python:
        files = [ROOT / "requirements.txt", host / "requirements.txt"]
        lines = [line for file in files for line in file.read_text(encoding="utf-8").splitlines()]
        environment.complete(python, [*lines, *TOOLS.get(options.command, [])])
    base = environment.clone_folder(cache)
    # The package is found through PYTHONPATH, not through the environment, which other clones share. Checking types takes
    # the host's own modules too, which would get in the way of all else.
    modules = [base / "custom_nodes", *([host] if options.command == "lint" else [])]
    return python, {
        "PATH": _path(python.parent, before="PATH"),
        "PYTHONPATH": _path(*modules, before="PYTHONPATH"),
        # Compiled modules halve the host's start; kept here, they leave the folders of the clone and the host alone.
        "PYTHONPYCACHEPREFIX": str(cache / "bytecode"),
        "PYTHONDONTWRITEBYTECODE": "",
        "GUIDED_GAN_HOST": str(host),
        "GUIDED_GAN_BASE": str(base),
        "GUIDED_GAN_MODELS": str((own or cache) / "models"),
    }


def _path(*folders: Path, before: str) -> str:
    """The folders, followed by those that the variable lists already."""
    return os.pathsep.join([*map(str, folders), *filter(None, [os.environ.get(before)])])


def run(steps: Sequence[Sequence[str]], python: Path, places: Mapping[str, str], *, folder: Path) -> int:
    """Run each step with the interpreter until one fails, and return the exit status of the last one run."""
    status = 0
    for step in steps:
        process = subprocess.Popen([str(python), *step], env={**os.environ, **places}, cwd=folder)
        signal.signal(signal.SIGTERM, lambda *_, process=process: process.terminate())
        while True:
            try:
                status = process.wait()
                break
            except KeyboardInterrupt:  # the terminal sent it to the process too, which is cleaning up
                continue
        if status:
            break
    return status if status >= 0 else 128 - status
