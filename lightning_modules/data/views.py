"""What two networks see of the same hidden states, and what only the evaluation may know."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Protocol, Self

import torch
from torch import Tensor

from lightning_modules.data.batches import PairData, Samples

__all__ = ["Hidden", "Side", "View", "Views"]


class Side(Protocol):
    """What one network sees: inputs with what is to be learned there, and probe inputs with frames."""

    @property
    def samples(self) -> Samples: ...

    @property
    def probe(self) -> Tensor: ...

    @property
    def frames(self) -> dict[str, Any]: ...

    def reordered(self, order: Tensor) -> Self: ...


@dataclass(frozen=True)
class View:
    """The pictures of one camera: RGB in [0, 1].

    Attributes:
        train: Pictures to train on, shape `(n, 3, size, size)`, float32.
        probe: Pictures to probe with, shape `(p, 3, size, size)`, float32: those of `train` and the
            anchors', in an order of their own.
        burst_pictures: Pictures at small changes of each probe picture's hidden angle, shape
            `(p, b, 3, size, size)`, float16.
        burst_std: Standard deviation of these changes along the unit direction, in radians of the
            hidden angle, by `1 / (b - 1)` as in the sample covariance: `sqrt(2) h` for steps of `-h` and `h`.
    """

    train: Tensor
    probe: Tensor
    burst_pictures: Tensor
    burst_std: float

    @property
    def samples(self) -> Samples:
        """Inputs and what is to be learned there: the same pictures."""
        return self.train, self.train

    @property
    def frames(self) -> dict[str, Any]:
        """How `equiv.probe` is to span the input space at `probe`: by bursts along one direction."""
        return {"frames": self.bursts, "burst_std": self.burst_std, "dimension": 1}

    def bursts(self, inputs: Tensor) -> Tensor:
        """The bursts of `inputs` (n, 3, size, size), pictures out of `probe`, as `(n, b, 3, size, size)`.

        This is the callable that `equiv.probe` takes as `frames`.

        Raises:
            ValueError: If a picture is not one of `probe`.
        """
        rows = {picture.numpy().tobytes(): row for row, picture in enumerate(self.probe)}
        try:
            index = [rows[picture.numpy().tobytes()] for picture in inputs.detach().cpu().float()]
        except KeyError:
            raise ValueError(
                "'inputs' should be pictures out of 'probe', got one that is not; only those have bursts."
            ) from None
        return self.burst_pictures[index].to(inputs)

    def reordered(self, order: Tensor) -> "View":
        """The same with the probe pictures in another order."""
        return replace(self, probe=self.probe[order], burst_pictures=self.burst_pictures[order])

    @classmethod
    def blank(cls, n: int, size: int, burst_size: int) -> "View":
        r"""Of n black pictures, without anybody rendering them."""
        pictures = torch.zeros(n, 3, size, size)

        return cls(pictures, pictures, torch.zeros(n, burst_size, 3, size, size, dtype=torch.float16), 1.0)


@dataclass(frozen=True)
class Hidden:
    """The hidden states behind the inputs: for evaluation only, never for training or matching.

    Angles `(n,)` in radians, or vectors `(n, m)`.
    """

    train_a: Tensor
    train_b: Tensor
    probe_a: Tensor
    probe_b: Tensor
    held_out: Tensor


@dataclass(frozen=True)
class Views:
    """Two networks' views of the same hidden states, with no pairs but the anchors.

    Attributes:
        a, b: What each network sees, at states of its own.
        anchors: Rows of `a.probe` and of `b.probe` that show exactly the same hidden state, `(k, 2)`.
        held_out_a, held_out_b: Inputs at the same fresh states, shape `(q, ...)`, for evaluation only.
        hidden: For evaluation only.
        validation: A's and B's inputs with targets at other states than those of training, on which the losses
            are validated during training; they may be the held-out ones.
        inputs_at: A's and B's inputs at hidden states of one's choice, where they can be chosen, for
            evaluation only; None where not.
        targets_at: What A and B should answer there, likewise.
    """

    a: Side
    b: Side
    anchors: Tensor
    held_out_a: Tensor
    held_out_b: Tensor
    hidden: Hidden
    validation: tuple[Samples, Samples]
    inputs_at: Callable[[Tensor], tuple[Tensor, Tensor]] | None = None
    targets_at: Callable[[Tensor], tuple[Tensor, Tensor]] | None = None

    def data_module(self, batch_size: int, seed: int = 0) -> PairData:
        """What Lightning trains and validates on, in batches of `batch_size`, in orders that `seed` determines."""
        return PairData(self, batch_size, seed)

    @classmethod
    def of_pictures(cls, a: View, b: View, n_anchors: int, angles: int) -> "Views":
        r"""Of pictures whose hidden angles, so many at each, are all zero: to try things on."""
        rows = torch.arange(n_anchors)[:, None].expand(-1, 2)
        hidden = torch.zeros(len(a.train), angles).squeeze(1)
        validation = a.samples, b.samples

        return cls(a, b, rows, a.train, b.train, Hidden(*[hidden] * 5), validation)

    def shuffled(self, seed: int) -> "Views":
        """The same with each side's probe set in a random order of its own: order would leak the pairing."""
        generator = torch.Generator().manual_seed(seed)
        order_a = torch.randperm(len(self.a.probe), generator=generator)
        order_b = torch.randperm(len(self.b.probe), generator=generator)
        anchors = torch.stack(
            [order_a.argsort()[self.anchors[:, 0]], order_b.argsort()[self.anchors[:, 1]]], dim=1
        )
        hidden = replace(
            self.hidden, probe_a=self.hidden.probe_a[order_a], probe_b=self.hidden.probe_b[order_b]
        )
        return replace(
            self, a=self.a.reordered(order_a), b=self.b.reordered(order_b), anchors=anchors, hidden=hidden
        )
