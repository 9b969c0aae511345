"""Files of VQGANs: trainers' checkpoints, names below a prefix, and the tensors that are needed, unused or refused."""

import pytest
import torch
import yaml
from safetensors.torch import save_file
from vqgans import config, state, vqgan_folder, vqgan_kind, write  # noqa: F401 (fixtures among them)

from guided_gan.core import generators
from guided_gan.core.errors import CheckpointError


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
