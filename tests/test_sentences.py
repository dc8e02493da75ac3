r"""Sentences name the two networks: exchanged with them, kept by files; nothing else in them is taken for a name."""

import copy
import functools
import json
import pickle
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from manifolds import observed
from torch import Tensor

import equiv
from equiv import Comparison
from equiv.transformation import NoMap
from equiv.verdict import NAME_A, NAME_B, Sentence, guessed_template


def uniform(n: int, m: int, seed: int) -> Tensor:
    return torch.rand(n, m, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def line(x: Tensor) -> Tensor:
    return torch.cat([x[..., :1], (2 * x[..., :1]).sin()], dim=-1)


def plane(x: Tensor) -> Tensor:
    return torch.cat([x[..., :1], x[..., 1:2], (x[..., :1] + x[..., 1:2]).tanh()], dim=-1)


def circle(x: Tensor) -> Tensor:
    return torch.cat([(6.2831853 * x).cos(), (6.2831853 * x).sin()], dim=-1)


def longer_circle(x: Tensor) -> Tensor:
    return 2 * circle(x)


# What A and B show of their inputs, how many dimensions these have, how many samples, whether in pairs.
CASES: dict[str, tuple[Any, Any, int, int, bool]] = {
    "determines": (plane, line, 2, 100, True),
    "neither": (line, lambda x: line(x[..., 1:]), 2, 100, True),
    "too few samples": (plane, line, 2, 6, True),
    "constant": (lambda x: 0 * x, line, 1, 50, True),
    "other dimensions": (plane, line, 2, 150, False),
    "covering": (longer_circle, circle, 1, 200, False),
    "open and closed": (line, circle, 1, 200, False),
    "overlap in part": (line, lambda x: line(0.5 * x), 1, 200, False),
}


@functools.cache
def compared(name: str) -> tuple[Comparison, Comparison]:
    r"""The comparison of A and B, and that of B and A."""
    first, second, m, n, paired = CASES[name]
    x = uniform(n, m, 0)
    a, b = observed(first, x), observed(second, x if paired else uniform(n + 20, m, 1))

    return equiv.compare(a, b, paired=paired), equiv.compare(b, a, paired=paired)


def said(result: Comparison) -> dict[str, str]:
    r"""Everything that a comparison says, by where it stands."""

    def strings(value: Any, place: str) -> Iterator[tuple[str, str]]:
        if isinstance(value, str):
            yield place, value
        elif isinstance(value, dict | list):
            entries = value.items() if isinstance(value, dict) else enumerate(value)
            for key, entry in entries:
                yield from strings(entry, f"{place}.{key}")

    maps = {"there": result.transformation.there, "back": result.transformation.back}
    reasons = {name: each.reason for name, each in maps.items() if isinstance(each, NoMap)}

    return dict(strings({"sentence": result.sentence, **result.diagnostics, **reasons}, ""))


def exchanged(text: str) -> str:
    return re.sub(r"\b[AB]\b", lambda found: {"A": "B", "B": "A"}[found.group()], text)


@pytest.mark.parametrize("name", CASES)
def test_every_sentence_is_exchanged_with_the_networks(name: str) -> None:
    one, other = compared(name)
    found, mirrored = said(one), said(one.mirrored)

    assert said(other) == mirrored and said(other.mirrored) == found
    assert mirrored[".sentence"] == exchanged(found[".sentence"])
    assert sorted(mirrored.values()) == sorted(map(exchanged, found.values()))
    assert other.summary().splitlines()[-1] == mirrored[".sentence"]
    assert not [text for text in [*found.values(), one.summary()] if NAME_A in text or NAME_B in text]


@pytest.mark.parametrize("name", ["determines", "other dimensions", "covering"])
def test_saved_sentences_keep_the_names(name: str, tmp_path: Path) -> None:
    result, _ = compared(name)
    result.save(tmp_path)
    loaded = equiv.load(tmp_path)

    assert said(loaded) == said(result)
    assert said(loaded.mirrored) == said(result.mirrored)


def test_comparisons_saved_without_templates_load_and_are_exchanged_by_their_words(tmp_path: Path) -> None:
    result, _ = compared("other dimensions")
    result.save(tmp_path)
    written = json.loads((tmp_path / "comparison.json").read_text())
    del written["templates"], written["checksums"]  # which both came later
    (tmp_path / "comparison.json").write_text(json.dumps(written))

    with pytest.warns(UserWarning, match="before results had checksums"):
        loaded = equiv.load(tmp_path)

    assert said(loaded) == said(result)
    assert said(loaded.mirrored) == said(result.mirrored)


def test_letters_that_are_no_names_stay() -> None:
    sentence = Sentence(f"A layer 'net.A' of {NAME_A} and 'B' of {NAME_B}")

    assert sentence == "A layer 'net.A' of A and 'B' of B"
    assert sentence.mirrored == "A layer 'net.A' of B and 'B' of A"
    assert sentence.mirrored.mirrored == sentence
    assert (sentence + f", but not {NAME_A}").mirrored == "A layer 'net.A' of B and 'B' of A, but not B"
    assert (sentence + sentence).mirrored == sentence.mirrored + sentence.mirrored


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda sentence: pickle.loads(pickle.dumps(sentence))])
def test_copies_keep_the_names(copied: Callable[[Sentence], Sentence]) -> None:
    assert copied(Sentence(f"{NAME_A} determines {NAME_B}")).mirrored == "B determines A"


def test_templates_are_guessed_by_whole_words() -> None:
    assert guessed_template("Ab is no name") is None
    assert guessed_template("A covers B") == f"{NAME_A} covers {NAME_B}"
