r"""Classes of networks: labels, the partial order, and how few comparisons they take."""

import math

import pytest
import torch
from manifolds import observed, uniform
from torch import Tensor, nn

from equiv.classes import equivalence_classes
from equiv.observe.observations import Observations


@pytest.fixture
def inputs() -> Tensor:
    return uniform(80, 2)


def test_classes_and_order(inputs: Tensor) -> None:
    plane = observed(lambda x: torch.cat([x, x.square()], dim=-1), inputs)
    turned = observed(lambda x: torch.stack([x.sum(-1), (2 * x[..., 0]).sinh()], dim=-1), inputs)
    first = observed(lambda x: torch.cat([x[..., :1], x[..., :1] ** 3], dim=-1), inputs)
    second = observed(lambda x: x[..., 1:].sinh(), inputs)
    found = equivalence_classes([plane, first, turned, second, first])

    assert found.labels.tolist() == [0, 1, 0, 2, 1]
    assert found.determines.tolist() == [
        [True, True, True, True, True],
        [False, True, False, False, True],
        [True, True, True, True, True],
        [False, False, False, True, False],
        [False, True, False, False, True],
    ]
    assert found.undecided == []
    # Not the fourth against the last, whose classes are unrelated.
    assert set(found.comparisons) == {(i, j) for i in range(5) for j in range(i + 1, 5)} - {(3, 4)}


def test_equivalent_networks_are_compared_with_each_other() -> None:
    generator = torch.Generator().manual_seed(0)
    network = nn.Sequential(nn.Linear(2, 6), nn.Tanh()).double()
    networks = []

    for _ in range(4):
        copy = nn.Sequential(nn.Linear(2, 6), nn.Tanh()).double()
        order = torch.randperm(6, generator=generator)
        copy[0].load_state_dict({key: value[order] for key, value in network[0].state_dict().items()})
        networks.append(copy)

    inputs = 2 * torch.rand(100, 2, generator=generator, dtype=torch.float64) - 1
    found = equivalence_classes(networks, inputs, layers=["1"])

    assert found.labels.tolist() == [0, 0, 0, 0] and found.determines.all()
    assert set(found.comparisons) == {(i, j) for i in range(4) for j in range(i + 1, 4)}


def _turned(angle: float, x: Tensor) -> Observations:
    return Observations(math.cos(angle) * x[:, :1] + math.sin(angle) * x[:, 1:])


@pytest.mark.parametrize(
    ("order", "step"), [([1, 0, 2, 3], 0.034), pytest.param([2, 1, 3, 0, 4], 0.02, marks=pytest.mark.slow)]
)
def test_errors_along_a_chain_add_up(order: list[int], step: float) -> None:
    # Each reads one direction of the plane, and misses the sine of the angle to another.
    inputs = uniform(300, 2)
    found = equivalence_classes([_turned(step * k, inputs) for k in order])
    errors = [[abs(math.sin(step * (p - q))) for q in order] for p in order]

    for i, row in enumerate(errors):
        for j, error in enumerate(row):
            assert error < 0.05 or not (found.determines[i, j] or found.labels[i] == found.labels[j])

    # Neighbours are seen to be near each other where they were compared.
    near = [(i, j) for i, j in found.comparisons if errors[i][j] < 0.045]
    assert near and all(found.determines[i, j] and found.determines[j, i] for i, j in near)


def test_what_one_member_determines_others_need_not() -> None:
    # Members of the first class, with a trace of the second input, lie to both sides of what is asked.
    x = uniform(300, 2)
    wide = [torch.cat([x[:, :1], x[:, :1] ** 3 + trace * x[:, 1:]], dim=1) for trace in (0.0, 0.01, -0.01)]
    asked = x[:, :1] ** 2 + 0.01 * x[:, 1:]
    found = equivalence_classes([*map(Observations, wide), Observations(asked)])

    assert {(0, 3), (1, 3), (2, 3)} <= set(found.comparisons)

    for (i, j), result in found.comparisons.items():
        assert not found.determines[i, j] or result.a_to_b.error.high < 0.05
        assert not found.determines[j, i] or result.b_to_a.error.high < 0.05


def test_members_of_large_classes_are_equivalent_pair_by_pair() -> None:
    # The last two are as near to each of the first eight as the tolerance lets them be, to opposite sides.
    x = uniform(60, 2)
    sides = [0.0] * 8 + [0.03, -0.03]
    found = equivalence_classes([_turned(angle, x) for angle in sides])

    assert found.labels.tolist() == [0] * 9 + [1]
    assert not found.determines[8, 9] and not found.determines[9, 8]


def test_bad_arguments(inputs: Tensor) -> None:
    obs = Observations(inputs)

    with pytest.raises(ValueError, match="at least one network"):
        equivalence_classes([])

    with pytest.raises(ValueError, match="same inputs"):
        equivalence_classes([obs, Observations(inputs[:50])])

    with pytest.raises(ValueError, match="'inputs' should be given"):
        equivalence_classes([nn.Linear(2, 1)])

    with pytest.raises(TypeError, match=r"'networks' should be a torch\.nn\.Module"):
        equivalence_classes(["a"])  # type: ignore[list-item]

    with pytest.raises(ValueError, match="'layers'"):
        equivalence_classes([obs, obs], layers=[["a"]])


def test_graph_of_a_chain_and_of_one_apart() -> None:
    pytest.importorskip("matplotlib")
    from equiv.figures.classes import class_graph

    # Classes {p, q} > {r} > {s} and {t}: arrows only between neighbours in the chain.
    determines = torch.tensor(
        [[1, 1, 1, 1, 0], [1, 1, 1, 1, 0], [0, 0, 1, 1, 0], [0, 0, 0, 1, 0], [0, 0, 0, 0, 1]]
    ).bool()
    figure = class_graph(torch.tensor([0, 0, 1, 2, 3]), determines, list("pqrst"))
    texts = {text.get_text(): text.get_position() for text in figure.axes[0].texts if text.get_text()}

    assert {name: height for name, (_, height) in texts.items()} == {"p, q": 2, "r": 1, "s": 0, "t": 0}
    assert sum(not text.get_text() for text in figure.axes[0].texts) == 2
    assert "p determines s" in figure.get_label() and "t determines" not in figure.get_label()
