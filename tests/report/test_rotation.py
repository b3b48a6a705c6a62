"""The rotating surface in its three formats; ffmpeg is stood in for by a script that keeps what it is given."""

import base64
import io
import re
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from PIL import Image

from phonoscope.errors import PhonoscopeError
from phonoscope.report.rotation import check_formats, write_rotation

FFMPEG = """#!{python}
import sys
from itertools import pairwise
frames = sys.stdin.buffer.read()
if "-version" in sys.argv:
    sys.exit(0)
size = sys.argv[sys.argv.index("-s") + 1]
if {fails}:
    sys.exit("no such codec")
with open(sys.argv[-1], "wb") as file:
    file.write(("%s %d" % (size, len(frames))).encode())
"""


@pytest.fixture(scope="module")
def strs() -> xr.DataArray:
    values = np.random.default_rng(0).random((30, 12))
    coordinates = {"frequency": np.arange(30) * 100.0, "time": np.arange(12) * 0.01}
    return xr.DataArray(values, dims=("frequency", "time"), coords=coordinates)


def install_ffmpeg(folder: Path, monkeypatch: pytest.MonkeyPatch, fails: bool = False) -> None:
    program = folder / "bin" / "ffmpeg"
    program.parent.mkdir()
    program.write_text(FFMPEG.format(python=sys.executable, fails=fails), encoding="utf-8")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent))


def test_a_gif_turns_once_around(strs: xr.DataArray, tmp_path: Path) -> None:
    path = write_rotation(strs, tmp_path / "turn.gif", frames=3, dots_per_inch=30)
    with Image.open(path) as picture:
        assert picture.n_frames == 3  # ty: ignore[missing-attribute]
    assert [file.name for file in tmp_path.iterdir()] == ["turn.gif"]


def test_a_page_holds_every_view_and_needs_no_network(strs: xr.DataArray, tmp_path: Path) -> None:
    page = write_rotation(strs, tmp_path / "turn.html", frames=4, dots_per_inch=30, title="<yes> & no")
    text = page.read_text(encoding="utf-8")
    assert "<title>&lt;yes&gt; &amp; no</title>" in text
    assert "http" not in text
    assert 'max="3"' in text
    listed = text[text.index("const frames") : text.index("const picture")]
    views = [base64.b64decode(data) for data in re.findall(r"data:image/png;base64,([A-Za-z0-9+/=]+)", listed)]
    assert len(views) == 4
    pictures = [np.asarray(Image.open(io.BytesIO(view)).convert("L"), dtype=float) for view in views]
    assert all(np.abs(a - b).mean() > 1 for a, b in pairwise(pictures))


def test_a_film_gets_every_frame(strs: xr.DataArray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install_ffmpeg(tmp_path, monkeypatch)
    path = write_rotation(strs, tmp_path / "turn.mp4", frames=3, dots_per_inch=30)
    size, given = path.read_text(encoding="utf-8").split()
    width, height = map(int, size.split("x"))
    assert width % 2 == height % 2 == 0  # what the codec asks for
    assert int(given) == 3 * width * height * 4


def test_what_cannot_be_written_is_said_before(
    strs: xr.DataArray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(PhonoscopeError, match="gif, mp4, html"):
        write_rotation(strs, tmp_path / "turn.png")
    with pytest.raises(PhonoscopeError, match="at least 2"):
        write_rotation(strs, tmp_path / "turn.gif", frames=1)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(PhonoscopeError, match="not installed"):
        check_formats(["gif", "mp4"])
    install_ffmpeg(tmp_path, monkeypatch, fails=True)
    with pytest.raises(PhonoscopeError, match="could not write"):
        write_rotation(strs, tmp_path / "turn.mp4", frames=2, dots_per_inch=30)
    assert [file.name for file in tmp_path.iterdir()] == ["bin"]
