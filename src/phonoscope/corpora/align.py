"""Forced alignment of a corpus: one TextGrid a recording in a parallel tree, and a report of what failed and why."""

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache, partial
from pathlib import Path
from typing import Any, get_args

import pandas as pd

from phonoscope.audio import audio_info, read_audio
from phonoscope.corpora.aligner import SAMPLE_RATE_HZ, Status, align_waveform, load_decoder
from phonoscope.corpora.layouts import find_recordings
from phonoscope.corpora.pronunciations import spoken_words
from phonoscope.corpora.recording import Recording
from phonoscope.corpora.textgrid import TextGrid, decode, read_textgrid, write_textgrid
from phonoscope.errors import AudioError, CorpusError
from phonoscope.files import write_text
from phonoscope.work.executor import in_processes
from phonoscope.work.folders import locked

REPORT_NAME = "alignment_report.csv"
TRANSCRIPT_SUFFIXES = (".txt", ".lab")
# An existing TextGrid belongs to a recording if it ends where the recording ends, one frame more or less.
SAME_END_SECONDS = 0.010
KEPT = "kept from an earlier run"


@dataclass(frozen=True)
class AlignmentReport:
    """What became of each recording.

    Attributes
    ----------
    table : DataFrame
        Columns ``recording`` (POSIX path below the corpus), ``status`` ("aligned", "fallback": phones aligned without
        their context, "failed", "silent": no speech that fits the words), ``reason``, ``seconds`` (time it took).
    out : path
        Folder of the TextGrids; ``alignment_report.csv`` in it holds the same table.
    out_of_vocabulary : dict
        Words without pronunciation to the number of recordings that were left out for them, most frequent first.
    notes : tuple of str
        What else a user should know.
    """

    table: pd.DataFrame
    out: Path
    out_of_vocabulary: dict[str, int]
    notes: tuple[str, ...] = ()

    @property
    def counts(self) -> dict[str, int]:
        """Number of recordings per status, all four always named."""
        counts = Counter(self.table["status"])
        return {status: counts[status] for status in get_args(Status)}

    def summary(self) -> list[str]:
        """Plain lines for the command line: counts, reasons, unknown words, notes."""
        counts = self.counts
        lines = [f"{len(self.table)} recordings: " + ", ".join(f"{counts[status]} {status}" for status in counts)]
        lines += [
            f"  {row.status}: {row.recording}: {row.reason}"
            for row in self.table[self.table["status"].isin(["failed", "silent"])].head(10).itertuples()
        ]
        if self.out_of_vocabulary:
            words = [f"{word} ({count})" for word, count in list(self.out_of_vocabulary.items())[:20]]
            more = f" and {len(self.out_of_vocabulary) - 20} more" if len(self.out_of_vocabulary) > 20 else ""
            lines.append(f"words not in the pronouncing dictionary (recordings left out): {', '.join(words)}{more}")
            lines.append("  give their pronunciations in a dictionary of your own: HAWED  HH AO1 D")
        return [*lines, *self.notes]


@dataclass(frozen=True)
class _Task:
    """One recording to align: its name in the report, its audio, the TextGrid to write, and what is said (if known)."""

    name: str
    audio: Path
    target: Path
    text: str | None
    resume: bool
    problem: str = ""


@dataclass(frozen=True)
class _Row:
    recording: str
    status: Status
    reason: str
    seconds: float
    unknown: tuple[str, ...] = ()


def align_corpus(
    root: str | Path,
    out: str | Path,
    *,
    words: str | Path = "auto",
    layout: str = "auto",
    dictionary: str | Path | None = None,
    jobs: int = 1,
    resume: bool = True,
    strict: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> AlignmentReport:
    """Find the phones of every recording whose words are known, and write them as TextGrids.

    The TextGrids have the tiers ``words`` and ``phones`` (ARPABET). The acoustic model and the dictionary of
    pocketsphinx know no stress, so ``AA`` stands for ``AA0``, ``AA1`` and ``AA2``. English only. Boundaries lie on a
    10-ms grid, and no phone is shorter than 30 ms. Where all transcripts are single words, each word is taken in its
    first pronunciation; in sentences the sound chooses among the dictionary's. Recordings are resampled to 16 kHz for
    the aligner; those of 8 kHz work too, but what tells the fricatives apart is not in them.

    Parameters
    ----------
    root : path
        Folder of the corpus.
    out : path
        Folder for the TextGrids: ``yes/anna_1.wav`` becomes ``yes/anna_1.TextGrid``.
    words : str or path
        Where the words stand: "from-folder" (the recording's folder is called as the word), "transcripts" (a .txt or
        .lab beside each recording, else what the layout says: LJSpeech's ``metadata.csv``), a CSV file with the columns
        ``recording`` and ``text``, or "auto" (what the layout says, else .txt or .lab).
    layout : str
        A name in `phonoscope.corpora.LAYOUTS`, ``package.module:name``, or "auto".
    dictionary : path, optional
        Pronouncing dictionary in CMUdict format for words that pocketsphinx does not know or pronounces otherwise.
    jobs : int
        Processes; the TextGrids are the same whatever their number.
    resume : bool
        Keep TextGrids that are there already, readable and as long as the recording. Without it they are replaced, or
        removed where the alignment fails now.
    strict : bool
        Stop at the first recording that is not aligned.
    progress : callable, optional
        Called with (recordings done, recordings in all).

    Returns
    -------
    AlignmentReport
        Also written to `out` as ``alignment_report.csv``, even if the work is interrupted.

    Raises
    ------
    CorpusError
        If there is no such corpus, layout or list of words; with `strict`, for the first recording not aligned.
    MissingExtraError
        If pocketsphinx is not installed.
    """
    out = Path(out).resolve()
    if jobs < 1:
        raise CorpusError(f"the number of processes must be at least 1; got {jobs}")
    root, _, recordings = find_recordings(root, layout)
    texts, notes = _texts(root, recordings, words)
    tasks = _tasks(root, out, recordings, texts, resume)
    earlier = _earlier_statuses(out) if resume else {}
    # In this process too: what is wrong with it or with the dictionary is then told before any worker starts.
    alternatives = any(len((task.text or "").split()) > 1 for task in tasks)
    _decoder.cache_clear()
    _decoder(dictionary, alternatives)
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CorpusError(f"the TextGrids cannot be written to {out}: {error.strerror or error}") from error
    rows: list[_Row] = []
    with locked(out):
        done = in_processes(partial(_align_file, dictionary, alternatives), tasks, jobs)
        try:
            for row in done:
                if row.reason.startswith(KEPT):
                    row = replace(row, status=earlier.get(row.recording, row.status))
                rows.append(row)
                if strict and row.status in ("failed", "silent"):
                    raise CorpusError(f"{root / row.recording} was not aligned: {row.reason}")
                if progress is not None:
                    progress(len(rows), len(tasks))
        finally:
            done.close()
            _decoder.cache_clear()
            table = pd.DataFrame([asdict(row) for row in rows], columns=["recording", "status", "reason", "seconds"])
            if rows:
                write_text(out / REPORT_NAME, table.to_csv(index=False, float_format="%.3f", lineterminator="\n"))
    unknown = Counter(word for row in rows for word in row.unknown)
    return AlignmentReport(table, out, dict(sorted(unknown.items(), key=lambda item: (-item[1], item[0]))), notes)


def _texts(root: Path, recordings: Sequence[Recording], words: str | Path) -> tuple[list[str | None], tuple[str, ...]]:
    """What is said in each recording (None: unknown), and notes."""
    if words == "auto":
        return [r.transcript if r.transcript is not None else _beside(r.audio) for r in recordings], ()
    if words == "transcripts":
        beside = [_beside(recording.audio) for recording in recordings]
        return [r.transcript if text is None else text for r, text in zip(recordings, beside, strict=True)], ()
    if words == "from-folder":
        # A recording that lies in the corpus itself has no folder that could be its word.
        return [r.audio.parent.name if r.audio.parent != root else None for r in recordings], ()
    return _listed(root, recordings, Path(words))


def _beside(audio: Path) -> str | None:
    for suffix in TRANSCRIPT_SUFFIXES:
        path = audio.with_suffix(suffix)
        if path.is_file():
            return decode(path.read_bytes())[0]
    return None


def _listed(root: Path, recordings: Sequence[Recording], path: Path) -> tuple[list[str | None], tuple[str, ...]]:
    """Texts from a CSV file, whose recordings are paths below the corpus with or without suffix, or bare file names."""
    if not path.is_file():
        raise CorpusError(
            f"list of words not found: {path}. Expected a CSV file with the columns recording,text, or one of: "
            "auto, from-folder, transcripts"
        )
    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8-sig")
    except (ValueError, pd.errors.ParserError) as error:
        raise CorpusError(f"{path} cannot be read as a CSV file in UTF-8: {error}") from error
    if not {"recording", "text"} <= set(table.columns):
        raise CorpusError(f"{path} has the columns {', '.join(table.columns)}; expected recording and text")
    listed = dict(zip(table["recording"].str.replace("\\", "/"), table["text"], strict=True))
    names = [recording.audio.relative_to(root) for recording in recordings]
    stems = Counter(name.stem for name in names)
    used: set[str] = set()
    texts: list[str | None] = []
    for name in names:
        keys = [name.as_posix(), name.with_suffix("").as_posix()]
        # A bare file name is believed only where one recording has it.
        keys += [name.name, name.stem] if stems[name.stem] == 1 else []
        key = next((key for key in keys if key in listed), None)
        texts.append(None if key is None else listed[key])
        used |= {key} if key is not None else set()
    strays = [key for key in listed if key not in used]
    if not used:
        raise CorpusError(f"none of the {len(listed)} recordings in {path} is in {root}; it names {strays[:3]}")
    note = f"{len(strays)} rows of {path.name} match no recording, among them: {', '.join(strays[:3])}"
    return texts, (note,) if strays else ()


def _tasks(
    root: Path, out: Path, recordings: Sequence[Recording], texts: Sequence[str | None], resume: bool
) -> list[_Task]:
    tasks: list[_Task] = []
    targets: dict[Path, str] = {}
    for recording, text in zip(recordings, texts, strict=True):
        name = recording.audio.relative_to(root)
        target = out / name.with_suffix(".TextGrid")
        first = targets.setdefault(target, name.as_posix())
        problem = "" if first == name.as_posix() else f"{first} has the same name and gets the TextGrid"
        tasks.append(_Task(name.as_posix(), recording.audio, target, text, resume, problem))
    return tasks


def _earlier_statuses(out: Path) -> dict[str, Status]:
    """Status of the recordings aligned in an earlier run; empty without a report that can be read."""
    try:
        table = pd.read_csv(out / REPORT_NAME, dtype=str, keep_default_na=False)
    except (OSError, ValueError):
        return {}
    if not {"recording", "status"} <= set(table.columns):
        return {}
    written = table[table["status"].isin(["aligned", "fallback"])]
    return dict(zip(written["recording"], written["status"], strict=True))


@cache
def _decoder(dictionary: str | Path | None, alternatives: bool) -> Any:
    """The decoder of this process."""
    return load_decoder(dictionary, alternatives=alternatives)


def _align_file(dictionary: str | Path | None, alternatives: bool, task: _Task) -> _Row:
    """Align one recording and write its TextGrid; every fault becomes a row, none is raised."""
    started, decoder = time.perf_counter(), _decoder(dictionary, alternatives)

    def row(status: Status, reason: str = "", unknown: Sequence[str] = ()) -> _Row:
        if status in ("failed", "silent") and not task.resume and not task.problem:
            task.target.unlink(missing_ok=True)
        return _Row(task.name, status, reason, round(time.perf_counter() - started, 4), tuple(unknown))

    if task.problem:
        return row("failed", task.problem)
    try:
        duration = audio_info(task.audio).duration
        kept = _kept(task, duration)
        if kept is not None:
            return row(*kept)
        if task.text is None:
            return row("failed", "its words are not known: no transcript in the corpus, beside it or in the list")
        words, unknown = spoken_words(task.text, lambda word: decoder.lookup_word(word) is not None)
        if not words:
            return row("silent", "its transcript has no words")
        if unknown:
            reason = f"not in the pronouncing dictionary: {', '.join(unknown)} (give a dictionary that contains them)"
            return row("failed", reason, unknown)
        alignment = align_waveform(decoder, read_audio(task.audio, SAMPLE_RATE_HZ)[0], words)
        if alignment.status in ("aligned", "fallback"):
            write_textgrid(task.target, alignment.textgrid(duration))
        return row(alignment.status, alignment.reason)
    except (AudioError, CorpusError) as error:
        return row("failed", str(error))


def _kept(task: _Task, duration: float) -> tuple[Status, str] | None:
    """What to report of a TextGrid that is there already; None if there is none that can be kept."""
    if not task.resume or not task.target.is_file():
        return None
    try:
        grid = read_textgrid(task.target)
    except CorpusError:
        return None
    missing = {"words", "phones"} - set(grid.tier_names)
    if missing:
        has = f"(it has: {', '.join(grid.tier_names) or 'no tiers'})"
        return "failed", f"{task.target} already exists and was not written by align {has}; choose another folder"
    if abs(grid.xmax - duration) > SAME_END_SECONDS:
        return None
    if task.text is not None and _letters(task.text) != _letters(_said(grid)):
        return "aligned", f"{KEPT}, though its words ({_said(grid)}) no longer match the transcript"
    return "aligned", KEPT


def _said(grid: TextGrid) -> str:
    return " ".join(interval.label for interval in grid.tier("words").intervals if interval.label)


def _letters(text: str) -> str:
    """What is left of a text when case, blanks and punctuation do not count."""
    return "".join(character for character in text.casefold() if character.isalnum())
