"""The commands of run.py: prepares the environment and the host, then runs the command inside the environment."""

from __future__ import annotations

import argparse
import ast
import contextlib
import json
import os
import shlex
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from . import ROOT, LauncherError, cache, children, comfyui, environment, locks, program
from .fields import Fields

_COMPILE = [
    *("-m", "uv", "pip", "compile", "--quiet", "--universal", "--upgrade", "--python-version", "3.10"),
    *("--no-annotate", "--custom-compile-command", "python3 run.py lock", "--output-file"),
]
LOCK_COMMANDS = [
    [*_COMPILE, "requirements.lock", "pyproject.toml", "--group", "dev"],
    [*_COMPILE, "requirements-scale.lock", "--group", "scale", "--constraint", "requirements.lock"],
]
# Packages that a command needs in an interpreter that the user provides, beyond the requirements of pack and host.
TOOLS = {
    "test": ["playwright", "pytest", "pytest-xdist"],
    "lint": ["ruff", "basedpyright", "pytest"],
    "lock": ["uv"],
    "batch": ["ray", "pyarrow"],
    "evaluate": ["ray", "pyarrow", "torchmetrics", "torch-fidelity", "matplotlib"],
    "ray": ["ray"],
}
# Commands that need Ray and Parquet, which the first of them adds to an environment.
SCALE = {"batch", "evaluate", "ray", "test", "lint"}
TRAININGS = {
    "picturebook": "picturebook/recipes",
    "stylegan-t": "training",
}
# Options to run all tests: a process for each core, at most 4, as each takes 3 GB; the tests of a file share a host.
SHARED_OUT = ["-n", "auto", "--maxprocesses", "4", "--dist", "loadfile"]
IN_PLACE = {"demo", "serve", "models", "train", "batch", "evaluate"}  # commands that run in the current folder
# Commands whose further arguments, including --help, are passed on to another program.
PASS_ON = {"test", "train", "bench", "batch", "evaluate", "ray"}


def parser() -> argparse.ArgumentParser:
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--fresh", action="store_true", help="make the environment anew and fetch ComfyUI again")
    common.add_argument(
        "--python", metavar="PATH", help="use this interpreter; only what it lacks is installed, never torch"
    )
    output = argparse.ArgumentParser(add_help=False)
    output.add_argument(
        "--output", type=Path, default=Path("output"), metavar="DIR", help="where pictures go (default: output)"
    )

    top = argparse.ArgumentParser(
        prog="run.py",
        description="Makes an environment and gets ComfyUI on the first run; later runs reuse both.",
        epilog="The variable COMFYUI_PATH names a ComfyUI to use instead of the one that is fetched.",
    )
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def add(name: str, text: str, *parents: argparse.ArgumentParser, more: str = "") -> argparse.ArgumentParser:
        command = commands.add_parser(
            name,
            help=text,
            description=f"{text}. {more}",
            parents=parents if name == "cache" else [common, *parents],
            allow_abbrev=False,
            add_help=name not in PASS_ON,
        )
        command.set_defaults(usage=command.format_help)
        return command

    demo = add("demo", "make a picture from a prompt with one of the workflows", output)
    demo.add_argument(
        "prompts",
        nargs="*",
        metavar="PROMPT",
        help="what to show; some workflows take several (default: the saved ones)",
    )
    demo.add_argument(
        "--workflow",
        default="fusedream",
        metavar="NAME",
        help="one of those that README.md lists; an unknown name lists them too (default: fusedream)",
    )
    demo.add_argument("--seed", type=int, metavar="N", help="another seed, another picture (default: the saved one)")
    demo.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="NODE.INPUT=VALUE",
        dest="settings",
        help="change an input; NODE is a node's id, title, name or type, e.g. GuidedGAN_Optimize.steps=50 (repeatable)",
    )
    demo.add_argument(
        "--json",
        action="store_true",
        help="end with one line of JSON: images, prompts and seed of each, scores, what nodes say, seconds",
    )
    serve = add("serve", "start ComfyUI with this pack, for the browser", output)
    serve.add_argument("--port", type=int, default=8188, metavar="N", help="default: 8188")
    serve.add_argument("--no-browser", action="store_true", help="do not open the browser")
    add("batch", "run a workflow for every row of a table, on as many workers as there is room for; --help explains")
    add("evaluate", "measure systems as in the papers: a table with FID, CLIP score and more; --help explains")
    add("ray", "the cluster that batch and evaluate join: start --head, start --address, status, stop")
    add("test", "run pytest; further arguments go to it")
    add("lint", "check style and types")
    train = add(
        "train", "make the shipped models, or train a StyleGAN-T; further arguments, --help too, go to the training"
    )
    train.add_argument("name", nargs="?", choices=list(TRAININGS), help="which training")
    bench = add("bench", "run a benchmark; further arguments, --help too, go to it")
    bench.add_argument("name", nargs="?", metavar="NAME", help="which benchmark")
    models = add("models", "published weights: list them, get some, check what is here, convert a file to .safetensors")
    models.add_argument("action", choices=["list", "get", "check", "convert"])
    models.add_argument(
        "names", nargs="*", metavar="NAME", help="of get and convert: what `list` shows, or a file's path"
    )
    kept = add("cache", "show what run.py keeps, with sizes and ages, or empty it", more=cache.LIMITS_IN_WORDS)
    kept.add_argument("action", nargs="?", choices=["list", "empty"], default="list", help="default: list")
    kept.add_argument("kinds", nargs="*", metavar="KIND", help=f"of empty: {', '.join(cache.KINDS)}")
    add("lock", "for maintainers: write requirements.lock anew from pyproject.toml")
    return top


def main(arguments: Sequence[str]) -> int:
    options, rest = parser().parse_known_args(arguments)
    if rest and options.command not in PASS_ON:
        parser().error(f"unrecognized arguments: {' '.join(rest)}")
    program.stop_on_signals(["SIGTERM"])  # an installer that runs is stopped too, as by Ctrl-C
    return program.exit_status(lambda: obey(options, rest, arguments))


def obey(options: argparse.Namespace, rest: Sequence[str], arguments: Sequence[str]) -> int:
    """Execute a command; returns the exit status."""
    if options.command == "cache":
        folder = environment.cache_folder()
        cache.show(folder) if options.action == "list" else cache.empty(folder, options.kinds)
        return 0
    if options.command in {"train", "bench"} and not options.name:
        print(f"{options.usage()}\n{known(options.command)}")
        return 0 if {"-h", "--help"} & set(rest) else 2
    steps = commands(options, rest, arguments)
    with contextlib.ExitStack() as held:
        python, places = prepare(options, held)
        return run(steps, python, places, folder=Path.cwd() if options.command in IN_PLACE else ROOT)


def commands(options: argparse.Namespace, rest: Sequence[str], arguments: Sequence[str]) -> list[list[str]]:
    """The arguments for the environment's interpreter, a list for each process to run."""
    if options.command in {"demo", "serve"}:
        return [["-m", "guided_gan.launcher.demo", *arguments]]
    if options.command == "models":
        return [["-m", "guided_gan.launcher.models", *arguments]]
    if options.command == "test":
        if "--help" in rest or "-h" in rest:
            print(options.usage())
        return [["-m", "pytest", *(rest or SHARED_OUT)]]
    if options.command == "lint":
        return [["-m", "ruff", "check", "."], ["-m", "basedpyright"]]
    if options.command == "train":
        return [["-m", f"guided_gan.{TRAININGS[options.name].replace('/', '.')}", *rest]]
    if options.command == "bench":
        named_file(ROOT / "benchmarks", options.name, ".py")
        return [["-m", f"guided_gan.benchmarks.{options.name.replace('/', '.')}", *rest]]
    if options.command in {"batch", "evaluate"}:
        return [["-m", f"guided_gan.scale.{options.command}", *rest]]
    if options.command == "ray":
        return [["-m", "ray.scripts.scripts", *rest]]
    return LOCK_COMMANDS


def known(command: str) -> str:
    """The trainings or benchmarks, a line each, with the first line of the module's docstring."""
    if command == "train":
        modules = {name: ROOT / folder / "__main__.py" for name, folder in TRAININGS.items()}
    else:
        modules = files(ROOT / "benchmarks", ".py")
    width = max(map(len, modules))
    about = {
        name: ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "" for name, path in modules.items()
    }
    return "\n".join(f"  {name:{width}}  {text.partition(chr(10))[0]}" for name, text in about.items())


def files(folder: Path, suffix: str) -> dict[str, Path]:
    """The files with a suffix in a folder, by relative name without the suffix, such as "studies/attack"."""
    found = sorted(path for path in folder.rglob(f"*{suffix}") if not path.name.startswith("_"))
    return {path.relative_to(folder).with_suffix("").as_posix(): path for path in found}


def short_name(path: Path) -> str:
    """What a workflow's file says is its short name; empty if it says none, or is not readable as a workflow."""
    try:
        return Fields.of(json.loads(path.read_text(encoding="utf-8"))).name
    except (AttributeError, TypeError, ValueError):
        return ""


def workflow_file(name: str) -> Path:
    """The file of a shipped workflow, by its short name or by the file's name, as shown in the editor's templates.

    Raises:
        LauncherError: there is none.
    """
    found = files(ROOT / "workflows", ".json")
    names = {short: path for path in found.values() if (short := short_name(path))}
    if name not in {**names, **found}:
        raise LauncherError(f"workflows/ has no {name!r}; it has: {', '.join(names)}.")
    return {**names, **found}[name]


def named_file(folder: Path, name: str, suffix: str) -> Path:
    """The file of a name in a folder.

    Raises:
        LauncherError: there is none; the message lists those that exist.
    """
    found = files(folder, suffix)
    if name not in found:
        raise LauncherError(f"{folder.name}/ has no {name!r}; it has: {', '.join(found) or 'nothing yet'}.")
    return found[name]


def prepare(options: argparse.Namespace, held: contextlib.ExitStack) -> tuple[Path, dict[str, str]]:
    """The interpreter to use, and the environment variables for its processes; installs what is missing.

    held: holds locks on folders that are in use, until it is closed.
    """
    kept = environment.cache_folder()
    if options.python:
        python = environment.interpreter(options.python)
    else:
        folder = environment.folder_in(kept)
        held.enter_context(locks.using(folder))
        environment.make(folder, environment.install, fresh=options.fresh)
        if options.command in SCALE:
            environment.add_scale(folder)
        python = environment.executable(folder)
    own = comfyui.find(ROOT, os.environ)
    host = own or comfyui.folder_in(kept)
    if own is None:
        held.enter_context(locks.using(host))
        comfyui.ensure(host, python, fresh=options.fresh)
    if options.python:
        requirements = [ROOT / "requirements.txt", host / "requirements.txt"]
        lines = [line for file in requirements for line in file.read_text(encoding="utf-8").splitlines()]
        environment.complete(python, [*lines, *TOOLS.get(options.command, [])])
    base = environment.clone_folder(kept)
    held.enter_context(locks.using(base))
    environment.make_clone(base)
    # The package is found through PYTHONPATH, not installed in the environment, which other clones share. Only type
    # checking needs the host's modules too; elsewhere they would shadow others.
    modules = [base / "custom_nodes", *([host] if options.command == "lint" else [])]
    # Tests have a process for each core, which further threads would slow down.
    threads = {"OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "1")} if options.command == "test" else {}
    return python, {
        "PATH": _path(python.parent, before="PATH"),
        "PYTHONPATH": _path(*modules, before="PYTHONPATH"),
        # Compiled modules halve the host's start; here, these and the tools' caches do not clutter clone and host.
        "PYTHONPYCACHEPREFIX": str(kept / "bytecode"),
        "PYTHONDONTWRITEBYTECODE": "",
        "RUFF_CACHE_DIR": str(base / "ruff"),
        "PYTEST_ADDOPTS": f"-o cache_dir={shlex.quote(str(base / 'pytest'))} {os.environ.get('PYTEST_ADDOPTS', '')}",
        "RAY_USAGE_STATS_ENABLED": "0",  # no usage reports to Ray's developers
        "RAY_AUTH_MODE": os.environ.get("RAY_AUTH_MODE", "token"),  # clusters accept code only from those with the key
        **threads,
        "GUIDED_GAN_HOST": str(host),
        "GUIDED_GAN_BASE": str(base),
        "GUIDED_GAN_MODELS": str((own or kept) / "models"),
    }


def _path(*folders: Path, before: str) -> str:
    """A search path: the folders, followed by the present value of the variable."""
    return os.pathsep.join([*map(str, folders), *filter(None, [os.environ.get(before)])])


def run(steps: Sequence[Sequence[str]], python: Path, places: Mapping[str, str], *, folder: Path) -> int:
    """Run each step with the interpreter until one fails, and return the exit status of the last one run."""
    status = 0
    for step in steps:
        process = subprocess.Popen(
            [str(python), *step], env={**os.environ, **places}, cwd=folder, preexec_fn=children.end_with_parent
        )
        if signal.getsignal(signal.SIGTERM) is not signal.SIG_IGN:
            signal.signal(signal.SIGTERM, lambda *_, process=process: process.terminate())
        while True:
            try:
                status = process.wait()
                break
            except KeyboardInterrupt:  # also sent to the process, which is cleaning up
                continue
        if status:
            break
    return status if status >= 0 else 128 - status
