"""Answers of people to a listening test: of the web page, of Praat, or of any table with the same columns."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from phonoscope.corpora.textgrid import decode
from phonoscope.errors import PerceptionError
from phonoscope.left_out import LeftOut
from phonoscope.perception.listening_tests import EXPERIMENT_COLUMNS

COLUMNS = ("participant", "trial", *EXPERIMENT_COLUMNS, "answer", "seconds")
SUFFIXES = (".csv", ".tsv", ".tab", ".txt", ".table", ".resultsmfc")
_NUMBERS = ("trial", "step", "achieved", "seconds")
_NEEDED = ("participant", "answer", "class", "cue", "achieved")
# As others call them: Praat, and common sense.
_ALSO = {"subject": "participant", "listener": "participant", "response": "answer", "stimulus": "file",
         "reactiontime": "seconds", "reaction_time": "seconds"}  # fmt: skip
_NO_ANSWER = ("", "?", "--undefined--")
_PRAAT = re.compile(r'\s*(?:File type = )?"ooTextFile"\s*(?:Object class = )?"(\w+)(?: \d+)?"')
_VALUE = re.compile(r'"(?P<text>(?:[^"]|"")*)"|(?<!\S)(?P<number>-?\d+(?:\.\d*)?(?:[eE][-+]?\d+)?)(?!\S)')
_DECIMAL_COMMA = re.compile(r"^(-?\d+),(\d+)$")
_TRUE = {"true": True, "1": True, "false": False, "0": False, "": False}

Row = tuple[str, dict[str, str]]  # where it stands, and its cells by column


def read_answers(
    path: str | Path | Sequence[str | Path],
    stimuli: str | Path | pd.DataFrame | None = None,
    labels: Sequence[str] | None = None,
) -> pd.DataFrame:
    """Read what people answered.

    Parameters
    ----------
    path
        A file, several, or a folder of them. Each is a CSV that the web page saved; a table that Praat made of results
        (*Collect to Table*, saved as comma- or tab-separated or text file: ``subject, stimulus, response``); Praat's
        results of one participant (ResultsMFC as text, named after the participant); or any CSV with these columns.
    stimuli
        What each file of sound was: the ``stimuli.csv`` beside a test for Praat, or its table. Tables that say ``class,
        cue, achieved`` themselves need none.
    labels
        The answers that could be given; all that were, by default.

    Returns
    -------
    DataFrame
        One row an answer: ``participant, trial, file, token, class, cue, step, achieved, unit, answer, seconds``, and
        every further column of numbers (``f1``, ``f0`` …). ``attrs["labels"]``; ``attrs["left_out"]`` tells of rows
        that could not be used, and why, with file and line.

    Raises
    ------
    PerceptionError
        If a file is missing or no table of answers, or no answer is left.
    """
    left_out = LeftOut()
    known = None if stimuli is None else _stimuli(stimuli)
    rows: list[dict[str, str]] = []
    places: list[str] = []
    files = _files(path)
    for file in files:
        for place, row in _rows(file, left_out):
            rows.append(row)
            places.append(place)
    if not rows:
        raise PerceptionError(f"no answers in {_named(files)}: a table has a row for each")
    table = pd.DataFrame(rows, dtype=object).assign(place=places)
    table = _with_stimuli(table, known, left_out)
    lacking = [name for name in _NEEDED if name not in table]
    if lacking:
        advice = (
            "; give stimuli=, the table of the stimuli that were heard" if known is None and "file" in table else ""
        )
        raise PerceptionError(f"the answers in {_named(files)} have no column {', '.join(lacking)}{advice}")
    table = _usable(_as_numbers(table), labels, left_out)
    if not len(table):
        reasons = "; ".join(f"{entry['count']} rows: {entry['reason']}" for entry in left_out.entries())
        raise PerceptionError(f"no answer in {_named(files)} can be used ({reasons})")
    if table["trial"].isna().any():
        table["trial"] = table.groupby("participant").cumcount() + 1
    more = [name for name in table.columns if name not in (*COLUMNS, "place")]
    numbers = [name for name in more if pd.api.types.is_numeric_dtype(table[name])]
    table = table[[*COLUMNS, *numbers]].reset_index(drop=True)
    table.attrs = {"labels": list(labels or sorted(table["answer"].unique())), "left_out": left_out.entries()}
    return table


def _files(path: str | Path | Sequence[str | Path]) -> list[Path]:
    files: list[Path] = []
    for given in map(Path, [path] if isinstance(path, str | Path) else path):
        if given.is_dir():
            files += sorted(file for file in given.iterdir() if file.suffix.lower() in SUFFIXES)
        else:
            files.append(given)
    if not files:
        raise PerceptionError(f"no tables of answers in {path}; expected files with {', '.join(SUFFIXES)}")
    return files


def _named(files: Sequence[Path]) -> str:
    return str(files[0]) if len(files) == 1 else f"{len(files)} files ({files[0]} …)"


def _rows(file: Path, left_out: LeftOut) -> Iterator[Row]:
    """Rows of a file of any kind; those that cannot be read are counted."""
    try:
        text, _ = decode(file.read_bytes())
    except OSError as error:
        raise PerceptionError(f"{file}: the answers cannot be read ({error.strerror or error})") from error
    kind = _PRAAT.match(text)
    if kind is None:
        yield from _of_csv(file, text, left_out)
    elif kind[1] == "Table":
        yield from _of_praat_table(file, text[kind.end() :])
    elif kind[1] == "ResultsMFC":
        yield from _of_results(file, text[kind.end() :])
    else:
        raise PerceptionError(f"{file} is Praat's {kind[1]}; select the results in Praat, then Collect to Table")


def _of_csv(file: Path, text: str, left_out: LeftOut) -> Iterator[Row]:
    first = text.partition("\n")[0]
    delimiter = max(",;\t", key=first.count)
    reader = csv.reader(io.StringIO(text), delimiter=delimiter)
    names = _names(next(reader, []))
    if not {"participant", "answer"} <= set(names):
        raise PerceptionError(
            f"{file} is no table of answers: its columns are {', '.join(names)[:80] or 'none'}; "
            "expected at least participant (or subject) and answer (or response)"
        )
    for cells in reader:
        place = f"{file.name}, line {reader.line_num}"
        if not any(cell.strip() for cell in cells):
            continue
        if len(cells) != len(names):
            left_out.add("answer", f"other than {len(names)} cells in its row", 1, [place])
            continue
        if delimiter == ";":
            cells = [_DECIMAL_COMMA.sub(r"\1.\2", cell.strip()) for cell in cells]
        yield place, dict(zip(names, (cell.strip() for cell in cells), strict=True))


def _of_praat_table(file: Path, text: str) -> Iterator[Row]:
    texts, numbers = _values(file, text)
    across = int(numbers[0]) if numbers else 0
    names = _names(texts[:across])
    cells = texts[across:]
    if not across or len(cells) % across:
        raise PerceptionError(f"{file}: {len(cells)} cells do not fill rows of {across} columns; save it again")
    for at in range(0, len(cells), across):
        yield f"{file.name}, row {at // across + 1}", dict(zip(names, cells[at : at + across], strict=True))


def _of_results(file: Path, text: str) -> Iterator[Row]:
    texts, numbers = _values(file, text)
    count = int(numbers[0]) if numbers else 0
    if len(texts) != 2 * count:
        raise PerceptionError(f"{file}: {count} trials are promised, {len(texts) / 2:g} found; save it again")
    seconds = numbers[2::2] if len(numbers) == 2 * count + 1 else [""] * count
    for trial in range(count):
        row = {"participant": file.stem, "trial": str(trial + 1), "file": texts[2 * trial],
               "answer": texts[2 * trial + 1], "seconds": seconds[trial]}  # fmt: skip
        yield f"{file.name}, trial {trial + 1}", row


def _values(file: Path, text: str) -> tuple[list[str], list[str]]:
    """Texts and free-standing numbers of one of Praat's text files, in their order."""
    found = list(_VALUE.finditer(text))
    if not found:
        raise PerceptionError(f"{file} holds nothing")
    texts = [each["text"].replace('""', '"') for each in found if each["text"] is not None]
    return texts, [each["number"] for each in found if each["number"] is not None]


def _names(header: Sequence[str]) -> list[str]:
    names = [name.strip() for name in header]
    return [_ALSO.get(name.lower(), name.lower() if name.lower() in COLUMNS else name) for name in names]


def _stimuli(stimuli: str | Path | pd.DataFrame) -> pd.DataFrame:
    if not isinstance(stimuli, pd.DataFrame):
        try:
            stimuli = pd.read_csv(stimuli, dtype=str, keep_default_na=False)
        except (OSError, ValueError) as error:
            raise PerceptionError(f"{stimuli}: the table of stimuli cannot be read ({error})") from error
    lacking = [name for name in ("file", "class", "cue", "achieved") if name not in stimuli]
    if lacking:
        raise PerceptionError(f"the table of stimuli has no column {', '.join(lacking)}")
    return stimuli.assign(stem=stimuli["file"].map(_stem)).drop_duplicates("stem").set_index("stem")


def _stem(name: object) -> str:
    """Name of a stimulus without folder, suffix, and the texts that Praat appends to it."""
    return Path(str(name).partition("|")[0].replace("\\", "/")).stem


def _with_stimuli(table: pd.DataFrame, known: pd.DataFrame | None, left_out: LeftOut) -> pd.DataFrame:
    """What each stimulus was, by its file; rows of unknown files are counted and left out."""
    if known is None or "file" not in table:
        return table
    stems = table["file"].map(_stem)
    strange = ~stems.isin(known.index)
    left_out.add("answer", "to a stimulus that is not in the table of stimuli", int(strange.sum()),
                 table["place"][strange])  # fmt: skip
    table, stems = table[~strange], stems[~strange]
    own = known.reindex(stems).reset_index(drop=True).set_index(table.index)
    return table.drop(columns=[name for name in own if name in table]).join(own)


def _as_numbers(table: pd.DataFrame) -> pd.DataFrame:
    """Columns of numbers as such; what is no number is missing."""
    columns = {name: table.get(name, np.nan) for name in COLUMNS}
    for name in map(str, table):
        if name == "sham":
            columns[name] = table[name].astype(str).str.lower().map(_TRUE).eq(True)
        elif name not in (*COLUMNS, "place"):
            numbers = pd.to_numeric(table[name].replace("", np.nan), errors="coerce")
            columns[name] = numbers if numbers.notna().any() else table[name]
    found = pd.DataFrame(columns, index=table.index).assign(place=table["place"])
    for name in _NUMBERS:
        found[name] = pd.to_numeric(found[name], errors="coerce").astype(float)
    return found


def _usable(table: pd.DataFrame, labels: Sequence[str] | None, left_out: LeftOut) -> pd.DataFrame:
    """Rows that say who answered what to which stimulus, each once."""

    def without(wrong: pd.Series, reason: str) -> None:
        nonlocal table
        left_out.add("answer", reason, int(wrong.sum()), table["place"][wrong])
        table = table[~wrong]

    without(_blank(table["participant"]), "nobody is named as the participant")
    without(_blank(table["answer"]) | table["answer"].isin(_NO_ANSWER), "nothing was answered")
    if labels is not None:
        wrong = ~table["answer"].isin(list(labels))
        for answer in sorted(table["answer"][wrong].astype(str).unique()):
            left_out.add("answer", f"{answer!r}, which is none of the labels", int((table["answer"] == answer).sum()),
                         table["place"][table["answer"] == answer])  # fmt: skip
        table = table[~wrong]
    without(_blank(table["class"]) | _blank(table["cue"]), "the class and the cue of the stimulus are not given")
    without(table["achieved"].isna(), "the stimulus has no number for what was achieved")
    known = table["trial"].notna()
    key = ["participant", "trial", "file", "answer", "class", "cue", "achieved"]
    without(known & table.duplicated(key), "the same answer stands twice")
    return table.copy()


def _blank(values: pd.Series) -> pd.Series:
    return values.isna() | (values.astype(str).str.strip() == "")
