"""`run.py demo` and `run.py serve`, inside the environment: start a host, for a workflow or for the browser."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import errno
import json
import os
import sys
import webbrowser
from collections.abc import Sequence
from pathlib import Path

from . import cli, client, host, program
from .fields import Fields
from .workflow import Workflow


def main(arguments: list[str]) -> int:
    options = cli.parser().parse_args(arguments)
    program.stop_on_signals()
    return program.exit_status(lambda: demo(options) if options.command == "demo" else serve(options))


def demo(options: argparse.Namespace) -> int:
    """Run a workflow, and print what its nodes say and the paths of its pictures."""
    graph = json.loads(cli.workflow_file(options.workflow).read_text(encoding="utf-8"))
    if options.prompts:
        Fields.of(graph).fill(options.prompts)  # raises errors before the host is started
    with start(options.output) as running:
        workflow = Workflow(graph, asyncio.run(client.definitions(running)))
        workflow.change(options.prompts, options.seed, options.settings)
        result = asyncio.run(client.run(running, workflow))
    for said in result.texts:
        print(f"{said['title']}: {said['text']}", file=sys.stderr)
    for image in result.images:
        print(image)
    if not result.images:
        print(f"{options.workflow} saved no pictures.", file=sys.stderr)
    if options.json:
        print(json.dumps(vars(result)))
    return 0


def serve(options: argparse.Namespace) -> int:
    """Run a host for the browser until it is stopped."""
    with start(options.output, port=options.port, quiet=False) as running:
        print(f"\nGuided GAN is in ComfyUI at {running.url}; Ctrl-C stops it.", flush=True)
        print(f"Models belong in {os.environ['GUIDED_GAN_MODELS']}.", flush=True)
        if not options.no_browser:
            webbrowser.open(running.url)
        return running.process.wait()


def start(
    output: Path, *, port: int = 0, quiet: bool = True, options: Sequence[str] = ()
) -> contextlib.AbstractContextManager[host.Host]:
    """A context with the host that run.py prepared; it runs on the CPU if torch has no accelerator.

    output: folder in which its nodes save. options: further options of ComfyUI's main.py.

    Raises:
        OSError: the output folder cannot be written.
    """
    import torch  # takes seconds: after the checks of arguments

    output = output.absolute()
    output.mkdir(parents=True, exist_ok=True)
    if not os.access(output, os.W_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(output))
    models = Path(os.environ["GUIDED_GAN_MODELS"])
    models.mkdir(parents=True, exist_ok=True)
    accelerator = getattr(torch, "accelerator", torch.cuda)  # torch before 2.6 has only the latter
    return host.running(
        Path(os.environ["GUIDED_GAN_HOST"]),
        Path(os.environ["GUIDED_GAN_BASE"]),
        output,
        port=port,
        quiet=quiet,
        options=["--models-directory", str(models), *([] if accelerator.is_available() else ["--cpu"]), *options],
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
