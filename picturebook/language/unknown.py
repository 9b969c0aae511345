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
    sailor clown witch ghost monster vampire zombie elf goblin troll angel demon samurai ninja viking lady gentleman
    grandfather crowd dancer singer painter cook waiter priest monk nun bicycle motorcycle truck van taxi tram train
    airplane helicopter submarine canoe raft ferry tank wagon cart sledge skateboard scooter ambulance limousine glider
    zeppelin bulldozer crane forklift trolley carriage chariot table chair sofa bed desk shelf cupboard drawer lamp
    mirror carpet curtain pillow blanket clock watch phone computer laptop keyboard television radio camera printer
    fridge oven stove toaster kettle pan pot plate bowl cup mug glass bottle jar knife fork spoon bucket broom mop
    basket box bag suitcase backpack wallet purse key lock ladder hammer drill screw nail wrench axe shovel rake rope
    chain hook tyre candle torch match battery shirt trousers skirt dress coat jacket sweater sock shoe boot glove scarf
    cap helmet tie belt button ring necklace crown earring bracelet glasses pencil pen paintbrush eraser ruler scissors
    glue stamp envelope letter magazine map flag drum piano violin trumpet flute harp saxophone whistle microphone doll
    puppet kite dice puzzle chess sword shield bow arrow gun cannon bomb coin money trophy medal bread butter cheese egg
    juice coffee tea wine beer soup salad sandwich hamburger sausage steak bacon rice noodles pasta sauce honey jam
    sugar salt pepper cookie candy doughnut pie pancake waffle banana pear peach grape strawberry mango coconut kiwi
    watermelon potato tomato carrot onion garlic cucumber corn bean pea cabbage lettuce spinach broccoli church temple
    bridge skyscraper factory barn windmill lighthouse tent igloo hospital library museum prison hotel stadium airport
    fence gate wall door window roof chimney stair fountain statue bench swing slide cactus palm bamboo grassland fern
    ivy cloud rainbow lightning tornado volcano island waterfall river cave iceberg comet planet galaxy satellite smoke
    bone skull feather shell stone crystal diamond web nest hive foot face eye nose mouth ear leg arm hair beard tooth
    brain skeleton aardvark albatross alligator anaconda anchovy anemone anglerfish ape armadillo antelope axolotl
    baboon barnacle barracuda beagle bluebottle boar bobcat buffalo bulldog bumblebee buzzard caribou carp caterpillar
    catfish centipede chameleon chipmunk cicada clam cobra cockatoo cockroach collie cormorant cougar coyote cricket
    cuckoo dachshund dalmatian dingo dodo dormouse dragonfly dromedary earwig eel elk emu falcon ferret firefly flea
    flounder gazelle gerbil gnat gnu goldfinch gopher grasshopper greyhound grouse gull haddock hawk heron herring
    hornet hummingbird husky ibex ibis impala jackal jackdaw jay kestrel kingfisher krill ladybird ladybug lark leech
    lemming lemur limpet lobe locust loon lynx macaw magpie mallard mammoth manatee mandrill mantis marlin marmot
    mastiff meerkat midge millipede mongoose moorhen mosquito moth mule mussel narwhal newt nightingale ocelot okapi
    opossum orangutan orca oriole osprey oyster panther partridge pelican pheasant piranha platypus polecat poodle
    porcupine porpoise possum prawn puffin puma python quail ram raven reptile rhinoceros robin salmon sardine scallop
    scorpion seagull seahorse serval shrew shrimp skylark spaniel squid starling stingray stoat stork sturgeon swallow
    swordfish tadpole tapir tarantula termite terrier thrush tick tortoise trout tuna viper vole vulture wallaby walrus
    warthog weasel weevil whippet wildebeest wolverine wombat woodpecker wren yak accountant acrobat actor actress
    admiral ambassador archer architect athlete aunt author baker barber bartender beggar biker bishop blacksmith
    bodyguard boxer boyfriend brother builder burglar butcher butler cabbie captain cardinal caretaker carpenter cashier
    cavalier caveman cheerleader chemist choir clerk cobbler colonel comedian commander composer conductor convict
    coroner couple courier cousin crook cyclist dealer dentist designer detective diplomat director diver driver druid
    drummer duchess duke dwarf editor electrician emperor empress engineer executioner explorer farmhand father fencer
    fiddler fisherman florist friar gambler gangster gardener gatekeeper geisha general genius girlfriend gladiator
    golfer guard guest guide guitarist gymnast hacker hairdresser harlequin herald hermit hero heroine highwayman hiker
    hippie hobbit hooligan hostess housewife hunter husband infant inspector inventor jailer janitor jester jeweller
    jockey joggers journalist judge juggler jury kidnapper lawyer leprechaun librarian lifeguard lumberjack magician
    maid mailman manager matador mayor mechanic merchant messenger miner minister minstrel model mother mountaineer
    musician neighbour nephew niece nomad novelist officer ogre optician orator orphan outlaw pageboy parent passenger
    patient patrol peasant pedestrian pharmacist philosopher photographer pianist pilgrim pilot plumber poet pope porter
    postman potter prisoner professor prophet punk pupil ranger referee rider robber rower runner saint salesman savage
    scholar scientist scout sculptor secretary senator servant shaman shepherd sheriff shopkeeper skater skier slave
    smith smuggler sorcerer squire stepmother stewardess stockbroker stranger surfer surgeon swimmer swordsman tailor
    teenager tenor thief toddler tourist traveller trooper tutor tyrant uncle usher vagabond veterinarian viscount
    waitress warden warlock warrior watchman weaver weightlifter wife woodcutter wrestler writer youth banshee basilisk
    behemoth bigfoot bogeyman chimera cupid cyborg devil djinn dryad faun gnome golem gremlin griffin hydra imp kraken
    leviathan lich medusa minotaur mummy nymph orc pegasus pixie poltergeist satyr serpent siren spectre sprite succubus
    titan wraith wyvern yeti airship ambulances barge bicycles blimp bobsleigh buggy bulldozers cabriolet camper canal
    carrier catamaran chopper combine convertible cruiser dredger excavator freighter frigate galleon gondola gyrocopter
    hearse hydrofoil jeep jetpack jetski lorry minivan moped motorbike motorhome paddle pickup pram punt quad rickshaw
    roadster rowboat schooner scooters shuttle sidecar sled sleigh snowplough speedboat stagecoach stretcher stroller
    tanker tandem tractor trailer tricycle trike trolleybus tug tugboat tuktuk unicycle wheelbarrow alarm album aerial
    aerosol amplifier antenna apron aquarium armour arrowhead ashtray awning badge bagel balcony balustrade bandana
    barbecue barbell barometer barrel barrier basin bathrobe baton bayonet beacon beads beaker bedspread bib bikini
    binoculars blackboard blade blazer blender blouse bolt bonnet bookmark bowtie bra brace bracket brazier brick bridle
    briefs brooch buckle bulb bullet bumper bunk buoy cabinet cable cage calendar calliper camcorder cane canopy carafe
    cardigan carton cartridge cask casket cassette castanets catapult cauldron cello chalice chalk chart chisel
    chopsticks cigar cigarette clarinet cleaver clipboard cloak clothespin coaster coatrack cockpit coffin colander
    collar comb computers cork corkscrew corset costume couch counter cowbell cradle crate crayon crib crossbow crowbar
    crucible crystals cue cufflink cupboards cushion cutlery cymbal dagger dart dashboard deckchair dentures diaper
    diary dictionary dish dishwasher disk doorbell doorknob doormat doorway dresser drain dropper drone dumbbell dustbin
    dustpan dynamite earphone earplug easel elevator encyclopedia espresso extinguisher fabric faucet fax feeder fiddle
    figurine file firecracker fireplace firework fishbowl flask flashlight flipper floss folder footrest footstool
    freezer frying funnel fuse gadget gaslight gauntlet gauze gear generator gem goblet goggles gong gown grater grenade
    griddle grill guillotine gumboot hacksaw hairbrush hairpin halo handbag handkerchief handle hanger harmonica harness
    harpoon hatchet headband headset heater helm hinge holster hood hoodie hookah horn horseshoe hose hourglass hydrant
    icicle ink instrument ironing javelin jersey jewel jug jumper kaleidoscope keg keyring kennel kilt knapsack knob
    ladle laces lampshade lance lasso lathe latch lavatory lawnmower leash leotard lever lid lighter lightbulb locker
    locket loom lounge loudspeaker lute mace machete magnet magnifier mallet mandolin mannequin manual marble marimba
    mask matchbox mattress medallion megaphone menu metronome mitten mixer moccasin monitor monocle mousetrap mouthpiece
    muffler musket nappy napkin needle necktie newspaper nightgown noose notebook notepad nozzle oboe ornament ottoman
    overalls padlock pagers pail palette pamphlet panel paperclip parcel passport pavilion peg pendant pendulum pennant
    perambulator periscope pickaxe picnic pincers pipe pistol pitchfork pitcher placard plank plaster plectrum pliers
    plough plug plunger pocket pocketknife poker poncho pouch projector propeller protractor pulley pump purses
    pushchair pyjamas quill quilt quiver radar radiator raincoat razor receipt recorder remote revolver ribbon rifle
    robe rocker roller rosary rucksack rug sabre sack saddle safe sandal sandpaper sari saucepan saucer scale scalpel
    scanner sceptre screwdriver scroll scythe seatbelt shackle shaver shawl shears sheath sheet shoelace shorts shower
    shrine shutter sickle sieve signpost sink sitar skates skewer skis skittle slate sledgehammer sling slipper slot
    snorkel soap socket soldering spade spanner spatula spear spectacles speaker sphere spinner spike sponge spool
    spotlight spray spring sprinkler spur stapler stave stereo stilts stool stopwatch straw stocking string suspenders
    swimsuit switch swivel synthesizer tablecloth tablet tack tambour tape tapestry tassel teacup teaspoon telegraph
    thimble thread throne ticket tights tinsel toga token tongs toolbox toothpaste toothpick towel toy tray treadmill
    trestle triangle tricorn tripod trough trowel truncheon trunk tuba tumbler tunic turban turbine tureen turntable
    tutu tweezers ukulele umpire underpants undershirt uniform urn vase vault veil vest video vinyl vise visor waistcoat
    walkie wand washbasin washboard weathervane webcam wedge whisk whip wick wig windscreen wineglass wok workbench
    wreath xylophone yardstick yarn yoke zip zipper zither almond anise apricot artichoke asparagus baguette barley
    basil biscuit blackberry blueberry brioche brownie burger caramel cashew casserole cauliflower caviar celery cereal
    chickpea chilli chips chutney cider cinnamon clementine clove cranberry crepe crisps cupcake currant curry custard
    date dumpling eclair eggplant enchilada falafel fig flour fritter fruitcake fudge gherkin gingerbread grapefruit
    gravy guacamole gum ham hazelnut herb hummus jelly kebab ketchup lasagne leek lemonade lentil liquorice lychee
    macaroni macaroon marmalade marshmallow mayonnaise meat meatball meringue milkshake mint mousse muesli muffin
    mustard nectarine nougat nut nutmeg oatmeal omelette onions orangeade oregano paella papaya paprika parsley parsnip
    pastry peanut pecan pickle pistachio pomegranate porridge pretzel prune pudding quiche quince radish raisin
    raspberry ravioli rhubarb risotto roll rosemary rye saffron salami sesame sherbet smoothie snack sorbet souffle
    soybean spice sprout stew sultana sundae syrup taco tart thyme toast tofu toffee tortilla truffle turnip vanilla
    vinegar vodka walnut wasabi wheat whisky yam yeast yoghurt zucchini abbey alley apartment aqueduct arch arena attic
    bakery bank bar barrack bazaar belfry boulevard brewery bunker cabana cafe campsite canteen carport casino catacomb
    cellar cemetery chalet chapel chateau cinema classroom clinic cloister club college colosseum column convent
    corridor courthouse courtyard crypt dam dome dormitory dungeon embassy farm forum foundry gallery gangway garage
    gatehouse gazebo graveyard gymnasium hall hangar harbour hostel inn jail jetty junction kiosk kitchen laboratory
    lane laundry lobby loft lodge mall manor market mausoleum maze mill minaret mine moat monastery monument motel
    motorway nightclub nursery obelisk observatory office opera orphanage outpost palisade pantry parlour pavement
    pharmacy pier pillar plaza porch port post quarry quay racetrack railway ramp ranch rampart restaurant road
    roundabout ruin runway saloon sanctuary sauna shed shop sidewalk silo spire stable stage stall station store street
    subway suburb supermarket synagogue tavern terrace theatre tollbooth town township tunnel turret university veranda
    viaduct village vineyard ward warehouse watchtower waterwheel wharf workshop yard zoo acorn algae aloe aster atom
    azalea bark beanstalk begonia birch bluebell boulder bramble branch bubble bush buttercup canyon carnation cattail
    cedar chamomile chasm cliff clover cobweb constellation cornflower crater crocus crevice current cyclone cypress
    daffodil dahlia dandelion delta dew dust earthquake eclipse elm estuary eucalyptus fjord flood foam fog foliage
    fossil fountains freesia galaxies gardenia geranium geyser gladiolus gorge gravel hail hailstone haystack heather
    hedge hibiscus hillside holly hurricane hyacinth hydrangea icecap iris jasmine juniper kelp lagoon larch laurel lava
    leaf lichen lily log lotus magma magnolia marigold marsh meteorite mimosa mist mistletoe monsoon moor mud mulberry
    myrtle nebula nettle oasis orchard orchid pansy path pebble peony petal petunia planets plateau pollen pond poplar
    poppy prairie primrose puddle quicksand rain ravine reed rhododendron ridge rock root sapling savannah sequoia shrub
    soil spruce spark stalactite steam stem storm stream stump swirl sycamore thistle thorn tide trail tsunami tundra
    twig typhoon valley vine weed whirlpool willow wisteria yew zinnia ankle artery belly bicep bladder bosom buttock
    cheek chin claw elbow eyebrow eyelash eyelid fang fin finger fingernail fist forehead freckle fur gill heel hip hoof
    horns hump jaw joint kidney knee knuckle lash lip liver lung mane moustache muscle neck nostril paw pelvis pigtail
    ponytail rib scalp scar shin shoulder skin snout spine stomach tail tear tentacle thigh throat thumb toe toenail
    tongue torso trunks tusk vein vertebra waist whiskers wing wrinkle wrist anger army battle carnival ceremony chaos
    childhood christmas circus concert conflict conversation courage crime dance dawn death democracy dinner disaster
    easter education election emotion equation eternity evil evolution explosion failure faith fame fear festival fight
    freedom friendship funeral game gravity greed grief halloween happiness harvest hate heaven hell history holiday
    hope hunger infinity invasion jealousy joke journey joy justice kiss knowledge labyrinth language laughter life
    logic loneliness loss luck lullaby luxury madness marriage mathematics meeting miracle mirage misery mourning murder
    music mystery myth nightmare nostalgia opinion orchestra order pain parade paradise party passion peace philosophy
    physics politics poverty power prayer pride protest punishment race rebellion religion revenge revolution rhythm
    riddle riot ritual romance rumour sadness science secret silence sin solitude song sorrow soul speech spirit sport
    stress success surprise symphony tango technology tragedy treasure truth tournament trial trip universe vacation
    victory violence virus waltz war wealth wedding wisdom work worship zen africa alaska america antarctica arctic asia
    athens australia bangkok barcelona beijing berlin boston brazil brooklyn brussels budapest cairo california canada
    chicago china copenhagen cuba delhi denmark dublin edinburgh egypt england europe finland florence florida france
    germany ghana greece greenland havana hawaii hollywood hungary iceland india indonesia iran ireland israel istanbul
    italy jamaica japan jerusalem kenya korea kyoto london madrid manhattan mars mercury mexico miami milan mongolia
    morocco moscow mumbai munich naples nepal neptune netherlands nigeria norway oslo oxford pakistan paris peru
    philippines pluto poland portugal prague queensland rome russia scotland seattle seoul shanghai siberia singapore
    spain stockholm sweden switzerland sydney texas thailand tibet tokyo toronto ukraine uranus vatican venice venus
    vienna vietnam wales warsaw zurich batman beethoven buddha caesar cleopatra columbus dracula einstein elvis
    frankenstein gandalf gandhi godzilla hamlet hercules jesus lincoln mozart newton obama odin picasso pikachu
    pinocchio poseidon rapunzel rembrandt shakespeare sherlock spiderman superman tarzan thor zeus zorro
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
    in a living room
    in the garage
    in a classroom
    on a shelf
    in the library
    in a restaurant
    on a motorway
    in paris
    in new york
    in a laboratory
    at a concert
    in a stadium
    in a haunted mansion
    inside a computer
    on television
    in a shopping mall
    in a tunnel
    at the dentist
    in the jungle
    in a volcano
    in the bath
    on a bookshelf
    on a stage
    in a zoo
    in a medieval battle
    at the office party
    in the arctic
    next to a waterfall
    with a sword
    with wings
    wearing a helmet
    holding a phone
    playing the piano
    reading a magazine
    drinking coffee
    made of glass
    made of stone
    made of wool
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
