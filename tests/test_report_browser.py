"""The report in a real browser: it loads alone, its charts are linked, and it is legible everywhere."""

import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from browser import Browser
from comparisons import DECIDED, UNDECIDED, comparison

from equiv.findings.meanings import MEANINGS
from equiv.report.report import write_report
from equiv.report.sections import PictureStrip, Section
from lightning_modules.figures import cameras

pytestmark = pytest.mark.slow
MOMENTS = 36
TURN = 2 * math.pi
# What there are charts of.
DRAWN = [*DECIDED, *(name for name in UNDECIDED if name != "failed")]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with Browser() as opened:
        yield opened


@pytest.fixture(scope="module")
def horse(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report with everything in it, its pictures as large as the horse's and harder to compress."""
    generator = torch.Generator().manual_seed(0)
    rows = [torch.rand(MOMENTS, 3, 64, 64, generator=generator) for _ in range(3)]
    true = TURN * torch.rand(200, generator=generator)
    error = 0.01 * torch.randn(200, generator=generator)
    return write_report(
        comparison("ring"),
        tmp_path_factory.mktemp("report") / "report.html",
        title="Two cameras",
        sections=[
            PictureStrip("Views", ["A", "B predicted", "B"], rows, TURN * torch.arange(MOMENTS) / MOMENTS),
            Section("Angles", "Recovered.", cameras.angle_scatter(true, true + error, error, 20 * error)),
        ],
        settings={"seed": 0},
    )


def middle(browser: Browser, selector: str) -> tuple[float, float]:
    """Where an element is in the window, scrolled into sight."""
    x, y = browser.run(
        f"(() => {{ const one = document.querySelector({selector!r});"
        " one.scrollIntoView({block: 'center'}); const box = one.getBoundingClientRect();"
        " return [box.x + box.width / 2, box.y + box.height / 2]; })()"
    )
    return x, y


def place(browser: Browser, selector: str) -> list[float]:
    """Where an element is in its drawing."""
    return browser.run(
        f"(() => {{ const one = document.querySelector({selector!r}), at = one.transform.baseVal;"
        " if (at.numberOfItems) return [at[0].matrix.e, at[0].matrix.f];"
        " return [one.cx.baseVal.value, one.cy.baseVal.value]; })()"
    )


def lit(browser: Browser, side: str) -> list[int]:
    return browser.run(
        f"""[...document.querySelectorAll('svg[data-side="{side}"] .dot')]"""
        ".map((dot, i) => dot.classList.contains('lit') ? i : -1).filter((i) => i >= 0)"
    )


def data(browser: Browser) -> Any:
    return browser.run("JSON.parse(document.querySelector('.charts script').textContent)")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_loads_alone_and_fits(browser: Browser, horse: Path, width: int, scheme: str, tmp_path: Path) -> None:
    assert horse.stat().st_size < 8e6
    browser.errors.clear()
    browser.requests.clear()
    browser.open(horse, width, 900, scheme)
    assert browser.errors == []
    assert {request.split(":")[0] for request in browser.requests} <= {"file", "data"}
    assert sum(request.startswith("file:") for request in browser.requests) == 1
    assert browser.run("document.documentElement.scrollWidth") <= width
    shade = browser.run("getComputedStyle(document.body).backgroundColor")
    assert (sum(map(int, shade[4:-1].split(","))) > 380) == (scheme == "light")
    browser.screenshot(tmp_path / "page.png")
    assert (tmp_path / "page.png").stat().st_size > 50_000


def test_a_phone_shows_the_bounds_without_scrolling(browser: Browser, horse: Path) -> None:
    browser.open(horse, 390)
    hidden = browser.run(
        """[...document.querySelectorAll('.wide')].filter((one) => /Upper bound/.test(one.textContent))
          .map((one) => one.scrollWidth - one.clientWidth)"""
    )
    assert len(hidden) == 1 and hidden[0] <= 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_from_its_ground(browser: Browser, horse: Path, scheme: str) -> None:
    browser.open(horse, scheme=scheme)
    # Contrast ratio of the Web Content Accessibility Guidelines 2.1, section 1.4.3: at least 4.5.
    worst = browser.run(
        """(() => {
          const light = (text) => text.match(/[\\d.]+/g).slice(0, 3).map((v) => v / 255)
            .map((v) => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
            .reduce((sum, v, k) => sum + v * [0.2126, 0.7152, 0.0722][k], 0);
          const ground = light(getComputedStyle(document.querySelector('section.card')).backgroundColor);
          return Math.min(...[...document.querySelectorAll('p, h1, h2, a, th, td, dt, dd, text, figcaption')]
            .map((one) => light(getComputedStyle(one)[one.tagName === 'text' ? 'fill' : 'color']))
            .map((ink) => (Math.max(ink, ground) + 0.05) / (Math.min(ink, ground) + 0.05)));
        })()"""
    )
    assert worst >= 4.5


@pytest.mark.parametrize("case", DRAWN)
def test_every_comparison_runs_without_an_error(browser: Browser, case: str, tmp_path: Path) -> None:
    browser.errors.clear()
    browser.open(write_report(comparison(case), tmp_path / "report.html"))
    for side in "ab":
        browser.mouse("mouseMoved", *middle(browser, f'svg[data-side="{side}"]'))
        assert "Point" in browser.run("document.querySelector('.charts ~ output').textContent")
    assert browser.errors == []


@pytest.mark.parametrize("paired", [True, False])
@pytest.mark.parametrize(("side", "other"), ["ab", "ba"])
def test_pointing_at_a_point_lights_its_image(
    browser: Browser, side: str, other: str, paired: bool, tmp_path: Path
) -> None:
    browser.open(write_report(comparison("pairs" if paired else "plane"), tmp_path / "report.html"))
    links = data(browser)[side]["link"]
    for i in (3, 40, 77):
        dot = f'svg[data-side="{side}"] .dot:nth-of-type({i + 1})'
        browser.mouse("mouseMoved", *middle(browser, dot))
        assert place(browser, f'svg[data-side="{side}"] .near') == pytest.approx(
            place(browser, dot), abs=0.06
        )
        image = place(browser, f'svg[data-side="{other}"] .dot:nth-of-type({links[i] + 1})')
        assert place(browser, f'svg[data-side="{other}"] .near') == pytest.approx(image, abs=0.06)
        # Both charts are seen through one window, so that the image lies where the point does.
        assert place(browser, f'svg[data-side="{other}"] .image') == pytest.approx(
            place(browser, dot), abs=0.06
        )
        told = browser.run("document.querySelector('.charts ~ output').textContent")
        assert told.startswith(f"Point {i} of {side.upper()}")
    browser.mouse("mouseMoved", 2, 2)
    assert browser.run("document.querySelectorAll('.mark.on').length") == 0


@pytest.mark.parametrize("paired", [True, False])
def test_marking_a_region_lights_its_image(browser: Browser, paired: bool, tmp_path: Path) -> None:
    browser.open(write_report(comparison("pairs" if paired else "plane"), tmp_path / "report.html"))
    x, y = middle(browser, 'svg[data-side="a"]')
    browser.mouse("mousePressed", x - 60, y - 50)
    browser.mouse("mouseMoved", x, y, pressed=True)
    browser.mouse("mouseMoved", x + 70, y + 40, pressed=True)
    browser.mouse("mouseReleased", x + 70, y + 40)
    inside = browser.run(
        """(() => {
          const svg = document.querySelector('svg[data-side="a"]');
          const box = svg.querySelector('.brush').getBoundingClientRect();
          const hit = (one) => {
            const x = one.x + one.width / 2, y = one.y + one.height / 2;
            return x > box.left && x < box.right && y > box.top && y < box.bottom;
          };
          return [...svg.querySelectorAll('.dot')].map((dot) => dot.getBoundingClientRect())
            .map((one, i) => hit(one) ? i : -1).filter((i) => i >= 0);
        })()"""
    )
    assert len(inside) > 5 and lit(browser, "a") == inside
    links = data(browser)
    expected = inside if paired else [j for j, i in enumerate(links["b"]["link"]) if i in set(inside)]
    assert lit(browser, "b") == expected
    browser.mouse("mousePressed", x + 90, y + 60)
    browser.mouse("mouseReleased", x + 90, y + 60)
    assert lit(browser, "a") == [] == lit(browser, "b")


def test_keys_go_from_point_to_point(browser: Browser, horse: Path) -> None:
    browser.open(horse)
    order, index = (data(browser)["a"][name] for name in ("order", "index"))
    browser.run("document.querySelector('svg[data-side=\"a\"]').focus()")
    for k in (0, 1, 2):
        browser.key("ArrowRight")
        told = browser.run("document.querySelector('.charts ~ output').textContent")
        assert told.startswith(f"Point {index[order[k]]} of A")
    browser.key("Escape")
    assert browser.run("document.querySelectorAll('.mark.on').length") == 0


def test_a_tap_shows_the_pictures_of_that_place(browser: Browser, tmp_path: Path) -> None:
    result = comparison("ring")
    assert result.chart_b is not None
    period = float(result.chart_b.get_buffer("periods").norm())
    angles = TURN * torch.arange(MOMENTS, dtype=torch.float64) / MOMENTS
    # Known angles that run against the coordinate, and start elsewhere.
    places = ((1.0 - angles) * period / TURN)[:, None]
    pictures = torch.rand(MOMENTS, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    strip = PictureStrip("Views", ["A", "B"], [pictures, pictures], angles, places=(places, places))
    browser.errors.clear()
    browser.open(write_report(result, tmp_path / "report.html", sections=[strip]), 390)
    held = data(browser)["held"]
    for side, k in (("a", 7), ("b", 21)):
        browser.run(f"document.querySelector('svg[data-side={side}]').scrollIntoView({{block: 'center'}})")
        x, y = browser.run(
            f"(() => {{ const svg = document.querySelector('svg[data-side={side}]'), box = svg.getBoundingClientRect();"
            f" const of = JSON.parse(document.querySelector('.charts script').textContent);"
            f" const [u, v] = of.held.{side}[{k}], scale = box.width / svg.viewBox.baseVal.width;"
            f" return [box.x + u * scale, box.y + (of.{side}.y - v) * scale]; }})()"
        )
        browser.tap(x, y)
        assert browser.run("document.querySelector('.linked > output').textContent") == held["said"][k]
        assert held["said"][k].startswith(f"Pictures at {360 * k / MOMENTS:.1f}°. A puts this input at ")
        assert browser.run("Number(document.querySelector('.pictures input').value)") == k
        assert browser.run("document.querySelectorAll('.mark.on').length") == 3
        box = browser.run(
            f"(() => {{ const b = document.querySelector('svg[data-side={side}] .near').getBoundingClientRect();"
            " return [b.x + b.width / 2, b.y + b.height / 2]; })()"
        )
        assert box == pytest.approx([x, y], abs=1.0)
    assert browser.errors == []


def test_a_question_mark_tells_its_sentence(browser: Browser, horse: Path) -> None:
    browser.open(horse, 390)
    place_of_mark = middle(browser, ".why")
    browser.run(
        "new Promise((done) => setTimeout(done, 200))"
    )  # a page that still scrolls takes the sentence away
    browser.tap(*place_of_mark)
    browser.run("new Promise((done) => setTimeout(done, 100))")
    assert browser.run("document.querySelector('#tip').textContent") == MEANINGS["error"]
    box = browser.run(
        "(() => { const b = document.querySelector('#tip').getBoundingClientRect(); return [b.left, b.right]; })()"
    )
    assert 0 <= box[0] < box[1] <= 390
    browser.key("Escape")
    assert browser.run("getComputedStyle(document.querySelector('#tip')).visibility") == "hidden"


def test_other_axes_can_be_chosen(browser: Browser, tmp_path: Path) -> None:
    result = comparison("space")
    browser.open(write_report(result, tmp_path / "report.html"))
    browser.run(
        "(() => { const one = document.querySelector('select'); one.value = '1,2';"
        " one.dispatchEvent(new Event('change')); })()"
    )
    at = torch.tensor(
        browser.run(
            "[...document.querySelectorAll('svg[data-side=\"b\"] .dot')].map((dot) =>"
            " [dot.cx.baseVal.value, -dot.cy.baseVal.value])"
        ),
        dtype=torch.float64,
    )
    u = result.coordinates_b[:, 1:]
    scale = (at - at.mean(0)).norm() / (u - u.mean(0)).norm()
    # One scale for both axes; positions are rounded to a tenth of a unit of the drawing.
    assert ((at - at.mean(0)) - scale * (u - u.mean(0))).abs().max() < 0.2
    shown = browser.run(
        "[...document.querySelectorAll('svg[data-side=\"b\"] [data-axes]')]"
        ".filter((one) => getComputedStyle(one).display !== 'none').map((one) => one.dataset.axes)"
    )
    assert shown == ["1,2"]


def test_the_slider_turns_every_picture(browser: Browser, horse: Path) -> None:
    browser.open(horse)
    browser.run("document.querySelector('.pictures input').focus()")
    for _ in range(9):
        browser.key("ArrowRight")
    share = 100 * 9 / (MOMENTS - 1)
    positions = browser.run(
        "[...document.querySelectorAll('.frames .sprite')].map((one) => one.style.backgroundPositionY)"
    )
    assert [float(position.removesuffix("%")) for position in positions] == pytest.approx(
        [share] * 3, rel=1e-3
    )
    assert browser.run("document.querySelector('.pictures output').textContent") == "90.0°"
    browser.run("document.querySelector('.pictures button').click()")
    browser.run("new Promise((done) => setTimeout(done, 600))")
    assert browser.run("Number(document.querySelector('.pictures input').value)") > 9


def test_prints_on_few_pages_with_pictures_in_a_row(browser: Browser, horse: Path, tmp_path: Path) -> None:
    browser.open(horse, scheme="dark")
    browser.printed(tmp_path / "page.pdf")
    printed = (tmp_path / "page.pdf").read_bytes()
    assert printed.startswith(b"%PDF") and 1 <= len(re.findall(rb"/Type\s*/Page\b", printed)) <= 6
    browser.call("Emulation.setEmulatedMedia", media="print")
    shown = "(selector) => getComputedStyle(document.querySelector(selector)).display"
    assert browser.run(f"({shown})('.strip')") != "none" == browser.run(f"({shown})('.frames')")
    browser.call("Emulation.setEmulatedMedia", media="")
