r"""What is wrong as an argument, by what it is for."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from doors import network, values
from torch import Tensor, nn

from equiv import Observations

INPUTS = torch.rand(30, 2, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
LABELS = torch.arange(30)
A = Observations(values())


def fails(_: Any) -> Any:
    raise KeyError("no such thing")


def five(x: Tensor) -> Tensor:
    return x[:, None] + torch.linspace(-0.1, 0.1, 5, dtype=x.dtype)[:, None]


SHARES = [0, 1, -1, 2, math.nan, math.inf, "5 %", None, True, 1j, [0.05], 10**400, np.ones(2)]
SHARES += [torch.ones(2), torch.ones((), device="meta")]
SEEDS = [1.5, "seed", None, -1, True, [1], 2**64, 10**40, torch.tensor(3), math.nan]
COUNTS = [0, -1, 1.5, "two", True, 10**30]
NO_LABELS = [values()[:, 0], "abc", ["x"] * 30, [0.5] * 30, LABELS[:5], LABELS > 3, 3, {"a": 1}, [None] * 30]
NO_LABELS += [LABELS.to("meta"), LABELS[:, None], [[1, 2], [3]], np.array([object()] * 30)]
NO_ANCHORS = [torch.ones(2, 2) > 0, torch.ones(30, 30) > 0, [[0.0, 1.0]], [[0, 0], [0, 1]], [[0, 0], [1, 0]]]
NO_ANCHORS += [
    [[0, 99]],
    [[-1, 0]],
    [0, 1],
    [],
    [[]],
    "0,1",
    3,
    {"a": 1},
    {1, 2},
    [[1, 2], [3]],
    [["a", "b"]],
]
NO_ANCHORS += [[[0, 1, 2]], torch.zeros(2, 2, dtype=torch.int64, device="meta"), [[None, 1]], [[2**70, 0]]]
NO_ANCHORS += [[[1j, 0]], np.array([[object(), 1]]), [[0, 1]] * 40, torch.zeros(0, 2, dtype=torch.int64)]
NO_NAMES = ["0", ["nowhere"], [], [3], 3, True, [None], object()]
NO_POSITIONS = ["all", 3, True, ["each"], values()]
NO_NEURONS = [[[99]], [[-99]], [[0.5]], [["a"]], [[]], 3, "a", [None, None], [torch.zeros(2, 2).long()], [1j]]
NO_NEURONS += [[torch.zeros(3) > 0], [torch.ones(5) > 0], [LABELS[:1].to("meta")], {"a": 1}, [{}], [True]]
NO_NETWORKS = [None, 3, "network", nn.Linear, nn.LazyLinear(3), INPUTS, [network()], {}, object()]
NO_OBSERVATIONS = [None, "observations", values(), values().numpy(), [A], network()]
NO_PATHS = [None, 3, ["a"], object(), b"folder"]
NO_READOUTS = [fails, nn.Linear(7, 2), lambda y: None, lambda y: "a", lambda y: y[:1], lambda y: y.sum()]
NO_READOUTS += [lambda y: (y, y), lambda y: y.to(torch.complex128), 3, "head", values()]
NO_BURSTS = [
    lambda x: None,
    lambda x: "a",
    lambda x: x,
    lambda x: five(x)[:, :1],
    lambda x: five(x)[:5],
]
NO_BURSTS += [lambda x: five(x) * math.nan, lambda x: five(x).long(), lambda x: five(x).to("meta")]
NO_BURSTS += [lambda x: five(x).tolist(), lambda x: np.array([object()] * 30)]
NO_FRAMES = [3, "tangents", True, [1], [], np.zeros(3), values(), INPUTS[:, :, None].long()]
NO_FRAMES += [
    INPUTS[:, :, None] * math.nan,
    INPUTS[:, :, None].to("meta"),
    INPUTS[:3, :, None],
    (INPUTS, INPUTS),
]
NO_OUTPUTS: list[Callable[[Tensor], Any]] = [fails, lambda x: None, lambda x: "a", lambda x: x.long()]
NO_OUTPUTS += [lambda x: x * math.nan, lambda x: x[:1], lambda x: x.sum(), lambda x: x[:, :0], lambda x: {}]
NO_OUTPUTS += [
    lambda x: x.to("meta"),
    lambda x: x.to(torch.complex64),
    lambda x: np.array([object()] * len(x)),
]
NO_OUTPUTS += [lambda x: torch.rand(len(x), 2)]
NO_WEIGHTS = [
    -torch.ones(30),
    torch.zeros(30),
    torch.full((30,), math.nan),
    torch.ones(3),
    values(),
    LABELS,
    "a",
]
NO_WEIGHTS += [torch.full((30,), 1e308, dtype=torch.float64), torch.eye(30)[0]]
NO_SUMS = ["a", None, torch.zeros(2, 3, 3), torch.full((2, 11, 11), math.nan, dtype=torch.float64)]
