"""One token on the page in a real browser: seen, read off, filtered, played, filtered by hand, explained."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from viewer_browser import NAMELESS, SHOWN_PIXELS

from phonoscope.attribution import read_maps
from phonoscope.experiments.folder import Run


def test_first_token_is_shown_and_read_off_in_hz_and_s(look: Any, served: str, made: Path) -> None:
    seen = look(served)
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


def test_filters_confusions_order_and_search(look: Any, served: str, made: Path) -> None:
    seen = look(served)
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


def test_keyboard_alone_goes_through_tokens_methods_and_settings(look: Any, served: str) -> None:
    seen = look(served)
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


def test_band_dragged_with_the_mouse_is_heard_by_the_network_and_played(look: Any, served: str) -> None:
    seen = look(served)
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


def test_sounds_as_it_is_masked_in_and_masked_out(look: Any, served: str) -> None:
    seen = look(served)
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


def test_methods_are_computed_on_demand_with_options_and_targets(look: Any, served: str) -> None:
    seen = look(served)
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
