"""Stimuli a second on one core: vowels of 150 ms at 16 kHz whose F2 is moved in 13 steps.

Run: ``python -m benchmarks.manipulate [rounds]``.
"""

import time
from collections.abc import Callable, Iterator

import numpy as np

from benchmarks.measure import Bar, Measurement, alone

RATE, SAMPLES, VOWELS = 16000, 2400, 60
STEPS = np.linspace(-600.0, 600.0, 13)
LIMIT_PER_SECOND = 2000.0
OPEN, MEASURED, CLOSED = "F2 moved, open loop", "and measured for every cue", "and corrected"
# Only the open loop has a bar to meet; the others tell what measuring and correcting cost.
BARS = {
    OPEN: Bar(1.0, peer=f"{LIMIT_PER_SECOND:g} stimuli/s", absolute=True),
    MEASURED: Bar(0.25, peer=f"{LIMIT_PER_SECOND:g} stimuli/s", absolute=True),
    CLOSED: Bar(0.1, peer=f"{LIMIT_PER_SECOND:g} stimuli/s", absolute=True),
}


def measure(rounds: int) -> Iterator[Measurement]:
    """Stimuli per second of CPU time, tracks of the recorded vowels included, over the limit."""
    from phonoscope.manipulate import Asked, Sounds, find_cue, stimuli
    from phonoscope.synthesis.corpus import synthesise_tokens

    spoken, _ = synthesise_tokens(VOWELS // 5, repeats=1, seed=0, sample_rate=RATE)
    vowels = [np.resize(sound, SAMPLES).astype(np.float32) for sound in spoken]
    cue = find_cue("f2")

    def open_loop() -> int:
        some = 16
        for first in range(0, len(vowels), some):
            block = vowels[first : first + some]
            n = len(block)
            recorded = Sounds.of(block, RATE, np.zeros(n), np.full(n, SAMPLES / RATE))
            of = np.repeat(np.arange(n), len(STEPS))
            before = cue.measure(recorded)[of]
            cue.change(recorded, Asked(of, before, before + np.tile(STEPS, n)))
        return len(vowels) * len(STEPS)

    def looped(corrections: int) -> int:
        return len(stimuli(vowels, RATE, "f2", STEPS, rounds=corrections).sounds)

    work: dict[str, Callable[[], int]] = {OPEN: open_loop, MEASURED: lambda: looped(0), CLOSED: lambda: looped(4)}
    for what, make in work.items():
        make()
        rates = []
        for _ in range(rounds):
            begin = time.process_time()
            count = make()
            rates.append(count / (time.process_time() - begin))
        ratios = tuple(rate / LIMIT_PER_SECOND for rate in rates)
        yield Measurement(what, float(np.median(rates)), LIMIT_PER_SECOND, "stimuli/s", ratios)


if __name__ == "__main__":
    alone(BARS, measure)
