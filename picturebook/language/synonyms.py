"""Synonyms: words, phrases and emoji that are in no caption, and words of captions that replace each in a prompt.

They are other names and sorts of what the world has, or of what would look like it there. No model was trained to
understand them. Training used some of them as unknown words (`unknown`).
"""

from __future__ import annotations

from functools import cache

from . import words
from .heldout import EVALUATION_PLURALS

_KINDS = {
    "house": "chalet lodge shack manor homestead residence dwelling townhouse farmstead igloo hovel barn hacienda "
    "abode",
    "castle": "chateau château stronghold fortification bastion",
    "oak": "elm willow sycamore poplar cedar larch sapling fir spruce palm conifer cypress aspen beech redwood sequoia "
    "baobab juniper yew bonsai",
    "flower": "poppy lily orchid daffodil dandelion pansy peony marigold carnation buttercup petunia geranium primrose "
    "bluebell hyacinth iris lotus jasmine hibiscus chrysanthemum dahlia azalea hydrangea crocus magnolia",
    "mushroom": "chanterelle champignon porcini morel portobello shiitake puffball",
    "cat": "tabby moggy moggie siamese calico puss kittycat",
    "dog": "poodle terrier spaniel labrador retriever beagle bulldog dachshund husky collie corgi dalmatian greyhound "
    "sheepdog mutt mongrel doggo chihuahua pug samoyed malamute alsatian mastiff whippet schnauzer pomeranian "
    "doberman bloodhound wolfhound labradoodle cockapoo doge",
    "rabbit": "cottontail jackrabbit leveret",
    "bird": "robin thrush starling wren lark nightingale warbler dove pigeon gull seagull duck goose parrot "
    "parakeet toucan magpie eagle hawk falcon stork heron pelican kingfisher hummingbird woodpecker chick hen chicken "
    "rooster cockerel turkey budgie budgerigar cockatoo macaw albatross puffin pheasant partridge quail cuckoo",
    "fish": "goldfish trout tuna carp cod herring guppy clownfish angelfish koi piranha shark sardine haddock mackerel "
    "halibut swordfish pufferfish",
    "boat": "canoe rowboat ferry schooner galleon catamaran skiff trawler steamer steamboat tugboat motorboat "
    "speedboat lifeboat sloop gondola barge steamship freighter frigate liner longboat warship battleship houseboat "
    "pedalo yawl ketch",
    "car": "taxi cab limousine limo coupe convertible roadster cabriolet jeep vehicle suv "
    "lorry truck van pickup minivan buggy racecar audi bmw toyota volvo volkswagen fiat ferrari cadillac "
    "porsche lamborghini corvette chevrolet mercedes tesla",
    "bus": "autobus trolleybus",
    "rocket": "starship spaceplane missile",
    "cake": "cupcake cheesecake fruitcake muffin",
    "umbrella": "sunshade",
    "star": "pentagram",
    "heart": "sweetheart",
}
_OTHERS = {
    "red": "maroon burgundy claret carmine cerise reddish",
    "orange": "orangey orangish apricot",
    "yellow": "mustard yellowish",
    "green": "chartreuse mint greenish leafy",
    "blue": "teal turquoise cyan aqua aquamarine cerulean ultramarine bluish",
    "purple": "purplish indigo",
    "pink": "magenta bubblegum pinkish peach peachy",
    "white": "alabaster whitish",
    "brown": "bronze copper mahogany auburn beige brownish umber sienna mocha cocoa caramel",
    "black": "onyx inky obsidian blackish",
    "garden": "yard backyard",
    "meadow": "paddock prairie grassland moorland steppe",
    "grass": "turf greenery",
    "field": "hayfield cornfield wheatfield",
    "sea": "harbour harbor lagoon wave bay cove gulf seabed",
    "ocean": "pacific atlantic mediterranean caribbean",
    "lake": "river pond stream creek",
    "shore": "shoreline seashore",
    "coast": "coastline",
    "seaside": "lakeside riverside",
    "beach": "beachside",
    "starry": "starlit",
    "night": "nightfall tonight",
    "moonlight": "starlight moonshine moonrise",
    "snow": "snowdrift snowdrifts snowfall snowstorm snowfield arctic tundra antarctica antarctic "
    "siberia lapland snowscape",
    "snowy": "icy frosty",
    "winter": "december january february wintery",
    "desert": "oasis gobi kalahari mojave",
    "forest": "jungle rainforest grove thicket copse taiga backwoods",
    "woods": "woodlands",
    "mountain": "peak summit mountainside hilltop hill everest matterhorn kilimanjaro",
    "mountains": "peaks highlands",
    "alps": "himalayas rockies andes dolomites pyrenees sierra",
    "background": "backdrop bg",
    "dusk": "dawn gloaming",
    "sunset": "sunrise daybreak afterglow",
    "picture": "pic pix artwork",
    "photo": "foto snapshot",
    "drawing": "doodle",
    "image": "img",
    "please": "pls plz plox pleez",
    "little": "lil wee",
    "small": "smol",
    "tiny": "petite teensy itsy",
    "huge": "massive humongous colossal",
    "birthday": "bday",
    "with": "w/",
    "without": "w/o",
}
_PHRASES = {  # the known words, one or several: words and phrases, with commas between
    "black bird": "crow, raven, rook, blackbird, jackdaw",
    "white bird": "swan",
    "blue bird": "bluebird, blue tit",
    "white flower": "snowdrop, edelweiss",
    "blue flower": "cornflower, forget me not",
    "pink flower": "cherry blossom",
    "red mushroom": "fly agaric",
    "mushroom": "toad stool",
    "green apple": "granny smith, granny smith apple",
    "apple": "crab apple",
    "green tree": "christmas tree, xmas tree, evergreen",
    "pink tree": "cherry blossom tree",
    "tree": "pine tree, apple tree, cherry tree, lemon tree, olive tree",
    "bus": "double decker, double decker bus, tour bus",
    "yellow bus": "school bus, schoolbus",
    "car": "sports car, race car, racing car, pick up truck, station wagon",
    "boat": "cruise ship, fishing boat, speed boat, motor boat, row boat, sail ship, war ship",
    "rocket": "space ship, space shuttle, space rocket",
    "spacecraft": "space craft",
    "white cake": "wedding cake",
    "cake": "cup cake, cheese cake",
    "dog": "german shepherd, border collie, great dane, st bernard, shih tzu",
    "cat": "maine coon",
    "star": "shooting star, north star",
    "balloon": "party balloon",
    "white": "snow white, bone white, chalk white, off white",
    "black": "raven black, ink black",
    "dark green": "forest green, bottle green, moss green",
    "green": "sea green, grass green, pea green",
    "dark blue": "midnight blue",
    "light blue": "baby blue, powder blue",
    "blue": "ocean blue, sea blue, electric blue",
    "red": "tomato red, brick red, wine red, fire red",
    "orange": "burnt orange, blood orange",
    "light pink": "baby pink, salmon pink",
    "pink": "shocking pink, candy pink, coral pink",
    "plain background": "no background, no bg, blank backdrop, empty background, transparent background",
    "on a plain background": "without background, without a background, with no background",
    "in the water": "under water, underwater",
    "seaside": "sea side, sea shore",
    "winter landscape": "winter wonderland",
    "snow": "north pole, south pole",
    "night sky": "milky way",
    "moonlight": "full moon",
    "sunset": "sun set, sun rise",
    "forest": "rain forest, evergreen forest",
    "mountain": "mountain peak, mountain road, hill top",
    "painting": "van gogh",
    "give me": "gimme",
    "want to": "wanna",
}
_EMOJI = {  # one or several for each
    "house": "🏠🏡🛖",
    "houses": "🏘",
    "castle": "🏰🏯",
    "tree": "🌳🌲🌴",
    "green tree": "🎄",
    "flower": "🌺🌼",
    "pink flower": "🌸",
    "tulip": "🌷",
    "red rose": "🌹",
    "yellow flower": "🌻",
    "flowers": "💐",
    "mushroom": "🍄",
    "cat": "🐱🐈",
    "dog": "🐶🐕🐩",
    "rabbit": "🐰🐇",
    "bird": "🐦🦜🦆🦅🐤🐥",
    "white bird": "🦢🕊",
    "fish": "🐟🐠🐡🦈",
    "boat": "⛵🚤🛥🛶",
    "ship": "🚢⛴",
    "car": "🚗🚙🚘🏎",
    "yellow car": "🚕",
    "bus": "🚌🚍",
    "rocket": "🚀",
    "balloon": "🎈",
    "red apple": "🍎",
    "green apple": "🍏",
    "cake": "🎂🍰🧁",
    "umbrella": "☂☔🌂⛱",
    "star": "⭐🌟",
    "heart": "❤♥💗💖",
    "hearts": "💕",
    "orange heart": "🧡",
    "yellow heart": "💛",
    "green heart": "💚",
    "blue heart": "💙",
    "purple heart": "💜",
    "pink heart": "🩷",
    "white heart": "🤍",
    "brown heart": "🤎",
    "black heart": "🖤",
    "red": "🔴",
    "orange": "🟠",
    "yellow": "🟡",
    "green": "🟢",
    "blue": "🔵",
    "purple": "🟣",
    "white": "⚪",
    "brown": "🟤",
    "black": "⚫",
    "sea": "🌊",
    "night": "🌙🌃🌌🌕",
    "snow": "❄⛄",
    "desert": "🏜",
    "beach": "🏖",
    "mountain": "🗻⛰🏔",
    "sunset": "🌅🌄🌇",
}


_NOUNS = {noun for nouns in words.KINDS.values() for noun in nouns}


@cache
def synonyms() -> dict[str, str]:
    """Each synonym, and the plurals of nouns -> the words of captions that replace it."""
    singular = {word: known for known, row in _KINDS.items() for word in row.split()}
    others = {word: known for known, row in _OTHERS.items() for word in row.split()}
    phrases = {phrase: known for known, row in _PHRASES.items() for phrase in row.split(", ")}
    emoji = {each: known for known, row in _EMOJI.items() for each in row}
    nouns = singular | {word: known for word, known in phrases.items() if known.split()[-1] in _NOUNS}
    plural = {words.plural(word): words.plural(known) for word, known in nouns.items()}
    plural |= {words.plural(noun): words.plural(kind) for kind, noun in EVALUATION_PLURALS.items()}
    return plural | singular | others | phrases | emoji
