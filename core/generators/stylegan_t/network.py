"""SIGNATURE FOR HELPER E (the body follows within minutes; the names below stay).

Import: `from guided_gan.core.generators.stylegan_t.network import LITE, FULL, Network, Shape`

    @dataclass(frozen=True)
    class Shape:
        channels: tuple[int, ...]   # at 8 x 8, 16 x 16, ..., the picture's side
        num_res_blocks: int = 2     # pairs (convolution, residual convolution) at each side
        z_dim: int = 64
        c_dim: int = 768            # width of the text embedding
        skip: bool = True           # every side adds to the picture (False: the last one alone makes it)
        resolution: property -> int
        @classmethod pyramid(cls, resolution, channel_base, channel_max, **others) -> Shape   # min(base // side, max)
        @classmethod of(cls, tensors) -> Shape      # what a state dict says of itself

    LITE = Shape.pyramid(64, 32768, 512, num_res_blocks=2); FULL = Shape.pyramid(512, 65536, 2048, num_res_blocks=3)

    class Network(nn.Module):           # state-dict names as published; initialised for training by __init__
        shape: Shape
        mapping: Mapping(z [N,z_dim], c [N,c_dim] unit norm, psi=1.0) -> w [N, z_dim + c_dim]; .x_avg buffer [z_dim]; .f(z) -> f(z) [N,z_dim]
                                        # the trainer updates x_avg: net.mapping.x_avg.lerp_(net.mapping.f(z).detach().mean(0), 1 - 0.995)
        synthesis: Synthesis(w, noise="const"|"random"|"none", rngs=None) -> [N,3,H,H] float32, about [-1,1], not clamped
                                        # noise="random" with rngs=None draws from torch's own RNG on the device (training);
                                        # with rngs (one CPU torch.Generator per row) from those
        forward(z, c, psi=1.0, noise="const", rngs=None) -> pictures
"""
