"""Forced alignment of one waveform with its words by pocketsphinx, and the checks that tell when not to believe it."""

import re
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from phonoscope.corpora.pronunciations import MODEL_PHONES, read_dictionary
from phonoscope.corpora.textgrid import Interval, TextGrid, Tier, without_gaps
from phonoscope.errors import CorpusError, MissingExtraError

SAMPLE_RATE_HZ = 16_000
FRAME_SECONDS = 0.010
WINDOW_SECONDS = 0.025625
# Frame i is analysed over i*10 ms ... i*10 + 25.6 ms: the moment halfway between the centres of two frames, which is
# where a change between them belongs, lies this much after the nominal start of the second.
BOUNDARY_SHIFT_SECONDS = (WINDOW_SECONDS - FRAME_SECONDS) / 2
# Three states a phone, one frame a state at least.
MINIMUM_FRAMES = 3
SHORTEST_RECORDING_SECONDS = 0.1
SILENCE_DB = -80.0
# Level is compared over stretches that a click does not fill.
LEVEL_WINDOW_SECONDS = 0.050
# What is called silence may be this much louder than the words before the alignment is disbelieved.
LOUDER_SILENCE_DB = 3.0
_PHONE_WORD = "phone_"
_VARIANT = re.compile(r"\(\d+\)$")

Status = Literal["aligned", "fallback", "rough", "failed", "silent"]


def tier_names(rough: bool) -> tuple[str, str]:
    """What the tiers of words and of phones are called: a rough alignment says so.

    Parameters
    ----------
    rough : bool
        Whether the alignment is rough.
    """
    return ("words (rough)", "phones (rough)") if rough else ("words", "phones")


@dataclass(frozen=True)
class Alignment:
    """Words and phones of one recording (times in s, silence left out), or the reason why there are none."""

    status: Status
    reason: str = ""
    words: tuple[Interval, ...] = ()
    phones: tuple[Interval, ...] = ()

    def textgrid(self, duration: float) -> TextGrid:
        """Tiers of words and phones over the whole recording, with empty intervals where nothing is said."""
        tiers = []
        for name, intervals in zip(tier_names(self.status == "rough"), (self.words, self.phones), strict=True):
            # Resampling to 16 kHz may move the end of the recording by a part of a sample.
            ends = [duration if abs(duration - end) < 1 / SAMPLE_RATE_HZ else end for _, end, _ in intervals]
            moved = [interval._replace(end=end) for interval, end in zip(intervals, ends, strict=True)]
            tiers.append(Tier(name, without_gaps(moved, 0.0, duration)))
        return TextGrid(0.0, duration, tuple(tiers))


def load_decoder(dictionary: str | Path | None = None, *, alternatives: bool = True) -> Any:
    """Load pocketsphinx with its American English model, set up for alignment.

    Parameters
    ----------
    dictionary : path, optional
        Pronouncing dictionary in CMUdict format; its words replace those of the dictionary that pocketsphinx brings.
    alternatives : bool
        Choose among the pronunciations of a word by the sound, else take the first one.

    Raises
    ------
    MissingExtraError
        If pocketsphinx is not installed.
    CorpusError
        If the dictionary cannot be read.
    """
    try:
        import pocketsphinx
    except ImportError as error:
        raise MissingExtraError("pocketsphinx", "align") from error
    # Why these settings. bestpath searches the word lattice anew and, given a text, drops words from it: with it 7 % of
    # one-word recordings came back as mere silence, without it none. The beams are wider than for recognition because
    # the right words are known. Alternative pronunciations ("the" as DH AH or DH IY) fit running speech better; among
    # single words they only turn the vowel of one word into two ("zero" with IY or IH).
    settings: dict[str, Any] = {
        "lm": None, "loglevel": "FATAL", "samprate": SAMPLE_RATE_HZ, "bestpath": False, "fsgusealtpron": alternatives,
        "beam": 1e-100, "wbeam": 1e-80, "pbeam": 1e-100,
    }  # fmt: skip
    if dictionary is None:
        decoder = pocketsphinx.Decoder(**settings)
    else:
        entries = read_dictionary(dictionary)
        shipped = Path(pocketsphinx.get_model_path("en-us/cmudict-en-us.dict")).read_text(encoding="utf-8")
        lines = [line for line in shipped.splitlines() if _VARIANT.sub("", line.split(" ", 1)[0]) not in entries]
        for word, pronunciations in entries.items():
            lines += [
                f"{word}({n}) {phones}" if n > 1 else f"{word} {phones}" for n, phones in enumerate(pronunciations, 1)
            ]
        with tempfile.TemporaryDirectory() as folder:
            merged = Path(folder) / "merged.dict"
            merged.write_text("\n".join(lines) + "\n", encoding="utf-8")
            decoder = pocketsphinx.Decoder(**settings, dict=str(merged))
    for phone in MODEL_PHONES:
        # Updating the search after each word is slow; once, after the last, is enough.
        decoder.add_word(_PHONE_WORD + phone, phone, phone == MODEL_PHONES[-1])
    return decoder


def align_waveform(decoder: Any, waveform: np.ndarray, words: Sequence[str]) -> Alignment:
    """Align a recording with the words spoken in it.

    Two passes: words, then phones within the words (context-dependent triphones). The feature extraction is reset
    before each, so that a result does not depend on what was aligned before. Where the second pass fails, the phones
    are aligned as if each were a word (status "fallback").

    An aligner places any word on any noise. Two signs give that away and turn the result into "failed" or "silent":
    more than half of the phones at the shortest duration possible (30 ms), and a stretch called silence that is louder
    than the words.

    Parameters
    ----------
    decoder
        From `load_decoder`.
    waveform : ndarray, shape (samples,)
        One channel at 16 kHz, within [-1, 1].
    words : sequence of str
        Words that the dictionary knows, in lower case.

    Returns
    -------
    Alignment
        Phones are ARPABET without stress. Boundaries lie on frames of 10 ms, each at the moment between the centres of
        the analysis windows on its two sides.
    """
    duration = len(waveform) / SAMPLE_RATE_HZ
    if duration < SHORTEST_RECORDING_SECONDS:
        return Alignment("failed", f"the recording lasts {duration:.3f} s; at least 0.1 s is needed")
    loudest = _level(waveform).max()
    if loudest < SILENCE_DB:
        return Alignment("silent", f"nothing is louder than {loudest:.0f} dB below full scale")
    # Resampling may overshoot full scale a little.
    pcm = (np.clip(waveform, -1, 1) * 32767).astype("<i2").tobytes()
    segments = _words_pass(decoder, pcm, words)
    if segments is None:
        return Alignment("failed", f"the words do not fit into the recording ({duration:.2f} s); is it cut off?")
    status: Status = "aligned"
    try:
        entries = _phones_pass(decoder, pcm)
    except RuntimeError:
        # "Failed to stop utterance processing": the words of the first pass left a phone no time.
        status, entries = "fallback", _phones_as_words(decoder, pcm, [word for word, _, _ in segments])
        if entries is None:
            return Alignment("failed", f"the phones do not fit into the recording ({duration:.2f} s); is it cut off?")
    alignment = Alignment(
        status,
        "phones aligned without their context" if status == "fallback" else "",
        tuple(_interval(_VARIANT.sub("", word), phones[0][1], phones[-1][2], duration) for word, phones in entries),
        tuple(_interval(*phone, duration) for _, phones in entries for phone in phones),
    )
    fault = _implausible(entries) or misplaced(waveform, alignment)
    return fault or alignment


_Phones = list[tuple[str, int, int]]


def _pass(decoder: Any, pcm: bytes) -> None:
    decoder.reinit_feat()
    decoder.start_utt()
    decoder.process_raw(pcm, full_utt=True)
    decoder.end_utt()


def _words_pass(decoder: Any, pcm: bytes, words: Sequence[str]) -> _Phones | None:
    """First pass: (word, first frame, frame after the last), silence and noise left out; None if words are missing."""
    try:
        decoder.set_align_text(" ".join(words))
    except RuntimeError as error:
        raise CorpusError(
            f"the aligner does not accept the words {' '.join(words)!r}; are all in the dictionary?"
        ) from error
    _pass(decoder, pcm)
    if decoder.hyp() is None:
        return None
    segments = [(s.word, s.start_frame, s.end_frame + 1) for s in decoder.seg() if s.word[0] not in "<[+"]
    # Without a path through all words, the decoder offers the best of those it could finish.
    return segments if [_VARIANT.sub("", word) for word, _, _ in segments] == list(words) else None


def _phones_pass(decoder: Any, pcm: bytes) -> list[tuple[str, _Phones]]:
    """Second pass, within the words of the first: per word its phones (name, first frame, frame after the last)."""
    decoder.set_alignment()
    _pass(decoder, pcm)
    return [
        (word.name, [(phone.name, phone.start, phone.start + phone.duration) for phone in word])
        for word in decoder.get_alignment()
        if word.name[0] not in "<[+"
    ]


def _phones_as_words(decoder: Any, pcm: bytes, words: Sequence[str]) -> list[tuple[str, _Phones]] | None:
    """The same from one pass in which each phone is a word of its own; None if it fails too."""
    pronunciations = [decoder.lookup_word(word).split() for word in words]
    phones = _words_pass(decoder, pcm, [_PHONE_WORD + phone for phones in pronunciations for phone in phones])
    if phones is None:
        return None
    intervals = iter([(name.removeprefix(_PHONE_WORD), start, end) for name, start, end in phones])
    return [(word, [next(intervals) for _ in phones]) for word, phones in zip(words, pronunciations, strict=True)]


def _implausible(entries: list[tuple[str, _Phones]]) -> Alignment | None:
    """Refuse an alignment that squeezes the words into as little time as the model allows."""
    frames = [end - start for _, phones in entries for _, start, end in phones]
    squeezed = sum(count <= MINIMUM_FRAMES for count in frames)
    if squeezed == len(frames):
        return Alignment("silent", "no speech found that fits the words (every phone would last the minimum of 30 ms)")
    if squeezed > len(frames) / 2:
        share = f"{squeezed} of {len(frames)} phones"
        return Alignment(
            "failed", f"{share} would last the minimum of 30 ms; are the words cut off, or different ones?"
        )
    return None


def misplaced(waveform: np.ndarray, alignment: Alignment) -> Alignment | None:
    """Refuse an alignment in which the speech is silence and the silence speech.

    Parameters
    ----------
    waveform : ndarray, shape (samples,)
        At 16 kHz.
    alignment : Alignment
        What is doubted.

    Returns
    -------
    Alignment or None
        "failed" with a reason; None if it may be right.
    """
    levels = _level(waveform)
    centres = LEVEL_WINDOW_SECONDS / 2 + FRAME_SECONDS * np.arange(len(levels))
    inside = np.zeros(len(levels), dtype=bool)
    for word in alignment.words:
        # A window that only touches a word may be as loud as the word.
        inside |= (centres > word.start - LEVEL_WINDOW_SECONDS) & (centres < word.end + LEVEL_WINDOW_SECONDS)
    if inside.all() or not inside.any():
        return None
    outside = np.where(inside, -np.inf, levels)
    excess = outside.max() - levels[inside].max()
    if excess <= LOUDER_SILENCE_DB:
        return None
    moment = centres[outside.argmax()]
    return Alignment(
        "failed", f"the words were placed on a quiet stretch: {moment:.2f} s, outside them, is {excess:.0f} dB louder"
    )


def _level(waveform: np.ndarray) -> np.ndarray:
    """Level over 50 ms every 10 ms, dB re full scale, mean removed; shape (windows,)."""
    window, step = round(LEVEL_WINDOW_SECONDS * SAMPLE_RATE_HZ), round(FRAME_SECONDS * SAMPLE_RATE_HZ)
    power = np.square(waveform - waveform.mean(dtype=np.float64))
    total = np.concatenate(([0.0], np.cumsum(power)))
    starts = np.arange(0, len(waveform) - window + 1, step)
    mean = (total[starts + window] - total[starts]) / window
    return 10 * np.log10(np.maximum(mean, 1e-20))


def _interval(label: str, first: int, after: int, duration: float) -> Interval:
    """Frames to s; the edges of the recording are kept."""
    start = first * FRAME_SECONDS + BOUNDARY_SHIFT_SECONDS if first else 0.0
    end = min(after * FRAME_SECONDS + BOUNDARY_SHIFT_SECONDS, duration)
    return Interval(round(start, 6), duration if duration - end < FRAME_SECONDS else round(end, 6), label)
