r"""One comparison during training, and how a checkpoint holds it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

from torch import Tensor

import equiv
from equiv.comparison import described, restored
from lightning_modules.probed import Probed

__all__ = ["Match"]


@dataclass(frozen=True)
class Match:
    r"""One comparison, and what it was made of.

    Attributes:
        result: The comparison.
        observations: What was compared, A's and B's.
        probed_a: What was observed of A, and is observed of fresh inputs in the same way.
        probed_b: The same for B.
        weights: Of both networks at that moment.
    """

    result: equiv.Comparison
    observations: tuple[equiv.Observations, equiv.Observations]
    probed_a: Probed
    probed_b: Probed
    weights: dict[str, Tensor]

    def kept(self) -> dict[str, Any]:
        r"""Plain numbers, words and tensors, as `torch.load(weights_only=True)` reads them."""
        description, tensors = described(self.result)

        return {
            "description": json.loads(json.dumps(description)),  # no kinds of text of our own
            "tensors": tensors,
            "observations": [
                {"values": each.values, "frames": each.frames, "burst_size": each.burst_size}
                for each in self.observations
            ],
            "probed": [_plain(asdict(each)) for each in (self.probed_a, self.probed_b)],
            "weights": self.weights,
        }

    @classmethod
    def from_kept(cls, kept: dict[str, Any]) -> Match:
        r"""The comparison that `kept` gave, bit for bit."""
        a, b = (equiv.Observations(**each) for each in kept["observations"])
        probed_a, probed_b = (Probed(**each) for each in kept["probed"])

        return cls(
            restored(kept["description"], kept["tensors"]), (a, b), probed_a, probed_b, kept["weights"]
        )


def _plain(value: Any) -> Any:
    r"""Settings without the types of Hydra, which no checkpoint may hold."""
    if isinstance(value, dict):
        return {key: _plain(entry) for key, entry in value.items()}

    return value if value is None or isinstance(value, int | str) else [_plain(entry) for entry in value]
