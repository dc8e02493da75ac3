r"""Two networks observed on their own inputs, and handed to `equiv` with nothing that could tell the pairing."""

from collections.abc import Sequence
from typing import Any, Protocol

import torch
from torch import Tensor, nn

import equiv
from equiv.checks import check_number
from equiv.layers.record import recorded
from equiv.observe.processes import gathered, part
from equiv.probing.compared import check_method
from lightning_modules.match import Match
from lightning_modules.probed import Probed

__all__ = ["Matcher", "Observed", "rotated"]

#: What is observed of one network: how, with the neurons chosen, and what.
Observed = tuple[Probed, equiv.Observations]


class Side(Protocol):
    r"""What one network is probed with."""

    @property
    def probe(self) -> Tensor: ...

    @property
    def frames(self) -> dict[str, Any]: ...


class Sides(Protocol):
    r"""Two such sides, each in its own order, and the rows of either that show the same hidden state."""

    @property
    def a(self) -> Side: ...

    @property
    def b(self) -> Side: ...

    @property
    def anchors(self) -> Tensor: ...

    @property
    def held_out_a(self) -> Tensor: ...

    @property
    def held_out_b(self) -> Tensor: ...


class Matcher:
    r"""Probes a few neurons of both networks, and lets `equiv` compare them.

    The two sides come shuffled, each by itself, and every frame is rotated at random before it is handed
    over: neither the order nor the orientation can tell which samples belong together. No parameter, no mode
    and no random state is changed.

    Arguments:
        sides: The probe inputs with what gives their frames, and the anchors.
        probed_a: What to observe of A.
        probed_b: What to observe of B.
        anchors: How many of the anchors to use, at most as many as `sides` has; 0 for none.
        sample: How many inputs of each side make a sample, the anchors always among them; None for all.
        seed: Of the frames' rotations and of the comparison.
        **settings: As of `equiv.compare`.

    Raises:
        ValueError: If there are fewer anchors than asked for, or too small a sample.
    """

    def __init__(
        self,
        sides: Sides,
        probed_a: Probed,
        probed_b: Probed,
        anchors: int = 3,
        sample: int | None = None,
        seed: int = 0,
        **settings: Any,
    ) -> None:
        known = len(sides.anchors)

        if not 0 <= anchors <= known:
            raise ValueError(
                f"'anchors' should lie between 0 and the {known} of the data set, got {anchors}."
            )

        if sample is not None and sample < known + 3:
            raise ValueError(
                f"'sample' should be null or at least {known + 3}, the anchors and more, got {sample}."
            )

        check_method(settings.get("method", "auto"))

        for name, fix in (("tolerance", "take 0.05"), ("confidence", "take 0.95")):
            if name in settings:
                check_number(settings[name], name, 0.0, 1.0, fix)

        self.sides, self.probed_a, self.probed_b = sides, probed_a, probed_b
        self.anchors, self.sample, self.seed, self.settings = anchors, sample, seed, settings

    def rehearse(self, pair: nn.Module) -> None:
        r"""Observes both networks once, at all inputs and with no frames, and forgets it.

        Raises:
            ValueError: If a module, layer or neuron that is to be probed is not there.
        """
        for probed, side in ((self.probed_a, self.sides.a), (self.probed_b, self.sides.b)):
            probed.checked(pair)(pair, side.probe)

    def observed(self, pair: nn.Module, whole: bool) -> list[Observed]:
        r"""What is observed of both networks, on all inputs or on a sample; each process probes its part."""
        rows_a, rows_b = (self._rows(side, whole) for side in (0, 1))
        mine = self._observed(
            pair, self.probed_a, self.probed_b, rows_a[part(len(rows_a))], rows_b[part(len(rows_b))]
        )

        return [(probed, gathered(observations)) for probed, observations in mine]

    def match(self, pair: nn.Module, observed: Sequence[Observed], whole: bool) -> Match:
        r"""Compares what was observed so."""
        anchors = self.sides.anchors

        if not whole and self.sample is not None:  # they come first
            anchors = torch.arange(len(anchors))[:, None].expand(-1, 2)

        return self._match(pair, observed, anchors[: self.anchors])

    def kept(self, match: Match) -> dict[str, Any]:
        r"""A comparison as a checkpoint holds it."""
        return match.kept()

    def restored(self, kept: dict[str, Any]) -> Match:
        r"""A comparison that a checkpoint held."""
        return Match.from_kept(kept)

    def compared(
        self, pair: nn.Module, probed_a: Probed, probed_b: Probed, anchors: int | None = None
    ) -> Match:
        r"""What comes of observing these activations of the two networks as they are, in this process alone.

        Arguments:
            pair: The module that holds both networks.
            probed_a: What to observe of A.
            probed_b: What to observe of B.
            anchors: How many anchors to use; None: as many as ever.
        """
        observed = self._observed(pair, probed_a, probed_b, self._rows(0, True), self._rows(1, True))

        return self._match(pair, observed, self.sides.anchors[: self.anchors if anchors is None else anchors])

    def match_layers(self, pair: nn.Module) -> equiv.LayerMatrix:
        r"""Every layer of the module that is probed of A against every one of B's, both as they are.

        Layers are compared where both networks see the same hidden states, the held-out ones: an evaluation, which
        tells the comparison nothing.
        """
        inputs = self.sides.held_out_a, self.sides.held_out_b
        probed = self.probed_a.module, self.probed_b.module
        a, b = (
            recorded(pair.get_submodule(module), seen, None, None, side).values
            for module, seen, side in zip(probed, inputs, "ab", strict=True)
        )
        asked = {name: self.settings[name] for name in ("tolerance", "confidence") if name in self.settings}

        return equiv.compare_layers(a, b, inputs[0], seed=self.seed, **asked)

    def _rows(self, side: int, whole: bool) -> Tensor:
        r"""The rows of A's (0) or B's (1) inputs to probe: all, or the anchors and the first ones besides."""
        rows = torch.arange(len((self.sides.a, self.sides.b)[side].probe))

        if whole or self.sample is None:
            return rows

        anchors = self.sides.anchors[:, side]

        return torch.cat([anchors, rows[~torch.isin(rows, anchors)]])[: self.sample]

    def _observed(
        self, pair: nn.Module, probed_a: Probed, probed_b: Probed, rows_a: Tensor, rows_b: Tensor
    ) -> list[Observed]:
        r"""What is observed of A and of B at these rows of their inputs, with the neurons chosen."""
        observed = []

        for probed, side, rows in ((probed_a, self.sides.a, rows_a), (probed_b, self.sides.b, rows_b)):
            chosen = probed.chosen(pair, side.probe, side.frames)
            frames = {name: x[rows] if isinstance(x, Tensor) else x for name, x in side.frames.items()}
            observed.append((chosen, chosen(pair, side.probe[rows], **frames)))

        return observed

    def _match(self, pair: nn.Module, observed: Sequence[Observed], anchors: Tensor) -> Match:
        (probed_a, a), (probed_b, b) = observed
        observations = rotated(a, 2 * self.seed), rotated(b, 2 * self.seed + 1)
        result = equiv.compare(
            *observations,
            paired=False,
            anchors=anchors if len(anchors) else None,
            seed=self.seed,
            **self.settings,
        )
        weights = {name: tensor.detach().clone() for name, tensor in pair.state_dict().items()}

        return Match(result, observations, probed_a, probed_b, weights)


def rotated(observations: equiv.Observations, seed: int) -> equiv.Observations:
    r"""The same observations with every frame turned by a random orthogonal matrix of its own.

    The Q of a Gaussian matrix with the signs of R's diagonal is uniformly distributed (Mezzadri 2007).
    """
    frames = observations.frames

    if frames is None:
        return observations

    n, _, m = frames.shape
    normal = torch.randn(n, m, m, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    q, r = torch.linalg.qr(normal)
    turns = (q * r.diagonal(dim1=1, dim2=2).sign()[:, None]).to(frames)

    return equiv.Observations(observations.values, frames @ turns, burst_size=observations.burst_size)
