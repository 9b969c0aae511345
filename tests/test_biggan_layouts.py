"""BigGANs from the ports of TensorFlow Hub's weights: the public converter's files, the v1 layout and ivclab's."""

import re

import pytest
import torch
from biggan_ports import CHUNK, ivclab, ivclab_name, levels, state, v1, vector
from biggans import biggan_forward, biggan_state
from safetensors import safe_open
from safetensors.torch import save_file
from toys import seeded
from vectors import recordings

from guided_gan.core import generators
from guided_gan.core.errors import CheckpointError
from guided_gan.core.files.checkpoints import read
from guided_gan.core.generators import biggan_v1
from guided_gan.core.published import convert
from guided_gan.core.types import Latent


def v1_sigma(state, name):
    matrix, u = state[f"{name}.weight"].flatten(1), state[f"{name}.u0"][0]
    v = matrix.T @ u
    v = v / (v.norm() + 1e-4)
    u = matrix @ v
    u = u / (u.norm() + 1e-4)
    return u @ matrix @ v


def ivclab_sigma(state, name):
    weight = state[f"{name}.weight"]
    v = vector(ivclab_name(name, "weight"), weight[0].numel())
    if name.endswith((".gain", ".bias")):
        v = torch.cat((v[CHUNK:], v[:CHUNK]))
    if weight.ndim == 4:  # v is by row, column, channel
        v = v.view(*weight.shape[2:], weight.shape[1]).permute(2, 0, 1).flatten()
    return state[f"{name}.u0"][0] @ weight.flatten(1) @ v


LAYOUTS = {"v1": (v1, v1_sigma), "ivclab": (ivclab, ivclab_sigma)}
UNREAD = {  # endings of tensors
    "v1": ("num_batches_tracked", "weight_v"),
    "ivclab": ("num_batches_tracked", "running_mean", "running_var"),
}


def load(folder, tensors, **metadata):
    save_file({name: value.contiguous() for name, value in tensors.items()}, folder / "w.safetensors", metadata)
    return generators.load(folder / "w.safetensors")


def pictures(generator, io):
    with torch.no_grad():
        return generator.decode(Latent(generator.name, {"z": io["z"], "y": io["class_embedding"]}))


def agrees(image, io, kind):
    """Whether pictures are the recorded ones of a kind, at the rows and columns that were recorded."""
    found = [re.fullmatch(rf"\w*image_every(\d+){re.escape(kind)}", key) for key in io]
    ((key, step),) = ((match[0], int(match[1])) for match in found if match)
    assert (image[..., ::step, ::step] - io[key]).abs().max() < 1e-4


# ---- The public converter's files


def converters_file(folder):
    tensors = {name: value for name, value in biggan_state().items() if not name.endswith(".sv0")}
    tensors["shared.weight"] = tensors["shared.weight"].T.contiguous().T
    for name in [name for name in tensors if name.endswith(".gamma")]:
        tensors[name] = tensors[name][None]
    torch.save(tensors, folder / "biggan-256.pth")
    return folder / "biggan-256.pth"


def test_the_public_converters_file_is_the_model_that_it_came_from(tmp_path):
    generator = generators.load(converters_file(tmp_path))
    latent = generator.sample(3, seeded(1))
    expected = biggan_forward(biggan_state(), latent.tensors["z"], latent.tensors["y"])
    assert (generator.decode(latent) - expected).abs().max() < 1e-4
    assert load(tmp_path, biggan_state()).name == generator.name


@pytest.mark.parametrize("recording", recordings("biggan_v1_256"))
@pytest.mark.parametrize(
    ("metadata", "key"),
    [({}, "fusedream"), ({"BN_eps": "1e-4", "SN_eps": "1e-4"}, "converter")],
    ids=["fusedream", "converter"],
)
def test_the_public_converters_file_agrees_with_the_recorded_pictures(recording, metadata, key, tmp_path):
    path = recording.file("_in_ajbrock_names.pth")
    if path.exists():
        tensors = torch.load(path, weights_only=True)
    else:  # the same weights in the v1 layout
        tensors = biggan_v1.published(read(recording.checkpoint(tmp_path)))
    agrees(pictures(load(tmp_path, tensors, **metadata), recording.tensors), recording.tensors, f"_{key}_eps")


# ---- v1 and ivclab


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_port_computes_its_public_function(layout, tmp_path):
    file, sigma = LAYOUTS[layout]
    generator = load(tmp_path, file())
    latent = generator.sample(3, seeded(1))
    z, y = latent.tensors["z"], latent.tensors["y"]
    expected = biggan_forward(state(), z, y, bn_eps=1e-4, output_eps=1e-4, sigma=sigma)
    assert expected.std() > 0.1
    assert (generator.decode(latent) - expected).abs().max() < 1e-4
    assert all(any(torch.equal(row, known) for known in state()["shared.weight"]) for row in y)


TRUNCATIONS = {"demo1.0": "0.9998999834060669", "demo0.02": "0.020099999383091927", "demo0.4": "0.4000000059604645"}


@pytest.mark.parametrize("recording", recordings("biggan_[vi]*"))
def test_a_port_agrees_with_the_recorded_pictures(recording, tmp_path):
    path, io = recording.checkpoint(tmp_path), recording.tensors
    agrees(pictures(generators.load(path), io), io, "_t1.0" if "ivclab" in recording.name else "")
    for level in [key.removeprefix("image_mean_t") for key in io if key.startswith("image_mean_t")]:
        generator = load(tmp_path, read(path).tensors, truncation=TRUNCATIONS.get(level, level))
        image = pictures(generator, io)
        assert (image.mean((2, 3)) - io[f"image_mean_t{level}"]).abs().max() < 1e-4
        if level not in ("0.51", "demo0.4"):  # of which no picture is recorded
            agrees(image, io, f"_t{level}")


@pytest.mark.parametrize("recording", recordings("biggan_v1_*"))
def test_v1s_classes_have_the_recorded_embeddings(recording, tmp_path):
    generator, io = generators.load(recording.checkpoint(tmp_path)), recording.tensors
    drawn = generator.sample(300, seeded(1)).tensors["y"].unique(dim=0)
    assert len(drawn) == io["y"].shape[1]
    known = io["class_embedding"][io["y"].amax(1) == 1]  # the others are blends
    assert len(known) == 2
    assert all((drawn == embedding).all(1).any() for embedding in known)


def test_metadata_choose_ivclabs_truncation(tmp_path):
    plain, other = load(tmp_path, ivclab()), load(tmp_path, ivclab(), truncation="0.5")
    assert plain.name != other.name
    half = state()
    for name in half:
        if name.endswith(("stored_mean", "stored_var")):
            half[name] = levels(half[name])[24]
    latent = other.sample(2, seeded(1))
    z, y = latent.tensors["z"], latent.tensors["y"]
    expected = biggan_forward(half, z, y, bn_eps=1e-4, output_eps=1e-4, sigma=ivclab_sigma)
    assert (other.decode(latent) - expected).abs().max() < 1e-4


@pytest.mark.parametrize("truncation", ["0", "0.01", "1.01", "nan", "much"])
def test_a_truncation_without_statistics_is_refused(truncation, tmp_path):
    with pytest.raises(CheckpointError, match="BigGAN ivclab but does not fit it"):
        load(tmp_path, ivclab(), truncation=truncation)


def test_statistics_of_other_truncations_are_refused(tmp_path):
    tensors = {name: value[:-1] if ".standing" in name else value for name, value in ivclab().items()}
    with pytest.raises(CheckpointError, match="statistics of 49 truncations, expected 50"):
        load(tmp_path, tensors)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_tensor_of_a_port_that_is_read_is_needed(layout, tmp_path):
    tensors = LAYOUTS[layout][0]()
    for victim in [name for name in tensors if not name.endswith(UNREAD[layout])][::3]:
        with pytest.raises(CheckpointError):
            load(tmp_path, {name: value for name, value in tensors.items() if name != victim})


@pytest.mark.parametrize("layout", LAYOUTS)
def test_tensors_of_a_port_that_nothing_reads_do_not_matter(layout, tmp_path):
    tensors = LAYOUTS[layout][0]()
    read = {name: value for name, value in tensors.items() if not name.endswith(UNREAD[layout])}
    assert len(read) < len(tensors)
    assert load(tmp_path, {**read, "decay": torch.ones(2)}).name == load(tmp_path, tensors).name


@pytest.mark.parametrize("layout", LAYOUTS)
def test_attention_that_fits_no_block_is_refused(layout, tmp_path):
    tensors = LAYOUTS[layout][0]()
    name = next(name for name in tensors if name.startswith("attention.theta") and tensors[name].ndim == 4)
    tensors[name] = torch.ones(2, 5, 1, 1)
    with pytest.raises(CheckpointError, match="its attention takes 5 channels, which 0 blocks give"):
        load(tmp_path, tensors)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_port_is_converted_without_what_nothing_reads(layout, tmp_path):
    tensors = LAYOUTS[layout][0]()
    torch.save(tensors, tmp_path / "port.pth")
    target = convert.convert(tmp_path / "port.pth")
    before, after = generators.load(tmp_path / "port.pth"), generators.load(target)
    assert after.name == before.name
    with safe_open(target, "pt") as file:
        assert not any(name.endswith(UNREAD[layout]) for name in file.keys())
