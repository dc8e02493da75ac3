r"""The names and types of the top-level settings: what is not here is a typing error, said so at once."""

from dataclasses import dataclass, field
from typing import Any

from hydra.core.config_store import ConfigStore
from omegaconf import MISSING, DictConfig

__all__ = ["Settings", "register"]


def _open() -> DictConfig:
    r"""A dictionary that takes any key, without +: whoever is called with them knows which there are."""
    return DictConfig({}, flags={"struct": False})


@dataclass
class Settings:
    r"""Our own keys only: what stands below them is checked by the constructors that take it."""

    description: str = MISSING
    duration: str = ""
    seed: int = 0
    resume: str | None = None
    relation: str = "same"
    dataset: dict[str, Any] = field(default_factory=dict)
    data: dict[str, Any] = field(default_factory=dict)
    architecture: dict[str, Any] = field(default_factory=dict)
    optimizer: dict[str, Any] = field(default_factory=dict)
    scheduler: dict[str, Any] = field(default_factory=dict)
    trainer: dict[str, Any] = field(default_factory=dict)
    matching: dict[str, Any] = field(default_factory=dict)
    evaluation: dict[str, Any] = field(default_factory=dict)
    callbacks: dict[str, Any] = field(default_factory=dict)
    logger: dict[str, Any] = field(default_factory=dict)
    objective: str = "true_error_a_to_b"
    folder: str | None = None
    own: bool = False
    pretrained: bool = False
    molecule: str | None = None
    member_a: int | None = None
    member_b: int | None = None
    range: float | None = None
    study: dict[str, Any] = field(default_factory=dict)
    network_a: Any = field(default_factory=_open)
    network_b: Any = field(default_factory=_open)
    observations_a: str | None = None
    observations_b: str | None = None
    inputs: Any = field(default_factory=_open)
    inputs_b: Any = field(default_factory=_open)
    anchors_file: str | None = None
    layers: Any = None
    layers_a: Any = None
    layers_b: Any = None
    positions: str | None = None
    paired: bool | None = None
    frames: str | None = "jacobian"
    tolerance: float = 0.05
    gather: dict[str, Any] = field(default_factory=dict)


def register() -> None:
    r"""Makes the schema known to Hydra as `schema`."""
    ConfigStore.instance().store(name="schema", node=Settings)
