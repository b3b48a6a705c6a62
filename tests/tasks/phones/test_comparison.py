"""Runs beside each other: differences that were planted are found, equal runs do not differ, and the page says how."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from phonoscope.cli import app
from phonoscope.errors import ExperimentError
from phonoscope.report import write_comparison
from phonoscope.tasks.content import read_content
from phonoscope.tasks.phones.comparison import compare, measure
from phonoscope.tasks.phones.comparison_page import _places


@pytest.fixture(scope="module")
def compared(tmp_path_factory, fake_runs):
    """Two runs on the same tokens: the second errs more, its maps are the same."""
    return fake_runs("one", labels=("i", "æ", "u"), wrong=1), fake_runs("two", labels=("i", "æ", "u"), wrong=14)


def measured(folder, name):
    return measure(read_content(folder), name)


def test_common_tokens_are_paired_and_equal_runs_do_not_differ(compared):
    one = compare(measured(compared[0], "a"), measured(compared[0], "b"))
    assert one.paired
    assert one.common == len(one.first.tokens)
    assert (one.accuracy["difference"] == 0).all()
    assert (one.accuracy["p"].dropna() == 1).all()
    assert np.abs(one.profiles["difference"]).max() == 0
    assert (one.profiles["p_region"] == 1).all()
    assert np.abs(one.shares["difference"]).max() == 0


def test_planted_errors_are_found(compared):
    one = compare(measured(compared[0], "a"), measured(compared[1], "b"))
    row = one.accuracy.iloc[0]
    n = len(one.first.tokens)
    assert row["difference"] == pytest.approx(13 / n)
    assert row["low"] <= row["difference"] <= row["high"]
    assert row["unit"] == "speaker"


def test_tokens_of_other_names_are_unrelated_groups(compared):
    second = measured(compared[1], "b")
    second.tokens["token"] = "other " + second.tokens["token"]
    one = compare(measured(compared[0], "a"), second)
    assert not one.paired
    assert one.common == 0
    assert one.accuracy["test"].iloc[0] == "7 speakers and 7 speakers"


def test_runs_without_a_common_class_are_refused(compared, fake_runs):
    other = fake_runs("three", labels=("ɑ",))
    with pytest.raises(ExperimentError, match="no class in common"):
        compare(measured(compared[0], "a"), measured(other, "b"))


def test_page_says_what_differs_and_how_it_was_tested(compared, tmp_path):
    out = write_comparison(compared, tmp_path / "page" / "comparison.html")
    text = out.read_text(encoding="utf-8")
    assert "one against two" in text
    assert "tokens that both runs tested are compared, each with itself" in text
    assert "The unit of every test is the speaker" in text
    assert "another seed may change a map" in text
    assert {"accuracy-1.csv", "accuracy-1.svg", "profiles-1.csv", "shares-1.svg"} <= {
        path.name for path in (out.parent / "figures").iterdir()
    }
    assert text.count('class="data"') >= 4


def test_one_run_is_no_comparison(compared, tmp_path):
    with pytest.raises(ExperimentError, match="two runs or more"):
        write_comparison(compared[:1], tmp_path / "a.html")


def test_places_join_neighbouring_cells_only():
    grid = pd.Series([100.0, 200.0, 300.0, 400.0, 500.0])
    rows = pd.DataFrame({"frequency": [100.0, 200.0, 500.0]})
    assert _places(rows, grid) == "100–200 and 500 Hz"


def test_command_compares_several_runs_and_says_where_it_wrote(compared, tmp_path):
    out = tmp_path / "comparison.html"
    done = CliRunner().invoke(app, ["report", *map(str, compared), "--out", str(out), "--figures", "pdf"])
    assert done.exit_code == 0
    assert done.output.splitlines() == [f"read  {compared[0]}", f"read  {compared[1]}", f"wrote {out}"]
    figures = {path.suffix for path in (tmp_path / "figures").iterdir()}
    assert figures == {".pdf", ".csv"}


def test_command_refuses_a_comparison_without_a_place_and_unknown_formats(compared, tmp_path):
    done = CliRunner().invoke(app, ["report", *map(str, compared)])
    assert "--out comparison.html" in str(done.exception)
    done = CliRunner().invoke(app, ["report", str(compared[0]), "--out", str(tmp_path / "a.html"), "--figures", "eps"])
    assert "'eps'" in str(done.exception)
    assert list(tmp_path.iterdir()) == []
