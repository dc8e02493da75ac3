r"""Small seeded comparisons of every kind, each made once in a session, with the verdict that is provably right."""

import functools
from collections.abc import Callable
from typing import Any

import torch
from manifolds import DOMAINS, Domain, curve, observe, observed, rotate_frames, surface, uniform
from torch import Tensor

import equiv
from equiv import Comparison, Observations

__all__ = ["DECIDED", "UNDECIDED", "comparison"]

See = Callable[[Tensor], Tensor]
INTERVAL, SQUARE, RECTANGLE, TORUS = (DOMAINS[name] for name in ("interval", "square", "rectangle", "torus"))
# A square without a corner: no isometry but the identity.
TORN = Domain((0.0,), (1.0,), lambda x: ((x - 0.5).abs() > 0.3).all(dim=1))
CUT = Domain((0.0, 0.0), (1.0, 1.0), lambda x: x.sum(dim=1) < 1.4)


def _circle(length: float) -> Domain:
    return Domain((0.0,), (length,), periods=(length,))


def _unpaired(
    a: Domain, b: Domain, n: int, known: int, see: See = Tensor.clone, outputs: int = 5, **options: Any
) -> Comparison:
    r"""Two sets of samples x of `a`, one seen as `see(x)` in `b`; they share `known` anchors and nothing else."""
    anchors = a.sample(known, seed=9)
    x, y = (torch.cat([a.sample(count, seed=seed), anchors]) for count, seed in ((n, 0), (n - 20, 1)))
    one, other = observe(a, x, outputs, seed=1), observe(b, see(y), outputs + 1, seed=2)
    unseen = torch.zeros(len(y), outputs + 1, a.dimension - b.dimension, dtype=torch.float64)
    frames = rotate_frames(torch.cat([other.frames, unseen], dim=2), seed=3)
    pairs = torch.stack([n + torch.arange(known), n - 20 + torch.arange(known)], dim=1)

    return equiv.compare(
        one, Observations(other.values, frames), paired=False, anchors=pairs if known else None, **options
    )


def _paired(first: See, second: See, x: Tensor) -> Comparison:
    return equiv.compare(observed(first, x), observed(second, x), paired=True)


def _copied() -> Comparison:
    r"""A layer and the same with its neurons in another order and scale, without frames."""
    values = surface(uniform(120, 2))

    return equiv.compare(Observations(values), Observations(3 * values[:, [3, 1, 0, 2]] - 1), paired=True)


def _bent(x: Tensor) -> Tensor:
    return torch.cat([x, x.square()], dim=-1)


def _first(x: Tensor) -> Tensor:
    return curve(x[..., :1])


def _second(x: Tensor) -> Tensor:
    return curve(x[..., 1:])


def _flipped(x: Tensor) -> Tensor:
    return surface(x.flip(-1)).exp()


def _halved(x: Tensor) -> Tensor:
    return x / 2


def _stretched(x: Tensor) -> Tensor:
    return x * torch.tensor([1.5, 1.0], dtype=x.dtype)


# Verdicts that are theorems, and that these samples are enough for.
DECIDED: dict[str, tuple[str, Callable[[], Comparison]]] = {
    "line": ("equivalent", lambda: _unpaired(INTERVAL, INTERVAL, 100, 2)),
    "line half as long": (
        "not_equivalent",
        lambda: _unpaired(INTERVAL, Domain((0.0,), (0.5,)), 100, 0, _halved),
    ),
    "ring": ("equivalent", lambda: _unpaired(_circle(4.0), _circle(4.0), 150, 0)),
    "rings": ("equivalent", lambda: _unpaired(_circle(6.0), _circle(6.0), 300, 3, method="galerkin")),
    "double cover": ("a_determines_b", lambda: _unpaired(_circle(8.0), _circle(4.0), 200, 3)),
    "lengths of two and three": (
        "not_equivalent",
        lambda: _unpaired(_circle(4.0), _circle(6.0), 200, 3, lambda x: 1.5 * x),
    ),
    "plane": ("equivalent", lambda: _unpaired(CUT, CUT, 300, 4)),
    "other sides": ("not_equivalent", lambda: _unpaired(SQUARE, RECTANGLE, 300, 4, _stretched)),
    "one of two inputs": ("a_determines_b", lambda: _unpaired(SQUARE, INTERVAL, 300, 2, lambda x: x[:, :1])),
    "torus": ("equivalent", lambda: _unpaired(TORUS, TORUS, 400, 4, outputs=8)),
    "pairs": ("equivalent", lambda: _paired(surface, _flipped, uniform(120, 2))),
    "projection": ("a_determines_b", lambda: _paired(surface, _first, uniform(120, 2))),
    "fold": ("b_determines_a", lambda: _paired(torch.square, curve, uniform(120, 1))),
    "unrelated": ("not_equivalent", lambda: _paired(_first, _second, uniform(120, 2))),
    "copies": ("equivalent", _copied),
    "space": ("equivalent", lambda: _paired(_bent, lambda x: _bent(x.flip(-1)).sinh(), uniform(150, 3))),
    "five": ("equivalent", lambda: _paired(_bent, torch.sinh, uniform(150, 5))),
}

# Too little is known, in one way or another.
UNDECIDED: dict[str, Callable[[], Comparison]] = {
    "unregistered": lambda: _unpaired(INTERVAL, Domain((0.0,), (1.3,)), 100, 2, lambda x: 1.3 * x),
    "failed": lambda: _unpaired(TORN, TORN, 100, 0),
    "few": lambda: _paired(surface, _first, uniform(4, 2)),
}


@functools.cache
def comparison(name: str) -> Comparison:
    r"""The comparison of that name."""
    return DECIDED[name][1]() if name in DECIDED else UNDECIDED[name]()
