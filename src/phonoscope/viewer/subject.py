"""One stretch of speech on the page: a token of a run or a piece of one's own recording, with the sound around it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from phonoscope.audio import window
from phonoscope.errors import AudioError

SHOWN_SECONDS = 0.25  # sound before and after a token that is shown and played
LONGEST_SECONDS = 10.0  # of a stretch that is chosen; a token of a run is as long as it is


@dataclass(frozen=True)
class Subject:
    """A token and what is around it.

    Parameters
    ----------
    token
        Its name.
    start, end
        s in its recording.
    waveform
        At ``sample_rate``, with ``context`` samples before and after the token, zeros where the recording has none.
    recording_seconds
        Duration of the recording.
    true
        Its class, or None for one's own voice.
    fold
        Fold of the run in which it was tested.
    sex
        Of the speaker, for the ceiling of the formants.
    """

    token: str
    start: float
    end: float
    waveform: np.ndarray
    context: int
    sample_rate: int
    recording_seconds: float
    true: str | None = None
    fold: int | None = None
    sex: str | None = None

    @property
    def shown_start(self) -> float:
        """Time in the recording at which the waveform begins, s; negative where the recording has no sound."""
        return self.start - self.context / self.sample_rate

    def with_context(self, seconds: float) -> np.ndarray:
        """Return the token with less of what is around it."""
        kept = round(seconds * self.sample_rate)
        return self.waveform[self.context - kept : len(self.waveform) - self.context + kept]


def subject_of(
    recording: np.ndarray,
    sample_rate: int,
    start: float,
    end: float,
    *,
    first: float = 0.0,
    recording_seconds: float | None = None,
    token: str,
    true: str | None = None,
    fold: int | None = None,
    sex: str | None = None,
) -> Subject:
    """Cut a stretch out of a recording, exactly as `phonoscope.audio.cut` does.

    Parameters
    ----------
    recording
        Samples from ``first`` s of the recording on; at least what is shown around the stretch, or all there is.
    sample_rate
        Of the samples, and of the classifier, Hz.
    start, end
        Of the stretch, s of the recording.
    first
        Where the samples begin, s of the recording.
    recording_seconds
        Duration of the recording; until the last sample if not given.
    token, true, fold, sex
        As in `Subject`.

    Raises
    ------
    AudioError
        If the stretch has no sample, or is not inside the recording.
    """
    seconds = first + len(recording) / sample_rate if recording_seconds is None else recording_seconds
    begin, stop = round(start * sample_rate), min(round(end * sample_rate), round(seconds * sample_rate))
    if not 0 <= begin < stop:
        raise AudioError(f"the stretch {start:.3f}–{end:.3f} s holds no sound of a recording of {seconds:.3f} s")
    context = round(SHOWN_SECONDS * sample_rate)
    offset = round(first * sample_rate)
    waveform = window(recording, begin - offset, stop - offset, context)
    return Subject(
        token, begin / sample_rate, stop / sample_rate, waveform, context, sample_rate, seconds, true, fold, sex
    )
