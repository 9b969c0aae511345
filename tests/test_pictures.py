"""The pictures of help pages and of the registry: each is there, none is large, and all show what the pack itself made.

`--regenerate` takes those of nodes without one, and where none is without, all anew, which takes some minutes. Icon and
banner are always made anew.
"""

import io
import re

import pytest
import torch
from page import Page, run_all
from PIL import Image, ImageOps
from spandrel import ModelLoader
from templates import FILES, GRAPHS, QUICK

from guided_gan.core import clip, draws, generators
from guided_gan.core.generators.stylegan_t import text_to_image
from guided_gan.launcher import ROOT
from guided_gan.picturebook import MODELS, UPSCALER

PAGES = ROOT / "web" / "docs"
ICON, BANNER = ROOT / "assets" / "icon.png", ROOT / "assets" / "banner.jpg"
PICTURE_BYTES, ALL_BYTES = 60_000, 1_200_000
# Templates that show most nodes, each in the first that has it, after a run where it shows what it made.
RUN = ["fusedream", "replace_by_text", "truncation_grid", "invert", "composition"]
OPENED = ["vqgan_clip", "style_plus_content", "vae_guided", "interpolation", "edit_latent", "restyle_video"]
STEPS = {
    **QUICK,
    "GuidedGAN_BasisInit.settings.k": 10,
    "GuidedGAN_Optimize.settings.steps": 60,
    "GuidedGAN_AugCLIPLoss.settings.copies": 8,
    "GuidedGAN_CutoutLoss.settings.cutouts": 8,
}
ZOOM, HIGHEST = 0.9, 720  # of a node in the window, and its height in pixels
GRID = (7, 3)  # pictures across and down the banner
CELL = 180  # pixels


@pytest.fixture(scope="module")
def shown(browser, host):
    """The page with Nodes 2.0."""
    page = Page(browser, host.url, nodes2=True)
    yield page
    page.close()


@pytest.fixture(scope="module")
def known(shown):
    """The pack's nodes by id."""
    found = shown.tab.evaluate("() => Object.keys(LiteGraph.registered_node_types)")
    return sorted(identity for identity in found if identity.startswith("GuidedGAN_"))


def test_each_help_page_shows_its_node(request, shown, known):
    if request.config.getoption("--regenerate"):
        (PAGES / "pictures").mkdir(exist_ok=True)
        missing = set(known) - {path.stem for path in (PAGES / "pictures").iterdir()} or set(known)
        for name in [*RUN, *OPENED]:
            missing -= take_from(shown, GRAPHS[name], missing, name in RUN)
        for identity in sorted(missing):
            shown.tab.evaluate(
                "kind => { app.graph.clear(); app.graph.add(LiteGraph.createNode(kind)) }",
                identity,
            )
            take(shown, shown.tab.evaluate("() => Number(app.graph.nodes[0].id)"), identity)
    for identity in known:
        text = (PAGES / f"{identity}.md").read_text(encoding="utf-8")
        assert f"(pictures/{identity}.jpg)" in text, f"web/docs/{identity}.md shows no picture of its node"
    kept = {path.stem: path.stat().st_size for path in (PAGES / "pictures").iterdir()}
    assert sorted(kept) == known, "`run.py test tests/test_pictures.py -k help_page --regenerate` takes what is missing"
    assert max(kept.values()) <= PICTURE_BYTES
    assert sum(kept.values()) <= ALL_BYTES
    for identity in known:
        with Image.open(PAGES / "pictures" / f"{identity}.jpg") as opened:
            assert opened.format == "JPEG"
            assert min(opened.size) >= 60


def take_from(page, graph, wanted, runs):
    """Open a graph, run it if it is to, take the wanted nodes' pictures, and return whose."""
    here = {node["type"]: node["id"] for node in reversed(graph["nodes"]) if node["type"] in wanted}
    if not here:
        return set()
    page.open(graph)
    if runs:
        run_all(page, STEPS)
    for identity, node in here.items():
        take(page, node, identity)
    return set(here)


def take(page, node, identity):
    """Save what the page shows of a node, in the middle of the window."""
    page.center(node, ZOOM)
    page.center(node, ZOOM * min(1, HIGHEST / page.boxes()[node].height))
    page.frames(6)
    box = page.boxes()[node]
    clip = {"x": box.x - 6, "y": box.y - 6, "width": box.width + 12, "height": box.height + 12}
    taken = Image.open(io.BytesIO(page.tab.screenshot(clip=clip)))
    taken.convert("RGB").save(PAGES / "pictures" / f"{identity}.jpg", quality=82, optimize=True)


def test_the_registry_has_an_icon_and_a_banner(request):
    if request.config.getoption("--regenerate"):
        ICON.parent.mkdir(exist_ok=True)
        with Image.open(FILES["fusedream"].with_suffix(".jpg")) as found:
            found.resize((400, 400), Image.Resampling.LANCZOS).quantize(128).save(ICON, optimize=True)
        banner().save(BANNER, quality=88, optimize=True)
    said = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    for key, path in (("Icon", ICON), ("Banner", BANNER)):
        assert re.search(rf'^{key} = "https://\S+/{path.relative_to(ROOT).as_posix()}"', said, re.MULTILINE)
    with Image.open(ICON) as icon, Image.open(BANNER) as shown:
        assert icon.width == icon.height <= 400
        assert shown.width * 9 == shown.height * 21
    assert ICON.stat().st_size + BANNER.stat().st_size < 300_000


@torch.inference_mode()
def banner():
    """Pictures that the shipped StyleGAN-T draws of as many captions, through the shipped upscaler."""
    things = ("tree", "house", "fish", "boat", "car", "flower", "star")
    colours, places = ("red", "blue", "yellow"), ("in the snow", "on the grass", "at night")
    words = [f"a {colours[(y + x) % 3]} {things[x]} {places[(2 * y + x) % 3]}" for y in range(3) for x in range(7)]
    generator = text_to_image(generators.load(MODELS / "stylegan_t"))
    c = generator.embed(words, clip.load(MODELS / "clip"))
    latent = generator.draw(c, [draws.rng(7, "banner", i) for i in range(len(words))])
    enlarge = ModelLoader().load_from_file(str(UPSCALER)).model.float()
    pixels = (enlarge((generator.decode(latent).clamp(-1, 1) + 1) / 2).clamp(0, 1) * 255).round().byte().movedim(1, -1)
    sheet = Image.new("RGB", (GRID[0] * CELL, GRID[1] * CELL))
    for i, picture in enumerate(pixels):
        cell = ImageOps.fit(Image.fromarray(picture.numpy()), (CELL, CELL), Image.Resampling.LANCZOS)
        sheet.paste(cell, (i % GRID[0] * CELL, i // GRID[0] * CELL))
    return sheet
