r"""The two sides of a comparison of one's own: loaded as settings describe them, and saved."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import nn

from lightning_modules.own.inputs import load_inputs
from lightning_modules.own.weights import load_network

__all__ = ["layer_names", "loaded_side", "own_inputs", "save_networks"]

Recorded = TypeVar("Recorded")


def layer_names(layers: Any) -> list[str] | None:
    r"""Names of layers, of which the command line takes those that are numbers for such."""
    if layers is None:
        return None

    return [str(name) for name in (layers if isinstance(layers, list) else [layers])]


def own_inputs(config: Mapping[str, Any], side: str) -> Any:
    r"""The inputs of a side: B's own, where it has some, else those of both."""
    own = load_inputs(config["inputs_b"], "inputs_b") if side == "b" else None

    return load_inputs(config["inputs"], "inputs") if own is None else own


def loaded_side(
    config: Mapping[str, Any], side: str, read: Callable[[str], Recorded]
) -> nn.Module | Recorded:
    r"""The network of a side, or what `read` makes of the file that it was recorded in.

    Raises:
        ValueError: If both are given, or a file does not hold what it should.
    """
    recorded, network = config[f"observations_{side}"], config[f"network_{side}"]

    if recorded and network:
        raise ValueError(
            f"'observations_{side}' should be left out where network_{side} is given, got both; give one of them."
        )

    return read(recorded) if recorded else load_network(network, f"network_{side}", config["seed"])


def save_networks(networks: Mapping[str, nn.Module], folder: Path, config: Mapping[str, Any]) -> None:
    r"""The weights that were compared, as `checkpoints/last.ckpt`, to be opened with weights_only."""
    (folder / "checkpoints").mkdir(exist_ok=True)
    state = {
        f"network_{side}.{key}": tensor
        for side, network in networks.items()
        for key, tensor in network.state_dict().items()
    }
    torch.save({"state_dict": state, "config": dict(config)}, folder / "checkpoints" / "last.ckpt")
