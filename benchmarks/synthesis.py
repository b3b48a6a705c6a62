"""Tokens a second of `write_corpus`, everything included: sound, WAV, TextGrid, truth.

Run: ``python -m benchmarks.synthesis [rounds]``.
"""

import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from benchmarks.measure import Bar, Measurement, alone

TALKERS = 18
LIMIT_PER_SECOND = 200.0
WRITTEN, SPOKEN = "corpus on disk, 13 phones", "vowels in memory"
BARS = {what: Bar(1.0, peer=f"{LIMIT_PER_SECOND:g} tokens/s", absolute=True) for what in (WRITTEN, SPOKEN)}


def measure(rounds: int) -> Iterator[Measurement]:
    """Tokens per second of CPU time, over the limit."""
    from phonoscope.synthesis.corpus import synthesise_tokens, write_corpus

    def written(seed: int) -> int:
        with tempfile.TemporaryDirectory() as folder:
            return len(write_corpus(Path(folder) / "corpus", talkers=TALKERS, seed=seed))

    def spoken(seed: int) -> int:
        return len(synthesise_tokens(TALKERS, repeats=4, seed=seed)[0])

    synthesise_tokens(1, repeats=1)  # imports are not counted
    work: dict[str, Callable[[int], int]] = {WRITTEN: written, SPOKEN: spoken}
    rates: dict[str, list[float]] = {what: [] for what in work}
    for seed in range(rounds):
        for what, make in work.items():
            begin = time.process_time()
            count = make(seed)
            rates[what].append(count / (time.process_time() - begin))
    for what, found in rates.items():
        ratios = tuple(rate / LIMIT_PER_SECOND for rate in found)
        yield Measurement(what, float(np.median(found)), LIMIT_PER_SECOND, "tokens/s", ratios)


if __name__ == "__main__":
    alone(BARS, measure)
