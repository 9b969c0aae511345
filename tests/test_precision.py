"""Half precision: nearly the same pictures, vectors, distances and gradients."""

import pytest
import torch
from torch.nn import functional as F

from guided_gan.core import clip, draws, generators
from guided_gan.core.compute import precision
from guided_gan.core.losses import perceptual, targets
from guided_gan.core.losses.aug_clip import AugCLIPLoss
from guided_gan.core.search import optimize
from guided_gan.core.search.basis_init import initialise
from guided_gan.picturebook import BACKBONE, MODELS

HALVES = {torch.bfloat16: 0.7, torch.float16: 0.9}  # and how alike gradients toward pixels, the roughest, must be


def decoded(name):
    def run(dtype):
        generator = precision.compute_in(generators.load(MODELS / name), dtype)
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
    encoder = precision.compute_in(clip.load(MODELS / "clip"), dtype)
    images = scenes().requires_grad_()
    vectors = encoder.encode_image(images)
    return vectors, precision.gradient(vectors @ encoder.encode_text(["a tree"])[0], [images])


def compared(dtype):
    metric = precision.compute_in(perceptual.load(BACKBONE), dtype)
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
    whole, half = (
        encoder.encode_text(["a red boat"]),
        precision.compute_in(encoder, torch.bfloat16).encode_text(["a red boat"]),
    )
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


# ---- The default

LOADS = {
    "biggan": lambda **options: generators.load(MODELS / "biggan", **options),
    "clip": lambda **options: clip.load(MODELS / "clip", **options),
    "perceptual": lambda **options: perceptual.load(BACKBONE, **options),
}


@pytest.mark.parametrize(
    ("capabilities", "expected"),
    [
        ({"amx_bf16": True, "avx512_bf16": True}, torch.bfloat16),
        ({"amx_bf16": False, "avx512_bf16": True}, torch.bfloat16),
        ({"amx_bf16": False, "avx512_bf16": False}, torch.float32),
        ({"neon": True}, torch.float32),
        (None, torch.float32),
    ],
    ids=["matrix units", "vector products alone", "neither", "another architecture", "a torch that cannot tell"],
)
def test_bfloat16_is_the_default_where_the_cpu_multiplies_it_fast(monkeypatch, capabilities, expected):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities, raising=False)
    if capabilities is None:
        monkeypatch.delattr(torch.cpu, "get_capabilities")
    assert precision.default() is expected


@pytest.mark.parametrize("load", LOADS.values(), ids=LOADS)
def test_a_loaded_model_computes_in_the_default_or_in_what_is_asked_for(load, monkeypatch):
    monkeypatch.setattr(precision, "default", lambda: torch.bfloat16)
    assert load().dtype is torch.bfloat16
    assert load(dtype=torch.float32).dtype is torch.float32


@pytest.mark.parametrize("name", ["clip", "clip_robust", "clip_hardened"])
def test_bfloat16_hardly_moves_augclip_and_its_gradient(name):
    images = scenes()
    found = []
    for dtype in (torch.float32, torch.bfloat16):
        encoder = clip.load(MODELS / name, dtype)
        loss = AugCLIPLoss(encoder, targets.from_text(encoder, "a blue tree in the snow"), copies=50)
        leaf = images.clone().requires_grad_()
        losses = loss(leaf, generators.load(MODELS / "biggan").sample(2, draws.rng(0)), draws.rngs([1, 2], "step", 0))
        found.append((losses.detach(), precision.gradient(losses, [leaf])[0].flatten(1)))
    (whole, gradient), (half, rough) = found
    assert 0 < (half - whole).abs().max() < 0.002
    assert F.cosine_similarity(gradient, rough).min() > 0.99


def test_in_bfloat16_seed_seven_ends_alike_alone_among_others_and_resumed():
    generator, encoder = (LOADS[name](dtype=torch.bfloat16) for name in ("biggan", "clip"))
    loss = AugCLIPLoss(encoder, targets.from_text(encoder, "a red boat"), copies=4)

    starts = {numbers: initialise(generator, loss, seeds=numbers, k=3, count=50) for numbers in ((7,), (6, 7))}

    def search(numbers, steps, state=None):
        options = optimize.Options(6, lr=0.05, latent_noise=0.25, evaluate_every=2)
        going = optimize.Search(generator, loss, starts[numbers], seeds=numbers, options=options, state=state)
        for _ in range(steps):
            going.step()
        return going

    alone, among = search((7,), 6).result(), search((6, 7), 6).result()
    resumed = search((7,), 2, search((7,), 4).state()).result()
    for other in (among.images[1:], resumed.images):
        assert torch.equal(other, alone.images)
    assert not torch.equal(alone.basis.vectors["z"], search((7,), 1).result().basis.vectors["z"])
