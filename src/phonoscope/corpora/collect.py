"""Reads the alignments of a corpus into columns (one entry an interval) and says which ones it could not read."""

import sys
from array import array
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from phonoscope.audio import audio_info
from phonoscope.corpora.formats import READERS, AlignmentReader, located, read_alignment
from phonoscope.corpora.pairing import NO_ALIGNMENT
from phonoscope.corpora.recording import Recording, channel_in, heard_channel
from phonoscope.corpora.rules import TokenRules
from phonoscope.corpora.tiers import SpeakerTiers, choose_tiers, has_words_alone
from phonoscope.errors import AudioError, CorpusError, PhonoscopeError
from phonoscope.left_out import LeftOut

WARNINGS_KEPT = 20
# A grid that is longer than this beyond its sound is of another sound, or of another sample rate.
LONGER_SECONDS = 0.1


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
    channel: list[int | None] = field(default_factory=list)
    words: list[tuple[array, array, list[str]]] = field(default_factory=list)
    numbered: dict[str, int] = field(default_factory=dict)
    rates: Counter[int] = field(default_factory=Counter)
    recordings: int = 0
    phone_sets: set[str | None] = field(default_factory=set)
    tier_names: Counter[str] = field(default_factory=Counter)
    warnings: list[str] = field(default_factory=list)
    warning_count: int = 0

    def warn(self, message: str) -> None:
        """Keep the first warnings, count all."""
        self.warning_count += 1
        if len(self.warnings) < WARNINGS_KEPT:
            self.warnings.append(message)

    def add(self, recording: Recording, name: str, duration: float, tiers: Iterable[SpeakerTiers]) -> None:
        """Append the phone tiers of a recording.

        Parameters
        ----------
        recording : Recording
            Its speaker and sex.
        name : str
            Its path below the corpus.
        duration : float
            In s.
        tiers : iterable of SpeakerTiers
            Of its alignment.
        """
        number = self.numbered.get(name, 0)  # a recording may have an alignment for each of its channels
        for speaker, phones, words, sure in tiers:
            if not phones.intervals:
                self.warn(f"{name}: tier {phones.name!r} is empty")
                continue
            starts, ends, labels = zip(*phones.intervals, strict=True)
            self.first.append(len(self.phone))
            self.number.append(number)
            self.recording.append(name)
            named = speaker if sure or not recording.speaker else recording.speaker
            self.speaker.append(named or recording.speaker)
            self.channel.append(recording.channel or channel_in(phones.name))
            self.sex.append(recording.sex)
            self.duration.append(duration)
            spoken = words.intervals if words else ()
            word_starts, word_ends = (array("d", (interval[edge] for interval in spoken)) for edge in (0, 1))
            self.words.append((word_starts, word_ends, [sys.intern(interval.label) for interval in spoken]))
            self.start.extend(starts)
            self.end.extend(ends)
            self.phone.extend(map(sys.intern, labels))
            self.tier_names[phones.name if speaker is None else "phones of several speakers"] += 1
            number += len(labels)
        self.numbered[name] = number
        self.recordings += 1

    def phone_set_of_format(self) -> str | None:
        """Phone set that the alignment format itself prescribes; None if it leaves it open."""
        return next(iter(self.phone_sets)) if len(self.phone_sets) == 1 else None


def collect(
    recordings: Sequence[Recording],
    root: Path,
    rules: TokenRules,
    left_out: LeftOut,
    *,
    readers: Mapping[str, AlignmentReader] = READERS,
    why_unaligned: str = NO_ALIGNMENT,
    check_audio: bool = True,
    strict: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> Collected:
    """Read the alignment of every recording.

    Parameters
    ----------
    recordings : sequence of Recording
        From a layout, with their alignments.
    root : path
        Folder of the corpus; recordings are named relative to it.
    rules : TokenRules
        Name the tiers.
    left_out : LeftOut
        Takes the recordings that could not be used, with the reason.
    readers : mapping
        Suffix of an alignment → its reader.
    why_unaligned : str
        Reason that is reported for recordings without an alignment.
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
    collected, channels_named = Collected(), rules.names_channels
    for done, recording in enumerate(recordings, 1):
        name = recording.audio.relative_to(root).as_posix()
        try:
            if recording.alignment is None:
                raise _UnusableError(why_unaligned, CorpusError(f"{recording.audio} has {why_unaligned}"), name)
            if check_audio and not recording.audio.is_file():
                raise _UnusableError("audio missing", AudioError(f"recording not found: {recording.audio}"), name)
            with _faults("audio unreadable"):
                info = audio_info(recording.audio) if check_audio else None
                duration = info.duration if info else float("inf")
            with _faults("alignment unreadable"):
                grid = read_alignment(recording.alignment, readers)
            try:
                tiers, warnings = choose_tiers(
                    grid, recording.alignment, rules.phone_tier, rules.word_tier, rules.speaker_tier
                )
            except CorpusError as error:
                if rules.phone_tier or not has_words_alone(grid):
                    raise _UnusableError("no such tier in the alignment", error) from error
                fault = f"{recording.alignment} contains words but no phones; create them with: phonoscope align"
                raise _UnusableError(
                    "words alone, no phones (make them with: phonoscope align)", CorpusError(fault)
                ) from error
            if grid.xmax > duration + LONGER_SECONDS:
                fault = (
                    f"{name}: the alignment lasts {grid.xmax:.3f} s, the sound {duration:.3f} s; they do not belong "
                    "together, or the sound was cut or its sample rate misread"
                )
                raise _UnusableError("alignment longer than the sound", CorpusError(fault))
        except _UnusableError as unusable:
            if strict:
                raise unusable.error from None
            left_out.add("recording", unusable.reason, 1, [unusable.example])
        else:
            for warning in (*recording.warnings, *grid.warnings, *warnings):
                collected.warn(f"{name}: {warning}")
            heard = recording
            if info is not None:
                collected.rates[info.sample_rate] += 1
                if info.channels > 1 and recording.channel is None:
                    channel, warning = _of_channels(recording.audio, [tier.phones.name for tier in tiers])
                    heard = replace(recording, channel=channel)
                    if warning and not channels_named:
                        collected.warn(f"{name}: {warning}")
            collected.add(heard, name, duration, tiers)
            reader, _, _ = located(recording.alignment, readers)
            collected.phone_sets.add(reader.phone_set if reader else None)
        if progress is not None:
            progress(done, len(recordings))
    if len(collected.rates) > 1:
        found = ", ".join(f"{rate} Hz ({count})" for rate, count in sorted(collected.rates.items()))
        collected.warn(f"the recordings have different sample rates; each keeps its own: {found}")
    return collected


def _of_channels(path: Path, tiers: Sequence[str]) -> tuple[int | None, str | None]:
    """Channel to read of a recording with several where their mean is no use, and what to say of it."""
    if channel := heard_channel(path):
        return channel, "its channels cancel out (opposite phase: their mean is silence); channel 1 is read alone"
    if len(tiers) < 2 or any(channel_in(name) for name in tiers):
        return None, None
    return None, (
        f"it has several channels and {len(tiers)} speakers; the channels are averaged, so each speaker is heard "
        "through the others: give the table of speakers a column channel (1, 2 ...)"
    )


class _UnusableError(Exception):
    """A recording is left out: the short reason, the example for the report, and the error for strict reading."""

    def __init__(self, reason: str, error: PhonoscopeError, example: str | None = None) -> None:
        self.reason, self.error, self.example = reason, error, example or str(error)


@contextmanager
def _faults(reason: str) -> Generator[None]:
    """Leave the recording out for this reason if anything inside goes wrong."""
    try:
        yield
    except PhonoscopeError as error:
        raise _UnusableError(reason, error) from error
