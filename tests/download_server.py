"""A server on this machine that behaves as badly as a test tells it to, an entry of its files, and a hasty client."""

import hashlib
import http.server
import re
import threading
from typing import Any

import pytest

from guided_gan.core.files import download
from guided_gan.core.files.download import File
from guided_gan.core.published import catalogue

BODY = bytes(range(256)) * 20_000  # about 5 MB, more than the buffers on its way hold
SHA256 = hashlib.sha256(BODY).hexdigest()


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers each request by the next of the server's behaviours; the last one stays."""

    server: Any

    def do_GET(self):
        self.server.asked.append((self.path, self.headers.get("Range")))
        behaviours = self.server.behaviours
        (behaviours.pop(0) if len(behaviours) > 1 else behaviours[0])(self)

    def log_message(self, *arguments):
        pass

    def send(self, body, *, status=200, headers=(), most=None):
        """An answer with a body, of which at most `most` bytes are sent before the connection breaks."""
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), "ETag": '"v1"', **dict(headers)}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body[:most])


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.behaviours = [whole()]
        self.asked: list[tuple[str, str | None]] = []
        self.done = threading.Event()
        self.url = f"http://127.0.0.1:{self.server_port}"

    def handle_error(self, request, client_address):
        """A client that went away is part of the test."""


def whole(body=BODY, most=None, ranges=True, headers=()):
    def answer(handler):
        asked = re.fullmatch(r"bytes=(\d+)-", handler.headers.get("Range") or "")
        if ranges and asked:
            start = int(asked[1])
            place = {"Content-Range": f"bytes {start}-{len(body) - 1}/{len(body)}", **dict(headers)}
            handler.send(body[start:], status=206, headers=place, most=most)
        else:
            handler.send(body, headers=headers, most=most)

    return answer


def status(code):
    return lambda handler: handler.send(b"no", status=code)


def reset(handler):
    handler.connection.close()


def silent(handler):
    handler.server.done.wait(5)


def stalling(handler):
    handler.send(BODY, most=100_000)
    handler.server.done.wait(5)


@pytest.fixture(autouse=True, name="impatient")
def impatient_client(monkeypatch):
    monkeypatch.setattr(download, "PAUSE", 0.001)
    monkeypatch.setattr(download, "TIMEOUT", 0.4)
    monkeypatch.setenv("NO_PROXY", "*")


@pytest.fixture(name="server")
def local_server():
    server = Server()
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    yield server
    server.done.set()
    server.shutdown()
    server.server_close()


def entry_of(url, body, kind="gan", name="weights.bin"):
    file = File(name, (f"{url}/w",), len(body), hashlib.sha256(body).hexdigest())
    return catalogue.Published(name, kind, (file,), "MIT", "tests")
