"""Maps of a run for Praat: a TextGrid beside each recording, and single maps as matrices in Hz and s.

Every time is one of the recording, so that sound, TextGrid and matrix lie under one another.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import xarray as xr

from phonoscope.axes import cell_edges
from phonoscope.corpora.praat_matrix import even_axis, write_matrix
from phonoscope.corpora.textgrid import TIME_TOLERANCE_SECONDS, Interval, Point, TextGrid, Tier, write_textgrid
from phonoscope.corpora.tier_layers import layered_tiers, name_beside, recording_duration
from phonoscope.errors import ExperimentError
from phonoscope.experiments.folder import Run

MATRICES = 10  # tokens whose maps are written as matrices unless others are asked for


@dataclass
class PraatExport:
    """What was written, and what could not be found.

    ``absent`` lists recordings that are gone: their TextGrids end with their last token. ``left_out`` lists tokens
    whose maps are not finite.
    """

    run: Path
    method: str
    textgrids: list[Path] = field(default_factory=list)
    matrices: list[Path] = field(default_factory=list)
    absent: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    tokens: int = 0

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain values, as ``--json`` prints it."""
        return dict(vars(self))


def export_praat(
    run_folder: str | Path,
    out: str | Path,
    *,
    method: str | None = None,
    tokens: int | Sequence[str] = MATRICES,
    progress: Callable[[int, int], None] | None = None,
) -> PraatExport:
    """Write a TextGrid for every recording with tested tokens, and matrices of some maps.

    Tiers: ``phone`` and ``word``, of all tokens in the run's table (tokens of one word that touch are one interval);
    ``METHOD: class → predicted`` with the probability of what was predicted; ``METHOD: peak Hz``, a point at the
    middle of the column with most positive map, which says where the token's profile (its map summed over time) has
    its peak; ``METHOD: importance``, the share of the positive map in each column. Maps in which nothing speaks for
    the target have neither peak nor importance, those without a frequency axis have no peaks.

    Parameters
    ----------
    run_folder
        A finished run.
    out
        Folder of the TextGrids (named after the recordings) and of ``matrices/``; files of an earlier export are
        replaced.
    method
        Whose maps, by the name of their folder in the run; the run's own by default.
    tokens
        Tokens to be written as matrices: their names, or how many, evenly picked.
    progress
        Called with the number of recordings done and their total.

    Raises
    ------
    ExperimentError
        If the run has no such maps, or a token named is not among them.
    """
    run, out = Run(run_folder), Path(out)
    method = method or str(run.facts.get("method") or "cam")
    maps = _maps_of(run, method)
    table = run.tokens.reset_index(drop=True)
    predicted = run.predictions.set_index("token")
    position = {str(token): i for i, token in enumerate(maps["token"].values)}
    tested = table[table["token"].isin(list(position)) & table["token"].isin(predicted.index)]
    if tested.empty:
        raise ExperimentError(f"{run.folder} has no tested token with a map by {method}")
    result = PraatExport(run.folder, method)
    finite = {token for token in tested["token"] if np.isfinite(maps.values[position[token]]).all()}
    result.left_out = [str(token) for token in tested["token"] if token not in finite]
    tested = tested[tested["token"].isin(list(finite))]
    result.tokens = len(tested)
    chosen = _chosen(tokens, tested, run, method)
    several = len(table["corpus"].unique()) > 1
    by = ["corpus", "recording"]
    groups = list(tested.groupby(by, sort=False, observed=True))
    rows_of = dict(list(table.groupby(by, observed=True)))
    for done, ((corpus, recording), rows) in enumerate(groups, 1):
        before = [str(corpus)] if several else []
        every = rows_of[corpus, recording].sort_values("start")
        duration = recording_duration(run.tokens.attrs.get("roots", {}), str(corpus), str(recording))
        if duration is None:
            result.absent.append("/".join([*before, str(recording)]))
        end = max(float(every["end"].max()), duration or 0.0)
        explained = [
            _explained(row, maps, position[row["token"]], predicted.loc[row["token"]])
            for row in rows.sort_values("start").to_dict("records")
        ]
        path = out / name_beside(str(recording), ".TextGrid", before)
        write_textgrid(path, TextGrid(0.0, end, (*_aligned(every), *_explained_tiers(explained, maps, method, end))))
        result.textgrids.append(path)
        for each in explained:
            if each.token in chosen:
                # The suffix is put on, not exchanged: names of tokens may hold points.
                name = name_beside(each.token.replace(":", "_") + ".token", ".Matrix", ["matrices", *before])
                result.matrices.append(_write_map(out / name, each, maps))
        if progress is not None:
            progress(done, len(groups))
    return result


class _Explained(NamedTuple):
    """One token: its times in the recording (s), what was decided, its map, and the centres of its columns (s)."""

    token: str
    start: float
    end: float
    decision: str
    values: np.ndarray
    seconds: np.ndarray

    @property
    def columns(self) -> np.ndarray:
        """Positive map in each column."""
        return np.maximum(self.values, 0.0).sum(axis=0)


def _explained(row: dict[Any, Any], maps: xr.DataArray, at: int, decision: pd.Series) -> _Explained:
    predicted = decision["predicted"]
    text = _one_line(f"{row['class']} → {predicted} {decision[f'p_{predicted}']:.2f}")
    seconds = row["start"] + maps["seconds"].values[at]
    return _Explained(row["token"], row["start"], row["end"], text, maps.values[at].astype(float), seconds)


def _edges(token: _Explained, stretched: bool, end: float) -> np.ndarray:
    """Edges of the columns in the recording, s: within the token where it fills the axis."""
    seconds = token.seconds
    if stretched or len(seconds) == 1:
        return np.clip(cell_edges(seconds, token.start, token.end), token.start, token.end)
    half = (seconds[-1] - seconds[0]) / (len(seconds) - 1) / 2
    return np.clip(cell_edges(seconds, seconds[0] - half, seconds[-1] + half), 0.0, end)


def _aligned(rows: pd.DataFrame) -> Iterator[Tier]:
    """Phones as written and words, as far as the token table has them."""
    phones, words = [], []
    for row in rows.to_dict("records"):
        start, end = float(row["start"]), float(row["end"])
        if pd.notna(row["phone"]):
            phones.append(Interval(start, end, _one_line(row["phone"])))
        if pd.notna(row["word"]):
            word = _one_line(row["word"])
            if words and words[-1].label == word and abs(words[-1].end - start) < TIME_TOLERANCE_SECONDS:
                words[-1] = Interval(words[-1].start, end, word)
            else:
                words.append(Interval(start, end, word))
    yield from layered_tiers("phone", phones)
    yield from layered_tiers("word", words)


def _explained_tiers(explained: list[_Explained], maps: xr.DataArray, method: str, end: float) -> Iterator[Tier]:
    frequency, stretched = maps["frequency"].values, maps.attrs.get("time_seconds") is None
    shares, peaks = [], []
    for token in explained:
        columns, edges = token.columns, _edges(token, stretched, end)
        if not columns.sum() > 0:
            continue
        parts = zip(edges, edges[1:], columns / columns.sum(), strict=False)
        shares += [Interval(float(a), float(b), f"{share:.2f}") for a, b, share in parts if b > a]
        time = float(token.seconds[columns.argmax()])
        if len(frequency) > 1 and 0.0 <= time <= end:
            peaks.append(Point(time, f"{frequency[token.values.sum(axis=1).argmax()]:.0f}"))
    decisions = [Interval(token.start, token.end, token.decision) for token in explained]
    yield from layered_tiers(f"{method}: class → predicted", decisions)
    if len(frequency) > 1:
        yield Tier(f"{method}: peak Hz", points=tuple(sorted(peaks)), kind="point")
    yield from layered_tiers(f"{method}: importance", shares)


def _write_map(path: Path, token: _Explained, maps: xr.DataArray) -> Path:
    x, columns = even_axis(token.seconds, token.start, token.end)
    frequency = maps["frequency"].values
    y, rows = even_axis(frequency, 0.0, float(maps.attrs.get("max_hz") or frequency[-1]))
    write_matrix(path, token.values[np.ix_(rows, columns)], x, y)
    return path


def _maps_of(run: Run, method: str) -> xr.DataArray:
    folder = run.folder / "maps"
    there = sorted(path.name for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []
    if method not in there:
        has = f"it has maps by: {', '.join(there)}" if there else "it has no maps at all"
        raise ExperimentError(f"{run.folder} has no maps by {method}; {has}. Make them: phonoscope explain")
    return run.maps(method)


def _chosen(wanted: int | Sequence[str], tested: pd.DataFrame, run: Run, method: str) -> set[str]:
    names = [str(token) for token in tested["token"]]
    if isinstance(wanted, int):
        if wanted < 0:
            raise ExperimentError(f"{wanted} tokens cannot be written; give 0 or more, or names of tokens")
        picked = np.linspace(0, len(names) - 1, min(wanted, len(names))).round().astype(int)
        return {names[i] for i in picked}
    unknown = sorted(set(wanted) - set(names))
    if unknown:
        raise ExperimentError(
            f"no map by {method} of {', '.join(unknown[:3])} in {run.folder}; tokens are named like {names[0]}"
        )
    return set(wanted)


def _one_line(text: Any) -> str:
    return " ".join(str(text).split())
