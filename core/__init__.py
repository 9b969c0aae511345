"""The library: FuseDream's search over a GAN's latent space, stage by stage. It knows nothing of ComfyUI.

from guided_gan.core import basis, clip, generators, losses, optimize, targets

generator = generators.load("picturebook/models/biggan")
encoder = clip.load("picturebook/models/clip")
loss = losses.AugCLIPLoss(encoder, targets.from_text(encoder, "a blue tree in the snow"), copies=16)
start = basis.initialise(generator, loss, seeds=[7], k=10, count=1000, weighting="softmax")
result = optimize.optimize(generator, loss, start, seeds=[7], options=optimize.Options(150, lr=0.05, latent_noise=0.25))
result.images  # [1, 3, H, W] in [-1, 1]
"""
