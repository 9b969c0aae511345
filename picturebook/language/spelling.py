"""How misspelt words of prompts are read, and which words are spelt right though no caption says them."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

from ...core.vocabulary import Vocabulary
from .lexicon import naming, split, telling, tints, vocabulary
from .negation import LEADING, NEGATING, RESUMING
from .synonyms import synonyms
from .unknown import EVALUATION_UNKNOWN_PROMPTS, TRAINING_UNKNOWN

# Words of English that differ by one letter from a word of captions.
SIMILAR = tuple(
    """
    abode abort abound acre aground aid ail aim alas ales aline alms along alter alto altos ameer amir ample amps
    applies apply apter area back bard bards bases bats beat beats bedside beech belch bellow bid bids bind binds
    bland bleach blight blink block blocks blond blow blown blur boa boars boas boast boasts bolts boom booms boon
    boor boos boots bout bouts brat brats brawn breach brood brook brooms brows bud buds bug bugs bum bums bun buns
    bused bushes busies bust busts buts butt buy buys caches cages came canes caning cant canter cape capes cards
    carps case cases cast caste castes casts cattle caves char charging charring chars charting chat chats cheery
    chip chose chute cite clan clap cleaning cleaving clii clipt clix clod clone closed closet cloudy coached coax
    coil coke cokes col colon colons colt coop coos cord cost cot cots couches coveted cowered cram creak crease
    cremate cur cure cut czar czars dailies daily dairies dairy daises dank dare daring darn days deed deem deign
    derailed derives deriving dessert detained dig digs dine dines dingy dives diving doe does don done dons dos dot
    dots drab drafting drafts drag draping drawl drawling drew dries drivel drivels driven drivers droves drown dude
    dudes duding dues dug dukes dunce dunces dung dungs dunk dunks dupe dupes duping edgy ends fading faking faring
    fating fazing feat fiend filch filches filed files fine flak flap flaw flees flied flier fliers fliest flinch
    flinches fling flips flit flits flouting flouts flowed flues fluffs font fonts foots fora ford fords fore fores
    forks form forms forte fortes forth four fries frond frost gave geld gelt gent gibe gild given glassy glowing
    glows goad god golf good grabs grams grant grasp grasps grays greet groping gross growl growling growls grown
    hale hales halls halt halve hang hard harem harems hark harks harm harms harps hates hats hazed hazes healing
    heaping hear heard hearing hears hearth hearths heat heating heats heave heaving heeding herd herding hers hilly
    hilts hind hippy hire hires hither hits hoes hog holes homeys homie homies homy hone hones hoot hop hopes horses
    host hove howl hub hubs hue hues hug huh hulls hum hums hunt hunts hurt hurts ikon imaging iron jest jot jut
    kinds kits lace lade lager lain lamer laser later latex lath laws laxer laying lice lids lie lied lieu lift limb
    limp link lint lips lively lives locking logs lone looming loop looping loosing loot looting lope lore lose
    loser lowed made male males many mare mate meddle mike mild mile mind minibusses minimalism mink moan mood moos
    moot morn moron mown muddle nay needs news niche nick nigh nine nite note oaf oafs oar oars omen once outlive
    outlived overt oxen pace pack packed paining pains painted pal palate pall pals pamper pant panting pap par
    parched pared parka parred pars parsed part parted patch pate pauper pave payer paying pays peal pears pease pep
    peps perches perk perked pester petty phonograph pick pike pinch place placing plaid plan planing plans plating
    pleas ploys plumb plume plump plus plying poach poaches point pointer pointing pole pop poppies pops porches
    pore pork posted posture pouches pout praying prays print printed printing pub puke pulp pulps pumps pun puns
    puree purge purr pus puss putt pyre qualify rabbi rabbis rackets rage raining rang read reader redder redo rend
    renting rents resets rev rid rise rises robes rocked rockers rod rode roe roes role roles ropes rote rouse
    rouses rubs rued rues rugby rugs ruining ruins rums rune runes rung rungs runt runts ruse ruses rusting rusts
    ruts sad same sample sanding sane sang sank say scars scent score seam sears seat seating seats sec sects seek
    seem seen seep seeping seeps seized send sera set settling sew sews sex shades shaking shall shamed shaming
    shaped shaping share shared sharing shaved shaving shined shingle shinning shire shod shoeing shoes shone shoo
    shooing shoos shoring shorn short shot shots shove shoving showy shrines shun shy sicker sics sidle sift sifting
    sifts signing signs silting silts simile simplex simply sine singeing singes singling singly sinking sinks
    sinning sinus sip sire sired sirs sited sites siting sizer sizes ski skimming skims skip skips skits sleeking
    sleeks sleet sleeting sleets slicker slimming slims slinging slings slip slips slits slitting slow slowing slows
    sly smell smiling snailing snails snicker snide snip snips snob snore snot snowing soar soars soiling soils sole
    songs soon soot sort sow sowing sown sows spa spaded spading spar spars spines spits spitting spore spun spy
    stab stabs stag stags stairs stale stand stare stares stark start starts stay stays steeping steeps stickier
    stickler stinging stings stir stirs stole stony storey stormy stow stowing stows stranding strands strides
    strikes stripped stript strived strives stun subset suits sung sunk sunny sweat sweep sweeping sweeps swept
    swigs swines swinging swings swore tab tag take tang tap tar tax teat tee teens tees tell ten thank thee think
    thinks thong thongs thorough those though three threes thus tidy till tin tings tinny tins tint tire toll tome
    ton topical tore tote totes trek treks tries true trues tuned turfed turner twee tying udder upped vary verb
    viola violas violent wades wafer waft wafting wager wages waifs wailing wails waists waives waiving wakes waking
    walling walls wands wane wanes wanting wart wasting watt waved wavers waxes weaves weld went whet while whine
    width wield will wilt wily wind winner wish wives wont woody wooed woof woofs wool woos word words world wound
    write writing writs
""".split()
)


@cache
def unheard() -> frozenset[str]:
    """Words of English that are in no caption, without those that only evaluation's prompts say."""
    return frozenset({*TRAINING_UNKNOWN, *SIMILAR})


@cache
def listed() -> Vocabulary:
    """What is listed beside the weights."""
    return Vocabulary(
        "picturebook", vocabulary(), telling(), unheard(), synonyms(), tints(), NEGATING, LEADING, RESUMING
    )


@cache
def spelling() -> Vocabulary:
    """As `listed`, but what a text denies is read too, and words of evaluation's prompts are spelt right."""
    asked = (word for prompt in EVALUATION_UNKNOWN_PROMPTS for word in split(prompt))
    return replace(listed(), unheard=unheard().union(asked), negating=frozenset())


@cache
def nearest(word: str) -> str | None:
    """The word of captions that was meant (`Vocabulary.nearest`), or the word itself where it names something."""
    return word if word in naming() else spelling().nearest(word)
