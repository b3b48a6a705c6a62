"""The report in a real browser: keys, sounds, themes and widths; nothing in the console, nothing asked of outside."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from phonoscope.report import write_comparison

playwright = pytest.importorskip("playwright.sync_api", reason="pip install playwright")

CHROMIUM = Path(os.environ.get("PHONOSCOPE_CHROMIUM", "/usr/bin/chromium"))
SHOTS = Path(os.environ.get("PHONOSCOPE_SCREENSHOTS", Path(__file__).resolve().parents[2] / "output"))
VIEWS = {"light": (1280, 900, "light"), "dark": (1280, 900, "dark"), "phone": (390, 800, "light")}

# waits in the page itself: its policy forbids what Playwright's own waiting evaluates
PLAYED = """(number) => new Promise((done) => {
    const wait = () => document.querySelectorAll("audio")[number].currentTime > 0 ? done() : setTimeout(wait, 20);
    wait();
})"""

pytestmark = pytest.mark.skipif(not CHROMIUM.is_file(), reason=f"{CHROMIUM} is not installed")


def keep_picture(page, name):
    """Keep a picture of a page for people to look at; a browser on a busy machine may need a second try."""
    for tries in (1, 2, 3):
        try:
            page.screenshot(path=SHOTS / name, full_page=True)
            return
        except playwright.Error:
            if tries == 3:
                raise


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright.sync_playwright() as run:
        launched = run.chromium.launch(
            executable_path=str(CHROMIUM), args=["--no-sandbox", "--autoplay-policy=no-user-gesture-required"]
        )
        yield launched
        launched.close()


@pytest.fixture
def opened(browser) -> Iterator[Any]:
    """Opener of a page that is watched: ``opened(path, view)`` → page; ``page.heard`` lists console and requests."""
    contexts = []

    def open_page(path: Path, view: str = "light") -> tuple[Any, list[str]]:
        width, height, scheme = VIEWS[view]
        context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme)
        contexts.append(context)
        page, heard = context.new_page(), []
        page.on("console", lambda message: heard.append(f"console: {message.text}"))
        page.on("pageerror", lambda error: heard.append(f"error: {error}"))
        page.on("request", lambda request: _note(request.url, path, heard))
        page.goto(f"file://{path}")
        page.wait_for_load_state("load")
        return page, heard

    yield open_page
    for context in contexts:
        context.close()


def _note(url: str, path: Path, heard: list[str]) -> None:
    if not url.startswith(("data:", f"file://{path}")):
        heard.append(f"asked for {url}")


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("run", ["vowels", "bare"])
def test_page_fits_and_stays_silent_and_at_home(opened, report_of, run, view):
    page, heard = opened(report_of(run), view)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    SHOTS.mkdir(parents=True, exist_ok=True)
    keep_picture(page, f"report-{run}-{view}.png")
    assert heard == []


def test_dark_page_is_dark_and_its_figures_follow(opened, report_of):
    light, _ = opened(report_of("vowels"), "light")
    dark, _ = opened(report_of("vowels"), "dark")
    paper = "getComputedStyle(document.documentElement).backgroundColor"
    ink = "getComputedStyle(document.querySelector('#plate-accuracy svg [style*=\"--ink\"]')).fill"
    assert light.evaluate(paper) != dark.evaluate(paper)
    assert light.evaluate(ink) != dark.evaluate(ink)


def test_keys_go_from_part_to_part_and_open_explanations(opened, report_of):
    page, heard = opened(report_of("vowels"))
    titles = page.evaluate("[...document.querySelectorAll('section > h2')].map((title) => title.textContent)")
    for expected in titles[:3]:
        page.keyboard.press("j")
        assert page.evaluate("document.activeElement.textContent") == expected
    page.keyboard.press("k")
    assert page.evaluate("document.activeElement.textContent") == titles[1]
    page.keyboard.press("o")
    assert page.evaluate("[...document.querySelectorAll('details')].every((fold) => fold.open)")
    page.keyboard.press("o")
    assert not page.evaluate("[...document.querySelectorAll('details')].some((fold) => fold.open)")
    page.keyboard.press("Control+j")
    assert page.evaluate("document.activeElement.textContent") == titles[1]
    assert heard == []


def test_tab_leads_to_the_skip_link_first(opened, report_of):
    page, _ = opened(report_of("vowels"))
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.getAttribute('href')") == "#summary"
    assert page.evaluate("document.activeElement.getBoundingClientRect().left") >= 0


def test_every_sound_has_a_button_plays_and_stops_the_others(opened, report_of):
    page, heard = opened(report_of("vowels"))
    buttons = page.locator(".sound button")
    assert buttons.count() == page.locator("audio").count() == 16
    assert page.locator("audio[controls]").count() == 0
    lengths = page.evaluate(
        """Promise.all([...document.querySelectorAll("audio")].map((sound) => new Promise((done) => {
            sound.onloadedmetadata = () => done(sound.duration);
            sound.onerror = () => done(0);
            sound.preload = "metadata";
            sound.load();
        })))"""
    )
    assert all(0.1 < length < 5 for length in lengths)
    for number in (0, 2):
        buttons.nth(number).click()
        page.evaluate(PLAYED, number)
    assert page.evaluate("document.querySelectorAll('audio')[0].paused")
    assert heard == []


def test_labels_of_a_hostile_corpus_stay_text(opened, report_of):
    page, heard = opened(report_of("bare"))
    assert page.evaluate("document.scripts.length") == 1
    assert "<script>alert('x')</script>" in page.inner_text("main")
    assert heard == []


def test_policy_stops_injected_scripts_and_requests(opened, report_of):
    page, heard = opened(report_of("vowels"))
    page.evaluate(
        """() => {
            const bad = document.createElement("script"); bad.textContent = "window.bad = 1"; document.body.append(bad);
            const image = new Image(); image.src = "http://127.0.0.1:9/x.png"; document.body.append(image);
        }"""
    )
    page.wait_for_timeout(200)
    assert page.evaluate("window.bad") is None
    assert any("Content Security Policy" in text for text in heard)


def test_print_has_no_buttons_and_opens_explanations(opened, report_of):
    page, _ = opened(report_of("vowels"))
    page.emulate_media(media="print")
    assert not page.locator(".sounds").first.is_visible()
    assert not page.locator("nav").is_visible()


def test_comparison_in_every_view(opened, fake_runs, tmp_path):
    runs = [fake_runs(name, labels=("i", "u"), wrong=wrong) for name, wrong in (("a", 1), ("b", 9))]
    path = write_comparison(runs, tmp_path / "comparison.html")
    for view in VIEWS:
        page, heard = opened(path, view)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        keep_picture(page, f"comparison-{view}.png")
        assert heard == []
