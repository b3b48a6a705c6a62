"""A page of the viewer in a real browser, for several test files."""

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

CHROMIUM = Path(os.environ.get("PHONOSCOPE_CHROMIUM", "/usr/bin/chromium"))
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
        duration, level = self.page.evaluate(DECODED, coming.value.url)
        # The player takes up the new sound after the answer has come; until then it tells the last one's duration.
        self.page.wait_for_function(
            "d => { const a = document.querySelector('.panel audio');"
            "return !a.error && Math.abs(a.duration - d) < 0.05 && a.currentTime > 0; }",
            arg=duration,
        )
        return duration, level
