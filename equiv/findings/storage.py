r"""Files that are whole or absent, and of which damage is told."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from torch import Tensor

__all__ = ["read_result", "replaced", "write_result", "write_text"]

# Under this name a description holds the checksums of itself and of its tensors.
CHECKSUMS = "checksums"


@contextmanager
def replaced(path: str | os.PathLike[str]) -> Iterator[Path]:
    r"""A file of another name to write to; it takes the place of `path` once all is on the disk.

    Whoever reads `path` meanwhile, and whatever stops the writing, finds what was there before.

    Arguments:
        path: The file to write; its folder has to exist.

    Example:
        >>> with tempfile.TemporaryDirectory() as folder, replaced(Path(folder) / "table.csv") as file:
        ...     written = file.write_text("a,b")
    """
    file = Path(path)
    handle, name = tempfile.mkstemp(prefix=f".{file.name}.", suffix=file.suffix, dir=file.parent)
    os.close(handle)

    try:
        yield Path(name)

        with open(name, "rb") as written:
            os.fsync(written.fileno())

        mask = os.umask(0)
        os.umask(mask)
        os.chmod(name, 0o666 & ~mask)  # mkstemp's own rights are for temporary files
        os.replace(name, file)
    finally:
        Path(name).unlink(missing_ok=True)


def write_text(path: str | os.PathLike[str], text: str) -> None:
    r"""Writes text as UTF-8, whole or not at all."""
    with replaced(path) as file:
        file.write_text(text, encoding="utf-8")


def write_result(path: Path, description: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> None:
    r"""Writes a description as JSON and tensors beside it as safetensors, both under checksums.

    Arguments:
        path: The JSON file; the tensors' file has its name with another ending. The folder has to exist.
        description: JSON-ready.
        tensors: By name; none for no file of tensors.
    """
    from safetensors.torch import save_file

    checksums = {"description": _checksum_of(description)}

    if tensors:
        with replaced(path.with_suffix(".safetensors")) as file:
            save_file(dict(tensors), file)
            checksums["tensors"] = hashlib.sha256(file.read_bytes()).hexdigest()

    text = json.dumps(dict(description) | {CHECKSUMS: checksums}, indent=1, allow_nan=False)
    write_text(path, text + "\n")


def read_result(path: Path, older: frozenset[str]) -> tuple[dict[str, Any], dict[str, Tensor]]:
    r"""The description and the tensors that `write_result` wrote.

    Arguments:
        path: The JSON file.
        older: What the descriptions hold that were written before there were checksums: with these names alone one
            is read without any, and a warning.

    Raises:
        ValueError: If a file is missing or is not as it was written.
    """
    from safetensors.torch import load

    try:
        description = json.loads(path.read_bytes())
        checksums = description.pop(CHECKSUMS, None)
    except (OSError, ValueError, AttributeError, TypeError) as error:
        raise _damaged(path, f"({' '.join(str(error).split())[:120]})") from error

    if checksums is None and not older >= description.keys():
        raise _damaged(path, "without its checksums")

    if checksums is not None and _entry(checksums, "description") != _checksum_of(description):
        raise _damaged(path, "that was changed since")

    beside = path.with_suffix(".safetensors")
    data = beside.read_bytes() if beside.is_file() else None

    if checksums is None:
        warnings.warn(
            f"{str(path)!r} was saved before results had checksums, so that nobody can tell whether it is damaged; "
            "load it and save it again.",
            stacklevel=4,
        )
    elif data is None and "tensors" in checksums:
        raise ValueError(
            f"'folder' should hold {path.name} and {beside.name}, as they were saved, got {str(path.parent)!r} without "
            "the latter; copy both."
        )
    elif data is not None and _entry(checksums, "tensors") != hashlib.sha256(data).hexdigest():
        raise _damaged(beside, "that was changed since, or belongs to another result")

    try:
        return description, load(data) if data is not None else {}
    except Exception as error:  # whatever the reader says of a file without a checksum
        raise _damaged(beside, f"({' '.join(str(error).split())[:120]})") from error


def _checksum_of(description: Mapping[str, Any]) -> str:
    r"""Of what it says, whatever the order of its names and its spaces."""
    text = json.dumps(description, sort_keys=True, separators=(",", ":"))

    return hashlib.sha256(text.encode()).hexdigest()


def _entry(checksums: Any, name: str) -> Any:
    return checksums.get(name) if isinstance(checksums, dict) else None


def _damaged(path: Path, what: str) -> ValueError:
    return ValueError(
        f"'folder' should hold a result as it was saved, got {str(path)!r} {what}; copy it again from where it was "
        "saved, or compare anew."
    )
