"""`run.py demo` and `run.py serve`, inside the environment: a host with this pack, for a workflow or the browser."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import errno
import json
import os
import signal
import sys
import webbrowser
from pathlib import Path

import torch

from . import ROOT, LauncherError, cli, client, host, in_words
from .fields import Fields


def main(arguments: list[str]) -> int:
    options = cli.parser().parse_args(arguments)
    for name in ("SIGTERM", "SIGHUP"):  # clean up as for Ctrl-C, so that no host is left behind
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.default_int_handler)
    try:
        return demo(options) if options.command == "demo" else serve(options)
    except (LauncherError, OSError) as error:
        print(f"run.py: {in_words(error) if isinstance(error, OSError) else error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nStopped.", file=sys.stderr)
        return 130


def demo(options: argparse.Namespace) -> int:
    """Run one workflow and say where its pictures are."""
    graph = json.loads(cli.named_file(ROOT / "workflows", options.workflow, ".json").read_text(encoding="utf-8"))
    if options.prompts:
        Fields.of(graph).fill(options.prompts)  # says what does not fit before the host is started
    with start(options) as running:
        result = asyncio.run(client.run(running, graph, options.prompts, options.seed, options.settings))
    for image in result.images:
        print(image)
    if not result.images:
        print(f"{options.workflow} saved no pictures.", file=sys.stderr)
    if options.json:
        print(json.dumps(vars(result)))
    return 0


def serve(options: argparse.Namespace) -> int:
    """Keep a host running for the browser until it is stopped."""
    with start(options, port=options.port, quiet=False) as running:
        print(f"\nGuided GAN is in ComfyUI at {running.url}; Ctrl-C stops it.", flush=True)
        print(f"Models belong in {os.environ['GUIDED_GAN_MODELS']}.", flush=True)
        if not options.no_browser:
            webbrowser.open(running.url)
        return running.process.wait()


def start(
    options: argparse.Namespace, *, port: int = 0, quiet: bool = True
) -> contextlib.AbstractContextManager[host.Host]:
    """The host that run.py prepared, on the processor where torch has no accelerator.

    Raises:
        OSError: pictures could not be saved.
    """
    output = options.output.absolute()
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
        options=["--models-directory", str(models), *([] if accelerator.is_available() else ["--cpu"])],
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
