"""The surface of a response spectrum turning once around: GIF, MP4, or a page in which it is turned by hand."""

from __future__ import annotations

import io
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import xarray as xr
from jinja2 import Environment, FileSystemLoader

from phonoscope.errors import PhonoscopeError
from phonoscope.files import write_text, write_with
from phonoscope.report.filters import strs_surface
from phonoscope.report.style import data_address

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FORMATS = ("gif", "mp4", "html")
FRAMES = 48
FRAMES_PER_SECOND = 12
_PICTURE_COLOURS = 128  # of a frame in a page: a third of the size, and no difference to be seen
_ELEVATION, _FIRST_AZIMUTH = 32, -60  # degrees, as of `strs_surface`
_TEMPLATES = Path(__file__).parent / "templates"


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
    dots_per_inch : int
        Resolution of each view.

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
            raise PhonoscopeError(f"a rotating surface cannot be written as {name}; choose among {', '.join(FORMATS)}")
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
    template = Environment(loader=FileSystemLoader(_TEMPLATES), autoescape=True).get_template("rotation.html")
    pictures = [_data_address(figure, dots_per_inch) for _ in _views(figure, frames)]
    return write_text(path, template.render(title=title or "Response spectrum", frames=pictures) + "\n")


def _data_address(figure: Figure, dots_per_inch: int) -> str:
    from PIL import Image

    drawn, small = io.BytesIO(), io.BytesIO()
    figure.savefig(drawn, dpi=dots_per_inch, facecolor="white")
    Image.open(drawn).convert("RGB").quantize(_PICTURE_COLOURS).save(small, format="PNG", optimize=True)
    return data_address("image/png", small.getvalue())
