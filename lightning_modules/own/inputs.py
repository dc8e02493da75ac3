r"""Inputs of one's own networks: files of arrays, folders of pictures, data sets."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from hydra.utils import instantiate
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from equiv.observe.recorded import ARRAY_FILES, read_arrays
from equiv.probing.inputs import gathered_inputs

__all__ = ["load_inputs"]

#: Files of a folder that count as its pictures.
PICTURES = (".png", ".jpg", ".jpeg", ".bmp", ".webp", ".tif", ".tiff")
#: Samples of a data set that are put together at once.
BATCH = 256


def load_inputs(spec: Any, name: str) -> Any:
    r"""Inputs as `equiv.compare` takes them; None for none.

    Arguments:
        spec: A file `.npy`, `.npz`, `.safetensors` or `.pt`, whose arrays, where there are several, the network takes
            by name; a folder of pictures, in the order of their names, as `(n, 3, H, W)` in [0, 1]; or the settings
            of a `Dataset`, `_target_` and its arguments, of whose samples a network takes what it cannot do without.
        name: Of the settings, for the error.

    Raises:
        ValueError: If it is none of them, or pictures differ in size.
    """
    if not spec:
        return None

    if isinstance(spec, Mapping):
        return _dataset(spec, name)

    path = Path(spec)

    if path.is_dir():
        return _pictures(path, name)

    if path.suffix not in ARRAY_FILES:
        raise ValueError(
            f"'{name}' should be a file {', '.join(ARRAY_FILES)}, a folder of pictures or a Dataset "
            f"({name}._target_=), got {str(path)!r}; look at the path."
        )

    arrays = read_arrays(path)

    return next(iter(arrays.values())) if len(arrays) == 1 else arrays


def _dataset(spec: Mapping[str, Any], name: str) -> Any:
    if (here := os.getcwd()) not in sys.path:
        sys.path.append(here)

    dataset = instantiate(dict(spec))

    if not isinstance(dataset, Dataset):
        raise ValueError(
            f"'{name}._target_' should make a Dataset, got {type(dataset).__name__}; name another."
        )

    return gathered_inputs(DataLoader(dataset, batch_size=BATCH))


def _pictures(folder: Path, name: str) -> Tensor:
    from PIL import Image

    files = sorted(path for path in folder.iterdir() if path.suffix.lower() in PICTURES)

    if not files:
        raise ValueError(
            f"'{name}' should be a folder of pictures, {', '.join(PICTURES)}, got none in {str(folder)!r}; look at it."
        )

    pictures = []

    for file in files:
        with Image.open(file) as picture:
            pictures.append(np.asarray(picture.convert("RGB"), dtype=np.float32) / 255)

    sizes = sorted({picture.shape[:2] for picture in pictures})

    if len(sizes) > 1:
        raise ValueError(
            f"'{name}' should be pictures of one size, got {sizes[0]} and {sizes[1]} in {str(folder)!r}; scale them."
        )

    return torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2).contiguous()
