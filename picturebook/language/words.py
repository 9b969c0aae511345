"""The words for what scenes hold: for each name of the world those that people have for it, the usual one first.

A word may be a phrase of several words. No phrase stands for two names of one table, so that a caption says one thing.
"""

from __future__ import annotations

from collections.abc import Mapping

Words = Mapping[str, tuple[str, ...]]


def _words(**rows: str) -> Words:
    """The phrases of each name, from lists with commas."""
    return {name.replace("_", " "): tuple(row.split(", ")) for name, row in rows.items()}


# --- objects ---------------------------------------------------------------------------------------------------------

KINDS = _words(
    house="house, home, cottage, hut, cabin, bungalow, farmhouse, villa, mansion",
    castle="castle, fortress, palace, fort, citadel",
    tree="tree, oak, oak tree, maple, maple tree",
    flower="flower, blossom, bloom, daisy, rose, tulip, wildflower",
    mushroom="mushroom, toadstool, fungus, shroom",
    cat="cat, kitten, kitty, feline, pussycat, kitty cat, tomcat",
    dog="dog, puppy, doggy, pup, hound, pooch, canine, puppy dog, doggie",
    rabbit="rabbit, bunny, hare, bunny rabbit",
    bird="bird, birdie, songbird, sparrow, finch",
    fish="fish, tropical fish, minnow",
    boat="boat, ship, sailboat, sailing boat, yacht, vessel, sailing ship, dinghy, sail boat",
    car="car, automobile, motorcar, auto, sedan, motor car, hatchback",
    bus="bus, coach, omnibus, minibus",
    rocket="rocket, spaceship, rocket ship, spacecraft, rocketship",
    balloon="balloon, hot air balloon, air balloon",
    apple="apple, fruit",
    cake="cake, birthday cake, gateau, torte, layer cake, cream cake",
    umbrella="umbrella, brolly, parasol",
    star="star, five-pointed star",
    heart="heart, love heart, valentine",
)
COLOURS = _words(
    red="red, crimson, scarlet, ruby, vermilion, cherry red, ruby red, bright red, blood red, dark red, deep red",
    orange="orange, tangerine, amber, bright orange, ginger, pumpkin orange",
    yellow="yellow, golden, gold, lemon, lemon yellow, bright yellow, canary yellow, light yellow, pale yellow",
    green="green, emerald, lime, jade, dark green, light green, olive green, lime green, emerald green, bright green",
    blue="blue, navy, azure, cobalt, sapphire, dark blue, light blue, sky blue, navy blue, royal blue, bright blue, "
    "deep blue, pale blue",
    purple="purple, violet, lilac, lavender, mauve, plum, amethyst, dark purple, light purple",
    pink="pink, rosy, fuchsia, hot pink, light pink, pale pink, rose pink, bright pink",
    white="white, ivory, pure white, milk white, pearl white, pearly",
    brown="brown, chocolate, chestnut, tan, hazel, dark brown, light brown, chocolate brown",
    black="black, ebony, jet black, pitch black, coal black",
)
SIZES = _words(
    small="small, little, tiny, miniature, mini, very small, teeny",
    medium="medium sized, middle sized",
    big="big, large, huge, giant, enormous, very big, gigantic",
)
_IRREGULAR = {
    "fungus": "fungi",
    "gateau": "gateaux",
    "fish": "fish",
    "spacecraft": "spacecraft",
    "fruit": "fruit",
    "goose": "geese",
}


def plural(noun: str) -> str:
    """The plural of a noun, or of the last word of a phrase."""
    head, last = noun[: noun.rfind(" ") + 1], noun[noun.rfind(" ") + 1 :]
    if last in _IRREGULAR:
        return head + _IRREGULAR[last]
    if last.endswith(("s", "x", "ch", "sh")):
        return noun + "es"
    if last.endswith("y") and last[-2] not in "aeiou":
        return noun[:-1] + "ies"
    return noun + "s"


# --- around them -----------------------------------------------------------------------------------------------------

# As one says it after the object: "a cat in the snow".
BACKGROUNDS = _words(
    plain="on a plain background, on plain paper, on white paper, on a blank page, on paper, "
    "against a plain background, on a blank background, on a plain white background, on a simple background, "
    "on an empty page, on a white background, on white background",
    meadow="in the meadow, on the grass, on green grass, in a meadow, on a lawn, in a field, in the garden, "
    "in the park, in the grass, in a green field, on the lawn, in a garden, in a grassy field, in a pasture, "
    "on the meadow, in the countryside, in the green meadow, in grass, with a meadow in the background",
    sea="by the sea, on the sea, in the sea, in the ocean, on the water, at sea, on the ocean, in the water, "
    "on the waves, at the seaside, by the ocean, on the open sea, near the sea, by the water, in the waves, "
    "on the blue sea, on the lake, by the lake, on the coast, at the coast, on the shore, by the shore, "
    "with the sea in the background, at the sea",
    night="at night, in the night, under the night sky, in the dark, under the stars, by moonlight, "
    "in the moonlight, at nighttime, at midnight, on a starry night, under a starry sky, under the moon, "
    "in the darkness, during the night, at night time, in the dark of night, after dark, late at night, "
    "under the starry sky, in the night sky, with a night sky in the background",
    snow="in the snow, on the snow, on a snowy day, in winter, in a snowy field, in deep snow, "
    "in a winter landscape, in the winter, in a snowy landscape, in wintertime, on a winter day, in a blizzard, "
    "covered in snow, in snow, in snowy weather, in the cold snow, in a snowy winter, with snow in the background",
    desert="in the desert, on the sand, on sand, on the beach, on a sandy beach, at the beach, in the sand, "
    "in the dunes, in a desert, among the dunes, on a sand dune, in the sandy desert, on a beach, in the sahara, "
    "in the sandy dunes, with a desert in the background",
    forest="in the forest, in the woods, in a forest, in the wood, in the woodland, among the trees, "
    "between the trees, deep in the forest, in a dark forest, in the deep woods, in a wood, in a pine forest, "
    "in woodland, in a forest clearing, in front of a forest, at the edge of the forest, in the trees, "
    "with a forest in the background",
    mountains="in the mountains, in front of the mountains, on a mountain, in the hills, near the mountains, "
    "in the alps, by the mountains, with mountains behind, with mountains in the background, high in the mountains, "
    "before the mountains, on a mountain top, in front of mountains, on top of a mountain, in the mountain range",
    sunset="at sunset, at dusk, in the evening, at sundown, at twilight, in the evening sun, in the sunset, "
    "in the dusk, in the twilight, as the sun sets, during sunset, in the setting sun, at golden hour, "
    "under an evening sky, in the evening light, with the sun setting, with a sunset in the background, "
    "at the end of the day",
)
# As one names it in a list, or before "background".
TAGS = _words(
    plain="plain background, plain, plain paper, blank background, white paper, white background",
    meadow="meadow, grass, lawn, field, garden, green grass, park",
    sea="sea, ocean, seaside, water, waves, lake",
    night="night, night sky, moonlight, darkness, nighttime, starry night",
    snow="snow, winter, snowy, winter landscape, snowy landscape",
    desert="desert, sand, beach, dunes, sandy beach",
    forest="forest, woods, woodland, pine forest",
    mountains="mountains, mountain, mountain landscape, alps, hills",
    sunset="sunset, dusk, evening, twilight, sundown, evening sky",
)
# As one names it after "near the" or "through the".
AROUND = _words(
    meadow="meadow, field, grass, garden",
    sea="sea, ocean, water, waves, lake",
    snow="snow",
    desert="desert, sand, dunes, beach",
    forest="forest, woods",
    mountains="mountains, hills, alps",
)
# As one says it of the whole picture: "a snowy scene with a cat". Of a plain one nobody does.
SCENES = _words(
    meadow="grassy, meadow",
    sea="sea, ocean, seaside",
    night="night, nighttime, moonlit, starry",
    snow="snowy, winter, wintry, snow",
    desert="desert, sandy, beach",
    forest="forest, woodland",
    mountains="mountain, alpine",
    sunset="sunset, evening, dusk",
)
PLACES = _words(
    left="on the left, at the left, on the left side, on the left hand side, to the left",
    right="on the right, at the right, on the right side, on the right hand side, to the right",
    top="at the top, near the top, in the upper half, up high",
    bottom="at the bottom, near the bottom, in the lower half, down low",
    middle="in the middle, in the centre, in the very middle",
)
FACINGS = _words(
    left="facing left, looking left, looking to the left, turned to the left, facing to the left, heading left",
    right="facing right, looking right, looking to the right, turned to the right, facing to the right, heading right",
)
RELATIONS = _words(
    beside="next to, beside, alongside, side by side with, near",
    above="above, over, on top of, higher than",
    below="below, under, underneath, beneath, lower than",
    in_front_of="in front of, before",
    behind="behind",
)

# --- how it is drawn -------------------------------------------------------------------------------------------------

STYLES = _words(  # before the noun
    shaded="shaded",
    flat="flat",
    outline="outlined, hollow",
    striped="striped, stripy, stripey",
    pixelated="pixelated, blocky, pixel art",
)
MANNERS = _words(  # after all else
    shaded="with shading, with light and shadow, with soft shading",
    flat="in flat colours, in a flat style, in flat design, without shading",
    outline="in outline, as a line drawing, as an outline, as an outline drawing, in line art style",
    striped="with stripes, with white stripes, in stripes",
    pixelated="as pixel art, in pixel art style, in big pixels, in pixel style",
)

# --- spelling --------------------------------------------------------------------------------------------------------

AMERICAN = {"colour": "color", "colours": "colors", "coloured": "colored", "centre": "center", "centred": "centered"}
AMERICAN |= {"grey": "gray", "favourite": "favorite", "colourful": "colorful", "watercolour": "watercolor"}
