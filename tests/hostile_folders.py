"""Folders of CLIPs for tests to make hostile, cut off from every network, and what a refusal of one must be."""

import json
import shutil
import socket
import time
from pathlib import Path

import pytest
from clip_folders import edit

from guided_gan.core import clip
from guided_gan.core.errors import CheckpointError
from guided_gan.picturebook import MODELS

SECONDS = 20  # on a busy machine; a quiet one needs two


class ConnectedError(BaseException):
    """Nobody catches it by mistake."""


@pytest.fixture(autouse=True, name="cut_off")
def cut_off_from_networks(monkeypatch):
    """No connection can be opened, and nobody is asked anything."""

    def refuse(*arguments, **options):
        raise ConnectedError(f"a connection was opened: {arguments}")

    for name in ("connect", "connect_ex", "sendto"):
        monkeypatch.setattr(socket.socket, name, refuse)
    for name in ("getaddrinfo", "gethostbyname", "create_connection"):
        monkeypatch.setattr(socket, name, refuse)
    monkeypatch.setattr("builtins.input", refuse)


@pytest.fixture(name="marker")
def marker_path(tmp_path):
    return tmp_path / "marker"


@pytest.fixture(name="plain")
def plain_folder(tmp_path):
    """A copy of the shipped CLIP, which needs nothing of transformers."""
    return Path(shutil.copytree(MODELS / "clip", tmp_path / "clip"))


@pytest.fixture(name="tower")
def tower_folder(bert, tmp_path):
    """A copy of a CLIP with a text tower and a tokenizer of transformers."""
    folder = Path(shutil.copytree(bert, tmp_path / "tower"))
    set_text(folder, hf_model_name="some/bert")
    return folder


def set_text(folder, **settings):
    edit(folder, lambda config: config["model_cfg"]["text_cfg"].update(settings))


def change_json(path, **settings):
    said = json.loads(path.read_text()) if path.is_file() else {}
    path.write_text(json.dumps({**said, **settings}))


def refused(folder, marker, words):
    begin = time.perf_counter()
    with pytest.raises(CheckpointError, match=words) as caught:
        clip.load(folder)
    assert time.perf_counter() - begin < SECONDS
    message = str(caught.value)
    assert str(folder) in message
    assert len(message) < 700
    assert "\n" not in message
    assert not marker.exists()
