"""What people put around what they ask for and what changes nothing about it, so that prompts become long.

One filler in five is for evaluation alone.
"""

from __future__ import annotations

import random
from collections.abc import Callable

from .heldout import share


def _lines(text: str) -> tuple[str, ...]:
    return tuple(line.strip() for line in text.strip().splitlines())


BEFORE = _lines("""
    masterpiece, best quality,
    award winning,
    concept art,
    hello there,
    hi,
    my idea for today:
    for my daughter's birthday card
    this is for a school project:
    I was wondering whether you could please make
    if it is not too much trouble,
    let us try something new:
    what I have in mind is
    first of all,
    imagine the following scene:
    a beautiful and highly detailed painting of
    a professional photograph of
    an incredibly detailed digital illustration of
    I need a really good looking picture of
    it would be great to get
    could you perhaps come up with
    the cover of a novel showing
    a vintage travel poster with
    a very simple but effective image of
    one more time, but better:
    as a present for my grandmother, please make
    I had a dream last night about
    my friend told me about
    in the style of an old master,
    something calm and peaceful:
    let's go for
""")
WITHIN = _lines("""
    that I saw last summer
    which is really lovely to look at
    as you can see
    if possible
    just like in the old days
    the way I remember it
    that everybody loves
    or so they say
    which my sister really likes
    of course
    as in a fairy tale
    drawn with great care
    the most beautiful one ever
    so to speak
    that nobody has ever seen before
    for example
    clearly visible
    in all its glory
    well composed
    you know what I mean
""")
AFTER = _lines("""
    trending on artstation
    highly detailed
    8k resolution
    4k, ultra hd
    sharp focus
    unreal engine
    octane render
    cinematic lighting
    volumetric light
    soft pastel colours
    warm and cozy atmosphere
    very atmospheric
    intricate details
    masterpiece
    by a famous artist
    award winning photography
    studio quality
    perfect composition
    hand painted look
    thick brush strokes
    fine lines, elegant
    dreamy mood
    thank you very much in advance
    I would be very grateful
    that would make my day
    and please take your time
    it should look friendly and inviting
    make it as pretty as you can
    I want to print it and hang it up
    I will use it as a wallpaper
    nothing else should be visible
    the quality matters most to me
    with lots of love for the details
    something for the whole family
    suitable for framing
    no text, no watermark
    rule of thirds
    depth of field
    wide angle
    epic
    vivid
    aesthetic
    stunning and breathtaking
    hyper realistic
    minimalism
""")


def lengthened(
    text: str, length: Callable[[str], int], low: int, high: int, rng: random.Random, evaluation: bool = False
) -> str:
    """A text with fillers before, within and after it, so that its length is from `low` to `high`.

    evaluation: with the fillers that training does not say, instead of those that it does.
    """
    before, within, after = (
        [each for each in table if share(each, 5) == evaluation] for table in (BEFORE, WITHIN, AFTER)
    )
    if rng.random() < 0.5:
        text = f"{rng.choice(before)} {text}"
    if rng.random() < 0.4:
        words = text.split()
        at = rng.randint(1, len(words))
        text = " ".join([*words[:at], rng.choice(within), *words[at:]])
    while length(text) < low:
        text += rng.choice((", ", ", ", ". ", " ")) + rng.choice(after)
    while length(text) > high:
        text = text.rsplit(" ", 1)[0]
    return text
