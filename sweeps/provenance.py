r"""What a run was made with: command, versions, commit, machine, seed and threads."""

import os
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig

from equiv.report.page import installed

__all__ = ["PROVENANCE", "provenance"]

PROVENANCE = "provenance.json"
PACKAGES = ("equiv", "torch", "pytorch-lightning", "hydra-core", "numpy", "scipy", "safetensors", "wandb")


def provenance(seed: int) -> dict[str, Any]:
    r"""JSON-ready: what somebody needs who wants the same numbers again."""
    import torch

    cuda = torch.cuda.is_available()

    return {
        "command": [Path(sys.argv[0]).name, *sys.argv[1:]],
        "overrides": [str(each) for each in HydraConfig.get().overrides.task],
        "seed": seed,
        "commit": _commit(),
        "versions": {"python": platform.python_version()} | installed(PACKAGES),
        "machine": {
            "system": platform.platform(),
            "processor": platform.processor() or platform.machine(),
            "cores": os.cpu_count(),
            "threads": torch.get_num_threads(),
            "accelerators": [
                torch.cuda.get_device_name(k) for k in range(torch.cuda.device_count() if cuda else 0)
            ],
        },
    }


def _commit() -> str | None:
    r"""Of the checkout that runs, with a + where files were changed since; None where it is none."""
    git = ["git", "-C", str(Path(__file__).parent.parent)]

    try:
        commit, changed = (
            subprocess.run(
                [*git, *asked], capture_output=True, text=True, check=True, timeout=10
            ).stdout.strip()
            for asked in (["rev-parse", "HEAD"], ["status", "--porcelain", "--untracked-files=no"])
        )
    except (OSError, subprocess.SubprocessError):
        return None

    return f"{commit}+" if changed else commit
