"""The surface of a response spectrum turning once around: GIF, MP4, or a page in which it is turned by hand."""

from __future__ import annotations

import base64
import io
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

import xarray as xr

from phonoscope.errors import PhonoscopeError
from phonoscope.files import write_text, write_with
from phonoscope.report.filters import strs_surface

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FORMATS = ("gif", "mp4", "html")
FRAMES = 48
FRAMES_PER_SECOND = 12
_PICTURE_COLOURS = 128  # of a frame in a page: a third of the size, and no difference to be seen
_ELEVATION, _FIRST_AZIMUTH = 32, -60  # degrees, as of `strs_surface`

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
body {{ margin: 2rem auto; max-width: 46rem; padding: 0 1rem; font: 16px/1.5 Georgia, serif; color: #222; }}
img {{ display: block; width: 100%; cursor: ew-resize; touch-action: pan-y; user-select: none; }}
input {{ width: 100%; accent-color: #4477aa; }}
</style>
</head>
<body>
<h1>{title}</h1>
<img id="frame" alt="Response spectrum as a surface over time and frequency" src="{first}" draggable="false">
<label>Turn it: drag the picture, or move this.
<input id="turn" type="range" min="0" max="{last}" value="0" step="1" aria-label="Angle of view"></label>
<noscript><p>Turning needs JavaScript; the first view is shown.</p></noscript>
<script>
const frames = {frames};
const picture = document.getElementById("frame"), turn = document.getElementById("turn");
function show(number) {{
  const at = ((number % frames.length) + frames.length) % frames.length;
  picture.src = frames[at];
  turn.value = at;
}}
turn.addEventListener("input", () => show(Number(turn.value)));
let from = null;
picture.addEventListener("pointerdown", (event) => {{
  from = {{ x: event.clientX, frame: Number(turn.value) }};
  picture.setPointerCapture(event.pointerId);
}});
picture.addEventListener("pointermove", (event) => {{
  if (from) show(from.frame + Math.round((from.x - event.clientX) / picture.clientWidth * frames.length));
}});
picture.addEventListener("pointerup", () => {{ from = null; }});
picture.addEventListener("pointercancel", () => {{ from = null; }});
</script>
</body>
</html>
"""


def write_rotation(
    strs: xr.DataArray,
    path: str | Path,
    *,
    frames: int = FRAMES,
    max_hz: float | None = None,
    title: str = "",
    dots_per_inch: int = 80,
) -> Path:
    """Write the surface turning once around, on white paper, whole or not at all.

    Parameters
    ----------
    strs : DataArray, dims (frequency, time)
        From `response_spectrum`.
    path : path
        Its suffix says what is written: ``.gif``; ``.mp4``, for which ``ffmpeg`` must be installed; or ``.html``, one
        page that holds all views, is turned with the mouse or a slider, and needs no network.
    frames : int
        Views around the full circle.
    max_hz, title
        As of `strs_surface`.

    Raises
    ------
    PhonoscopeError
        If the suffix is none of these, there are fewer than two frames, or ``ffmpeg`` is missing or fails.
    """
    path = Path(path)
    check_formats([path.suffix.removeprefix(".").lower() or "none"])
    if frames < 2:
        raise PhonoscopeError(f"{frames} frames do not turn: give at least 2")
    figure = strs_surface(strs, max_hz=max_hz, title=title)
    figure.patch.set(alpha=1.0, facecolor="white")
    if path.suffix.lower() == ".html":
        return _page(figure, path, frames, dots_per_inch, title)
    return _film(figure, path, frames, dots_per_inch)


def check_formats(formats: Sequence[str]) -> None:
    """Raise PhonoscopeError now for what could not be written later."""
    for name in formats:
        if name not in FORMATS:
            raise PhonoscopeError(f"a turning surface cannot be written as {name}; choose among {', '.join(FORMATS)}")
    if "mp4" in formats and shutil.which("ffmpeg") is None:
        raise PhonoscopeError("MP4 needs the program ffmpeg, which is not installed; write .gif or .html instead")


def _views(figure: Figure, frames: int) -> Iterator[int]:
    """Turn the surface from view to view."""
    for frame in range(frames):
        figure.axes[0].view_init(elev=_ELEVATION, azim=_FIRST_AZIMUTH + 360 * frame / frames)  # ty: ignore[missing-attribute]
        yield frame


def _film(figure: Figure, path: Path, frames: int, dots_per_inch: int) -> Path:
    from matplotlib.animation import FFMpegWriter, PillowWriter
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    FigureCanvasAgg(figure)

    def write(temporary: Path) -> None:
        if path.suffix.lower() == ".gif":
            writer = PillowWriter(fps=FRAMES_PER_SECOND)
        else:  # yuv420p: the only layout of colours that every player and browser shows
            writer = FFMpegWriter(fps=FRAMES_PER_SECOND, codec="h264", extra_args=["-pix_fmt", "yuv420p"])
        with writer.saving(figure, temporary, dots_per_inch):
            for _ in _views(figure, frames):
                writer.grab_frame()

    try:
        return write_with(path, write)
    except (subprocess.CalledProcessError, OSError) as error:
        if path.suffix.lower() == ".gif":
            raise
        raise PhonoscopeError(f"ffmpeg could not write {path} ({error}); write .gif or .html instead") from error


def _page(figure: Figure, path: Path, frames: int, dots_per_inch: int, title: str) -> Path:
    pictures = [_data_address(figure, dots_per_inch) for _ in _views(figure, frames)]
    listed = "[" + ",\n".join(f'"{picture}"' for picture in pictures) + "]"
    shown = escape(title or "Response spectrum")
    return write_text(path, _PAGE.format(title=shown, first=pictures[0], last=frames - 1, frames=listed))


def _data_address(figure: Figure, dots_per_inch: int) -> str:
    from PIL import Image

    drawn, small = io.BytesIO(), io.BytesIO()
    figure.savefig(drawn, dpi=dots_per_inch, facecolor="white")
    Image.open(drawn).convert("RGB").quantize(_PICTURE_COLOURS).save(small, format="PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(small.getvalue()).decode("ascii")
