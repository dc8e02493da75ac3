r"""Curved, closed and twisted input spaces without pairs: verdict, true error and time of the comparison.

    python benchmarks/curved.py run sphere so3 --seeds 0 20     # goes on where the results on disk end
    python benchmarks/curved.py report                          # benchmarks/results/curved.md

Two random networks, 40 to 60 tanh neurons read out linearly, see samples of one space, or of two that are not
isometric; some points are known to both (anchors). Frames are exact, in an orthonormal basis of the tangent space that
is turned at random at every sample. Errors are RMS over the spread, on 1,000 fresh inputs that both networks see.
One thread; seconds are processor seconds of the comparison.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.func import jacfwd, vmap

import equiv

RESULTS = Path(__file__).parent / "results"
RECORDS = RESULTS / "curved.jsonl"
FRESH = 1000


@dataclass(frozen=True)
class Space:
    r"""A submanifold of R^D, as an isometric image of coordinates.

    Attributes:
        parameters: How many coordinates there are.
        draw: From as many uniform numbers `(n, p)` to coordinates.
        embed: From coordinates `(p,)` to points `(D,)`; where it has full rank it need not keep lengths.
        metric: From coordinates `(p,)` to an orthonormal frame in them, `(p, m)`; None: as `embed` says.
    """

    parameters: int
    draw: Callable[[Tensor], Tensor]
    embed: Callable[[Tensor], Tensor]
    metric: Callable[[Tensor], Tensor] | None = None

    def sample(self, n: int, generator: torch.Generator) -> Tensor:
        return self.draw(torch.rand(n, self.parameters, generator=generator, dtype=torch.float64))

    def frames(self, x: Tensor) -> Tensor:
        r"""An orthonormal basis of the tangent space of the image, `(n, D, m)`."""
        jacobian = vmap(jacfwd(self.embed))(x)

        if self.metric is not None:
            return jacobian @ vmap(self.metric)(x)

        return torch.linalg.qr(jacobian)[0]


def _sphere(z: Tensor, angle: Tensor, along: float = 1.0) -> Tensor:
    rim = (1 - z.square()).clamp_min(0).sqrt()

    return torch.stack([rim * angle.cos(), rim * angle.sin(), along * z])


def _on_sphere(u: Tensor) -> Tensor:
    r"""Heights and angles, uniform in area on a sphere; the poles, where the coordinates are singular, left out."""
    return torch.stack([0.9999 * (2 * u[:, 0] - 1), math.tau * u[:, 1]], dim=1)


def spheroid(along: float) -> Space:
    return Space(2, _on_sphere, lambda x: _sphere(x[0], x[1], along))


def _rotation(x: Tensor) -> Tensor:
    r"""The rotation of a unit quaternion that is drawn uniformly, by the subgroup algorithm (Shoemake, 1992)."""
    a, b = (1 - x[0]).sqrt(), x[0].sqrt()
    q, i, j, k = (
        a * (math.tau * x[1]).sin(),
        a * (math.tau * x[1]).cos(),
        b * (math.tau * x[2]).sin(),
        b * (math.tau * x[2]).cos(),
    )

    return torch.stack(
        [
            1 - 2 * (j * j + k * k), 2 * (i * j - k * q), 2 * (i * k + j * q),
            2 * (i * j + k * q), 1 - 2 * (i * i + k * k), 2 * (j * k - i * q),
            2 * (i * k - j * q), 2 * (j * k + i * q), 1 - 2 * (i * i + j * j),
        ]
    )  # fmt: skip


def _twisted(around: float, closed: float | None) -> Callable[[Tensor], Tensor]:
    r"""(u + around, -v) is (u, v): a Moebius strip; with a period `closed` of v a Klein bottle."""

    def embed(x: Tensor) -> Tensor:
        angle = math.pi * x[0] / around
        v = x[1] if closed is None else closed / math.tau * (math.tau * x[1] / closed).sin()
        parts = [(2 * angle).cos(), (2 * angle).sin()]
        loop = [around / math.tau * part for part in parts]
        even = [] if closed is None else [closed / math.tau * (math.tau * x[1] / closed).cos()]

        return torch.stack([*loop, v * angle.cos(), v * angle.sin(), *even])

    return embed


def _flat(first: float, second: float, closed: bool) -> Space:
    size = torch.tensor([first, second], dtype=torch.float64)
    twisted = _twisted(first, second if closed else None)

    return Space(2, lambda u: u * size, twisted, lambda x: torch.eye(2, dtype=torch.float64))


def _torus(first: float, second: float) -> Space:
    size = torch.tensor([first, second], dtype=torch.float64)

    def embed(x: Tensor) -> Tensor:
        angle = math.tau * x / size

        return torch.cat([size / math.tau * angle.cos(), size / math.tau * angle.sin()])

    return Space(2, lambda u: u * size, embed)


def _sphere_interval(u: Tensor) -> Tensor:
    return torch.cat([_on_sphere(u[:, :2]), u[:, 2:]], dim=1)


def _circle_sphere(u: Tensor) -> Tensor:
    return torch.cat([_on_sphere(u[:, :2]), math.tau * u[:, 2:]], dim=1)


SPHERE = spheroid(1.0)
SPACES = {
    "sphere": SPHERE,
    "spheroid": spheroid(1.2),
    "long": spheroid(1.6),
    "so3": Space(3, lambda u: 0.0001 + 0.9998 * u, _rotation),
    "ball": Space(
        3, _sphere_interval, lambda x: torch.cat([_sphere(x[0], x[1]), x[2:]])
    ),
    "loops": Space(
        3,
        _circle_sphere,
        lambda x: torch.cat([_sphere(x[0], x[1]), x[2:].cos(), x[2:].sin()]),
    ),
    "moebius": _flat(5.0, 1.1, False),
    "klein": _flat(4.0, 3.0, True),
    "torus": _torus(4.0, 3.0),
}  # fmt: skip


@dataclass(frozen=True)
class Case:
    r"""A family of pairs.

    Attributes:
        spaces: Of A and of B, by name.
        samples: Of each side, beside the anchors.
        anchors: How many points are known to both.
        hidden: Neurons of the hidden layer.
        outputs: Neurons that are read.
        mark: Largest error that is asked for, NaN where the spaces are not isometric.
    """

    spaces: tuple[str, str]
    samples: int
    anchors: int
    hidden: int
    outputs: int
    mark: float

    @property
    def isometric(self) -> bool:
        return not math.isnan(self.mark)


CASES = {
    "sphere": Case(("sphere", "sphere"), 1500, 6, 40, 8, 0.01),
    "so3": Case(("so3", "so3"), 2000, 10, 48, 12, 0.02),
    "spheroid": Case(("spheroid", "spheroid"), 1500, 6, 40, 8, 0.01),
    "sphere x interval": Case(("ball", "ball"), 2000, 8, 48, 12, 0.01),
    "circle x sphere": Case(("loops", "loops"), 2000, 8, 48, 12, 0.01),
    "moebius": Case(("moebius", "moebius"), 1000, 6, 40, 8, 0.01),
    "klein": Case(("klein", "klein"), 1500, 6, 40, 8, 0.01),
    "sphere, spheroid": Case(("sphere", "spheroid"), 1500, 6, 40, 8, math.nan),
    "spheroid, longer": Case(("spheroid", "long"), 1500, 6, 40, 8, math.nan),
    "klein, torus": Case(("klein", "torus"), 1500, 6, 40, 8, math.nan),
}


class Network:
    r"""tanh neurons read out linearly: values and exact frames."""

    def __init__(self, inputs: int, case: Case, generator: torch.Generator) -> None:
        def normal(*shape: int) -> Tensor:
            return torch.randn(*shape, generator=generator, dtype=torch.float64)

        self.first, self.bias = normal(case.hidden, inputs) / math.sqrt(inputs), 0.5 * normal(case.hidden)
        self.second = normal(case.outputs, case.hidden) / math.sqrt(case.hidden)

    def __call__(self, x: Tensor) -> Tensor:
        return torch.tanh(x @ self.first.T + self.bias) @ self.second.T

    def frames(self, x: Tensor, tangents: Tensor) -> Tensor:
        slope = 1 - torch.tanh(x @ self.first.T + self.bias).square()

        return self.second @ (slope[:, :, None] * (self.first @ tangents))


def observe(space: Space, network: Network, x: Tensor, generator: torch.Generator) -> equiv.Observations:
    points, tangents = vmap(space.embed)(x), space.frames(x)
    m = tangents.shape[2]
    turns = torch.linalg.qr(torch.randn(len(x), m, m, generator=generator, dtype=torch.float64))[0]

    return equiv.Observations(network(points), network.frames(points, tangents @ turns))


def compared(name: str, seed: int) -> dict[str, Any]:
    r"""What one comparison says, and how far off it is."""
    case, generator = CASES[name], torch.Generator().manual_seed(seed)
    spaces = [SPACES[each] for each in case.spaces]
    known = spaces[0].sample(case.anchors, generator)
    fresh = spaces[0].sample(FRESH, generator)
    networks, sides = [], []

    for space in spaces:
        x = torch.cat([space.sample(case.samples, generator), known])
        networks.append(Network(vmap(space.embed)(x[:1]).shape[1], case, generator))
        sides.append(observe(space, networks[-1], x, generator))

    anchors = (case.samples + torch.arange(case.anchors))[:, None].expand(-1, 2)
    start = time.process_time()
    result = equiv.compare(*sides, paired=False, anchors=anchors)
    seconds = time.process_time() - start
    errors = []

    if case.isometric and math.isfinite(result.a_to_b.error.estimate):
        seen = [network(vmap(space.embed)(fresh)) for space, network in zip(spaces, networks, strict=True)]
        for mapping, source, goal in (
            (result.transformation, *seen),
            (result.transformation.inverse, *seen[::-1]),
        ):
            off = mapping(source) - goal
            errors.append((off.norm() / (goal - goal.mean(dim=0)).norm()).item())

    return {
        "case": name,
        "seed": seed,
        "verdict": str(result.verdict),
        "errors": errors,
        "bounds": [[each.error.low, each.error.high] for each in (result.a_to_b, result.b_to_a)],
        "seconds": seconds,
        "sentence": str(result.sentence),
    }


def run(names: list[str], seeds: range) -> None:
    done = {(each["case"], each["seed"]) for each in records()}

    for name in names:
        for seed in seeds:
            if (name, seed) in done:
                continue
            found = compared(name, seed)
            errors = ", ".join(f"{100 * error:.2f}" for error in found["errors"])
            print(f"{name} {seed}: {found['verdict']}, {errors} %, {found['seconds']:.1f} s", flush=True)
            print(f"    {found['bounds']} {found['sentence']}", flush=True)
            with RECORDS.open("a") as file:
                file.write(json.dumps(found) + "\n")


def records() -> list[dict[str, Any]]:
    return [json.loads(line) for line in RECORDS.read_text().splitlines()] if RECORDS.exists() else []


def report() -> None:
    lines = [
        "# Curved, closed and twisted input spaces, without pairs",
        "",
        "Made by `benchmarks/curved.py`, which says how. Errors in per cent of the spread: the larger of both",
        "directions.",
        "",
        "| A, B | pairs | samples, anchors | equivalent | not | inconclusive | error, median | largest "
        "| mark | within bounds | seconds, median | largest |",
        "|" + " --- |" * 12,
    ]

    for name, case in CASES.items():
        found = [each for each in records() if each["case"] == name]
        if not found:
            continue
        counts = [
            sum(each["verdict"] == verdict for each in found)
            for verdict in ("equivalent", "not_equivalent", "inconclusive")
        ]
        errors = torch.tensor([max(each["errors"]) for each in found if each["errors"]])
        held = [
            low <= error <= high
            for each in found
            for error, (low, high) in zip(each["errors"], each["bounds"], strict=False)
        ]
        seconds = torch.tensor([each["seconds"] for each in found])
        said = (
            ["", "", "", ""]
            if not len(errors)
            else [
                f"{100 * errors.median():.2f}",
                f"{100 * errors.max():.2f}",
                f"{100 * case.mark:.0f}",
                f"{sum(held)} of {len(held)}",
            ]
        )
        cells = [
            name, str(len(found)), f"{case.samples:,}, {case.anchors}", *map(str, counts), *said,
            f"{seconds.median():.1f}", f"{seconds.max():.1f}",
        ]  # fmt: skip
        lines.append("| " + " | ".join(cells) + " |")

    text = "\n".join(lines) + "\n"
    (RESULTS / "curved.md").write_text(text)
    print(text)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("command", choices=("run", "report"))
    parser.add_argument("cases", nargs="*", default=list(CASES))
    parser.add_argument("--seeds", nargs=2, type=int, default=(0, 20))
    arguments = parser.parse_args()
    torch.set_num_threads(1)

    if arguments.command == "run":
        run(arguments.cases or list(CASES), range(*arguments.seeds))
    else:
        report()


if __name__ == "__main__":
    main()
