"""The shipped graphs as the page shows them: all of each is read at first sight, and nothing lies on anything else.

`--regenerate` puts them in order anew, by what each node needs in the page; it takes a few minutes. What a run adds is
looked at in the quickest ones; `-m every_template` looks at all.
"""

import json
from itertools import combinations

import pytest
from arrange import PICTURES, TITLE, WIDTH, arrange
from page import Page, run_all
from templates import FILES, GRAPHS, TOLD

LEGIBLE = 0.572  # the canvas draws text down to 8 of its 14 pixels
OUTGROWS = {"GuidedGAN_ComposeOptimize"}  # higher after a run than fits: it is the last in its column, and may go on
QUICKEST = ["prompt_morph", "stylegan_t", "truncation_grid"]
# How high a node is with all that it shows, without the title: scrolled text, and what the canvas lays over itself.
_NEEDS = """nodes2 => Object.fromEntries(app.graph.nodes.map(node => {
  const element = document.querySelector(`[data-node-id="${node.id}"]`)
  const within = nodes2 ? [...element.querySelectorAll('*')] : (node.widgets ?? []).flatMap(
    one => one.element ? [one.element, ...one.element.querySelectorAll('*')] : [])
  const hidden = within.filter(one => ['auto', 'scroll'].includes(getComputedStyle(one).overflowY))
    .map(one => one.scrollHeight - one.clientHeight)
  const height = nodes2 ? element.offsetHeight - 30 : Math.max(node.size[1], node.computeSize()[1])
  return [node.id, Math.ceil(height + Math.max(0, ...hidden))]
}))"""
WIRES = ("GAN_GENERATOR", "GAN_LATENT", "GAN_BASIS", "CLIP_JOINT", "CLIP_TARGET", "GUIDANCE_LOSS", "SCORE_CURVE")
_ON_THE_CANVAS = "types => types.map(type => app.canvas.constructor.link_type_colors[type])"
_IN_NODES_2 = """types => types.map(
  type => getComputedStyle(document.documentElement).getPropertyValue(`--color-datatype-${type}`))"""


@pytest.fixture(scope="module")
def pages(browser, host):
    """The page with each way to draw nodes."""
    both = [Page(browser, host.url, nodes2=nodes2) for nodes2 in (False, True)]
    yield both
    for page in both:
        page.close()
        assert not page.faults


@pytest.mark.parametrize("name", GRAPHS)
def test_reads_at_first_sight(name, pages, request):
    if request.config.getoption("--regenerate") and name in TOLD:  # the others need models that are not here to run
        GRAPHS[name] = in_order(GRAPHS[name], pages)
        text = json.dumps(GRAPHS[name], indent=1, ensure_ascii=False)
        FILES[name].write_text(text + "\n", encoding="utf-8")
    for page in pages:
        page.open(GRAPHS[name])
        check(page, name)


@pytest.mark.parametrize("name", GRAPHS)
def test_is_in_the_order_that_the_tool_gives(name):
    """By the heights that it was saved with: what a person moves a little comes back to its place."""
    saved = {node["id"]: node["size"][1] for node in GRAPHS[name]["nodes"]}
    assert arrange(GRAPHS[name], saved | dict.fromkeys(pictured(GRAPHS[name]), 0)) == GRAPHS[name], (
        "`run.py test tests/test_layout.py --regenerate` mends it"
    )


@pytest.mark.parametrize("name", QUICKEST)
def test_reads_after_a_run(name, pages):
    for page in pages:
        page.open(GRAPHS[name])
        run_all(page)
        check(page, name)


@pytest.mark.every_template
@pytest.mark.parametrize("name", TOLD)
def test_every_template_reads_after_a_run(name, pages):
    for page in pages:
        page.open(GRAPHS[name])
        run_all(page)
        check(page, name)


def test_each_wire_has_a_colour_of_its_own_whatever_the_palette(pages):
    types = sorted({*WIRES, "IMAGE", "LATENT", "CLIP", "MASK", "MODEL", "VAE"})
    for page, colours in zip(pages, (_ON_THE_CANVAS, _IN_NODES_2), strict=True):
        for palette in ("dark", "light", "dark"):
            page.tab.evaluate("palette => app.extensionManager.setting.set('Comfy.ColorPalette', palette)", palette)
            page.frames(10)
            found = page.tab.evaluate(colours, types)
            assert all(found), dict(zip(types, found, strict=True))
            assert len(set(found)) == len(types), dict(zip(types, found, strict=True))


def check(page, name):
    """All is in the window, large enough, and apart."""
    zoom = page.tab.evaluate("() => app.canvas.ds.scale")
    assert zoom >= LEGIBLE, f"{name} opens at a zoom of {zoom:.2f}"
    titles = "() => app.graph.nodes.map(node => [String(node.id), `${node.title} (${node.type})`])"
    named = dict(page.tab.evaluate(titles))
    boxes = [(named[str(identity)], box) for identity, box in page.boxes().items()]
    window = page.tab.viewport_size
    for title, box in boxes:
        assert min(box.x, box.y) >= 0, f"{name}: {title} begins outside of the window"
        assert box.x + box.width <= window["width"], f"{name}: {title} ends right of the window"
        ends = box.y + box.height <= window["height"] or any(kind in title for kind in OUTGROWS)
        assert ends, f"{name}: {title} ends below the window"
    for (title, box), (other, its) in combinations(boxes, 2):
        assert not box.overlaps(its, slack=1), f"{name}: {title} and {other} lie on each other"


def pictured(graph):
    """The nodes that show pictures: they have what is left, whatever they show."""
    return [node["id"] for node in graph["nodes"] if node["type"] in PICTURES]


def in_order(graph, pages):
    """The graph as `arrange` puts it, by what its nodes need in either page, before a run and after."""
    found = [needed(graph, page) for page in pages]
    heights = {}
    for node in graph["nodes"]:
        times = slice(1) if node["type"] in OUTGROWS else slice(2)
        heights[node["id"]] = max(needs[str(node["id"])] for both in found for needs in both[times])
    return arrange(graph, heights | dict.fromkeys(pictured(graph), 0))


def needed(graph, page):
    """How high each node must be, before a run and after: seen where nothing is near, at the least height."""
    loose = json.loads(json.dumps(graph))
    for i, node in enumerate(loose["nodes"]):
        node["pos"] = [600 * (i % 6), 1500 * (i // 6)]
        node["size"] = [WIDTH, TITLE]
    page.open(loose)
    before = page.tab.evaluate(_NEEDS, page.nodes2)
    run_all(page)
    return before, page.tab.evaluate(_NEEDS, page.nodes2)
