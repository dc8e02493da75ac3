r"""Results on disk: whole or absent, and never trusted where they are damaged."""

import json
import random
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from comparisons import comparison

import equiv
from equiv.findings.storage import replaced, write_text

DESCRIPTION, TENSORS = "comparison.json", "comparison.safetensors"


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("saved")
    comparison("plane").save(folder / "plane")
    comparison("ring").save(folder / "ring")
    equiv.compare_layers({"one": torch.randn(40, 3)}, {"one": torch.randn(40, 3)}, None).save(
        folder / "layers"
    )

    return folder


def flipped(path: Path, place: float, bit: int) -> None:
    data = bytearray(path.read_bytes())
    data[int(place * (len(data) - 1))] ^= 1 << bit
    path.write_bytes(data)


def cut(path: Path, share: float) -> None:
    data = path.read_bytes()
    path.write_bytes(data[: int(share * len(data))])


def edited(change: Callable[[dict], object]) -> Callable[[Path], None]:
    def edit(folder: Path) -> None:
        held = json.loads((folder / DESCRIPTION).read_text())
        change(held)
        (folder / DESCRIPTION).write_text(json.dumps(held))

    return edit


DAMAGES: dict[str, Callable[[Path], object]] = {
    "an edited verdict": edited(lambda held: held.update(verdict="equivalent!")),
    "an edited error": edited(lambda held: held["a_to_b"]["error"].update(high=0.0)),
    "an edited sentence": edited(lambda held: held.update(sentence="A and B are equivalent.")),
    "an edited tolerance": edited(lambda held: held.update(tolerance=0.9)),
    "an entry more": edited(lambda held: held.update(more=1)),
    "an entry less": edited(lambda held: held.pop("symmetries")),
    "another name of the checksums": edited(lambda held: held.update(checksumz=held.pop("checksums"))),
    "no checksum of the tensors, changed": lambda folder: (
        edited(lambda held: held["checksums"].pop("tensors"))(folder),
        flipped(folder / TENSORS, 0.9, 1),
    ),
    "checksums that are none": edited(lambda held: held.update(checksums=[1])),
    "no tensors": lambda folder: (folder / TENSORS).unlink(),
    "tensors of another result": lambda folder: shutil.copy(folder.parent / "other" / TENSORS, folder),
    "a description of another result": lambda folder: shutil.copy(
        folder.parent / "other" / DESCRIPTION, folder
    ),
    "an empty description": lambda folder: (folder / DESCRIPTION).write_text(""),
    "a description that is a list": lambda folder: (folder / DESCRIPTION).write_text("[]"),
    "a description in other bytes": lambda folder: (folder / DESCRIPTION).write_bytes(b"\xff\xfe\x00"),
    "empty tensors": lambda folder: (folder / TENSORS).write_bytes(b""),
    "half the tensors": lambda folder: cut(folder / TENSORS, 0.5),
    "half the description": lambda folder: cut(folder / DESCRIPTION, 0.5),
    "tensors with a tail": lambda folder: (folder / TENSORS).write_bytes(
        (folder / TENSORS).read_bytes() + b"\0"
    ),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_whatever_is_damaged_is_refused(damage: str, saved: Path, tmp_path: Path) -> None:
    shutil.copytree(saved / "plane", tmp_path / "it")
    shutil.copytree(saved / "ring", tmp_path / "other")
    DAMAGES[damage](tmp_path / "it")

    with pytest.raises(ValueError, match="'folder' should hold"):
        equiv.load(tmp_path / "it")


@pytest.mark.parametrize("name", [DESCRIPTION, TENSORS])
def test_no_bit_that_is_flipped_changes_anything(name: str, saved: Path, tmp_path: Path) -> None:
    whole = equiv.load(saved / "plane").to_dict()
    draw = random.Random(0)

    for _ in range(60):
        shutil.copytree(saved / "plane", tmp_path / "it", dirs_exist_ok=True)
        flipped(tmp_path / "it" / name, draw.random(), draw.randrange(8))

        try:
            found = equiv.load(tmp_path / "it").to_dict()
        except ValueError:
            continue

        assert name == DESCRIPTION and found == whole  # a space between two entries, at most


def test_an_edited_matrix_of_layers_is_refused(saved: Path, tmp_path: Path) -> None:
    held = json.loads((saved / "layers" / "layers.json").read_text())
    held["a_to_b"][0][0] = 0.0
    (tmp_path / "layers.json").write_text(json.dumps(held))

    with pytest.raises(ValueError, match="changed since"):
        equiv.load(tmp_path)


def test_a_file_is_whole_or_as_it_was(tmp_path: Path) -> None:
    write_text(tmp_path / "it", "before")

    with pytest.raises(RuntimeError), replaced(tmp_path / "it") as file:
        file.write_text("hal")
        raise RuntimeError

    assert (tmp_path / "it").read_text() == "before"
    assert [path.name for path in tmp_path.iterdir()] == ["it"]
