"""Training of StyleGAN-T (Sauer et al. 2023): the discriminator, the objectives, the data and the loop.

It builds on `core`, which knows nothing of it; the nodes never import it.
"""
