"""What is done to pictures before a network learns from them: blemishes, moves, and adversarial changes."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

WORST = 12.0  # longest adversarial change of a picture of 64 x 64 pixels


def blemish(images: Tensor, rng: torch.Generator) -> Tensor:
    """Mild blur, noise and tint, so that the classifiers tolerate imperfect pictures."""
    n = len(images)
    soft = F.avg_pool2d(F.pad(images, (1, 1, 1, 1), mode="replicate"), 3, stride=1)
    images = torch.lerp(images, soft, torch.rand(n, 1, 1, 1, generator=rng, device=rng.device) ** 2)
    tint = torch.randn(n, 3, 1, 1, generator=rng, device=rng.device) * 0.05
    gain = 1 + torch.randn(n, 1, 1, 1, generator=rng, device=rng.device) * 0.1
    strength = 0.12 * torch.rand(n, 1, 1, 1, generator=rng, device=rng.device) ** 2
    noise = strength * torch.randn(images.shape, generator=rng, device=rng.device)
    return (images * gain + tint + noise).clamp(-1, 1)


def enliven(images: Tensor, rng: torch.Generator) -> Tensor:
    """Colours made stronger by up to a half: a search drives them there, and the object can still be told."""
    grey = images.mean(1, keepdim=True)
    strength = 1 + 0.5 * torch.rand(len(images), 1, 1, 1, generator=rng, device=rng.device)
    return torch.lerp(grey, images, strength).clamp(-1, 1)


def roughen(images: Tensor, rng: torch.Generator) -> Tensor:
    """Half of the pictures as a generator may draw them: wavy outlines, halos along edges, coarse grain."""
    n, _, height, width = images.shape
    case, *strengths = torch.rand(4, n, 1, 1, 1, generator=rng, device=rng.device)
    wave, halo, grain = (torch.where(case < 0.5, strength, 0) for strength in strengths)
    field = torch.randn(n, 2, height // 4, width // 4, generator=rng, device=rng.device)
    moves = F.interpolate(0.03 * wave * field, (height, width), mode="bicubic")  # about a pixel of 64
    still = F.affine_grid(torch.eye(2, 3).expand(n, 2, 3).to(images), list(images.shape), align_corners=False)
    images = F.grid_sample(images, still + moves.movedim(1, 3), padding_mode="border", align_corners=False)
    soft = F.avg_pool2d(F.pad(images, (2, 2, 2, 2), mode="replicate"), 5, stride=1)
    noise = torch.randn(n, 3, height // 2, width // 2, generator=rng, device=rng.device)
    coarse = F.interpolate(0.3 * grain**2 * noise, (height, width), mode="bilinear")
    return (images + 1.5 * halo * (images - soft) + coarse).clamp(-1, 1)


def shift(images: Tensor, rng: torch.Generator) -> Tensor:
    """Move a third of the pictures by up to an eighth and blank a patch of another third, filling with mid-grey."""
    case, *move = torch.rand(3, len(images), generator=rng)
    steps = [((2 * share - 1) * 8).round() / 32 for share in move]  # whole pixels
    plain = torch.eye(2).expand(len(images), 2, 2)
    moved = torch.cat([plain, torch.stack(steps, 1)[:, :, None]], 2)
    return _blank(_warp(images, moved, case < 1 / 3), case > 2 / 3, rng)


def turn(images: Tensor, rng: torch.Generator) -> Tensor:
    """Turn, scale and move half of the pictures and blank a patch of another quarter, filling with mid-grey."""
    case, angle, scale, *move = torch.rand(5, len(images), generator=rng)
    angle, scale = (angle - 0.5) * 0.9, 0.75 + 0.6 * scale
    cosine, sine = scale * angle.cos(), scale * angle.sin()
    right, down = ((share - 0.5) * 0.5 for share in move)
    moved = torch.stack([cosine, -sine, right, sine, cosine, down], 1).view(-1, 2, 3)
    return _blank(_warp(images, moved, case < 0.5), case > 0.75, rng)


def _warp(images: Tensor, theta: Tensor, chosen: Tensor) -> Tensor:
    """The chosen pictures through affine maps [N, 2, 3]; what comes in from outside is mid-grey."""
    theta = torch.where(chosen[:, None, None], theta, torch.eye(2, 3)).to(images)
    return F.grid_sample(images, F.affine_grid(theta, list(images.shape), align_corners=False), align_corners=False)


def _blank(images: Tensor, chosen: Tensor, rng: torch.Generator) -> Tensor:
    """The chosen pictures with a patch of mid-grey."""
    n, _, height, width = images.shape
    corner = torch.rand(2, n, generator=rng) * 1.2 - 0.2
    side = 0.15 + 0.2 * torch.rand(n, generator=rng)
    patch = torch.ones(n, height, width, dtype=torch.bool)
    axes = torch.arange(height)[None, :, None], torch.arange(width)[None, None, :]
    for axis, start in zip(axes, corner, strict=True):
        place = (axis + 0.5) / height - start[:, None, None]
        patch = patch & (place > 0) & (place < side[:, None, None])
    return images * ~(patch & chosen[:, None, None])[:, None].to(images.device)


def worsen(images: Tensor, loss: Callable[[Tensor], Tensor], rng: torch.Generator, *, steps: int = 1) -> Tensor:
    """Pictures [N, 3, H, W] after projected gradient ascent on a loss (Madry et al. 2018), in values from -1 to 1.

    Each change is at most as long as a length of its own, an L2 norm of up to WORST. The first gradient is taken at a
    random point nearby. Several steps are short enough to go twice that length in all.
    """
    length = (WORST * torch.rand(len(images), 1, 1, 1, generator=rng, device=rng.device)).to(images)
    at = 0.3 * length * _unit(torch.randn(images.shape, generator=rng, device=rng.device).to(images))
    change = torch.zeros_like(images)
    for _ in range(steps):
        at.requires_grad_()
        (slope,) = torch.autograd.grad(loss(images + at), at)
        change = change + min(1, 2 / steps) * length * _unit(slope)
        change = change * (length / change.flatten(1).norm(dim=1).view_as(length)).clamp(max=1)
        at = change.detach()
    return (images + change).clamp(-1, 1)


def _unit(value: Tensor) -> Tensor:
    return F.normalize(value.flatten(1), dim=1).view_as(value)
