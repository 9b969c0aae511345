"""The search of FuseDream's released code, step by step as it was recorded."""

from collections.abc import Mapping

import pytest
import torch
from toys import ToyGenerator
from vectors import recordings

from guided_gan.core.search import weightings
from guided_gan.core.search.optimize import Options, Search
from guided_gan.core.types import SOFTMAX, Basis

STEPS = 20


class Seen(ToyGenerator):
    """A generator whose pictures are its latents, as pixels; it keeps those that a step decodes."""

    resolution: tuple[int, int] = (1, 13)
    spec: Mapping[str, tuple[int, ...]] = {"z": (8,), "y": (5,)}

    def __init__(self):
        super().__init__()
        self.seen = []

    def decode(self, latent):
        both = torch.cat([latent.tensors["z"], latent.tensors["y"]], 1)
        if torch.is_grad_enabled():
            self.seen.append(both.detach().clone())
        return both[:, None, None].expand(-1, 3, -1, -1)


class Quadratic:
    """In the place of CLIP."""

    name, models = "quadratic", ()

    def __init__(self, scale, target):
        self.scale, self.target = scale, target

    def __call__(self, images, latent, rngs):
        return (self.scale * (images[:, 0, 0] - self.target).square()).sum(1)


class Replayed(Search):
    """A search whose noise is the recorded one."""

    noise: dict

    def _draw(self, step):
        drawn = dict(super()._draw(step))
        assert {("noise", name) for name in self.noise} <= drawn.keys()
        return drawn | {("noise", name): value[step][None] for name, value in self.noise.items()}


@pytest.mark.parametrize("recording", recordings("fusedream_steps"))
def test_the_search_takes_the_recorded_steps(recording):
    io = recording.tensors
    run = {key.removeprefix("released."): value for key, value in io.items() if key.startswith("released.")}
    vectors = {"z": io["z0"][None], "y": io["y0"][None]}
    weights = {"z": run["w_z0"][None], "y": run["w_y0"][None]}
    generator = Seen()
    search = Replayed(
        generator,
        Quadratic(io["scale"], torch.cat([io["target_z"], io["target_y"]])),
        Basis(generator.name, vectors, weights, SOFTMAX, torch.zeros(1, 3)),
        seeds=[0],
        options=Options(STEPS, lr=5e-3, latent_noise=0.01, evaluate_every=STEPS),
    )
    search.noise = {name: run[f"noise_{name}"] for name in ("z", "y")}
    for step in range(STEPS):
        if step == STEPS - 1:  # what the released code returns is what its last step began with
            for name, value in weightings.mix(search.result().basis).tensors.items():
                same(value, run[f"result_{name}"])
        losses, _ = search.step()
        same(losses, run["loss"][step][None])
        same(generator.seen[step][0], torch.cat([run["seen_z"][step], run["seen_y"][step]]))
        basis = search.result().basis
        for name in ("z", "y"):
            same(basis.weights[name][0], run[f"w_{name}"][step])
            same(basis.vectors[name][0], run[f"basis_{name}"][step])
    assert (run["basis_z"] - run["basis_z_before_clamp"]).abs().max() > 0.001  # so that the clamp shows


def same(found, recorded):
    torch.testing.assert_close(found, recorded.to(found), atol=1e-6, rtol=1e-6)
