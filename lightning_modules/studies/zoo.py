r"""Networks of many architectures and tasks, sorted into classes of which the truth is known by their tasks."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

import equiv
from equiv.figures.classes import class_graph
from lightning_modules.evaluations.finding import Finding
from lightning_modules.figures.zoo import zoo_figure
from lightning_modules.networks import MLP
from lightning_modules.studies.study import Show, Studied

__all__ = ["Member", "Zoo", "members", "true_order"]

CAPTIONS = {
    "zoo": "Errors of every pair that was compared, networks ordered by the classes that were found; linear CKA beside",
    "classes": "Which class determines which: f field, s slope, s² its square, a across, r radius, x shuffled",
}
#: Short names for the graph of the classes.
SHORT = {"field": "f", "slope": "s", "slope squared": "s²", "across": "a", "radius": "r", "shuffled": "x"}


class Residual(nn.Module):
    r"""A network with a shortcut around each of its blocks, of any width."""

    def __init__(self, outputs: int, width: int, blocks: int) -> None:
        super().__init__()
        self.read_in, self.read_out = nn.Linear(2, width), nn.Linear(width, outputs)
        self.blocks = nn.ModuleList(
            nn.Sequential(nn.Linear(width, width), nn.SiLU(), nn.Linear(width, width)) for _ in range(blocks)
        )

    def forward(self, inputs: Tensor) -> Tensor:
        state = self.read_in(inputs)

        for block in self.blocks:
            state = state + block(state)

        return self.read_out(state)


class Waves(nn.Module):
    r"""Sines of linear functions of the inputs, as in random Fourier features, but learned, then one hidden layer."""

    def __init__(self, outputs: int, width: int) -> None:
        super().__init__()
        self.waves, self.behind = nn.Linear(2, width), MLP(width, outputs, [width])

    def forward(self, inputs: Tensor) -> Tensor:
        return self.behind(self.waves(inputs).sin())


#: From a number of outputs to a new network of two inputs, each of another kind or size.
ARCHITECTURES: tuple[Callable[[int], nn.Module], ...] = (
    lambda outputs: MLP(2, outputs, [32, 32]),
    lambda outputs: MLP(2, outputs, [64, 48], nn.GELU),
    lambda outputs: Residual(outputs, 32, 2),
    lambda outputs: MLP(2, outputs, [16, 24, 16], nn.SiLU),
    lambda outputs: Waves(outputs, 32),
    lambda outputs: MLP(2, outputs, [24, 24, 24]),
)


def _field(x: Tensor) -> Tensor:
    r""":math:`x + 0.3 \sin 2 x_{21}`, of positive definite symmetric derivative: one to one on the square."""
    return x + 0.3 * (2 * x.flip(1)).sin()


def _slope(x: Tensor) -> Tensor:
    r"""A function without critical points."""
    return x[:, :1] + 0.6 * (1.5 * x[:, 1:]).sin()


def _across(x: Tensor) -> Tensor:
    r"""Another one, of other level lines."""
    return x[:, 1:] - 0.6 * (1.5 * x[:, :1]).sin()


def _radius(x: Tensor) -> Tensor:
    r"""A squared radius, about a point off the centre."""
    return (x - 0.2).square().sum(dim=1, keepdim=True)


#: For each class a function of the inputs, and functions of that which can be undone where it takes its values.
CLASSES: dict[str, tuple[Callable[[Tensor], Tensor], tuple[Callable[[Tensor], Tensor], ...]]] = {
    "field": (
        _field,
        (
            lambda f: f,
            lambda f: f @ torch.tensor([[0.8, 0.6], [-1.2, 1.6]]),
            lambda f: f + 0.3 * f**3,
            lambda f: torch.cat([f, f[:, :1] * f[:, 1:]], dim=1),
            lambda f: (0.7 * f).exp(),
            lambda f: torch.cat([f[:, :1], f[:, 1:] + f[:, :1] ** 2], dim=1),
        ),
    ),
    "slope": (
        _slope,
        (
            lambda s: s,
            lambda s: (0.8 * s).exp(),
            lambda s: s + 0.5 * s**3,
            lambda s: torch.cat([s, s**2], dim=1),
            lambda s: -s.tanh(),
        ),
    ),
    # The slope's sign is lost: the slope determines these, and they do not determine it.
    "slope squared": (
        lambda x: _slope(x) ** 2,
        (lambda q: q, lambda q: (1 + 2 * q).log(), lambda q: -(-q).exp(), lambda q: q + 0.5 * q**2),
    ),
    "across": (_across, (lambda t: t, lambda t: (0.8 * t).exp(), lambda t: t.tanh())),
    "radius": (
        _radius,
        (lambda r: r, lambda r: (1 + 2 * r).log(), lambda r: (-r).exp(), lambda r: r + 0.3 * r**2),
    ),
}
#: So many networks learn answers that are shuffled among the inputs: each is a class of its own.
SHUFFLED = 3


class Member(NamedTuple):
    r"""A network of the zoo: its class by its task, what it should answer, and how it is made."""

    true_class: str
    task: Callable[[Tensor], Tensor]
    outputs: int
    make: Callable[[int], nn.Module]


def members() -> dict[str, Member]:
    r"""All networks of the zoo, architectures in turn."""
    found: dict[str, Member] = {}
    some = torch.zeros(1, 2)

    for name, (function, changes) in CLASSES.items():
        for number, change in enumerate(changes):
            task = _composed(function, change)
            make = ARCHITECTURES[len(found) % len(ARCHITECTURES)]
            found[f"{name} {number + 1}"] = Member(name, task, task(some).shape[1], make)

    for number in range(SHUFFLED):
        name = f"shuffled {number + 1}"
        found[name] = Member(name, _slope, 1, ARCHITECTURES[number])

    return found


def _composed(
    function: Callable[[Tensor], Tensor], change: Callable[[Tensor], Tensor]
) -> Callable[[Tensor], Tensor]:
    return lambda x: change(function(x))


def true_order(first: str, second: str) -> bool:
    r"""Whether a network of the first class determines one of the second: the field is the inputs over again."""
    return first in (second, "field") or (first, second) == ("slope", "slope squared")


class Zoo:
    r"""Sorts the zoo by `equiv.equivalence_classes`, and holds the classes against those of the tasks.

    Arguments:
        n_train: Inputs to train at, evenly distributed on the square [-1, 1]^2.
        n_compared: Fresh inputs that all networks are compared at.
        tolerance: As in `equiv.compare`.
        seed: Of weights, inputs and the shuffled answers.
    """

    def __init__(
        self, n_train: int = 4096, n_compared: int = 240, tolerance: float = 0.05, seed: int = 0
    ) -> None:
        self.n_train, self.n_compared, self.tolerance, self.seed = n_train, n_compared, tolerance, seed
        self.members = members()

    def networks(self) -> dict[str, nn.Module]:
        r"""New networks by name."""
        torch.manual_seed(self.seed)

        return {name: member.make(member.outputs) for name, member in self.members.items()}

    def samples(self) -> tuple[Tensor, dict[str, Tensor]]:
        r"""Inputs, and each network's answers, over their spread."""
        generator = torch.Generator().manual_seed(self.seed)
        inputs = 2 * torch.rand(self.n_train, 2, generator=generator) - 1
        targets = {}

        for name, member in self.members.items():
            answers = member.task(inputs)
            answers = (answers - answers.mean(dim=0)) / answers.std(dim=0)
            order = torch.randperm(len(answers), generator=generator)
            targets[name] = answers[order] if name == member.true_class else answers

        return inputs, targets

    def __call__(self, networks: Mapping[str, nn.Module], show: Show) -> Studied:
        r"""Sorts the networks."""
        from sklearn.metrics import adjusted_rand_score

        generator = torch.Generator().manual_seed(self.seed + 1)
        inputs = 2 * torch.rand(self.n_compared, 2, generator=generator) - 1
        names = list(networks)
        true = [self.members[name].true_class for name in names]
        found = equiv.equivalence_classes(
            list(networks.values()), inputs, tolerance=self.tolerance, seed=self.seed, progress=show
        )
        similarity = self._similarity(networks, inputs)
        claims = [(i, j) for pair in found.comparisons for i, j in (pair, pair[::-1])]
        kept = [bool(found.determines[i, j]) == true_order(true[i], true[j]) for i, j in claims]
        errors = np.full((len(names), len(names)), np.nan)

        for (i, j), compared in found.comparisons.items():
            errors[i, j], errors[j, i] = compared.a_to_b.error.estimate, compared.b_to_a.error.estimate

        metrics = {
            "adjusted_rand_index": float(adjusted_rand_score(true, found.labels.tolist())),
            "classes_found": len(found.labels.unique()),
            "classes_true": len(set(true)),
            "networks": len(names),
            "comparisons": len(found.comparisons),
            "undecided": len(found.undecided),
            "determined_as_the_tasks_say": sum(kept) / len(kept),
            "adjusted_rand_index_cka": max(
                float(adjusted_rand_score(true, labels)) for labels in _clusterings(similarity)
            ),
        }
        figures = {
            "zoo": zoo_figure(errors, similarity, names, found.labels.tolist(), self.tolerance),
            "classes": class_graph(found.labels, found.determines, [_short(name) for name in names]),
        }

        return Studied(found.comparisons[0, 1], Finding(metrics, figures, CAPTIONS))

    @torch.no_grad()
    def _similarity(self, networks: Mapping[str, nn.Module], inputs: Tensor) -> np.ndarray:
        r"""Linear CKA of all pairs, `(N, N)`."""
        values = [network(inputs).double() for network in networks.values()]

        return np.array([[equiv.baselines.linear_cka(a, b) for b in values] for a in values])


def _short(name: str) -> str:
    task, number = name.rsplit(" ", 1)

    return SHORT[task] + number


def _clusterings(similarity: np.ndarray) -> Sequence[Sequence[int]]:
    r"""All partitions that average linkage makes of similarities, one for each number of clusters."""
    from scipy.cluster.hierarchy import fcluster, linkage
    from scipy.spatial.distance import squareform

    distance = 1 - (similarity + similarity.T) / 2
    np.fill_diagonal(distance, 0)
    tree = linkage(squareform(distance.clip(0), checks=False), "average")

    return [fcluster(tree, count, "maxclust").tolist() for count in range(1, len(similarity) + 1)]
