r"""Pairs of random networks over one input space, without pairs of samples: what `transformation.py` measures."""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass
from pathlib import Path

import torch
from crossings import crosses
from torch import Tensor, nn

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from manifolds import DOMAINS, Domain, RandomEmbedding, rotate_frames

import equiv

__all__ = ["CASES", "SPACES", "Case", "Network", "Pair", "draw_pair", "relative"]

FRESH = 2000
HIDDEN = 100_000

SPACES = DOMAINS | {
    "l_equal": Domain((0.0, 0.0), (1.0, 1.0), lambda x: (x[:, 0] < 0.4) | (x[:, 1] < 0.4)),
}


@dataclass(frozen=True)
class Case:
    r"""A family of pairs.

    Attributes:
        space: Input space, by its name in `SPACES`.
        samples: Of each side, beside the anchors.
        anchors: How many points are known to correspond.
        median: Mark for the median error, NaN where none is set.
        worst: Mark for the worst.
        symmetries: How many isometries should be found.
        network: Architecture of both sides, see `Network`.
        pairs: How many are drawn.
    """

    space: str
    samples: int
    anchors: int
    median: float
    worst: float
    symmetries: float = 1
    network: str = "tanh"
    pairs: int = 50

    @property
    def name(self) -> str:
        return f"{self.space}-{self.samples}-{self.anchors}-{self.network}"


CASES = [
    Case("square", 2000, 4, 2e-4, 2e-3),
    Case("square", 500, 4, 2e-3, 2e-2),
    Case("interval", 2000, 4, 1e-5, 1e-4),
    Case("interval", 500, 4, 1e-4, 1e-3),
    Case("cube", 4000, 4, 5e-3, 5e-2),
    Case("circle", 2000, 4, 2e-4, 2e-3),
    Case("circle", 500, 4, 2e-3, 2e-2),
    Case("torus", 4096, 4, 2e-3, 2e-2, pairs=20),
    Case("l_shape", 2000, 0, 3e-3, 1e-2),
    Case("l_equal", 2000, 0, math.nan, math.nan, 2, pairs=20),
    Case("interval", 2000, 0, math.nan, math.nan, 2, pairs=20),
    Case("rectangle", 2000, 0, math.nan, math.nan, 4, pairs=20),
    Case("square", 2000, 0, math.nan, math.nan, 8, pairs=20),
    Case("circle", 2000, 0, math.nan, math.nan, math.inf, pairs=20),
    Case("disc", 2000, 0, math.nan, math.nan, math.inf, pairs=20),
    Case("torus", 4096, 0, math.nan, math.nan, math.inf, pairs=20),
    Case("square", 2000, 4, math.nan, math.nan, network="deep", pairs=20),
    Case("square", 2000, 4, math.nan, math.nan, network="hidden", pairs=20),
    Case("square", 2000, 4, math.nan, math.nan, network="gelu", pairs=20),
    Case("square", 2000, 4, math.nan, math.nan, network="relu", pairs=20),
]


class Network:
    r"""A random network that sees an input space: values and exact frames.

    "tanh": one tanh layer of 32, weights from N(0, 1), 3 to 8 outputs (where the space embeds: from 2m + 1).
    "deep": two tanh layers of 32, weights from N(0, 1.5^2 / fan-in), 3 to 8 outputs. "hidden": all 32 neurons of
    the second of these layers. "gelu": its 8 outputs with GELU. "relu": 16 outputs with ReLU.
    """

    def __init__(self, space: Domain, kind: str, outputs: int, seed: int) -> None:
        inputs = space.ambient(space.sample(1))[0].shape[1]
        self.space = space
        self.known = RandomEmbedding(inputs, outputs, seed) if kind == "tanh" else None
        outputs = self.outputs = {"gelu": 8, "relu": 16, "hidden": 32}.get(kind, outputs)
        activation = {"gelu": nn.GELU, "relu": nn.ReLU}.get(kind, nn.Tanh)
        layers = [nn.Linear(inputs, 32), activation(), nn.Linear(32, 32), activation()]
        self.module = nn.Sequential(*layers, *([] if kind == "hidden" else [nn.Linear(32, outputs)])).double()
        generator = torch.Generator().manual_seed(seed)

        for parameter in self.module.parameters():
            scale = 1.5 / math.sqrt(parameter.shape[1]) if parameter.ndim == 2 else 0.5
            drawn = torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
            parameter.data = scale * drawn

    def __call__(self, hidden: Tensor) -> tuple[Tensor, Tensor]:
        r"""Hidden inputs `(n, m)` to values `(n, d)` and frames `(n, d, m)`."""
        ambient, tangents = self.space.ambient(hidden)

        if self.known is not None:
            return self.known(ambient), self.known.jacobian(ambient) @ tangents

        seen = equiv.probe(self.module, ambient, frames=tangents)
        assert seen.frames is not None

        return seen.values, seen.frames

    def values(self, hidden: Tensor) -> Tensor:
        ambient = self.space.ambient(hidden)[0]

        with torch.no_grad():
            return self.module(ambient) if self.known is None else self.known(ambient)

    def crosses(self) -> bool:
        r"""Whether the network takes two inputs far apart to one point, from 10^5 hidden inputs."""
        periods = torch.tensor(self.space.periods or (0.0,) * self.space.dimension).double()
        low, high = torch.tensor(self.space.low).double(), torch.tensor(self.space.high).double()

        def holds(x: Tensor) -> Tensor:
            boxed = ((x >= low) & (x <= high) | (periods > 0)).all(dim=1)

            return boxed if self.space.inside is None else boxed & self.space.inside(x)

        # Generic maps into 2m + 1 dimensions and more embed.
        if self.outputs > 2 * self.space.dimension:
            return False

        return crosses(self, self.space.sample(HIDDEN, seed=0), periods, holds)


@dataclass(frozen=True)
class Pair:
    r"""Two sides, their anchors, and the networks behind them."""

    a: equiv.Observations
    b: equiv.Observations
    anchors: Tensor | None
    networks: tuple[Network, Network]
    hidden: tuple[Tensor, Tensor]
    fresh: Tensor


def draw_pair(case: Case, seed: int) -> Pair:
    r"""A pair of the case: unrelated samples, shuffled frames, and `anchors` samples in common."""
    space = SPACES[case.space]
    generator = torch.Generator().manual_seed(seed)
    # 3 to 8 outputs for planes and curves; as many as embed where every pair has to be a chart.
    fewest = {"cube": 7, "torus": 5}.get(case.space, 3)
    widths = [fewest + int(torch.rand((), generator=generator).item() * (9 - fewest)) for _ in range(2)]
    known = space.sample(case.anchors, seed=4 * seed + 1) if case.anchors else torch.empty(0, space.dimension)
    sides, networks, inputs = [], [], []

    for side, width in enumerate(widths):
        hidden = torch.cat([space.sample(case.samples, seed=100_000 + 2 * seed + side), known.double()])
        network = Network(space, case.network, width, seed=10_000 + 2 * seed + side)
        values, frames = network(hidden)
        # Frames turned at random: nothing but the geometry may leak.
        sides.append(equiv.Observations(values, rotate_frames(frames, seed=seed + side)))
        networks.append(network)
        inputs.append(hidden)

    anchors = torch.stack([case.samples + torch.arange(case.anchors)] * 2, dim=1) if case.anchors else None

    return Pair(
        *sides,
        anchors,
        (networks[0], networks[1]),
        (inputs[0], inputs[1]),
        space.sample(FRESH, seed=4 * seed + 2),
    )


def relative(found: Tensor, true: Tensor) -> float:
    r"""RMS error over the RMS spread of the truth."""
    return ((found - true).norm() / (true - true.mean(dim=0)).norm()).item()
