"""Time from a cue that is moved in the viewer to what the network hears of it: made, measured, asked, drawn, encoded.

Run: ``python -m benchmarks.viewer [rounds]``.
"""

import time
from collections.abc import Callable, Iterator, Mapping

import numpy as np

from benchmarks.measure import Bar, Measurement, alone, require

SAMPLE_RATE = 16000
SAMPLES = 2400  # of a vowel
PLACES = 11  # of the plane, along each cue
ONE, ALL = "F2 of a vowel moved by hand", "F2, F0, duration and tilt moved by hand"
PLANE = f"plane of F1 and F2 filled, {PLACES} × {PLACES} places"
LIMITS = {ONE: 0.2, ALL: 0.2, PLANE: 3.0}  # s
BARS = {what: Bar(1.0, peer=f"{limit:g} s", absolute=True) for what, limit in LIMITS.items()}


def measure(rounds: int) -> Iterator[Measurement]:
    """CPU seconds of one answer, without the way to the page; the network is the small one, with random weights."""
    require("parselmouth", "praat", "praat-parselmouth")
    import phonoscope as ps
    from phonoscope.synthesis.corpus import synthesise_tokens
    from phonoscope.viewer import moving
    from phonoscope.viewer.pictures import picture_of, wav_of
    from phonoscope.viewer.subject import SHOWN_SECONDS, subject_of

    classifier = ps.Classifier.build(ps.Spectrogram(SAMPLE_RATE), "compact", ["i", "u", "ɑ", "æ", "ɝ"])
    spoken, _ = synthesise_tokens(1, repeats=1, seed=0, sample_rate=SAMPLE_RATE)
    edge = round(SHOWN_SECONDS * SAMPLE_RATE)
    sound = np.pad(np.resize(spoken[0], SAMPLES), edge, mode="wrap").astype(np.float32)
    times = edge / SAMPLE_RATE, (edge + SAMPLES) / SAMPLE_RATE
    can = moving.movable(subject_of(sound, SAMPLE_RATE, *times, token="vowel"))
    before = can.before
    moving.tracks(can)  # the page asks for them before anything is moved

    def answer(move: Mapping[str, float]) -> None:
        made = moving.moved(can, move)
        classifier.logits([made.waveform[edge:-edge]])
        picture_of(made.waveform, SAMPLE_RATE, 0.0, window="wide", top_hz=4000.0)
        wav_of(made.waveform, SAMPLE_RATE, ramps=True)

    def plane(number: int) -> None:
        # Other places in each round, and none where F1 and F2 would meet.
        f1, f2 = np.linspace(300, 700 + number, PLACES), np.linspace(1000, 2500, PLACES)
        moves = [{"f1": float(low), "f2": float(high)} for low in f1 for high in f2]
        for first in range(0, len(moves), moving.MOST_AT_ONCE):
            classifier.logits(moving.stimuli(can, moves[first : first + moving.MOST_AT_ONCE])[0])

    def several(by: int) -> dict[str, float]:
        voice = {"f0": 0.9 * before["f0"] - by, "duration": 1.2 * before["duration"], "tilt": before["tilt"] - 2}
        return {"f2": before["f2"] - 300 - by, **voice}

    work: dict[str, Callable[[int], None]] = {
        ONE: lambda number: answer({"f2": before["f2"] - 300 - number}),
        ALL: lambda number: answer(several(number)),
        PLANE: plane,
    }
    for what, run in work.items():
        run(-1)  # what is loaded at first is not counted
        seconds = []
        for number in range(rounds):
            begin = time.process_time()
            run(number)
            seconds.append(time.process_time() - begin)
        ratios = tuple(LIMITS[what] / each for each in seconds)
        yield Measurement(what, float(np.median(seconds)), LIMITS[what], "s", ratios)


if __name__ == "__main__":
    alone(BARS, measure)
