"""Drives a running ComfyUI as the browser does: builds graphs, queues them, and keeps every event that comes back."""

from __future__ import annotations

import asyncio
import io
import json
import struct
import threading
import uuid
from collections.abc import Callable, Coroutine, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import numpy as np
from PIL import Image

from guided_gan.launcher.client import shown_text
from guided_gan.launcher.widgets import default, widgets

PREVIEW_EVENT = 4
TIMEOUT = 300  # seconds for one prompt

Prompt = dict[str, dict[str, Any]]
Link = list[Any]


def inputs(node: Mapping[str, Any]) -> list[tuple[str, list[Any], bool]]:
    """Name, specification and whether it may be left out, for each input in order."""
    groups = ("required", "optional")
    return [
        (name, spec, group == "optional") for group in groups for name, spec in node["input"].get(group, {}).items()
    ]


def options(spec: list[Any]) -> dict[str, Any]:
    """What a specification says beside the type."""
    return spec[1] if len(spec) > 1 else {}


def within(node: Mapping[str, Any]) -> Iterator[tuple[str, list[Any], bool]]:
    """Those of `inputs`, and as `combo.input` those of every option of a dynamic combo, and the first that can grow."""
    for name, spec, optional in inputs(node):
        yield name, spec, optional
        if spec[0] == "COMFY_DYNAMICCOMBO_V3":
            nested = {one[0]: one for option in options(spec)["options"] for one in inputs({"input": option["inputs"]})}
            yield from ((f"{name}.{inner}", spec, optional) for inner, spec, optional in nested.values())
        if spec[0] == "COMFY_AUTOGROW_V3":
            template = options(spec)["template"]
            ((_, inner, _),) = inputs(template)
            yield f"{name}.{template['names'][0]}", inner, True


def fields_by_hand(definition: Mapping[str, Any]) -> dict[str, Any]:
    """The inputs, with their specifications, that a node's `settings` show when they are set by hand."""
    options = definition["input"].get("required", {}).get("settings", ["", {}])[1].get("options", [])
    return {name: spec for one in options for group in one["inputs"].values() for name, spec in group.items()}


def by_hand(definition: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """The inputs given, those that a node's `settings` have by hand under their names there, unless these are given."""
    fields = fields_by_hand(definition).keys()
    if "settings" in given or not fields & given.keys():
        return dict(given)
    return {"settings": "by hand", **{f"settings.{n}" if n in fields else n: value for n, value in given.items()}}


class Graph:
    """A prompt under construction: `add` a node, and use what it returns, by output, as an input of others.

    Inputs that are left out have the default of the node's definition; those that can only be set by hand are. A node's
    id is its type without the pack's prefix, with a number from the second on.
    """

    def __init__(self, definitions: Mapping[str, Any]) -> None:
        self.prompt: Prompt = {}
        self._definitions = definitions

    def add(self, kind: str, **inputs: Any) -> Node:
        full = f"GuidedGAN_{kind}" if f"GuidedGAN_{kind}" in self._definitions else kind
        values = by_hand(self._definitions[full], inputs)
        for name, spec in widgets(self._definitions[full]["input"], values):
            values.setdefault(name, default(spec))
        count = sum(node["class_type"] == full for node in self.prompt.values())
        identity = kind if not count else f"{kind} {count + 1}"
        values = {name: value[0] if isinstance(value, Node) else value for name, value in values.items()}
        self.prompt[identity] = {"class_type": full, "inputs": values, "_meta": {"title": identity}}
        return Node(identity, self.prompt[identity]["inputs"])


@dataclass(frozen=True)
class Node:
    """A node of a graph: `node[1]` is its second output; `inputs` may be changed between two runs."""

    id: str
    inputs: dict[str, Any]

    def __getitem__(self, slot: int) -> Link:
        return [self.id, slot]


@dataclass
class Run:
    """What came back of one prompt.

    Attributes:
        status: success, error or interrupted.
        events: type and data of each event, in order.
        previews: node and picture of each preview.
        texts: node and line of each text that a node showed while it ran.
    """

    status: str = ""
    events: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    previews: list[tuple[str, Image.Image]] = field(default_factory=list)
    texts: list[tuple[str, str]] = field(default_factory=list)

    @property
    def executed(self) -> set[str]:
        """The nodes that ran."""
        return {data["node"] for kind, data in self.events if kind == "executing" and data["node"] is not None}

    @property
    def cached(self) -> set[str]:
        """The nodes whose results were at hand."""
        return {node for kind, data in self.events if kind == "execution_cached" for node in data["nodes"]}

    @property
    def outputs(self) -> dict[str, dict[str, Any]]:
        """What nodes reported for the browser."""
        return {data["node"]: data["output"] for kind, data in self.events if kind == "executed"}

    @property
    def error(self) -> tuple[str, str]:
        """The node that failed, and its words."""
        data = next(data for kind, data in self.events if kind == "execution_error")
        return data["node_id"], data["exception_message"].strip()

    def progress(self, node: str) -> list[int]:
        """How far a node said it was."""
        return [int(data["value"]) for kind, data in self.events if kind == "progress" and data["node"] == node]


class Client:
    """A browser tab of a host."""

    def __init__(self, url: str) -> None:
        self._url, self._id = url, uuid.uuid4().hex
        self._loop = asyncio.new_event_loop()  # in a thread of its own: that of a browser may run in the test's
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self.definitions: dict[str, Any] = self.get("/object_info")

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def graph(self) -> Graph:
        """An empty graph; it knows the files that are there now."""
        self.definitions = self.get("/object_info")
        return Graph(self.definitions)

    def get(self, path: str) -> Any:
        return self._wait(self._request("GET", path))

    def picture(self, file: Mapping[str, str]) -> np.ndarray:
        """A picture that a node saved, [H, W, 3] of bytes."""
        data = self.get("/view?" + "&".join(f"{name}={file[name]}" for name in ("filename", "subfolder", "type")))
        return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))

    def run(self, prompt: Prompt, watch: Callable[[Run], bool] | None = None, workflow: Any = None) -> Run:
        """Run a prompt to its end.

        watch is called after each event; once it returns true, the prompt is interrupted. workflow is what the editor
        adds.

        Raises:
            AssertionError: the host refused the prompt.
        """
        return self._wait(asyncio.wait_for(self._run(prompt, watch, workflow), TIMEOUT))

    def refusal(self, prompt: Prompt) -> dict[str, list[str]]:
        """The messages by node with which the host refuses a prompt, or what of it cannot run: the rest does."""
        reply = self._wait(self._request("POST", "/prompt", {"prompt": prompt}))
        assert reply["node_errors"], "the host took all of the prompt"
        return {
            node: [f"{error['message']}: {error['details']}" for error in found["errors"]]
            for node, found in reply["node_errors"].items()
        }

    def _wait(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    async def _request(self, method: str, path: str, body: Any = None) -> Any:
        async with aiohttp.ClientSession(self._url) as session, session.request(method, path, json=body) as answer:
            return await (answer.json() if answer.content_type == "application/json" else answer.read())

    async def _run(self, prompt: Prompt, watch: Callable[[Run], bool] | None, workflow: Any) -> Run:
        run, extra = Run(), {"extra_pnginfo": {"workflow": workflow}} if workflow else {}
        async with aiohttp.ClientSession(self._url) as session:
            async with session.ws_connect(f"/ws?clientId={self._id}", max_msg_size=0) as socket:
                await socket.send_json({"type": "feature_flags", "data": {"supports_preview_metadata": True}})
                async with session.post(
                    "/prompt", json={"prompt": prompt, "client_id": self._id, "extra_data": extra}
                ) as answer:
                    reply = await answer.json()
                assert not reply["node_errors"], f"the host refused the prompt: {reply}"
                async for message in socket:
                    _keep(run, message, reply["prompt_id"])
                    if run.status:
                        return run
                    if watch is not None and watch(run):
                        watch = None
                        await (await session.post("/interrupt")).read()
        raise AssertionError("the host closed the connection")


def _keep(run: Run, message: Any, job: str) -> None:
    if message.type is aiohttp.WSMsgType.BINARY:
        if shown := shown_text(message.data):
            run.texts.append(shown)
            return
        (kind,) = struct.unpack_from(">I", message.data)
        (length,) = struct.unpack_from(">I", message.data, 4)
        head, rest = message.data[8 : 8 + length], message.data[8 + length :]
        if kind == PREVIEW_EVENT:
            run.previews.append((json.loads(head)["node_id"], Image.open(io.BytesIO(rest))))
        return
    event = json.loads(message.data)
    if event["data"].get("prompt_id") == job:
        run.events.append((event["type"], event["data"]))
        if event["type"] == "executed":
            json.dumps(event["data"], allow_nan=False)  # a NaN would make the browser drop the message
        kind = event["type"].removeprefix("execution_")
        if kind in {"success", "error", "interrupted"}:
            run.status = kind
