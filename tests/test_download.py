"""Downloads from servers on this machine that behave badly: the right file or a clear error, and nothing broken."""

import threading
import time

import pytest
from download_server import (  # noqa: F401 (two are fixtures)
    BODY,
    SHA256,
    Server,
    impatient_client,
    local_server,
    reset,
    silent,
    stalling,
    status,
    whole,
)

from guided_gan.core.errors import CheckpointError
from guided_gan.core.files import download
from guided_gan.core.files.download import File, Hub, fetch, in_words


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "models" / "gan"


def file(*sources, size=None, sha256=SHA256, **options):
    return File("weights.bin", sources, size, sha256, **options)


def left(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_whole_file_arrives_and_is_not_fetched_again(server, folder):
    seen = []
    path = fetch(file(f"{server.url}/w"), folder, lambda done, total: seen.append((done, total)))
    assert path == folder / "weights.bin"
    assert path.read_bytes() == BODY
    assert seen[0] == (0, len(BODY))
    assert seen[-1] == (len(BODY), len(BODY))
    assert seen == sorted(seen)
    assert fetch(file(f"{server.url}/w"), folder) == path
    assert len(server.asked) == 1
    assert left(folder) == ["weights.bin"]


@pytest.mark.parametrize(
    "behaviours",
    [
        [whole(most=1_000_000), whole()],
        [whole(most=0), whole(most=2_000_000), whole(), whole(most=1_000_000), whole(), whole()],
        [reset, whole()],
        [status(503), status(429), whole()],
        [stalling, whole()],
        [silent, whole()],
        [whole(most=1_000_000, ranges=False), whole(ranges=False)],
    ],
    ids=["drops once", "drops often", "resets", "busy", "stalls", "is silent", "knows no ranges"],
)
def test_a_server_that_recovers_gives_the_right_file(server, folder, behaviours):
    server.behaviours = behaviours
    assert fetch(file(f"{server.url}/w"), folder).read_bytes() == BODY
    assert left(folder) == ["weights.bin"]


def test_what_arrived_is_not_fetched_again_after_a_break(server, folder):
    server.behaviours = [whole(most=3_000_000), whole(most=0), whole()]
    fetch(file(f"{server.url}/w"), folder)
    resumed = [range_ for _, range_ in server.asked if range_]
    assert len(resumed) == 1
    assert 1_000_000 <= int(resumed[0][6:-1]) <= 3_000_000


def test_a_download_that_was_stopped_goes_on_in_a_later_run(server, folder):
    class StoppedError(BaseException):
        pass

    def stop(done, total):
        if done > 2_000_000:
            raise StoppedError

    with pytest.raises(StoppedError):
        fetch(file(f"{server.url}/w"), folder, stop)
    assert not (folder / "weights.bin").exists()
    assert fetch(file(f"{server.url}/w"), folder).read_bytes() == BODY
    assert server.asked[-1][1] is not None
    assert left(folder) == ["weights.bin"]


def test_a_file_that_changed_meanwhile_is_not_mixed_with_its_older_part(server, folder):
    server.behaviours = [whole(b"\1" * len(BODY), most=2_000_000, headers={"ETag": '"v0"'}), status(404)]
    with pytest.raises(CheckpointError):
        fetch(file(f"{server.url}/w", sha256=""), folder)
    server.behaviours = [whole()]
    assert fetch(file(f"{server.url}/w", sha256=""), folder).read_bytes() == BODY
    assert left(folder) == ["weights.bin", "weights.bin.sha256"]


@pytest.mark.parametrize(
    ("behaviour", "reason"),
    [
        (status(404), "it answered 404"),
        (status(403), "it answered 403"),
        (status(503), "it answered 503"),
        (reset, "the connection failed"),
        (silent, r"it fell silent for 0\.4 seconds"),
        (stalling, "it fell silent"),
        (whole(most=0), "broke off"),
        (whole(BODY[::-1]), f"has the SHA-256 [0-9a-f]{{64}}, expected {SHA256}"),
        (whole(BODY[:-1]), f"{len(BODY) - 1} bytes, expected {len(BODY)}"),
        (whole(headers={"Content-Type": "text/html; charset=utf-8"}), "web page"),
    ],
    ids=["404", "403", "503", "reset", "silent", "stalling", "dropping", "wrong bytes", "wrong size", "web page"],
)
def test_a_bad_server_gives_an_error_that_says_what_to_fetch_from_where(server, folder, behaviour, reason):
    server.behaviours = [behaviour]
    with pytest.raises(CheckpointError, match=reason) as caught:
        fetch(file(f"{server.url}/w", size=len(BODY)), folder)
    message = str(caught.value)
    assert "weights.bin (5.1 MB)" in message
    assert f"by hand from {server.url}/w" in message
    assert f"save it as {folder / 'weights.bin'}" in message
    assert not (folder / "weights.bin").exists()
    assert all(name.endswith(".part") for name in left(folder))


def test_wrong_bytes_leave_nothing(server, folder):
    server.behaviours = [whole(BODY[::-1])]
    with pytest.raises(CheckpointError):
        fetch(file(f"{server.url}/w"), folder)
    assert left(folder) == []


def test_of_a_file_without_a_published_hash_the_first_downloads_is_kept_and_later_ones_are_held_to_it(server, folder):
    unhashed = file(f"{server.url}/w", sha256="")
    path = fetch(unhashed, folder)
    assert left(folder) == ["weights.bin", "weights.bin.sha256"]
    assert (folder / "weights.bin.sha256").read_text() == f"{SHA256}  weights.bin\n"
    path.unlink()
    server.behaviours = [whole(BODY[::-1])]
    with pytest.raises(CheckpointError, match=rf"expected {SHA256}, as the first download had; .*weights\.bin\.sha256"):
        fetch(unhashed, folder)
    assert left(folder) == ["weights.bin.sha256"]
    server.behaviours = [whole()]
    assert fetch(unhashed, folder).read_bytes() == BODY


def test_who_deletes_the_kept_hash_takes_the_file_as_it_is_now(server, folder):
    unhashed = file(f"{server.url}/w", sha256="")
    fetch(unhashed, folder).unlink()
    (folder / "weights.bin.sha256").unlink()
    server.behaviours = [whole(BODY[::-1])]
    assert fetch(unhashed, folder).read_bytes() == BODY[::-1]


def test_a_kept_hash_that_is_none_is_made_anew(server, folder):
    folder.mkdir(parents=True)
    (folder / "weights.bin.sha256").write_bytes(b"\xff broken")
    fetch(file(f"{server.url}/w", sha256=""), folder)
    assert (folder / "weights.bin.sha256").read_text().startswith(SHA256)


def test_the_first_digits_of_a_hash_are_checked_where_no_more_are_published(server, folder):
    with pytest.raises(CheckpointError, match="expected 00000000"):
        fetch(file(f"{server.url}/w", sha256="0" * 8), folder)
    assert fetch(file(f"{server.url}/w", sha256=SHA256[:8]), folder).read_bytes() == BODY


@pytest.mark.parametrize("behaviour", [status(404), whole(BODY[::-1]), reset, whole(most=3_000_000)])
def test_the_next_source_is_asked_where_one_fails(server, folder, behaviour):
    server.behaviours = [behaviour]
    good = Server()
    threading.Thread(target=good.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    try:
        assert fetch(file(f"{server.url}/w", f"{good.url}/w"), folder).read_bytes() == BODY
    finally:
        good.shutdown()
        good.server_close()
    assert left(folder) == ["weights.bin"]


def test_without_a_network_every_source_is_named(folder):
    sources = "http://127.0.0.1:9/w", "http://127.0.0.1:9/v"
    with pytest.raises(CheckpointError, match=r":9/w: the connection failed; .*:9/v: the connection failed") as caught:
        fetch(file(*sources, size=1_500_000_000, page="https://example.org/models"), folder)
    assert "(1.50 GB)" in str(caught.value)
    assert "by hand from https://example.org/models" in str(caught.value)


def test_without_a_source_the_page_is_named(folder):
    with pytest.raises(CheckpointError, match=r"by a program\. Fetch it by hand from https://example\.org"):
        fetch(file(page="https://example.org"), folder)


def test_a_file_from_the_hub_is_checked_by_the_hash_that_the_hub_tells(server, folder):
    def redirect(digest):
        def answer(handler):
            address = {"Location": "/stored", "X-Linked-Size": str(len(BODY)), "X-Linked-ETag": f'"{digest}"'}
            handler.send(b"", status=302, headers=address)

        return answer

    source = Hub("someone/models", "vqgan/last.ckpt", "abc")
    server.behaviours = [redirect("0" * 64), whole()]
    with pytest.raises(CheckpointError, match="expected 0000"):
        fetch(file(source, sha256=""), folder, endpoint=server.url)
    server.behaviours = [redirect(SHA256), whole()]
    assert fetch(file(source, sha256=""), folder, endpoint=server.url).read_bytes() == BODY
    assert server.asked[0][0] == "/someone/models/resolve/abc/vqgan/last.ckpt"


def test_a_second_program_waits_for_the_first_unless_it_is_stopped(server, folder, monkeypatch):
    monkeypatch.setattr(download, "LOOK", 0.01)
    path, waits, others = folder / "weights.bin", [], []

    def wait(done, total):
        assert (done, total) == (0, 0)
        waits.append(path.exists())

    def stop(done, total):
        raise KeyboardInterrupt

    def first(done, total):
        if not others:
            with pytest.raises(KeyboardInterrupt):
                fetch(file(f"{server.url}/w"), folder, stop)
            others.append(threading.Thread(target=fetch, args=(file(f"{server.url}/w"), folder, wait)))
            others[0].start()
            while not waits:
                time.sleep(0.001)

    assert fetch(file(f"{server.url}/w"), folder, first) == path
    others[0].join()
    assert path.read_bytes() == BODY
    assert len(server.asked) == 1
    assert left(folder) == ["weights.bin"]


@pytest.mark.parametrize(
    ("variable", "value"), [("HF_HUB_OFFLINE", "1"), ("HF_HUB_OFFLINE", "true"), ("TRANSFORMERS_OFFLINE", "YES")]
)
def test_where_a_variable_forbids_it_nothing_is_attempted_and_the_variable_is_named(
    server, folder, monkeypatch, variable, value
):
    monkeypatch.setenv(variable, value)
    sources = f"{server.url}/w", Hub("someone/models", "w")
    with pytest.raises(
        CheckpointError, match=rf"not downloaded, because the environment variable {variable} is set"
    ) as caught:
        fetch(file(*sources, size=len(BODY)), folder, endpoint=server.url)
    assert f"Fetch it by hand from {server.url}/w and save it as {folder / 'weights.bin'}." in str(caught.value)
    assert not server.asked
    assert not folder.exists()
    folder.mkdir(parents=True)
    (folder / "weights.bin").write_bytes(BODY)
    assert fetch(file(*sources), folder) == folder / "weights.bin"
    (folder / "weights.bin").unlink()
    monkeypatch.setenv(variable, "0")
    assert fetch(file(*sources), folder).read_bytes() == BODY


def test_a_folder_that_cannot_be_made_is_a_clear_error(server, tmp_path):
    (tmp_path / "taken").write_text("")
    with pytest.raises(CheckpointError, match="cannot be saved"):
        fetch(file(f"{server.url}/w"), tmp_path / "taken" / "models")
    assert not server.asked


def test_sizes_in_words():
    assert [in_words(n) for n in (None, 200, 2_345_678, 234_411_737, 4_263_525_412)] == [
        *("size not known", "0.1 MB", "2.3 MB", "234 MB", "4.26 GB"),
    ]
