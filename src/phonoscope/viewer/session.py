"""What one start of the viewer holds: its runs, opened when they are first needed, and uploaded recordings."""

from __future__ import annotations

import contextlib
import math
import re
import threading
from collections.abc import Mapping, Sequence
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

from phonoscope.audio import audio_info, channel_of, read_audio
from phonoscope.errors import AudioError, CorpusError, ExperimentError, PhonoscopeError
from phonoscope.experiments.folder import Run
from phonoscope.viewer import moving
from phonoscope.viewer.live import Classifiers
from phonoscope.viewer.notes import Notes
from phonoscope.viewer.placed import StoredMaps
from phonoscope.viewer.query import UnknownNameError
from phonoscope.viewer.subject import LONGEST_SECONDS, SHOWN_SECONDS, Subject, subject_of
from phonoscope.viewer.tokens import TokenColumns
from phonoscope.viewer.uploads import Uploads

MOST_RUNS = 4
_SUBJECTS_KEPT = 64
_MOVED_KEPT = 16
_UPLOADED = re.compile(r"own:(\d{1,6}):(\d{1,5}\.\d{1,6})-(\d{1,5}\.\d{1,6})")


class OpenRun:
    """One run of the viewer; its parts are read when they are first needed."""

    def __init__(self, folder: Path, number: int, uploads: Uploads, *, trust_imports: bool) -> None:
        self.folder, self.number, self.uploads, self.trust_imports = folder, number, uploads, trust_imports
        self._maps: dict[str, StoredMaps] = {}
        self.subject = lru_cache(maxsize=_SUBJECTS_KEPT)(self._read_subject)
        self.movable = lru_cache(maxsize=_MOVED_KEPT)(lambda token: moving.movable(self.subject(token)))
        self._moved = lru_cache(maxsize=_MOVED_KEPT)(lambda token, move: moving.moved(self.movable(token), dict(move)))
        self.class_means = lru_cache(maxsize=_MOVED_KEPT)(self._class_means)

    @cached_property
    def run(self) -> Run:
        """The run itself."""
        return Run(self.folder)

    @cached_property
    def columns(self) -> TokenColumns:
        """Its tokens."""
        return TokenColumns(self.folder)

    @cached_property
    def classifiers(self) -> Classifiers:
        """Its classifiers."""
        return Classifiers(self.run, trust_imports=self.trust_imports)

    @cached_property
    def notes(self) -> Notes:
        """What was marked and noted."""
        return Notes(self.folder / "notes.json")

    @property
    def sample_rate(self) -> int:
        """Of its classifiers, Hz."""
        return int(self.run.facts["sample_rate"])

    @property
    def max_hz(self) -> float:
        """Top of what its classifiers take, Hz."""
        return float(self.run.facts.get("max_hz") or self.sample_rate / 2)

    def about(self) -> dict[str, Any]:
        """What the page says about the run and offers to choose from."""
        facts = self.run.facts
        return {
            "number": self.number,
            "name": self.folder.resolve().name,
            "title": facts.get("title", ""),
            "question": facts.get("question", ""),
            "labels": self.run.labels,
            "unit": facts.get("output_unit", "logit"),
            "sample_rate": self.sample_rate,
            "max_hz": self.max_hz,
            "count": len(self.columns),
            "choices": self.columns.choices,
            "stored": self.stored(),
            "accuracy": facts.get("results", {}).get("balanced_accuracy"),
        }

    def stored(self) -> list[str]:
        """Names of the maps that lie in the run."""
        folder = self.folder / "maps"
        return sorted(p.name for p in folder.glob("*") if (p / "coordinates.json").is_file()) if folder.is_dir() else []

    def maps(self, name: str) -> StoredMaps:
        """Stored maps of one name.

        Raises
        ------
        UnknownNameError
            If there are none.
        """
        if name not in self.stored():
            raise UnknownNameError(f"the run holds no maps called {name!r}")
        if name not in self._maps:
            self._maps[name] = StoredMaps(self.folder / "maps" / name)
        return self._maps[name]

    def formants_of(self, token: str) -> dict[str, float] | None:
        """Measured formants of a token, Hz; None where there are none."""
        if self._formants is None or token not in self._formants.index:
            return None
        measured = self._formants.loc[token].items()
        return {str(k): float(v) for k, v in measured if isinstance(v, float) and math.isfinite(v)}

    def moved(self, token: str, move: Mapping[str, float]) -> moving.Moved:
        """Return a token with cues moved; the last ones are kept, to be drawn, asked about and played in turn."""
        return self._moved(token, tuple(move.items()))

    def _class_means(self, sex: str | None) -> list[dict[str, Any]]:
        """Mean of F1 to F4, F0 (Hz, in the middle) and duration (s) of each class; of talkers of one sex, if known."""
        if self._formants is None:
            return []
        table, measured = self.columns.table, self._formants
        table = table if sex is None else table[table["sex"] == sex]
        named = {f"f{k}_50": f"f{k}" for k in range(5)}
        values = measured.reindex(table["token"])[[name for name in named if name in measured]].rename(columns=named)
        values = values.reset_index(drop=True).assign(
            label=table["class"].astype(str).to_numpy(), duration=(table["end"] - table["start"]).to_numpy()
        )
        classes = values.dropna(subset=["f1", "f2"]).groupby("label")
        return classes.mean().assign(n=classes.size()).reset_index().to_dict("records")

    @cached_property
    def _formants(self) -> Any:
        if not (self.folder / "formants.parquet").is_file():
            return None
        table = self.run.formants
        return table.drop_duplicates("token").set_index("token") if len(table) else None

    def _read_subject(self, token: str) -> Subject:
        """Read a token of the table, or a stretch of one's own recording; UnknownNameError if it is neither."""
        uploaded = _UPLOADED.fullmatch(token)
        if token not in self.columns.names and uploaded is not None:
            number, start, end = uploaded.groups()
            if float(end) - float(start) > LONGEST_SECONDS:
                length = float(end) - float(start)
                raise AudioError(f"the stretch lasts {length:.1f} s; choose a stretch of at most {LONGEST_SECONDS:g} s")
            waveform = self.uploads.get(int(number)).at(self.sample_rate)
            return subject_of(waveform, self.sample_rate, float(start), float(end), token=token)
        if token not in self.columns.names:
            raise UnknownNameError(f"there is no token {token!r} in this run")
        row = self.columns.row(token)
        roots = self.columns.attrs.get("roots", {})
        if row["corpus"] not in roots:
            raise CorpusError(f"the run does not say where the recordings of {row['corpus']!r} lie")
        path = Path(roots[row["corpus"]]) / str(row["recording"])
        start, end = float(row["start"]), float(row["end"])
        duration = audio_info(path).duration
        first, last = max(0.0, start - SHOWN_SECONDS), min(duration, end + SHOWN_SECONDS)
        waveform, rate = read_audio(path, self.sample_rate, first, last, channel=channel_of(row))
        return subject_of(
            waveform,
            rate,
            start,
            end,
            first=round(first * rate) / rate,
            recording_seconds=duration,
            token=token,
            true=row["class"],
            fold=None if row.get("fold") is None else int(row["fold"]),
            sex=row["sex"],
        )


class Session:
    """The runs and recordings of one start.

    Parameters
    ----------
    folders
        Of finished runs.
    trust_imports
        Allow saved classifiers to import their network's code.

    Raises
    ------
    ExperimentError
        If a folder holds no finished run.
    """

    def __init__(self, folders: Sequence[Path], *, trust_imports: bool = False) -> None:
        if not 1 <= len(folders) <= MOST_RUNS:
            raise ExperimentError(f"{len(folders)} runs were given; the viewer shows one to {MOST_RUNS}")
        for folder in folders:
            Run(folder)  # before any table is read: a wrong folder is said at once
            if not (folder / "maps").is_dir():
                raise ExperimentError(f"{folder} is a run without maps, which its report shows; the viewer shows maps")
        self.uploads = Uploads()
        self.runs = [OpenRun(f, i, self.uploads, trust_imports=trust_imports) for i, f in enumerate(folders)]
        self._warm = threading.Event()

    def run(self, number: int) -> OpenRun:
        """Return a run by its number."""
        if not 0 <= number < len(self.runs):
            raise UnknownNameError(f"there is no run {number}; the viewer was given {len(self.runs)}")
        return self.runs[number]

    def read_tables(self) -> None:
        """Read the tables of all runs: the first page then has nothing to wait for."""
        for opened in self.runs:
            opened.about()
            opened.formants_of("")
            for name in opened.stored():
                opened.maps(name)

    def warm_up(self) -> None:
        """Load the network of the first run in the background, once, after the page has shown something."""
        if not self._warm.is_set():
            self._warm.set()
            threading.Thread(target=self._load, daemon=True).start()

    def _load(self) -> None:
        opened = self.runs[0]
        # A run whose classifier cannot be loaded says so when it is used.
        with contextlib.suppress(PhonoscopeError):
            folds = opened.columns.table["fold"].dropna()
            opened.classifiers.of_fold(int(folds.iloc[0]) if len(folds) else None)
