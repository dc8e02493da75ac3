r"""What the outputs of two networks tell by themselves."""

from dataclasses import dataclass

from torch import Tensor

import equiv
from lightning_modules.data.views import Views
from lightning_modules.evaluations.finding import Matched
from lightning_modules.pair import NetworkPair

__all__ = ["OutputsOnly"]


@dataclass(frozen=True)
class OutputsOnly:
    r"""Outputs alone, compared in the two ways there are.

    Attributes:
        paired: With every output of A at fresh states paired with B's: what any map at all could do.
        unpaired: By their geometry, as ever, which needs outputs that tell all inputs apart.
        outputs_a: A's outputs at the held-out states, `(q, d)`.
        outputs_b: B's.
    """

    paired: equiv.Comparison
    unpaired: equiv.Comparison
    outputs_a: Tensor
    outputs_b: Tensor

    @classmethod
    def of(cls, pair: NetworkPair, views: Views, matching: Matched) -> "OutputsOnly":
        r"""Compares the outputs of the pair as it is."""
        probed_a, probed_b = matching.last.probed_a.output, matching.last.probed_b.output
        a, b = probed_a(pair, views.held_out_a), probed_b(pair, views.held_out_b)
        paired = equiv.compare(a, b, paired=True, tolerance=matching.last.result.tolerance)

        return cls(paired, matching.matcher.compared(pair, probed_a, probed_b).result, a.values, b.values)

    @property
    def metrics(self) -> dict[str, str]:
        r"""The verdict on outputs alone, pairs given; and what their geometry says without."""
        return {
            "verdict_outputs_only": str(self.paired.verdict),
            "verdict_outputs_only_unpaired": str(self.unpaired.verdict),
        }
