"""Forced alignment of a corpus: one TextGrid a recording in a parallel tree, and a report of what failed and why."""

import re
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cache, partial
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pandas as pd

from phonoscope.audio import audio_info, read_audio
from phonoscope.corpora.aligner import SAMPLE_RATE_HZ, Alignment, Status, align_waveform, load_decoder, tier_names
from phonoscope.corpora.espeak import require_voice
from phonoscope.corpora.layouts import find_recordings
from phonoscope.corpora.mfa import download_advice, find_models, read_mfa, run_mfa
from phonoscope.corpora.pronunciations import spoken_words
from phonoscope.corpora.recording import Recording, heard_channel
from phonoscope.corpora.rough import align_rough
from phonoscope.corpora.textgrid import read_textgrid, write_textgrid
from phonoscope.corpora.transcripts import text_beside
from phonoscope.errors import AudioError, CorpusError
from phonoscope.files import write_text
from phonoscope.work.executor import in_processes
from phonoscope.work.folders import locked

REPORT_NAME = "alignment_report.csv"
# An existing TextGrid belongs to a recording if it ends where the recording ends, one frame more or less.
SAME_END_SECONDS = 0.010
KEPT = "kept from an earlier run"
_WRITTEN = ("aligned", "fallback", "rough")


@dataclass(frozen=True)
class AlignmentReport:
    """What became of each recording.

    Attributes
    ----------
    table : DataFrame
        Columns ``recording`` (POSIX path below the corpus), ``status`` ("aligned", "fallback": phones aligned without
        their context, "rough": by espeak-ng and time warping, "failed", "silent": no speech that fits the words),
        ``reason``, ``seconds`` (time it took).
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
        """Number of recordings per status, all always named."""
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
        if counts["rough"]:
            lines.append("rough alignments find the middle of a vowel; do not measure durations or bursts by them")
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
    number: str = ""


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
    language: str = "en",
) -> AlignmentReport:
    """Find the phones of every recording whose words are known, and write them as TextGrids.

    English is aligned by pocketsphinx: the TextGrids have the tiers ``words`` and ``phones`` (ARPABET). Its acoustic
    model and dictionary know no stress, so ``AA`` stands for ``AA0``, ``AA1`` and ``AA2``. Boundaries lie on a 10-ms
    grid, and no phone is shorter than 30 ms. Where all transcripts are single words, each word is taken in its first
    pronunciation; in sentences the sound chooses among the dictionary's. Recordings are resampled to 16 kHz for the
    aligner; those of 8 kHz work too, but what tells the fricatives apart is not in them.

    Another language is aligned by the Montreal Forced Aligner if ``mfa`` is on the path and has models of it. If not,
    it is aligned roughly by espeak-ng (`phonoscope.corpora.rough.align_rough`): then the tiers are called
    ``words (rough)`` and ``phones (rough)``, the status is "rough", and the phones are IPA.

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
        Pronouncing dictionary in CMUdict format for words that pocketsphinx does not know or pronounces otherwise; for
        MFA a dictionary of its own kind, taken instead of the downloaded one.
    jobs : int
        Processes; the TextGrids are the same whatever their number.
    resume : bool
        Keep TextGrids that are there already, readable and as long as the recording. Without it they are replaced, or
        removed where the alignment fails now.
    strict : bool
        Stop at the first recording that is not aligned.
    progress : callable, optional
        Called with (recordings done, recordings in all).
    language : str
        "en" (pocketsphinx), or another code, such as "de", "es", "fr" or "cmn"; also a voice of espeak-ng ("en-gb").

    Returns
    -------
    AlignmentReport
        Also written to `out` as ``alignment_report.csv``, even if the work is interrupted.

    Raises
    ------
    CorpusError
        If there is no such corpus, layout or list of words, or nothing here can align the language; with
        `strict`, for the first recording not aligned.
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
    way = _choose(language, dictionary, any(len((task.text or "").split()) > 1 for task in tasks))
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CorpusError(f"the TextGrids cannot be written to {out}: {error.strerror or error}") from error
    rows: list[_Row] = []
    with locked(out), tempfile.TemporaryDirectory() as work:
        way = _with_mfa(way, tasks, Path(work), jobs)
        done = in_processes(partial(_align_file, way), tasks, jobs)
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
        return [r.transcript if r.transcript is not None else text_beside(r.audio)[0] for r in recordings], ()
    if words == "transcripts":
        beside = [text_beside(recording.audio)[0] for recording in recordings]
        return [r.transcript if text is None else text for r, text in zip(recordings, beside, strict=True)], ()
    if words == "from-folder":
        # A recording that lies in the corpus itself has no folder that could be its word.
        return [r.audio.parent.name if r.audio.parent != root else None for r in recordings], ()
    return _listed(root, recordings, Path(words))


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
        tasks.append(_Task(name.as_posix(), recording.audio, target, text, resume, problem, f"{len(tasks):06d}"))
    return tasks


def _earlier_statuses(out: Path) -> dict[str, Status]:
    """Status of the recordings aligned in an earlier run; empty without a report that can be read."""
    try:
        table = pd.read_csv(out / REPORT_NAME, dtype=str, keep_default_na=False)
    except (OSError, ValueError):
        return {}
    if not {"recording", "status"} <= set(table.columns):
        return {}
    written = table[table["status"].isin(_WRITTEN)]
    return dict(zip(written["recording"], written["status"], strict=True))


@dataclass(frozen=True)
class _Way:
    """How to align: by MFA if there are models of it, roughly by espeak-ng if not; English by pocketsphinx."""

    language: str
    dictionary: str | Path | None
    alternatives: bool
    models: tuple[str, str] | None = None
    work: Path = Path()
    unread: dict[str, str] = field(default_factory=dict)

    @property
    def rough(self) -> bool:
        return self.language != "en" and self.models is None


def _choose(language: str, dictionary: str | Path | None, alternatives: bool) -> _Way:
    """How to align here; what is lacking is told before any worker starts."""
    if not re.fullmatch(r"[a-z]{2,3}(?:-[A-Za-z0-9]+)*", language):
        raise CorpusError(f"expected the code of a language, such as en, de, es, fr or cmn; got {language!r}")
    language = "cmn" if language == "zh" else language
    if language == "en":
        _decoder.cache_clear()
        _decoder(dictionary, alternatives)
        return _Way(language, dictionary, alternatives)
    models = find_models(language)
    if models is not None:
        if dictionary is not None and not Path(dictionary).is_file():
            raise CorpusError(f"pronouncing dictionary not found: {dictionary}")
        return _Way(language, dictionary, alternatives, models)
    try:
        require_voice(language)
    except CorpusError as error:
        advice = download_advice(language)
        better = f"Better, install the Montreal Forced Aligner, then: {advice}" if advice else ""
        raise CorpusError(f"nothing here aligns the language {language!r}: {error}. {better}".strip()) from error
    if dictionary is not None:
        raise CorpusError("a pronouncing dictionary helps only with English or MFA; espeak-ng pronounces by its rules")
    return _Way(language, None, alternatives)


def _with_mfa(way: _Way, tasks: Sequence[_Task], work: Path, jobs: int) -> _Way:
    """Give MFA all recordings at once that it has to align."""
    if way.models is None:
        return way
    items = []
    for task in tasks:
        try:
            kept = _kept(task, audio_info(task.audio).duration, way.rough)
        except AudioError:
            continue
        if kept is None and not task.problem and task.text is not None and _letters(task.text):
            items.append((task.number, task.audio, task.text))
    acoustic, dictionary = way.models
    if way.dictionary is not None:
        dictionary = str(Path(way.dictionary).resolve())
    return replace(way, work=work, unread=run_mfa(items, acoustic, dictionary, work, jobs))


@cache
def _decoder(dictionary: str | Path | None, alternatives: bool) -> Any:
    """The decoder of this process."""
    return load_decoder(dictionary, alternatives=alternatives)


def _align_file(way: _Way, task: _Task) -> _Row:
    """Align one recording and write its TextGrid; every fault becomes a row, none is raised."""
    started = time.perf_counter()

    def row(status: Status, reason: str = "", unknown: Sequence[str] = ()) -> _Row:
        if status in ("failed", "silent") and not task.resume and not task.problem:
            task.target.unlink(missing_ok=True)
        return _Row(task.name, status, reason, round(time.perf_counter() - started, 4), tuple(unknown))

    if task.problem:
        return row("failed", task.problem)
    try:
        duration = audio_info(task.audio).duration
        kept = _kept(task, duration, way.rough)
        if kept is not None:
            return row(*kept)
        if task.text is None:
            reason = text_beside(task.audio)[1] or "no transcript in the corpus, beside it or in the list"
            return row("failed", f"its words are not known: {reason}")
        if not _letters(task.text):
            return row("silent", "its transcript has no words")
        if way.models is not None:
            alignment = _by_mfa(way, task)
        elif way.rough:
            alignment = align_rough(_heard(task.audio), task.text, way.language)
        else:
            decoder = _decoder(way.dictionary, way.alternatives)
            words, unknown = spoken_words(task.text, lambda word: decoder.lookup_word(word) is not None)
            if unknown:
                names = ", ".join(unknown)
                reason = f"not in the pronouncing dictionary: {names} (give a dictionary that contains them)"
                return row("failed", reason, unknown)
            alignment = align_waveform(decoder, _heard(task.audio), words)
        if alignment.status in _WRITTEN:
            write_textgrid(task.target, alignment.textgrid(duration))
        return row(alignment.status, alignment.reason)
    except (AudioError, CorpusError) as error:
        return row("failed", str(error))


def _heard(path: Path) -> np.ndarray:
    return read_audio(path, SAMPLE_RATE_HZ, channel=heard_channel(path))[0]


def _by_mfa(way: _Way, task: _Task) -> Alignment:
    if task.number in way.unread:
        return Alignment("failed", way.unread[task.number])
    return read_mfa(way.work, task.number)


def _kept(task: _Task, duration: float, rough: bool) -> tuple[Status, str] | None:
    """What to report of a TextGrid that is there already; None if there is none that can be kept."""
    if not task.resume or not task.target.is_file():
        return None
    try:
        grid = read_textgrid(task.target)
    except CorpusError:
        return None
    missing = set(tier_names(rough)) - set(grid.tier_names)
    if missing:
        has = f"(it has: {', '.join(grid.tier_names) or 'no tiers'})"
        return "failed", f"{task.target} already exists and was not written in this way {has}; choose another folder"
    if abs(grid.xmax - duration) > SAME_END_SECONDS:
        return None
    status: Status = "rough" if rough else "aligned"
    said = " ".join(interval.label for interval in grid.tier(tier_names(rough)[0]).intervals if interval.label)
    if task.text is not None and _letters(task.text) != _letters(said):
        return status, f"{KEPT}, though its words ({said}) no longer match the transcript"
    return status, KEPT


def _letters(text: str) -> str:
    """What is left of a text when case, blanks and punctuation do not count."""
    return "".join(character for character in text.casefold() if character.isalnum())
