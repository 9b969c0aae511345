"""What the widgets of the pack's page read and write is what the nodes take: picks, places and prompts."""

import math
import random

from editor_graphs import node
from page import graph_of

from guided_gan.core import prompts
from guided_gan.core.errors import PackError
from guided_gan.core.pictures import pasting


def test_picks_are_read_and_written_as_the_node_takes_them(page):
    said = page.tab.evaluate(
        """async texts => {
          const { parse, format } = await import("/extensions/guided_gan/parts/picks.js")
          return texts.map(text => { const shares = parse(text); return shares && format(shares) })
        }""",
        ["", "1 3:0.5", "3:.5, 1:2", "2 2", "1:0", "1:-1", "1:x", "x", "1:inf"],
    )
    assert said == ["", "1 3:0.5", "1:2 3:0.5", None, None, None, None, None, None]


def test_places_are_read_and_written_as_the_node_takes_them(page):
    said = page.tab.evaluate(
        """async texts => {
          const { parse, format } = await import("/extensions/guided_gan/parts/places.js")
          return texts.map(text => { const read = parse(text); return read && format(read) })
        }""",
        [
            *("", "all", "Bottom Left, centre", "centre, 0 .25 0.5 0.5", "all, 0 0 1 0.5", "0.125 0 0.875 0.333"),
            *("upstairs", "0 0 0.5", "0 0 x 1"),
        ],
    )
    known = ["", "all", "centre, bottom left", "centre, 0 0.25 0.5 0.5", "all, 0 0 1 0.5", "0.125 0 0.875 0.333"]
    assert said == [*known, None, None, None]


def test_whatever_is_drawn_and_moved_lies_within_the_picture(page):
    """Between all pixels of an area of 200, and moved beyond each corner, in the notation of the node."""
    drawn = page.tab.evaluate(
        """async () => {
          const { between, moved, format, SMALLEST } = await import("/extensions/guided_gan/parts/places.js")
          const found = new Set(), text = shape => format({ names: new Set(), rectangles: [shape] })
          for (let from = 0; from <= 200; from++) for (let to = 0; to <= 200; to++) for (const free of [true, false]) {
            const one = between([from / 200, to / 320], [to / 200, from / 160], free)
            if (one[2] < SMALLEST || one[3] < SMALLEST) continue
            for (const shape of [one, moved([0.125, 0.125, 0.875, 0.875], from / 200, to / 200)])
              for (const away of [0, 2, -2]) found.add(text(moved(shape, away, away)))
            if (!free && one[2] !== one[3]) throw new Error(`no square: ${one}`)
            found.add(text(one))
          }
          return [...found]
        }"""
    )
    assert len(drawn) > 1000
    assert max(map(len, drawn)) <= len("0.01 0.01 0.01 0.01")
    for text in drawn:
        assert len(pasting.placements(places=(), rectangles=[pasting.Rectangle(*map(float, text.split()))])) == 1


TYPED = (
    # the node, its text, the row that is typed into, what is typed, the text that it makes, and its rows
    ("EncodeText", "a farm | x", 1, "at 10:30", "a farm | at 10:30", [("a farm", "1"), ("at 10:30", "1")]),
    ("EncodeText", "a | x:0.5", 1, "at 10:30", "a | at 10:30:0.5", [("a", "1"), ("at 10:30", "0.5")]),
    ("EncodeText", "a | x:2:0.3", 1, "charcoal", "a | charcoal:2:0.3", [("a", "1"), ("charcoal", "2")]),
    ("EncodeText", "a:1 | x", 1, "charcoal:0.5", "a:1 | charcoal:0.5", [("a", "1"), ("charcoal", "0.5")]),
    ("EncodeText", "a | x", 1, "aspect 4:3", "a | aspect 4:3", [("a", "1"), ("aspect 4", "3")]),
    ("EncodeText", "a | x", 1, "Runner: 2049", "a | Runner: 2049:1", [("a", "1"), ("Runner: 2049", "1")]),
    ("EncodeText", "p0:2 | p1", 0, "p0 | new", "p0 | new | p1", [("p0", "1"), ("new", "1"), ("p1", "1")]),
    ("ClassLatent", "a / b:2", 0, "tabby:0.7", "tabby:0.7\nb:2", [("tabby", "0.7"), ("b", "2")]),
)


def test_what_is_typed_into_a_row_is_read_once_it_is_left(page):
    for kind, text, row, typed, becomes, rows in TYPED:
        name = {"EncodeText": "text", "ClassLatent": "classes"}[kind]
        page.tab.evaluate(
            """([kind, name, text]) => {
              app.graph.clear()
              const node = LiteGraph.createNode(kind)
              app.graph.add(node)
              node.widgets.find(one => one.name === name).value = text
            }""",
            [f"GuidedGAN_{kind}", name, text],
        )
        page.open(graph_of(page))
        written = node(graph_of(page), f"GuidedGAN_{kind}")
        page.center(written)
        says, weights = (page.tab.locator(f".guided-gan-{one}") for one in ("text", "weight"))
        says.nth(row).fill("")
        says.nth(row).press_sequentially(typed)
        assert page.value(written, name) == becomes
        assert says.nth(row).input_value() == typed
        page.tab.keyboard.press("Tab")
        assert page.value(written, name) == becomes
        assert [(a.input_value(), b.input_value()) for a, b in zip(says.all(), weights.all(), strict=True)] == rows


def test_prompts_come_back_from_their_rows(page):
    """Each text that the node accepts gives its prompts, and comes back as it was, or as one of the same meaning."""
    rng = random.Random(0)
    pieces = ["a", "at 10", "7", *":::", ".5", "0.3", "-1", "30", "10", "2049", "1e1", "-inf", *" |\n}"]
    texts = ["".join(rng.choices(pieces, k=rng.randint(1, 9))) for _ in range(20000)]
    texts = [text for text in texts if accepted(text)] + ["room 7:10.0 | at 7:10.0:30.0", "a:-1:30.0"]
    assert len(texts) > 1000
    said = page.tab.evaluate(
        """async texts => {
          const { FORMS, format, parse } = await import("/extensions/guided_gan/parts/prompts.js")
          return texts.map(text => {
            const read = parse(text, FORMS.bars)
            const rows = read.map(({ says, weight, stop }) => ({ says, weight, stop }))
            return [format(read, FORMS.bars), format(rows, FORMS.bars), rows.map(one => [...Object.values(one)])]
          })
        }""",
        texts,
    )
    for text, (same, made, rows) in zip(texts, said, strict=True):
        read = prompts.parse(text)
        assert same == " | ".join(part.strip() for part in text.split("|"))
        assert prompts.parse(made) == read
        assert [(says, weight, -math.inf if stop is None else stop) for says, weight, stop in rows] == read


def accepted(text):
    """Whether Encode Text takes a text."""
    try:
        return bool(prompts.parse(text))
    except PackError:
        return False
