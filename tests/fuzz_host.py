"""A running host that odd prompts are sent to, and what must hold of its answers.

The host must answer; what it refuses must be refused in words; and what runs must end, or stop when asked to.
"""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from typing import Any

from fuzz import PREFIX, Try
from host_client import Prompt

from guided_gan.core import errors

LONGEST_MESSAGE = errors.MOST + 200  # and what the host puts around it
PATIENCE = 2.0  # seconds that a try may run before it is stopped
STOP = 60.0  # and that it may take to stop, on a busy machine
OURS = {kind.__name__ for kind in (errors.PackError, *errors.PackError.__subclasses__())}


class Host:
    """A running host, asked over HTTP alone."""

    def __init__(self, url: str) -> None:
        self._url = url

    def ask(self, path: str, body: Any = None) -> tuple[int, Any]:
        """Status and JSON of a request; a body makes it a POST."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self._url + path, data, {"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=STOP) as answer:
                return answer.status, json.loads(answer.read() or b"null")
        except urllib.error.HTTPError as error:
            text = error.read()
            with error:
                return error.code, json.loads(text) if text[:1] == b"{" else text.decode(errors="replace")

    def run(self, prompt: Prompt, patience: float = PATIENCE) -> dict[str, Any]:
        """The history entry of a prompt, which is interrupted once it has run for so many seconds.

        Raises:
            Refused: the host refuses it. TimeoutError: it neither ends nor stops.
        """
        status, reply = self.ask("/prompt", {"prompt": prompt})
        if status != 200 or reply.get("node_errors"):
            raise Refused(status, reply)
        start, asked = time.monotonic(), False
        while time.monotonic() - start < patience + STOP:
            _, history = self.ask(f"/history/{reply['prompt_id']}")
            if history:
                return history[reply["prompt_id"]]
            if not asked and time.monotonic() - start > patience:
                asked = True
                self.ask("/interrupt", {})
            time.sleep(0.02)
        raise TimeoutError


class Refused(Exception):
    """The host refused a prompt: its status and reply."""


def fault(host: Host, odd: Try) -> str | None:
    """What is wrong with how the host took a try, or None."""
    try:
        entry = host.run(odd.prompt)
    except Refused as refused:
        return _fault_of_refusal(*refused.args)
    except TimeoutError:
        return f"it neither ends nor stops within {STOP:.0f} s"
    except OSError as error:
        return f"the host does not answer: {error!r}"
    for kind, data in entry["status"]["messages"]:
        if kind == "execution_error" and data["node_type"].startswith(PREFIX):
            if data["exception_type"] not in OURS:
                return f"{data['exception_type']}: {data['exception_message'][:300]} {data['traceback'][-1].strip()}"
            if len(data["exception_message"]) > LONGEST_MESSAGE:
                return f"a message of {len(data['exception_message'])} characters"
    return None


def _fault_of_refusal(status: int, reply: Any) -> str | None:
    if not isinstance(reply, dict):
        # The host's own validation breaks on some values before a node is asked, as on a list for an identity.
        return None if status == 500 and PREFIX not in reply else f"status {status}: {reply[:300]}"
    for found in reply["node_errors"].values():
        for error in found["errors"]:
            if len(error["details"]) > LONGEST_MESSAGE and error["type"] == "custom_validation_failed":
                return f"a message of {len(error['details'])} characters"
            places = error.get("extra_info", {}).get("traceback", [])
            if any("guided_gan" in place for place in places):
                return f"{error['message']}: {error['details'][:300]} {places[-1].strip()}"
    return None
