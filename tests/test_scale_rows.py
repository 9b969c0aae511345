"""run.py batch: tables of every kind, and what a row of them asks for."""

import json

import pytest

pytest.importorskip("pyarrow", reason="needs Parquet, which `run.py batch` installs")

import pyarrow as pa
from pyarrow import parquet
from scale_driver import GRAPH

from guided_gan.launcher import LauncherError
from guided_gan.scale import table
from guided_gan.scale.jobs import Columns

PROMPTS = ["a boat", "a cat, at night", "ein Haus"]

# ---- Tables


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("rows.csv", 'prompt,seed\na boat,1\n"a cat, at night",2\nein Haus,3\n'),
        ("rows.csv", "\ufeffprompt;seed\r\na boat;1\r\na cat, at night;2\r\nein Haus;3\r\n"),
        ("rows.tsv", "prompt\tseed\na boat\t1\na cat, at night\t2\nein Haus\t3\n"),
        ("rows.jsonl", "\n\n".join(json.dumps({"prompt": text, "seed": n}) for n, text in enumerate(PROMPTS, 1))),
        ("rows.txt", "a boat\n\n  a cat, at night\nein Haus"),
        ("rows.json", json.dumps([{"prompt": text} for text in PROMPTS])),
    ],
)
def test_tables_of_each_kind_are_read(name, content, tmp_path):
    path = tmp_path / name
    path.write_text(content, encoding="utf-8")
    found = list(table.rows(path))
    assert [row["prompt"] for row in found] == PROMPTS
    assert [int(row.get("seed", n)) for n, row in enumerate(found, 1)] == [1, 2, 3]
    assert len(list(table.rows(path, 2))) == 2


def test_parquet_and_cocos_captions_are_read(tmp_path):
    parquet.write_table(pa.table({"prompt": PROMPTS, "seed": [1, 2, 2**62]}), tmp_path / "rows.parquet")
    assert [row["seed"] for row in table.rows(tmp_path / "rows.parquet")] == [1, 2, 2**62]
    said = {
        "images": [{"id": 7, "file_name": "7.jpg"}],
        "annotations": [{"id": 1, "image_id": 7, "caption": "A boat\n on the sea. \n"}],
    }
    (tmp_path / "captions.json").write_text(json.dumps(said))
    assert list(table.rows(tmp_path / "captions.json")) == [
        {"prompt": "A boat on the sea.", "image_id": 7, "image": "7.jpg"}
    ]


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("rows.csv", b"prompt\na boat, at night\n", 'line 2: 1 columns have names, .* a text that holds "," in quotes'),
        ("rows.csv", b"prompt,prompt\na,b\n", "each column needs a name of its own"),
        ("rows.csv", "prompt\nein kleines Häuschen\n".encode("latin-1"), "is not UTF-8 text"),
        ("rows.jsonl", b'{"prompt": "a"}\n["b"]\n', "line 2: must be an object"),
        ("rows.jsonl", b'{"prompt": \n', "line 1: no JSON"),
        ("rows.json", b'{"captions": []}', "must hold captions as COCO has them"),
        ("rows.parquet", b"PAR1", "no Parquet file"),
        ("rows.xlsx", b"PK", "must end in one of .csv"),
    ],
)
def test_what_is_no_table_is_refused(name, content, told, tmp_path):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(LauncherError, match=told):
        list(table.rows(tmp_path / name))


# ---- What a row asks for


@pytest.fixture
def columns():
    graph = {
        "nodes": [],
        "extra": {
            "guided_gan": {
                "prompts": [{"name": "foreground", "about": "before"}, {"name": "background", "about": "behind"}],
                "seeds": {"9.seed": 0},
            }
        },
    }
    return Columns(graph, 5)


def test_columns_go_by_the_names_of_the_demo(columns):
    row = {"Background": "the sea", "foreground": "a boat", "GuidedGAN_Optimize.steps": 20, "note": "x", "4.text": ""}
    job = columns.job(3, row)
    assert job.prompts == ("a boat", "the sea")
    assert job.seed == 8
    assert job.settings == ("GuidedGAN_Optimize.steps=20",)  # an empty cell leaves what was saved
    assert columns.unused(row) == ["note"]
    assert columns.job(3, {**row, "seed": "7"}).seed == 7
    assert columns.job(3, {}).prompts == ()


def test_the_one_prompt_goes_by_other_names_too():
    for name in ("prompt", "caption", "Text"):
        assert Columns(GRAPH, 0).job(0, {name: "a boat"}).prompts == ("a boat",)


def test_a_row_is_another_once_anything_that_it_asks_for_is(columns):
    row = {"foreground": "a boat", "background": "the sea"}
    keys = [columns.job(0, row).key, columns.job(0, {**row, "seed": 9}).key, columns.job(0, {**row, "1.k": 2}).key]
    assert len(set(keys)) == 3
    assert columns.job(0, {**row, "note": "mine"}).key == keys[0]


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ({"foreground": "a boat", "note": "x"}, "has no background; the workflow takes 2 prompts: foreground"),
        ({"foreground": "a", "background": "b", "seed": "many"}, "a seed must be a whole number; got 'many'"),
        ({"foreground": "a", "background": "b", "seed": 1.5}, "a seed must be a whole number; got 1.5"),
        ({"foreground": "a", "Foreground ": "b"}, "several columns are for foreground"),
    ],
)
def test_a_row_that_does_not_fit_is_refused(row, told, columns):
    with pytest.raises(LauncherError, match=told):
        columns.job(0, row)
