"""VQGANs in LlamaGen's and diffusers' layouts: agreement with the published code, and what other networks are told."""

import json
import shutil
from argparse import Namespace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch.nn import functional as F
from toys import seeded
from vectors import VQMODEL, difference, recordings
from vqgans import config, load, state, write

from guided_gan.core import generators
from guided_gan.core.errors import CheckpointError
from guided_gan.core.files.weights import hollow
from guided_gan.core.generators.vqgan import VQGAN, CodebookGenerator, described
from guided_gan.core.generators.vqgan.architecture import described_for_diffusers
from guided_gan.core.published import convert
from guided_gan.core.types import Latent

WEIGHTS = "diffusion_pytorch_model.safetensors"


def recorded(recording):
    """Inputs and outputs as numbers of full precision, with pictures in [-1, 1]."""
    tensors = {name: value.float() for name, value in recording.tensors.items()}
    if "amused" in recording.name:
        assert tensors["x"].min() >= 0
        tensors |= {name: 2 * tensors[name] - 1 for name in ("x", "reconstruction")}
    return tensors


@pytest.mark.parametrize("recording", [*recordings("llamagen_*"), *recordings("diffusers_vqmodel_*")])
def test_agrees_with_what_was_recorded(recording, tmp_path):
    generator, expected = load(recording.checkpoint(tmp_path)), recorded(recording)
    h = generator.module.encode(expected["x"])
    assert difference(h, expected["h"]) < 1e-4
    assert torch.equal(generator.module.quantize.logits(h).argmax(1), expected["indices"].long())
    sized = generator.at(*expected["x"].shape[2:])
    assert difference(sized.encode(expected["x"]).tensors["z"], expected["quantised"]) < 1e-6
    assert difference(generator.module(expected["quantised"]), expected["reconstruction"]) < 1e-4
    for z in ("h", "quantised"):  # what lies anywhere is decoded as its nearest code
        image = sized.decode(Latent(sized.name, {"z": expected[z]}))
        assert difference(image, expected["reconstruction"].clamp(-1, 1)) < 1e-4


@pytest.mark.parametrize("recording", recordings("llamagen_*_training"))
def test_without_averages_the_last_weights_are_taken(recording, tmp_path):
    with torch.serialization.safe_globals([Namespace]):
        content = torch.load(recording.checkpoint(tmp_path), weights_only=True)
    assert content.pop("ema")
    torch.save({**content, "state_dict": content["discriminator"]}, tmp_path / "model.pt")
    generator, expected = load(tmp_path / "model.pt"), recorded(recording)
    h = generator.module.encode(expected["x"])
    assert torch.equal(generator.module.quantize.logits(h).argmax(1), expected["model_indices"].long())
    codes = generator.module.quantize.codebook[expected["model_indices"].long()].movedim(-1, 1)
    assert difference(generator.module(codes), expected["model_reconstruction_every2"]) < 1e-4


# ---- LlamaGen, made of a network in taming-transformers' layout


def as_llamagen(tensors):
    """A network with three levels and attention in the deepest one, under LlamaGen's names."""

    def named(name):
        for i in range(3):
            name = name.replace(f"encoder.down.{i}.", f"encoder.conv_blocks.{i}.")
            name = name.replace(f"decoder.up.{2 - i}.", f"decoder.conv_blocks.{i}.")
        for i, part in enumerate(("block_1", "attn_1", "block_2")):
            name = name.replace(f"mid.{part}.", f"mid.{i}.")
        return name.replace(".block.", ".res.")

    return {**{named(name): value for name, value in tensors.items()}, "quantize.codebook_used": torch.zeros(50)}


@pytest.fixture(scope="module")
def taming():
    """A network whose codes are of very different lengths."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        tensors = VQGAN(described(config(attn_resolutions=[8]))[0]).state_dict()
    codes = torch.randn(20, 6, generator=seeded(1)) * torch.linspace(0.1, 5, 20)[:, None]
    return {**tensors, "quantize.embedding.weight": codes}


@pytest.fixture
def pair(taming, tmp_path):
    """The network by the nearest code, and by the code of the greatest cosine."""
    save_file(taming, tmp_path / "taming.safetensors")
    torch.save({"model": as_llamagen(taming)}, tmp_path / "llamagen.pt")
    return load(tmp_path / "taming.safetensors"), load(tmp_path / "llamagen.pt")


def test_llamagen_takes_the_code_of_the_greatest_cosine_at_unit_length(pair, taming):
    nearest, greatest = (generator.at(32, 48) for generator in pair)
    images = torch.rand(2, 3, 32, 48, generator=seeded(4)) * 2 - 1
    h = nearest.module.encode(images)
    assert torch.equal(greatest.module.encode(images), h)
    unit = F.normalize(taming["quantize.embedding.weight"], dim=1)
    cosine = torch.einsum("nchw,kc->nkhw", F.normalize(h, dim=1), unit)
    codes = unit[cosine.argmax(1)].movedim(-1, 1)
    torch.testing.assert_close(greatest.encode(images).tensors["z"], codes)
    assert not torch.allclose(F.normalize(nearest.encode(images).tensors["z"], dim=1), codes)
    for length in (0.3, 1, 7):
        assert torch.equal(
            greatest.decode(Latent(greatest.name, {"z": length * h})),
            greatest.decode(Latent(greatest.name, {"z": codes})),
        )


def test_llamagen_is_searched_like_any_vqgan(pair):
    generator = pair[1].at(32, 32)
    for searched in (generator, CodebookGenerator(generator)):
        latent = searched.sample(2, seeded(1)).map(lambda value: value.requires_grad_())
        searched.decode(latent).square().sum().backward()
        (value,) = latent.tensors.values()
        assert value.grad is not None
        assert (value.grad.abs().amax((1, 2, 3)) > 0).all()


class Arguments:
    """What a trainer keeps of its command line."""

    steps = 0

    def __setstate__(self, state):
        raise AssertionError("it was built")


@pytest.mark.parametrize("nests", [("ema", "model"), ("model", "state_dict"), ("state_dict",)])
def test_a_trainers_file_is_read_as_llamagens_demo_reads_it_and_nothing_is_built(taming, tmp_path, nests):
    arguments = Arguments()
    arguments.steps = 7
    wanted = as_llamagen(taming)
    others = {name: torch.zeros_like(value) for name, value in wanted.items()}
    content = dict(zip(nests, (wanted, others), strict=False))
    torch.save({**content, "args": arguments}, tmp_path / "trained.pt")
    save_file(wanted, tmp_path / "alone.safetensors")
    assert load(tmp_path / "trained.pt").name == load(tmp_path / "alone.safetensors").name


def test_a_converted_llamagen_makes_the_same_pictures(pair, tmp_path):
    assert load(convert.convert(tmp_path / "llamagen.pt")).name == pair[1].name


# ---- diffusers


@pytest.fixture
def vqmodel(tmp_path):
    """A copy of the recorded folder, to be changed."""
    return Path(shutil.copytree(VQMODEL, tmp_path / "vqvae"))


def edit(folder, **changes):
    said = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**said, **changes}))


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"norm_type": "spatial"}, "norm_type is spatial: that is another network, expected group"),
        ({"_class_name": "AutoencoderKL"}, "_class_name is AutoencoderKL: that is another network, expected VQModel"),
        ({"act_fn": "relu"}, "act_fn is relu"),
        (
            {"down_block_types": ["DownEncoderBlock2D"] * 2 + ["AttnDownEncoderBlock2D"]},
            "down_block_types is AttnDownEncoderBlock2D: that is another network, expected DownEncoderBlock2D",
        ),
        ({"up_block_types": ["AttnUpDecoderBlock2D"] * 3}, "up_block_types is AttnUpDecoderBlock2D"),
        ({"num_vq_embeddings": 65}, "n_embed is 65 but the weights say 64"),
        ({"mid_block_add_attention": False}, "attn_middle is False but the weights say True"),
        ({"layers_per_block": 10**9}, "num_res_blocks is 1000000000 but the weights say 2"),
        ({"norm_num_groups": 3}, "norm_num_groups is 3"),
        ({"norm_num_groups": 0}, "norm_num_groups is 0"),
        ({"sample_size": 10**9}, "sample_size is 1000000000"),
        ({"block_out_channels": []}, "does not describe a VQModel"),
    ],
)
def test_another_network_is_refused_by_name(vqmodel, changes, named):
    edit(vqmodel, **changes)
    with pytest.raises(CheckpointError, match=named):
        generators.load(vqmodel)


PUBLISHED = {  # settings, bytes of the file in millions, pixels along a cell
    "aMUSEd": (
        {"block_out_channels": [128, 256, 256, 512, 768], "latent_channels": 64, "mid_block_add_attention": False},
        585,
        16,
    ),
    "latent diffusion": ({"block_out_channels": [128, 256, 512], "latent_channels": 3}, 221, 4),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_published_configuration_is_of_a_model_as_large_as_its_file(name):
    changes, megabytes, factor = PUBLISHED[name]
    shape, side = described_for_diffusers({**changes, "layers_per_block": 2, "num_vq_embeddings": 8192})
    with hollow():
        model = VQGAN(shape)
    assert round(sum(4 * value.numel() for value in model.state_dict().values()) / 1e6) == megabytes
    assert (shape.factor, side) == (factor, 256)


def test_a_vqmodel_without_its_configuration_asks_for_it(vqmodel):
    (vqmodel / "config.json").unlink()
    with pytest.raises(CheckpointError, match=r"it needs its config\.json, which tells the groups"):
        generators.load(vqmodel)


def test_what_only_the_configuration_tells_is_a_part_of_the_name(vqmodel):
    names = {generators.load(vqmodel).name}
    for changes in ({"norm_num_groups": 2}, {"lookup_from_codebook": True}):
        edit(vqmodel, **changes)
        names.add(generators.load(vqmodel).name)
    assert len(names) == 3


def test_attention_under_its_older_names_and_the_usual_settings_left_out_make_the_same_model(vqmodel):
    name, tensors = generators.load(vqmodel).name, load_file(vqmodel / WEIGHTS)
    older = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}
    for new, old in older.items():
        tensors = {key.replace(f".{new}.", f".{old}."): value for key, value in tensors.items()}
    save_file(tensors, vqmodel / WEIGHTS)
    said = json.loads((vqmodel / "config.json").read_text())
    needed = ("block_out_channels", "layers_per_block", "norm_num_groups", "num_vq_embeddings", "sample_size")
    (vqmodel / "config.json").write_text(json.dumps({key: said[key] for key in needed}))
    assert generators.load(vqmodel).name == name


def test_a_file_alone_finds_the_configuration_called_as_it_is(vqmodel):
    name = generators.load(vqmodel).name
    (vqmodel / WEIGHTS).rename(vqmodel / "mine.safetensors")
    (vqmodel / "config.json").rename(vqmodel / "mine.json")
    assert generators.load(vqmodel / "mine.safetensors").name == name


def test_spatial_norms_are_known_by_their_tensors(tmp_path):
    tensors = {name.replace(".norm1.", ".norm1.norm_layer."): value for name, value in state().items()}
    tensors["decoder.norm_out.conv_y.weight"] = torch.zeros(32, 6, 1, 1)
    with pytest.raises(CheckpointError, match="spatial norms, as Kandinsky's MoVQ has"):
        generators.load(write(tmp_path, tensors, config()))
