"""The listening test taken in a real browser: with keys and mouse, paused, reloaded, saved, and read."""

import os
from pathlib import Path

import pytest
from tests.perception.people import RATE, stimuli_of

from phonoscope.perception import read_answers, write_for_web

CHROMIUM = Path(os.environ.get("PHONOSCOPE_CHROMIUM", "/usr/bin/chromium"))
FLAGS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync", "--autoplay-policy=no-user-gesture-required"]  # fmt: skip
LABELS = ["i", "ɪ", "u", "ɑ, open"]
TOKENS, STEPS, REPEATS, PAUSE = 1, 3, 2, 4
TRIALS = TOKENS * STEPS * REPEATS
# Sounds that the page really plays, by their lengths in samples.
HEARD = """window.heard = [];
const start = AudioBufferSourceNode.prototype.start;
AudioBufferSourceNode.prototype.start = function () { window.heard.push(this.buffer.duration); start.call(this); };"""
NAMELESS = """() => [...document.querySelectorAll("button, input, progress")]
  .filter((e) => e.checkVisibility() && !(e.ariaLabel || e.textContent.trim() || e.labels?.[0]?.textContent.trim()))
  .map((e) => e.outerHTML.slice(0, 120))"""


@pytest.fixture(scope="module")
def browser():
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: no browser tests")
    if not CHROMIUM.is_file():
        pytest.skip(f"no browser at {CHROMIUM}: install Chromium, or set PHONOSCOPE_CHROMIUM")
    with sync_api.sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS)
        yield launched
        launched.close()


@pytest.fixture
def taken(browser, tmp_path):
    """The page as a participant sees it, and what it complained of or asked the network for."""
    page_file = write_for_web(tmp_path / "test.html", stimuli_of(TOKENS, STEPS), RATE, LABELS, title="Vowels",
                              question="Which vowel?", repeats=REPEATS, break_after=PAUSE)  # fmt: skip
    contexts = []

    def open_page(size=(1200, 800), dark=False):
        context = browser.new_context(viewport={"width": size[0], "height": size[1]}, accept_downloads=True,
                                      color_scheme="dark" if dark else "light")  # fmt: skip
        contexts.append(context)
        context.add_init_script(HEARD)
        page = context.new_page()
        page.set_default_timeout(20_000)
        page.faults = []
        page.on("console", lambda said: page.faults.append(said.text) if said.type in ("error", "warning") else None)
        page.on("pageerror", lambda fault: page.faults.append(str(fault)))
        page.on("request", lambda asked: page.faults.append(asked.url) if asked.url.startswith("http") else None)
        page.goto(page_file.as_uri())
        return page

    yield open_page
    for context in contexts:
        context.close()


def shot(page, name):
    folder = os.environ.get("PHONOSCOPE_SCREENSHOTS")
    if folder:
        page.screenshot(path=Path(folder) / f"listening-{name}.png")


def begin(page, code="p07"):
    page.fill("#code", code)
    page.keyboard.press("Enter")


def at_trial(page, number):
    page.wait_for_function(
        "n => document.getElementById('count').textContent.startsWith(n + ' /')"
        "&& !document.getElementById('trial').hidden && !document.querySelector('#answers button').disabled",
        arg=str(number),
    )


def test_a_participant_takes_the_test(taken, tmp_path):
    page = taken()
    assert page.evaluate(NAMELESS) == []
    shot(page, "welcome")
    begin(page, "=1+1")
    assert "letters and digits" in page.inner_text("#code-fault")
    assert page.evaluate("document.activeElement.id") == "code"
    page.click("#sample")
    begin(page)
    at_trial(page, 1)
    assert page.evaluate(NAMELESS) == []
    assert page.evaluate("document.activeElement.id") == "question"
    shot(page, "trial")
    page.keyboard.press("1")
    at_trial(page, 2)
    page.keyboard.press("Space")  # hears it again, answers nothing
    page.wait_for_function("window.heard.length === 4")
    page.get_by_role("button", name="ɑ, open").click()
    at_trial(page, 3)
    page.keyboard.press("p")
    assert page.inner_text("#break-heading") == "Paused"
    page.keyboard.press("1")  # no answer while it rests
    page.reload()
    assert "p07 has answered 2 of 6" in page.inner_text("#left-text")
    shot(page, "left")
    page.click("#resume")
    at_trial(page, 3)
    assert page.evaluate("window.heard.map((s) => Math.round(s * 1000))") == [80]
    page.keyboard.press("2")
    at_trial(page, 4)
    page.keyboard.press("3")
    page.wait_for_selector("#break:not([hidden])")
    assert "4 of 6" in page.inner_text("#break-text")
    shot(page, "break")
    page.click("#on")
    for trial in (5, 6):
        at_trial(page, trial)
        page.keyboard.press("3")
    page.wait_for_selector("#end:not([hidden])")
    shot(page, "end")
    with page.expect_download() as coming:
        page.click("#end .save")
    assert coming.value.suggested_filename == "answers-p07.csv"
    coming.value.save_as(tmp_path / "answers-p07.csv")
    found = read_answers(tmp_path / "answers-p07.csv", labels=LABELS)
    assert found.attrs["left_out"] == []
    assert list(found["answer"]) == ["i", "ɑ, open", "ɪ", "u", "u", "u"]
    assert list(found["trial"]) == [1, 2, 3, 4, 5, 6]
    assert set(found["participant"]) == {"p07"}
    assert found["file"].value_counts().eq(REPEATS).all()
    assert set(found["file"][:STEPS]) == set(found["file"][STEPS:])
    assert (found["file"].to_numpy()[1:] != found["file"].to_numpy()[:-1]).all()
    assert found["seconds"].between(0, 20).all()
    assert sorted(found["achieved"].unique()) == [1000.0, 1600.0, 2200.0]
    assert {"f1", "f3"} <= set(found)
    assert page.faults == []


def test_each_code_has_an_order_of_its_own(taken):
    orders = []
    for code in ("a", "b", "a"):
        page = taken()
        begin(page, code)
        at_trial(page, 1)
        orders.append(page.evaluate("Object.values(localStorage).map((kept) => JSON.parse(kept).order)[0]"))
        page.context.clear_cookies()
        page.evaluate("localStorage.clear()")
    assert orders[0] == orders[2] != orders[1]


def test_the_page_fits_a_phone_and_the_dark(taken):
    page = taken(size=(360, 640), dark=True)
    shot(page, "phone-welcome")
    begin(page)
    at_trial(page, 1)
    shot(page, "phone")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    boxes = [button.bounding_box() for button in page.locator("#answers button").all()]
    assert min(min(box["height"], box["width"]) for box in boxes) >= 44
    assert max(box["y"] + box["height"] for box in boxes) <= 640
    assert page.faults == []
