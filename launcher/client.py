"""Runs a workflow on a host, and follows it by the host's events."""

from __future__ import annotations

import asyncio
import json
import struct
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

from . import LauncherError
from .host import Host
from .progress import Progress
from .workflow import Workflow

TEXT_EVENT = 3  # type of the binary event with a text of a node


@dataclass
class Result:
    """The results of a run.

    Attributes:
        images: the saved files, in the order of saving.
        made_with: for each of them, its prompts by name and the seed that reproduces it.
        scores: for each node that reported something other than pictures: its id, title and report.
        texts: for each node that showed a text on itself: its id, title and last text.
        seconds: from queueing to the end.
    """

    images: list[str] = field(default_factory=list)
    made_with: list[dict[str, Any]] = field(default_factory=list)
    scores: list[dict[str, Any]] = field(default_factory=list)
    texts: list[dict[str, str]] = field(default_factory=list)
    seconds: float = 0.0


async def definitions(host: Host) -> dict[str, Any]:
    """The host's definitions of all nodes."""
    async with aiohttp.ClientSession(host.url) as session, session.get("/object_info") as answer:
        return await answer.json()


async def run(host: Host, workflow: Workflow, *, quiet: bool = False) -> Result:
    """Run a workflow to its end.

    quiet: without a progress line.

    Raises:
        LauncherError: the host refused it, or a node failed.
    """
    client = uuid.uuid4().hex
    async with aiohttp.ClientSession(host.url) as session:
        async with session.ws_connect(f"/ws?clientId={client}", max_msg_size=0) as socket:
            try:
                job = await _queue(session, workflow, client)
                return await _follow(host, socket, workflow, job, None if quiet else Progress())
            except asyncio.CancelledError:
                await session.post("/interrupt")
                raise


async def _queue(session: aiohttp.ClientSession, workflow: Workflow, client: str) -> str:
    body: dict[str, Any] = {"prompt": workflow.prompt, "client_id": client}
    if workflow.graph is not None:
        body["extra_data"] = {"extra_pnginfo": {"workflow": workflow.graph}}
    async with session.post("/prompt", json=body) as answer:
        reply = await answer.json()
    if reply.get("node_errors") or "error" in reply:
        raise LauncherError(refusal(reply, workflow))
    return reply["prompt_id"]


def refusal(reply: Mapping[str, Any], workflow: Workflow) -> str:
    """The host's reasons for refusing a prompt, with the names of nodes."""
    reasons = dict.fromkeys(
        f"{workflow.title(identity)} (node {identity}) was refused: {_reason(error)}"
        for identity, node in (reply.get("node_errors") or {}).items()
        for error in node["errors"]
    )
    if reasons:
        return "; ".join(reasons)
    return f"the host refused the workflow: {reply['error']['message']} {reply['error']['details']}".rstrip()


def _reason(error: Mapping[str, str]) -> str:
    """Why an input was refused; from a node's own validation, its sentence alone, which the host repeats per input."""
    own = error["details"].partition(" - ")[2] if error.get("type") == "custom_validation_failed" else ""
    return own or f"{error['message']} ({error['details']})"


async def _follow(
    host: Host,
    socket: aiohttp.ClientWebSocketResponse[bool],
    workflow: Workflow,
    job: str,
    progress: Progress | None,
) -> Result:
    result, started = Result(), time.monotonic()
    label, reached, total, begun = "waiting", 0.0, 0.0, 0
    texts: dict[str, str] = {}
    try:
        async for message in socket:
            note = ""
            if message.type is aiohttp.WSMsgType.BINARY:
                if shown := shown_text(message.data):
                    texts.update([shown])
                    note = shown[1]
            else:
                event = json.loads(message.data)
                data = event["data"]
                if data.get("prompt_id") != job:
                    continue
                match event["type"]:
                    case "executing" if data["node"] is not None:
                        begun += 1
                        label, reached, total = (
                            f"{begun}/{len(workflow.prompt)} {workflow.title(data['node'])}",
                            0.0,
                            0.0,
                        )
                    case "progress":
                        reached, total = data["value"], data["max"]
                    case "executed":
                        _collect(result, data, host.output, workflow)
                    case "execution_error":
                        title, words = workflow.title(data["node_id"]), data["exception_message"].strip()
                        raise LauncherError(f"{title} (node {data['node_id']}) failed: {words}")
                    case "execution_interrupted":
                        raise LauncherError("the run was interrupted from elsewhere.")
                    case "execution_success":
                        result.seconds = round(time.monotonic() - started, 2)
                        order = next((report["order"] for report in result.scores if "order" in report), ())
                        result.made_with = workflow.made_with(len(result.images), order)
                        result.texts = [
                            {"node": node, "title": workflow.title(node), "text": text} for node, text in texts.items()
                        ]
                        return result
            if progress:
                progress.update(label, reached, total, note)
    finally:
        if progress:
            progress.close()
    raise LauncherError(f"ComfyUI stopped during the run.\n{host.last_words()}".rstrip())


def shown_text(frame: bytes) -> tuple[str, str] | None:
    """The node and its text, without Markdown's spaces at line ends, in a binary event of the host; None in others."""
    if struct.unpack_from(">I", frame)[0] != TEXT_EVENT:
        return None
    (length,) = struct.unpack_from(">I", frame, 4)
    node, text = frame[8 : 8 + length], frame[8 + length :]
    return node.decode(), text.decode(errors="replace").replace("  \n", "\n")


def _collect(result: Result, data: Mapping[str, Any], output: Path, workflow: Workflow) -> None:
    reported = dict(data["output"] or {})
    for image in reported.pop("images", []):
        if image["type"] == "output":  # previews are in the host's temporary folder
            result.images.append(str(output / image["subfolder"] / image["filename"]))
    reported.pop("animated", None)
    if reported:
        result.scores.append({"node": data["node"], "title": workflow.title(data["node"]), **reported})
