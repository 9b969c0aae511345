"""The quicker arithmetic of CLIP's towers against open_clip's own, for every kind of tower that the menu can name."""

import copy
from typing import Any

import pytest
import torch
from open_clip.coca_model import CoCa
from open_clip.model import CLIP, CustomTextCLIP
from open_clip.transformer import QuickGELU
from torch import nn
from torch.nn import functional as F

from guided_gan.core import towers

OUTPUTS, GRADIENTS = 3e-6, 2e-6  # the greatest difference of unit vectors, and of gradients relative to their norm
TEXT = {"context_length": 12, "vocab_size": 100, "width": 32, "heads": 4, "layers": 2}
VIT = {"layers": 3, "width": 48, "head_width": 12, "patch_size": 8, "image_size": 32}
TIMM = {"timm_model_name": "test_vit", "timm_model_pretrained": False, "image_size": 160}
SIGLIP_TEXT = {**TEXT, "no_causal_mask": True, "proj_bias": True, "pool_type": "last", "norm_kwargs": {"eps": 1e-6}}
COCA_TEXT = {**TEXT, "embed_cls": True, "output_tokens": True}
NORMS = {"qk_norm": True, "scale_heads": True, "scale_attn_inner": True}

FAMILIES: dict[str, tuple[Any, ...]] = {
    "OpenAI ViT": (CLIP, 24, VIT, TEXT, True),
    "LAION ViT": (CLIP, 24, VIT, TEXT),
    "wider heads and oblong patches": (CLIP, 24, {**VIT, "patch_size": (8, 4), "head_width": 16}, TEXT),
    "a side that is no multiple of the patch": (CLIP, 24, {**VIT, "image_size": 37}, TEXT),
    "layer scale and mean pooling": (
        CLIP,
        24,
        {**VIT, "ls_init_value": 0.3, "pool_type": "avg", "no_ln_pre": True},
        TEXT,
    ),
    "norms within attention": (CLIP, 24, {**VIT, **NORMS}, {**TEXT, **NORMS}),
    "OpenAI ResNet": (CLIP, 24, {"layers": [1, 1, 1, 1], "width": 8, "image_size": 64}, TEXT, True),
    "SigLIP": (CustomTextCLIP, 64, {**TIMM, "timm_pool": "map", "timm_proj": "none"}, SIGLIP_TEXT),
    "ConvNeXt": (
        CustomTextCLIP,
        24,
        {**TIMM, "timm_model_name": "test_convnext", "timm_pool": "", "timm_proj": "linear"},
        TEXT,
    ),
    "CoCa": (CoCa, 24, COCA_TEXT, COCA_TEXT, {**VIT, "attentional_pool": True, "output_tokens": True}),
}


@pytest.fixture(params=FAMILIES)
def pair(request):
    """A tiny random model as open_clip computes it, and as it is here."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        build, *options = FAMILIES[request.param]
        model = build(*options).eval().requires_grad_(False).to(memory_format=torch.channels_last)
        if isinstance(model, CoCa):  # its decoder's projection is left as the memory was, which may be no number
            nn.init.zeros_(model.text_decoder.text_projection)
        for parameter in model.parameters():  # some begin as zeros or ones, which hide mistakes
            parameter += 0.02 * torch.randn_like(parameter)
    return model, towers.quicken(copy.deepcopy(model))


def test_the_state_dict_is_untouched(pair):
    theirs, ours = (model.state_dict() for model in pair)
    assert list(theirs) == list(ours)
    assert all(torch.equal(theirs[name], ours[name]) for name in theirs)


def test_pictures_and_their_gradients_are_equal(pair):
    images = torch.randn(3, 3, *side(pair[0]), generator=torch.Generator().manual_seed(1))
    (theirs, gradient), (ours, quicker) = (seen(model, images) for model in pair)
    assert (ours - theirs).abs().max() < OUTPUTS
    assert (quicker - gradient).norm() < GRADIENTS * gradient.norm()


def test_in_bfloat16_both_are_as_near_to_float32(pair):
    images = torch.randn(3, 3, *side(pair[0]), generator=torch.Generator().manual_seed(1))
    exact, gradient = seen(pair[0], images)
    with torch.autocast("cpu", torch.bfloat16):
        (theirs, rough), (ours, quicker) = (seen(model, images) for model in pair)
    assert (ours - exact).norm() < 1.5 * (theirs - exact).norm()
    assert (quicker - gradient).norm() < 1.5 * (rough - gradient).norm()


def test_texts_are_equal(pair):
    tokens = torch.randint(1, 99, (3, pair[0].context_length), generator=torch.Generator().manual_seed(2))
    tokens[:, 7] = 99  # the end
    tokens[1:, 8:] = 0
    with torch.no_grad():
        theirs, ours = (model.encode_text(tokens, normalize=True) for model in pair)
    assert (ours - theirs).abs().max() < OUTPUTS


def test_something_is_quicker_in_every_family(pair):
    quick = (towers.SelfAttention, towers.PatchEmbedding, towers.AttentionPool)
    assert any(isinstance(module, quick) for module in pair[1].modules())
    assert not any(isinstance(module, quick) for module in pair[0].modules())


@pytest.mark.parametrize(
    "options",
    [
        {"need_weights": True},
        {"key_padding_mask": torch.tensor([[False, True, False]] * 2)},
        {"attn_mask": torch.eye(3) > 0},
    ],
    ids=["weights", "padding", "a mask of truth values"],
)
def test_what_else_attention_can_be_asked_for_stays(options):
    theirs = nn.MultiheadAttention(8, 2, batch_first=True).eval()
    ours = towers.quicken(copy.deepcopy(theirs))
    options = {"need_weights": False, **options}
    x, other = torch.randn(2, 2, 3, 8, generator=torch.Generator().manual_seed(3)).unbind(0)
    for key in (x, other):
        (expected, weights), (found, ours_too) = (module(x, key, key, **options) for module in (theirs, ours))
        torch.testing.assert_close(found, expected, atol=1e-6, rtol=0)
        torch.testing.assert_close(ours_too, weights)


def test_no_convolution_but_one_of_patches_is_exchanged():
    convs = [nn.Conv2d(4, 4, 1), nn.Conv2d(4, 4, 2), nn.Conv2d(4, 4, 2, 2, 1), nn.Conv2d(4, 4, 2, 2, groups=2)]
    assert not any(isinstance(towers.quicken(conv), towers.PatchEmbedding) for conv in convs)
    assert isinstance(towers.quicken(nn.Conv2d(4, 4, 2, 2)), towers.PatchEmbedding)


def test_quick_gelu_is_that_of_openai():
    ours = towers.quicken(QuickGELU())
    assert isinstance(ours, towers.QuickGELU)
    x = torch.linspace(-30, 30, 201, dtype=torch.float64, requires_grad=True)
    expected = x * torch.sigmoid(1.702 * x)
    torch.testing.assert_close(ours(x), expected)
    (found,), (slope,) = (torch.autograd.grad(y.sum(), x) for y in (ours(x), expected))
    torch.testing.assert_close(found, slope)


def side(model):
    size = model.visual.image_size
    return size if isinstance(size, tuple) else (size, size)


def seen(model, images):
    leaf = images.clone().requires_grad_()
    vectors = F.normalize(model.encode_image(leaf), dim=1)
    aim = torch.linspace(-1, 1, vectors.shape[1])
    return vectors.detach(), torch.autograd.grad((vectors @ aim).sum(), leaf)[0]
