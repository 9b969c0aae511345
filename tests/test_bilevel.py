"""The rules that mix two gradients: closed forms, finite differences, zero gradients, bad input."""

from typing import Any

import pytest
import torch
from toys import seeded

from guided_gan.core.errors import ChoiceError, PackError
from guided_gan.core.search.bilevel import RULES, Tradeoff


class Second:
    name, models = "second", ()

    def __call__(self, images, latent, rngs):
        raise AssertionError("the rule itself looks at gradients only")


def rule(name="bi-level", strength=1.0):
    return Tradeoff(Second(), name, strength)


def gradients(seed, n=5):
    """Gradients of two losses toward two parameters, n samples each."""
    rng = seeded(seed)
    return [[torch.randn(n, 3, generator=rng), torch.randn(n, 2, 2, generator=rng)] for _ in range(2)]


def flat(parts):
    return torch.cat([part.flatten(1) for part in parts], 1)


@pytest.mark.parametrize("beta", [0.3, 1.0, 4.0])
@pytest.mark.parametrize("seed", range(4))
def test_the_first_loss_falls_by_beta_times_its_squared_gradient_at_least(beta, seed):
    first, second = gradients(seed)
    direction, figures = rule(strength=beta).direction(first, second)
    g, h, v = flat(first), flat(second), flat(direction)
    fall = (v * g).sum(1)  # to first order, of a step along -v
    norm = g.square().sum(1)
    assert (fall >= beta * norm * (1 - 1e-5)).all()
    free = (g * h).sum(1) >= beta * norm  # the second gradient alone is enough: nothing is added
    torch.testing.assert_close(v[free], h[free])
    torch.testing.assert_close(fall[~free], beta * norm[~free])
    torch.testing.assert_close(figures["lambda"].float(), ((beta * norm - (g * h).sum(1)) / norm).clamp(min=0))


def test_a_step_never_lowers_the_score_when_the_gradients_conflict():
    """By finite differences, on two curved functions of one point each."""
    x = torch.randn(200, 4, generator=seeded(0), dtype=torch.float64)

    def score(x):
        return torch.sin(3 * x).sum(1)

    def distance(x):
        return (x - torch.tensor([2.0, -1.0, 0.5, 3.0])).square().sum(1)

    leaf = x.clone().requires_grad_()
    first = torch.autograd.grad(-score(leaf).sum(), leaf)
    second = torch.autograd.grad(distance(leaf).sum(), leaf)
    conflict = (first[0] * second[0]).sum(1) < 0
    assert 20 < conflict.sum() < 180
    (direction,), _ = rule().direction(first, second)
    eps = 1e-6
    rise = (score(x - eps * direction) - score(x + eps * direction)) / (2 * eps)
    norm = first[0].square().sum(1)
    assert (rise[conflict] > 0).all()
    torch.testing.assert_close(rise[conflict], norm[conflict], rtol=1e-4, atol=1e-6)  # beta = 1: as plain ascent would
    plain = (score(x - eps * second[0]) - score(x + eps * second[0])) / (2 * eps)
    assert (plain[conflict] < 0).all(), "following the second gradient alone would lower it"


def test_zero_gradients():
    first, second = gradients(0)
    nothing = [torch.zeros_like(part) for part in first]
    direction, figures = rule().direction(nothing, second)  # at a stationary point of the score: the second loss alone
    torch.testing.assert_close(flat(direction), flat(second))
    assert (figures["lambda"] == 0).all()
    assert (figures["angle"] == 90).all()
    # Nothing to gain in the second: beta times the first.
    direction, figures = rule(strength=2.0).direction(first, nothing)
    torch.testing.assert_close(flat(direction), 2 * flat(first))
    direction, _ = rule().direction(nothing, nothing)
    assert (flat(direction) == 0).all()


def test_tiny_gradients_keep_their_direction():
    first, second = gradients(1)
    tiny = [part * 1e-18 for part in first]
    direction, figures = rule().direction(tiny, second)
    assert torch.isfinite(flat(direction)).all()
    torch.testing.assert_close(figures["angle"], rule().direction(first, second)[1]["angle"])


def test_the_linear_rule_is_a_weighted_mean():
    first, second = gradients(2)
    direction, figures = rule("linear", 0.3).direction(first, second)
    torch.testing.assert_close(flat(direction), 0.3 * flat(first) + 0.7 * flat(second))
    torch.testing.assert_close(figures["lambda"], torch.full((5,), 0.3, dtype=torch.float64))
    direction, _ = rule("linear", 1.0).direction(first, second)
    torch.testing.assert_close(flat(direction), flat(first))


def test_the_inverse_rule_swaps_the_roles():
    first, second = gradients(3)
    direction, figures = rule("inverse", 0.7).direction(first, second)
    swapped, other = rule("bi-level", 0.7).direction(second, first)
    torch.testing.assert_close(flat(direction), flat(swapped))
    assert torch.equal(figures["lambda"], other["lambda"])


def test_samples_do_not_see_each_other():
    first, second = gradients(4)
    together, figures = rule().direction(first, second)
    for i in range(5):
        alone, own = rule().direction([p[i : i + 1] for p in first], [p[i : i + 1] for p in second])
        torch.testing.assert_close(flat(alone)[0], flat(together)[i])
        torch.testing.assert_close(own["angle"][0], figures["angle"][i])


class WithoutDouble(torch.Tensor):
    """A tensor on a device that, as Apple's, knows no float64."""

    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        result: Any = super().__torch_function__(func, types, args, kwargs or {})
        if func is torch.Tensor.cpu:
            return result.as_subclass(torch.Tensor)
        if isinstance(result, cls) and result.dtype == torch.float64:
            raise TypeError("the device has no float64")
        return result


@pytest.mark.parametrize("name", RULES)
def test_the_device_needs_no_double_precision(name):
    on_device = [[part.as_subclass(WithoutDouble) for part in parts] for parts in gradients(7)]
    with pytest.raises(TypeError):
        on_device[0][0].double()
    direction, figures = rule(name).direction(*on_device)
    expected, expected_figures = rule(name).direction(*gradients(7))
    assert torch.equal(flat(direction).as_subclass(torch.Tensor), flat(expected))
    assert all(torch.equal(figures[key], value) for key, value in expected_figures.items())


def test_the_angle_is_in_degrees():
    g = [torch.tensor([[1.0, 0.0], [1.0, 0.0], [2.0, 0.0]])]
    h = [torch.tensor([[0.0, 3.0], [-1.0, 0.0], [1.0, 1.0]])]
    torch.testing.assert_close(rule().direction(g, h)[1]["angle"].float(), torch.tensor([90.0, 180.0, 45.0]))


@pytest.mark.parametrize(
    ("name", "strength", "says"),
    [
        ("bi-level", 0.0, "above 0"),
        ("bi-level", -1.0, "above 0"),
        ("inverse", float("nan"), "above 0"),
        ("bi-level", float("inf"), "above 0"),
        ("linear", 1.5, "from 0 to 1"),
        ("linear", float("nan"), "from 0 to 1"),
    ],
)
def test_a_strength_out_of_range_is_refused(name, strength, says):
    with pytest.raises(PackError, match=says):
        rule(name, strength)


def test_an_unknown_rule_is_refused():
    with pytest.raises(ChoiceError, match=", ".join(RULES)):
        rule("trilevel")
