"""A search in the host's page: its scores while it runs, and the button that ends it."""

import os
from pathlib import Path

import pytest
from editor_graphs import node, set_widgets, template
from page import SECONDS, Page, graph_of
from PIL import Image

OPTIMIZE = "GuidedGAN_Optimize"
START = """() => {
  window.ended = new Promise(resolve => {
    for (const kind of ['success', 'error', 'interrupted'])
      app.api.addEventListener(`execution_${kind}`, event => resolve([kind, event.detail]), { once: true })
  })
  app.queuePrompt(0, 1)
}"""
POINTS = """least => {
  const line = document.querySelector('.guided-gan-search polyline[data-score="AugCLIP"]')
  return line && line.getAttribute('points').split(' ').length >= least
}"""


SAYS = r"""() => {
  const head = document.querySelector('.guided-gan-search .guided-gan-says').textContent
  return /^step \d+ of 5000, .+ left$/.test(head)
}"""


def fusedream_with(**values):
    """The template with other values of Optimize's widgets."""
    graph = template("fusedream")
    set_widgets(graph, OPTIMIZE, **values)
    return graph


def looked_at(page, name):
    """Keep a picture of the window where somebody wants to look at it."""
    if "GUIDED_GAN_LOOK" in os.environ:
        page.picture(Path(os.environ["GUIDED_GAN_LOOK"]) / f"{name}_{'nodes2' if page.nodes2 else 'canvas'}.png")


@pytest.fixture(scope="module")
def shown(page):
    """The template, with a search that is too long to wait for; each way to draw nodes has a seed of its own."""
    graph = fusedream_with(**{"settings.steps": 5_000, "seed": 40 + page.nodes2})
    page.open(graph)
    page.center(node(graph, OPTIMIZE))
    return graph


def test_the_scores_move_and_finish_now_gives_the_picture(page, host, shown):
    page.tab.set_default_timeout(SECONDS * 1000)
    box, optimize = page.tab.locator(".guided-gan-search"), node(shown, OPTIMIZE)
    button = box.get_by_role("button", name="Finish now")
    assert not button.is_visible(), "nothing runs that could be finished"
    page.tab.evaluate(START)
    page.tab.wait_for_function(POINTS, arg=2)
    page.tab.wait_for_function(POINTS, arg=4)
    page.tab.wait_for_function(SAYS)
    looked_at(page, "during")
    button.click()
    kind, said = page.tab.evaluate("() => window.ended")
    page.frames()
    looked_at(page, "after")
    assert kind == "success", said
    assert not button.is_visible()
    outputs = page.outputs(said["prompt_id"])
    (saved,) = outputs[str(node(shown, "SaveImage"))]["images"]
    with Image.open(host.output / saved["subfolder"] / saved["filename"]) as picture:
        assert picture.convert("L").getextrema()[0] != picture.convert("L").getextrema()[1]
    curve = outputs[str(optimize)]["curve"][0]
    assert curve["steps"][-1] < 5_000
    assert float(f"{curve['best']['AugCLIP']:.4g}") == float(box.get_by_text("AugCLIP").text_content().split()[-1])
    points = box.locator('polyline[data-score="AugCLIP"]').get_attribute("points").split()
    assert len(points) == len(curve["steps"])
    assert box.locator("circle").count() == len(curve["scores"])


def test_the_scores_are_no_part_of_the_graph(page, shown):
    saved, given = (next(one for one in g["nodes"] if one["type"] == OPTIMIZE) for g in (graph_of(page), shown))
    values, names = given["widgets_values"], [one["name"] for one in saved["inputs"] if one.get("widget")]
    assert saved["widgets_values"][: len(values)] == values
    assert len(saved["widgets_values"]) == len(names) + 1, "what becomes of the seed has no name"
    assert not any("scores" in node["inputs"] for node in page.prompt().values())


def test_scores_stay_where_the_host_remembers_the_search(page):
    page.open(fusedream_with(seed=42 + page.nodes2))
    assert not page.tab.evaluate(POINTS, 1)
    for _ in range(2):  # the second time nothing runs
        kind, said = page.run()
        assert kind == "success", said
        page.tab.wait_for_function(POINTS, arg=2, timeout=20_000)


def test_scores_are_not_shown_in_another_graph_with_the_same_nodes(page):
    first, second = fusedream_with(**{"settings.steps": 5_000, "seed": 46 + page.nodes2}), fusedream_with()
    second["id"] = "00000000-1111-4222-8333-444444444444"
    page.tab.set_default_timeout(SECONDS * 1000)
    page.open(first)
    page.tab.evaluate(START)
    page.tab.wait_for_function(POINTS, arg=2)
    page.open(second)
    page.tab.wait_for_timeout(1500)
    assert not page.tab.evaluate(POINTS, 1)
    assert not page.tab.locator(".guided-gan-search").get_by_role("button", name="Finish now").is_visible()
    page.open(first)
    page.tab.wait_for_function(POINTS, arg=2)
    page.tab.evaluate("() => app.api.interrupt()")
    assert page.tab.evaluate("() => window.ended")[0] == "interrupted"


def test_a_search_inside_a_subgraph_shows_its_scores(page):
    page.open(fusedream_with(seed=44 + page.nodes2))
    page.tab.evaluate(
        "kind => app.graph.convertToSubgraph(new Set(app.graph.nodes.filter(node => node.comfyClass === kind)))",
        OPTIMIZE,
    )
    kind, said = page.run()
    assert kind == "success", said
    steps = page.tab.evaluate(
        """() => app.graph.nodes.find(node => node.isSubgraphNode?.()).subgraph.nodes[0].guidedGanScores.curve.steps"""
    )
    assert steps[0] == 0
    assert steps[-1] == 4


def test_it_speaks_the_pages_language(browser, host):
    page = Page(browser, host.url, language="ja")
    try:
        page.open(fusedream_with())
        box = page.tab.locator(".guided-gan-search")
        assert box.locator(".guided-gan-says").text_content() == "探索中のスコア"
        assert box.locator("button").text_content() == "ここで終了"
    finally:
        page.close()
    assert not page.faults
