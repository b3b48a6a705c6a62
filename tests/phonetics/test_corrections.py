import numpy as np
import pandas as pd
import pytest

from phonoscope.errors import CorpusError
from phonoscope.phonetics.ceilings import LADDER_HZ
from phonoscope.phonetics.corrections import as_corrected, read_corrections


@pytest.fixture
def written(tmp_path):
    def write(text):
        path = tmp_path / "corrections.csv"
        path.write_text(text, encoding="utf-8")
        return path

    return write


def test_ceilings_candidates_and_values_are_read(written):
    table = read_corrections(written("token;ceiling;candidate;f2_50\na;5200;;\nb;;3;1500,5\nc;;;\n"))
    assert table.loc["a", "ceiling"] == 5200
    assert table.loc["b", "ceiling"] == LADDER_HZ[2]
    assert table.loc["b", "f2_50"] == 1500.5
    assert np.isnan(table.loc["c", "ceiling"])
    assert set(table["ceiling_from"]) == {"correction"}


def test_of_an_edited_table_of_candidates_the_chosen_rows_count(written):
    text = "token,candidate,chosen,proposed,ceiling,f1_50\na,1,0,1,4500,300\na,2,1,0,5000,310\nb,1,1,1,4500,400\n"
    table = read_corrections(written(text))
    assert table["ceiling"].to_dict() == {"a": 5000, "b": 4500}
    assert table["ceiling_from"].to_dict() == {"a": "correction", "b": "table of candidates"}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("name,f1_50\na,300\n", "column 'token'"),
        ("token,note\na,odd\n", "nothing to correct"),
        ("token,f1_50\na,300\na,310\n", "keep one row"),
        ("token,candidate,chosen\na,1,1\na,2,1\n", "mark one row"),
        ("token,candidate,chosen\na,1,maybe\n", "column 'chosen' has 'maybe'"),
        ("token,f1_50\na,high\n", "expected a number"),
        ("token,f1_50\na,-3\n", "above 0"),
        ("token,candidate\na,99\n", "not on the ladder"),
        ("token,candidate\na,1.5\n", "not on the ladder"),
    ],
)
def test_what_cannot_be_meant_is_named(written, text, says):
    with pytest.raises(CorpusError, match=says):
        read_corrections(written(text))


def test_a_ceiling_beyond_reason_is_refused(written):
    with pytest.raises(Exception, match=r"a ceiling is 55"):
        read_corrections(written("token,ceiling\na,55\n"))


def test_values_stand_in_the_place_of_measured_ones_and_are_told():
    measured = pd.DataFrame({"token": ["a", "b"], "f1_50": [300.0, 400.0], "f2_50": [np.nan, 1000.0]})
    corrected = pd.DataFrame({"f1_50": [300.001, np.nan], "f2_50": [2000.0, np.nan]}, index=pd.Index(["a", "z"]))
    table = as_corrected(measured, corrected)
    assert table["f1_50"].tolist() == [300.0, 400.0], "rounded by a spreadsheet"
    assert table["f2_50"].tolist() == [2000.0, 1000.0]
    assert table["corrected"].tolist() == ["f2_50", ""]


def test_values_at_other_positions_are_refused():
    corrected = pd.DataFrame({"f1_25": [300.0]}, index=pd.Index(["a"]))
    with pytest.raises(CorpusError, match="--positions"):
        as_corrected(pd.DataFrame({"token": ["a"], "f1_50": [1.0]}), corrected)
