"""Published weights: the table, and run.py's commands for them. No network is used."""

import re
from pathlib import PurePosixPath

import pytest
from biggans import biggan
from download_server import entry_of, impatient_client, local_server, whole  # noqa: F401 (two are fixtures)

from guided_gan.core.errors import ChoiceError
from guided_gan.core.files.download import Hub
from guided_gan.core.published import catalogue, fetch
from guided_gan.launcher import models

# ---- The table


def test_names_are_plain_and_tell_entries_apart():
    hashes = [file.sha256 for entry in catalogue.TABLE for file in entry.files if file.sha256]
    for marks in ([entry.name for entry in catalogue.TABLE], hashes):
        assert len(set(marks)) == len(marks)
    for entry in catalogue.TABLE:
        for name in (entry.name, *(file.name for file in (*entry.files, *entry.beside))):
            assert PurePosixPath(name).name == name
        assert entry.kind in {"gan", "clip_joint", "lpips", "dino", "inception"}
        assert entry.licence
        assert entry.good_for


def test_sources_are_encrypted_and_hashes_are_hashes():
    for file in (file for entry in catalogue.TABLE for file in (*entry.files, *entry.beside)):
        assert file.sources or file.page.startswith("https://")
        addresses = [source for source in file.sources if not isinstance(source, Hub)]
        for address in addresses:  # encrypted, or asked for only where the same is not to be had encrypted
            assert address.startswith("https://") or address.replace("http://", "https://") in addresses
        assert addresses == sorted(addresses, key=lambda address: not address.startswith("https://"))
        assert re.fullmatch("([0-9a-f]{8}|[0-9a-f]{64})?", file.sha256)


def test_the_clips_are_open_clips():
    import open_clip

    for entry in catalogue.published("clip_joint"):
        assert entry.clip is not None
        model, tag = entry.clip
        theirs = open_clip.get_pretrained_cfg(model, tag)
        hubs = {source.repo for file in entry.files for source in file.sources if isinstance(source, Hub)}
        assert theirs["hf_hub"].strip("/") in hubs
        said = fetch.clip_config(entry)
        assert said["model_cfg"].get("quick_gelu", False) == theirs.get("quick_gelu", False)
        assert tuple(said["preprocess_cfg"]["mean"]) == tuple(theirs["mean"])
        if tag == "openai":
            assert theirs["url"] in entry.files[-1].sources
            assert entry.files[-1].sha256 in theirs["url"]


def test_an_entry_is_found_by_its_name_and_an_unknown_name_lists_all():
    entry = catalogue.find("vqgan-imagenet-16384")
    assert entry is catalogue.find("vqgan-imagenet-16384.ckpt")
    assert catalogue.by_hash(entry.files[0].sha256) is entry
    assert catalogue.by_hash("0" * 64) is None
    with pytest.raises(ChoiceError, match="openai-vit-b-32"):
        catalogue.find("dall-e")


def test_a_published_siglip_brings_the_tokenizer_that_open_clip_names():
    entries = [entry for entry in catalogue.published("clip_joint") if entry.beside]
    assert len(entries) == 7
    for entry in entries:
        config = fetch.clip_config(entry)["model_cfg"]
        sources = [source for file in entry.beside for source in file.sources if isinstance(source, Hub)]
        assert {source.repo for source in sources} == {config["text_cfg"]["hf_tokenizer_name"]}


def test_sizes_said_to_be_about_right_are_those_of_the_numbers():
    import open_clip

    from guided_gan.core.files.weights import hollow

    for name in ("vit-b-16-siglip", "vit-b-32-siglip2-256", "eva02-b-16", "metaclip-vit-b-32", "mobileclip-s1"):
        entry = catalogue.find(name)
        assert entry.clip is not None
        with hollow():
            model = open_clip.create_model(entry.clip[0], load_weights=False, device="meta")
        assert sum(4 * value.numel() for value in model.state_dict().values()) == entry.about


# ---- run.py models


@pytest.fixture
def folders(tmp_path, monkeypatch):
    monkeypatch.setenv("GUIDED_GAN_MODELS", str(tmp_path))
    (tmp_path / "gan").mkdir()
    return tmp_path


def test_list_shows_every_entry_and_what_is_here(folders, capsys):
    (folders / "gan" / "vqgan-coco.ckpt").write_bytes(b"x")
    assert models.main(["models", "list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(catalogue.TABLE)
    assert [line for line in lines if line.startswith("here")] == [line for line in lines if "vqgan-coco" in line]


def test_get_fetches_and_says_where(server, folders, monkeypatch, capsys):
    server.behaviours = [whole(b"weights" * 1000)]
    monkeypatch.setattr(catalogue, "TABLE", (entry_of(server.url, b"weights" * 1000),))
    assert models.main(["models", "get", "weights"]) == 0
    assert capsys.readouterr().out.startswith(str(folders / "gan" / "weights.bin"))


def test_check_and_convert_tell_good_files_from_broken_ones(folders, capsys):
    path = biggan(folders / "gan")
    assert models.main(["models", "convert", "biggan.pth"]) == 0
    assert models.main(["models", "check"]) == 0
    out = capsys.readouterr().out
    assert out.count("M parameters") == 2
    path.write_bytes(path.read_bytes()[:5000])
    assert models.main(["models", "check"]) == 1
    assert "BROKEN" in capsys.readouterr().out


@pytest.mark.parametrize("arguments", [["get"], ["get", "nothing"], ["convert", "nothing"]])
def test_what_cannot_be_done_is_said(folders, capsys, arguments):
    assert models.main(["models", *arguments]) == 1
    assert capsys.readouterr().err.startswith("run.py: ")
