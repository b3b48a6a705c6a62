"""Reads the alignments of a corpus into columns (one entry an interval) and says which ones it could not read."""

from array import array
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from phonoscope.audio import audio_info
from phonoscope.corpora.formats import PHONE_SET_OF_FORMAT, read_alignment
from phonoscope.corpora.recording import Recording
from phonoscope.corpora.tiers import choose_tiers
from phonoscope.errors import AudioError, CorpusError, MissingExtraError, PhonoscopeError
from phonoscope.left_out import LeftOut

NO_ALIGNMENT = "no alignment (make one with: phonoscope align)"
WARNINGS_KEPT = 20


@dataclass
class Collected:
    """All intervals of all phone tiers, one after the other.

    ``start``, ``end`` (s) and ``phone`` have one entry an interval. The other lists have one entry a phone tier:
    ``first`` is the position of its first interval, ``number`` the number that this interval has in its recording,
    ``words`` the starts, ends (s) and labels of the words. Arrays, because a million tuples would be slow to keep.
    """

    start: array = field(default_factory=lambda: array("d"))
    end: array = field(default_factory=lambda: array("d"))
    phone: list[str] = field(default_factory=list)
    first: list[int] = field(default_factory=list)
    number: list[int] = field(default_factory=list)
    recording: list[str] = field(default_factory=list)
    speaker: list[str | None] = field(default_factory=list)
    sex: list[str | None] = field(default_factory=list)
    duration: list[float] = field(default_factory=list)
    words: list[tuple[array, array, list[str]]] = field(default_factory=list)
    recordings: int = 0
    formats: set[str] = field(default_factory=set)
    tier_names: dict[str, int] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    warning_count: int = 0

    def warn(self, message: str) -> None:
        """Keep the first warnings, count all."""
        self.warning_count += 1
        if len(self.warnings) < WARNINGS_KEPT:
            self.warnings.append(message)

    def phone_set_of_format(self) -> str | None:
        """Phone set that the alignment format itself prescribes; None if it leaves it open."""
        sets = {PHONE_SET_OF_FORMAT.get(suffix) for suffix in self.formats}
        return sets.pop() if len(sets) == 1 else None


def collect(
    recordings: Iterable[Recording],
    root: Path,
    left_out: LeftOut,
    *,
    phone_tier: str | None = None,
    word_tier: str | None = None,
    check_audio: bool = True,
    strict: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> Collected:
    """Read the alignment of every recording.

    Parameters
    ----------
    recordings : iterable of Recording
        From a layout.
    root : path
        Folder of the corpus; recordings are named relative to it.
    left_out : LeftOut
        Takes the recordings that could not be used, with the reason.
    phone_tier, word_tier : str, optional
        Names of the tiers; found by the aligners' habits otherwise.
    check_audio : bool
        Leave out recordings whose audio is missing or has no readable header, and note durations. Without it an
        alignment may be read where there is no audio at all.
    strict : bool
        Raise at the first recording that cannot be used.
    progress : callable, optional
        Called with (recordings read, recordings in all).

    Raises
    ------
    CorpusError, AudioError
        With `strict`, for the first recording that cannot be used.
    """
    collected = Collected()
    recordings = list(recordings)
    shared: dict[str, str] = {}
    for done, recording in enumerate(recordings, 1):
        name = recording.audio.relative_to(root).as_posix()
        try:
            _add(collected, recording, name, phone_tier, word_tier, check_audio, shared)
        except _UnusableError as unusable:
            if strict:
                raise unusable.error from None
            left_out.add("recording", unusable.reason, 1, [unusable.example])
        if progress is not None:
            progress(done, len(recordings))
    return collected


class _UnusableError(Exception):
    """A recording is left out: the short reason, the example for the report, and the error for strict reading."""

    def __init__(self, reason: str, error: PhonoscopeError, example: str | None = None) -> None:
        self.reason, self.error, self.example = reason, error, example or str(error)


def _add(
    collected: Collected,
    recording: Recording,
    name: str,
    phone_tier: str | None,
    word_tier: str | None,
    check_audio: bool,
    shared: dict[str, str],
) -> None:
    """Append the phone tiers of one recording; `shared` keeps one string object per label."""
    if recording.alignment is None:
        raise _UnusableError(NO_ALIGNMENT, CorpusError(f"{recording.audio} has no alignment"), name)
    duration = float("inf")
    if check_audio:
        if not recording.audio.is_file():
            raise _UnusableError("audio missing", AudioError(f"recording not found: {recording.audio}"), name)
        try:
            duration = audio_info(recording.audio).duration
        except AudioError as error:
            raise _UnusableError("audio unreadable", error) from error
    try:
        grid = read_alignment(recording.alignment)
    except CorpusError as error:
        raise _UnusableError("alignment unreadable", error) from error
    except MissingExtraError as error:
        raise _UnusableError("alignment unreadable", error, f"{recording.alignment}: {error}") from error
    try:
        tiers, warnings = choose_tiers(grid, recording.alignment, phone_tier, word_tier)
    except CorpusError as error:
        raise _UnusableError("no such tier in the alignment", error) from error
    for warning in (*recording.warnings, *grid.warnings, *warnings):
        collected.warn(f"{name}: {warning}")

    def intern(labels: Iterable[str]) -> list[str]:
        return [shared.setdefault(label, label) for label in labels]

    number = 0
    for speaker, phones, words in tiers:
        if not phones.intervals:
            collected.warn(f"{name}: tier {phones.name!r} is empty")
            continue
        starts, ends, labels = zip(*phones.intervals, strict=True)
        collected.first.append(len(collected.phone))
        collected.number.append(number)
        collected.recording.append(name)
        collected.speaker.append(speaker or recording.speaker)
        collected.sex.append(recording.sex)
        collected.duration.append(duration)
        word_starts, word_ends, word_labels = (
            zip(*words.intervals, strict=True) if words and words.intervals else ((), (), ())
        )
        collected.words.append((array("d", word_starts), array("d", word_ends), intern(word_labels)))
        collected.start.extend(starts)
        collected.end.extend(ends)
        collected.phone.extend(intern(labels))
        tier_name = phones.name if speaker is None else "phones of several speakers"
        collected.tier_names[tier_name] = collected.tier_names.get(tier_name, 0) + 1
        number += len(labels)
    collected.recordings += 1
    collected.formats.add(recording.alignment.suffix.lower())
