"""Cues moved by hand in a real browser: tracks dragged, sliders, undo, sounds compared, the plane walked over."""

import json
import re
from typing import Any

import pytest
from viewer_browser import NAMELESS, PHONE, Viewed

LATENCY_MS = "Latency from release to picture and answer: {} ms"


def opened(look: Any, served: str, **how: Any) -> Viewed:
    """The page with the cues of its token open."""
    seen = look(served, **how)
    if how.get("size") is PHONE:
        seen.page.locator(".t-body .t-row").nth(1).click()
        seen.page.wait_for_selector(".panel:visible")
        seen.ready()
    seen.page.click("text=Move cues…")
    seen.page.wait_for_selector(".panel[data-move]")
    return seen


def number(seen: Viewed, cue: str) -> float:
    return float(seen.page.input_value(f"[data-number={cue}]"))


def answered(seen: Viewed, *cues: str) -> dict[str, float]:
    """Wait until the answer to just these cues has come; where they were moved to."""
    seen.page.wait_for_function(
        "names => Object.keys(JSON.parse(document.querySelector('.panel').dataset.move)).sort().join() === names",
        arg=",".join(sorted(cues)),
    )
    found = json.loads(seen.page.get_attribute(".panel", "data-move"))
    return {cue: float(value) for cue, value in found.items()}


def track_at(seen: Viewed, hertz: float) -> tuple[float, float]:
    """Where the middle of the token's track at a frequency can be grabbed, in pixels of the picture."""
    page = seen.page
    start, end = map(float, re.search(r"([\d.]+)–([\d.]+) s", page.inner_text(".facts")).groups())
    (left, high, _), (right, low, _) = seen.hover(100, 80), seen.hover(200, 200)
    x = 100 + 100 * ((start + end) / 2 - left) / (right - left)
    y = 80 + 120 * (high - hertz) / (high - low)
    seen.hover(x, y)
    assert page.get_attribute(".panel .above", "data-zone") == "track"
    return x, y


def bars(seen: Viewed) -> list[str]:
    return seen.page.locator(".bar-row [role=cell]:last-child").all_inner_texts()


def test_a_formant_track_is_dragged_heard_undone_and_kept_in_the_address(look: Any, served: str) -> None:
    seen = opened(look, served)
    page, token, f2 = seen.page, seen.chosen(), number(seen, "f2")
    assert "as recorded" in page.inner_text(".verdict")
    assert not any(bars(seen))
    x, y = track_at(seen, f2)
    with page.expect_response(lambda answer: "/api/sound" in answer.url and "what=moved" in answer.url):
        seen.drag(".panel .above", (x, y), (x, y + 60))
    (aim,) = answered(seen, "f2").values()
    assert aim < f2 - 200
    assert number(seen, "f2") == pytest.approx(aim, abs=1)
    page.wait_for_selector(".panel[data-moved-whole]")
    print(LATENCY_MS.format(page.get_attribute(".panel", "data-moved-whole")))
    shown = page.locator("[data-row=f2]").inner_text()
    assert "Bark" in shown
    assert float(re.search(r"(\d+) Hz$", shown.strip())[1]) == pytest.approx(aim, rel=0.1)
    after = bars(seen)
    assert sum(float(text.replace(" %", "")) for text in after) == pytest.approx(100, abs=0.5)
    assert page.locator(".bar-row .up, .bar-row .down").count() > 0
    assert page.get_attribute(".panel", "data-band") in (None, ""), "no band was dragged"
    assert f"f2={aim:.7g}" in page.url
    seen.shot("moved")
    page.keyboard.press("u")
    answered(seen)
    assert number(seen, "f2") == f2
    assert not any(bars(seen))
    assert "f2=" not in page.url
    page.keyboard.press("Shift+U")
    answered(seen, "f2")
    assert bars(seen) == after
    page.keyboard.press("Control+z")
    answered(seen)
    page.keyboard.press("Control+Shift+z")
    answered(seen, "f2")
    # The address brings it back.
    page.reload()
    seen.ready()
    page.wait_for_selector(".panel[data-move]")
    assert answered(seen, "f2")["f2"] == pytest.approx(aim, rel=1e-5)
    assert seen.chosen() == token
    assert bars(seen) == after
    page.click("button:text-is('As recorded')")
    answered(seen)
    seen.next()
    page.wait_for_function("() => document.querySelector('.verdict').textContent.includes('as recorded')")
    page.click("text=Move cues…")
    assert not page.is_visible(".mover")
    assert page.evaluate("document.querySelector('.panel').classList.contains('changed')") is False
    seen.calm()


def test_sliders_and_numbers_move_every_cue_without_a_mouse(look: Any, served: str) -> None:
    pytest.importorskip("parselmouth", reason="extra praat is not installed")
    seen = opened(look, served)
    page = seen.page
    assert page.evaluate(NAMELESS) == []
    for cue in ("f1", "f2", "f3", "f4", "f0", "duration", "tilt"):
        before = number(seen, cue)
        slider = page.locator(f"[data-cue={cue}]")
        slider.focus()
        for _ in range(6):
            page.keyboard.press("ArrowRight")
        assert answered(seen, cue)[cue] > 0 or cue == "tilt"
        assert number(seen, cue) > before
        said = slider.get_attribute("aria-valuetext")
        assert re.search(r"(Hz|ms|dB/oct), \+", said), said
        page.click("button:text-is('As recorded')")
        answered(seen)
    page.fill("[data-number=f2]", "1500")
    page.keyboard.press("Enter")
    assert answered(seen, "f2")["f2"] == 1500
    page.fill("[data-number=f1]", "99999")
    page.keyboard.press("Tab")
    found = answered(seen, "f1", "f2")
    assert found["f1"] == 1300, "no further than is allowed, and below the F2 that was asked for"
    page.fill("[data-number=f2]", "")
    page.keyboard.press("Tab")
    answered(seen, "f1")
    page.fill("[data-number=duration]", "250")
    page.keyboard.press("Tab")
    assert answered(seen, "duration", "f1")["duration"] == 0.25
    assert page.locator("[data-row=duration]").inner_text().strip().endswith("250 ms")
    seen.shot("sliders")
    seen.calm()


def test_original_and_changed_are_played_and_seen_in_turn(look: Any, served: str) -> None:
    seen = opened(look, served)
    page = seen.page
    assert page.is_disabled("[data-play=moved]")
    page.keyboard.press("c")
    assert "Move a cue first" in page.inner_text(".panel .state")
    page.select_option(".sounds select", "token")
    page.uncheck(".mover input[type=checkbox]")
    page.fill("[data-number=f2]", "1200")
    page.keyboard.press("Enter")
    answered(seen, "f2")
    assert not any("what=moved" in url for url in seen.asked), "it plays only if it shall"
    page.locator(".panel .above").focus()
    plain = seen.played(lambda: page.keyboard.press(" "))
    changed = seen.played(lambda: page.keyboard.press("c"))
    assert changed[0] == pytest.approx(plain[0], abs=0.01)
    assert changed[1] > 1e-3
    heard: list[str] = []
    page.on("request", lambda request: heard.append(request.url) if "/api/sound" in request.url else None)
    page.click("text=▶ A–B")
    page.wait_for_function("() => document.querySelector('.panel').dataset.played === 'plain'")
    page.wait_for_function("() => document.querySelector('.panel').dataset.played === 'moved'")
    assert ["what=plain" in heard[0], "what=moved" in heard[1]] == [True, True]
    with page.expect_response(lambda answer: "/api/picture" in answer.url):
        page.keyboard.press("d")
    page.wait_for_selector(".mover [aria-pressed=true]")
    seen.shot("peek")
    page.keyboard.press("d")
    page.wait_for_selector(".mover [aria-pressed=false]")
    seen.calm()


def test_the_plane_is_walked_over_chosen_and_filled(look: Any, served: str) -> None:
    seen = opened(look, served)
    page = seen.page
    page.locator(".plane-canvas").scroll_into_view_if_needed()
    box = seen.box(".plane-canvas")
    page.mouse.move(box["x"] + 120, box["y"] + 90)
    with page.expect_response(lambda answer: "/api/sound" in answer.url and "what=moved" in answer.url):
        page.mouse.move(box["x"] + 220, box["y"] + 110, steps=4)
    found = answered(seen, "f1", "f2")
    shown = page.inner_text(".plane-readout")
    assert f"F2 {found['f2']:.0f} Hz" in shown
    assert int(page.get_attribute(".plane", "data-filled")) >= 1
    page.mouse.move(box["x"] + 220, box["y"] + 170)
    page.wait_for_function(
        "low => Number(JSON.parse(document.querySelector('.panel').dataset.move).f1) > low + 50", arg=found["f1"]
    )
    page.mouse.move(box["x"] + 320, box["y"] + 170)
    page.wait_for_function(
        "high => Number(JSON.parse(document.querySelector('.panel').dataset.move).f2) < high - 50", arg=found["f2"]
    )
    assert "f2=" not in page.url, "nothing is chosen yet"
    page.mouse.move(box["x"] + 200, box["y"] - 60)
    answered(seen)
    page.mouse.click(box["x"] + 220, box["y"] + 110)
    page.wait_for_function("() => location.hash.includes('f2=')")
    page.mouse.move(box["x"] + 200, box["y"] - 60)
    chosen = answered(seen, "f1", "f2")
    page.locator(".plane-canvas").focus()
    page.keyboard.press("ArrowDown")
    page.wait_for_function(
        "low => Number(JSON.parse(document.querySelector('.panel').dataset.move).f1) > low", arg=chosen["f1"]
    )
    below = answered(seen, "f1", "f2")
    assert below["f2"] == pytest.approx(chosen["f2"], rel=1e-4)
    page.click(".plane button")
    page.wait_for_selector(".plane[data-fill-ms]")
    print(f"filled in {page.get_attribute('.plane', 'data-fill-ms')} ms")
    assert 60 <= int(page.get_attribute(".plane", "data-filled")) <= 121
    colours = page.evaluate("""() => {
      const { width, height } = document.querySelector(".plane-canvas");
      const data = document.querySelector(".plane-canvas").getContext("2d").getImageData(0, 0, width, height).data;
      const seen = new Set();
      for (let n = 0; n < data.length; n += 16) seen.add((data[n] << 16) | (data[n + 1] << 8) | data[n + 2]);
      return seen.size;
    }""")
    assert colours > 50
    seen.shot("plane")
    page.select_option("[data-plane=first]", "f3")
    assert page.get_attribute(".plane", "data-filled") == "0", "another plane, nothing asked yet"
    seen.calm()


def test_a_finger_drags_a_track(look: Any, served: str) -> None:
    seen = opened(look, served, size=PHONE)
    page = seen.page
    assert page.evaluate(NAMELESS) == []
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    f2 = number(seen, "f2")
    page.locator(".panel .above").scroll_into_view_if_needed()
    x, y = track_at(seen, f2)
    box = seen.box()
    touch = page.context.new_cdp_session(page)
    for kind, down in (("touchStart", 0), ("touchMove", 15), ("touchMove", 30), ("touchEnd", None)):
        points = [] if down is None else [{"x": box["x"] + x + 3, "y": box["y"] + y + 6 + down}]
        touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
    assert answered(seen, "f2")["f2"] < f2 - 100
    seen.shot("moved-phone")
    seen.calm()


def test_without_praat_the_page_says_what_to_install(look: Any, served: str) -> None:
    seen = look(served, dark=True)
    page = seen.page
    needs = "this needs praat-parselmouth, which is not installed. Install it with: pip install 'phonoscope[praat]'"

    def without(route: Any) -> None:
        answer = route.fetch()
        told = answer.json()
        for cue in ("f0", "duration"):
            told["cues"][cue] |= {"limits": None, "absent": needs}
        route.fulfill(response=answer, json=told)

    page.route("**/api/cues?*", without)
    page.keyboard.press("e")
    page.wait_for_selector(".panel[data-move]")
    assert page.is_disabled("[data-cue=f0]")
    assert page.is_disabled("[data-number=duration]")
    assert page.is_enabled("[data-cue=f2]")
    assert "F0 and duration stay: this needs praat-parselmouth" in page.inner_text(".mover .hint")
    assert "F0" not in page.locator("[data-plane=first]").inner_text()
    seen.calm()
