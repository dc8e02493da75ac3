"""Every layer of one network against every layer of another."""

import itertools
import math
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

import equiv
from equiv.baselines import debiased_cka
from equiv.layers.computing import computing_layers
from equiv.layers.matches import answering
from equiv.layers.target import as_target


def towers(n: int = 150, seed: int = 0) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Layers of two towers that forget more and more of the same three inputs; the second is turned."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.rand(n, 3, generator=generator)
    first = {"one": x, "two": torch.tanh(x[:, :2]), "three": x[:, :1].sin()}
    turned = [values @ torch.randn(values.shape[1], 6, generator=generator) for values in first.values()]

    return first, dict(zip(("p", "q", "r"), turned, strict=True))


def test_each_layer_determines_those_that_keep_less() -> None:
    found = equiv.compare_layers(*towers())
    determined = found.a_to_b_high < 0.05

    assert determined.tolist() == [[i <= j for j in range(3)] for i in range(3)]
    assert (found.b_to_a_high < 0.05).tolist() == [[j <= i for j in range(3)] for i in range(3)]
    assert [match and match.layer for match in found.matches] == ["p", "q", "r"]
    assert [row[i] for i, row in enumerate(found.verdicts)] == ["equivalent"] * 3
    assert "inconclusive" not in found.verdicts[0][2] or "samples" in found.sentences[0][2]
    assert (found.a_to_b_low <= found.a_to_b).all() and (found.a_to_b <= found.a_to_b_high).all()


def test_the_names_of_the_networks_do_not_matter() -> None:
    a, b = towers(80)
    found, other = equiv.compare_layers(a, b), equiv.compare_layers(b, a)

    assert torch.equal(found.a_to_b, other.b_to_a.T) and torch.equal(found.b_to_a_high, other.a_to_b_high.T)
    assert [[v.mirrored for v in row] for row in zip(*other.verdicts, strict=True)] == found.verdicts


def test_errors_are_near_those_of_pairs_alone() -> None:
    a, b = towers(120)
    found = equiv.compare_layers(a, b)
    alone = equiv.compare(equiv.Observations(a["two"]), equiv.Observations(b["p"]), paired=True)

    assert found.a_to_b[1, 0].item() == pytest.approx(alone.a_to_b.error.estimate, rel=0.15)
    assert found.cka[1, 0].item() == pytest.approx(debiased_cka(a["two"], b["p"]), abs=1e-9)


def test_few_samples_tell_copies() -> None:
    generator = torch.Generator().manual_seed(3)
    wide, x = torch.randn(60, 120, generator=generator), torch.randn(60, 10, generator=generator)
    order = torch.randperm(120, generator=generator)
    copies = {"coarse": (32 * wide).round() / 32, "moved": 1.3 * wide[:, order]}
    found = equiv.compare_layers({"wide": wide}, copies, x)

    assert found.verdicts[0] == ["equivalent"] * 2 and found.a_to_b_high[0].max() < 0.01


#: What a verdict says of A to B and of B to A.
SAID = {
    "equivalent": (True, True),
    "a_determines_b": (True, False),
    "b_determines_a": (False, True),
    "not_equivalent": (False, False),
    "inconclusive": (None, None),
}


@pytest.mark.slow
@pytest.mark.parametrize(("n", "m"), [(60, 1), (90, 3), (150, 8)])
def test_no_cell_says_more_than_a_comparison_of_the_same_layers(n: int, m: int) -> None:
    generator = torch.Generator().manual_seed(n)

    def normal(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator)

    x, noise, wide = 2 * torch.rand(n, m, generator=generator) - 1, normal(n, 40), normal(n, 120)
    bent = torch.relu(2 * x @ normal(m, 64) / m**0.5 + 0.3 * normal(64))
    fold = x[:, :1].abs() + 0.01 * x[:, :1]
    a = {"x": x, "bent": bent, "fold": fold, "noise": noise, "wide": wide}
    narrow = torch.tanh(3 * x @ normal(m, 24) / m**0.5)
    copies = {
        "copy": bent + 0.01 * bent.std() * normal(n, 64),
        "moved": 1.3 * wide.flip(1) + 0.01 * normal(n, 120),
    }
    b = {"narrow": narrow, "rough": (9 * x).sin(), "part": torch.cat([noise[:, :10], x], dim=1)} | copies
    found = equiv.compare_layers(a, b)

    for (i, one), (j, other) in itertools.product(enumerate(a.values()), enumerate(b.values())):
        alone = equiv.compare(equiv.Observations(one), equiv.Observations(other), paired=True)
        cell, said = SAID[found.verdicts[i][j]], SAID[alone.verdict]
        assert cell in ((None, None), said), (i, j, found.sentences[i][j], alone.sentence)


def test_a_wide_target_is_told_by_few_columns() -> None:
    generator = torch.Generator().manual_seed(0)
    values = torch.randn(60, 100, generator=generator) * torch.linspace(1, 3, 100)
    target = as_target(values, generator)

    assert target.columns.shape == (60, 48) and target.few.shape[1] < 48
    assert target.columns.square().sum(dim=1).mean().item() == pytest.approx(1, rel=0.1)
    exact = as_target(values[:, :40], generator).columns
    assert exact.square().sum(dim=1).mean().item() == pytest.approx(1)


def test_groups_are_left_out_whole() -> None:
    generator = torch.Generator().manual_seed(1)
    a, b = torch.randn(2, 30, 4, generator=generator).repeat_interleave(4, dim=1)
    jitter = 1e-3 * torch.randn(2, 120, 4, generator=generator)
    groups = torch.arange(30).repeat_interleave(4)
    layers = {"a": a + jitter[0]}, {"b": b + jitter[1]}
    fooled = equiv.compare_layers(*layers, groups=torch.arange(120))
    found = equiv.compare_layers(*layers, groups=groups)

    assert fooled.a_to_b.item() < 0.1 < 0.9 < found.a_to_b.item()


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Sequential(nn.Linear(4, 4), nn.Dropout(), nn.GELU())
        self.spare = nn.Linear(4, 4)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.inner(x)


def test_layers_are_those_that_compute_something() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(3, 4), nn.Identity(), Block(), nn.Flatten(), nn.Linear(4, 2))
    x = torch.rand(60, 3)
    known = computing_layers(network.train(), x)

    assert list(known) == ["0", "2.inner.0", "2.inner.2", "2", "4"]
    assert network.training and not network._forward_hooks and not network[0]._forward_hooks
    found = equiv.compare_layers(network, {"x": x, "still": torch.ones(60, 5)}, x)
    assert found.layers_a == tuple(known)
    assert found.from_inputs_a.max() < 0.5 and found.from_inputs_b[0] < 1e-3
    assert found.a_to_b[:, 1].isnan().all() and math.isnan(found.from_inputs_b[1].item())
    assert found.b_to_a[:, 1] == pytest.approx(1.0, abs=0.1)
    assert all(row[1] == "inconclusive" for row in found.verdicts)


class Tokens(nn.Module):
    def __init__(self, seed: int) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.embed, self.head = nn.Embedding(9, 4), nn.Linear(4, 2)
        self.mix = nn.MultiheadAttention(4, 1, batch_first=True)

    def forward(self, ids: Tensor) -> Tensor:
        x = self.embed(ids)
        return self.head((x + self.mix(x, x, x, need_weights=False)[0]).mean(dim=1))


def test_each_position_of_tokens_is_a_sample_and_its_text_a_group() -> None:
    ids = torch.randint(9, (24, 4), generator=torch.Generator().manual_seed(0))
    a, b = Tokens(0), Tokens(1)
    options = {"layers_b": ["embed"], "positions": "each", "groups": torch.arange(24) // 2}
    found = equiv.compare_layers(a, b, ids, **options)

    assert found.layers_a == ("embed", "mix") and found.samples == 96
    assert found.a_to_b_high[0, 0] < 1e-3 and found.verdicts[0][0] == "equivalent"
    assert "12 groups, as given" in found.summary()
    assert "layers of A left out, since they have other positions than most, or none: 1" in found.summary()
    mixed = equiv.probe(a, ids, layers=["mix"], frames=None).values.reshape(24, 4, 4)
    recorded = equiv.compare_layers({"embed": a.embed(ids), "mix": mixed}, b, ids, **options)
    assert recorded.a_to_b.equal(found.a_to_b) and recorded.b_to_a_low.equal(found.b_to_a_low)
    assert equiv.compare_layers({"mix": mixed}, b, ids, layers_b=["head"], positions="mean").samples == 24
    with pytest.raises(ValueError, match="outputs without positions"):
        equiv.compare_layers(a, b, ids, layers_a=["head"], positions="each")


def test_padding_of_recorded_tokens_is_left_out() -> None:
    ids = torch.randint(9, (24, 4), generator=torch.Generator().manual_seed(0))
    mask = torch.ones(24, 4).long()
    mask[::2, 3] = 0
    a, b = (Tokens(seed).embed(ids).detach() for seed in (0, 1))
    clean = equiv.compare_layers({"x": a[mask.bool()]}, {"x": b[mask.bool()]}, groups=mask.nonzero()[:, 0])
    for side in (a, b):
        side[mask == 0] = torch.nan
    held, bare = {"x": a, "attention_mask": mask}, {"x": b}
    found = equiv.compare_layers(held, bare, positions="each")
    named = equiv.compare_layers({"x": a}, bare, {"ids": ids, "attention_mask": mask}, positions="each")

    assert found.samples == named.samples == 84 and found.layers_a == ("x",)
    assert found.a_to_b.equal(clean.a_to_b) and named.a_to_b.equal(clean.a_to_b)
    last = equiv.compare_layers(held, bare, positions="last")
    assert last.samples == 24 and last.a_to_b.isfinite().all()
    with pytest.raises(ValueError, match=r"network_b\['attention_mask'\]' should leave out the same tokens"):
        equiv.compare_layers(held, bare | {"attention_mask": mask.flip(1)}, positions="each")
    with pytest.raises(ValueError, match="1 at tokens and 0 at padding"):
        equiv.compare_layers(held | {"attention_mask": 2 * mask}, bare, positions="each")


def test_many_layers_are_chosen_evenly_and_the_summary_says_so() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(*itertools.chain(*([nn.Linear(2, 2), nn.Tanh()] for _ in range(15))))
    x = torch.rand(20, 2)
    found = equiv.compare_layers(network, {"x": x}, x)

    assert len(found.layers_a) == 24 and "6 more layers of A" in found.summary()


def test_answers_are_blind_to_what_determines_all() -> None:
    left = torch.tensor([[0.5, 0.9, 0.9], [0.9, 0.5, 0.9], [0.9, 0.9, 0.5]]).double()
    # The first row determines all, the last column is determined by all.
    scaled = left * torch.tensor([0.1, 1.0, 1.0])[:, None] * torch.tensor([1.0, 1.0, 0.1])

    assert answering(scaled, scaled) == [0, 1, 2]
    assert answering(scaled[:, :2], scaled[:, :2]) == [0, 1, None]
    assert answering(torch.full((1, 1), 0.3), torch.full((1, 1), 0.3)) == [0]
    assert answering(torch.full((2, 1), math.nan), torch.full((2, 1), 0.3)) == [None, None]


def test_matrices_are_saved_drawn_and_reported(tmp_path: Path) -> None:
    a, b = towers(60)
    told: list[int] = []
    inputs = a["one"]
    found = equiv.compare_layers(a, b, inputs, progress=lambda done, total, label: told.append(done))
    found.save(tmp_path)
    again = equiv.load(tmp_path)
    page = found.report(tmp_path / "layers.html").read_text()

    assert told == sorted(told) and told[0] == 0 and told[-1] >= 8
    assert again.to_dict() == found.to_dict() and again.summary() == found.summary()
    assert all(text in page for text in ('href="#pair-2-1"', 'id="pair-2-1"', "answer to each other"))
    assert (
        page.replace("http-equiv", "").count("http") == 1
    )  # a link to the paper, and nothing that is fetched
    assert len(found.figure().axes) == 4
    assert found.summary().splitlines()[-1].startswith("To 3 of 3 layers of A")


@pytest.mark.parametrize(
    ("arguments", "kind", "text"),
    [
        ({"layers_a": ["oen"]}, ValueError, "did you mean 'one'"),
        ({"layers_a": "one"}, TypeError, r"\['one'\]|\[\"one\"\]|write"),
        ({"layers_b": []}, ValueError, "at least one"),
        ({"network_b": 3}, TypeError, "dict of arrays"),
        ({"network_b": {}}, ValueError, "at least one"),
        ({"network_b": {"x": torch.rand(5, 2)}}, ValueError, "same inputs"),
        ({"network_b": nn.Linear(3, 2)}, ValueError, "'inputs'"),
        ({"progress": 3}, TypeError, "'progress'"),
        ({"tolerance": 2.0}, ValueError, "'tolerance'"),
    ],
)
def test_what_is_no_side_is_refused(arguments: dict, kind: type, text: str) -> None:
    a, b = towers(20)
    with pytest.raises(kind, match=text):
        equiv.compare_layers(**({"network_a": a, "network_b": b} | arguments))
