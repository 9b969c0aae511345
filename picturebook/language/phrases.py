"""The frames that people put around what they name: openings, requests, commands, sentences.

{} stands for the objects and where they are, {what} for the objects alone and {where} for where they are. A frame that
the end of a sentence is part of has it; another ends as its writer happens to end things.
"""

from __future__ import annotations


def _lines(text: str) -> tuple[str, ...]:
    return tuple(line.strip() for line in text.strip().splitlines())


OPENINGS = _lines("""
    a picture of {}
    a drawing of {}
    an illustration of {}
    a photo of {}
    an image of {}
    a painting of {}
    picture of {}
    drawing of {}
    photo of {}
    image of {}
    illustration of {}
    painting of {}
    a photograph of {}
    a sketch of {}
    a cartoon of {}
    a picture showing {}
    an image showing {}
    a picture with {}
    a nice picture of {}
    a beautiful painting of {}
    a cute drawing of {}
    a simple drawing of {}
    a colourful picture of {}
    a children's book illustration of {}
    a page of a picture book with {}
    a postcard with {}
    a digital painting of {}
    a cartoon drawing of {}
    clip art of {}
    an icon of {}
    a close up of {}
    my favourite picture: {}
    a watercolour of {}
    a watercolour painting of {}
    an oil painting of {}
    a poster of {}
    a sticker of {}
    a render of {}
    a minimalist picture of {}
    a logo with {}
""")
COMMANDS = _lines("""
    draw {}
    draw me {}
    draw a picture of {}
    paint {}
    paint me {}
    paint a picture of {}
    show {}
    show me {}
    show me a picture of {}
    make {}
    make me {}
    make a picture of {}
    make an image with {}
    create {}
    create an image of {}
    create a drawing of {}
    generate {}
    generate an image of {}
    generate a picture of {}
    give me {}
    give me a drawing of {}
    sketch {}
    imagine {}
    render {}
    illustrate {}
    design {}
    put {what} {where}
""")
REQUESTS = _lines("""
    please draw {}
    please draw me {}
    please draw a picture of {}
    please paint {}
    please show me {}
    please make {}
    please make me a picture of {}
    please create an image of {}
    could you draw {}
    could you draw me {} please
    could you please paint {}
    can you draw {}
    can you draw me {}
    can you paint {} for me
    can you make a picture of {}
    can you show me {}
    could I have a picture of {}
    could I please have {}
    can I have {}
    can I get {}
    can I see {}
    may I have a drawing of {}
    would you paint {} for me
    would you please draw {}
    I would like {}
    I would like to see {}
    I would like a picture of {}
    I'd like {}
    I'd like to see {}
    I'd love to see {}
    I'd love a picture of {}
    I want {}
    I want to see {}
    I want a picture of {}
    I need {}
    I need an image of {}
    I am looking for {}
    I'm looking for a picture of {}
    let me see {}
    let's see {}
    give me {} please
    draw {} please
    how about {}
    {} please
    {}, please
    hi, can you draw {}
    hello, please draw {}
    we need a picture of {}
    my daughter wants {}
    my son would like a picture of {}
""")
SENTENCES = _lines("""
    there is {}
    there's {}
    this is {}
    here is {}
    here's {}
    it is {}
    it's {}
    I see {}
    I can see {}
    you can see {}
    we see {}
    we can see {}
    look at {}
    what you see is {}
    the picture shows {}
    this picture shows {}
    the image shows {}
    this is a picture of {}
    this is a drawing of {}
    here you see {}
    {where} there is {what}
    {where}, there is {what}
    {where} I see {what}
    {where} you can see {what}
""")
MANY = {"there is": "there are", "there's": "there are", "this is": "these are", "here is": "here are"}
MANY |= {"here's": "here are", "it is": "they are", "it's": "they are", "what you see is": "what you see are"}
FRONTED = _lines("""
    {where}, {what}
    {where} {what}
    {where}: {what}
""")
SETTINGS = _lines("""
    a {scene} scene with {what}
    a {scene} picture with {what}
    {scene} scene with {what}
    a {scene} landscape with {what}
    a {scene} picture of {what}
    a {scene} scene, {what}
""")
TAILS = _lines("""
    digital art
    high quality
    highly detailed
    very detailed
    cartoon style
    for kids
    in the style of a children's book
    nice colours
    beautiful
    cute
""")
TITLES = ("{}", "{}", "{}", "the story of {}", "the tale of {}")
# What is not there, said at the end: by what it is.
DENIALS_OF = {
    "kind": (", not {a}", ", no {}", ", no {many}", " without {a}", " but no {}", " but not {a}", ", without {many}"),
    "colour": (", not {}", " but not {}", ", but not {a} one", ", not {a} one"),
    "background": (", no {}", ", not {where}", " but not {where}", " without {}", ", but no {}"),
}
DENIALS = tuple(frame for frames in DENIALS_OF.values() for frame in frames)
PRAISE = (
    *("cute", "lovely", "nice", "pretty", "beautiful", "sweet", "happy", "lonely", "funny", "friendly", "cool", "old"),
    *("new", "tall", "magical", "shiny", "fluffy", "sleepy", "wild", "single", "charming", "bright"),
)
AROUND = ("through the", "near the", "over the", "across the", "around the", "close to the", "next to the")
NOTHING = ("thing", "object")  # what an object is called that may be of any kind
DETERMINERS = ("the", "one", "my", "this", "some", "our", "that")

JOINS = ("a", "an", "and", "with", "it", "coloured", "colour", "of", "in", "is", "are", "that", "which", "background")

# What objects do there, and how it is said in a sentence.
_ANIMAL = ("sitting", "standing", "resting", "playing", "walking", "running", "waiting", "sleeping")
_PLANT, _BUILDING = ("growing", "standing"), ("standing",)
_VEHICLE, _FLIER, _THING = ("parked", "driving", "standing"), ("flying", "floating"), ("lying", "standing")
DOING = {
    **dict.fromkeys(("cat", "dog", "rabbit"), _ANIMAL),
    **dict.fromkeys(("tree", "flower", "mushroom"), _PLANT),
    **dict.fromkeys(("house", "castle"), _BUILDING),
    **dict.fromkeys(("car", "bus"), _VEHICLE),
    **dict.fromkeys(("apple", "cake", "umbrella"), _THING),
    **{"bird": ("flying", "sitting", "perched", "singing"), "fish": ("swimming",)},
    **{"boat": ("sailing", "floating", "drifting")},
    **{"rocket": ("flying", "standing"), "balloon": _FLIER, "star": ("shining",), "heart": ("shining", "floating")},
}
DOES = {
    **{"sitting": "sits", "standing": "stands", "resting": "rests", "growing": "grows", "parked": "is parked"},
    **{"driving": "drives", "flying": "flies", "floating": "floats", "lying": "lies", "swimming": "swims"},
    **{"sailing": "sails", "shining": "shines", "playing": "plays", "walking": "walks", "running": "runs"},
    **{"waiting": "waits", "sleeping": "sleeps", "perched": "is perched", "singing": "sings", "drifting": "drifts"},
}


def every() -> list[str]:
    """All frames, and all words of captions that name nothing."""
    frames = [*OPENINGS, *COMMANDS, *REQUESTS, *SENTENCES, *FRONTED, *SETTINGS, *TITLES, *TAILS, *DENIALS]
    verbs = (*(verb for verbs in DOING.values() for verb in verbs), *DOES.values())
    return [*frames, *MANY.values(), *PRAISE, *AROUND, *DETERMINERS, *JOINS, *verbs]
