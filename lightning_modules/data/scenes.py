r"""What two networks that others trained are shown of the same hidden states, each of some of its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import torch
from torch import Tensor

from equiv.probing.pushforward import derivatives_along
from lightning_modules.data.checks import check_counts, check_relation
from lightning_modules.data.functions import FunctionView
from lightning_modules.data.pool import Progress
from lightning_modules.data.views import Hidden, Views

__all__ = ["Scene", "SceneViews", "moved"]

#: Length of the first direction of B's input space, as B's frames measure it, over that of A's.
RELATIONS = {"same": 1.0, "stretched": 1.1}
#: How the states of a probe set lie in their box.
SPREADS = ("even", "random")


class Scene(Protocol):
    r"""A box of hidden states, and what a network is shown of each."""

    @property
    def low(self) -> list[float]: ...

    @property
    def high(self) -> list[float]: ...

    def sees(self, states: Tensor) -> Tensor: ...


class SceneViews:
    r"""Hidden states in a box, of which each network is shown samples of its own; nothing is there to be learned.

    The anchors are further states, at the same shares of the box on both sides, and belong to the probe sets; the
    held-out states are drawn uniformly and serve evaluation alone. Frames are the tangent vectors of what is shown.

    Arguments:
        a: What A is shown.
        b: What B is shown; the same box of states as A's, or the pair is one that must not come out equivalent.
        n_a: States of A's probe set, beside the anchors.
        n_b: The same for B.
        n_held_out: Fresh states for evaluation.
        n_anchors: States that both sides have in their probe sets.
        spread: "even": a scrambled Sobol sequence of each side's own. "random": drawn uniformly.
        seed: Of all samples.
        relation: "same": both networks' frames measure the hidden states alike. "stretched": to B the first
            direction is longer by a tenth, another input space, which must not come out equivalent.

    Raises:
        ValueError: If an argument is out of its range.
    """

    def __init__(
        self,
        a: Scene,
        b: Scene,
        n_a: int = 900,
        n_b: int = 900,
        n_held_out: int = 1000,
        n_anchors: int = 3,
        spread: str = "random",
        seed: int = 0,
        relation: str = "same",
    ) -> None:
        check_counts(
            ("n_a", n_a, 1), ("n_b", n_b, 1), ("n_held_out", n_held_out, 2), ("n_anchors", n_anchors, 0)
        )
        check_relation(relation, RELATIONS)

        if spread not in SPREADS:
            raise ValueError(f"'spread' should be one of {', '.join(SPREADS)}, got {spread!r}.")

        if len(a.low) != len(b.low):
            raise ValueError(
                f"'a' and 'b' should have states of as many coordinates, got {len(a.low)} and {len(b.low)}."
            )

        self.a, self.b, self.counts = a, b, (n_a, n_b)
        self.n_held_out, self.n_anchors = n_held_out, n_anchors
        self.spread, self.seed, self.relation = spread, seed, relation

    def prepare(self, _progress: Progress | None = None) -> Views:
        r"""The samples of both sides."""
        anchors, held_out = (
            self._shares(self.n_anchors, 2, "even"),
            self._shares(self.n_held_out, 3, "random"),
        )
        own = [torch.cat([self._shares(n, k, self.spread), anchors]) for k, n in enumerate(self.counts)]
        states = [_within(scene, shares) for scene, shares in zip((self.a, self.b), own, strict=True)]
        fresh = [_within(scene, held_out) for scene in (self.a, self.b)]
        rows = torch.arange(self.n_anchors)
        none = states[0][:0]
        views = Views(
            _view(self.a, states[0], 1.0),
            _view(self.b, states[1], RELATIONS[self.relation]),
            torch.stack([n + rows for n in self.counts], dim=1),
            self.a.sees(fresh[0]),
            self.b.sees(fresh[1]),
            Hidden(none, none, states[0], states[1], fresh[0]),
            ((none, none), (none, none)),
        )

        return views.shuffled(self.seed)

    def _shares(self, n: int, stream: int, spread: str) -> Tensor:
        r"""Points of the unit cube, `(n, m)`."""
        seed, m = 4 * self.seed + stream, len(self.a.low)

        if spread == "even":
            return torch.quasirandom.SobolEngine(m, scramble=True, seed=seed).draw(n, dtype=torch.float64)

        return torch.rand(n, m, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def _within(scene: Scene, shares: Tensor) -> Tensor:
    low, high = torch.tensor([scene.low, scene.high], dtype=torch.float64)

    return low + (high - low) * shares


def _view(scene: Scene, states: Tensor, length: float) -> FunctionView:
    r"""What one side gets; `length` is that of the first hidden direction in its metric."""
    shown = scene.sees(states)
    unit = torch.tensor([1 / length] + [1.0] * (states.shape[1] - 1), dtype=states.dtype)

    return FunctionView(shown[:0], shown[:0], shown, moved(scene.sees, states) * unit)


def moved(sees: Callable[[Tensor], Tensor], states: Tensor) -> Tensor:
    r"""How what is shown moves with each coordinate of the states `(n, m)`, `(n, ..., m)`: one pass each."""
    units = torch.eye(states.shape[1], dtype=states.dtype).expand(len(states), -1, -1)

    shape = sees(states[:1]).shape[1:]

    return derivatives_along(lambda x: sees(x).flatten(1), states, units).unflatten(1, shape)
