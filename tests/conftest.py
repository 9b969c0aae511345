"""Makes this folder importable as `guided_gan`, whatever it is called, and starts one ComfyUI for all tests."""

import os
import sys
import types
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

# Threads without work sleep instead of spinning: most tensors here are small, and on a busy machine spinning took up to
# 40 times the time of the work. OpenMP reads this once, when PyTorch is first imported, here and in the host.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

pytest.register_assert_rewrite("node_checks")  # so that a failure shows both sides there, too

package = types.ModuleType("guided_gan")  # without running its `__init__`
package.__path__ = [str(ROOT)]
sys.modules["guided_gan"] = package


def pytest_addoption(parser):
    parser.addoption("--regenerate", action="store_true", help="write the files that follow from the nodes anew")
    parser.addoption("--fuzz", type=int, default=60, help="odd prompts that test_fuzz.py queues; try 2000 at times")


@pytest.fixture(scope="session", autouse=True)
def _without_bfloat16():
    """On every CPU, models compute in float32 where a test does not say otherwise: what they are compared with does."""
    import torch

    from guided_gan.core.compute.precision import FAST

    known = {**getattr(torch.cpu, "get_capabilities", dict)(), **dict.fromkeys(FAST, False)}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.cpu, "get_capabilities", lambda: known, raising=False)
        yield


@pytest.fixture
def accelerate():
    """Precision and devices are settled once in a process: not yet, and not for the tests that follow."""
    from accelerate.state import AcceleratorState

    AcceleratorState._reset_state(reset_partial_state=True)
    yield
    AcceleratorState._reset_state(reset_partial_state=True)


@pytest.fixture(scope="session")
def comfyui():
    """The folder of the ComfyUI that run.py prepared."""
    if "GUIDED_GAN_HOST" not in os.environ:
        pytest.skip("needs ComfyUI: run it through `python3 run.py test`")
    return Path(os.environ["GUIDED_GAN_HOST"])


@pytest.fixture(scope="session")
def host_folders(tmp_path_factory):
    """The running host's folders, empty at first: models, user, input, output."""
    folder = tmp_path_factory.mktemp("host")
    for name in ("models", "user", "input", "output"):
        (folder / name).mkdir()
    return folder


@pytest.fixture(scope="session")
def host(comfyui, host_folders):
    """One host with this pack, on the processor."""
    from guided_gan.launcher import host as launcher

    options = [f"--{name}-directory={host_folders / name}" for name in ("models", "user", "input")]
    base = Path(os.environ["GUIDED_GAN_BASE"])
    with launcher.running(
        comfyui, base, host_folders / "output", options=["--cpu", "--fp32-unet", *options]
    ) as running:
        yield running


@pytest.fixture(scope="session")
def client(host):
    """A browser tab of that host."""
    from host_client import Client

    client = Client(host.url)
    yield client
    client.close()


@pytest.fixture(scope="module")
def browser(host):
    """A headless Chromium, for the tests of one file."""
    import page

    with page.browser() as started:
        yield started


@pytest.fixture(scope="module", params=[False, True], ids=["canvas", "nodes2"])
def page(request, browser, host):
    """The host's page in it, with either way to draw nodes."""
    from page import Page

    page = Page(browser, host.url, nodes2=request.param)
    yield page
    page.close()
    assert not page.faults


@pytest.fixture
def generator():
    from toys import ToyGenerator

    return ToyGenerator()


@pytest.fixture
def encoder():
    from toys import ToyEncoder

    return ToyEncoder()
