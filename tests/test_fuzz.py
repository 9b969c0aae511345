"""Whatever a client sends: the host answers, refuses in words, works on, and writes nothing outside its folders."""

import os
from pathlib import Path

import fuzz
import fuzz_host
import pytest
from conftest import ROOT

CHECK_EVERY = 50


def files(folder: Path, *without: Path) -> set[str]:
    """The files below a folder, but for some folders of it."""
    return {
        str(Path(place) / name)
        for place, folders, names in os.walk(folder)
        for name in names
        if not any(Path(place).is_relative_to(other) for other in without)
    }


def good(definitions):
    graph = fuzz.Graph(definitions)
    latent = graph.add("RandomLatent", generator=graph.add("LoadGenerator"), seed=3)
    graph.add("PreviewImage", images=graph.add("Decode", generator=graph.add("LoadGenerator"), latent=latent))
    return graph.prompt


@pytest.fixture
def count(request):
    return request.config.getoption("--fuzz")


@pytest.fixture(scope="module")
def asked(host):
    return fuzz_host.Host(host.url)


@pytest.fixture(scope="module")
def definitions(client, asked):
    """The nodes, once there is a latent to load."""
    asked.run(fuzz.plain(client.definitions, "SaveLatent").prompt, patience=60)
    return client.get("/object_info")


def test_every_node_runs_where_nothing_is_odd(asked, definitions):
    for name in (name.removeprefix(fuzz.PREFIX) for name in definitions if name.startswith(fuzz.PREFIX)):
        entry = asked.run(fuzz.plain(definitions, name).prompt, patience=60)
        assert entry["status"]["status_str"] == "success", entry["status"]["messages"]


def test_odd_values_for_every_input_of_every_node(asked, definitions, host_folders, count):
    faults = []
    around = (host_folders.parent, host_folders, Path("/"))
    before = (
        files(around[0], host_folders),
        set(host_folders.iterdir()),
        set(around[2].iterdir()),
        files(ROOT, ROOT / ".git"),
    )
    for number, odd in enumerate(fuzz.tries(definitions, count, seed=0), 1):
        if (found := fuzz_host.fault(asked, odd)) is not None:
            faults.append(f"{odd}: {found}")
        if number % CHECK_EVERY == 0 or number == count:
            assert asked.run(good(definitions), patience=60)["status"]["status_str"] == "success", f"after {odd}"
    assert not faults, "\n".join(faults)
    after = (
        files(around[0], host_folders),
        set(host_folders.iterdir()),
        set(around[2].iterdir()),
        files(ROOT, ROOT / ".git"),
    )
    for old, new in zip(before, after, strict=True):
        assert not {path for path in map(str, new - old) if "__pycache__" not in path and ".pytest_cache" not in path}
    assert not [
        path for folder in host_folders.iterdir() for path in folder.rglob("*evil*") if "gan_latents" not in path.parts
    ]
