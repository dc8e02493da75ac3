r"""Networks of scikit-learn's digits, trained here in a second or two, and pairs of them as people hold them.

The digits are split at random three ways: a few to train on, those that a pair is compared at, and fresh ones that
judge what the comparison claims. No digit of the latter two was trained on.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import NamedTuple

import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn

# Digits that networks are trained on, of 1,797.
TRAINED = 297
STEPS, BATCH, RATE = 300, 128, 2e-3
BODY = ["body"]


class Digits(NamedTuple):
    r"""One random split: pictures (n, 1, 8, 8) between 0 and 1, and their labels."""

    pictures: Tensor
    labels: Tensor

    @classmethod
    def drawn(cls, seed: int) -> Digits:
        pictures, labels = load_digits(return_X_y=True)
        order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(seed))
        pictures = torch.from_numpy(pictures).float().reshape(-1, 1, 8, 8) / 16

        return cls(pictures[order], torch.from_numpy(labels).long()[order])

    @property
    def trained(self) -> tuple[Tensor, Tensor]:
        return self.pictures[:TRAINED], self.labels[:TRAINED]

    def compared(self, n: int) -> tuple[Tensor, Tensor]:
        r"""Pictures to compare at, and fresh ones."""
        rest = self.pictures[TRAINED:]

        return rest[:n], rest[n:]


class Classifier(nn.Module):
    r"""A body whose output is compared, and a linear read-out."""

    def __init__(self, body: nn.Module, features: int, outputs: int = 10) -> None:
        super().__init__()
        self.body, self.head = body, nn.Linear(features, outputs)

    def forward(self, pictures: Tensor) -> Tensor:
        return self.head(self.body(pictures))


class Patches(nn.Module):
    r"""Tokens of 2 x 2 pixels with a learned position each."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.embedding = nn.Conv2d(1, width, 2, stride=2)
        self.positions = nn.Parameter(0.1 * torch.randn(16, width))

    def forward(self, pictures: Tensor) -> Tensor:
        return self.embedding(pictures).flatten(2).transpose(1, 2) + self.positions


class Mean(nn.Module):
    def forward(self, tokens: Tensor) -> Tensor:
        return tokens.mean(dim=1)


def mlp(width: int = 64, activation: type[nn.Module] = nn.ReLU) -> Classifier:
    layers = nn.Linear(64, width), activation(), nn.Linear(width, width), activation()

    return Classifier(nn.Sequential(nn.Flatten(), *layers), width)


def cnn(channels: int = 8) -> Classifier:
    layers = nn.Conv2d(1, channels, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)
    layers += nn.Conv2d(channels, 2 * channels, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten()

    return Classifier(nn.Sequential(*layers), 8 * channels)


def vit(width: int = 32) -> Classifier:
    block = nn.TransformerEncoderLayer(width, 4, 2 * width, dropout=0, batch_first=True, norm_first=True)
    blocks = nn.TransformerEncoder(block, 2, enable_nested_tensor=False)

    return Classifier(nn.Sequential(Patches(width), blocks, nn.LayerNorm(width), Mean()), width)


def trained(
    make: Callable[[], Classifier],
    seed: int,
    pictures: Tensor,
    targets: Tensor,
    steps: int = STEPS,
    start: Classifier | None = None,
) -> Classifier:
    r"""A network trained on labels, or on what another network answers, from weights that the seed draws."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = make() if start is None else copy.deepcopy(start)
        optimiser = torch.optim.Adam(network.parameters(), lr=RATE)
        loss = nn.functional.cross_entropy if targets.dtype == torch.long else nn.functional.mse_loss

        for _ in range(steps):
            batch = torch.randint(len(pictures), (BATCH,))
            optimiser.zero_grad()
            loss(network(pictures[batch]), targets[batch]).backward()
            optimiser.step()

    return network.eval()


def pruned(network: Classifier, share: float) -> Classifier:
    r"""A copy whose smallest weights, so large a share of them, are zero."""
    copied = copy.deepcopy(network)

    with torch.no_grad():
        for parameter in copied.parameters():
            if parameter.dim() > 1:
                parameter[parameter.abs() < parameter.abs().flatten().quantile(share)] = 0

    return copied


def rounded(network: Classifier) -> Classifier:
    r"""A copy whose weights are rounded to 8 bits, one scale a tensor."""
    copied = copy.deepcopy(network)

    with torch.no_grad():
        for parameter in copied.parameters():
            step = parameter.abs().max() / 127
            parameter.copy_((parameter / step).round() * step)

    return copied


def pairs(digits: Digits, seed: int) -> dict[str, Callable[[], tuple[Classifier, Classifier]]]:
    r"""Two networks of each kind, made when asked for."""
    pictures, labels = digits.trained
    generator = torch.Generator().manual_seed(seed)
    shuffled = labels[torch.randperm(len(labels), generator=generator)]

    def network(make: Callable[[], Classifier], which: int, targets: Tensor = labels, steps: int = STEPS):
        return trained(make, 2 * seed + which, pictures, targets, steps)

    def changed(make: Callable[[], Classifier], change: Callable[[Classifier], Classifier]):
        first = network(make, 0)
        return first, change(first)

    def distilled(teacher: Classifier) -> Classifier:
        return trained(mlp, 2 * seed + 1, pictures, teacher(pictures).detach())

    return {
        "mlp_seeds": lambda: (network(mlp, 0), network(mlp, 1)),
        "mlp_widths": lambda: (network(lambda: mlp(128), 0), network(lambda: mlp(32), 1)),
        "relu_tanh": lambda: (network(mlp, 0), network(lambda: mlp(64, nn.Tanh), 1)),
        "cnn_seeds": lambda: (network(cnn, 0), network(cnn, 1)),
        "vit_seeds": lambda: (network(vit, 0), network(vit, 1)),
        "cnn_mlp": lambda: (network(cnn, 0), network(mlp, 1)),
        "vit_cnn": lambda: (network(vit, 0), network(cnn, 1)),
        "digits_parity": lambda: (network(mlp, 0), network(mlp, 1, labels % 2)),
        "digits_random": lambda: (network(mlp, 0), network(mlp, 1, shuffled)),
        "untrained": lambda: (network(mlp, 0), network(mlp, 1, steps=0)),
        "cnn_untrained": lambda: (network(cnn, 0), network(cnn, 1, steps=0)),
        "pruned_little": lambda: changed(mlp, lambda first: pruned(first, 0.3)),
        "pruned_much": lambda: changed(cnn, lambda first: pruned(first, 0.8)),
        "rounded_mlp": lambda: changed(mlp, rounded),
        "rounded_cnn": lambda: changed(cnn, rounded),
        "fine_tuned": lambda: changed(mlp, lambda first: trained(mlp, seed, pictures, labels % 2, 60, first)),
        "longer": lambda: changed(cnn, lambda first: trained(cnn, seed, pictures, labels, 200, first)),
        "distilled": lambda: changed(mlp, distilled),
        "distilled_cnn": lambda: changed(cnn, distilled),
        "half_trained": lambda: (network(mlp, 0), network(mlp, 0, steps=60)),
    }
