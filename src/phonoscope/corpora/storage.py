"""Writes and reads token tables, as Parquet or CSV, with their report of what was left out."""

import json
from pathlib import Path

import pandas as pd

from phonoscope.audio import CHANNEL, SOUND_HASH
from phonoscope.corpora.select import TEXT
from phonoscope.errors import CorpusError
from phonoscope.files import write_json, write_with

COLUMNS = (
    "token", "recording", "start", "end", "phone", "label", "stress", "word", "previous", "next", "speaker", "sex",
    "corpus", "split",
)  # fmt: skip
TEXT_COLUMNS = tuple(name for name in COLUMNS if name not in ("start", "end", "stress"))


def write_tokens(path: str | Path, tokens: pd.DataFrame) -> None:
    """Write a token table as ``.parquet``, or as ``.csv`` with its attributes in a ``.json`` beside it.

    The file appears whole or not at all.

    Raises
    ------
    CorpusError
        If the suffix is neither.
    """
    path = Path(path)
    if path.suffix == ".parquet":
        write_with(path, lambda part: tokens.to_parquet(part, index=False))
    elif path.suffix == ".csv":
        write_json(path.with_suffix(".json"), tokens.attrs)
        write_with(path, lambda part: tokens.to_csv(part, index=False))
    else:
        raise CorpusError(f"cannot write {path}: the suffix of a token table must be .parquet or .csv")


def read_tokens(path: str | Path) -> pd.DataFrame:
    """Read a token table that `write_tokens` wrote.

    Raises
    ------
    CorpusError
        If the file is missing, damaged, or lacks a column of the token table.
    """
    path = Path(path)
    if path.suffix not in (".parquet", ".csv"):
        raise CorpusError(f"cannot read {path}: the suffix of a token table must be .parquet or .csv")
    try:
        if path.suffix == ".parquet":
            tokens = pd.read_parquet(path)
        else:
            # Only an empty cell is missing: "nan" and "null" are words. Times are read as text, because the reader of
            # numbers is not exact to the last digit in every pandas.
            kinds = dict.fromkeys((*TEXT_COLUMNS, "start", "end"), "object") | {"stress": "Int8"}
            tokens = pd.read_csv(path, dtype=kinds, keep_default_na=False, na_values=[""])
            tokens = tokens.astype({name: float for name in ("start", "end") if name in tokens.columns})
            attributes = path.with_suffix(".json")
            tokens.attrs = json.loads(attributes.read_text(encoding="utf-8")) if attributes.is_file() else {}
    except (OSError, ValueError) as error:
        raise CorpusError(f"{path}: the token table cannot be read ({error})") from error
    lacking = [name for name in COLUMNS if name not in tokens.columns]
    if lacking:
        raise CorpusError(
            f"{path} is not a token table: it lacks {', '.join(lacking)}; it has {', '.join(tokens.columns)}"
        )
    return as_written(tokens)


def as_written(tokens: pd.DataFrame) -> pd.DataFrame:
    """Give the columns of a token table that was read the kinds that they have in memory."""
    for name in (*TEXT_COLUMNS, *({SOUND_HASH} & set(tokens))):
        if tokens[name].dtype != TEXT:
            tokens[name] = tokens[name].astype(object).where(tokens[name].notna(), float("nan")).astype(TEXT)
    for name in {"stress", CHANNEL} & set(tokens):
        tokens[name] = tokens[name].astype("Int8")
    return tokens
