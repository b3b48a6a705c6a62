"""Seconds that a territory map and a classification image of a network take, with every stimulus made and asked about.

Run: ``python -m benchmarks.perception [rounds]``.
"""

import functools
import time
from collections.abc import Iterator

import numpy as np
import pandas as pd

from benchmarks.measure import Bar, Measurement, alone

SAMPLE_RATE = 16000
SAMPLES = 2400  # of a vowel
TOKENS, TRIALS = 50, 20_000
PART = 10  # one part of so many is measured, but for the fit of the image
MAP, IMAGE = "territory map, 21 × 21 places × 50 vowels", "classification image, 20 000 trials"
LIMITS = {MAP: 90.0, IMAGE: 300.0}  # s
BARS = {what: Bar(1.0, peer=f"{limit:g} s", absolute=True) for what, limit in LIMITS.items()}


def vowels() -> list[np.ndarray]:
    """Synthetic vowels of many talkers, all equally long."""
    from phonoscope.synthesis.corpus import synthesise_tokens

    sounds, _ = synthesise_tokens(12, repeats=1, seed=0, sample_rate=SAMPLE_RATE)
    return [np.resize(sound, SAMPLES) for sound in sounds[:TOKENS]]


def measure(rounds: int) -> Iterator[Measurement]:
    """CPU seconds of the whole, extrapolated from a tenth; the network is the small one, with random weights."""
    import phonoscope as ps
    from phonoscope.perception import BubbleTrials, ask, bubble_block, grid_trials, image_of, territory

    labels = ["i", "u", "ɑ", "æ", "ɝ"]
    answer = functools.partial(ask, ps.Classifier.build(ps.Spectrogram(SAMPLE_RATE), "compact", labels))
    sounds, rng = vowels(), np.random.default_rng(0)
    some = sounds[: TOKENS // PART]
    tokens = pd.DataFrame({"token": np.arange(len(some))})
    answer(some)  # what is loaded at first is not counted
    spent: dict[str, list[float]] = {what: [] for what in BARS}
    missed = 0.0
    for number in range(rounds):
        begin = time.process_time()
        trials = grid_trials(answer, tokens, some, SAMPLE_RATE, labels)
        asked = time.process_time()
        territory(trials)
        spent[MAP].append(PART * (asked - begin) + time.process_time() - asked)
        missed = float(trials.table["missed"].mean())
        begin = time.process_time()
        block = bubble_block(answer, sounds, SAMPLE_RATE, labels, number, trials=TRIALS // PART)
        made = time.process_time()
        cells = rng.normal(0, 6, (TRIALS, *block.cells.shape[1:]))
        whole = BubbleTrials(
            cells, np.tile(block.token, PART), np.tile(block.p, (PART, 1)), labels, block.frequency, block.time
        )
        fitted = time.process_time()
        image_of(whole, "i")
        spent[IMAGE].append(PART * (made - begin) + time.process_time() - fitted)
    notes = {MAP: f"{missed:.0%} of the stimuli missed", IMAGE: f"{cells.shape[1]} × {cells.shape[2]} cells"}
    for what, seconds in spent.items():
        ratios = tuple(LIMITS[what] / each for each in seconds)
        yield Measurement(what, float(np.median(seconds)), LIMITS[what], "s", ratios, notes[what])


if __name__ == "__main__":
    alone(BARS, measure)
