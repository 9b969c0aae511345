"""VQGAN: agreement with the published code, its attention and its doubling, and the pictures of the shipped model."""

import io
import subprocess
import sys
from contextlib import redirect_stdout

import pytest
import torch
from toys import seeded
from vectors import difference, recordings
from vqgans import config, load, shipped_vqgan, state, write  # noqa: F401 (one is a fixture)

from guided_gan.core.generators.vqgan import VQGAN, VQGANGenerator, described
from guided_gan.core.search.optimize import Options, optimize
from guided_gan.core.search.weightings import of_latent
from guided_gan.core.types import Latent
from guided_gan.picturebook.scenes import kinds
from guided_gan.picturebook.scenes.render import render

# ---- The published code


@pytest.mark.parametrize("recording", recordings("vqgan_*"))
def test_agrees_with_the_recorded_pictures(recording, tmp_path):
    generator, recorded = load(recording.checkpoint(tmp_path)), recording.tensors
    assert difference(generator.module.encode(recorded["x"]), recorded["h"]) < 1e-4
    codes = generator.module.quantize.codebook[recorded["indices"]]
    codes = codes.view(recorded["q"].movedim(1, -1).shape).movedim(-1, 1)
    assert difference(codes, recorded["q"]) < 1e-6
    assert difference(generator.module(recorded["q"]), recorded["reconstruction"]) < 1e-4
    image = generator.decode(Latent(generator.name, {"z": recorded["q"]}))
    assert difference(image, recorded["reconstruction"].clamp(-1, 1)) < 1e-4


@pytest.mark.parametrize("recording", recordings("vqgan_f16"))  # the Gumbel recording drew its codes by chance
def test_quantises_as_recorded(recording, tmp_path):
    generator, recorded = load(recording.checkpoint(tmp_path)), recording.tensors
    assert difference(generator.encode(recorded["x"]).tensors["z"], recorded["q"]) < 1e-6
    image = generator.decode(Latent(generator.name, {"z": recorded["h"]}))
    assert difference(image, recorded["reconstruction"].clamp(-1, 1)) < 1e-4


@pytest.mark.parametrize("attention", [[], [16], [8, 32]])
def test_agrees_with_the_packages_own_network(tmp_path, attention):
    from taming.modules.diffusionmodules.model import Decoder, Encoder

    said = config(attn_resolutions=attention)
    with redirect_stdout(io.StringIO()), torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        networks = {
            "encoder": Encoder(**said["model"]["params"]["ddconfig"]),
            "decoder": Decoder(**said["model"]["params"]["ddconfig"]),
        }
    rest = {name: value for name, value in state().items() if not name.startswith(("encoder.", "decoder."))}
    own = {f"{name}.{key}": value for name, network in networks.items() for key, value in network.state_dict().items()}
    generator = load(write(tmp_path, own | rest, said))
    with torch.no_grad():
        images, z = torch.randn(2, 3, 32, 48, generator=seeded(1)), torch.randn(2, 12, 8, 12, generator=seeded(2))
        assert (generator.module.encoder(images) - networks["encoder"](images)).abs().max() < 1e-5
        assert (generator.module.decoder(z) - networks["decoder"](z)).abs().max() < 1e-5


# ---- Attention and doubling


PROBE = """
import sys, types
sys.modules["guided_gan"] = package = types.ModuleType("guided_gan")
package.__path__ = [sys.argv[1]]
from guided_gan.benchmarks.attention_memory import held
print(held(int(sys.argv[2]), 32))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the peak of a process's memory is asked of Linux")
def test_attention_holds_no_map_of_places_times_places():
    arguments = [sys.executable, "-c", PROBE, sys.modules["guided_gan"].__path__[0]]
    half, whole = (
        int(subprocess.run([*arguments, side], capture_output=True, check=True).stdout) for side in ("48", "96")
    )
    assert 0 < half < whole < 96**4  # one byte of each entry of the map
    assert whole < 6 * half  # with a map it were 16


def test_the_decoder_doubles_by_one_convolution_and_the_network_that_trains_as_published():
    network = VQGAN(described(config())[0]).requires_grad_(False)
    codes = torch.randn(2, 6, 5, 7, generator=seeded(1))
    expected, names = network(codes), list(network.state_dict())
    assert any(name.endswith("upsample.conv.weight") for name in names)
    generator = VQGANGenerator(network, "digest", 4, 32)
    assert any(isinstance(part, torch.nn.ConvTranspose2d) for part in generator.module.decoder.modules())
    torch.testing.assert_close(generator.module(codes), expected, atol=1e-5, rtol=1e-5)


# ---- Picturebook's own


def test_picturebooks_vqgan_repeats_scenes_of_every_style(vqgan):
    scenes = kinds.sample(60, seeded(7))
    pictures = render(scenes)
    assert set(scenes.style.tolist()) == set(range(len(kinds.STYLES)))
    assert set(scenes.count.tolist()) == {1, 2}
    error = (vqgan.decode(vqgan.encode(pictures)) - pictures).square().mean()
    assert 10 * torch.log10(4 / error) >= 24


def test_a_search_finds_a_picture_from_random_codes(vqgan):
    target = render(kinds.sample(1, seeded(8)))

    class Distance:
        name, models = "distance", ()

        def __call__(self, images, latent, rngs):
            return (images - target).square().mean((1, 2, 3))

    start = of_latent(vqgan.sample(1, seeded(1)))
    options = Options(steps=30, lr=0.1, latent_noise=0.0)
    result = optimize(vqgan, Distance(), start, seeds=[1], options=options)
    losses = [-value for (value,) in result.curve.scores["distance"]]
    assert losses[-1] < losses[0] / 3


def test_picturebooks_vqgan_draws_larger_pictures_too(vqgan):
    assert vqgan.resolution == (64, 64)
    scene = kinds.sample(1, seeded(9))
    large = vqgan.at(96, 128)
    image = large.decode(large.encode(render(scene, 128)[:, :, :96]))
    assert image.shape == (1, 3, 96, 128)
