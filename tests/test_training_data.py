"""The data of a training: what is found, what is skipped, and that the numbers of samples decide everything."""

import re

import pytest
import torch
from photos import png, shard

from guided_gan.core.errors import PackError
from guided_gan.training.data import Files, batches

COLOURS = [(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 0)]


@pytest.fixture
def pieces():
    """File name -> content of four captioned pictures."""
    pictures = {f"{i}.png": png(colour) for i, colour in enumerate(COLOURS)}
    return {**pictures, **{f"{i}.txt": f"picture {i}\n".encode() for i in range(4)}}


@pytest.fixture
def folder(tmp_path, pieces):
    for name, content in pieces.items():
        (tmp_path / name).write_bytes(content)
    return tmp_path


def test_each_epoch_shows_every_picture_with_its_own_caption(folder):
    source = Files(folder, side=16, seed=0)
    for epoch in range(2):
        batch = source.__getitems__(range(4 * epoch, 4 * epoch + 4))
        assert batch.images.shape == (4, 3, 16, 16)
        assert sorted(batch.texts) == [f"picture {i}" for i in range(4)]
        for image, text in zip(batch.images, batch.texts, strict=True):
            wanted = torch.tensor(COLOURS[int(text[-1])]) / 127.5 - 1
            torch.testing.assert_close(image, wanted[:, None, None].expand(3, 16, 16))
        assert batch.skipped == {}


def test_the_number_of_a_sample_and_the_seed_decide_it(folder):
    texts = Files(folder, 16, seed=0).__getitems__(range(12)).texts
    again = Files(folder, 16, seed=0)
    assert [again.__getitems__([i]).texts[0] for i in reversed(range(12))] == texts[::-1]
    assert Files(folder, 16, seed=1).__getitems__(range(12)).texts != texts


def test_shards_hold_the_same_as_loose_files(folder, pieces, tmp_path_factory):
    packed = shard(tmp_path_factory.mktemp("shards") / "000.tar", pieces)
    loose, sharded = (Files(place, 16, seed=0).__getitems__(range(8)) for place in (folder, packed))
    assert sharded.texts == loose.texts
    assert torch.equal(sharded.images, loose.images)


def test_each_line_of_a_text_is_a_caption(folder):
    for i in range(4):
        (folder / f"{i}.txt").write_text("first\n\n  second  \n", encoding="utf-8")
    assert set(Files(folder, 16, seed=0).__getitems__(range(32)).texts) == {"first", "second"}


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        ("2.png", b"not a picture", "it is no picture"),
        ("2.png", png(COLOURS[2], (400, 300))[:600], "(truncated|broken)"),
        ("2.txt", "Wände".encode("latin-1"), "its text is not in UTF-8"),
        ("2.txt", b"\xff\xfe\xff", "its text is not in UTF-8"),
        ("2.txt", b" \n", "its text is empty"),
    ],
)
def test_a_broken_file_is_skipped_and_named(folder, name, content, why):
    (folder / name).write_bytes(content)
    batch = Files(folder, 16, seed=0).__getitems__(range(4))
    assert len(batch.texts) == 4
    assert "picture 2" not in batch.texts
    assert list(batch.skipped) == [str(folder / "2.png")]
    assert re.search(why, batch.skipped[str(folder / "2.png")])


def test_a_shard_that_ends_too_soon_gives_what_it_holds_and_is_named(pieces, tmp_path):
    place = shard(tmp_path / "shards" / "000.tar", pieces)
    whole = (place / "000.tar").read_bytes()
    (place / "000.tar").write_bytes(whole[: len(whole) // 3])
    shard(place / "001.tar", {"9.png": png((9, 9, 9)), "9.txt": b"nine"})
    source = Files(place, 16, seed=0)
    assert list(source.skipped) == [str(place / "000.tar")]
    assert "nine" in source.__getitems__(range(8)).texts


def test_pictures_without_a_text_are_left_out_and_named(folder):
    (folder / "3.txt").unlink()
    (folder / ".hidden.png").write_bytes(b"of the system")
    source = Files(folder, 16, seed=0)
    assert len(source) == 3
    assert source.uncaptioned == [str(folder / "3.png")]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_captions_of_any_language_are_read(folder, encoding):
    said = ["一只猫", "кот на крыше", "قط على السطح", "猫 🐈 と café"]
    for i in range(4):
        (folder / f"{i}.txt").write_bytes("\r\n".join([f"  {said[i]}\t", "", "a cat"]).encode(encoding))
    found = list(Files(folder, 16, seed=0).captions())
    assert sorted(caption.text for caption in found if caption.line == 1) == sorted(said)
    assert [caption.text for caption in found if caption.line == 2] == ["a cat"] * 4
    assert {caption.place for caption in found} == {str(folder / f"{i}.txt") for i in range(4)}


def test_captions_in_shards_are_named_by_their_picture(pieces, tmp_path):
    place = shard(tmp_path / "shards" / "000.tar", pieces)
    captions = list(Files(place, 16, seed=0).captions())
    assert [(caption.text, caption.place) for caption in captions][:1] == [("picture 0", f"{place / '000.tar'}:0")]


def test_nothing_to_train_on_is_an_error(tmp_path, folder):
    (tmp_path / "empty").mkdir()
    with pytest.raises(PackError, match="holds no captioned pictures"):
        Files(tmp_path / "empty", 16, seed=0)
    for i in range(4):
        (folder / f"{i}.png").write_bytes(b"broken")
    with pytest.raises(PackError, match="None of the 4 captioned pictures can be read"):
        Files(folder, 16, seed=0).__getitems__([0])


def test_batches_come_in_the_order_of_their_numbers(folder):
    source, numbers = Files(folder, 16, seed=0), [[0, 1, 2], [3, 4, 5]]
    got = [batch.texts for batch in batches(source, numbers, workers=0)]
    assert got == [source.__getitems__(each).texts for each in numbers]
