r"""What a run was made with, in few words, for its report."""

import json
import shlex
from pathlib import Path

__all__ = ["origin"]


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
