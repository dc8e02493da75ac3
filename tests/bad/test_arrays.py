"""Arrays of every wrong kind at every door that takes activations: one sentence each, and odd but right ones pass."""

import math
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from doors import DOORS, framed, network, refused, small_comparison, values
from torch import Tensor

import equiv
from equiv import Observations


def _with(entry: float) -> Tensor:
    return values().index_fill(0, torch.tensor([3]), entry)


def _quietly(make: Callable[[], Any]) -> Any:
    r"""What torch warns of when it is made: prototypes, and kinds that are going."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")

        return make()


# Arrays that are no activations, whatever the door.
WRONG: dict[str, Callable[[], Any]] = {
    "none": lambda: None,
    "number": lambda: 3.0,
    "string": lambda: "values",
    "nested lists": lambda: [[1.0, 2.0, 3.0]] * 30,
    "an object": object,
    "array of objects": lambda: np.array([[object()] * 3] * 30),
    "array of strings": lambda: np.array([["a", "b", "c"]] * 30),
    "array of times": lambda: np.zeros((30, 3), dtype="datetime64[s]"),
    "records": lambda: np.zeros(30, dtype=[("a", float), ("b", float)]),
    "long double": lambda: values().numpy().astype(np.longdouble),
    "masked": lambda: np.ma.masked_greater(values().numpy(), 1.0),
    "meta": lambda: values().to("meta"),
    "nested tensor": lambda: _quietly(lambda: torch.nested.nested_tensor([values()[0], values()[0, :2]])),
    "one axis": lambda: values()[:, 0],
    "no axis": lambda: torch.tensor(1.0),
    "integers": lambda: values().long(),
    "booleans": lambda: values() > 1,
    "complex": lambda: values().to(torch.complex128),
    "eight bits": lambda: values().to(torch.float8_e4m3fn),
    "quantised": lambda: _quietly(lambda: torch.quantize_per_tensor(values().float(), 0.1, 0, torch.qint8)),
    "nan": lambda: _with(math.nan),
    "infinite": lambda: _with(math.inf),
    "both infinities": lambda: torch.cat([_with(math.inf)[:4], _with(-math.inf)[4:]]),
    "no sample": lambda: values()[:0],
    "no neuron": lambda: values()[:, :0],
}

# What some doors take: targets of one axis, networks of integers, maps of values at which there is none.
TAKEN = (
    {("reconstruct, target", "one axis"), ("compare_layers", "one axis")}
    | {(door, kind) for door in ("probe", "compare") for kind in ("nested lists", "no neuron", "one axis")}
    | {(door, kind) for door in ("probe", "compare") for kind in ("integers", "booleans", "complex")}
    | {(door, kind) for door in ("probe", "compare") for kind in ("eight bits", "quantised")}
    | {
        (door, kind)
        for door in ("transformation", "transformation.inverse", "transformation.extrapolates")
        for kind in ("nan", "infinite", "both infinities", "no sample")
    }
)


@pytest.mark.parametrize("kind", WRONG)
@pytest.mark.parametrize("door", DOORS)
def test_what_is_no_array_of_activations_is_refused_in_a_sentence(door: str, kind: str) -> None:
    name, call = DOORS[door]

    if (door, kind) not in TAKEN:
        refused(lambda: call(WRONG[kind]()), f"'{name}")


@pytest.mark.parametrize(
    "kind", ["integers", "booleans", "complex", "eight bits", "one axis", "nested lists"]
)
def test_inputs_that_a_network_cannot_take_are_refused_in_a_sentence(kind: str) -> None:
    refused(lambda: equiv.probe(network(), WRONG[kind]()), "'")


@pytest.mark.parametrize("kind", ["nan", "infinite", "both infinities"])
def test_a_map_makes_no_number_of_what_is_none(kind: str) -> None:
    bad, found = WRONG[kind](), small_comparison().transformation

    assert found.extrapolates(bad)[3] and not found.extrapolates(values()).any()
    assert not (found(bad)[3] - found(values())[3]).abs().max() < 1e-6


# Arrays that torch cannot hold as they are, of the same numbers.
RIGHT: dict[str, Callable[[Tensor], Any]] = {
    "big-endian": lambda given: given.numpy().astype(">f8"),
    "negative strides": lambda given: given.flip(0).numpy()[::-1],
    "columns first": lambda given: np.asfortranarray(given.numpy()),
    "part of another": lambda given: torch.stack([given, given], dim=2)[:, :, 1],
    "sparse": lambda given: given.to_sparse(),
    "sparse rows": lambda given: _quietly(given.to_sparse_csr),
    "with gradient": lambda given: given.clone().requires_grad_(),
    "parameter": lambda given: torch.nn.Parameter(given),
    "masked nowhere": lambda given: np.ma.masked_array(given.numpy()),
    "read-only": lambda given: np.frombuffer(given.numpy().tobytes()).reshape(given.shape),
}


@pytest.mark.parametrize("kind", RIGHT)
def test_the_same_numbers_are_the_same_activations(kind: str) -> None:
    given = RIGHT[kind](values())
    seen = Observations(given, values()[:, :, None])

    assert torch.equal(seen.values, values()) and not seen.values.requires_grad
    assert equiv.reconstruct(given, given).error.high < 1e-6
    assert equiv.baselines.linear_cka(given, values()) == pytest.approx(1.0)
    assert equiv.compare_layers({"x": given}, {"y": values()}).verdicts == [["equivalent"]]


# Frames that are none, of 30 samples of two neurons.
FRAMES: dict[str, Callable[[], Any]] = {
    "string": lambda: "jacobian",
    "list": lambda: [[[1.0], [1.0]]] * 30,
    "two axes": lambda: framed().values,
    "other samples": lambda: torch.ones(29, 2, 1),
    "other neurons": lambda: torch.ones(30, 3, 1),
    "no direction": lambda: torch.ones(30, 2, 0),
    "integers": lambda: torch.ones(30, 2, 1).long(),
    "nan": lambda: torch.full((30, 2, 1), math.nan),
    "infinite": lambda: torch.full((30, 2, 1), -math.inf),
    "meta": lambda: torch.ones(30, 2, 1, device="meta"),
    "objects": lambda: np.array([[[object()]] * 2] * 30),
}


@pytest.mark.parametrize("kind", FRAMES)
def test_what_are_no_frames_is_refused_in_a_sentence(kind: str) -> None:
    maps = equiv.DiffusionMaps(1).fit(framed())

    refused(lambda: Observations(framed().values, FRAMES[kind]()), "'frames'")
    refused(lambda: equiv.reconstruct(framed().values, values(), frames=FRAMES[kind]()), "'frames'")
    refused(lambda: maps.transform(framed().values, FRAMES[kind]()), "'frames'")


def test_frames_that_overflow_in_the_dtype_of_values_are_refused() -> None:
    frames = torch.full((30, 2, 1), 1e39, dtype=torch.float64)

    refused(lambda: Observations(framed().values.float(), frames), "'frames' should be finite")
