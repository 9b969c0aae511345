"""Synonyms: words that are in no caption, and the word of captions that replaces each of them in a prompt.

They are other names and sorts of what the world has, or of what would look like it there. No model was trained to
understand them. Training used some of them as unknown words (`unknown`).
"""

from __future__ import annotations

from functools import cache

from . import words
from .heldout import EVALUATION_PLURALS

_KINDS = {
    "house": "chalet lodge shack manor homestead residence dwelling townhouse farmstead",
    "castle": "chateau stronghold fortification",
    "oak": "elm willow sycamore poplar cedar larch sapling",
    "flower": "poppy lily orchid daffodil dandelion pansy peony marigold carnation buttercup petunia geranium primrose "
    "bluebell",
    "mushroom": "chanterelle champignon porcini morel",
    "cat": "tabby moggy siamese calico puss",
    "dog": "poodle terrier spaniel labrador retriever beagle bulldog dachshund husky collie corgi dalmatian greyhound "
    "sheepdog mutt mongrel doggo chihuahua pug samoyed malamute alsatian mastiff whippet schnauzer pomeranian "
    "doberman",
    "rabbit": "cottontail",
    "bird": "robin thrush starling wren lark nightingale warbler dove pigeon gull seagull swan duck goose parrot "
    "parakeet toucan crow raven magpie eagle hawk falcon stork heron pelican kingfisher hummingbird woodpecker",
    "fish": "goldfish trout tuna carp cod herring guppy clownfish angelfish koi piranha",
    "boat": "canoe rowboat ferry schooner galleon catamaran skiff trawler steamer steamboat tugboat motorboat "
    "speedboat lifeboat sloop gondola barge steamship freighter frigate liner longboat",
    "car": "taxi cab limousine limo coupe convertible roadster cabriolet jeep vehicle suv "
    "ferrari cadillac porsche lamborghini corvette chevrolet mercedes tesla",
    "bus": "autobus trolleybus",
    "rocket": "starship",
    "cake": "cupcake cheesecake fruitcake",
    "umbrella": "sunshade",
}
_OTHERS = {
    "red": "maroon burgundy claret carmine cerise reddish",
    "orange": "orangey orangish",
    "yellow": "mustard yellowish",
    "green": "chartreuse mint greenish",
    "blue": "teal turquoise cyan aqua aquamarine cerulean ultramarine bluish",
    "purple": "purplish",
    "pink": "magenta bubblegum pinkish",
    "white": "alabaster whitish",
    "brown": "bronze copper mahogany auburn beige brownish",
    "black": "onyx inky obsidian blackish",
    "garden": "yard backyard",
    "meadow": "paddock prairie",
    "sea": "harbour harbor lagoon",
    "lake": "river pond",
    "shore": "shoreline seashore",
    "coast": "coastline",
    "seaside": "lakeside riverside",
    "beach": "beachside",
    "starry": "starlit",
    "night": "nightfall",
    "snow": "snowdrift snowdrifts snowfall snowstorm snowfield arctic tundra",
    "forest": "jungle rainforest grove thicket copse",
    "woods": "woodlands",
    "mountain": "peak summit mountainside hilltop",
    "mountains": "peaks highlands",
    "alps": "himalayas rockies andes",
    "background": "backdrop",
    "dusk": "dawn gloaming",
    "sunset": "sunrise daybreak",
}


@cache
def synonyms() -> dict[str, str]:
    """Each synonym, and the plurals of nouns -> the word of captions that replaces it."""
    singular = {word: known for known, row in _KINDS.items() for word in row.split()}
    plural = {words.plural(word): words.plural(known) for word, known in singular.items()}
    plural |= {words.plural(noun): words.plural(kind) for kind, noun in EVALUATION_PLURALS.items()}
    others = {word: known for known, row in _OTHERS.items() for word in row.split()}
    return plural | singular | others
