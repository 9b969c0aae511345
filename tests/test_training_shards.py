"""Shards by their addresses, several machines, and the figures that are measured as a training goes on."""

import functools
import http.server
import re
import socket
import sys
import threading

import pytest
import torch
from photos import png, shard
from trainings import TOY, Run, curves

from guided_gan.core import clip, metrics
from guided_gan.core.errors import PackError
from guided_gan.core.files import model_card
from guided_gan.picturebook import CLIPS
from guided_gan.training import __main__ as command
from guided_gan.training import evaluation, options, shards, starts
from guided_gan.training.evaluation import Evaluator
from guided_gan.training.shards import Shards
from guided_gan.training.sources import Pictures

pytest.importorskip("webdataset")


@pytest.fixture
def folder(tmp_path):
    """Four shards of four pictures each; the caption says which."""
    place = tmp_path / "shards"
    for number in range(4):
        pieces = {}
        for i in range(4):
            pieces[f"{i}.png"] = png((60 * number, 60 * i, 0))
            pieces[f"{i}.txt"] = f"{number} {i}".encode()
        shard(place / f"{number:03}.tar", pieces)
    return place


def opened(addresses, tmp_path, batch=8, seed=0):
    return Shards(str(addresses), 16, seed, batch, tmp_path / "cache", 1e9)


def test_an_epoch_shows_every_picture_of_every_shard_once(folder, tmp_path):
    source = opened(folder / "{000..003}.tar", tmp_path)
    assert source.lanes == 4
    for epoch in range(3):
        batch = source.__getitems__(range(16 * epoch, 16 * epoch + 16))
        assert sorted(batch.texts) == [f"{number} {i}" for number in range(4) for i in range(4)]
        for image, text in zip(batch.images, batch.texts, strict=True):
            number, i = map(int, text.split())
            wanted = torch.tensor([60.0 * number, 60 * i, 0]) / 127.5 - 1
            torch.testing.assert_close(image[:, 8, 8], wanted)


def test_a_sample_is_the_same_whoever_reads_it_and_another_by_another_seed(folder, tmp_path):
    addresses = folder / "{000..003}.tar"
    texts = opened(addresses, tmp_path).__getitems__(range(48)).texts
    again = opened(addresses, tmp_path).at(32)
    assert again.__getitems__([3]).images.shape == (1, 3, 32, 32)
    assert [again.__getitems__([i]).texts[0] for i in reversed(range(48))] == texts[::-1]
    assert opened(addresses, tmp_path, seed=1).__getitems__(range(48)).texts != texts


def test_processes_that_share_a_batch_out_read_shards_of_their_own(folder, tmp_path):
    source = opened(folder / "{000..003}.tar", tmp_path)
    for step in range(6):
        first, second = ({source.place(8 * step + place)[0] for place in places} for places in (range(4), range(4, 8)))
        assert len(first) == len(second) == 2
        assert not first & second


@pytest.mark.parametrize(("count", "batch", "lanes"), [(1, 8, 1), (4, 8, 4), (3, 8, 2), (200, 2048, 64), (200, 24, 24)])
def test_lanes_divide_a_batch(count, batch, lanes, folder, tmp_path):
    place = tmp_path / "many"
    shard(place / "000.tar", {"0.png": png((9, 9, 9)), "0.txt": b"nine"})
    assert opened(place / f"{{000..{count - 1:03}}}.tar", tmp_path, batch).lanes == lanes


@pytest.fixture
def server(folder):
    """The shards over HTTP; how often each was asked for."""
    asked = []

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            asked.append(self.path)

    handler = functools.partial(Handler, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{running.server_address[1]}", asked
        running.shutdown()
        thread.join()


def test_shards_from_elsewhere_are_fetched_once(server, folder, tmp_path):
    address, asked = server
    source = opened(f"{address}/{{000..003}}.tar", tmp_path)
    assert asked == ["/000.tar"]  # to know how many samples a shard has
    texts = source.__getitems__(range(32)).texts
    assert sorted(asked) == [f"/{number:03}.tar" for number in range(4)]
    assert texts == opened(folder / "{000..003}.tar", tmp_path).__getitems__(range(32)).texts
    assert source.__getitems__([0]).skipped == {}


def test_a_shard_that_cannot_be_fetched_is_named(server, tmp_path, monkeypatch):
    monkeypatch.setattr(shards, "PAUSE", 0)
    address, asked = server
    with pytest.raises(PackError, match=re.escape(f"{address}/009.tar cannot be fetched")):
        opened(f"{address}/009.tar", tmp_path)
    assert len(asked) >= shards.TRIES
    (tmp_path / "shards" / "page.tar").write_bytes(b"<html>sign in</html>")
    with pytest.raises(PackError, match=r"page.tar cannot be fetched \(.*is not a tar archive"):
        opened(f"{address}/page.tar", tmp_path)


def test_a_shard_without_captions_is_named(tmp_path):
    shard(tmp_path / "shards" / "000.tar", {"0.png": png((1, 2, 3))})
    with pytest.raises(PackError, match=r"000\.tar holds no captioned pictures"):
        opened(tmp_path / "shards" / "000.tar", tmp_path)


def test_without_webdataset_the_message_says_how_to_get_it(folder, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "webdataset.cache", None)
    with pytest.raises(PackError, match="-m pip install webdataset"):
        opened(folder / "{000..003}.tar", tmp_path)


# --- figures ---------------------------------------------------------------------------------------------------------


def measuring():
    return evaluation.feature_network(options.TOYS["fid_network"]), clip.load(CLIPS["picturebook robust"])


def test_figures_are_those_of_the_pictures(tmp_path):
    network, judge = measuring()
    source = Pictures(0, side=64)
    batch = source.__getitems__(range(48))
    test = Evaluator(network, judge, 40)

    def drawing():
        """Draws the pictures of the data itself, in their order."""
        images = iter(batch.images)
        return lambda texts, _: torch.stack([next(images) for _ in texts])

    found = test.measure(source, 64, drawing())
    assert list(found) == [f"FID of 40 ({network.name})", f"CLIP score ({judge.name})"]
    fid, score = found.values()
    assert abs(fid) < 1e-3
    wanted = metrics.clip_score(judge, batch.images[:40], batch.texts[:40]).mean().item()
    assert score == pytest.approx(wanted, abs=1e-4)
    far, low = test.measure(source, 64, lambda texts, _: batch.images[: len(texts)].flip(0) * 0.3).values()
    assert far > fid + 0.01
    assert low < score


def test_captions_that_are_too_long_for_the_judge_are_cut():
    network, judge = measuring()

    class Long(Pictures):
        def __getitems__(self, samples):
            batch = super().__getitems__(samples)
            return type(batch)(batch.images, ["一只猫" * 999, *(f"{text} and more" * 40 for text in batch.texts[1:])])

    heard = []

    def draw(texts, numbers):
        heard.extend(texts)
        return torch.zeros(len(texts), 3, 64, 64)

    Evaluator(network, judge, 4).measure(Long(0), 64, draw)
    assert len(heard) == 4
    assert all(text and not judge.excess(text) for text in heard)


def test_a_training_on_shards_tells_its_figures(folder, tmp_path, capsys):
    out = tmp_path / "out"
    words = [*TOY[2:], "--data", str(folder / "{000..003}.tar"), "--out", str(out), "--stages", "16:2"]
    small = [
        f"--{name.replace('_', '-')}={options.TOYS[name]}" for name in ("clip", "features", "fid_network", "judge")
    ]
    given = [*words, *small, "--measure-every", "1", "--measure-count", "16", "--name", "mine"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GUIDED_GAN_MODELS", str(tmp_path / "models"))
        assert command.main(given) == 0, capsys.readouterr().err
    logged = curves(out)
    assert [len(logged[name]) for name in ("FID of 16", "CLIP score")] == [2, 2]
    card = model_card.read(tmp_path / "models" / "gan" / "mine.safetensors")
    assert card is not None
    assert [round(value, 3) for value in card.figures.values()] == pytest.approx(
        [round(logged[name][-1], 3) for name in ("FID of 16", "CLIP score")], rel=1e-3
    )
    assert (card.data, card.pictures) == ("{000..003}.tar", None)


# --- machines --------------------------------------------------------------------------------------------------------


def test_two_machines_train_together(folder, tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        meet = f"127.0.0.1:{free.getsockname()[1]}"
    words = ["--data", str(folder / "{000..003}.tar"), "--stages", "16:2", "--measure-every", "0", *TOY[2:]]
    words += [f"--{name}={options.TOYS[name]}" for name in ("clip", "features")]
    words += ["--machines", "2", "--meet", meet]
    runs = [Run(tmp_path, [*words, "--machine", str(i), "--out", str(tmp_path / "out")], 1, f"{i}") for i in (0, 1)]
    for run in runs:
        run.ends()
    assert (tmp_path / "out" / starts.MODEL).is_file()
    assert "Load Generator has" in runs[0].said()
    assert "Load Generator has" not in runs[1].said()


def test_machines_must_know_where_to_meet(folder, tmp_path, capsys):
    given = [*TOY[2:], "--data", "picturebook", "--out", str(tmp_path / "out"), "--machines", "2"]
    assert command.main(given) == 1
    assert "add --meet HOST:PORT" in capsys.readouterr().err
