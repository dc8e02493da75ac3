r"""Two networks that learn functions of the same few hidden variables, each from states of its own."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from lightning_modules.data.batches import Samples
from lightning_modules.data.checks import check_counts, check_relation
from lightning_modules.data.observed import Observable, itself, tangents
from lightning_modules.data.pool import Progress
from lightning_modules.data.views import Hidden, Views

__all__ = ["FunctionView", "FunctionViews", "Subject"]

#: Length of the first direction of B's input space, as B's frames measure it, over that of A's.
RELATIONS = {"same": 1.0, "stretched": 1.5}

#: Samples of a rehearsal: every class of a classifier is among them.
FEW = 64


@dataclass(frozen=True)
class Subject:
    r"""What one network is taught.

    Attributes:
        learns: The hidden states `(n, m)` to the targets `(n, d)`, or to labels `(n,)`.
        sees: The hidden states to the network's inputs `(n, d_in)`, one to one.
        n_train: States to train on, and to probe with.
    """

    learns: Observable
    sees: Observable = itself
    n_train: int = 1024

    def samples(self, states: Tensor) -> Samples:
        r"""The network's inputs and targets at hidden states."""
        return self.sees(states), self.learns(states)


@dataclass(frozen=True)
class FunctionView:
    r"""One network's samples.

    Attributes:
        train: Inputs to train on, shape `(n, d_in)`.
        target: What is to be learned there, shape `(n, d)`, or labels `(n,)`.
        probe: Inputs to probe with, those of `train` and the anchors', in an order of their own, `(p, d_in)`.
        tangents: How they move along an orthonormal frame of the hidden states, shape `(p, d_in, m)`.
    """

    train: Tensor
    target: Tensor
    probe: Tensor
    tangents: Tensor

    @property
    def samples(self) -> Samples:
        r"""Inputs and targets."""
        return self.train, self.target

    @property
    def frames(self) -> dict[str, Any]:
        r"""How `equiv.probe` is to span the input space at `probe`."""
        return {"frames": self.tangents}

    def reordered(self, order: Tensor) -> "FunctionView":
        r"""The same with the probe inputs in another order."""
        return replace(self, probe=self.probe[order], tangents=self.tangents[order])


class FunctionViews:
    r"""Functions of hidden states in a box, of which each network gets samples of its own.

    Each side has a scrambled Sobol sequence of its own; the anchors are further states, shown to both, and
    belong to the probe sets; the held-out states are drawn uniformly and serve evaluation alone, and as many others
    the validation of the losses. A frame of
    the hidden states is given through its tangent vectors, the limit of ever smaller bursts: they say how a
    network's inputs move when the hidden state does, and not where it is.

    Arguments:
        a: What A sees and learns.
        b: What B sees and learns.
        low: Lower corner of the box of hidden states, m numbers.
        high: Its upper corner.
        n_held_out: Fresh states for evaluation, and as many others for validation.
        n_anchors: States that both sides have in their probe sets.
        seed: Of all samples.
        relation: "same": both networks' frames measure the hidden states alike. "stretched": to B the first
            direction is half as long again, another input space, which must not come out equivalent.

    Raises:
        ValueError: If an argument is out of its range.
    """

    def __init__(
        self,
        a: Subject,
        b: Subject,
        low: Sequence[float],
        high: Sequence[float],
        n_held_out: int = 1000,
        n_anchors: int = 3,
        seed: int = 0,
        relation: str = "same",
    ) -> None:
        check_counts(
            ("a.n_train", a.n_train, 1),
            ("b.n_train", b.n_train, 1),
            ("n_held_out", n_held_out, 1),
            ("n_anchors", n_anchors, 0),
        )
        check_relation(relation, RELATIONS)

        if len(low) != len(high) or not low or not all(x < y for x, y in zip(low, high, strict=True)):
            raise ValueError(
                f"'low' and 'high' should be corners of a box, as [-1, -1] and [1, 1], got {list(low)} and "
                f"{list(high)}."
            )

        self.a, self.b, self.seed, self.relation = a, b, seed, relation
        self.low, self.high = torch.tensor([*low]).float(), torch.tensor([*high]).float()
        self.n_held_out, self.n_anchors = n_held_out, n_anchors

    @property
    def smallest(self) -> int:
        r"""Training inputs of the side that has fewer."""
        return min(self.a.n_train, self.b.n_train)

    def few(self) -> Views:
        r"""The samples of both sides for a rehearsal: few, but for the anchors."""
        a, b = (replace(each, n_train=min(each.n_train, FEW)) for each in (self.a, self.b))
        low, high = self.low.tolist(), self.high.tolist()

        return FunctionViews(a, b, low, high, FEW, self.n_anchors, self.seed, self.relation).prepare()

    def prepare(self, _progress: Progress | None = None) -> Views:
        r"""The samples of both sides."""
        train_a, train_b = self._states(self.a.n_train, 0), self._states(self.b.n_train, 1)
        anchors = self._states(self.n_anchors, 2)
        held_out, validation = self._uniform(self.n_held_out)
        a = _view(self.a, train_a, anchors, 1.0)
        b = _view(self.b, train_b, anchors, RELATIONS[self.relation])
        rows = torch.arange(self.n_anchors)
        views = Views(
            a,
            b,
            torch.stack([self.a.n_train + rows, self.b.n_train + rows], dim=1),
            self.a.sees(held_out),
            self.b.sees(held_out),
            Hidden(train_a, train_b, torch.cat([train_a, anchors]), torch.cat([train_b, anchors]), held_out),
            (self.a.samples(validation), self.b.samples(validation)),
            lambda states: (self.a.sees(states), self.b.sees(states)),
            lambda states: (self.a.learns(states), self.b.learns(states)),
        )

        return views.shuffled(self.seed)

    def _states(self, n: int, stream: int) -> Tensor:
        engine = torch.quasirandom.SobolEngine(len(self.low), scramble=True, seed=4 * self.seed + stream)
        drawn = engine.draw(n) if n else self.low.new_empty(0, len(self.low))  # which it could not draw

        return self.low + (self.high - self.low) * drawn

    def _uniform(self, n: int) -> tuple[Tensor, Tensor]:
        r"""Twice n states: for the evaluation, and to validate the losses on during training."""
        generator = torch.Generator().manual_seed(4 * self.seed + 3)
        evaluation, validation = (torch.rand(n, len(self.low), generator=generator) for _ in range(2))

        side = self.high - self.low

        return self.low + side * evaluation, self.low + side * validation


def _view(subject: Subject, train: Tensor, anchors: Tensor, length: float) -> FunctionView:
    r"""What one side gets; `length` is that of the first hidden direction in its metric."""
    probe = torch.cat([train, anchors])
    moved = tangents(subject.sees, probe)
    unit = torch.tensor([1 / length] + [1.0] * (probe.shape[1] - 1))

    return FunctionView(*subject.samples(train), subject.sees(probe), moved * unit)
