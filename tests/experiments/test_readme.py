"""The Python lines of the README run as they stand, on a run laid out as `phonoscope demo` leaves it."""

import re
from pathlib import Path

import matplotlib as mpl
import pytest

README = Path(__file__).resolve().parents[2] / "README.md"


def test_the_python_lines_of_the_readme_run(finished, talkers, tmp_path, monkeypatch):
    if not README.is_file():
        pytest.skip("the README is not beside the tests")
    blocks = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), flags=re.DOTALL)
    if not blocks:
        pytest.skip("the README holds no Python")
    mpl.use("Agg")
    for name in ("vowels", "vowels-4k", "voicing"):
        folder = tmp_path / "runs" / "demo" / name
        folder.parent.mkdir(parents=True, exist_ok=True)
        folder.mkdir()
        for item in finished[0].iterdir():
            (folder / item.name).symlink_to(item)
        (folder / "corpus").symlink_to(talkers)
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    for block in blocks:
        exec(compile(block, str(README), "exec"), names)
    written = re.findall(r'savefig\("([^"]+)"', "".join(blocks))
    for path in written:
        assert (tmp_path / path).read_bytes().startswith(b"\x89PNG")
    import matplotlib.pyplot as plt

    plt.close("all")
