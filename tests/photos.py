"""Captioned pictures as people keep them: of any size, format and caption, turned, transparent, broken; and shards."""

import io
import random
import tarfile

import numpy as np
from PIL import Image, ImageDraw

SIZES = [(320, 240), (240, 320), (333, 217), (401, 57), (90, 90), (1023, 682), (7, 5), (640, 427)]
SAID = [
    "a red house by the lake",
    "un chat noir sur le toit, photographié au crépuscule",
    "一只猫坐在窗边\n窗边的猫",
    "кот на крыше\n\nлуна над крышей\n",  # noqa: RUF001
    "قط أسود على السطح",
    "Bäume im Nebel\r\nund ein Weg 🌲",
    "first line\nsecond line\nthird line",
    "the same word " * 60,
]
UNREADABLE = 8  # of so many pictures one cannot be read, or has no caption that can


def photo(rng, size):
    """A landscape of sorts."""
    colours = np.asarray([[[rng.randrange(256) for _ in range(3)] for _ in range(3)] for _ in range(3)], np.uint8)
    picture = Image.fromarray(colours).resize(size, Image.Resampling.BICUBIC)
    width, height = size
    place = [width * 0.2, height * 0.3, width * 0.6, height * 0.9]
    ImageDraw.Draw(picture).ellipse(place, fill=tuple(rng.randrange(256) for _ in range(3)))
    return picture


def turned(rng):
    notes = Image.Exif()
    notes[0x0112] = rng.randrange(1, 9)
    return {"exif": notes}


def content(i, rng):
    """Ending and bytes of picture i."""
    picture = photo(rng, SIZES[i % len(SIZES)])
    faded = picture.convert("RGBA")
    faded.putalpha(Image.linear_gradient("L").resize(picture.size))
    kinds = [
        (".jpg", "JPEG", picture, turned(rng)),
        (".JPG", "JPEG", picture, {"quality": 60, **turned(rng)}),
        (".png", "PNG", faded, {}),
        (".webp", "WEBP", faded, turned(rng)),
        (".jpeg", "JPEG", picture.convert("CMYK"), {}),
        (".gif", "GIF", picture.convert("P"), {"transparency": 3}),
        (".png", "PNG", Image.fromarray(np.asarray(picture.convert("L")).astype(np.uint16) * 257), {}),
        (".tif", "TIFF", picture.convert("LA"), {}),
        (".bmp", "BMP", picture, {}),
    ]
    ending, kind, image, options = kinds[i % len(kinds)]
    file = io.BytesIO()
    image.save(file, kind, **options)
    return ending, file.getvalue()


def make(folder, count, seed=0):
    """Write so many pictures with their captions; returns how many of them can be trained on."""
    rng = random.Random(seed)
    good = 0
    for i in range(count):
        place = folder / ["", "summer 2024", "été/août"][i % 3]
        place.mkdir(parents=True, exist_ok=True)
        ending, picture = content(i, rng)
        text = SAID[i % len(SAID)].encode(["utf-8", "utf-8-sig", "utf-16"][i // 2 % 3])
        wrong = i // UNREADABLE % 6 if i % UNREADABLE == 3 else -1
        if wrong < 0:
            good += 1
        picture = {0: b"", 1: picture[: len(picture) // 3], 2: b"<html>404</html>"}.get(wrong, picture)
        text = {3: b"", 4: "Wände".encode("latin-1")}.get(wrong, text)
        (place / f"DSC {i:05}{ending}").write_bytes(picture)
        if wrong != 5:
            (place / f"DSC {i:05}.txt").write_bytes(text)
        if i % 50 == 0:
            (place / f"._DSC {i:05}{ending}").write_bytes(b"\x00\x05\x16\x07")
            (place / f"._DSC {i:05}.txt").write_bytes(b"\x00\x05\x16\x07")
    return good


def png(colour, size=(40, 30)):
    """The bytes of a picture of one colour."""
    file = io.BytesIO()
    Image.new("RGB", size, colour).save(file, "PNG")
    return file.getvalue()


def shard(path, pieces):
    """Pack files, given as name -> content, into a shard; returns its folder."""
    path.parent.mkdir(exist_ok=True)
    with tarfile.open(path, "w") as archive:
        for name, content in sorted(pieces.items()):
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path.parent
