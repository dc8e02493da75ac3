r"""Networks of one's own from what their settings name: a class with weights, TorchScript, an exported program."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from hydra.utils import instantiate
from torch import Tensor, nn

from equiv.probing.networks import as_network, plain_name

__all__ = ["load_network", "load_weights"]


def load_network(spec: Mapping[str, Any], name: str, seed: int) -> nn.Module:
    r"""The network that settings describe.

    Arguments:
        spec: `_target_`, any importable class or factory, the current folder included, with its arguments as keys;
            and `weights`, a file for it. Without `_target_`, `weights` is TorchScript, or of torch.export (`.pt2`).
        name: Of the settings, such as "network_a", for the error.
        seed: Of weights that are drawn at random.

    Raises:
        ValueError: If neither is given, or the weights do not fit.
    """
    target, weights = spec.get("_target_"), spec.get("weights")

    if target is None:
        if weights is None:
            raise ValueError(
                f"'{name}' should have a _target_ or weights, got neither; give {name}._target_=package.Class, or "
                f"{name}.weights= a TorchScript file."
            )

        return _program(Path(weights), name)

    if (here := os.getcwd()) not in sys.path:
        sys.path.append(here)

    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = instantiate({key: value for key, value in spec.items() if key != "weights"})

    network = as_network(network, name=f"{name}._target_")

    if weights is not None:
        load_weights(network, weights, name)

    return network


def _program(path: Path, name: str) -> nn.Module:
    r"""A whole network from a file that holds its code."""
    _check_file(path, name)

    try:
        if path.suffix == ".pt2":
            return torch.export.load(path).module()

        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)

            return torch.jit.load(path, map_location="cpu")
    except Exception as error:  # whatever its reader says of a file that is not what it should be
        raise ValueError(
            f"'{name}.weights' should be TorchScript, or a .pt2 of torch.export, where no {name}._target_ is given, "
            f"got {str(path)!r}, which is neither; give the class of these weights as {name}._target_."
        ) from error


def load_weights(network: nn.Module, path: str | Path, name: str) -> None:
    r"""Loads a network's weights, whatever prefix their names have in the file.

    Arguments:
        network: The network.
        path: `.safetensors`, a checkpoint of Lightning or any other file of `torch.save` with a state dict in it. It
            is opened by readers of tensors alone.
        name: Of the settings, for the error.

    Raises:
        ValueError: If the file cannot be read so, or no prefix gives the names and shapes of the network.
    """
    file = Path(path)
    _check_file(file, name)
    held = {plain_name(key): tensor for key, tensor in _state(file, name).items()}
    wanted = {plain_name(key): (key, tensor.shape) for key, tensor in network.state_dict().items()}
    fitting = {
        prefix: state
        for prefix in _prefixes(held, wanted)
        if set(state := _behind(held, prefix)) == set(wanted)
        and all(state[key].shape == shape for key, (_, shape) in wanted.items())
    }

    if len(fitting) > 1:
        raise ValueError(
            f"'{name}.weights' should hold one network of this kind, got {len(fitting)} in {str(path)!r}, under "
            f"{', '.join(map(repr, fitting))}; save the one that is meant by itself."
        )

    if not fitting:
        raise ValueError(
            f"'{name}.weights' should be of {name}._target_, got {_difference(held, wanted, file)}"
        )

    state = next(iter(fitting.values()))
    network.load_state_dict({original: state[key] for key, (original, _) in wanted.items()})


def _check_file(path: Path, name: str) -> None:
    if not path.is_file():
        raise ValueError(f"'{name}.weights' should be a file, got {str(path)!r}; look at the path.")


def _state(file: Path, name: str) -> dict[str, Tensor]:
    r"""The tensors of a file of weights by name."""
    if file.suffix == ".safetensors":
        from safetensors.torch import load_file

        return load_file(file)

    try:
        held = torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:
        raise ValueError(
            f"'{name}.weights' should be a state dict, opened with weights_only, got {str(file)!r}, which needs more "
            f"({' '.join(str(error).split())[:150]}); save network.state_dict(), as .safetensors say."
        ) from error

    for each in (held, *(held.values() if isinstance(held, dict) else ())):
        if isinstance(each, dict) and each and all(isinstance(value, Tensor) for value in each.values()):
            return each

    raise ValueError(
        f"'{name}.weights' should hold a state dict, got {str(file)!r} with none in it; save network.state_dict()."
    )


def _prefixes(held: Mapping[str, Tensor], wanted: Mapping[str, Any]) -> list[str]:
    r"""What could stand before all names, by the places of one of them."""
    first = next(iter(wanted), "")

    return sorted({key.removesuffix(first) for key in held if key == first or key.endswith(f".{first}")})


def _behind(held: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {key.removeprefix(prefix): tensor for key, tensor in held.items() if key.startswith(prefix)}


def _difference(held: Mapping[str, Tensor], wanted: Mapping[str, Any], file: Path) -> str:
    r"""What does not fit, in a few words."""
    prefix = max(
        _prefixes(held, wanted), key=lambda each: len(set(_behind(held, each)) & set(wanted)), default=""
    )
    state = _behind(held, prefix)
    missing = [key for key in wanted if key not in state]
    extra = [key for key in state if key not in wanted]

    if missing or extra:
        lacking = f"no {missing[0]!r} in {str(file)!r}" if missing else f"{extra[0]!r} in {str(file)!r} too"

        return f"{lacking} ({len(missing)} names missing, {len(extra)} unknown); give the arguments it was built with."

    wrong = ((key, state[key].shape, shape) for key, (_, shape) in wanted.items())
    key, came, shape = next(each for each in wrong if each[1] != each[2])

    return f"{key!r} of shape {tuple(came)} for {tuple(shape)}; give the arguments it was built with."
