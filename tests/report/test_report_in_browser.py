"""The page of `roadproof report` in a real browser: light and dark, desktop and phone, on paper.

ROADPROOF_BIN names the program (target/release/roadproof by default); ROADPROOF_SHOTS, where set, a folder in which the
screenshots stay.
"""

from __future__ import annotations

import os
import struct
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from browser import Browser, find

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = Path(os.environ.get("ROADPROOF_BIN") or ROOT / "target/release/roadproof")
SECTIONS = ["summary", "corruptions", "classes", "cost", "trade", "curves", "confusion", "samples", "method"]
VIEWS = [(theme, width) for theme in ("light", "dark") for width in (1280, 390)]


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if not PROGRAM.is_file():
        pytest.fail(f"{PROGRAM} is not built; `make build`, or set ROADPROOF_BIN")
    path = tmp_path_factory.mktemp("report") / "report.html"
    subprocess.run([PROGRAM, "report", ROOT / "tests/report/study.json", "-o", path], check=True, timeout=60)
    return path


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    program = find()
    if program is None:
        pytest.skip("no chromium, chromium-browser or google-chrome is installed: the page was not looked at")
    browser = Browser(program, tmp_path_factory.mktemp("profile"))
    yield browser
    browser.close()


@pytest.mark.parametrize(("theme", "width"), VIEWS)
def test_the_page_is_whole_and_fits(browser: Browser, page: Path, tmp_path: Path, theme: str, width: int) -> None:
    browser.open(page, width, theme)
    assert browser.messages == [], "the console is silent and nothing is fetched"
    assert browser.evaluate("[...document.querySelectorAll('main > section')].map(s => s.id)") == SECTIONS
    assert browser.evaluate("innerWidth") == width
    assert browser.evaluate("document.documentElement.scrollWidth") <= width, "no scrolling sideways"
    cut = """[...document.querySelectorAll("section *")]
        .filter(e => !e.closest(".scroll, .quiet, .picture, svg, thead, [hidden]") && e.getClientRects().length)
        .filter(e => { const r = e.getBoundingClientRect(); return r.left < -0.5 || r.right > innerWidth + 0.5; })
        .map(e => `${e.tagName} ${e.textContent.slice(0, 40)}`)"""
    assert browser.evaluate(cut) == [], "nothing sticks out of the window"

    folder = Path(os.environ.get("ROADPROOF_SHOTS") or tmp_path)
    folder.mkdir(parents=True, exist_ok=True)
    shot = folder / f"{theme}-{width}.png"
    browser.screenshot(shot)
    drawn_width, drawn_height = struct.unpack(">II", shot.read_bytes()[16:24])
    assert drawn_width == width and drawn_height > 3000
    background = browser.evaluate("getComputedStyle(document.body).backgroundColor")
    red = int(background.removeprefix("rgb(").split(",")[0])
    assert red > 200 if theme == "light" else red < 60, background


@pytest.mark.parametrize("width", [1280, 390])
def test_labels_of_drawings_are_inside_them(browser: Browser, page: Path, width: int) -> None:
    browser.open(page, width, "light")
    outside = """[...document.querySelectorAll("svg.chart text")].filter(t => {
        const a = t.getBoundingClientRect(), b = t.ownerSVGElement.getBoundingClientRect();
        return a.left < b.left - 1 || a.right > b.right + 1 || a.top < b.top - 1 || a.bottom > b.bottom + 1;
    }).map(t => t.textContent)"""
    assert browser.evaluate(outside) == []
    size = "Math.min(...[...document.querySelectorAll('svg.chart')].map(s => s.getScreenCTM().a))"
    assert browser.evaluate(size) > 0.9, "text of drawings is not shrunk"


def test_names_do_not_become_markup(browser: Browser, page: Path) -> None:
    browser.open(page, 1280, "light")
    assert browser.evaluate("document.scripts.length") == 1
    assert browser.evaluate("document.body.innerText.includes('<script>alert(\"sign\")</script>')")


def test_images_are_embedded_and_what_is_missing_is_said(browser: Browser, page: Path) -> None:
    browser.open(page, 1280, "light")
    assert browser.evaluate(
        "[...document.images].every(i => i.complete && i.naturalWidth > 0 && i.naturalWidth <= 640)"
    )
    assert browser.evaluate("[...document.images].every(i => i.alt.length > 0)")
    assert "image file is not there" in browser.evaluate("document.querySelector('#samples').innerText")


def test_choosing_a_variant_leaves_only_that_one(browser: Browser, page: Path) -> None:
    browser.open(page, 1280, "light")
    visible = """[...document.querySelectorAll(".panel[data-variant]")]
        .filter(e => e.getClientRects().length).map(e => e.dataset.variant)"""
    assert set(browser.evaluate(visible)) == {"0", "1", "2"}
    choose = (
        "(v => { const s = document.querySelector('#variant'); s.value = v; s.dispatchEvent(new Event('change')); })"
    )
    browser.evaluate(f"{choose}('1')")
    assert set(browser.evaluate(visible)) == {"1"}
    browser.evaluate(f"{choose}('0')")
    assert "has no base" in browser.evaluate("document.querySelector('#cost').innerText")
    browser.evaluate(f"{choose}('')")
    assert set(browser.evaluate(visible)) == {"0", "1", "2"}
    assert browser.messages == []


def test_without_scripts_everything_is_there(browser: Browser, page: Path) -> None:
    browser.call("Emulation.setScriptExecutionDisabled", value=True)
    try:
        browser.open(page, 390, "light")
        assert browser.evaluate("document.querySelector('.filter').hidden")
        assert browser.evaluate("[...document.querySelectorAll('[data-variant]')].every(e => !e.hidden)")
    finally:
        browser.call("Emulation.setScriptExecutionDisabled", value=False)


def test_it_can_be_printed(browser: Browser, page: Path, tmp_path: Path) -> None:
    browser.open(page, 1280, "dark")
    folder = Path(os.environ.get("ROADPROOF_SHOTS") or tmp_path)
    paper = folder / "report.pdf"
    browser.pdf(paper)
    assert paper.read_bytes().startswith(b"%PDF") and paper.stat().st_size > 20_000
    browser.call("Emulation.setEmulatedMedia", media="print")
    try:
        assert browser.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
        assert browser.evaluate("getComputedStyle(document.querySelector('.filter')).display") == "none"
        wide = "[...document.querySelectorAll('.scroll')].every(e => getComputedStyle(e).overflowX === 'visible')"
        assert browser.evaluate(wide), "no table is cut off on paper"
    finally:
        browser.call("Emulation.setEmulatedMedia", media="")
