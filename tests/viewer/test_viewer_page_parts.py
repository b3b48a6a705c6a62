"""The page in a real browser: side by side, own voice, notes, hostile texts, many tokens, light, dark and phone."""

import base64
import io
import re
import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import soundfile
from viewer_browser import DESK, NAMELESS, PHONE, SHOWN_PIXELS
from viewer_runs import EVIL, EVIL_CLASS

from phonoscope.corpora.textgrid import read_textgrid
from phonoscope.experiments.folder import Run


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


def test_own_voice_is_opened_dropped_and_explained(look: Any, served: str, made: Path) -> None:
    seen = look(served)
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
def test_light_and_dark_at_a_desk_and_on_a_phone(look: Any, served: str, dark: bool, size: dict[str, int]) -> None:
    seen = look(served, dark=dark, size=size)
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
