"""The library: FuseDream's search over a GAN's latent space, stage by stage. It knows nothing of ComfyUI.

from guided_gan.core import clip, generators
from guided_gan.core.losses import targets
from guided_gan.core.losses.aug_clip import AugCLIPLoss
from guided_gan.core.search import basis_init, optimize

generator = generators.load("picturebook/models/biggan")
encoder = clip.load("picturebook/models/clip_robust")
loss = AugCLIPLoss(encoder, targets.from_text(encoder, "a blue tree in the snow"), copies=16)
start = basis_init.initialise(generator, loss, seeds=[7], k=10, count=1000, weighting="softmax")
options = optimize.Options(150, lr=0.03, latent_noise=0.1, schedule="cosine", constraint="cap")
result = optimize.optimize(generator, loss, start, seeds=[7], options=options)
result.images  # [1, 3, 64, 64] in [-1, 1]
"""
