"""Finish now: a search ends early because the user asks for it, and hands on the best so far.

The request names the search by its prompt and its node, as the messages of a search name it. It reaches a search that
runs and nothing else: what is not running has no entry here, so that nothing waits for a later run.
"""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from aiohttp import web

from . import host

PATH = "/guided_gan/finish"
IDS = ("prompt_id", "node")  # of a search, as messages and requests name it
_MOST_BYTES = 1000  # of a request


_running: dict[host.Place, threading.Event] = {}
_early: Counter[str] = Counter()  # by a node's id: how often it has been finished early


@contextmanager
def asked(place: host.Place) -> Iterator[threading.Event]:
    """An event that is set once somebody asks the search at this place to finish; the place is free again after it."""
    event = _running[place] = threading.Event()
    try:
        yield event
    finally:
        del _running[place]


def early(node_id: str) -> None:
    """Record that a node ended early, so that queued again it runs on: the host's cache must not answer for it."""
    _early[node_id] += 1


def fingerprint(node_id: str) -> int:
    """For `fingerprint_inputs` of a node: changes each time that it has finished early."""
    return _early[node_id]


def serve() -> None:
    """Have the host take the requests."""
    host.serve(PATH, _answer)


async def _answer(request: web.Request) -> web.Response:
    """A request is JSON, {"prompt_id": ..., "node": ...}; other sites' pages cannot send that type unasked."""
    if request.content_type != "application/json":
        return _refusal(415, "The request must be of the type application/json.")
    if request.content_length is None or request.content_length > _MOST_BYTES:
        return _refusal(413, f"The request must tell its length, of at most {_MOST_BYTES} bytes.")
    try:
        given = json.loads(await request.read())
        event = _running.get(tuple(given[name] for name in IDS))
    except (ValueError, RecursionError, KeyError, TypeError):  # not JSON, or of another form
        return _refusal(400, 'The request must be {"prompt_id": "...", "node": "..."}.')
    if event is None:
        return _refusal(404, "No search runs there: it has ended, or has not begun.")
    event.set()
    return web.json_response({"finishing": True})


def _refusal(status: int, why: str) -> web.Response:
    return web.json_response({"error": why}, status=status)
