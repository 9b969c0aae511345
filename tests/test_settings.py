"""What search suits a generator: the families' values, what a file says of itself, and losses that wait for it."""

import json
import shutil

import pytest
import torch
from toys import seeded, toy_autoencoder

from guided_gan.core import generators, settings
from guided_gan.core.errors import CheckpointError
from guided_gan.core.files import search_settings
from guided_gan.core.generators.vqgan import CodebookGenerator, VQGANGenerator
from guided_gan.core.losses import targets
from guided_gan.core.losses.aug_clip import AugCLIPLoss
from guided_gan.core.losses.base import SumLoss, terms_of
from guided_gan.core.losses.by_generator import ByGenerator, suited, waiting
from guided_gan.core.losses.regularisers import TotalVariation
from guided_gan.core.search.compose import Composite
from guided_gan.core.settings import NAMED, VQGAN_CLIP, SearchSettings, Settings, in_words
from guided_gan.core.types import Latent
from guided_gan.picturebook import MODELS


def test_a_family_without_a_word_has_fusedreams(generator):
    own = generator.settings
    assert (own.search.steps, own.search.lr, own.search.latent_noise) == (1000, 0.005, 0.01)
    assert (own.start.k, own.start.candidates, own.aug_clip.copies) == (5, 10_000, 50)
    assert own.regularization.weight == 0


def test_grids_have_those_of_vqgan_clip():
    own = toy_autoencoder().settings
    assert own.search == SearchSettings(400, 0.15, 0.0)
    assert own.loss == "cutouts"
    assert toy_autoencoder().at(8, 8).settings == own


def test_codebook_sampling_has_a_rate_and_a_noise_of_its_own():
    vqgan = generators.load(MODELS / "vqgan")
    assert isinstance(vqgan, VQGANGenerator)
    assert CodebookGenerator(vqgan).settings.search == SearchSettings(400, 0.05, 1.28)
    assert vqgan.settings.search.lr == 0.2


def test_the_published_sets_differ_where_papers_and_codes_do():
    paper, code = NAMED["FuseDream as in the paper"], NAMED["FuseDream as in its code"]
    assert (paper.search.latent_noise, code.search.latent_noise) == (0.0, 0.01)
    assert (paper.start.weighting, code.start.weighting) == ("scalar", "softmax")
    assert (paper.start.ranking, code.start.ranking) == ("AugCLIP", "CLIP")
    assert (paper.aug_clip.released, code.aug_clip.released) == (False, True)
    assert paper.start.fresh
    assert code.start.fresh
    paper, notebook = NAMED["VQGAN-CLIP as in the paper"], NAMED["VQGAN-CLIP as in its notebook"]
    assert (paper.search.lr, notebook.search.lr) == (0.15, 0.95)
    assert (notebook.regularization.decay, notebook.regularization.every) == (0.3, 50)


def test_the_shipped_models_say_their_own():
    own = generators.load(MODELS / "biggan").settings
    assert own.search == SearchSettings(150, 0.03, 0.1, "cap", "cosine")
    assert (own.start.k, own.start.candidates, own.start.weighting) == (10, 1000, "softmax")
    assert (own.aug_clip.copies, own.backbone) == (16, "picturebook")
    assert own.composed.search == SearchSettings(75, 0.03, 0.1, "cap", "cosine")
    assert own.composed.aug_clip.copies == 8
    assert own.composed.start == own.start
    assert own.composed.composed == own.composed
    assert generators.load(MODELS / "vqgan").settings.regularization.weight == 0.2
    assert generators.load(MODELS / "stylegan_t").settings.backbone == "picturebook"


def test_a_composition_has_those_for_compositions(generator):
    assert Composite(generator).settings == Settings()
    generator.settings = Settings(composition=Settings(search=SearchSettings(steps=7)))
    assert Composite(generator).settings.search.steps == 7


def weights(tmp_path, said):
    """Shipped weights under another name, with what is said of their search beside them."""
    file = tmp_path / "mine.safetensors"
    shutil.copy(MODELS / "biggan" / "model.safetensors", file)
    shutil.copy(MODELS / "biggan" / "config.json", tmp_path / "config.json")
    text = said if isinstance(said, str) else json.dumps(said)
    search_settings.path(file).write_text(text, encoding="utf-8")
    return file


def test_a_file_changes_what_it_names_and_nothing_else(tmp_path):
    file = weights(tmp_path, {"search": {"lr": 1}, "start": {"fresh": True}})
    own = generators.load(file).settings
    assert own.search == SearchSettings(lr=1.0)
    assert own.start == settings.StartSettings(fresh=True)
    assert own.aug_clip == settings.AugCLIPSettings()


def test_settings_of_another_file_of_the_folder_are_not_its_own(tmp_path):
    file = weights(tmp_path, {"search": {"lr": 1}})
    other = file.rename(tmp_path / "other.safetensors")
    assert generators.load(other).settings == Settings()


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"search": {"step": 3}}, '"search.step" is none of its settings, which are steps, lr'),
        ({"speed": 3}, '"speed" is none of its settings'),
        ({"search": {"steps": 1.5}}, "search.steps must be int; got 1.5"),
        ({"search": {"steps": True}}, "search.steps must be int; got True"),
        ({"search": {"steps": 10**12}}, "search.steps must be from 0 to 1,000,000"),
        ({"search": {"lr": 10**400}}, "search.lr must be float"),
        ({"search": {"lr": -1}}, "search.lr must be from 0"),
        ('{"search": {"lr": NaN}}', "search.lr must be from 0"),
        ({"search": {"lr": "fast"}}, "search.lr must be float; got fast"),
        ({"search": 3}, "search must hold names and values; got 3"),
        ({"composition": {"search": {"steps": "many"}}}, "composition.search.steps must be int"),
        ({"composition": 3}, "composition must hold names"),
        ({"composition": {"composition": {}}}, "is none of its settings"),
        ({"start": {"fresh": 1}}, "start.fresh must be bool"),
        ("[1, 2]", "does not say what search suits"),
        ("{", "does not say what search suits"),
        ("[" * 10_000, "nested too deeply"),
    ],
)
def test_a_file_that_says_something_else_is_refused(tmp_path, said, words):
    with pytest.raises(CheckpointError) as error:
        generators.load(weights(tmp_path, said))
    assert words in str(error.value)
    assert "mine.search.json" in str(error.value)


def test_sections_in_words_name_every_field_as_the_nodes_do():
    said = in_words(SearchSettings(1000, 0.005, 0.0))
    assert said == "steps 1,000, lr 0.005, latent_noise 0, constraint none, schedule constant, grid_scales finest"
    assert in_words(settings.AugCLIPSettings(copies=8, resize=False)) == (
        "copies 8, color, translation, cutout, distance cosine"
    )


# --- losses that wait for a generator --------------------------------------------------------------------------------


@pytest.fixture
def target(encoder):
    return targets.from_text(encoder, "a tree")


def by_copies(encoder, target):
    return ByGenerator(
        "AugCLIP", lambda own: AugCLIPLoss.of(encoder, target, own.aug_clip), lambda own: in_words(own.aug_clip)
    )


def copies(loss):
    return loss.copies


def test_a_loss_gets_the_numbers_of_the_settings(encoder, target):
    few = Settings(aug_clip=settings.AugCLIPSettings(copies=3))
    loss = by_copies(encoder, target)
    assert copies(suited(loss, few)) == 3
    assert suited(loss, few) is suited(loss, few)
    total = SumLoss([(2.0, loss), (0.5, TotalVariation())])
    assert waiting(total) == [loss]
    (weight, first), (_, second) = terms_of(suited(total, few))
    assert (weight, copies(first), second.name) == (2.0, 3, "total variation")
    assert waiting(suited(total, few)) == []


def test_a_loss_that_leaves_nothing_open_is_itself(encoder, target):
    loss = AugCLIPLoss(encoder, target, copies=2)
    assert suited(loss, VQGAN_CLIP) is loss


def test_without_a_generator_it_is_the_papers(encoder, target):
    pictures = torch.randn(1, 3, 12, 12, generator=seeded(3)).clamp(-1, 1)
    loss = by_copies(encoder, target)
    nowhere = Latent("pictures", {})
    found = loss(pictures, nowhere, [seeded(1)])
    assert torch.equal(found, AugCLIPLoss(encoder, target, copies=50)(pictures, nowhere, [seeded(1)]))
