r"""The body of one network and the head of another, joined by a map that is learned at few common inputs."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

import equiv
from lightning_modules.evaluations.finding import Finding
from lightning_modules.figures.stitching import stitching_figure
from lightning_modules.networks import MLP
from lightning_modules.studies.study import Show, Studied

__all__ = ["METHODS", "Stitching"]

CAPTIONS = {
    "stitching": "Accuracy of one network's body with the other's head, by the number of common inputs"
}
#: What joins body and head; all but the last leave the head as it is.
METHODS = ("T", "identity", "orthogonal", "affine", "ridge", "relative representations")
#: Strengths of ridge regression, of which leave-one-out errors choose.
RIDGES = [10.0**power for power in range(-4, 5)]


class Stitching:
    r"""Two networks of the same shape, trained apart on digits, stitched both ways.

    A third of scikit-learn's digits train the networks, some are shown to both, the others judge. T is what
    `equiv.compare` learns at the shared ones, from values and frames. Beside it: the identity; the orthogonal map with
    one scale (Procrustes); affine least squares, the shortest where there are many; ridge regression, its strength by
    leave-one-out errors; and relative representations (Moschella et al. 2023, https://arxiv.org/abs/2209.15430), for
    which a new head learns the other network's labelled digits by their cosines to the shared ones.

    Arguments:
        anchors: Numbers of shared digits.
        draws: Choices of so many among all shared ones, over which accuracies are averaged, as over both ways.
        n_train: Digits that both networks are trained on.
        n_shared: Digits that may be shown to both, and neither was trained on.
        hidden: Widths of both networks' hidden layers, of which the last is where they are cut.
        seed: Of the split, the weights and the draws.
    """

    def __init__(
        self,
        anchors: Sequence[int] = (10, 20, 50, 100, 200),
        draws: int = 2,
        n_train: int = 597,
        n_shared: int = 400,
        hidden: Sequence[int] = (64, 64),
        seed: int = 0,
    ) -> None:
        from sklearn.datasets import load_digits

        self.anchors, self.draws, self.hidden, self.seed = list(anchors), draws, list(hidden), seed
        pictures, labels = load_digits(return_X_y=True)
        order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(seed))
        self.pictures, self.labels = (
            torch.from_numpy(pictures).float()[order] / 16,
            torch.from_numpy(labels)[order],
        )
        self.train = slice(0, n_train)
        self.shared = slice(n_train, n_train + n_shared)
        self.fresh = slice(n_train + n_shared, None)

        if not max(self.anchors) <= n_shared < len(labels) - n_train:
            raise ValueError(
                f"'n_shared' should be at least the {max(self.anchors)} anchors and leave some of "
                f"{len(labels) - n_train} digits, got {n_shared}; lower study.anchors or study.n_train."
            )

    def networks(self) -> dict[str, nn.Module]:
        r"""Two new networks, A and B."""
        torch.manual_seed(self.seed)

        return {name: MLP(self.pictures.shape[1], 10, self.hidden) for name in ("network_a", "network_b")}

    def samples(self) -> tuple[Tensor, dict[str, Tensor]]:
        r"""Pictures and their labels, the same for both."""
        labels = self.labels[self.train]

        return self.pictures[self.train], {"network_a": labels, "network_b": labels}

    def __call__(self, networks: Mapping[str, nn.Module], show: Show) -> Studied:
        r"""Stitches the networks both ways, with each number of shared digits."""
        a, b = networks["network_a"], networks["network_b"]
        cut = [f"hidden{len(self.hidden)}"]
        shared = self.pictures[self.shared]
        result = equiv.compare(
            a,
            b,
            shared,
            layers_a=cut,
            layers_b=cut,
            readout_a=self._head(a),
            readout_b=self._head(b),
            seed=self.seed,
        )
        whole = [
            self._accuracy(self._head(target), mapped(self._body(source, self.fresh)))
            for source, target, mapped in (
                (a, b, result.transformation),
                (b, a, result.transformation.inverse),
            )
        ]
        generator = torch.Generator().manual_seed(self.seed)
        found: dict[str, dict[int, list[tuple[float, float]]]] = {
            method: {count: [] for count in self.anchors} for method in METHODS
        }

        for draw in range(self.draws):
            order = torch.randperm(len(shared), generator=generator) + self.shared.start

            for step, count in enumerate(self.anchors):
                show(
                    draw * len(self.anchors) + step, self.draws * len(self.anchors), f"{count} shared digits"
                )

                for source, target in ((a, b), (b, a)):
                    for method, numbers in self._stitched(source, target, order[:count], cut).items():
                        found[method][count].append(numbers)

        means = {
            method: {count: np.mean(each, axis=0) for count, each in by_count.items()}
            for method, by_count in found.items()
        }
        accuracy, error = (
            {method: {count: float(each[k]) for count, each in of.items()} for method, of in means.items()}
            for k in (0, 1)
        )
        own = [self._accuracy(self._head(each), self._body(each, self.fresh)) for each in (a, b)]
        metrics: dict[str, Any] = {
            "accuracy_a": own[0],
            "accuracy_b": own[1],
            "accuracy_stitched": sum(whole) / 2,
            "accuracy_by_anchors": _by_words(accuracy),
            "error_by_anchors": _by_words(error),
        }
        figure = stitching_figure(accuracy, error, sum(own) / 2)

        return Studied(result, Finding(metrics, {"stitching": figure}, CAPTIONS), len(shared))

    @torch.no_grad()
    def _stitched(
        self, source: nn.Module, target: nn.Module, shared: Tensor, cut: list[str]
    ) -> dict[str, tuple[float, float]]:
        r"""Accuracy on fresh digits and error of the activations there over their spread, of each method."""
        pictures = self.pictures[shared]

        with torch.enable_grad():
            learned = equiv.compare(source, target, pictures, layers_a=cut, layers_b=cut, seed=self.seed)

        (seen, wanted), (fresh, true) = (
            [self._body(each, rows).double() for each in (source, target)] for rows in (shared, self.fresh)
        )
        spread = (true - true.mean(dim=0)).norm()
        images = {"T": learned.transformation(fresh)} | _baselines(seen, wanted, fresh)
        found = {
            method: (self._accuracy(self._head(target), image), float((image - true).norm() / spread))
            for method, image in images.items()
        }
        relative = self._relative(_cosines(self._body(target, self.train), wanted), _cosines(fresh, seen))

        return found | {"relative representations": (relative, math.nan)}

    def _body(self, network: nn.Module, rows: Any) -> Tensor:
        r"""What a network makes of some pictures before its head."""
        names = [f"hidden{number + 1}" for number in range(len(self.hidden))]
        values = self.pictures[rows]

        with torch.no_grad():
            for name in names:
                values = network.get_submodule(name)(values)

        return values

    def _head(self, network: nn.Module) -> nn.Module:
        return network.get_submodule("output")

    @torch.no_grad()
    def _accuracy(self, head: nn.Module, values: Tensor) -> float:
        r"""Share of fresh digits that a head reads right."""
        return float((head(values.float()).argmax(dim=1) == self.labels[self.fresh]).double().mean())

    def _relative(self, known: Tensor, fresh: Tensor) -> float:
        r"""Accuracy of a head that is trained on relative representations of the target's own labelled digits."""
        from sklearn.linear_model import LogisticRegression

        head = LogisticRegression(C=100.0, max_iter=5000).fit(known.numpy(), self.labels[self.train].numpy())

        return float(head.score(fresh.numpy(), self.labels[self.fresh].numpy()))


def _baselines(seen: Tensor, wanted: Tensor, fresh: Tensor) -> dict[str, Tensor]:
    r"""Images of fresh activations by maps that are learned from pairs of values alone."""
    from sklearn.linear_model import RidgeCV

    source, target = seen - seen.mean(dim=0), wanted - wanted.mean(dim=0)
    moved = fresh - seen.mean(dim=0)
    left, scales, right = torch.linalg.svd(source.T @ target, full_matrices=False)
    turn = left @ right * (scales.sum() / source.square().sum())
    shortest = torch.linalg.lstsq(source, target, driver="gelsd").solution
    ridge = RidgeCV(RIDGES).fit(seen.numpy(), wanted.numpy())

    return {
        "identity": fresh,
        "orthogonal": moved @ turn + wanted.mean(dim=0),
        "affine": moved @ shortest + wanted.mean(dim=0),
        "ridge": torch.from_numpy(ridge.predict(fresh.numpy())),
    }


def _cosines(values: Tensor, anchors: Tensor) -> Tensor:
    r"""Cosines of activations `(n, d)` to those of the shared inputs, `(n, k)`."""
    unit, others = (nn.functional.normalize(each.double(), dim=1) for each in (values, anchors))

    return unit @ others.T


def _by_words(numbers: Mapping[str, Mapping[int, float]]) -> dict[str, dict[str, float]]:
    r"""The same with names that JSON and reports take."""
    return {
        method.replace(" ", "_"): {str(count): value for count, value in of.items()}
        for method, of in numbers.items()
    }
