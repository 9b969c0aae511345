"""Attention: what the whole map of scores would give, in every precision, layout and number of parts."""

import pytest
import torch

from guided_gan.core.compute import attention
from guided_gan.core.compute.attention import attend, attend_places

TOLERANCE = {torch.float32: 1e-6, torch.bfloat16: 2e-2}  # relative to the norm


def draw(*shape, seed):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def by_the_map(query, key, value, mask, scale):
    scores = scale * query @ key.transpose(2, 3)
    return (scores if mask is None else scores + mask).softmax(3) @ value


def with_gradients(function, tensors, upstream):
    leaves = [value.clone().requires_grad_() for value in tensors]
    found = function(*leaves)
    first = torch.autograd.grad(found, leaves, upstream, retain_graph=True)
    again = torch.autograd.grad(found, leaves, upstream)  # as a composition goes back twice
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    return [found.detach(), *first]


def near(found, expected, tolerance):
    return all((a.double() - b).norm() <= tolerance * b.norm() for a, b in zip(found, expected, strict=True))


@pytest.mark.parametrize("most", [2**21, 40], ids=["at once", "in parts"])
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("width", [8, 3])
@pytest.mark.parametrize("dtype", TOLERANCE)
def test_it_computes_what_the_map_would(dtype, width, masked, most, monkeypatch):
    monkeypatch.setattr(attention, "MOST", most)
    monkeypatch.setattr(attention, "LEAST", 1)
    rows = 7
    query, key, value = draw(2, 3, rows, width, seed=1), draw(2, 3, 5, width, seed=2), draw(2, 3, 5, 8, seed=3)
    mask = torch.zeros(rows, 5).masked_fill_(draw(rows, 5, seed=4) > 1, float("-inf")) if masked else None
    tensors = [value.to(dtype) for value in (query, key, value)]
    upstream = draw(2, 3, rows, 8, seed=5).to(dtype)
    found = with_gradients(
        lambda q, k, v: attend(q, k, v, None if mask is None else mask.to(dtype), 0.7), tensors, upstream
    )
    exact = [value.double() for value in tensors]
    wide = None if mask is None else mask.double()
    expected = with_gradients(lambda q, k, v: by_the_map(q, k, v, wide, 0.7), exact, upstream.double())
    assert all(value.dtype is dtype for value in found)
    assert near(found, expected, TOLERANCE[dtype])


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("width", [8, 3])
def test_of_places_it_is_one_head(layout, width):
    draws = (draw(2, width, 6, 5, seed=1), draw(2, width, 3, 4, seed=2), draw(2, 8, 3, 4, seed=3))
    maps = [value.contiguous(memory_format=layout) for value in draws]
    query, key, value = (places.flatten(2).transpose(1, 2)[:, None].double() for places in maps)
    expected = by_the_map(query, key, value, None, width**-0.5)[:, 0].transpose(1, 2).unflatten(2, (6, 5))
    assert near([attend_places(maps[0], maps[1], maps[2])], [expected], 1e-6)
