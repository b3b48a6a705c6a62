"""Marks and notes of the person at the page, kept beside the run, and their way out as TextGrid and CSV."""

from __future__ import annotations

import io
import json
import threading
import zipfile
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import Any

import pandas as pd

from phonoscope.corpora.textgrid import Interval, TextGrid, write_textgrid
from phonoscope.corpora.tier_layers import layered_tiers, name_beside, recording_duration
from phonoscope.errors import ExperimentError
from phonoscope.files import write_json
from phonoscope.viewer.tokens import TokenColumns

MOST_NOTES = 10_000
MOST_LETTERS = 2000
MOST_RECORDINGS = 1000  # of one export
_MARK = "*"  # what an empty note says in a TextGrid, where an empty interval is none
# What a note holds, and what it is called in a table.
_NOTE_COLUMNS = {
    "token": "token", "text": "note", "start": "note_start", "end": "note_end", "low": "note_low_hz",
    "high": "note_high_hz",
}  # fmt: skip
_FACTS = ("recording", "corpus", "start", "end", "phone", "label", "word", "speaker", "sex", "class", "predicted")


class Notes:
    """Notes on tokens, each with a text, and a stretch (s of the recording) and a band (Hz) if they were selected.

    Parameters
    ----------
    path
        File in which they are kept. Where it cannot be written they last until the viewer stops, and ``saved`` says so.
    """

    def __init__(self, path: Path) -> None:
        self.path, self.saved = path, True
        self._lock = threading.Lock()
        self._notes: list[dict[str, Any]] = []
        if path.is_file():
            try:
                self._notes = [dict(note) for note in json.loads(path.read_text(encoding="utf-8"))["notes"]]
            except (OSError, ValueError, KeyError, TypeError) as error:
                raise ExperimentError(f"{path} is damaged ({error}); move it away to begin new notes") from error

    def all(self) -> list[dict[str, Any]]:
        """Every note, oldest first."""
        return [dict(note) for note in self._notes]

    def put(self, note: dict[str, Any]) -> dict[str, Any]:
        """Add a note, or replace the one with the same ``id``.

        Raises
        ------
        ExperimentError
            If its text is too long, or there are too many.
        """
        if len(note.get("text", "")) > MOST_LETTERS:
            raise ExperimentError(f"a note holds at most {MOST_LETTERS} letters")
        with self._lock:
            known = [kept["id"] for kept in self._notes]
            if note.get("id") in known:
                self._notes[known.index(note["id"])] = note
            else:
                if len(known) >= MOST_NOTES:
                    raise ExperimentError(f"there are {MOST_NOTES} notes already; export them and remove some")
                note = {**note, "id": max(known, default=0) + 1}
                self._notes.append(note)
            self._save()
        return note

    def remove(self, number: int) -> None:
        """Remove a note by its ``id``; one that is gone already is no error."""
        with self._lock:
            self._notes = [note for note in self._notes if note["id"] != number]
            self._save()

    def _save(self) -> None:
        try:
            write_json(self.path, {"notes": self._notes})
            self.saved = True
        except OSError:
            self.saved = False


def to_csv(columns: TokenColumns, tokens: Sequence[str], notes: Sequence[dict[str, Any]]) -> str:
    """One row a note of the tokens given (one a token without notes), UTF-8, missing empty: R and Praat read it.

    Parameters
    ----------
    columns
        The tokens of the run.
    tokens
        Those to list.
    notes
        Notes on them.

    Returns
    -------
    str
        Columns: ``token``, what the table says about it, ``confidence, share``, and ``note, note_start, note_end`` (s
        of the recording), ``note_low_hz, note_high_hz``.
    """
    positions = [columns.position(token) for token in tokens]
    table = columns.table.iloc[positions][["token", *_FACTS, "confidence", "share"]].reset_index(drop=True)
    listed = pd.DataFrame(notes, columns=list(_NOTE_COLUMNS)).rename(columns=_NOTE_COLUMNS)
    listed["note"] = listed["note"].fillna("").map(_one_line)
    return table.merge(listed, on="token", how="left").to_csv(index=False, lineterminator="\n")


def to_textgrids(columns: TokenColumns, tokens: Sequence[str], notes: Sequence[dict[str, Any]]) -> tuple[str, bytes]:
    """TextGrids of the recordings of some tokens: a file name and its content, a ZIP archive where there are several.

    Tiers: ``phone`` (as written), ``class``, ``predicted``, ``note`` (of marked tokens) and ``stretch`` (of selected
    stretches); what overlaps goes into further tiers, for Praat's intervals do not.

    Parameters
    ----------
    columns
        The tokens of the run.
    tokens
        Those to export.
    notes
        Notes on them.

    Raises
    ------
    ExperimentError
        If there is nothing to export, or there are too many recordings.
    """
    if not tokens:
        raise ExperimentError("there is nothing to export: mark tokens first, or choose the tokens in the table")
    table = columns.of_recordings(list(tokens))
    groups = list(table.groupby([table["corpus"].astype(object), table["recording"].astype(object)], sort=False))
    if len(groups) > MOST_RECORDINGS:
        raise ExperimentError(f"{len(groups)} recordings are too many for one export; filter to {MOST_RECORDINGS}")
    chosen, files = set(tokens), {}
    with TemporaryDirectory(prefix="phonoscope-") as folder:
        for (corpus, recording), rows in groups:
            grid = _grid(columns, str(corpus), str(recording), rows.sort_values("start"), chosen, notes)
            path = Path(folder) / "recording.TextGrid"
            write_textgrid(path, grid)
            files[name_beside(str(recording), ".TextGrid").as_posix()] = path.read_bytes()
    if len(files) == 1:
        name, content = next(iter(files.items()))
        return PurePosixPath(name).name, content
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return "textgrids.zip", buffer.getvalue()


def _grid(
    columns: TokenColumns,
    corpus: str,
    recording: str,
    rows: pd.DataFrame,
    chosen: set[str],
    notes: Sequence[dict[str, Any]],
) -> TextGrid:
    named = set(rows["token"])
    wanted = rows[rows["token"].isin(chosen)]
    tiers: dict[str, list[Interval]] = {
        "phone": _intervals(rows, "phone"),
        "class": _intervals(wanted, "class"),
        "predicted": _intervals(wanted, "predicted"),
    }
    times = {t: (float(s), float(e)) for t, s, e in zip(rows["token"], rows["start"], rows["end"], strict=True)}
    of_tokens: dict[str, list[str]] = {}
    stretches = []
    for note in (note for note in notes if note["token"] in named):
        text = _one_line(note.get("text", "")) or _MARK
        if note.get("start") is None or note.get("end") is None:
            of_tokens.setdefault(note["token"], []).append(text)
        else:
            stretches.append(Interval(float(note["start"]), float(note["end"]), text))
    tiers["note"] = [Interval(*times[token], "; ".join(texts)) for token, texts in of_tokens.items()]
    tiers["stretch"] = stretches
    made = [tier for name, intervals in tiers.items() for tier in layered_tiers(name, intervals)]
    ends = [interval.end for intervals in tiers.values() for interval in intervals]
    # Where the recording is gone, its tokens say how far the TextGrid reaches.
    duration = recording_duration(columns.attrs.get("roots", {}), corpus, recording) or 0.0
    return TextGrid(0.0, max([duration, *ends]), tuple(made))


def _intervals(rows: pd.DataFrame, name: str) -> list[Interval]:
    known = rows[rows[name].notna()]
    return [
        Interval(float(s), float(e), str(t)) for s, e, t in zip(known["start"], known["end"], known[name], strict=True)
    ]


def _one_line(text: str) -> str:
    return " ".join(str(text).split())
