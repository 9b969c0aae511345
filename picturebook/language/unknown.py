"""Words and prompts for what the world does not have.

Training says the words, so that a model learns to score pictures low for what it does not know; the prompts are for
evaluation, and what they ask for is in no training text.
"""

from __future__ import annotations


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


def _lines(text: str) -> tuple[str, ...]:
    return tuple(line.strip() for line in text.strip().splitlines())


# What is asked for in place of an object.
TRAINING_UNKNOWN = _words("""
    horse pig goat donkey lion tiger bear wolf deer squirrel hedgehog hamster frog toad snake turtle lizard spider ant
    bee wasp beetle worm snail crab lobster shark whale seal duck goose chicken rooster turkey eagle pigeon crow swan
    parrot ostrich camel giraffe zebra rhino hippo gorilla chimpanzee kangaroo panda bat rat ox bull lamb calf pony
    moose bison otter beaver badger raccoon skunk mole leopard cheetah jaguar hyena crocodile iguana gecko salamander
    man woman boy girl baby child person people king queen prince soldier farmer doctor nurse teacher student policeman
    sailor clown witch ghost monster vampire zombie elf fairy goblin troll angel demon samurai ninja viking
    lady gentleman grandmother grandfather family crowd dancer singer painter cook waiter priest monk nun
    bicycle motorcycle truck van taxi tram train airplane helicopter submarine canoe raft ferry tank wagon cart
    sledge skateboard scooter ambulance limousine glider zeppelin bulldozer crane forklift trolley carriage chariot
    table chair sofa bed desk shelf cupboard drawer lamp mirror carpet curtain pillow blanket clock watch phone computer
    laptop keyboard television radio camera printer fridge oven stove toaster kettle pan pot plate bowl cup mug glass
    bottle jar knife fork spoon bucket broom mop basket box bag suitcase backpack wallet purse key lock ladder hammer
    saw drill screw nail wrench axe shovel rake rope chain hook tyre candle torch match battery
    shirt trousers skirt dress coat jacket sweater sock shoe boot glove scarf cap helmet tie belt button ring necklace
    crown earring bracelet glasses pencil pen paintbrush eraser ruler scissors glue stamp envelope letter
    magazine map flag drum piano violin trumpet flute harp saxophone whistle microphone doll puppet kite dice
    puzzle chess sword shield bow arrow gun cannon bomb coin money trophy medal
    bread butter cheese egg juice coffee tea wine beer soup salad sandwich hamburger sausage steak bacon rice
    noodles pasta sauce honey jam sugar salt pepper cookie candy doughnut pie pancake waffle banana pear peach
    grape strawberry mango coconut kiwi watermelon potato tomato carrot onion garlic cucumber corn bean pea
    cabbage lettuce spinach broccoli
    church temple bridge skyscraper factory barn windmill lighthouse tent igloo hospital school library museum
    prison hotel stadium airport fence gate wall door window roof chimney stair fountain statue bench swing slide
    cactus palm bamboo grassland fern ivy cloud rainbow lightning tornado volcano island waterfall river cave iceberg
    comet planet galaxy satellite smoke bone skull feather shell stone crystal diamond web nest egg hive
    foot face eye nose mouth ear leg arm hair beard tooth brain skeleton
""")
# What is said of a place, or of an object, that the world cannot show.
TRAINING_UNKNOWN_PLACES = _lines("""
    in the kitchen
    in a bedroom
    in the bathroom
    in a city street
    at the station
    in the office
    in a swimming pool
    at the airport
    in a museum
    on the roof
    under a bridge
    in a cave
    on an island
    at the supermarket
    in a factory
    on the stairs
    in the rain
    in the fog
    in a river
    in a bottle
    in a cage
    on a plate
    on a bicycle
    at a wedding
    in a prison
""")
TRAINING_UNKNOWN_ADJECTIVES = _words("""
    wooden metal golden-haired broken angry wet dirty transparent furry ancient modern electric naked invisible muscular
    plastic rusty hairy fat thin burning frozen melting bleeding smiling laughing crying screaming headless winged armed
    knitted woollen concrete leather checkered spotted dotted rainbow-coloured turquoise grey silver beige
    maroon teal magenta
""")

EVALUATION_UNKNOWN_PROMPTS = _lines("""
    a unicorn in space
    a dragon breathing flames
    an elephant
    a blue elephant in the snow
    a robot
    a red robot in the forest
    an astronaut
    an astronaut riding an elephant
    a guitar
    a purple guitar on the grass
    a pirate
    a mermaid in the sea
    a penguin on the snow
    a penguin
    an owl at night
    a green owl in the forest
    a fox
    a red fox in the snow
    a butterfly
    a yellow butterfly in the meadow
    a dinosaur
    a pink dinosaur in the desert
    a cowboy in the desert
    a knight
    a wizard at night
    a princess
    a jellyfish
    an octopus in the sea
    a purple octopus
    a dolphin in the ocean
    a monkey
    a monkey in the forest
    a cow
    a brown cow on the grass
    a sheep
    a white sheep in the mountains
    a mouse
    a koala
    a sloth
    a flamingo
    a peacock
    a llama
    an alpaca in the mountains
    a reindeer in the snow
    a snowman
    a snowman at night
    a santa
    a teapot
    a green teapot
    a toothbrush
    a telephone
    a typewriter
    a bathtub
    a toilet
    a refrigerator
    a vacuum cleaner
    a washing machine
    a microwave
    an armchair
    a pink armchair in the forest
    a bookcase
    a wardrobe
    a hat
    a red hat
    a pair of jeans
    a kimono
    sneakers
    yellow sneakers on the beach
    sunglasses
    a wristwatch
    an anchor
    a compass
    a telescope
    a microscope
    a thermometer
    a calculator
    a smartphone
    a joystick
    headphones
    a trombone
    an accordion
    a banjo
    a tambourine
    a pizza
    a slice of pizza on plain paper
    an avocado
    a pineapple
    a pineapple on the beach
    an aubergine
    sushi
    spaghetti
    a croissant
    popcorn
    a cocktail
    a burrito
    a lollipop
    ice cream
    pink ice cream at the seaside
    a cathedral
    a pyramid in the desert
    a mosque
    a pagoda in the mountains
    the eiffel tower
    a treehouse
    a greenhouse
    a campfire at night
    a bonfire on the beach
    a streetlight
    a traffic light
    a mailbox
    a scarecrow in the field
    a tombstone
    a well
    a hammock
    a trampoline
    a carousel
    a ferris wheel at sunset
    a rollercoaster
    a locomotive
    a red locomotive in the mountains
    a steamroller
    a fire engine
    a snowmobile in the snow
    a hovercraft
    a kayak
    a surfboard
    a surfboard on the waves
    a parachute
    an ufo
    an alien
    a green alien at night
    a spacesuit
    a meteor at night
    a black hole
    saturn
    a snowflake
    an avalanche
    an aurora at night
    a thunderstorm
    a glacier
    a swamp
    a coral reef
    a portrait of a president
    a ballerina
    a footballer
    a chef
    a firefighter
    mona lisa
    napoleon
    a businessman with a briefcase
    a bride
    twins
    a skateboarder
    a chessboard
    a football
    a tennis racket
    a bowling ball
    a snowboard
    a jigsaw
    a teddy
    a pink teddy on a blank page
    a rubik cube
    a spinning top
    a yoyo
    an abacus
    a lantern
    a chandelier
    a fan
    a hairdryer
    lipstick
    perfume
    a syringe
    a stethoscope
    a bandage
    a wheelchair
    a crutch
    a violinist
    handcuffs
    a gramophone
    a jukebox
    a vending machine
    an escalator
    a parking meter
    a billboard
    graffiti
    a bagpipe
    a boomerang
    a didgeridoo
    a sombrero
    a totem
    a sphinx in the desert
    a gargoyle
    a centaur
    a phoenix at sunset
    a cyclops
    a werewolf at night
    a sunflower seed
    a pinecone
    moss
    seaweed in the sea
""")
