"""The tokens of a run as columns in memory: filtered, ordered and given out page by page."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from phonoscope.errors import ExperimentError

MOST_ROWS = 500  # of one page
_MOST_BESIDE = 200  # more would be too narrow to be drawn
_MOST_NAMES = 200  # of one choice: more speakers than that are searched by name
SHOWN = ("token", "class", "predicted", "confidence", "share", "phone", "word", "speaker", "start", "end")
_TEXT = (
    "recording", "class", "predicted", "label", "phone", "previous", "next", "word", "speaker", "sex", "corpus", "split"
)  # fmt: skip
_SHARE_SETS = ("F1–F4", "F1–F3", "F1, F2", "F2", "F1")


@dataclass(frozen=True)
class Wanted:
    """Filters and order of the table; empty values filter nothing.

    Parameters
    ----------
    outcome
        ``tested``, ``right``, ``wrong``, ``untested``, or a confusion as ``true>predicted``.
    confidence, share
        Lowest and highest value, 0 to 1; a limit that is given leaves out tokens without a value.
    find
        Part of a token's name, word or phone.
    order
        A column of ``SHOWN``, with ``-`` in front for falling; the run's own order by default.
    """

    class_: str = ""
    predicted: str = ""
    speaker: str = ""
    outcome: str = ""
    confidence: tuple[float | None, float | None] = (None, None)
    share: tuple[float | None, float | None] = (None, None)
    find: str = ""
    order: str = ""


class TokenColumns:
    """Tokens with their predictions and shares, one row a token.

    Parameters
    ----------
    folder
        Of a finished run.

    Raises
    ------
    ExperimentError
        If the run has no tokens with predictions.
    """

    def __init__(self, folder: Path) -> None:
        try:
            tokens = _read(folder / "tokens.parquet", ("token", "start", "end", "fold", *_TEXT))
            predictions = _read(folder / "predictions.parquet")
        except (OSError, ValueError) as error:
            raise ExperimentError(f"the tokens or predictions of {folder} cannot be read ({error})") from error
        self.attrs: dict[str, Any] = {str(name): value for name, value in tokens.attrs.items()}
        tokens.attrs = {}
        self.probability_columns = [name for name in predictions if str(name).startswith("p_")]
        self.names, tested = pd.Index(tokens["token"].astype(str)), pd.Index(predictions["token"].astype(str))
        if not (self.names.is_unique and tested.is_unique):
            raise ExperimentError(f"{folder} names a token twice: the viewer cannot tell which one is meant")
        scores = [name for name in predictions if str(name).startswith("score_")]
        known = predictions[["predicted", *self.probability_columns, *scores]].set_axis(tested)
        table = pd.concat([tokens, known.reindex(self.names).reset_index(drop=True)], axis=1)
        table["confidence"] = table[self.probability_columns].max(axis=1).astype(float)
        table["share"], self.share_of = _shares(folder, table["token"])
        for name in _TEXT:
            if name not in table:
                table[name] = pd.Series(pd.NA, index=table.index, dtype=object)
            if not isinstance(table[name].dtype, pd.CategoricalDtype):
                table[name] = table[name].astype("category")
        if "fold" not in table:
            table["fold"] = np.nan
        self.table = table
        classes = table["class"].cat.categories.union(table["predicted"].cat.categories)
        true, predicted = (table[name].cat.set_categories(classes).cat.codes for name in ("class", "predicted"))
        tested, right = (predicted >= 0).to_numpy(), (predicted >= 0).to_numpy() & (predicted == true).to_numpy()
        self._outcomes = {"tested": tested, "right": right, "wrong": tested & ~right, "untested": ~tested}
        self._orders: dict[str, np.ndarray] = {}

    def __len__(self) -> int:
        return len(self.table)

    def position(self, token: str) -> int:
        """Row of a token.

        Raises
        ------
        KeyError
            If it is not of this run.
        """
        return int(self.names.get_loc(token))  # ty: ignore[invalid-argument-type]

    def row(self, token: str) -> dict[str, Any]:
        """One token as plain values; missing is None."""
        return _plain(self.table.iloc[self.position(token)].to_dict())

    def of_labels(self, row: dict[str, Any], labels: list[str], kind: str) -> list[Any] | None:
        """What a row says of each label, in columns that begin with ``kind``; None where there are no such columns."""
        there = any(f"{kind}{label}" in row for label in labels)
        return [row.get(f"{kind}{label}") for label in labels] if there else None

    def page(self, wanted: Wanted, offset: int, limit: int) -> dict[str, Any]:
        """Rows of the tokens wanted, in their order: ``total``, ``offset``, ``columns`` and ``rows``."""
        chosen = self._chosen(wanted)
        part = chosen[max(offset, 0) : max(offset, 0) + min(max(limit, 1), MOST_ROWS)]
        rows = self.table.iloc[part][list(SHOWN)]
        listed = [[_plain_value(value) for value in row] for row in rows.itertuples(index=False, name=None)]
        return {"total": len(chosen), "offset": max(offset, 0), "columns": list(SHOWN), "rows": listed}

    def chosen_names(self, wanted: Wanted) -> list[str]:
        """Names of the tokens wanted, in their order."""
        return self.names[self._chosen(wanted)].tolist()

    def rank(self, wanted: Wanted, token: str) -> int | None:
        """Where a token stands among those wanted, from 0; None if it is not among them."""
        ranks = np.flatnonzero(self._chosen(wanted) == self.position(token))
        return int(ranks[0]) if len(ranks) else None

    def confusions(self, wanted: Wanted, labels: list[str]) -> list[list[int]]:
        """Counts, true by predicted, of the tokens wanted whatever their class, prediction and outcome."""
        loose = Wanted(speaker=wanted.speaker, confidence=wanted.confidence, share=wanted.share, find=wanted.find)
        part = self.table[self._mask(loose) & self._outcomes["tested"]]
        counts = pd.crosstab(part["class"].astype(object), part["predicted"].astype(object))
        return counts.reindex(index=labels, columns=labels, fill_value=0).astype(int).to_numpy().tolist()

    @cached_property
    def choices(self) -> dict[str, Any]:
        """What can be chosen: classes, predictions and speakers with their counts, and the ranges of the numbers."""
        counts: dict[str, Any] = {}
        for name in ("class", "predicted", "speaker"):
            frequent = self.table[name].value_counts()
            frequent = frequent[frequent > 0]
            counts[name] = [[str(k), int(v)] for k, v in frequent.head(_MOST_NAMES).items()]
            counts[f"{name}_count"] = len(frequent)
        counts["outcome"] = [[name, int(mask.sum())] for name, mask in self._outcomes.items()]
        counts["share_of"] = self.share_of
        return counts

    def beside(self, token: str, start: float, end: float) -> list[dict[str, Any]]:
        """Tokens of the same recording between two times (s), in order; the nearest where there are very many."""
        here = self.position(token)
        starts, ends = (self.table[name].to_numpy(dtype=float) for name in ("start", "end"))
        places = np.flatnonzero((self._recordings == self._recordings[here]) & (ends > start) & (starts < end))
        nearest = np.argsort(np.abs(places - here) if len(places) > _MOST_BESIDE else starts[places], kind="stable")
        part = self.table.iloc[places[nearest[:_MOST_BESIDE]]].sort_values("start")
        columns = ["token", "start", "end", "phone", "label", "word", "class", "predicted"]
        return [_plain(record) for record in part[columns].to_dict("records")]

    def of_recordings(self, tokens: list[str]) -> pd.DataFrame:
        """All tokens of the recordings in which some tokens lie."""
        recordings = self._recordings[self.names.get_indexer(pd.Index(tokens))]
        return self.table[np.isin(self._recordings, recordings)]

    @cached_property
    def _recordings(self) -> np.ndarray:
        """Number of each token's recording: a recording of the same name in another corpus is another one."""
        corpus, recording = self.table["corpus"].cat, self.table["recording"].cat
        return corpus.codes.to_numpy(dtype=np.int64) * (len(recording.categories) + 1) + recording.codes.to_numpy()

    def _chosen(self, wanted: Wanted) -> np.ndarray:
        mask = self._mask(wanted)
        name = wanted.order.removeprefix("-")
        if name not in SHOWN:
            return np.flatnonzero(mask)
        order = self._order(name)
        if wanted.order.startswith("-"):
            known = self.table[name].notna().to_numpy()[order]
            order = np.concatenate([order[known][::-1], order[~known]])
        return order[mask[order]]

    def _order(self, name: str) -> np.ndarray:
        """Rows by a column, missing last."""
        if name not in self._orders:
            column = self.table[name]
            if isinstance(column.dtype, pd.CategoricalDtype):
                column = column.astype(object)
            codes, _ = pd.factorize(column, sort=True)
            codes = np.where(codes < 0, len(codes), codes)
            self._orders[name] = np.argsort(codes, kind="stable")
        return self._orders[name]

    def _mask(self, wanted: Wanted) -> np.ndarray:
        mask = np.ones(len(self.table), dtype=bool)
        named = (("class", wanted.class_), ("predicted", wanted.predicted), ("speaker", wanted.speaker))
        equal = [(name, value) for name, value in named if value]
        if wanted.outcome in self._outcomes:
            mask &= self._outcomes[wanted.outcome]
        elif wanted.outcome:
            true, _, predicted = wanted.outcome.partition(">")
            equal += [("class", true), ("predicted", predicted)]
        for name, value in equal:
            mask &= (self.table[name] == value).to_numpy(dtype=bool)
        for name, (low, high) in (("confidence", wanted.confidence), ("share", wanted.share)):
            values = self.table[name].to_numpy(dtype=float)
            if low is not None:
                mask &= values >= low
            if high is not None:
                mask &= values <= high
        if wanted.find:
            mask &= self._containing(wanted.find)
        return mask

    def _containing(self, text: str) -> np.ndarray:
        """Tokens whose name, word or phone contains a text, whatever its case; words and phones are searched once."""
        mask = self._lower_names.str.contains(text.lower(), regex=False).to_numpy(dtype=bool, copy=True)
        for name in ("word", "phone"):
            column = self.table[name].cat
            hits = np.array([text.lower() in str(c).lower() for c in column.categories], dtype=bool)
            codes = column.codes.to_numpy()
            if len(hits):
                mask |= np.where(codes >= 0, hits[codes], False)
        return mask

    @cached_property
    def _lower_names(self) -> pd.Series:
        return self.table["token"].astype(str).str.lower()


def _read(path: Path, names: tuple[str, ...] | None = None) -> pd.DataFrame:
    """Read the columns named, as far as there are any; texts that repeat come as categories, at no cost."""
    import pyarrow.parquet as parquet

    there = parquet.read_schema(path).names
    wanted = there if names is None else [name for name in names if name in there]
    repeated = [name for name in wanted if name in _TEXT]
    return pd.read_parquet(path, columns=wanted, read_dictionary=repeated)


def _shares(folder: Path, tokens: pd.Series) -> tuple[np.ndarray, str]:
    """Share of each token's map in its formants, of the largest set there is, and the name of the set."""
    path = folder / "tables" / "token_shares.parquet"
    if not path.is_file():
        return np.full(len(tokens), np.nan), ""
    shares = pd.read_parquet(path, columns=["token", "formant", "share"])
    known = set(shares["formant"])
    name = next((name for name in _SHARE_SETS if name in known), "")
    of_set = shares[shares["formant"] == name].drop_duplicates("token").set_index("token")["share"]
    return of_set.reindex(tokens.to_numpy()).to_numpy(dtype=float), name


def _plain(record: dict[Any, Any]) -> dict[str, Any]:
    return {str(name): _plain_value(value) for name, value in record.items()}


def _plain_value(value: Any) -> Any:
    if value is None or (not isinstance(value, (list, tuple, np.ndarray)) and pd.isna(value)):
        return None
    return value.item() if isinstance(value, np.generic) else value
