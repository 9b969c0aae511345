"""The shipped graphs in the host's own page: they open, run and come back from the picture that they saved."""

import json
from pathlib import Path

from page import Page, graph_of

FOLDER = Path(__file__).resolve().parent.parent / "workflows"


def fusedream():
    """The first template, with settings that make it quick."""
    graph = json.loads((FOLDER / "fusedream.json").read_text(encoding="utf-8"))
    quick = {"GuidedGAN_BasisInit": {"candidates": 200}, "GuidedGAN_Optimize": {"steps": 4}}
    for kind, values in quick.items():
        set_widgets(graph, kind, **values)
    return graph


def set_widgets(graph, kind, **values):
    """Set widgets of the nodes of a type, in the editor's form."""
    for node in (node for node in graph["nodes"] if node["type"] == kind):
        names = [one["name"] for one in node["inputs"] if one.get("widget")]
        for name, value in values.items():
            # After a seed stands what is to become of it, which has no name.
            node["widgets_values"][names.index(name) + ("seed" in names[: names.index(name)])] = value


OPTIMIZE, BASIS, SAVE = 7, 5, 10  # nodes of the template


def saved(page, host, node=SAVE):
    """Run the graph; the picture that it saved, and what its nodes reported."""
    kind, said = page.run()
    assert kind == "success", said
    outputs = page.outputs(said["prompt_id"])
    (picture,) = outputs[str(node)]["images"]
    return host.output / picture["subfolder"] / picture["filename"], outputs


def test_a_start_is_picked_with_the_mouse_and_comes_back_from_the_picture(page, host):
    page.open(fusedream())
    assert set(page.boxes()) == {node["id"] for node in fusedream()["nodes"]}
    page.center(BASIS)
    tiles = page.tab.locator(".guided-gan-tile")
    assert [tile.split("\n")[0] for tile in tiles.all_inner_texts()] == [f"{i}" for i in range(1, 11)]
    _, outputs = saved(page, host)
    scores = outputs[str(BASIS)]["scores"][0]
    assert all(f"{score:.3f}" in text for score, text in zip(scores, tiles.all_inner_texts(), strict=True))
    tiles.nth(1).click()
    tiles.nth(4).click()
    tiles.nth(3).click()
    tiles.nth(4).click()  # a second click drops it
    assert page.value(BASIS, "pick") == "2 4"
    drag(page, tiles.nth(3), 0.1, 0.5)
    assert page.value(BASIS, "pick") == page.prompt()[str(BASIS)]["inputs"]["pick"] == "2 4:0.5"
    pressed = [tile.get_attribute("aria-pressed") for tile in tiles.all()]
    assert pressed == ["true" if i in (1, 3) else "false" for i in range(10)]
    assert "67 %" in tiles.nth(1).inner_text()
    assert "33 %" in tiles.nth(3).inner_text()
    picture, outputs = saved(page, host)
    assert outputs[str(BASIS)]["scores"][0] == scores  # all are still there to pick from
    prompt, graph = page.prompt(), graph_of(page)
    page.drop(picture)
    assert page.prompt() == prompt
    assert {node["id"]: node["pos"] for node in graph_of(page)["nodes"]} == {n["id"]: n["pos"] for n in graph["nodes"]}
    assert [tile.get_attribute("aria-pressed") for tile in tiles.all()] == pressed


def test_several_searches_have_a_row_of_starts_each(page):
    graph = fusedream()
    set_widgets(graph, "GuidedGAN_BasisInit", batch=2, k=3, pick="3 1:0.5")
    page.open(graph)
    assert page.tab.locator(".guided-gan-tile").count() == 6
    tops = [tile.bounding_box()["y"] for tile in page.tab.locator(".guided-gan-tile").all()]
    assert tops[0] == tops[1] == tops[2] < tops[3] == tops[4] == tops[5]
    assert page.tab.locator('.guided-gan-tile[aria-pressed="true"]').count() == 4
    page.tab.get_by_role("button", name="all", exact=True).click()
    assert page.value(BASIS, "pick") == ""


def test_picks_are_read_and_written_as_the_node_takes_them(page):
    said = page.tab.evaluate(
        """async texts => {
          const { parse, format } = await import("/extensions/guided_gan/parts/picks.js")
          return texts.map(text => { const shares = parse(text); return shares && format(shares) })
        }""",
        ["", "1 3:0.5", "3:.5, 1:2", "2 2", "1:0", "1:-1", "1:x", "x", "1:inf"],
    )
    assert said == ["", "1 3:0.5", "1:2 3:0.5", None, None, None, None, None, None]


def test_a_page_without_the_packs_script_runs_a_graph_that_was_made_with_it(browser, host):
    graph = fusedream()
    set_widgets(graph, "GuidedGAN_BasisInit", pick="2 4:0.5")
    page = Page(browser, host.url, scripts=False)
    page.open(graph)
    assert page.prompt()[str(BASIS)]["inputs"]["pick"] == "2 4:0.5"
    assert not page.tab.locator(".guided-gan-tile").count()
    saved(page, host)
    page.close()


def drag(page, element, start, end):
    """Drag the mouse across an element, from one share of its width to another."""
    box = element.bounding_box()
    x, y, width = box["x"], box["y"] + box["height"] / 2, box["width"]
    page.tab.mouse.move(x + start * width, y)
    page.tab.mouse.down()
    page.tab.mouse.move(x + (start + end) / 2 * width, y, steps=3)
    page.tab.mouse.move(x + end * width, y)
    page.tab.mouse.up()
