r"""Networks that the experiments train."""

import math
from collections import OrderedDict
from collections.abc import Callable, Sequence
from itertools import pairwise

from torch import Tensor, nn

__all__ = ["MLP", "Autoencoder", "Centred"]


class Centred(nn.Module):
    r"""The fixed affine map :math:`x \mapsto (x - \text{centre}) / \text{scale}` of all entries alike."""

    def __init__(self, centre: float, scale: float) -> None:
        super().__init__()
        self.centre, self.scale = centre, scale

    def forward(self, x: Tensor) -> Tensor:
        return (x - self.centre) / self.scale


class Autoencoder(nn.Module):
    r"""A small convolutional autoencoder of pictures in [0, 1], smooth in its inputs.

    The encoder averages `pool` x `pool` pixels, blurs what is left `blur` times by means over 3 x 3, halves
    the picture by convolutions of 4 x 4 with stride 2, and ends in two linear layers. All kernels overlap
    evenly and GELU is between them, so that the latent moves smoothly with the picture and the steps of
    pixels at its edges are seen as little as may be. The decoder has most of its weights in one linear layer
    to a coarse map, which costs little, and doubles that by convolutions whose channels become pixels (Shi et
    al. 2016, https://arxiv.org/abs/1609.05158).

    Arguments:
        size: Pixels along each side, a multiple of 2 to the power of the number of halvings and of doublings.
        pool: Pixels along each side that the encoder averages first, a power of two: where pictures change by
            a motion, their edges step from pixel to pixel, and means over several step less.
        blur: How often means over 3 x 3 are taken of that: where two things change, samples are farther apart, and
            the latent must be smooth over that distance.
        encoder: Channels after each halving by a convolution.
        decoder: Channels of the coarse map and after each doubling but the last.
        hidden: Width of the layer beside the latent, in both halves.
        latent: Neurons of the bottleneck.
        centre: What is subtracted from pictures before they are encoded, and added after they are decoded.
        scale: What they are divided by, and multiplied with.

    Raises:
        ValueError: If `size` cannot be halved that often.
    """

    def __init__(
        self,
        size: int = 64,
        pool: int = 4,
        blur: int = 0,
        encoder: Sequence[int] = (32, 64),
        decoder: Sequence[int] = (48, 32),
        hidden: int = 128,
        latent: int = 8,
        centre: float = 0.75,
        scale: float = 0.2,
    ) -> None:
        super().__init__()
        shrunk, grown = pool * 2 ** len(encoder), 2 ** len(decoder)
        divisor = math.lcm(shrunk, grown)

        if size < 1 or size % divisor:
            raise ValueError(
                f"'size' should be a multiple of {divisor} for these layers, got {size}; render pictures of "
                "such a size, pool less or leave out layers of the encoder or decoder."
            )

        smallest, coarse = size // shrunk, size // grown
        down = [
            layer
            for fine, wide in zip((3, *encoder), encoder, strict=False)
            for layer in (nn.Conv2d(fine, wide, kernel_size=4, stride=2, padding=1), nn.GELU())
        ]
        up = [
            layer
            for wide, fine in zip(decoder, (*decoder[1:], 3), strict=True)
            for layer in (nn.GELU(), nn.Conv2d(wide, 4 * fine, kernel_size=3, padding=1), nn.PixelShuffle(2))
        ]
        self.encoder = nn.Sequential(
            Centred(centre, scale),
            nn.AvgPool2d(pool),
            *(nn.AvgPool2d(3, stride=1, padding=1, count_include_pad=False) for _ in range(blur)),
            *down,
            nn.Flatten(),
            nn.Linear((3, *encoder)[-1] * smallest**2, hidden),
            nn.GELU(),
            nn.Linear(hidden, latent),
        )
        self.decoder = nn.Sequential(
            nn.Linear(latent, hidden),
            nn.GELU(),
            nn.Linear(hidden, decoder[0] * coarse**2),
            nn.Unflatten(1, (decoder[0], coarse, coarse)),
            *up,
            Centred(-centre / scale, 1 / scale),
        )

    def forward(self, pictures: Tensor) -> Tensor:
        r"""Pictures `(n, 3, size, size)` to their reconstructions, of the same shape."""
        return self.decoder(self.encoder(pictures))


class MLP(nn.Sequential):
    r"""A multilayer perceptron whose layers go by `hidden1`, `hidden2`, ... and `output`.

    A hidden layer is its activations: what `layers=["hidden1"]` observes is behind the activation function.

    Arguments:
        inputs: Entries of an input.
        outputs: Entries of an output.
        hidden: Widths of the hidden layers.
        activation: Makes the activation function behind each hidden layer.

    Raises:
        ValueError: If a width is not positive.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        hidden: Sequence[int] = (32, 32),
        activation: Callable[[], nn.Module] = nn.Tanh,
    ) -> None:
        widths = [inputs, *hidden]

        if min(*widths, outputs) < 1:
            raise ValueError(f"'hidden' should hold positive widths, got {list(hidden)}; try [32, 32].")

        layers: OrderedDict[str, nn.Module] = OrderedDict()

        for number, (before, after) in enumerate(pairwise(widths), start=1):
            layers[f"hidden{number}"] = nn.Sequential(nn.Linear(before, after), activation())

        layers["output"] = nn.Linear(widths[-1], outputs)
        super().__init__(layers)
