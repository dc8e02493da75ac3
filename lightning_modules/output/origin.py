r"""What a run is and what it was made with, in few words: before it starts, and in its report."""

import json
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

__all__ = ["device", "header", "origin"]


def header(name: str, settings: Mapping[str, Any], folder: Path) -> str:
    r"""The lines that stand at the top of the terminal: experiment, networks and folder.

    Arguments:
        name: Of the experiment.
        settings: The resolved settings.
        folder: Of the run.
    """
    rows = {
        "experiment": f"{name}: {settings['description']}",
        "networks": _networks(settings),
        "folder": str(folder),
    }

    return "\n".join(f"{key:<10}  {value}" for key, value in rows.items() if value)


def origin(folder: Path) -> list[str]:
    r"""The command and the commit that a run was started with, as far as its folder tells them."""
    try:
        known = json.loads((folder / "provenance.json").read_text())
    except (OSError, ValueError):
        return []

    if not isinstance(known, dict):
        return []

    command, commit = known.get("command") or [], known.get("commit")

    return [
        *([shlex.join(["python", *map(str, command)])] if command else []),
        *([f"commit {commit[:10]}{'+' if commit.endswith('+') else ''}"] if commit else []),
    ]


def _networks(settings: Mapping[str, Any]) -> str:
    r"""The classes of both networks, or what was recorded of them."""
    given = settings.get("architecture") or settings
    sides = []

    for side in "ab":
        network = given.get(f"network_{side}")
        target = network.get("_target_", network.get("weights", "")) if isinstance(network, Mapping) else ""
        sides.append(
            str(target or settings.get(f"observations_{side}") or "").rpartition("." if target else "/")[2]
        )

    return f"A {sides[0]}, B {sides[1]}" if all(sides) else ""


def device(settings: Mapping[str, Any]) -> str:
    r"""The line of the header that has to wait for torch."""
    import torch

    wanted = (settings.get("trainer") or {}).get("accelerator", "auto")

    if wanted not in ("auto", "gpu", "cuda") or not torch.cuda.is_available():
        told = f"{'cpu' if wanted == 'auto' else wanted}, threads: {torch.get_num_threads()}"
    else:
        told = torch.cuda.get_device_name(0)

    return f"{'device':<10}  {told}"
