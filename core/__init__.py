"""The library: FuseDream's search over a GAN's latent space, stage by stage. It knows nothing of ComfyUI.

from guided_gan.core import basis, clip, generators, losses, optimize, targets

generator = generators.load("picturebook/models/biggan")
encoder = clip.load("picturebook/models/clip")
loss = losses.AugCLIPLoss(encoder, targets.from_text(encoder, "a blue flower at night"), copies=16)
start = basis.initialise(generator, loss, seeds=[7], k=5, count=1000)
result = optimize.optimize(generator, loss, start, seeds=[7], options=optimize.Options(steps=200))
result.images  # [1, 3, H, W] in [-1, 1]
"""
