"""VQGAN: agreement with the published code, latents of any size, the codebook's distribution, and what is refused."""

import io
import subprocess
import sys
import time
from contextlib import redirect_stdout

import pytest
import torch
import yaml
from safetensors.torch import save_file
from vectors import difference, recordings

from guided_gan.core import generators
from guided_gan.core.errors import CheckpointError, LatentError
from guided_gan.core.generators.latent_grid import clamp_with_grad
from guided_gan.core.generators.vqgan import VQGAN, CodebookGenerator, VQGANGenerator, closeness, described
from guided_gan.core.search.optimize import Options, optimize
from guided_gan.core.search.weightings import of_latent
from guided_gan.core.types import Latent
from guided_gan.picturebook import MODELS
from guided_gan.picturebook.scenes import kinds
from guided_gan.picturebook.scenes.render import render

FACTOR = 4


def seeded(seed):
    return torch.Generator().manual_seed(seed)


def config(kind="VQModel", **changes):
    """Of a small VQGAN; changes go where the key belongs."""
    network = {
        "double_z": False, "z_channels": 12, "resolution": 32, "in_channels": 3, "out_ch": 3, "ch": 32,
        "ch_mult": [1, 2, 1], "num_res_blocks": 1, "attn_resolutions": [16], "dropout": 0.0,
    }  # fmt: skip
    params = {"embed_dim": 12 if kind == "GumbelVQ" else 6, "n_embed": 20, "ddconfig": network}
    for key, value in changes.items():
        (network if key in network else params)[key] = value
    return {"model": {"base_learning_rate": 4.5e-6, "target": f"taming.models.vqgan.{kind}", "params": params}}


def state(kind="VQModel", seed=0):
    """Random tensors in the published names, with the spread that training gives."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = VQGAN(described(config(kind))[0])
        for value in model.parameters():
            if value.ndim == 1:
                torch.nn.init.normal_(value, 0.5, 0.5)
    return {name: value.detach().clone() for name, value in model.state_dict().items()}


def write(folder, tensors, said, name="model"):
    folder.mkdir(exist_ok=True)
    save_file(tensors, folder / f"{name}.safetensors")
    (folder / f"{name}.yaml").write_text(yaml.safe_dump(said))
    return folder / f"{name}.safetensors"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("vqgan")
    for kind in ("VQModel", "GumbelVQ"):
        write(folder / kind, state(kind), config(kind))
    return folder


@pytest.fixture(params=["VQModel", "GumbelVQ"])
def kind(request):
    return request.param


@pytest.fixture
def generator(folder, kind):
    return generators.load(folder / kind)


@pytest.fixture
def codebook(kind):
    return state(kind)[f"quantize.{'embed' if kind == 'GumbelVQ' else 'embedding'}.weight"]


@pytest.fixture
def pictures():
    return render(kinds.sample(2, seeded(1)), 32)


# ---- What it computes


def load(path):
    generator = generators.load(path)
    assert isinstance(generator, VQGANGenerator)
    return generator


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


def test_decodes_the_nearest_codes(generator, codebook):
    z = generator.constrain(
        generator.sample(2, seeded(1)).map(lambda value: value + torch.randn(value.shape, generator=seeded(2)))
    )
    flat = z.tensors["z"].movedim(1, -1).flatten(0, 2)
    nearest = codebook[torch.cdist(flat, codebook).argmin(1)].view(z.tensors["z"].movedim(1, -1).shape).movedim(-1, 1)
    assert not torch.equal(nearest, z.tensors["z"])
    assert torch.equal(generator.decode(z), generator.decode(Latent(generator.name, {"z": nearest})))


def test_closeness_is_the_negative_squared_distance(codebook):
    z = torch.randn(2, codebook.shape[1], 3, 5, generator=seeded(1))
    distance = (z[:, None] - codebook[None, :, :, None, None]).square().sum(2)
    assert (closeness(z, codebook) - (z.square().sum(1)[:, None] - distance)).abs().max() < 1e-4


def test_gradient_goes_straight_through_the_quantiser(generator):
    codes = generator.sample(1, seeded(1)).tensors["z"]
    near = (codes + 1e-4).requires_grad_()
    generator.decode(Latent(generator.name, {"z": near})).square().sum().backward()
    codes = codes.clone().requires_grad_()
    clamp_with_grad(generator.module(codes)).square().sum().backward()
    assert codes.grad.abs().amax() > 0
    assert torch.allclose(near.grad, codes.grad)


def test_clamp_lets_in_the_gradients_that_lead_back():
    x = torch.tensor([-2.0, -2.0, 0.5, 0.5, 2.0, 2.0], requires_grad=True)
    y = clamp_with_grad(x)
    assert y.tolist() == [-1, -1, 0.5, 0.5, 1, 1]
    (gradient,) = torch.autograd.grad(y, x, torch.tensor([1.0, -1.0, 1.0, -1.0, 1.0, -1.0]))
    assert gradient.tolist() == [0, -1, 1, -1, 1, 0]  # descent goes against the gradient


# ---- Generator protocol


@pytest.fixture(params=["z", "logits"])
def either(request, generator):
    """The generator, and the one of codebook sampling over it."""
    return generator if request.param == "z" else CodebookGenerator(generator)


def test_pictures_and_latents_have_the_shapes_said(either):
    latent = either.sample(2, seeded(1))
    assert {name: tuple(value.shape[1:]) for name, value in latent.tensors.items()} == either.spec
    image = either.decode(latent)
    assert image.shape == (2, 3, 32, 32) == (2, 3, *either.resolution)
    assert image.dtype == torch.float32
    assert image.abs().max() <= 1
    assert image.std() > 0.05


def test_same_seed_same_latent(either):
    (name,) = either.spec
    first, again, other = (either.sample(4, seeded(seed)).tensors[name] for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_sample_draws_codes(generator, codebook):
    drawn = generator.sample(8, seeded(1)).tensors["z"].movedim(1, -1).flatten(0, 2)
    same = (drawn[:, None] == codebook).all(2)
    assert same.any(1).all()
    assert same.any(0).all()


def test_constrain_clamps_each_channel_to_the_codebook(generator, codebook):
    latent = generator.sample(1, seeded(1))
    far = generator.constrain(latent.map(lambda z: 100 * z)).tensors["z"]
    assert torch.equal(far.amax((0, 2, 3)), codebook.amax(0))
    assert torch.equal(far.amin((0, 2, 3)), codebook.amin(0))
    assert torch.equal(generator.constrain(latent).tensors["z"], latent.tensors["z"])


def test_latent_of_another_generator_is_refused(either, folder, kind):
    other = generators.load(folder / ("VQModel" if kind == "GumbelVQ" else "GumbelVQ"))
    for stage in (either.decode, either.constrain):
        with pytest.raises(LatentError, match=f"{other.name}.*{either.name}"):
            stage(other.sample(1, seeded(1)))


def test_gradients_reach_the_latent_alone(either):
    latent = either.sample(2, seeded(1)).map(lambda value: value.requires_grad_())
    either.decode(latent).square().sum().backward()
    (value,) = latent.tensors.values()
    assert value.grad.isfinite().all()
    assert (value.grad.abs().amax((1, 2, 3)) > 0).all()
    assert not any(parameter.requires_grad for parameter in either.module.parameters())
    assert not either.module.training


def test_pictures_of_a_batch_do_not_mix(either):
    latent = either.sample(3, seeded(1))
    assert torch.allclose(either.decode(latent)[1:2], either.decode(latent[1:2]), atol=1e-3)


def test_encode_gives_the_codes_of_pictures(generator, codebook, pictures):
    latent = generator.encode(pictures)
    assert latent.generator == generator.name
    assert (latent.tensors["z"].movedim(1, -1)[..., None, :] == codebook).all(-1).any(-1).all()
    h = generator.module.encode(pictures)
    expected = torch.cdist(h.movedim(1, -1).flatten(0, 2), codebook).argmin(1)
    if "quantize.proj.weight" in generator.module.state_dict():
        expected = generator.module.quantize.proj(h).movedim(1, -1).argmax(-1).flatten()
    assert torch.equal(latent.tensors["z"].movedim(1, -1).flatten(0, 2), codebook[expected])


def test_loading_prints_nothing(folder, kind, capsys):
    generators.load(folder / kind)
    assert capsys.readouterr().out == ""


# ---- Sizes


def test_at_gives_any_size_of_whole_cells(either):
    wide = either.at(17, 50)
    assert wide.resolution == (16, 48)
    assert "48x16@" in wide.name
    assert wide.decode(wide.sample(1, seeded(1))).shape == (1, 3, 16, 48)
    assert either.at(1, 1).resolution == (FACTOR, FACTOR)
    assert wide.at(32, 32).name == either.name
    assert either.resolution == (32, 32)


def test_at_shares_weights_and_what_a_host_attached(either):
    either.patcher = "there"
    assert either.at(16, 16).module is either.module
    assert either.at(16, 16).patcher == "there"


def test_latent_of_another_size_is_refused(either):
    other = either.at(16, 32)
    with pytest.raises(LatentError, match=r"vqgan.*-32x16@.*vqgan.*-32x32@"):
        either.decode(other.sample(1, seeded(1)))


def test_encode_resizes_to_the_generators_size(generator, pictures):
    large = torch.nn.functional.interpolate(pictures, scale_factor=4, mode="nearest")
    z, expected = (generator.encode(images).tensors["z"] for images in (large, pictures))
    assert z.shape == expected.shape
    assert (z == expected).all(1).float().mean() > 0.5
    kept = generator.at(*large.shape[2:])
    assert kept.decode(kept.encode(large)).shape == large.shape


# ---- Codebook sampling


@pytest.fixture
def logits(generator):
    return CodebookGenerator(generator)


def test_the_likeliest_codes_are_decoded(generator, logits):
    latent = logits.sample(2, seeded(1))
    tokens = latent.tensors["logits"].argmax(1)
    codes = generator.module.quantize.codebook[tokens].movedim(-1, 1)
    assert torch.equal(logits.decode(latent), generator.decode(Latent(generator.name, {"z": codes})))


def test_gradient_is_that_of_the_expected_code(generator, logits):
    value = (10 * logits.sample(1, seeded(1)).tensors["logits"]).requires_grad_()
    codebook = generator.module.quantize.codebook

    def expected(value):
        return torch.einsum("nkhw,kc->nchw", value.softmax(1), codebook)

    logits.decode(Latent(logits.name, {"logits": value})).sum().backward()
    codes = codebook[value.argmax(1)].movedim(-1, 1).contiguous().requires_grad_()
    clamp_with_grad(generator.module(codes)).sum().backward()
    again = value.detach().clone().requires_grad_()
    expected(again).backward(codes.grad)
    assert torch.allclose(value.grad, again.grad, rtol=1e-3, atol=1e-5)


def test_pictures_of_codes_and_of_their_logits_are_the_same(generator, logits, pictures):
    assert torch.equal(logits.decode(logits.encode(pictures)), generator.decode(generator.encode(pictures)))


def test_normal_noise_on_the_logits_draws_much_as_the_distribution_does():
    value = torch.tensor([0.5, 0.3, 0.15, 0.05]).log()
    noise = torch.randn(20_000, 4, generator=seeded(1)) * torch.pi / 6**0.5
    share = (value + noise).argmax(1).bincount(minlength=4) / 20_000
    assert (share - value.exp()).abs().max() < 0.03


def test_any_logits_are_allowed(logits):
    latent = logits.sample(1, seeded(1)).map(lambda value: 1000 * value)
    assert torch.equal(logits.constrain(latent).tensors["logits"], latent.tensors["logits"])


# ---- Loading


class ModelCheckpoint:
    """As a trainer leaves it in its checkpoints."""


def test_reads_a_trainers_checkpoint(folder, kind, tmp_path):
    tensors = {**state(kind), "loss.discriminator.main.0.weight": torch.ones(3), "loss.logvar": torch.zeros(())}
    torch.save(
        {"state_dict": tensors, "callbacks": {ModelCheckpoint: {"best": ModelCheckpoint()}}}, tmp_path / "mine.ckpt"
    )
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(config(kind)))
    assert generators.load(tmp_path / "mine.ckpt").name == generators.load(folder / kind).name


def test_reads_the_first_stage_of_a_transformer(folder, kind, tmp_path):
    tensors = {f"first_stage_model.{name}": value for name, value in state(kind).items()}
    tensors |= {f"cond_stage_model.{name}": value.clone() for name, value in state(kind, seed=1).items()}
    tensors["transformer.head.weight"] = torch.ones(3)
    said = config(kind)["model"]
    transformer = "taming.models.cond_transformer.Net2NetTransformer"
    said = {"model": {"target": transformer, "params": {"first_stage_config": said}}}
    assert generators.load(write(tmp_path, tensors, said)).name == generators.load(folder / kind).name


@pytest.mark.parametrize("name", ["mine", "model", "config"])
def test_yaml_may_be_called_as_the_weights_or_plainly(tmp_path, name):
    save_file(state(), tmp_path / "mine.safetensors")
    (tmp_path / f"{name}.yaml").write_text(yaml.safe_dump(config(resolution=64, attn_resolutions=[32])))
    assert generators.load(tmp_path).resolution == (64, 64)


def test_without_a_yaml_the_side_is_that_of_the_published_models(tmp_path, kind):
    save_file(state(kind), tmp_path / "model.safetensors")
    generator = generators.load(tmp_path)
    assert generator.resolution == (256, 256)
    assert generator.spec["z"][1:] == (64, 64)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"ch": 64}, "ch is 64 but the weights say 32"),
        ({"ch_mult": [1, 2, 2]}, r"ch_mult is \(1, 2, 2\) but the weights say \(1, 2, 1\)"),
        ({"num_res_blocks": 2}, "num_res_blocks is 2 but the weights say 1"),
        ({"attn_resolutions": [8]}, r"attn_levels is \(2,\) but the weights say \(1,\)"),
        ({"resolution": 64}, r"attn_levels is \(2,\) but the weights say \(1,\)"),
        ({"z_channels": 16}, "z_channels is 16 but the weights say 12"),
        ({"embed_dim": 8, "n_embed": 21}, "embed_dim is 8 but the weights say 6; n_embed is 21 but the weights say 20"),
        ({"resolution": 30}, "resolution is 30"),
        ({"resolution": 2**40}, "resolution is 1099511627776"),
        ({"ch_mult": "large"}, "does not describe a VQGAN"),
    ],
)
def test_yaml_of_another_model_is_refused(tmp_path, changes, message):
    with pytest.raises(CheckpointError, match=message):
        generators.load(write(tmp_path, state(), config(**changes)))


def test_yaml_of_the_other_kind_is_refused(tmp_path):
    with pytest.raises(CheckpointError, match="gumbel is True but the weights say False"):
        generators.load(write(tmp_path, state(), config("GumbelVQ", embed_dim=6)))


@pytest.mark.parametrize("changes", [{"ch": 64}, {"n_embed": 21}, {"resolution": 30}, {"ch_mult": "large"}])
@pytest.mark.parametrize("name", ["model.yaml", "config.yml"])
def test_yaml_of_another_file_is_not_applied(tmp_path, changes, name):
    save_file(state(), tmp_path / "mine.safetensors")
    (tmp_path / name).write_text(yaml.safe_dump(config(**changes)))
    assert generators.load(tmp_path / "mine.safetensors").resolution == (256, 256)


YAML = yaml.safe_dump(config(resolution=64, attn_resolutions=[32]))


@pytest.mark.parametrize("ending", ["yaml", "yml"])
@pytest.mark.parametrize(
    "text",
    [
        YAML,
        YAML.replace("ch_mult:\n", "ch_mult: !!python/tuple\n"),
        YAML.replace("ch_mult:\n", "ch_mult: !mine\n").replace("ch: 32", "ch: !!python/int '32'"),
        "size: 64\n" + YAML.replace("resolution: 64", "resolution: ${size}"),
        "a: {b: [1, 64]}\n" + YAML.replace("resolution: 64", "resolution: ${a.b.1}"),
        YAML.replace("resolution: 64", "resolution: ${.side}\n      side: ${...base_learning_rate}").replace(
            "4.5e-06", "64"
        ),
        "a: ${b}\nb: '${c}'\nc: 64\n" + YAML.replace("resolution: 64", "resolution: ${a}"),
        "a: &a {size: 64}\nb: {<<: *a}\n" + YAML.replace("resolution: 64", "resolution: ${b.size}"),
        "logger: {dir: '${oc.env:HOME}/${now:%H}', what: '${nowhere}'}\n" + YAML,
        "callback: !!python/object/apply:os.system ['touch marker']\n" + YAML,
        "\ufeff" + YAML.replace("\n", "\r\n"),
    ],
    ids=["plain", "tuple", "tags", "pointer", "place", "relative", "chain", "merge", "unused", "call", "mark"],
)
def test_yaml_of_every_spelling_says_the_same_and_runs_nothing(tmp_path, monkeypatch, text, ending):
    monkeypatch.chdir(tmp_path)
    save_file(state(), tmp_path / "mine.safetensors")
    (tmp_path / f"mine.{ending}").write_text(text, encoding="utf-8", newline="")
    generator = generators.load(tmp_path / "mine.safetensors")
    assert generator.resolution == (64, 64)
    assert not (tmp_path / "marker").exists()


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("a: 1\n" * 2_000_000, "larger than 256 kB"),
        ("[" * 20_000, "nested too deeply"),
        (
            "".join(
                f"a{i}: &a{i} {{<<: [*a{i - 1}, *a{i - 1}]}}\n" if i else "a0: &a0 {x: 1, y: 2}\n" for i in range(40)
            ),
            "merged",
        ),
        ("a: ${b}\nb: ${a}\n" + YAML.replace("resolution: 64", "resolution: ${a}"), "does not describe a VQGAN"),
    ],
    ids=["large", "deep", "doubling", "circular"],
)
def test_yaml_made_to_take_long_is_refused_at_once(tmp_path, text, reason):
    path = write(tmp_path, state(), config(), name="mine")
    path.with_suffix(".yaml").write_text(text)
    begin = time.perf_counter()
    with pytest.raises(CheckpointError, match=reason):
        generators.load(path)
    assert time.perf_counter() - begin < 10


@pytest.mark.parametrize(
    "text", ["", "model: {params: [", "- 1", "model: !!python/object/apply:os.mkdir [marker]", "\x00"]
)
def test_yaml_that_describes_nothing_is_refused_and_not_run(tmp_path, monkeypatch, text):
    monkeypatch.chdir(tmp_path)
    path = write(tmp_path, state(), config())
    path.with_suffix(".yaml").write_text(text)
    with pytest.raises(CheckpointError, match="does not describe a VQGAN"):
        generators.load(path)
    assert not (tmp_path / "marker").exists()


@pytest.mark.parametrize("damage", ["missing", "shape", "larger"])
def test_tensors_that_do_not_fit_are_refused(tmp_path, kind, damage):
    tensors, victim = state(kind), "decoder.mid.block_1.conv1.bias"
    if damage == "missing":
        del tensors[victim]
    elif damage == "shape":
        tensors[victim] = torch.zeros(3)
    else:
        victim = "encoder.down.1.block.7.conv1.bias"  # of a network with more blocks there than elsewhere
        tensors[victim] = torch.zeros(3)
    with pytest.raises(CheckpointError, match=f"does not fit it: .*{victim}"):
        generators.load(write(tmp_path, tensors, config(kind)))


def test_tensors_that_nothing_uses_do_not_matter(folder, tmp_path, kind):
    unused = {
        "quantize.cluster_size": torch.ones(20),
        "quantize.embedding.embed_avg": torch.ones(20, 6),
        "quantize.used": torch.arange(20),
        "decoder.mid.block_1.norm1.num_batches_tracked": torch.tensor(3),
        "loss.discriminator.main.0.weight": torch.ones(3),
        "logvar": torch.zeros(()),
    }
    assert (
        generators.load(write(tmp_path, {**state(kind), **unused}, config(kind))).name
        == generators.load(folder / kind).name
    )


PREFIXES = (
    "module.",
    "_orig_mod.",
    "_orig_mod.module.",
    "module._orig_mod.",
    "model.",
    "vqgan.",
    "model.first_stage_model.",
)


@pytest.mark.parametrize("prefix", PREFIXES)
@pytest.mark.parametrize("name", ["mine.ckpt", "mine.safetensors"])
def test_names_below_a_prefix_are_found(folder, tmp_path, prefix, name):
    tensors = {f"{prefix}{key}": value for key, value in state().items()}
    if prefix.startswith("module."):
        tensors["n_averaged"] = torch.tensor(10)
    torch.save({"state_dict": tensors}, tmp_path / name) if name.endswith("ckpt") else save_file(
        tensors, tmp_path / name
    )
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(config()))
    assert generators.load(tmp_path / name).name == generators.load(folder / "VQModel").name


def test_parts_that_were_compiled_one_by_one_are_read(folder, tmp_path):
    tensors = {name.replace("encoder.", "encoder._orig_mod."): value for name, value in state().items()}
    assert generators.load(write(tmp_path, tensors, config())).name == generators.load(folder / "VQModel").name


def test_averaged_weights_are_preferred(folder, tmp_path):
    both = {f"generator.{name}": value for name, value in state(seed=1).items()}
    both |= {f"generator_ema.{name}": value for name, value in state().items()}
    assert generators.load(write(tmp_path, both, config())).name == generators.load(folder / "VQModel").name


def test_every_tensor_is_needed(tmp_path, kind):
    tensors = state(kind)
    for victim in [*list(tensors)[::13], *(name for name in tensors if "quant" in name)]:
        rest = {name: value for name, value in tensors.items() if name != victim}
        with pytest.raises(CheckpointError):
            generators.load(write(tmp_path, rest, config(kind)))


def test_pictures_of_other_channels_are_refused(tmp_path):
    tensors = state()
    tensors["encoder.conv_in.weight"] = torch.zeros(32, 182, 3, 3)  # as VQGANs of segmentations have
    with pytest.raises(CheckpointError, match="takes pictures of 182 channels"):
        generators.load(write(tmp_path, tensors, config()))


# ---- Picturebook's own


@pytest.fixture(scope="module")
def picturebook():
    return generators.load(MODELS / "vqgan")


def test_picturebooks_vqgan_repeats_scenes_of_every_style(picturebook):
    scenes = kinds.sample(60, seeded(7))
    pictures = render(scenes)
    assert set(scenes.style.tolist()) == set(range(len(kinds.STYLES)))
    assert set(scenes.count.tolist()) == {1, 2}
    error = (picturebook.decode(picturebook.encode(pictures)) - pictures).square().mean()
    assert 10 * torch.log10(4 / error) >= 24


def test_a_search_finds_a_picture_from_random_codes(picturebook):
    target = render(kinds.sample(1, seeded(8)))

    class Distance:
        name, models = "distance", ()

        def __call__(self, images, latent, rngs):
            return (images - target).square().mean((1, 2, 3))

    start = of_latent(picturebook.sample(1, seeded(1)))
    options = Options(steps=30, lr=0.1, latent_noise=0.0)
    result = optimize(picturebook, Distance(), start, seeds=[1], options=options)
    losses = [-value for (value,) in result.curve.scores["distance"]]
    assert losses[-1] < losses[0] / 3


def test_picturebooks_vqgan_draws_larger_pictures_too(picturebook):
    assert picturebook.resolution == (64, 64)
    scene = kinds.sample(1, seeded(9))
    large = picturebook.at(96, 128)
    image = large.decode(large.encode(render(scene, 128)[:, :, :96]))
    assert image.shape == (1, 3, 96, 128)


# ---- Attention

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
