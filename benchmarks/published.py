"""The shipped workflows on published models, with nothing but the loaders changed: do they run, and what does it take?

Each generator and CLIP has random weights at its published size, in a file as it is published, which a running ComfyUI
loads. A step's time is that of the process on all its cores together, so that others at work on the machine do not
count; the first step, which warms up, is left out. Memory is the most that the process took, ComfyUI's own included.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import tempfile
from collections.abc import Iterator, Mapping
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

import aiohttp

from ..launcher import cli, host
from ..launcher.workflow import Workflow
from ._published_files import BACKBONE, ENCODERS, GENERATORS, Made
from ._tables import table

# Each with its last search; that of VQGAN-CLIP is the one that suits published models.
WORKFLOWS = {"fusedream": "Optimize", "composition": "ComposeOptimize", "vqgan_clip_imagenet": "Optimize"}
HEAD = ("workflow", "generator", "CLIP", "GiB", "CPU seconds a step")
CLOCK = os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100
Prompt = dict[str, dict[str, Any]]


def main() -> None:
    parser = argparse.ArgumentParser(prog="run.py bench published", description=__doc__)
    for name, choices in (("workflows", WORKFLOWS), ("generators", GENERATORS), ("encoders", ENCODERS)):
        parser.add_argument(f"--{name}", nargs="+", choices=list(choices), default=list(choices), metavar="NAME")
    parser.add_argument("--steps", type=int, default=3, help="of each search (default: %(default)s)")
    parser.add_argument("--copies", type=int, help="augmented copies a step (default: the workflow's)")
    parser.add_argument("--candidates", type=int, default=5, help="of a start (default: %(default)s)")
    options = parser.parse_args()
    if not Path("/proc/self/stat").exists():
        parser.error("time and memory of ComfyUI's process are asked of Linux")
    rows = []
    for row in measured(options):
        rows.append(row)
        print(" | ".join(row), flush=True)
    print(f"\n{table(HEAD, rows)}")


def measured(options: argparse.Namespace) -> Iterator[tuple[str, ...]]:
    """A row for each workflow, generator and CLIP; a fresh ComfyUI for each pair of models."""
    comfyui, base = (Path(os.environ[f"GUIDED_GAN_{name}"]) for name in ("HOST", "BASE"))
    with tempfile.TemporaryDirectory(prefix="guided-gan-") as temporary:
        models, user = Path(temporary) / "models", Path(temporary) / "user"
        user.mkdir()
        for made in (BACKBONE, *(ENCODERS[encoder] for encoder in options.encoders)):
            _write(made, models)
        arguments = ["--cpu", "--models-directory", str(models), "--user-directory", str(user)]
        for generator in options.generators:
            path = _write(GENERATORS[generator], models)
            for encoder in options.encoders:
                with host.running(comfyui, base, Path(temporary) / "output", options=arguments) as running:
                    for workflow in options.workflows:
                        yield workflow, generator, encoder, *_measured(running, workflow, generator, encoder, options)
            path.unlink()


def _write(made: Made, models: Path) -> Path:
    path = models / made.kind / made.name
    path.parent.mkdir(parents=True, exist_ok=True)
    made.write(path)
    return path


def _measured(
    running: host.Host, workflow: str, generator: str, encoder: str, options: argparse.Namespace
) -> tuple[str, str]:
    """GiB at the peak and CPU seconds of a step, or that it failed and why."""
    try:
        seconds, peak = _run(running, workflow, generator, encoder, options)
    except RuntimeError as error:
        return "failed", str(error)
    return f"{peak / 2**30:.1f}", f"{seconds:.1f}"


def _run(
    running: host.Host, workflow: str, generator: str, encoder: str, options: argparse.Namespace
) -> tuple[float, int]:
    """CPU seconds of a step, and bytes at the peak."""
    process = Path(f"/proc/{running.process.pid}")
    (process / "clear_refs").write_text("5", encoding="utf-8")  # forget the peak
    ticks = asyncio.run(_follow(running, _graph(workflow), WORKFLOWS[workflow], generator, encoder, options))
    found = re.search(r"VmHWM:\s+(\d+)", (process / "status").read_text(encoding="utf-8"))
    assert found is not None
    return median(after - before for before, after in pairwise(ticks[:-1])), int(found[1]) * 1024


def _graph(name: str) -> Mapping[str, Any]:
    graph: dict[str, Any] = json.loads(cli.workflow_file(name).read_text(encoding="utf-8"))
    return graph


async def _follow(
    running: host.Host, graph: Mapping[str, Any], search: str, generator: str, encoder: str, options: argparse.Namespace
) -> list[float]:
    """CPU seconds after each step of the last search."""
    async with aiohttp.ClientSession(running.url) as session:
        async with session.get("/object_info") as answer:
            workflow = Workflow(graph, await answer.json())
        _shorten(workflow, options)
        prompt = workflow.prompt
        _load(prompt, generator, encoder)
        node = next(i for i, one in prompt.items() if one["class_type"] == f"GuidedGAN_{search}")
        async with session.ws_connect("/ws?clientId=bench", max_msg_size=0) as socket:
            async with session.post("/prompt", json={"prompt": prompt, "client_id": "bench"}) as answer:
                if (reply := await answer.json()).get("node_errors"):
                    raise RuntimeError(f"ComfyUI refused it: {reply}")
            ticks: dict[int, float] = {}
            async for message in socket:
                if message.type is not aiohttp.WSMsgType.TEXT:
                    continue
                kind, data = (event := json.loads(message.data))["type"], event["data"]
                if kind == "progress" and data["node"] == node and data["value"]:
                    ticks.setdefault(int(data["value"]), _cpu_seconds(running.process.pid))
                elif kind == "execution_error":
                    raise RuntimeError(f"{data['node_type']}: {data['exception_message']}")
                elif kind == "execution_success":
                    return [ticks[value] for value in sorted(ticks)]
    raise RuntimeError(f"ComfyUI went away.\n{running.last_words()}")


def _load(prompt: Prompt, generator: str, encoder: str) -> None:
    """Put the models into the loaders: a VAE is the host's, and VAE as Generator stands for Load Generator."""
    for identity, node in list(prompt.items()):
        if node["class_type"] == "GuidedGAN_LoadCLIP":
            node["inputs"]["model"] = ENCODERS[encoder].name
        elif node["class_type"] == "GuidedGAN_LoadGenerator" and GENERATORS[generator].kind == "gan":
            node["inputs"]["model"] = GENERATORS[generator].name
        elif node["class_type"] == "GuidedGAN_LoadGenerator":
            prompt["vae"] = {"class_type": "VAELoader", "inputs": {"vae_name": GENERATORS[generator].name}}
            size = {"width": 256, "height": 256}
            prompt[identity] = {"class_type": "GuidedGAN_VAEGenerator", "inputs": {"vae": ["vae", 0], **size}}


def _shorten(workflow: Workflow, options: argparse.Namespace) -> None:
    """As many candidates and steps as are enough to tell, and one place for a layer; the rest suits the generator."""
    copies = options.copies
    wanted = {
        "Optimize": {"steps": options.steps},
        "ComposeOptimize": {"steps": options.steps},
        "BasisInit": {"k": min(5, options.candidates), "candidates": options.candidates},
        **({"AugCLIPLoss": {"copies": copies}, "CutoutLoss": {"cutouts": copies}} if copies else {}),
    }
    kinds = {node["class_type"] for node in workflow.prompt.values()}
    for kind in (kind for kind in wanted if f"GuidedGAN_{kind}" in kinds):
        workflow.set_input(f"GuidedGAN_{kind}.settings=by hand")
        for name, value in wanted[kind].items():
            workflow.set_input(f"GuidedGAN_{kind}.settings.{name}={value}")
    if "GuidedGAN_ComposeOptimize" in kinds:
        workflow.set_input("GuidedGAN_ComposeOptimize.places=bottom left")


def _cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / CLOCK


if __name__ == "__main__":
    main()
