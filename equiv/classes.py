r"""Many networks: which are equivalent, and which determine which."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import torch
from torch import Tensor, nn

from equiv.checks import check_integer, check_number, in_one_line
from equiv.comparison import Comparison
from equiv.observe.observations import Observations
from equiv.observe.progress import Progress, checked_progress, watched
from equiv.paired.compare import compare_paired
from equiv.paired.pairs import check_pairs
from equiv.probing.compared import shared_groups
from equiv.probing.inputs import gathered_inputs
from equiv.probing.networks import as_network
from equiv.probing.sides import Probing, observe_pairs
from equiv.verdict import Verdict

__all__ = ["Classes", "equivalence_classes"]


# Of two classes of which one determines the other so many members of each are compared.
# [networks; chosen: of small collections all pairs are compared, and of the others nothing is claimed]
MAX_COMPARED = 8

# One of two networks determines the other.
ONE_WAY = (Verdict.A_DETERMINES_B, Verdict.B_DETERMINES_A)


@dataclass(frozen=True, eq=False, repr=False)
class Classes:
    r"""Equivalence classes of networks and the partial order between them.

    Attributes:
        labels: Class of each network, shape `(N,)`, int64, numbered by first appearance. Members of a class were found
            equivalent pair by pair.
        determines: Whether network i was found to determine network j, shape `(N, N)`, bool, reflexive. It is not
            transitive, since errors add up, and False where the two were not compared.
        comparisons: The comparisons made, by pairs (i, j) of network indices, i < j.
        undecided: Pairs (i, j) of classes between which some comparison was inconclusive.
    """

    labels: Tensor
    determines: Tensor
    comparisons: dict[tuple[int, int], Comparison]
    undecided: list[tuple[int, int]]

    def __repr__(self) -> str:
        return f"Classes(labels={self.labels.tolist()}, {len(self.undecided)} pairs of classes undecided)"


@torch.inference_mode(False)
def equivalence_classes(
    networks: Sequence[nn.Module | Callable[..., Any] | Observations],
    inputs: Any = None,
    *,
    layers: Sequence[str] | Sequence[Sequence[str]] | None = None,
    groups: Any = None,
    tolerance: float = 0.05,
    seed: int = 0,
    progress: bool | Progress | None = None,
) -> Classes:
    r"""Sorts networks into classes by comparing each with the first member of every class found so far.

    Being equivalent up to a tolerance is not transitive: errors of maps that are composed add up, by as much as the
    second map stretches those of the first, which no number of samples bounds for a map that is not linear. So nothing
    is claimed that was not compared. A network joins a class if it is equivalent to all of its members; where the first
    member of one class determines that of another, the others are compared too, 8 of each.

    N networks in K classes cost at most N K comparisons between classes where none determines another, all pairs
    within them, and for each pair of classes of which one determines the other at most 64: no more than
    N (N - 1) / 2 altogether. Copies of each other, permuted or scaled or not, take the least time.

    Arguments:
        networks: Modules, callables from inputs to an array, or observations whose i-th samples show the same input.
        inputs: Inputs of the modules; None with observations alone.
        layers: Layers to observe, names for all networks or one list of names for each; None: the output.
        groups: As in `equiv.compare`.
        tolerance: As in `equiv.compare`.
        seed: As in `equiv.compare`.
        progress: As in `equiv.compare`; of all pairs, many of which need not be compared.

    Returns:
        The classes.

    Raises:
        TypeError: If a network is neither a module nor observations.
        ValueError: If there are no networks, inputs are missing, numbers of samples or groups disagree, or a pair
            would take more memory than it may.

    Example:
        >>> a = nn.Sequential(nn.Linear(2, 8), nn.Tanh())
        >>> classes = equivalence_classes([a, nn.Linear(2, 1), nn.Sequential(a, nn.Linear(8, 8))], torch.rand(200, 2))
        >>> classes.labels
        tensor([0, 1, 0])
        >>> classes.determines[0, 1], classes.determines[1, 0]
        (tensor(True), tensor(False))
    """
    if isinstance(networks, str) or not hasattr(networks, "__len__") or not hasattr(networks, "__iter__"):
        raise TypeError(
            f"'networks' should be a list of networks or observations, got {in_one_line(networks)}; put them into a "
            "list."
        )

    if len(networks) == 0:
        raise ValueError("'networks' should hold at least one network, got none; pass a list of modules.")

    show = checked_progress(progress)
    inputs = gathered_inputs(inputs)
    check_number(tolerance, "tolerance", 0.0, 1.0, "it is a share of the target's spread, such as 0.05")
    seed = check_integer(seed, "seed", 0)

    with watched(show, 1 + len(networks) * (len(networks) - 1) // 2) as seen:
        seen.stage("observing the networks")
        observed, local = observe_pairs(
            [
                _probing(network, inputs, _layers(layers, i, len(networks)))
                for i, network in enumerate(networks)
            ]
        )
        sizes = sorted({len(obs) for obs in observed})

        if len(sizes) > 1:
            raise ValueError(
                f"'networks' should be observed at the same inputs, got numbers of samples {sizes}; probe all "
                "at the same inputs."
            )

        # Each network is compared with one other at least; that more are, comparisons tell.
        check_pairs("'networks'", observed, max(len(observed) - 2, 0))
        groups = shared_groups(groups, observed)
        comparisons: dict[tuple[int, int], Comparison] = {}

        def verdict(i: int, j: int) -> Verdict:
            if (i, j) not in comparisons:
                seen.stage(f"networks {i} and {j}")
                check_pairs("'networks'", observed, kept=len(comparisons))
                comparisons[i, j] = compare_paired(
                    observed[i],
                    observed[j],
                    tolerance=tolerance,
                    seed=seed,
                    local=None if local is None else (local[i], local[j]),
                    groups=groups,
                )

            return comparisons[i, j].verdict

        classes: list[list[int]] = []

        for i in range(len(observed)):
            joined = next((members for members in classes if _belongs(i, members, verdict)), None)

            if joined is None:
                classes.append([i])
            else:
                joined.append(i)

        for c, members in enumerate(classes):
            for others in classes[c + 1 :]:
                if verdict(members[0], others[0]) in ONE_WAY:
                    # What holds for the first members need not hold for others that are near them.
                    for i, j in product(members[:MAX_COMPARED], others[:MAX_COMPARED]):
                        verdict(min(i, j), max(i, j))

        seen.finish(f"{len(classes)} classes from {len(comparisons)} comparisons")

        return _classes(classes, comparisons)


def _belongs(i: int, members: list[int], verdict: Callable[[int, int], Verdict]) -> bool:
    r"""Whether a network is equivalent to each member of a class."""
    return all(verdict(member, i) is Verdict.EQUIVALENT for member in members)


def _classes(classes: list[list[int]], comparisons: dict[tuple[int, int], Comparison]) -> Classes:
    r"""What the comparisons say, and nothing else."""
    labels = torch.zeros(sum(map(len, classes)), dtype=torch.int64)

    for label, members in enumerate(classes):
        labels[members] = label

    determines = torch.eye(len(labels), dtype=torch.bool)
    undecided = set()

    for (i, j), found in comparisons.items():
        determines[i, j] = found.verdict in (Verdict.EQUIVALENT, Verdict.A_DETERMINES_B)
        determines[j, i] = found.verdict in (Verdict.EQUIVALENT, Verdict.B_DETERMINES_A)

        if found.verdict is Verdict.INCONCLUSIVE:
            low, high = sorted((int(labels[i]), int(labels[j])))
            undecided.add((low, high))

    return Classes(labels, determines, comparisons, sorted(undecided))


def _layers(layers: Any, i: int, count: int) -> Sequence[str] | None:
    if layers is None or isinstance(layers, str) or not isinstance(layers, Sequence):
        return layers  # which the reader of layers refuses where it is no list

    if all(isinstance(name, str) for name in layers):
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

    as_network(network, inputs, "networks")

    if inputs is None:
        raise ValueError("'inputs' should be given with modules, got None; pass the inputs of all networks.")

    return Probing(network, inputs, layers)
