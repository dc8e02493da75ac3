r"""The rehearsal: everything is built, and tried on few samples made up for it, before any data are made."""

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Protocol, runtime_checkable

import torch
from hydra.utils import instantiate
from torch import Tensor, nn

from equiv.checks import check_integer, nearest_name
from lightning_modules.data.batches import PairData, Samples, check_batch_size
from lightning_modules.data.views import Views
from lightning_modules.output.told import OURS
from lightning_modules.pair import LOGGED, NetworkPair, build_pair, loss
from lightning_modules.settings import check_settings

__all__ = [
    "built",
    "check_monitored",
    "check_objective",
    "check_processes",
    "check_types",
    "rehearse",
    "setting",
]

#: What an optimizer of the rehearsal is told of the length of an epoch: its steps.
STEPS = 10


class Dataset(Protocol):
    r"""Data that can be had in small before they are made."""

    @property
    def smallest(self) -> int: ...

    def few(self) -> Views: ...


@runtime_checkable
class Rehearsed(Protocol):
    r"""An evaluation that can say beforehand whether it will find what it looks for."""

    def rehearse(self, pair: NetworkPair, views: Views) -> None: ...


@contextmanager
def setting(key: str) -> Iterator[None]:
    r"""Errors of somebody else's while a part of the settings is built or tried, as one of ours that names it."""
    try:
        yield
    except Exception as error:
        cause = error.__cause__ or error
        text = " ".join(str(cause).split())

        if OURS.match(text):
            raise ValueError(text) from error

        raise ValueError(
            f"'{key}' should be settings that can be built and tried, got {type(cause).__name__}: {text[:400]}"
        ) from error


def check_types(config: Mapping[str, Any]) -> None:
    r"""What the settings name is there, and takes the arguments that it is given.

    Raises:
        ValueError: If not, by `check_settings`.
    """
    check_integer(config["seed"], "seed", 0)
    own = {f"network_{side}": config.get(f"network_{side}") for side in "ab"}
    trained = {
        name: {key: value for key, value in each.items() if key != "weights"}
        for name, each in own.items()
        if isinstance(each, Mapping)
    }
    first = {"matching": config["matching"]}  # others take over what stands there
    made = {"_target_": f"{PairData.__module__}.PairData", "_partial_": True}
    trained["data"] = made | dict(config["data"])
    check_settings({**first, **config, **trained}, {"matching": NetworkPair.matcher})


def check_objective(objective: str, evaluation: Any, known: tuple[str, ...]) -> None:
    r"""Raises ValueError unless an experiment measures what a sweep is to minimise.

    Arguments:
        objective: The name.
        evaluation: Of the experiment; `measures` are the names of its own numbers.
        known: Names of the numbers that every experiment has.
    """
    names = [*known, *evaluation.measures]

    if objective not in names:
        raise ValueError(
            f"'objective' should be a number of metrics.json, got {objective!r}{nearest_name(objective, names)}"
        )


def check_monitored(callbacks: Iterable[Any]) -> None:
    r"""Raises ValueError where a callback watches a number that training does not log."""
    for each in callbacks:
        monitored = getattr(each, "monitor", None)

        if monitored is not None and not monitored.startswith("matching/") and monitored not in LOGGED:
            raise ValueError(
                f"'monitor' should be a number that training logs, got {monitored!r} for {type(each).__name__}"
                f"{nearest_name(monitored, LOGGED)}"
            )


def check_processes(count: int) -> None:
    r"""Raises ValueError where more processes are to train together than there are cores."""
    if count > (cores := os.cpu_count() or 1):
        raise ValueError(
            f"'trainer.devices' should be at most the {cores} cores of this machine, got {count}: each is a process "
            "that trains; lower it."
        )


def rehearse(config: dict[str, Any], dataset: Dataset, matching: Mapping[str, Any], evaluation: Any) -> None:
    r"""A step of the training of both networks, what is observed of them, and what the evaluation looks for.

    On networks of its own: those that are trained afterwards, and all random numbers, are as without it.

    Arguments:
        config: The resolved settings.
        dataset: The data, not made yet.
        matching: Arguments of `NetworkPair.matcher`.
        evaluation: The evaluation.

    Raises:
        ValueError: On the first setting that does not fit the others.
    """
    check_batch_size(config["data"]["batch_size"], dataset.smallest)

    with torch.random.fork_rng():
        with setting("dataset"):
            views = dataset.few()

        with setting("architecture"):
            pair = build_pair(config)

        for side, samples in (("a", views.a.samples), ("b", views.b.samples)):
            with setting(f"architecture.network_{side}"):
                _learn(pair.get_submodule(f"network_{side}"), samples, f"architecture.network_{side}")

        with setting("optimizer"):
            optimizer = pair.optimizing()
            optimizer.step()

        with setting("scheduler"):
            pair.scheduling(optimizer, STEPS)

        with setting("matching"):
            pair.matcher(views, **matching).rehearse(pair)

        if isinstance(evaluation, Rehearsed):
            with setting("evaluation"):
                evaluation.rehearse(pair, views)


def _learn(network: nn.Module, samples: Samples, name: str) -> None:
    inputs, targets = samples
    answered = network(inputs)

    if not isinstance(answered, Tensor) or (targets.is_floating_point() and answered.shape != targets.shape):
        came = tuple(answered.shape) if isinstance(answered, Tensor) else type(answered).__name__
        raise ValueError(
            f"'{name}' should map inputs {tuple(inputs.shape)} to targets {tuple(targets.shape)}, got {came}; "
            "set its widths to those of the data set."
        )

    error = loss(answered, targets)

    if error.requires_grad:
        error.backward()


def built(settings: Any, key: str, **further: Any) -> Any:
    r"""What a part of the settings describes, errors by the part's name."""
    with setting(key):
        return instantiate(settings, **further)
