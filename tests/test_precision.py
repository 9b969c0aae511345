"""Half precision: nearly the same pictures, vectors, distances and gradients."""

import pytest
import torch
from torch.nn import functional as F

from guided_gan.core import clip, generators, perceptual, precision
from guided_gan.picturebook import MODELS

HALVES = {torch.bfloat16: 0.7, torch.float16: 0.9}  # and how alike gradients toward pixels, the roughest, must be


def at(model, dtype):
    vars(model)["dtype"] = dtype
    return model


def decoded(name):
    def run(dtype):
        generator = at(generators.load(MODELS / name), dtype)
        latent = generator.sample(2, torch.Generator().manual_seed(1))
        leaf = {key: value.clone().requires_grad_() for key, value in latent.tensors.items()}
        images = generator.decode(type(latent)(latent.generator, leaf))
        return images, precision.gradient(images.square().mean((1, 2, 3)), list(leaf.values()))

    return run


def scenes():
    generator = generators.load(MODELS / "biggan")
    with torch.no_grad():
        return generator.decode(generator.sample(2, torch.Generator().manual_seed(2)))


def encoded(dtype):
    encoder = at(clip.load(MODELS / "clip"), dtype)
    images = scenes().requires_grad_()
    vectors = encoder.encode_image(images)
    return vectors, precision.gradient(vectors @ encoder.encode_text(["a tree"])[0], [images])


def compared(dtype):
    metric = at(perceptual.load(MODELS / "perceptual" / "model.safetensors"), dtype)
    images = scenes().requires_grad_()
    distances = metric(images, images.detach().flip(0))
    return distances, precision.gradient(distances, [images])


@pytest.mark.parametrize("dtype", HALVES)
@pytest.mark.parametrize(
    "run",
    [decoded("biggan"), decoded("vqgan"), decoded("stylegan_t"), encoded, compared],
    ids=["biggan", "vqgan", "stylegan_t", "clip", "perceptual"],
)
def test_a_model_computes_in_the_precision_that_it_is_told(run, dtype):
    (whole, gradients), (half, rough) = run(torch.float32), run(dtype)
    assert half.dtype == torch.float32
    assert not torch.equal(half, whole)
    assert (half - whole).norm() < 0.1 * whole.norm()
    for a, b in zip(gradients, rough, strict=True):
        assert b.dtype == torch.float32
        assert F.cosine_similarity(a.flatten(), b.flatten(), 0) > HALVES[dtype]


def test_texts_are_read_in_that_precision_too():
    encoder = clip.load(MODELS / "clip")
    whole, half = encoder.encode_text(["a red boat"]), at(encoder, torch.bfloat16).encode_text(["a red boat"])
    assert not torch.equal(half, whole)
    assert (half @ whole.T).item() > 0.99


def test_small_gradients_survive():
    x = torch.ones(3, requires_grad=True)
    losses = x.half().float() * 2e-8
    assert torch.autograd.grad(losses.sum(), x, retain_graph=True)[0].eq(0).all()  # what is kept from
    torch.testing.assert_close(precision.gradient(losses, [x])[0], torch.full((3,), 2e-8), rtol=0.01, atol=0)


def test_where_nothing_leads_the_gradient_is_zero():
    x, y = torch.ones(2, requires_grad=True), torch.ones(2, requires_grad=True)
    found = precision.gradient(x * 3, [x, y])
    assert torch.equal(found[0], torch.full((2,), 3.0))
    assert torch.equal(found[1], torch.zeros(2))
