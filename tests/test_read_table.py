"""Tables that people made: every separator and encoding of spreadsheets gives the same table."""

import unicodedata

import pandas as pd
import pytest

from phonoscope.errors import CorpusError
from phonoscope.files import read_table

ROWS = [["Speaker", "sex", "note"], ["Jörg", "m", "Größe"], ["NA", "", "007"]]


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252", "latin-1"])
@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_every_spreadsheet_gives_the_same_table(tmp_path, separator, encoding, form):
    text = "\r\n".join(separator.join(row) for row in ROWS) + "\r\n"
    if encoding.startswith("utf"):
        text = unicodedata.normalize(form, text)
    path = tmp_path / "t.csv"
    path.write_bytes(text.encode(encoding))
    table = read_table(path)
    assert list(table.columns) == ["speaker", "sex", "note"]
    assert table["speaker"].tolist() == ["Jörg", "NA"]
    assert table["note"].tolist() == ["Größe", "007"]
    assert pd.isna(table.loc[1, "sex"])


def test_quotes_empty_lines_and_empty_columns(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text('speaker;sex;;\n\n"Meier; Anna";f;;\nBea\n', encoding="utf-8")
    table = read_table(path)
    assert table["speaker"].tolist() == ["Meier; Anna", "Bea"]
    assert table["sex"].isna().tolist() == [False, True]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "it is empty"), (b"a,b\n1,2,3\n", "3 cells in row 2"), (b"a,A\n1,2\n", "two columns called 'a'"),
        (b"PK\x03\x04\0\0", "it is no text"),
    ],
)  # fmt: skip
def test_what_is_no_table_is_refused(tmp_path, content, message):
    path = tmp_path / "t.csv"
    path.write_bytes(content)
    with pytest.raises(CorpusError, match=f"the phone mapping .*{message}"):
        read_table(path, what="phone mapping")
    with pytest.raises(CorpusError, match="cannot be read"):
        read_table(tmp_path / "none.csv")
