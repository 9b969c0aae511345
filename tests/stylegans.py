"""A tiny random StyleGAN-T."""

import torch

from guided_gan.core.generators.stylegan_t import Network, Shape

TINY = Shape((8, 8), num_res_blocks=1, z_dim=4, c_dim=6)


def network(shape=TINY, seed=0):
    """A random network in which everything has a part: noise, residual branches, the mean of f."""
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(seed)
        built = Network(shape)
        built.mapping.x_avg.normal_()
        for name, value in built.named_parameters():
            if name.endswith(("gamma", "noise_strength")):
                value.fill_(0.3)
    return built.eval().requires_grad_(False)
