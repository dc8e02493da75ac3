r"""Many networks: which are equivalent, and which determine which."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from equiv.checks import check_number
from equiv.comparison import Comparison
from equiv.observe.compared import shared_groups
from equiv.observe.observations import Observations
from equiv.observe.sides import Probing, observe_pairs
from equiv.paired.compare import compare_paired
from equiv.verdict import Verdict

__all__ = ["Classes", "equivalence_classes"]


@dataclass(frozen=True, eq=False)
class Classes:
    r"""Equivalence classes of networks and the partial order between them.

    Attributes:
        labels: Class of each network, shape `(N,)`, int64, numbered by first appearance.
        determines: Whether network i determines network j, shape `(N, N)`, bool: reflexive, and transitive
            through the members of a class.
        comparisons: The comparisons made, by pairs (i, j) of network indices, i the first member of its class.
        undecided: Pairs (i, j) of classes between which some comparison was inconclusive.
    """

    labels: Tensor
    determines: Tensor
    comparisons: dict[tuple[int, int], Comparison]
    undecided: list[tuple[int, int]]


def equivalence_classes(
    networks: Sequence[nn.Module | Observations],
    inputs: Any = None,
    *,
    layers: Sequence[str] | Sequence[Sequence[str]] | None = None,
    groups: Any = None,
    tolerance: float = 0.05,
    seed: int = 0,
) -> Classes:
    r"""Sorts networks into classes by comparing each with one representative of every class found so far.

    Being equivalent is transitive, so the map between two members of a class is the composition of their
    maps to and from the representative, which serves as the class's common chart: N networks in K classes
    cost at most N K comparisons, N - 1 if all are equivalent.

    Arguments:
        networks: Modules, or observations whose i-th samples show the same input.
        inputs: Inputs of the modules; None with observations alone.
        layers: Layers to observe, names for all networks or one list of names for each; None: the output.
        groups: As in `equiv.compare`.
        tolerance: As in `equiv.compare`.
        seed: As in `equiv.compare`.

    Returns:
        The classes.

    Raises:
        TypeError: If a network is neither a module nor observations.
        ValueError: If there are no networks, inputs are missing, or numbers of samples or groups disagree.

    Example:
        >>> a = nn.Sequential(nn.Linear(2, 8), nn.Tanh())
        >>> classes = equivalence_classes([a, nn.Linear(2, 1), nn.Sequential(a, nn.Linear(8, 8))], torch.rand(200, 2))
        >>> classes.labels
        tensor([0, 1, 0])
        >>> classes.determines[0, 1], classes.determines[1, 0]
        (tensor(True), tensor(False))
    """
    if len(networks) == 0:
        raise ValueError("'networks' should hold at least one network, got none; pass a list of modules.")

    check_number(tolerance, "tolerance", 0.0, 1.0, "it is a share of the target's spread, such as 0.05")
    observed, local = observe_pairs(
        [_probing(network, inputs, _layers(layers, i, len(networks))) for i, network in enumerate(networks)]
    )
    sizes = sorted({len(obs) for obs in observed})

    if len(sizes) > 1:
        raise ValueError(
            f"'networks' should be observed at the same inputs, got numbers of samples {sizes}; probe all "
            "at the same inputs."
        )

    groups = shared_groups(groups, observed)
    labels: list[int] = []
    representatives: list[int] = []
    comparisons: dict[tuple[int, int], Comparison] = {}
    order = torch.zeros(len(networks), len(networks), dtype=torch.bool)  # between classes
    undecided: list[tuple[int, int]] = []

    for i, obs in enumerate(observed):
        found: dict[int, Comparison] = {}

        for label, representative in enumerate(representatives):
            result = compare_paired(
                observed[representative],
                obs,
                tolerance=tolerance,
                seed=seed,
                local=None if local is None else (local[representative], local[i]),
                groups=groups,
            )
            comparisons[representative, i] = found[label] = result

            if result.verdict is Verdict.EQUIVALENT:
                labels.append(label)
                break
        else:
            new = len(representatives)
            representatives.append(i)
            labels.append(new)
            order[new, new] = True

            for label, result in found.items():
                order[label, new] = result.verdict is Verdict.A_DETERMINES_B
                order[new, label] = result.verdict is Verdict.B_DETERMINES_A

                if result.verdict is Verdict.INCONCLUSIVE:
                    undecided.append((label, new))

    index = torch.tensor(labels)

    return Classes(index, order[index[:, None], index[None, :]], comparisons, undecided)


def _layers(layers: Any, i: int, count: int) -> Sequence[str] | None:
    if layers is None or all(isinstance(name, str) for name in layers):
        return layers

    if len(layers) != count:
        raise ValueError(
            f"'layers' should be names for all networks or one list for each of the {count}, got "
            f"{len(layers)} lists; give as many lists as networks."
        )

    return layers[i]


def _probing(network: Any, inputs: Any, layers: Sequence[str] | None) -> Probing:
    if isinstance(network, Observations):
        return Probing(network)

    if not isinstance(network, nn.Module):
        raise TypeError(
            f"'networks' should hold torch.nn.Modules or equiv.Observations, got {type(network).__name__}; wrap "
            "recorded arrays in equiv.Observations."
        )

    if inputs is None:
        raise ValueError("'inputs' should be given with modules, got None; pass the inputs of all networks.")

    return Probing(network, inputs, layers)
