"""Memory of a VQGAN's attention, forward and backward on a CPU: it grows with the pixels, not with their square.

Each size is measured in a fresh process, by its peak memory, which only Linux tells.
"""

from __future__ import annotations

import argparse
import re
from multiprocessing import get_context
from pathlib import Path

import torch

from ..core.generators.vqgan.network import Attention
from ._tables import table


def held(cells: int, channels: int) -> int:
    """Bytes that attention over cells x cells places takes beyond what the process had before."""
    torch.set_num_threads(1)
    attention = Attention(channels).requires_grad_(False)
    x = torch.randn(1, channels, cells, cells, requires_grad=True)
    _pass(attention, x[:, :, :2, :2])  # what torch sets up at first use
    Path("/proc/self/clear_refs").write_text("5")  # forgets the peak so far
    before = _memory("VmRSS")
    _pass(attention, x)
    return _memory("VmHWM") - before


def _pass(attention: Attention, x: torch.Tensor) -> None:
    torch.autograd.grad(attention(x).sum(), x)


def _memory(key: str) -> int:
    return int(re.findall(rf"{key}:\s+(\d+)", Path("/proc/self/status").read_text())[0]) * 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument(
        "--sides", type=int, nargs="+", default=[512, 1024, 1536, 2048], help="of the pictures, in pixels"
    )
    parser.add_argument("--factor", type=int, default=16, help="pixels along the side of one cell")
    parser.add_argument("--channels", type=int, default=512, help="where the published models have attention")
    options = parser.parse_args()
    cells = [side // options.factor for side in options.sides]
    with get_context("spawn").Pool(1, maxtasksperchild=1) as pool:
        bytes_held = pool.starmap(held, [(count, options.channels) for count in cells], chunksize=1)
    rows = [
        (f"{side}", f"{size / 1e6:.0f} MB", f"{size / side**2:.0f}", f"{4 * count**4 / 1e6:.0f} MB")
        for side, count, size in zip(options.sides, cells, bytes_held, strict=True)
    ]
    print(table(("side in pixels", "memory", "bytes per pixel", "the map of places times places alone"), rows))


if __name__ == "__main__":
    main()
