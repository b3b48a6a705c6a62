"""Whole recordings at their natural length, with what folders, a table or the layout of the corpus say of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from phonoscope.audio import SOUND_HASH, audio_info, cut
from phonoscope.corpora import find_recordings
from phonoscope.corpora.recording import Recording
from phonoscope.corpora.speakers import join_speakers, read_speakers
from phonoscope.corpora.storage import COLUMNS
from phonoscope.errors import AudioError, CorpusError, ExperimentError
from phonoscope.experiments.labels import classes_of_labels
from phonoscope.experiments.material import Material
from phonoscope.left_out import LeftOut

FROM_FOLDER, WORDS, SPEAKERS, NONE = "from-folder", "words", "speakers", "none"
_SOURCES: dict[str, tuple[Callable[[Recording, Path], str | None], str]] = {
    FROM_FOLDER: (lambda each, root: each.audio.parent.name if each.audio.parent != root else None, "in no folder"),
    WORDS: (lambda each, _: each.transcript or None, "no word is known of it"),
    SPEAKERS: (lambda each, _: each.speaker, "nobody is known to speak in it"),
}
_RECORDING_COLUMNS = ("recording", "path", "file", "filename", "audio")
_LABEL_COLUMNS = ("label", "class")
_BESIDE_LABELS = ("speaker", "sex")  # columns that say something else unless they are asked for
_FEWEST_FOLDERS = 2


@dataclass
class Recordings:
    """Recordings of a corpus, listed but not read.

    Parameters
    ----------
    tokens
        One row a recording, its whole length, with ``label`` (missing where nothing is known).
    entries
        The same recordings as their layout lists them; none of stretches.
    source
        Where the labels come from; ``none`` where there are none.
    what
        What a row is: ``recording``, or ``token`` where there are stretches of recordings.
    """

    tokens: pd.DataFrame
    entries: list[Recording]
    source: str
    left_out: LeftOut
    settings: dict[str, Any] = field(default_factory=dict)
    what: str = "recording"

    @property
    def labelled(self) -> bool:
        """Whether there are labels."""
        return self.source != NONE

    @property
    def labels(self) -> list[str]:
        """Labels that occur, by name."""
        return sorted(self.tokens["label"].dropna().astype(str).unique())

    @property
    def sample_rate(self) -> int:
        """Rate of most of the recordings, Hz."""
        return int(self.tokens["native_rate"].mode().iloc[0])

    def without_labels(self) -> None:
        """Forget the labels."""
        self.source = self.settings["labels"] = NONE
        self.tokens["label"] = None

    def without(self, reason: str, unwanted: np.ndarray, examples: Sequence[str] | None = None) -> None:
        """Leave recordings out, and count them.

        Parameters
        ----------
        reason
            Why.
        unwanted
            bool (recording,).
        examples
            Of what is left out; names of recordings by default.
        """
        named = self.tokens.loc[unwanted, self.what] if examples is None else examples
        self.left_out.add(self.what, reason, int(unwanted.sum()), named)
        self.tokens = self.tokens[~unwanted].reset_index(drop=True)
        if self.entries:
            self.entries = [each for each, leave in zip(self.entries, unwanted, strict=True) if not leave]


def list_recordings(
    corpus: str | Path,
    *,
    labels: str | None = None,
    label_column: str | None = None,
    layout: str = "auto",
    speakers: str | Path | None = None,
    only: Sequence[str] = (),
    strict: bool = False,
) -> Recordings:
    """List the recordings of a corpus with their labels.

    Parameters
    ----------
    corpus
        Folder of the corpus, in any layout.
    labels
        ``from-folder`` (the name of the folder that holds a recording), ``words`` or ``speakers`` (as the layout of the
        corpus tells them), ``none``, or a CSV file with a row a recording. By default from folders, where there are at
        least two.
    label_column
        Column of the CSV file; ``label`` or ``class`` by default, or the only one that says neither speaker nor sex.
    layout
        Of the corpus.
    speakers
        CSV file with the speakers of recordings, or with what is known of speakers.
    only
        Labels to use; all when empty.
    strict
        Stop at the first recording that cannot be used.

    Raises
    ------
    CorpusError
        If the folder, the layout, the table or its column is not there.
    ExperimentError
        If no recording can be used.
    """
    root, layout, entries = find_recordings(corpus, layout)
    left_out, rows, kept, warnings = LeftOut(), [], [], list[str]()
    for entry in entries:
        try:
            rows.append(_row(entry, root))
            kept.append(entry)
        except AudioError as error:
            if strict:
                raise
            missing = "audio missing" if not entry.audio.is_file() else "audio unreadable"
            left_out.add("recording", missing, 1, [str(error)])
    if not rows:
        raise ExperimentError(f"no recording of {root} can be read; e.g. {left_out.entries()[0]['examples'][0]}")
    tokens = pd.DataFrame(rows)
    twice = tokens["token"].duplicated(keep=False)  # a.wav and a.flac
    tokens["token"] = tokens["token"].where(~twice, tokens["recording"] + ":0000")
    folders = len({entry.audio.parent for entry in kept} - {root})
    source = labels or (FROM_FOLDER if folders >= _FEWEST_FOLDERS else NONE)
    reason = "without a label"
    if source in _SOURCES:
        label_of, reason = _SOURCES[source]
        tokens["label"] = pd.Series([label_of(entry, root) for entry in kept], dtype=object)
    elif source != NONE:
        tokens = _with_table(tokens, Path(source), label_column, root, warnings.append)
        reason = f"without a label in {Path(source).name}"
    else:
        tokens["label"] = pd.Series([None] * len(tokens), dtype=object)
    if speakers is not None:
        tokens = join_speakers(tokens, speakers, warnings.append)
    tokens["corpus"] = root.name
    tokens = tokens.reindex(columns=[*COLUMNS, *(name for name in tokens if name not in COLUMNS)])
    tokens["label"] = tokens["label"].astype(object).where(tokens["label"].notna(), None)
    tokens.attrs = {"roots": {root.name: root.as_posix()}}
    settings = {"layout": layout, "labels": source, "label_column": label_column, "warnings": warnings}
    found = Recordings(tokens, kept, source, left_out, settings)
    if found.labelled:
        found.without(reason, tokens["label"].isna().to_numpy())
        if not len(found.tokens):
            raise ExperimentError(
                f"no recording of {root} has a label ({source}): give --labels from-folder, words, speakers, none, or "
                "a CSV file with the columns recording,label"
            )
    if only:
        found.without("of none of the classes asked for", ~found.tokens["label"].isin(list(only)).to_numpy(dtype=bool))
        if not len(found.tokens):
            raise ExperimentError(f"no recording has a label among {', '.join(only)}")
    return found


def choose_classes(
    found: Recordings,
    classes: Sequence[str],
    given: Mapping[str, str],
    *,
    most: int = 0,
    seed: int = 0,
    by_default: bool = False,
    meaning: Callable[[str], str] = str,
) -> None:
    """Say which class of the model each recording is of (``class``), and leave out those of none.

    Parameters
    ----------
    found
        The recordings; changed.
    classes
        Of the model.
    given
        Which class a label means; see ``names_given``.
    most
        Most recordings of a label, drawn at random; 0 for all.
    seed
        Of the draw.
    by_default
        Whether nobody asked for these labels: then the run goes on without them if the model knows none.
    meaning
        As of ``classes_of_labels``.

    Raises
    ------
    ExperimentError
        If the model has none of the labels.
    """
    meant = classes_of_labels(found.labels, classes, given, meaning=meaning)
    if found.labelled and not meant:
        if not by_default:
            raise ExperimentError(
                f"the labels are {_some(found.labels)} ({found.source}), the model's classes {_some(classes)}: none in "
                "common. Say which is which: --map label=class, another --label-column, or --labels none"
            )
        what = "folders" if found.source == FROM_FOLDER else "labels"
        found.settings["warnings"].append(
            f"The {what} ({_some(found.labels)}) are not called like the model’s classes ({_some(classes)}), so they "
            "are not taken for labels; --map or --labels says what they mean."
        )
        found.without_labels()
    named = found.tokens["label"].map(meant).astype(object)
    found.tokens["class"] = named.where(named.notna(), None)
    if found.labelled:
        strange = found.tokens["class"].isna()
        counts = [f"{label} ({count})" for label, count in found.tokens.loc[strange, "label"].value_counts().items()]
        found.without("its label is not among the model's classes", strange.to_numpy(), counts)
    if most:
        kind = found.tokens["label"].fillna("") if found.labelled else pd.Series("", index=found.tokens.index)
        order = np.random.default_rng(seed).permutation(len(kind))
        rank = kind.iloc[order].groupby(kind.iloc[order]).cumcount().reindex(kind.index)
        found.without(f"more than {most} of its class", (rank >= most).to_numpy())


def read_sounds(found: Recordings, sample_rate: int, *, strict: bool = False) -> Material:
    """Read the recordings at the model's rate, whole; silent ones and contradictory copies are left out.

    Parameters
    ----------
    found
        With ``class``.
    sample_rate
        Of the model, Hz.
    strict
        Stop at the first recording that cannot be read.
    """
    tokens = found.tokens
    tokens.attrs |= {"left_out": found.left_out.entries(), "settings": found.settings}
    waveforms, tokens = cut(tokens, sample_rate, strict=strict)
    left_out = LeftOut(entry for entry in tokens.attrs["left_out"] if entry["what"] != "token")
    several = tokens.groupby(SOUND_HASH)["class"].transform("nunique").to_numpy() > 1
    unwanted = {
        "silent: all its samples are the same": tokens[SOUND_HASH].isna().to_numpy(),
        "the same sound stands under several classes": several,
    }
    keep = np.ones(len(tokens), dtype=bool)
    for reason, marked in unwanted.items():
        left_out.add("recording", reason, int(marked.sum()), tokens.loc[marked, "recording"])
        keep &= ~marked
    attrs = tokens.attrs | {"left_out": left_out.entries()}
    tokens = tokens[keep].reset_index(drop=True)
    tokens.attrs = attrs
    if not len(tokens):
        reasons = "; ".join(f"{entry['reason']} ({entry['count']})" for entry in left_out.entries())
        raise ExperimentError(f"no recording can be used: {reasons}")
    return Material(tokens, [waveforms[i] for i in np.flatnonzero(keep)], 0, sample_rate)


def _row(entry: Recording, root: Path) -> dict[str, Any]:
    info, name = audio_info(entry.audio), entry.audio.relative_to(root).as_posix()
    return {
        "token": f"{name.rpartition('.')[0]}:0000",
        "recording": name,
        "start": 0.0,
        "end": info.duration,
        "speaker": entry.speaker or None,
        "sex": entry.sex or None,
        "native_rate": info.sample_rate,
    }


def with_stretches(found: Recordings, path: Path, column: str | None, root: Path) -> Recordings:
    """Stretches of recordings, as a table says them, in the place of the recordings.

    Parameters
    ----------
    found
        All recordings, without labels.
    path
        CSV file with ``recording, start, end`` (s), and a label if it has a column of it. Its recordings are named from
        the corpus, from the table's own folder, or by file.
    column
        That holds the labels; as of `list_recordings`.
    root
        Of the corpus.

    Raises
    ------
    CorpusError
        If no stretch can be used, or a start or an end is no number.
    """
    table = _named_table(path)
    others = [str(name) for name in table.columns if name not in ("recording", "start", "end")]
    wanted = _label_column(path, others, column) if column or set(_LABEL_COLUMNS) & set(others) else None
    times = table[["start", "end"]].apply(pd.to_numeric, errors="coerce")
    if times.isna().any(axis=None):
        line = int(times.isna().any(axis=1).to_numpy().argmax())
        raise CorpusError(f"{path}, line {line + 2}: start and end are no two numbers of seconds")
    places: dict[str, int] = {}
    for place, name in enumerate(found.tokens["recording"].astype(str)):
        for form in (name, name.rpartition(".")[0], Path(name).name, Path(name).stem):
            places.setdefault(form, place)
    rows = np.array([places.get(name, -1) for name in _in_corpus(table["recording"], path, root)], dtype=int)
    found.left_out.add("token", f"its recording is not in {root.name}", int((rows < 0).sum()),
                       table.loc[rows < 0, "recording"])  # fmt: skip
    known = np.flatnonzero(rows >= 0)
    if not len(known):
        raise CorpusError(f"{path} names no recording of {root}; e.g. {table['recording'].iloc[0]}")
    tokens = found.tokens.iloc[rows[known]].reset_index(drop=True)
    numbers = tokens.groupby("recording").cumcount()
    stems = tokens["recording"].str.rpartition(".")[0]
    tokens["token"] = stems + ":" + numbers.astype(str).str.zfill(4)
    tokens[["start", "end"]] = times.iloc[known].to_numpy()
    if wanted is not None:
        labels = table[wanted].iloc[known].astype(object).reset_index(drop=True)
        tokens["label"] = labels.where(labels.notna(), None)
    tokens.attrs = found.tokens.attrs
    source = NONE if wanted is None else str(path)
    settings = found.settings | {"labels": source, "label_column": wanted}
    return Recordings(tokens, [], source, found.left_out, settings, "token")


def is_of_stretches(path: str | Path) -> bool:
    """Whether a CSV file names stretches of recordings: it has the columns ``start`` and ``end``."""
    return Path(path).is_file() and {"start", "end"} <= set(read_speakers(path).columns)


def _in_corpus(names: pd.Series, path: Path, root: Path) -> list[str]:
    """Recordings that a table names from its own folder, as the corpus names them; others as they are."""
    beside = path.resolve().parent
    full = [(beside / str(name).strip()).resolve() for name in names]
    return [
        each.relative_to(root).as_posix() if each.is_relative_to(root) and each.is_file() else str(name).strip()
        for each, name in zip(full, names, strict=True)
    ]


def _named_table(path: Path) -> pd.DataFrame:
    """A table of recordings, whose names are in the column ``recording``."""
    table = read_speakers(path)
    key = next((name for name in _RECORDING_COLUMNS if name in table), None)
    if key is None:
        raise CorpusError(f"{path}: expected a column 'recording'; found: {', '.join(table.columns)}")
    return table.rename(columns={key: "recording"})


def _with_table(
    tokens: pd.DataFrame, path: Path, column: str | None, root: Path, warn: Callable[[str], None]
) -> pd.DataFrame:
    """Join a table of labels; its recordings are named from the corpus, from the table's own folder, or by file."""
    if not path.is_file():
        raise CorpusError(
            f"--labels is {str(path)!r}: there is no such file; give from-folder, words, speakers, none, or a CSV file "
            "with the columns recording,label"
        )
    table = _named_table(path)
    others = [str(name) for name in table.columns if name != "recording"]
    wanted = _label_column(path, others, column)
    table["recording"] = _in_corpus(table["recording"], path, root)
    labels = table[wanted].astype(object)  # as it was written, also of a column that says speaker or sex
    table = table.drop(
        columns=[name for name in (*COLUMNS, "class", "fold") if name in others and name not in _BESIDE_LABELS]
    )
    return join_speakers(tokens, table.assign(**{"label": labels}), warn)


def _label_column(path: Path, columns: list[str], asked: str | None) -> str:
    if asked is not None:
        if asked.strip().lower() not in columns:
            raise CorpusError(f"{path} has no column {asked!r}; it has: {', '.join(columns)}")
        return asked.strip().lower()
    likely = [name for name in _LABEL_COLUMNS if name in columns]
    likely = likely or [name for name in columns if name not in _BESIDE_LABELS]
    if len(likely) == 1 or (likely and likely[0] in _LABEL_COLUMNS):
        return likely[0]
    raise CorpusError(f"which column of {path} holds the labels? Pass --label-column; it has: {', '.join(columns)}")


def _some(names: Sequence[str], most: int = 8) -> str:
    return ", ".join([*names[:most], *(["…"] if len(names) > most else [])])
