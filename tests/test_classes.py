r"""Classes of networks: labels, the partial order, and how few comparisons they take."""

import pytest
import torch
from manifolds import observed, uniform
from torch import Tensor, nn

from equiv.classes import equivalence_classes
from equiv.observe.observations import Observations


@pytest.fixture
def inputs() -> Tensor:
    return uniform(150, 2)


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
    # Each network against one representative of each class before it, at most.
    assert set(found.comparisons) == {(0, 1), (0, 2), (0, 3), (1, 3), (0, 4), (1, 4)}


def test_equivalent_networks_take_one_comparison_each() -> None:
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
    assert set(found.comparisons) == {(0, 1), (0, 2), (0, 3)}


def test_bad_arguments(inputs: Tensor) -> None:
    obs = Observations(inputs)

    with pytest.raises(ValueError, match="at least one network"):
        equivalence_classes([])

    with pytest.raises(ValueError, match="same inputs"):
        equivalence_classes([obs, Observations(inputs[:50])])

    with pytest.raises(ValueError, match="'inputs' should be given"):
        equivalence_classes([nn.Linear(2, 1)])

    with pytest.raises(TypeError, match="'networks' should hold"):
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
