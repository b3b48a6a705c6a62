"""The page in a real browser: every function clicked, sounds decoded, no error, nothing asked of another host."""

import base64
import io
import os
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import soundfile
from viewer_runs import EVIL, EVIL_CLASS

from phonoscope.attribution import read_maps
from phonoscope.corpora.textgrid import read_textgrid
from phonoscope.experiments.folder import Run

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: no browser tests")
CHROMIUM = Path(os.environ.get("PHONOSCOPE_CHROMIUM", "/usr/bin/chromium"))
pytestmark = pytest.mark.skipif(
    not CHROMIUM.is_file(), reason=f"no browser at {CHROMIUM}: install Chromium, or set PHONOSCOPE_CHROMIUM"
)
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--autoplay-policy=no-user-gesture-required",
]  # fmt: skip
DESK, PHONE = {"width": 1440, "height": 900}, {"width": 390, "height": 844}
PATIENCE_MS = 60_000
DECODED = """async (address) => {
  const bytes = await (await fetch(address)).arrayBuffer();
  const sound = await new OfflineAudioContext(1, 1, 44100).decodeAudioData(bytes);
  const samples = sound.getChannelData(0);
  return [sound.duration, Math.sqrt(samples.reduce((sum, x) => sum + x * x, 0) / samples.length)];
}"""
NAMELESS = """() => [...document.querySelectorAll("button, input, select, textarea, canvas[tabindex], a")]
  .filter((e) => e.checkVisibility() && !(e.ariaLabel || e.textContent.trim() || e.labels?.[0]?.textContent.trim()))
  .map((e) => e.outerHTML.slice(0, 120))"""
SHOWN_PIXELS = """() => {
  const canvas = document.querySelector(".panel .plot canvas");
  const data = canvas.getContext("2d").getImageData(60, 60, canvas.width - 240, canvas.height - 180).data;
  let [red, blue] = [0, 0];
  const seen = new Set();
  for (let n = 0; n < data.length; n += 4) {
    seen.add((data[n] << 16) | (data[n + 1] << 8) | data[n + 2]);
    if (data[n] - data[n + 2] > 25 && data[n] - data[n + 1] > 25) red += 1;
    if (data[n + 2] - data[n] > 25) blue += 1;
  }
  return { colours: seen.size, red, blue };
}"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with sync_api.sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS)
        yield launched
        launched.close()


class Viewed:
    """A page of the viewer, with everything it complained of and asked for."""

    def __init__(self, context: Any, address: str) -> None:
        self.page = context.new_page()
        self.page.set_default_timeout(PATIENCE_MS)
        self.faults: list[str] = []
        self.asked: list[str] = []
        self.sounds: list[bytes] = []
        self.page.on("console", self.noted)
        self.page.on("pageerror", lambda fault: self.faults.append(str(fault)))
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.origin = re.match(r"http://[\d.:]+", address)[0]
        self.page.goto(address)
        self.ready()

    def noted(self, said: Any) -> None:
        # Chromium advises against reading pixels, which only these tests do.
        if said.type in ("error", "warning") and "getImageData" not in said.text:
            self.faults.append(said.text)

    def ready(self) -> None:
        self.page.wait_for_selector(".panel[data-ready]:not([data-computing])", state="attached")

    def calm(self) -> None:
        assert self.faults == []
        assert [url for url in self.asked if not url.startswith((self.origin + "/", "blob:", "data:"))] == []

    def shot(self, name: str) -> None:
        folder = os.environ.get("PHONOSCOPE_SCREENSHOTS")
        if folder:
            self.page.wait_for_timeout(400)
            self.page.screenshot(path=Path(folder) / f"viewer-{name}.png")

    def chosen(self) -> str:
        return self.page.get_attribute(".t-row.chosen", "data-token")

    def next(self, key: str = "j") -> str:
        before = self.chosen()
        self.page.keyboard.press(key)
        self.page.wait_for_function("t => document.querySelector('.t-row.chosen').dataset.token !== t", arg=before)
        self.page.wait_for_function(
            "() => { const { token } = document.querySelector('.t-row.chosen').dataset;"
            "return document.querySelector('.facts').textContent.includes(token); }"
        )
        self.ready()
        return self.chosen()

    def box(self, place: str = ".panel .above") -> dict[str, float]:
        return self.page.locator(place).first.bounding_box()

    def drag(self, place: str, start: tuple[float, float], end: tuple[float, float]) -> None:
        box = self.box(place)
        self.page.mouse.move(box["x"] + start[0], box["y"] + start[1])
        self.page.mouse.down()
        self.page.mouse.move(box["x"] + end[0], box["y"] + end[1], steps=8)
        self.page.mouse.up()

    def hover(self, x: float, y: float) -> tuple[float, float, str]:
        """Seconds and Hz that are read off at a point of the picture, and all that is said."""
        box = self.box()
        self.page.mouse.move(box["x"] + x, box["y"] + y)
        text = self.page.inner_text(".panel .readout")
        seconds, hertz = re.search(r"([\d.]+) s\s+(\d+) Hz", text).groups()
        return float(seconds), float(hertz), text

    def played(self, press: Callable[[], None]) -> tuple[float, float]:
        """Duration (s) and RMS of the sound that an act plays, decoded by the browser."""
        with self.page.expect_response(lambda answer: "/api/sound" in answer.url) as coming:
            press()
        self.page.wait_for_function(
            "() => { const a = document.querySelector('.panel audio'); return a.duration > 0 && !a.error; }"
        )
        self.page.wait_for_function("() => document.querySelector('.panel audio').currentTime > 0")
        duration, level = self.page.evaluate(DECODED, coming.value.url)
        assert self.page.evaluate("document.querySelector('.panel audio').duration") == pytest.approx(
            duration, abs=0.05
        )
        return duration, level


@pytest.fixture
def view(browser: Any, started: Any) -> Iterator[Callable[..., Viewed]]:
    contexts = []

    def open_page(*folders: Path, dark: bool = False, size: dict[str, int] = DESK, address: str = "") -> Viewed:
        context = browser.new_context(viewport=size, color_scheme="dark" if dark else "light", accept_downloads=True)
        contexts.append(context)
        return Viewed(context, address or started(*folders)[0])

    yield open_page
    for context in contexts:
        context.close()


def test_first_token_is_shown_and_read_off_in_hz_and_s(view: Any, made: Path) -> None:
    seen = view(made)
    page, run = seen.page, Run(made)
    assert "token=" not in page.url.split("#")[0]
    pixels = page.evaluate(SHOWN_PIXELS)
    assert pixels["colours"] > 100
    assert pixels["red"] + pixels["blue"] > 500
    token = seen.chosen()
    row = run.tokens.set_index("token").loc[token]
    assert token in page.inner_text(".facts")
    stored = read_maps(made / "maps" / "cam", [token])[0]
    hz, seconds = stored["frequency"].values, stored["seconds"].values + row["start"]
    inside = 0
    width = seen.box()["width"]
    for x in np.linspace(60, width - 180, 25):
        for y in (80, 200, 330):
            s, hertz, said = seen.hover(x, y)
            if not row["start"] + 0.002 < s < row["end"] - 0.002:
                continue
            edges = (seconds[1:] + seconds[:-1]) / 2, (hz[1:] + hz[:-1]) / 2
            if min(np.abs(edges[0] - s)) < 0.002 or min(np.abs(edges[1] - hertz)) < 3:
                continue
            value = float(stored.values[np.searchsorted(edges[1], hertz), np.searchsorted(edges[0], s)])
            shown = float(re.search(r"map (\S+)", said)[1].replace("−", "-"))
            assert shown == pytest.approx(value, rel=0.01)
            inside += 1
    assert inside > 10
    assert seen.hover(300, 80)[1] > seen.hover(300, 300)[1], "low frequency at the bottom"
    assert seen.hover(300, 80)[0] < seen.hover(600, 80)[0]
    assert page.evaluate(NAMELESS) == []
    seen.shot("token")
    seen.calm()


def test_filters_confusions_order_and_search(view: Any, made: Path) -> None:
    seen = view(made)
    page = seen.page
    predictions = pd.read_parquet(made / "predictions.parquet")
    wrong = predictions[predictions["class"] != predictions["predicted"]]

    def count(text: str) -> None:
        page.wait_for_function("t => document.getElementById('count').textContent.startsWith(t)", arg=text + " of")

    count(str(len(predictions)))
    page.select_option("[name=outcome]", "wrong")
    count(str(len(wrong)))
    assert page.locator(".t-body .t-row").count() == page.locator(".t-body .is-wrong").count() > 0
    page.click("#clear")
    true, predicted = wrong.iloc[0][["class", "predicted"]]
    cell = page.locator(f'#matrix button[data-true="{true}"][data-predicted="{predicted}"]')
    cell.click()
    count(str(((predictions["class"] == true) & (predictions["predicted"] == predicted)).sum()))
    assert cell.get_attribute("aria-pressed") == "true"
    page.locator(".t-body .t-row").first.click()
    page.wait_for_function(
        "t => document.querySelector('.heading').textContent.includes(t)", arg=f"{true} → {predicted}"
    )
    seen.shot("confusion")
    cell.click()
    count(str(len(predictions)))
    page.click("[data-order=confidence]")
    page.click("[data-order=confidence]")
    highest = f"{100 * predictions.filter(like='p_').max().max():.1f}"
    page.wait_for_function(
        "t => document.querySelector('.t-body .c-confidence').textContent.startsWith(t)", arg=highest
    )
    assert page.get_attribute("[data-order=confidence]", "aria-sort") == "descending"
    page.fill("[name=min_confidence]", "0.9")
    count(str((predictions.filter(like="p_").max(axis=1) >= 0.9).sum()))
    page.fill("[name=min_confidence]", "")
    page.keyboard.press("Escape")
    page.fill("[name=find]", predictions["token"].iloc[3])
    count("1")
    seen.calm()


def test_keyboard_alone_goes_through_tokens_methods_and_settings(view: Any, made: Path) -> None:
    seen = view(made)
    page = seen.page
    names = [seen.chosen(), seen.next("j"), seen.next("ArrowDown")]
    assert len(set(names)) == 3
    assert seen.next("k") == names[1]
    before = page.evaluate(SHOWN_PIXELS)
    for _ in range(8):
        page.keyboard.press("[")
    assert page.input_value("[name=opacity]") == "0"
    page.keyboard.press("f")
    plain = page.evaluate(SHOWN_PIXELS)
    assert before["red"] + before["blue"] > plain["red"] + plain["blue"] + 100, "the map is gone"
    page.keyboard.press("]")
    for key, name, value in (("s", "window", "narrow"), ("z", "around", "0.1")):
        page.keyboard.press(key)
        assert page.input_value(f"[name={name}]") == value
    for key, name in (("l", "outline"), ("h", "full")):
        page.keyboard.press(key)
        assert page.is_checked(f"[name={name}]")
    page.keyboard.press(".")
    assert float(page.input_value("[name=threshold]")) == 0.05
    page.wait_for_function("() => document.querySelectorAll('#settings optgroup').length > 3")
    assert page.input_value("[name=map]") == "run:cam"
    page.keyboard.press("m")
    assert page.input_value("[name=map]").startswith("new:")
    page.keyboard.press("Shift+M")
    assert page.input_value("[name=map]") == "run:cam"
    page.keyboard.press("?")
    assert page.locator("#help[open] kbd").count() > 15
    seen.shot("keys")
    page.keyboard.press("Escape")
    page.keyboard.press("/")
    assert page.evaluate("document.activeElement.name") == "find"
    page.focus(".panel .above")
    for _ in range(3):
        page.keyboard.press("ArrowUp")
    heard = page.inner_text(".panel .readout")
    page.keyboard.press("ArrowUp")
    assert (
        int(re.search(r"(\d+) Hz", page.inner_text(".panel .readout"))[1]) == int(re.search(r"(\d+) Hz", heard)[1]) + 20
    )
    page.keyboard.press("Shift+ArrowUp")
    page.wait_for_selector(".panel[data-heard-ms]")
    seen.calm()


def test_band_dragged_with_the_mouse_is_heard_by_the_network_and_played(view: Any, made: Path) -> None:
    seen = view(made)
    page = seen.page
    before = page.locator(".bar-row .number").all_inner_texts()
    top, bottom = seen.hover(400, 90)[1], seen.hover(400, 250)[1]
    seen.drag(".panel .above", (400, 90), (410, 250))
    page.wait_for_selector(".panel[data-heard-ms]")
    assert float(page.input_value("[data-edge=low]")) == pytest.approx(bottom, abs=2)
    assert float(page.input_value("[data-edge=high]")) == pytest.approx(top, abs=2)
    assert re.search(r"heard in \d+ ms", page.inner_text(".speed"))
    page.wait_for_function(
        "() => [...document.querySelectorAll('.bar-row .number:last-child')].some((e) => e.textContent.trim())"
    )
    after = page.locator(".bar-row .number:last-child").all_inner_texts()
    assert after != before[::2]
    assert sum(float(text.replace(" %", "")) for text in after if text) == pytest.approx(100, abs=0.5)
    duration, level = seen.played(lambda: page.click("[data-play=band]"))
    assert duration > 0.5
    assert level > 1e-3
    seen.shot("band")
    page.select_option(".band select", "1")
    page.wait_for_function("() => document.querySelector('[data-play=band]').textContent.includes('alone')")
    page.fill("[data-edge=low]", "200")
    page.fill("[data-edge=high]", "900")
    page.keyboard.press("Tab")
    assert page.get_attribute(".panel", "data-band") == "200-900"
    page.locator(".panel .above").focus()
    page.keyboard.press("x")
    assert page.get_attribute(".panel", "data-band") == ""
    seen.calm()


def test_sounds_as_it_is_masked_in_and_masked_out(view: Any, made: Path) -> None:
    seen = view(made)
    page = seen.page
    heard = {}
    for key, what in ((" ", "plain"), ("o", "only"), ("w", "without")):
        heard[what] = seen.played(lambda key=key: page.keyboard.press(key))
        page.wait_for_function("w => document.querySelector('.panel').dataset.played === w", arg=what)
    assert all(duration > 0.5 and level > 1e-3 for duration, level in heard.values())
    page.select_option(".sounds select", "token")
    alone = {
        what: seen.played(lambda what=what: page.click(f"[data-play={what}]")) for what in ("plain", "only", "without")
    }
    assert all(duration < 0.5 and level > 1e-3 for duration, level in alone.values())
    seen.drag(".panel .above", (300, 15), (420, 20))
    assert page.input_value(".sounds select") == "stretch"
    stretch = seen.played(lambda: page.click("[data-play=plain]"))
    assert stretch[0] < heard["plain"][0]
    page.check("[name=heard]")
    with page.expect_response(lambda answer: "/api/picture" in answer.url and "without" in answer.url):
        page.click("[data-play=without]")
    seen.calm()


def test_methods_are_computed_on_demand_with_options_and_targets(view: Any, made: Path) -> None:
    seen = view(made)
    page = seen.page
    page.wait_for_function("() => document.querySelectorAll('#settings optgroup').length > 3")

    def computed(act: Callable[[], Any]) -> str:
        with page.expect_response(lambda answer: "/api/map" in answer.url):
            act()
        seen.ready()
        return page.inner_text(".panel .state")

    assert "gradient of" in computed(lambda: page.select_option("[name=map]", "new:gradient"))
    said = computed(lambda: page.select_option("[name=map]", "new:integrated-gradients"))
    assert "64 × 32 cells" in said
    assert "steps=3" in computed(lambda: page.fill("[name=options]", "steps=3"))
    assert "of u" in computed(lambda: page.select_option("[name=target]", "u"))
    assert "of u − i" in computed(lambda: page.select_option("[name=versus]", "i"))
    seen.shot("method")
    assert "option" in computed(lambda: page.fill("[name=options]", "nonsense=3"))
    assert page.is_disabled("[data-play=only]")
    seen.faults = [fault for fault in seen.faults if "400" not in fault]  # the browser notes the refusal
    seen.calm()


def test_two_tokens_and_two_runs_stand_side_by_side(view: Any, made: Path, tmp_path: Path) -> None:
    other = shutil.copytree(made, tmp_path / "other", ignore=shutil.ignore_patterns("corpus", "report.html"))
    seen = view(made, other)
    page = seen.page
    pinned = seen.chosen()
    page.keyboard.press("p")
    page.wait_for_function("() => document.querySelectorAll('.panel[data-ready]').length === 2")
    moved = seen.next()
    facts = page.locator(".facts").all_inner_texts()
    assert moved in facts[0]
    assert pinned in facts[1]
    limits = [text.split(" logit")[0] for text in page.locator(".scale-text").all_inner_texts()]
    assert len(limits) == 2
    assert len(set(limits)) == 1, "colours mean the same on both sides"
    seen.shot("pinned")
    page.click(".panel-tools >> text=close")
    assert page.locator(".panel").count() == 1
    page.keyboard.press("r")
    page.wait_for_function("() => document.querySelectorAll('.panel[data-ready]').length === 2")
    moved = seen.next()
    page.wait_for_function(
        "t => [...document.querySelectorAll('.facts')].every((e) => e.textContent.includes(t))", arg=moved
    )
    assert "other" in page.locator(".facts").nth(1).inner_text()
    seen.shot("runs")
    page.select_option("#run-choice select", "1")
    page.wait_for_function("() => document.getElementById('run-name').textContent.startsWith('other')")
    seen.ready()
    seen.calm()


def own_recording(made: Path) -> bytes:
    run = Run(made)
    row = run.tokens.iloc[0]
    waveform, rate = soundfile.read(Path(run.tokens.attrs["roots"][row["corpus"]]) / row["recording"])
    buffer = io.BytesIO()
    soundfile.write(buffer, waveform[: 3 * rate], rate, format="WAV")
    return buffer.getvalue()


def test_own_voice_is_opened_dropped_and_explained(view: Any, made: Path) -> None:
    seen = view(made)
    page, content = seen.page, own_recording(made)
    name = "<b>me</b>.wav"
    page.set_input_files("#own-file", {"name": name, "mimeType": "audio/wav", "buffer": content})
    page.wait_for_selector("#own .above")
    assert page.inner_text("#own .heading") == name
    assert page.is_disabled("#own .primary")
    page.wait_for_timeout(300)
    seen.drag("#own .above", (300, 60), (340, 65))
    start, end = float(page.input_value("[data-own=start]")), float(page.input_value("[data-own=end]"))
    assert 0 <= start < end <= 3
    seen.shot("own-stretch")
    page.click("#own .primary")
    page.wait_for_function("() => document.querySelector('.panel .heading').textContent.includes('your voice')")
    seen.ready()
    assert f"{start:.3f}" in page.inner_text(".panel .facts")
    assert page.locator(".bar-row").count() > 2
    duration, level = seen.played(lambda: page.keyboard.press("o"))
    assert duration > 0.5
    assert level > 1e-4
    seen.shot("own")
    page.evaluate(
        """(text) => {
          const bytes = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
          const data = new DataTransfer();
          data.items.add(new File([bytes], "dropped.wav", { type: "audio/wav" }));
          for (const kind of ["dragenter", "dragover", "drop"]) {
            window.dispatchEvent(new DragEvent(kind, { dataTransfer: data, bubbles: true, cancelable: true }));
          }
        }""",
        base64.b64encode(content).decode(),
    )
    page.wait_for_function("() => document.querySelector('#own .heading').textContent === 'dropped.wav'")
    seen.calm()
    page.set_input_files("#own-file", {"name": "text.wav", "mimeType": "audio/wav", "buffer": b"no sound at all"})
    page.wait_for_selector("#message.fault:not([hidden])")
    assert "text.wav" in page.inner_text("#message")


def test_notes_are_written_listed_and_downloaded(view: Any, run_folder: Path) -> None:
    seen = view(run_folder)
    page, token = seen.page, seen.chosen()
    seen.drag(".panel .above", (400, 15), (480, 20))
    page.keyboard.press("n")
    page.wait_for_selector("#notes[open] textarea")
    with page.expect_response(lambda answer: "/api/notes" in answer.url):
        page.keyboard.type("F2 falls early")
    assert page.inner_text("#note-count") == "1"
    seen.shot("notes")
    with page.expect_download() as coming:
        page.click("[data-export=notes-textgrid]")
    path = run_folder / "got.TextGrid"
    coming.value.save_as(path)
    assert [one.label for one in read_textgrid(path).tier("stretch").intervals if one.label] == ["F2 falls early"]
    with page.expect_download() as coming:
        page.click("[data-export=notes-csv]")
    coming.value.save_as(run_folder / "got.csv")
    table = pd.read_csv(run_folder / "got.csv")
    assert table[["token", "note"]].to_numpy().tolist() == [[token, "F2 falls early"]]
    page.click("#notes .close")
    seen.next()
    page.keyboard.press("n")
    page.wait_for_selector("#notes[open] li:nth-child(2)")
    page.click(f"#notes button:text-is('{token}')")
    page.wait_for_function("t => document.querySelector('.facts').textContent.includes(t)", arg=token)
    seen.calm()


def test_markup_in_labels_words_speakers_and_titles_stays_text(view: Any, evil: Path) -> None:
    seen = view(evil)
    page = seen.page
    page.select_option("[name=class]", EVIL_CLASS)
    page.wait_for_function("t => document.querySelector('.t-body .c-class').textContent === t", arg=EVIL_CLASS)
    page.locator(".t-body .t-row").first.click()
    page.wait_for_function("t => document.querySelector('.heading').textContent.includes(t)", arg=EVIL_CLASS)
    assert EVIL in page.inner_text(".facts")
    assert EVIL in page.inner_text("#run-name")
    page.keyboard.press("n")
    page.wait_for_selector("#notes[open] textarea")
    page.keyboard.type(EVIL)
    page.wait_for_timeout(700)
    page.click("#notes .close")
    page.click("#open-notes")
    page.wait_for_selector("#notes[open] li")
    assert page.evaluate("window.evil") is None
    assert page.locator("img").count() == 0
    assert page.locator("script").count() == 1
    seen.shot("markup")
    seen.calm()


def test_a_hundred_thousand_tokens_are_scrolled_and_never_all_on_the_page(view: Any, many: Path) -> None:
    seen = view(many)
    page = seen.page
    page.wait_for_function("() => document.getElementById('count').textContent.includes('100,000')")
    assert page.locator(".t-body .t-row").count() < 80
    for share in (0.5, 0.1, 1.0):
        page.evaluate(
            "s => { const e = document.querySelector('.t-scroll'); e.scrollTop = s * e.scrollHeight; }", share
        )
        place = int(1 + share * 99_999)
        page.wait_for_function(
            "p => [...document.querySelectorAll('.t-body .t-row')].some((e) => Math.abs(e.ariaRowIndex - p) < 30)",
            arg=place,
        )
        assert page.locator(".t-body .t-row").count() < 80
    page.locator(".t-body .t-row").last.click()
    page.wait_for_function("() => document.querySelector('.facts').textContent.includes('#099999')")
    seen.ready()
    page.focus(".t-scroll")
    page.keyboard.press("Home")
    page.wait_for_function("() => document.querySelector('.facts').textContent.includes('#000000')")
    sent = sum("/api/tokens" in url for url in seen.asked)
    assert sent < 15
    seen.shot("many")
    seen.calm()


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
def test_light_and_dark_at_a_desk_and_on_a_phone(view: Any, made: Path, dark: bool, size: dict[str, int]) -> None:
    seen = view(made, dark=dark, size=size)
    page = seen.page

    def brightness() -> float:
        colour = page.evaluate("getComputedStyle(document.body).backgroundColor")
        return sum(map(float, re.findall(r"[\d.]+", colour)[:3])) / 765

    name = f"{'phone' if size is PHONE else 'desk'}-{'dark' if dark else 'light'}"
    assert (brightness() < 0.3) == dark
    if size is PHONE:
        assert not page.is_visible(".panel")
        seen.shot(f"{name}-list")
        page.locator(".t-body .t-row").nth(1).click()
        page.wait_for_selector(".panel:visible")
        seen.ready()
        page.wait_for_timeout(300)
        assert page.evaluate(SHOWN_PIXELS)["colours"] > 100
        assert page.is_visible("[data-play=plain]")
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    seen.shot(name)
    for _ in range(1 if dark else 2):
        page.click("#theme")
    assert (brightness() < 0.3) != dark
    assert page.evaluate(NAMELESS) == []
    seen.calm()
