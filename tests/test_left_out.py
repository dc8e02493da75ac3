r"""Parts of the inputs that a network does not tell apart: left out, said, and never a way to a yes."""

import pytest
import torch
from torch import Tensor, nn

import equiv

SAMPLES = 200
#: Anchors, the last of them where networks are dead.
PLACES = (0.15, 0.4, 0.6, 0.8, 0.95, 0.02)


class Dead(nn.Module):
    r"""A curve whose parameter stands still below `start` or, from the other end, beyond `1 - start`."""

    def __init__(self, seed: int, start: float = 0.0, end: bool = False) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        self.slopes, self.phases = (
            torch.randn(4, generator=generator, dtype=torch.float64) for _ in range(2)
        )
        self.start, self.end = start, end

    def forward(self, x: Tensor) -> Tensor:
        moved = ((1 - x if self.end else x) - self.start).clamp_min(0)

        return (2 * self.slopes * moved**2 / (moved + 0.05) + self.phases).sin()


def compared(
    a: Dead, b: Dead, *, anchors: bool = True, repeat: int = 1
) -> tuple[equiv.Comparison, list[Tensor]]:
    r"""Two curves on inputs of their own, and these inputs."""
    generator = torch.Generator().manual_seed(0)
    sides = [torch.rand(SAMPLES, 1, generator=generator, dtype=torch.float64) for _ in range(2)]

    for x in sides:
        x[: len(PLACES), 0] = torch.tensor(PLACES, dtype=torch.float64)

    known = torch.arange(len(PLACES))[:, None].expand(-1, 2) if anchors else None
    result = equiv.compare(a, b, *(x.repeat(repeat, 1) for x in sides), paired=False, anchors=known)

    return result, sides


@pytest.mark.parametrize("repeat", [pytest.param(1, marks=pytest.mark.slow), 2])
def test_a_part_that_neither_network_tells_apart_is_left_out_with_its_share(repeat: int) -> None:
    a, b = Dead(1, 0.05), Dead(2, 0.05)
    result, sides = compared(a, b, repeat=repeat)
    assert result.verdict == "equivalent"

    for letter, x in zip("ab", sides, strict=True):
        dead = (x[:, 0] < 0.05).repeat(repeat)
        out = torch.zeros(len(dead), dtype=torch.bool)
        out[result.diagnostics[f"left_out_samples_{letter}"]] = True
        assert out[dead].all()
        assert result.diagnostics[f"left_out_{letter}"] == pytest.approx(out.double().mean().item())
        assert out.double().mean() < 0.1
        assert getattr(result, f"coordinates_{letter}").isfinite().all()

    left = max(result.diagnostics["left_out_a"], result.diagnostics["left_out_b"])
    assert result.a_to_b.share < 1 - left
    assert result.diagnostics["left_out_anchors"] == [5]
    assert "Left out" in result.sentence and "left out" in result.summary()
    fresh = torch.linspace(0.1, 1.0, 200, dtype=torch.float64)[:, None]
    spread = (b(fresh) - b(fresh).mean(dim=0)).square().sum(dim=1).mean().sqrt()
    error = (result.transformation(a(fresh)) - b(fresh)).square().sum(dim=1).mean().sqrt()
    assert error / spread < result.a_to_b.error.high


@pytest.mark.parametrize(
    "start", [pytest.param(0.04, marks=pytest.mark.slow), 0.08, pytest.param(0.095, marks=pytest.mark.slow)]
)
def test_what_one_network_tells_apart_is_not_left_out_for_the_other(start: float) -> None:
    for a, b in (
        (Dead(1, start), Dead(2)),
        (Dead(1), Dead(2, start)),
        (Dead(1, start), Dead(2, start, end=True)),
    ):
        assert compared(a, b)[0].verdict == "inconclusive"


@pytest.mark.slow
def test_edges_of_what_is_left_are_no_outlines() -> None:
    assert compared(Dead(1, 0.05), Dead(2, 0.05), anchors=False)[0].verdict == "inconclusive"
    assert compared(Dead(1, 0.05), Dead(2), anchors=False)[0].verdict == "inconclusive"


def test_nothing_is_left_out_of_networks_that_tell_all_inputs_apart() -> None:
    result, _ = compared(Dead(1), Dead(2))
    assert result.verdict == "equivalent"
    assert result.diagnostics["left_out_a"] == result.diagnostics["left_out_b"] == 0
    assert "eft out" not in result.summary()
