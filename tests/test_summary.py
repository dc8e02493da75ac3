r"""Results in words: an answer that fits on a screen, every number with its unit, and what would help to decide."""

import math

import pytest
import torch
from manifolds import DOMAINS, observe, observed, random, surface, uniform

import equiv
from equiv import Interval, Observations


@pytest.mark.parametrize(
    ("interval", "said"),
    [
        (Interval(0.012, 0.003, 0.03), "1.2 % (0.3 to 3)"),
        (Interval(0.5, 0.2, math.inf), "50 % (20 to ∞)"),
        (Interval(1.9e-7, 0.0, 2.6e-5), "below 0.001 % (0 to 0.0026)"),
        (Interval(1.9e-9, 0.0, 2.6e-8), "below 0.001 %"),
        (Interval(1.0, 0.998, 1.4), "100 % (100 to 140)"),
        (Interval(1.0, 1.0, 1.0), "100 %"),
        (Interval(math.nan, math.nan, math.nan), "unknown"),
    ],
)
def test_intervals_are_told_in_percent(interval: Interval, said: str) -> None:
    assert str(interval) == f"{interval}" == said
    assert interval == tuple(interval)


def test_intervals_take_a_format() -> None:
    assert f"{Interval(0.01234, 0.0, 1.0):.3f}" == "1.234 % (0.000 to 100.000)"


def test_a_decided_comparison_answers_and_asks_for_nothing(tmp_path) -> None:  # type: ignore[no-untyped-def]
    a = random(80, 3)
    found = equiv.compare(Observations(a), Observations(a @ random(3, 4, seed=2)), paired=True)
    said, details = found.summary(), found.summary(details=True)

    assert said.startswith("Verdict: equivalent (") and said.endswith(found.sentence)
    assert "80 common inputs" in said and "would help" not in said
    assert all(len(row) <= 120 for row in said.splitlines()[:-1]) and len(said.splitlines()) < 25
    # The details begin with the answer, and have all that is known.
    assert details.startswith(said.partition("\n\n")[0][:60])
    assert all(name.replace("_", " ") in details for name in found.diagnostics if "measures" not in name)
    assert "% of the target's spread" in details and "80 samples" in details
    assert repr(found).startswith("Comparison(equivalent: A to B") and "\n" not in repr(found)
    found.save(tmp_path)
    again = equiv.load(tmp_path)
    assert again.summary(details=True) == details and repr(again) == repr(found)


def test_the_tolerance_is_told_as_it_was_given() -> None:
    found = equiv.compare(
        Observations(random(12, 2)), Observations(random(12, 2)), paired=True, tolerance=0.125
    )

    assert all("tolerance 12.5 %" in said for said in (repr(found), found.sentence))
    assert "the tolerance of 12.5 %" in found.summary()


def test_cards_escape_what_they_show() -> None:
    found = equiv.compare(Observations(random(12, 2)), Observations(random(12, 2, seed=1)), paired=True)
    card = found._repr_html_()

    assert card.startswith("<div") and card.endswith("</div>") and "<table>" in card
    assert "B&#x27;s spread" in card and "B's" not in card


def test_an_undecided_pair_says_what_would_help() -> None:
    found = equiv.compare(Observations(random(30, 5)), Observations(random(30, 3, seed=1)), paired=True)
    said = found.summary()

    assert found.verdict == "inconclusive"
    assert "samples: 30 so far" in said and "frames: with derivatives of both" in said


def test_a_no_says_what_it_rests_on() -> None:
    x, mixed = uniform(100, 2), random(8, 8)
    plane, line = observed(surface, x), observed(lambda x: x[..., :1].sin(), x)
    said = equiv.compare(plane, line, paired=True).summary()
    wide, blind = (observed(lambda x, k=k: (x @ mixed[:, k:]).tanh(), uniform(100, 8)) for k in (0, 2))

    assert "of 100 samples look to B like others that A tells apart" in said and "why not A to B" not in said
    said = equiv.compare(wide, blind, paired=True).summary()
    assert "why not B to A  inputs change so that A moves and B does not: " in said


def test_constant_neurons_ask_for_others_not_for_samples() -> None:
    said = equiv.compare(Observations(torch.ones(50, 2)), Observations(random(50, 2)), paired=True).summary()

    assert "other inputs or layers: A shows nothing that varies" in said and "samples: 50" not in said


def test_rows_that_are_held_out_together_can_be_called_independent() -> None:
    rows = random(30, 3).repeat(2, 1)
    found = equiv.compare(Observations(rows), Observations(rows.exp()), paired=True)

    assert "held out" in found.summary() and "say groups=torch.arange(60)" in found.summary()


def test_without_anchors_a_circle_asks_for_some() -> None:
    circle = DOMAINS["circle"]
    known = circle.sample(3, seed=9)
    a, b = (
        observe(circle, torch.cat([circle.sample(n, seed=seed), known]), 6, seed=seed + 1)
        for n, seed in ((150, 0), (160, 1))
    )
    free = equiv.compare(a, b, paired=False).summary()
    anchors = torch.stack([150 + torch.arange(3), 160 + torch.arange(3)], dim=1)
    fixed = equiv.compare(a, b, paired=False, anchors=anchors).summary()

    assert "a closed curve, seen alike by both" in free and "a closed curve, seen alike by both" in fixed
    assert "infinitely many" in free and "anchors: 0 so far, 2 fix" in free
    assert "maps that fit   one" in fixed and "would help" not in fixed


def test_matrices_and_classes_print_as_a_line() -> None:
    a, other = random(60, 3), random(60, 3, seed=1)
    layers = {"first": a, "second": a.square()}
    classes = equiv.Classes(torch.tensor([0, 0, 1]), torch.eye(3, dtype=torch.bool), {}, [(0, 1)])

    assert repr(equiv.compare_layers(layers, {"only": other})).startswith(
        "LayerMatrix(2 layers of A, 1 of B, "
    )
    assert repr(classes) == "Classes(labels=[0, 0, 1], 1 pairs of classes undecided)"
