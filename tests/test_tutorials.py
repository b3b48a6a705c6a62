"""The tutorial notebooks: their cells are run in order, in this process and without Jupyter, as a reader would."""

import ast
import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

FOLDER = Path(__file__).resolve().parents[1] / "docs" / "tutorials"
NAMES = ("first-paper", "second-paper")


def cells(name: str) -> list[dict[str, Any]]:
    return json.loads((FOLDER / f"{name}.ipynb").read_text(encoding="utf-8"))["cells"]


def run_cells(name: str) -> tuple[dict[str, Any], list[Any]]:
    """Names that the cells leave, and what the last line of each would show."""
    names: dict[str, Any] = {"__name__": "__main__"}
    shown = []
    for number, cell in enumerate(cells(name), 1):
        if cell["cell_type"] != "code":
            continue
        where = f"{name}, cell {number}"
        tree = ast.parse("".join(cell["source"]), where)
        last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
        exec(compile(tree, where, "exec"), names)
        if last is not None:
            shown.append(eval(compile(ast.Expression(last.value), where, "eval"), names))
    return names, [one for one in shown if one is not None]


@pytest.fixture(autouse=True)
def quiet(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    import matplotlib

    matplotlib.use("Agg")
    monkeypatch.chdir(tmp_path)


def test_notebooks_hold_no_outputs_and_no_paths_of_a_machine() -> None:
    assert sorted(path.stem for path in FOLDER.glob("*.ipynb")) == sorted(NAMES)
    for name in NAMES:
        for cell in cells(name):
            assert not cell.get("outputs")
            assert cell.get("execution_count") is None
            text = "".join(cell["source"])
            assert "/home" not in text
            assert "/tmp" not in text
            assert "/work" not in text


def test_the_first_paper_runs() -> None:
    names, shown = run_cells("first-paper")
    assert names["accuracy"] > 0.7
    shares = next(one for one in shown if isinstance(one, pd.DataFrame) and "permuted" in one)
    assert set(shares["method"]) == {"cam", "integrated-gradients"}
    assert shares["share"].between(0, 1).all()
    measures = names["found"].measures.set_index("measure")
    assert measures.loc["randomisation", "value"] <= 1
    assert Path("mean-map-of-i.png").stat().st_size > 5000


def test_the_second_paper_runs() -> None:
    names, _ = run_cells("second-paper")
    assert names["accuracy"] > 0.4
    assert names["tested"]["p"].min() >= 1 / 11 - 1e-9
    geometry = names["table"]
    assert (geometry["mu"] >= geometry["welch"] - 1e-9).all()
    assert set(names["measured"]["weights"]) == {"learned", "random"}
    assert names["maps"].sizes["frequency"] > 50
