"""Tensors kept on disk under a hash of the settings that they were made with."""

import hashlib
import json
import os
import tempfile
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from equiv.findings.storage import replaced

__all__ = ["cached", "default_folder"]


def default_folder() -> Path:
    """`$XDG_CACHE_HOME/equiv`, by default `~/.cache/equiv`."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "equiv"


def cached(
    folder: str | Path | None, settings: Mapping[str, Any], make: Callable[[], NDArray[Any]]
) -> NDArray[Any]:
    """The array that `make` returns, from disk where it was made before with the same `settings`.

    One safetensors file a result, named by the SHA-256 of the settings (JSON-ready, format version
    included) and written under another name first, so that a file is whole or absent and runs at the
    same time do not disturb each other. A file that is damaged all the same, found by the checksum of
    its content, or that was made with other settings, is made again. An array that was made is returned
    whether or not it can be kept: a disk that is full costs a warning.

    Arguments:
        folder: Where the files lie; None for `default_folder`.

    Raises:
        ValueError: If `folder` cannot be written to (told before anything is made).
    """
    from safetensors import SafetensorError
    from safetensors.numpy import save_file

    text = json.dumps(settings, sort_keys=True)
    path = (
        Path(folder or default_folder()).expanduser()
        / f"{hashlib.sha256(text.encode()).hexdigest()[:32]}.safetensors"
    )
    array = _load(path, text)
    if array is not None:
        return array
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=path.parent).close()
    except OSError as error:
        raise ValueError(
            f"'cache' should be a folder that can be written to, got {str(path.parent)!r} ({error.strerror}); "
            "choose another."
        ) from error
    array = np.ascontiguousarray(make())
    try:
        with replaced(path) as file:
            save_file({"data": array}, file, {"settings": text, "checksum": _checksum(array)})
    except (OSError, SafetensorError) as error:
        warnings.warn(
            f"what was made could not be kept in {str(path.parent)!r} ({' '.join(str(error).split())[:120]}) and will "
            "be made anew by the next run; make room there, or choose another folder by 'cache'.",
            stacklevel=2,
        )
    return array


def _load(path: Path, settings: str) -> NDArray[Any] | None:
    """The array in `path`, or None where there is no such file, it is damaged or of other settings."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            array = file.get_tensor("data")
            known = file.metadata() or {}
    except (OSError, SafetensorError):
        return None
    whole = known.get("checksum") == _checksum(array) and known.get("settings") == settings
    return array if whole else None


def _checksum(array: NDArray[Any]) -> str:
    return hashlib.blake2b(np.ascontiguousarray(array).data, digest_size=16).hexdigest()
