"""How things from the nursery are painted."""

from __future__ import annotations

import math

import torch

from .brush import Brush, blend, both, union
from .faces import face


def balloon(brush: Brush) -> None:
    """One to ride in, with a basket."""
    r, knot = brush.vary(3, 0.56, 0.68), brush.vary(4, 0.36, 0.54)
    for x in (-0.16, 0.16):
        brush.fill(brush.stroke((x * 1.3, knot - 0.1), (x, 0.78), 0.018), "ink")
    brush.fill(brush.box(0.0, 0.86, 0.20, 0.11, 0.03), "wood", shine=1.05 - 0.6 * brush.u)
    brush.fill(brush.box(0.0, 0.77, 0.22, 0.03), "wood", shine=0.8)
    skirt = brush.polygon(
        (-0.80 * r, 0.55 * r - 0.32), (0.80 * r, 0.55 * r - 0.32), (0.17, knot + 0.05), (-0.17, knot + 0.05)
    )
    envelope = blend(brush.circle(0.0, -0.32, r), skirt, 0.05)
    form = brush.ellipse(0.0, -0.26, r, 0.78)
    brush.fill(envelope, "body", dome=0.7, form=form)
    bulge = (1 - ((brush.v + 0.32) / (r + 0.1)).square()).clamp(min=0.05).sqrt()
    for x in (-0.62, 0.0, 0.62):  # gores in a second tone
        gore = (brush.u - x * bulge * r).abs() - 0.16 * bulge * (1 - 0.6 * abs(x))
        brush.fill(both(envelope, gore), "light", dome=0.7, form=form, inner=True)
    brush.gloss(brush.ellipse(-0.26, -0.56, 0.14, 0.18), 0.35, 0.2)


def cake(brush: Brush) -> None:
    wide, tall, wave = brush.vary(3, 0.40, 0.58), brush.vary(4, -0.34, -0.14), brush.vary(5, 0.0, 6.3)
    brush.fill(brush.ellipse(0.0, 0.84, 0.96, 0.10), "metal", shine=1.1)
    for x, low in ((-0.22, 0.0), (0.0, -0.03), (0.22, 0.0)):
        brush.fill(brush.box(x, tall - 0.22 + low, 0.045, 0.20), "accent", shine=1.05)
        brush.fill(brush.ellipse(x, tall - 0.52 + low, 0.055, 0.095), "sun", shine=1.2)
    for y, a, b in ((0.52, 0.80, 0.30), ((tall + 0.2) / 2, wide, (0.34 - tall) / 2)):
        tier = brush.box(0.0, y, a, b, 0.08)
        brush.fill(tier, "body", shine=1.10 - 0.28 * (brush.u / a + 0.3))
        drip = brush.v - (y - b + 0.15 + 0.055 * torch.sin(brush.u * 13.0 + wave))
        brush.fill(both(tier, drip), "icing", inner=True, shine=1.05)
    brush.fill(brush.circle(wide - 0.1, tall - 0.03, 0.09), "cherry", dome=0.1)


def umbrella(brush: Brush) -> None:
    high, hook = brush.vary(3, 0.76, 0.98), brush.vary(4, 0.14, 0.20)
    brush.fill(brush.box(0.0, 0.06 - high, 0.03, 0.08), "wood")
    brush.fill(brush.box(0.0, 0.2, 0.04, 0.56), "wood", dome=0.05)
    crook = both((brush.circle(hook, 0.76, hook)).abs() - 0.05, brush.half(0.0, 0.74, 0, -1))
    brush.fill(crook, "wood", dome=0.06)
    dome = brush.ellipse(0.0, 0.08, 0.98, high)
    scallops = union(*(brush.ellipse(x, 0.10, 0.18, 0.16) for x in (-0.79, -0.40, 0.0, 0.40, 0.79)))
    canopy = both(dome, -both(scallops, -(brush.v + 0.06)), brush.half(0.0, 0.06, 0, 1))
    brush.fill(canopy, "body", dome=0.8, form=dome)
    rise = (1 - ((brush.v - 0.08) / high).square()).clamp(min=0.0).sqrt()
    for x in (-0.595, 0.20):
        gore = both(canopy, x * rise - brush.u, brush.u - (x + 0.395) * rise)
        brush.fill(gore, "light", dome=0.8, form=dome, inner=True)


def star(brush: Brush) -> None:
    """Five points, folded onto one side of the upper one, with rounded corners."""
    turn, waist, corner = brush.vary(3, -0.3, 0.3), brush.vary(4, 0.44, 0.57), 0.09
    cos, sin = torch.cos(turn), torch.sin(turn)
    u = (brush.u * cos + (brush.v - 0.06) * sin).abs_()
    up = brush.u * sin - (brush.v - 0.06) * cos
    fold_u, fold_up = math.cos(math.radians(36)), -math.sin(math.radians(36))
    for side in (1, -1):
        over = (u * (side * fold_u) + up * fold_up).clamp_(min=0).mul_(-2)
        u, up = u + over * (side * fold_u), up + over * fold_up
    u, up = u.abs_(), up - (0.98 - corner)
    edge_u, edge_up = waist * -fold_up, waist * fold_u - 1  # from the tip to the notch beside it
    along = ((u * edge_u + up * edge_up) / (edge_u.square() + edge_up.square())).clamp_(0, 0.98 - corner)
    away = ((u - edge_u * along).square_() + (up - edge_up * along).square_()).sqrt_()
    outside = (up * edge_u - u * edge_up).sign_()
    brush.fill(away.mul_(outside) - corner, "body", dome=0.42)
    face(brush, 0.0, 0.02, 0.17, brush.vary(5, 0.06, 0.08))
    brush.fill(both(brush.circle(0.0, 0.10, 0.09).abs() - 0.022, brush.half(0.0, 0.13, 0, -1)), "eye", inner=True)


def heart(brush: Brush) -> None:
    """Two lobes over a right angle, in units of the square that spans them."""
    tall = brush.vary(3, 1.0, 1.18)
    u, up = brush.u.abs() * 0.60, (0.93 - brush.v) * (0.60 * tall)
    upper = ((u - 0.25).square() + (up - 0.75).square()).sqrt_() - 0.125**0.5
    foot = (u + up).clamp(min=0).mul_(0.5)
    flank = torch.minimum(u.square() + (up - 1).square(), (u - foot).square() + (up - foot).square()).sqrt_()
    lower = flank.mul_((u - up).sign_())
    brush.fill(torch.where(u + up > 1, upper, lower).div_(0.60), "body", dome=0.55)
    brush.gloss(brush.ellipse(-0.46, -0.42, 0.10, 0.17, 0.5), 0.6)
