"""Drives the host's own page in a headless Chromium: opens graphs, runs them, and looks where things are.

While `browser` is open, an event loop runs in the test's thread: reach the host through the page, not through `Client`.
"""

from __future__ import annotations

import base64
import json
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from templates import QUICK

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")  # of the system
WINDOW = {"width": 1440, "height": 850}
SECONDS = 240  # for a prompt, on a busy machine
SETTINGS = {"Comfy.TutorialCompleted": True, "Comfy.Graph.CanvasInfo": False, "Comfy.Minimap.Visible": False}
PACK = "**/extensions/guided_gan/**/*.js"  # the pack's own script

# Not before the page has opened the graph that it starts with, which would replace one that is opened earlier, and has
# taken away the mask that covers it until then.
_READY = """() => window.app?.graph?.nodes.length && !window.app.extensionManager.spinner &&
  !document.querySelector('.p-blockui-mask')"""
# Where each node is, title included, in pixels of the window: from the elements of Nodes 2.0, or from the canvas.
_BOXES = """() => {
  const canvas = app.canvas, area = canvas.canvas.getBoundingClientRect(), scale = canvas.ds.scale
  return Object.fromEntries(app.graph.nodes.map(node => {
    const shown = document.querySelector(`[data-node-id="${node.id}"]`)
    if (shown) { const box = shown.getBoundingClientRect(); return [node.id, [box.x, box.y, box.width, box.height]] }
    node.updateArea(canvas.ctx)
    const [x, y, width, height] = node.boundingRect
    return [node.id, [area.x + (x + canvas.ds.offset[0]) * scale, area.y + (y + canvas.ds.offset[1]) * scale,
                      width * scale, height * scale]]
  }))
}"""
_RUN = """() => new Promise((resolve, reject) => {
  for (const kind of ['success', 'error', 'interrupted'])
    app.api.addEventListener(`execution_${kind}`, event => resolve([kind, event.detail]), { once: true })
  app.queuePrompt(0, 1).then(taken => taken || reject(new Error(JSON.stringify(app.lastNodeErrors))))
})"""
_DROP = """([name, kind, bytes]) => {
  const data = new DataTransfer()
  data.items.add(new File([Uint8Array.from(atob(bytes), c => c.charCodeAt(0))], name, { type: kind }))
  const event = kind => new DragEvent(kind, { dataTransfer: data, bubbles: true, cancelable: true })
  for (const kind of ['dragover', 'drop']) app.canvas.canvas.dispatchEvent(event(kind))
}"""
_FRESH = """() => app.api.fetchApi('/free', {
  method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify({ free_memory: true })
})"""
_QUICK = """quick => {
  const nodes = graph => graph.nodes.flatMap(node => node.subgraph ? nodes(node.subgraph) : [node])
  for (const node of nodes(app.graph)) for (const [place, value] of Object.entries(quick)) {
    const [kind, ...names] = place.split('.')
    if (node.type === kind) node.widgets.find(one => one.name === names.join('.')).value = value
  }
}"""


class Box(NamedTuple):
    """A rectangle in pixels of the window."""

    x: float
    y: float
    width: float
    height: float

    def overlaps(self, other: Box, slack: float = 0) -> bool:
        """Whether both share an area; `slack` pixels of it count as none."""
        across = min(self.x + self.width, other.x + other.width) - max(self.x, other.x)
        down = min(self.y + self.height, other.y + other.height) - max(self.y, other.y)
        return across > slack and down > slack


@contextmanager
def browser() -> Iterator[Any]:
    """A headless Chromium: the system's, or Playwright's own. Skips the test where there is none."""
    playwright = pytest.importorskip("playwright.sync_api", reason="the page needs Playwright: pip install playwright")
    with playwright.sync_playwright() as driver:
        own = driver.chromium.executable_path
        found = next(filter(None, map(shutil.which, BROWSERS)), own if Path(own).exists() else None)
        if found is None:
            pytest.skip("the page needs a browser: install chromium, or run `playwright install chromium`")
        started = driver.chromium.launch(executable_path=found)
        yield started
        started.close()


class Page:
    """A tab with the host's page.

    Attributes:
        tab: Playwright's page, for all that this class has no word for.
        faults: what scripts of the page threw.
    """

    def __init__(
        self,
        browser: Any,
        url: str,
        *,
        nodes2: bool = False,
        scripts: bool = True,
        late: str | None = None,
        language: str = "en",
    ) -> None:
        """Open the page.

        nodes2: with Nodes 2.0 in place of the canvas. scripts: False blocks the pack's own. late: which of these comes
        a second later than the others. language: as in `locales`.
        """
        self.nodes2 = nodes2
        self.tab = browser.new_page(viewport=WINDOW, reduced_motion="reduce")
        self.faults: list[str] = []
        self.tab.on("pageerror", lambda error: self.faults.append(str(error)))
        if not scripts:
            self.tab.route(PACK, lambda route: route.abort())
        if late is not None:
            self.tab.route(f"**/guided_gan/{late}.js", lambda route: (time.sleep(1), route.continue_()))
        settings = {**SETTINGS, "Comfy.VueNodes.Enabled": nodes2, "Comfy.Locale": language}
        self.tab.request.post(f"{url}/settings", data=settings)
        self.tab.goto(url)
        self.tab.wait_for_function(_READY, timeout=SECONDS * 1000)

    def close(self) -> None:
        self.tab.close()

    def open(self, graph: Mapping[str, Any]) -> None:
        """Load a graph in the editor's form, and wait until it is laid out."""
        self.tab.evaluate("graph => app.loadGraphData(graph)", graph)
        self._settle(len(graph["nodes"]))

    def drop(self, file: Path) -> None:
        """Drop a file onto the empty page, which opens the graph that is in it."""
        self.tab.evaluate("() => app.graph.clear()")
        kind = {".png": "image/png", ".json": "application/json"}[file.suffix]
        self.tab.evaluate(_DROP, [file.name, kind, base64.b64encode(file.read_bytes()).decode()])
        self.tab.wait_for_function("() => app.graph.nodes.length > 0")
        self._settle(self.tab.evaluate("() => app.graph.nodes.length"))

    def run(self) -> tuple[str, dict[str, Any]]:
        """Queue the graph and wait for its end: success, error or interrupted, and what the host says of it."""
        self.tab.set_default_timeout(SECONDS * 1000)
        kind, detail = self.tab.evaluate(_RUN)
        self.frames()
        return kind, detail

    def prompt(self) -> dict[str, Any]:
        """What the page would queue: class and inputs by node id."""
        return self.tab.evaluate("async () => (await app.graphToPrompt()).output")

    def outputs(self, job: str) -> dict[str, Any]:
        """What the nodes of a finished job reported, by node id."""
        return self.tab.evaluate(
            "async job => (await (await app.api.fetchApi(`/history/${job}`)).json())[job].outputs", job
        )

    def boxes(self) -> dict[int, Box]:
        """Where each node is in the window, title included."""
        return {int(identity): Box(*box) for identity, box in self.tab.evaluate(_BOXES).items()}

    def widget(self, node: int, name: str) -> Any:
        """The element of a node's widget, which has one where it is no part of the canvas."""
        found = "([node, name]) => app.graph.getNodeById(node).widgets.find(one => one.name === name)?.element"
        return self.tab.evaluate_handle(found, [node, name]).as_element()

    def value(self, node: int, name: str) -> Any:
        """What a node's widget holds."""
        found = "([node, name]) => app.graph.getNodeById(node).widgets.find(one => one.name === name)?.value"
        return self.tab.evaluate(found, [node, name])

    def center(self, node: int, scale: float = 1.0) -> None:
        """Bring a node into the middle of the window, at a zoom, or less where the window would not hold all of it."""
        self.tab.evaluate(
            """([id, scale]) => {
              const canvas = app.canvas, node = app.graph.getNodeById(id), room = canvas.canvas.getBoundingClientRect()
              canvas.ds.scale = Math.min(scale, 0.9 * room.height / node.boundingRect[3])
              canvas.centerOnNode(node)
              canvas.setDirty(true, true)
            }""",
            [node, scale],
        )
        self.frames()

    def frames(self, count: int = 3) -> None:
        """Let the page draw so many frames."""
        self.tab.evaluate(
            """async count => { while (count--) await new Promise(requestAnimationFrame) }""",
            count,
        )

    def picture(self, file: Path) -> None:
        """Save what the window shows."""
        self.tab.screenshot(path=str(file))

    def _settle(self, count: int) -> None:
        if self.nodes2:
            self.tab.wait_for_function(
                "count => document.querySelectorAll('[data-node-id]').length >= count", arg=count
            )
        self.frames(6)


def graph_of(page: Page) -> dict[str, Any]:
    """The graph that the page shows, as it would save it."""
    return json.loads(page.tab.evaluate("() => JSON.stringify(app.graph.serialize())"))


def run_all(page: Page, settings: Mapping[str, Any] = QUICK) -> None:
    """Run all nodes of what is open, with settings that make it quick, so that each shows what it has to say."""
    page.tab.evaluate(_FRESH)
    page.tab.evaluate(_QUICK, settings)
    kind, said = page.run()
    assert kind == "success", said
    page.tab.wait_for_timeout(1000)  # pictures arrive after the end
    page.frames()
