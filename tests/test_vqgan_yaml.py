"""The YAML beside a VQGAN: how it is found and spelled, what is refused, and that nothing in it runs."""

import time

import pytest
import yaml
from safetensors.torch import save_file
from vqgans import config, state, vqgan_kind, write  # noqa: F401 (fixtures among them)

from guided_gan.core import generators
from guided_gan.core.errors import CheckpointError


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
