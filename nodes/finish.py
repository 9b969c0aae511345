"""Finish now: a request that ends a running search early; its node outputs the best result so far.

The request identifies the search by the ids of its prompt and node, as the search's messages do. Requests for a search
that is not running are refused, not kept for a later run.
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
    """A context for a running search, with an event that is set when it is requested to finish."""
    event = _running[place] = threading.Event()
    try:
        yield event
    finally:
        del _running[place]


def early(node_id: str) -> None:
    """Record that a node ended early: queued again, it must run on instead of using the host's cache."""
    _early[node_id] += 1


def fingerprint(node_id: str) -> int:
    """For `fingerprint_inputs` of a node: changes whenever it has ended early."""
    return _early[node_id]


def serve() -> None:
    """Register the request with the host's server."""
    host.serve(PATH, _answer)


async def _answer(request: web.Request) -> web.Response:
    """Handle a request: JSON, {"prompt_id": ..., "node": ...}, a type that other sites cannot send without CORS."""
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
