"""The report says what the comparison found, whatever it is, and needs nothing from outside."""

import dataclasses
import itertools
import json
import math
import re
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from comparisons import DECIDED, UNDECIDED, comparison
from pages import read

import equiv
from equiv.comparison import Comparison
from equiv.figures.charts import spectrum_figure
from equiv.findings.direction import Direction
from equiv.findings.meanings import meaning
from equiv.report.angles import reading_of
from equiv.report.correspondence import evenly, linked_pair, nearest_links, paired_links
from equiv.report.markup import escape, json_script, number, percent, png
from equiv.report.report import write_report
from equiv.report.sections import HeldOut, PictureStrip, Section
from equiv.report.ticks import log_ticks, nice_ticks
from equiv.verdict import Interval, parted, share_in_words

TURN = 2 * math.pi


def unbounded() -> Comparison:
    r"""Errors of which nothing is known but that they are there."""
    unknown = Direction(Interval(0.1, 0.0, math.inf))

    return dataclasses.replace(comparison("plane"), a_to_b=unknown, b_to_a=unknown)


@pytest.mark.parametrize("case", [*DECIDED, *UNDECIDED, "unbounded"])
def test_every_comparison_gives_a_sound_page(case: str, tmp_path: Path) -> None:
    result = unbounded() if case == "unbounded" else comparison(case)
    reader = read(write_report(result, tmp_path / "report.html", title=case))
    text = " ".join(reader.text)
    finding = parted(result.sentence)[0].rpartition("Inconclusive: ")[2]
    assert text.count(finding[1:]) == 1  # once, and with a capital
    headings = reader.headings
    assert len(set(headings)) == len(headings)
    assert not re.search(r"\de-\d", text)

    if 0 in result.coordinates_a.shape:
        assert "nothing to draw" in text
        return

    data = reader.json[0]
    for side, other, name in (("a", "b", "coordinates_a"), ("b", "a", "coordinates_b")):
        n = len(getattr(result, name))
        assert len(data[side]["at"]) == n and sorted(data[side]["order"]) == list(range(n))
        if data[side]["link"] is not None:
            assert max(data[side]["link"]) < len(data[other]["at"])


@pytest.mark.parametrize("case", ["ring", "pairs"])
def test_ambiguity_and_share_of_the_inputs_stand_with_the_errors(case: str, tmp_path: Path) -> None:
    result = comparison(case)
    text = " ".join(read(write_report(result, tmp_path / "report.html")).text)
    assert share_in_words(result.a_to_b.share, result.confidence) in text
    apart = f"up to {percent(max(result.a_to_b.ambiguity, result.b_to_a.ambiguity))} of the spread apart"
    assert (apart.replace("\u00a0", " ") in text) == (result.symmetries > 1)


def test_what_is_shared_stands_with_its_directions_and_neurons(tmp_path: Path) -> None:
    x = torch.randn(90, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    noise = torch.randn(90, 2, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    b = torch.cat([x[:, :2], noise, torch.ones(90, 1)], dim=1)
    result = equiv.compare(equiv.Observations(x), equiv.Observations(b), paired=True)
    page = write_report(result, tmp_path / "report.html")
    text = " ".join(read(page).text)
    found = result.a_to_b
    assert "What is shared" in text and "explained A to B" in text
    for k in range(4):
        assert f"A to B, neuron {k} of B: error {percent(found.by_neuron[k].item())}" in text
        assert f"A to B, direction {k + 1}: {percent(found.components.variance[k].item())} of the" in text
    assert "neuron 4 of B" not in text  # it never changes
    drawn = len(found.components.errors) + len(result.b_to_a.components.errors) + 4 + 3
    assert len(re.findall(r'data-said="[AB] to [AB], ', page.read_text())) == drawn
    assert "What is shared" not in " ".join(read(write_report(comparison("ring"), tmp_path / "r.html")).text)


def test_a_result_without_finite_points_is_reported(tmp_path: Path) -> None:
    plain = comparison("plane")
    result = dataclasses.replace(plain, coordinates_a=torch.full_like(plain.coordinates_a, torch.nan))
    assert "nothing to draw" in " ".join(read(write_report(result, tmp_path / "r.html")).text)


def test_paired_points_are_linked_to_themselves(tmp_path: Path) -> None:
    data = read(write_report(comparison("pairs"), tmp_path / "r.html")).json[0]
    assert data["a"]["link"] == list(range(120)) == data["b"]["link"]


def test_unregistered_points_are_not_linked(tmp_path: Path) -> None:
    data = read(write_report(comparison("unregistered"), tmp_path / "r.html")).json[0]
    assert data["a"]["link"] is None and data["a"]["place"] is False


def test_points_beyond_the_most_are_thinned_evenly(tmp_path: Path) -> None:
    line = torch.linspace(0, 1, 5001, dtype=torch.float64)[:, None]
    result = dataclasses.replace(comparison("fold"), coordinates_a=line, coordinates_b=line)
    data = read(write_report(result, tmp_path / "r.html")).json[0]
    index = data["a"]["index"]
    assert len(index) == 2000 and index[0] == 0 and index[-1] == 5000 and max(np.diff(index)) == 3


def test_everything_given_is_escaped(tmp_path: Path) -> None:
    evil = "</script><script>alert(1)</script><img src=x onerror=alert(1)>\"'&"
    plain = comparison("plane")
    result = dataclasses.replace(plain, sentence=evil, diagnostics=plain.diagnostics | {evil: evil})
    reader = read(
        write_report(
            result,
            tmp_path / "r.html",
            title=evil,
            sections=[
                Section(evil, evil, spectrum_figure([1.0], [1.0]), evil, [{evil: evil}]),
                PictureStrip(evil, [evil], [torch.zeros(2, 3, 4, 4)], torch.zeros(2), evil),
            ],
            settings={evil: {evil: evil}},
        )
    )
    assert " ".join(reader.text).count(evil) >= 10
    assert not [address for address in reader.addresses if "onerror" in address or address == "x"]


def test_json_inside_a_script_is_the_same_json_and_cannot_end_it() -> None:
    value = ["</script>", "<!--", "&amp;", "é", 0.1]
    text = json_script(value)
    assert not set("<>&") & set(text)
    assert json.loads(text) == value


def test_sections_and_settings_are_shown(tmp_path: Path) -> None:
    figure = spectrum_figure([1.0, 4.0], [1.0, 4.0], [1, 4])
    rows = [{"epoch": k, "loss": 0.5**k} for k in range(12)]
    pictures = torch.rand(5, 3, 6, 8, generator=torch.Generator().manual_seed(0))
    reader = read(
        write_report(
            comparison("plane"),
            tmp_path / "r.html",
            sections=[
                Section("Loss", "First.\n\nSecond.", figure, "Loss over epochs", rows),
                PictureStrip("Views", ["seen", "true"], [pictures, pictures], TURN * torch.arange(5) / 5),
            ],
            settings={"matching": {"anchors": 3}, "seed": 0},
        )
    )
    text = " ".join(reader.text)
    for part in ("Loss", "First.", "Second.", "Views", "seen", "matching.anchors", "torch"):
        assert part in text
    assert reader.json[0] == ["0.0°", "72.0°", "144.0°", "216.0°", "288.0°"]


def test_the_main_figure_comes_second_and_takes_the_inks_of_the_page(tmp_path: Path) -> None:
    figure = spectrum_figure([1.0, 4.0], [1.0, 4.0])
    sections = [Section("The figure", figure=figure), Section("Numbers", table=[{"a": 1.0}])]
    page = write_report(comparison("plane"), tmp_path / "r.html", sections=sections, origin=["python run.py"])
    reader = read(page)
    assert reader.headings[1:3] == ["The figure", "The two charts"] and "Numbers" in reader.headings[3:]
    text = page.read_text()
    drawn = text[text.index('<svg class="drawn"') :]
    drawn = drawn[: drawn.index("</svg>")]
    assert "var(--a)" in drawn and "var(--b)" in drawn and "var(--ink)" in drawn
    assert not re.search(
        r"#(0072b2|d55e00|222222|ffffff)", drawn
    )  # no ground, and no ink for one ground alone
    assert "10.1063/5.0206406" in text and "python run.py" in " ".join(reader.text)


@pytest.mark.parametrize("case", ["ring", "double cover", "pairs", "unrelated", "few", "copies"])
def test_every_quantity_says_what_it_is(case: str) -> None:
    diagnostics = comparison(case).diagnostics
    assert [name for name in diagnostics if not name.startswith("measures") and meaning(name) is None] == []


@pytest.mark.parametrize("sign", [1, -1])
def test_a_closed_curve_is_read_by_the_angles_that_are_known(sign: int) -> None:
    pair = linked_pair(comparison("ring"), anchors=[[0, 1], [2, 3]])
    assert pair is not None and pair.a.periods is not None
    period = abs(float(pair.a.periods[0, 0]))
    angles = np.linspace(0.1, 6.0, 40)
    places = (sign * angles + 2.5)[:, None] * period / TURN
    reading = reading_of(pair, places, angles)
    assert reading is not None
    np.testing.assert_allclose(reading(places)[:, 0], np.degrees(angles), atol=1e-9)
    read_pair = reading.pair(pair)
    gap, before = read_pair.links[0], pair.links[0]
    assert gap is not None and before is not None and gap.gap is not None and before.gap is not None
    np.testing.assert_allclose(gap.gap, before.gap * 360 / period)
    assert read_pair.a.told(reading(places[:1])[0]) == "5.7°" and len(read_pair.marked[0]) == 2
    assert reading_of(pair, 2 * places, angles) is None  # once round the pictures, twice round the curve


def test_true_errors_and_anchors_are_drawn_where_they_are_known(tmp_path: Path) -> None:
    result = comparison("plane")
    errors = np.linspace(0.001, 0.02, 30)
    known = HeldOut(result.coordinates_b[:30], errors, 2 * errors)
    page = write_report(result, tmp_path / "r.html", anchors=[[300, 280], [301, 281]], held_out=known)
    text = page.read_text()
    assert "Where the true errors are" in read(page).headings
    assert len(re.findall(r'data-said="[^"]*% at \(', text)) == 60
    assert text.count('data-said="Anchor 1"') == 3  # in both charts, and where they are laid over each other


def test_wrong_sections_are_refused(tmp_path: Path) -> None:
    strip = PictureStrip("Views", ["seen"], [torch.rand(4, 3, 6, 8)], torch.zeros(5))
    with pytest.raises(ValueError, match="5 pictures"):
        write_report(comparison("plane"), tmp_path / "r.html", sections=[strip])
    with pytest.raises(TypeError, match="Section and PictureStrip"):
        write_report(comparison("plane"), tmp_path / "r.html", sections=["text"])  # type: ignore[list-item]
    with pytest.raises(TypeError, match="'figure'"):
        write_report(comparison("plane"), tmp_path / "r.html", sections=[Section("x", figure=3)])
    with pytest.raises(TypeError, match="PNG, GIF"):
        write_report(comparison("plane"), tmp_path / "r.html", sections=[Section("x", figure=b"BM")])


def test_png_holds_the_picture() -> None:
    picture = np.random.default_rng(0).random((7, 5, 3)) * 1.2 - 0.1
    content = png(picture)
    position, chunks = 8, {}
    while position < len(content):
        size, kind = struct.unpack(">I4s", content[position : position + 8])
        body = content[position + 8 : position + 8 + size]
        (check,) = struct.unpack(">I", content[position + 8 + size : position + 12 + size])
        assert check == zlib.crc32(kind + body)
        chunks[kind] = body
        position += size + 12
    assert struct.unpack(">II", chunks[b"IHDR"][:8]) == (5, 7)
    rows = np.frombuffer(zlib.decompress(chunks[b"IDAT"]), np.uint8).reshape(7, 16)
    assert (rows[:, 0] == 2).all()  # each row is the difference to the one above
    shown = np.cumsum(rows[:, 1:], axis=0, dtype=np.uint8).reshape(7, 5, 3)
    np.testing.assert_array_equal(shown, np.round(255 * np.clip(picture, 0, 1)).astype(np.uint8))


def test_numbers_in_words() -> None:
    given = [
        1.23456e-7,
        -0.5,
        1234567,
        True,
        None,
        math.nan,
        math.inf,
        [1, 2.5],
        [],
        torch.tensor(2.0),
        np.int64(3),
    ]
    words = [
        "1.235 × 10⁻⁷",
        "−0.5",
        "1,234,567",
        "yes",
        "unknown",
        "unknown",
        "∞",
        "1, 2.5",
        "none",
        "2",
        "3",
    ]
    assert [number(x) for x in given] == words
    assert escape("<a b='c'>") == "&lt;a b=&#x27;c&#x27;&gt;"


@pytest.mark.parametrize("closed", [0, 1, 2])
def test_nearest_links_are_nearest_modulo_the_periods(closed: int) -> None:
    generator = np.random.default_rng(0)
    periods = np.array([[1.0, 0.1], [0.2, 0.8]])[:closed]
    a, b = generator.random((40, 2)) * 3, generator.random((30, 2)) * 3
    steps = (
        np.array(list(itertools.product(range(-6, 7), repeat=closed))).reshape(13**closed, closed) @ periods
    )
    distance = np.linalg.norm(a[:, None, None] - b[None, :, None] + steps, axis=-1).min(axis=2)
    links = nearest_links(a, b, periods if closed else None)
    np.testing.assert_allclose(links.gap, distance.min(axis=1), atol=1e-12)
    np.testing.assert_array_equal(links.index, distance.argmin(axis=1))


def test_paired_links_measure_modulo_the_periods() -> None:
    u = np.array([[0.1], [3.0]])
    links = paired_links(u, u + 0.01 + TURN * np.array([[2.0], [-1.0]]), np.array([[TURN]]))
    np.testing.assert_allclose(links.gap, 0.01, rtol=1e-9)


def test_evenly_keeps_both_ends() -> None:
    assert evenly(3, 10).tolist() == [0, 1, 2]
    assert evenly(101, 3).tolist() == [0, 50, 100]


@pytest.mark.parametrize(("low", "high"), [(0.0, 1.0), (-3.2, 7.9), (1e-5, 3e-5), (99.0, 101.0)])
def test_ticks_are_few_round_and_inside(low: float, high: float) -> None:
    ticks = nice_ticks(low, high)
    assert 2 <= len(ticks) <= 6 and low <= ticks[0] and ticks[-1] <= high
    steps = np.diff(ticks)
    np.testing.assert_allclose(steps, steps[0], rtol=1e-6)
    assert round(steps[0] / 10 ** math.floor(math.log10(steps[0] * 1.0001)), 6) in (1, 2, 2.5, 5)


@pytest.mark.parametrize(("low", "high"), [(0.02, 0.7), (1e-6, 2.0), (0.03, 0.08), (0.4, 12.0)])
def test_logarithmic_ticks_are_few_round_and_inside(low: float, high: float) -> None:
    ticks = log_ticks(low, high)
    assert 1 <= len(ticks) <= 5 and ticks == sorted(ticks)
    assert low <= ticks[0] and ticks[-1] <= high
    assert all(f"{tick:.0e}"[0] in "125" and math.isclose(tick, float(f"{tick:.0e}")) for tick in ticks)
