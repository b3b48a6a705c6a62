"""What the R lines of the documentation read and name is there: R itself is not needed."""

import re
from pathlib import Path

import pandas as pd
import pytest

from phonoscope.evidence.faithful import _unmeasured

PAGE = Path(__file__).resolve().parents[2] / "docs" / "r.md"
TEXT = PAGE.read_text(encoding="utf-8").partition("## Perception experiments")[
    0
]  # these: in tests/tasks/test_perceive.py
LINES = "\n".join(re.findall(r"^```r\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL))
EVIDENCE = "evidence/tables/measures.csv"  # as `phonoscope evidence` writes it; too slow to make here


def columns(run: Path, file: str) -> set[str]:
    if file == EVIDENCE:
        return set(_unmeasured("cam", "deletion", ""))
    path = run / file
    return set(pd.read_csv(path) if path.suffix == ".csv" else pd.read_parquet(path))


@pytest.fixture(scope="module")
def tables(finished) -> dict[str, set[str]]:
    """Columns of each name that the lines give to a file, and of what they derive from it."""
    read = re.findall(r'^(\w+) <- read_(?:csv|parquet)\("runs/lj/([^"]+)"\)', LINES, re.MULTILINE)
    known = {name: columns(finished[0], file) for name, file in read}
    for name, source in re.findall(r"^(\w+) <- subset\((\w+),", LINES, re.MULTILINE):
        known[name] = known[source]
    for name, one, other, chosen in re.findall(r"^(\w+) <- merge\((\w+), (\w+)\[, c\(([^)]*)\)\]", LINES, re.MULTILINE):
        picked = set(re.findall(r'"(\w+)"', chosen))
        assert picked <= known[other]
        known[name] = known[one] | picked
    return known


def test_files_are_read_by_their_names(tables: dict[str, set[str]]) -> None:
    assert set(tables) == {"profiles", "shares", "f2", "formants", "both", "measures"}


def test_models_name_columns_of_their_data(tables: dict[str, set[str]]) -> None:
    models = re.findall(r"lmer\((.+), data = (\w+)\)", LINES)
    assert len(models) == 3
    for formula, data in models:
        variables = set(re.findall(r"[a-z]\w*", formula))
        assert "share" in variables
        assert variables <= tables[data], variables - tables[data]


def test_subsets_and_plots_name_columns(tables: dict[str, set[str]]) -> None:
    for source, column in re.findall(r"subset\((\w+), (\w+) ==", LINES):
        assert column in tables[source]
    (chosen,) = re.findall(r"subset\(measures, .*?, c\(([^)]*)\)\)", LINES)
    assert set(chosen.split(", ")) <= tables["measures"]
    assert {"frequency", "mean", "low", "high", "label", "source"} <= tables["profiles"]
