"""The shipped graphs in the host's own page: they open, run and come back from the picture that they saved."""

import pytest
from editor_graphs import node, set_widgets, template
from page import Page, graph_of


def saved(page, host):
    """Run the graph; the picture that it saved, and what its nodes reported."""
    kind, said = page.run()
    assert kind == "success", said
    outputs = page.outputs(said["prompt_id"])
    (picture,) = outputs[str(node(graph_of(page), "SaveImage"))]["images"]
    return host.output / picture["subfolder"] / picture["filename"], outputs


def test_a_start_is_picked_with_the_mouse_and_comes_back_from_the_picture(page, host):
    graph = template("fusedream")
    basis = node(graph, "GuidedGAN_BasisInit")
    page.open(graph)
    assert set(page.boxes()) == {one["id"] for one in graph["nodes"]}
    page.center(basis)
    tiles = page.tab.locator(".guided-gan-tile")
    assert [tile.split("\n")[0] for tile in tiles.all_inner_texts()] == [f"{i}" for i in range(1, 11)]
    _, outputs = saved(page, host)
    scores = outputs[str(basis)]["scores"][0]
    assert all(f"{score:.3f}" in text for score, text in zip(scores, tiles.all_inner_texts(), strict=True))
    tiles.nth(1).click()
    tiles.nth(4).click()
    tiles.nth(3).click()
    tiles.nth(4).click()  # a second click drops it
    assert page.value(basis, "pick") == "2 4"
    drag(page, tiles.nth(3), (0.1, 0.5), (0.5, 0.5))
    assert page.value(basis, "pick") == page.prompt()[str(basis)]["inputs"]["pick"] == "2 4:0.5"
    pressed = [tile.get_attribute("aria-pressed") for tile in tiles.all()]
    assert pressed == ["true" if i in (1, 3) else "false" for i in range(10)]
    assert "67 %" in tiles.nth(1).inner_text()
    assert "33 %" in tiles.nth(3).inner_text()
    picture, outputs = saved(page, host)
    assert outputs[str(basis)]["scores"][0] == scores  # all are still there to pick from
    prompt, shown = page.prompt(), graph_of(page)
    page.drop(picture)
    assert page.prompt() == prompt
    assert [(one["id"], one["pos"]) for one in graph_of(page)["nodes"]] == [
        (one["id"], one["pos"]) for one in shown["nodes"]
    ]
    assert [tile.get_attribute("aria-pressed") for tile in tiles.all()] == pressed


def test_several_searches_have_a_row_of_starts_each(page):
    graph = template("fusedream")
    basis = node(graph, "GuidedGAN_BasisInit")
    set_widgets(graph, "GuidedGAN_BasisInit", batch=2, pick="3 1:0.5", **{"settings.k": 3})
    page.open(graph)
    assert page.tab.locator(".guided-gan-tile").count() == 6
    tops = [tile.bounding_box()["y"] for tile in page.tab.locator(".guided-gan-tile").all()]
    assert tops[0] == tops[1] == tops[2] < tops[3] == tops[4] == tops[5]
    assert page.tab.locator('.guided-gan-tile[aria-pressed="true"]').count() == 4
    page.tab.get_by_role("button", name="all", exact=True).click()
    assert page.value(basis, "pick") == ""


def test_places_are_drawn_with_the_mouse_and_come_back_from_the_picture(page, host):
    graph = template("composition")
    set_widgets(graph, "GuidedGAN_ComposeOptimize", places="", scales="0.5")
    compose = node(graph, "GuidedGAN_ComposeOptimize")
    page.open(graph)
    page.center(compose)
    area = page.tab.locator(".guided-gan-area")
    drag(page, area, (0.1, 0.2), (0.6, 0.7))  # drawn
    assert page.value(compose, "places") == "0.1 0.2 0.5 0.5"
    drag(page, area, (0.3, 0.3), (0.2, 0.1))  # moved, up to the edge
    assert page.value(compose, "places") == "0 0 0.5 0.5"
    corner = page.tab.locator(".guided-gan-corner")
    drag(page, area, (0.49, 0.49), (0.3, 0.4))  # its corner, which keeps it a square
    assert page.value(compose, "places") == "0 0 0.4 0.4"
    page.tab.keyboard.down("Shift")
    drag(page, area, (0.9, 0.9), (0.6, 0.7))  # of any shape, from the right to the left
    page.tab.keyboard.up("Shift")
    page.tab.get_by_role("button", name="top right", exact=True).click()
    assert page.value(compose, "places") == "top right, 0 0 0.4 0.4, 0.6 0.7 0.3 0.2"
    assert "the best 1 of 3 places" in page.tab.locator(".guided-gan-placement").inner_text()
    page.tab.locator(".guided-gan-drop").first.click()
    assert corner.count() == 1
    assert page.prompt()[str(compose)]["inputs"]["places"] == "top right, 0.6 0.7 0.3 0.2"
    picture, _ = saved(page, host)
    prompt = page.prompt()
    page.drop(picture)
    assert page.prompt() == prompt
    assert page.tab.locator(".guided-gan-rectangle").count() == 1


@pytest.mark.parametrize("late", ["placement", "search"])
def test_the_drawing_area_is_above_the_scores_whichever_script_comes_first(browser, host, late):
    page = Page(browser, host.url, late=late)
    try:
        assert page.tab.evaluate(
            """() => {
              const node = LiteGraph.createNode('GuidedGAN_ComposeOptimize')
              app.graph.add(node)
              return [node.widgets.slice(-2).map(one => one.name), node.size[1] >= node.computeSize()[1]]
            }"""
        ) == [["placement", "scores"], True]
    finally:
        page.close()


def test_prompts_are_rows_that_are_weighed_and_switched_off(page):
    graph = template("style_plus_content")
    encode = node(graph, "GuidedGAN_EncodeText")
    set_widgets(graph, "GuidedGAN_EncodeText", text="a {red|pink} tree | striped:0.5:-0.2 | at 10:30 | Runner: 2049:1")
    page.open(graph)
    page.center(encode)
    rows = page.tab.locator(".guided-gan-row")
    says, weights, on = (rows.locator(kind) for kind in (".guided-gan-text", ".guided-gan-weight", ".guided-gan-on"))
    assert [one.input_value() for one in says.all()] == ["a {red|pink} tree", "striped", "at 10:30", "Runner: 2049"]
    assert [one.input_value() for one in weights.all()] == ["1", "0.5", "1", "1"]
    on.nth(1).click()
    assert page.value(encode, "text") == "a {red|pink} tree | at 10:30 | Runner: 2049:1"
    page.tab.get_by_role("button", name="+ prompt").first.click()
    says.nth(4).fill("text")
    weights.nth(4).fill("-0.3")
    page.tab.keyboard.press("Tab")
    assert page.value(encode, "text") == "a {red|pink} tree | at 10:30 | Runner: 2049:1 | text:-0.3"
    page.open(graph_of(page))  # as a saved graph
    assert [one.is_checked() for one in on.all()] == [True, False, True, True, True]
    on.nth(1).click()
    assert page.value(encode, "text") == "a {red|pink} tree | striped:0.5:-0.2 | at 10:30 | Runner: 2049:1 | text:-0.3"


def test_inputs_of_a_graph_that_was_saved_with_two_grow(page):
    graph = template("vqgan_clip")
    add = node(graph, "GuidedGAN_AddLosses")
    page.open(graph)
    before = page.prompt()[str(add)]["inputs"]
    slots = "id => app.graph.getNodeById(id).inputs.filter(one => one.type === 'GUIDANCE_LOSS').map(one => one.name)"
    assert page.tab.evaluate(slots, add) == ["loss_1", "loss_2", "more.loss_3"]
    page.tab.evaluate(
        """id => {
          const node = app.graph.getNodeById(id), other = LiteGraph.createNode("GuidedGAN_TotalVariationLoss")
          app.graph.add(other)
          other.connect(0, node, node.inputs.findIndex(one => one.name === "more.loss_3"))
        }""",
        add,
    )
    assert page.tab.evaluate(slots, add) == ["loss_1", "loss_2", "more.loss_3", "more.loss_4"]
    after = page.prompt()[str(add)]["inputs"]
    assert {name: value for name, value in after.items() if name != "more.loss_3"} == before
    assert page.prompt()[after["more.loss_3"][0]]["class_type"] == "GuidedGAN_TotalVariationLoss"


def test_pictures_are_compared_with_a_slider(page):
    page.tab.evaluate(
        """() => {
          app.graph.clear()
          const [before, after, compare] = ["EmptyImage", "EmptyImage", "ImageCompare"].map((kind, i) => {
            const node = LiteGraph.createNode(kind)
            node.pos = [i * 300, 0]
            app.graph.add(node)
            return node
          })
          before.connect(0, compare, 0)
          after.connect(0, compare, 1)
        }"""
    )
    compare = node(graph_of(page), "ImageCompare")
    page.center(compare)
    page.run()
    ours, the_hosts = (page.tab.locator(f"{kind} img") for kind in (".guided-gan-compare", "[data-testid*=compare]"))
    shown = the_hosts if page.nodes2 else ours
    shown.nth(1).wait_for()
    assert (ours.count(), the_hosts.count()) == ((0, 2) if page.nodes2 else (2, 0))
    box = shown.first.bounding_box()
    page.tab.mouse.move(box["x"] + 0.25 * box["width"], box["y"] + box["height"] / 2)
    page.frames()
    clip = shown.last.evaluate("shown => getComputedStyle(shown).clipPath")  # the picture before, to the left
    assert 70 < float(clip.removeprefix("inset(0px ").partition("%")[0]) < 80, clip


def test_a_page_without_the_packs_script_runs_a_graph_that_was_made_with_it(browser, host):
    graph = template("fusedream")
    basis = node(graph, "GuidedGAN_BasisInit")
    set_widgets(graph, "GuidedGAN_BasisInit", pick="2 4:0.5")
    page = Page(browser, host.url, scripts=False)
    page.open(graph)
    assert page.prompt()[str(basis)]["inputs"]["pick"] == "2 4:0.5"
    assert not page.tab.locator(".guided-gan-tile").count()
    saved(page, host)
    page.close()


def drag(page, element, start, end):
    """Drag the mouse across an element, from one place to another: shares of its width and height."""
    box = element.bounding_box()
    at = {"x": start[0] * box["width"], "y": start[1] * box["height"]}
    element.hover(position=at)  # which waits until it lies still and nothing covers it
    box = element.bounding_box()
    (x, y), (to, down) = ((box["x"] + a * box["width"], box["y"] + b * box["height"]) for a, b in (start, end))
    page.tab.mouse.move(x, y)
    page.tab.mouse.down()
    page.tab.mouse.move((x + to) / 2, (y + down) / 2, steps=3)
    page.tab.mouse.move(to, down)
    page.tab.mouse.up()
