"""Norms and activation of feature maps against their definitions by torch's own operations in double precision."""

import copy

import pytest
import torch
from torch.nn import functional as F
from toys import seeded

from guided_gan.core.compute.feature_maps import (
    SLOPE,
    GroupNorm,
    activate,
    batch_norm,
    group_norm,
    quicken_norms,
)

CLOSE = {torch.float32: 1e-6, torch.bfloat16: 6e-3, torch.float16: 1e-3}  # relative to the norm
LAYOUTS = [torch.channels_last, torch.contiguous_format]
each_precision = pytest.mark.parametrize("dtype", CLOSE, ids=str)


def rows(number, *shapes):
    rng = seeded(number)
    return [torch.randn(shape, generator=rng) for shape in shapes]


def leaves(values):
    return [value.detach().requires_grad_(value.is_floating_point()) for value in values]


def differences(found, expected, values, doubles, cotangent):
    """Of the outputs and of every gradient, relative to the norm."""
    gradients = torch.autograd.grad(found, values, cotangent.to(found.dtype))
    exact = torch.autograd.grad(expected, doubles, cotangent.to(found.dtype).double())
    pairs = zip((found, *gradients), (expected, *exact), strict=True)
    return [((a.double() - b).norm() / b.norm()).item() for a, b in pairs]


@each_precision
@pytest.mark.parametrize("layout", LAYOUTS, ids=["channels-last", "contiguous"])
@pytest.mark.parametrize("mean", [0, 50])
def test_group_norm_is_torchs(dtype, layout, mean):
    x, weight, bias, cotangent = rows(0, (3, 12, 7, 5), (12,), (12,), (3, 12, 7, 5))
    x = (2 * x + mean).to(dtype).contiguous(memory_format=layout)
    values = leaves([x, weight, bias])
    doubles = leaves([value.double() for value in values])
    found = group_norm(values[0], 4, values[1], values[2], 1e-5)
    assert found.dtype == dtype
    assert found.is_contiguous(memory_format=layout)
    expected = F.group_norm(doubles[0], 4, doubles[1], doubles[2])
    assert max(differences(found, expected, values, doubles, cotangent)) < CLOSE[dtype]


@each_precision
@pytest.mark.parametrize("mean", [0, 50])
def test_batch_norm_is_torchs_and_scales_each_map(dtype, mean):
    x, weight, bias, cotangent = rows(1, (3, 12, 7, 5), (3, 12), (3, 12), (3, 12, 7, 5))
    values = leaves([(2 * x + mean).to(dtype), weight, bias])
    doubles = leaves([value.double() for value in values])
    normalised = F.batch_norm(doubles[0], None, None, training=True, eps=1e-4)
    expected = normalised * doubles[1][:, :, None, None] + doubles[2][:, :, None, None]
    found = batch_norm(values[0], values[1], values[2], eps=1e-4)
    assert found.dtype == dtype
    assert max(differences(found, expected, values, doubles, cotangent)) < CLOSE[dtype]


def test_the_module_is_torchs_with_the_same_weights():
    ours, theirs = GroupNorm(4, 12, eps=1e-3), torch.nn.GroupNorm(4, 12, eps=1e-3)
    theirs.load_state_dict({"weight": rows(1, (12,))[0], "bias": rows(2, (12,))[0]})
    ours.load_state_dict(theirs.state_dict())
    (x,) = rows(3, (2, 12, 4, 4))
    torch.testing.assert_close(ours(x), theirs(x), atol=2e-6, rtol=1e-5)
    (quick,) = quicken_norms(torch.nn.Sequential(copy.deepcopy(theirs)))
    assert type(quick) is GroupNorm
    assert torch.equal(quick(x), ours(x))


@each_precision
@pytest.mark.parametrize("noises", [None, 1, 3], ids=["no noise", "one for all", "one each"])
def test_activation_is_its_definition(dtype, noises):
    x, scale, bias, strength, cotangent = rows(4, (3, 12, 7, 5), (3, 12), (12,), (), (3, 12, 7, 5))
    noise = None if noises is None else rows(5, (noises, 1, 7, 5))[0]
    learnt = [scale, bias] if noise is None else [scale, bias, strength]
    values = leaves([x.to(dtype), *learnt])
    doubles = leaves([value.double() for value in values])

    y = doubles[1][:, :, None, None] * doubles[0] + doubles[2][:, None, None]
    if noise is not None:
        y = y + doubles[3] * noise.double()
    expected = F.leaky_relu(y, SLOPE).clamp(-1.5, 1.5)
    found = activate(values[0], values[1], values[2], values[-1], noise, limit=1.5)
    assert found.dtype == dtype
    assert found.abs().max() == 1.5
    # What lies just beside a bend may lie on its other side by rounding.
    sure = (expected.abs() > 0.02) & (((expected.abs() - 1.5).abs() > 0.02) | (expected.abs() == 1.5))
    assert max(differences(found, expected, values, doubles, cotangent * sure)) < 3 * CLOSE[dtype]


def test_sums_over_a_map_fit_in_half_precision():
    x = torch.full((1, 2, 64, 64), 200.0, dtype=torch.float16)
    scale, bias = leaves([torch.ones(1, 2), torch.zeros(2)])
    y = activate(x, scale, bias, torch.zeros(()), None, 256.0)
    by_scale, by_bias = torch.autograd.grad(y.float().sum(), (scale, bias))
    assert by_bias.tolist() == [4096, 4096]
    assert by_scale.tolist() == [[200 * 4096, 200 * 4096]]
    assert group_norm(x, 1, torch.ones(2), torch.zeros(2), 1e-5).abs().max() < 1e-3
    far = torch.tensor([[[[-3e4, 3e4]]]], dtype=torch.float16)
    normalised = group_norm(far, 1, torch.ones(1), torch.zeros(1), 1e-5)
    assert normalised.flatten().tolist() == pytest.approx([-1, 1], rel=2e-3)
