"""How often 95 % intervals cover, by simulation: accuracies, shares, differences and slopes, few speakers and many.

Run: ``python -m benchmarks.coverage [runs]``; 2000 by default, stored in ``benchmarks/results/coverage.csv``. Except
for the first family of speakers, the families are none of those on which the intervals were chosen.
"""

from __future__ import annotations

import sys
from collections.abc import Callable

import numpy as np
import pandas as pd

from benchmarks.stored import RESULTS
from phonoscope.judgement.intervals import Interval, jackknife_interval, mean_interval

CLUSTERS = (6, 12, 32, 100)
RUNS = 2000
BOUNDS = {6: (0.92, 0.98), 12: (0.93, 0.97), 32: (0.93, 0.97), 100: (0.93, 0.97)}


def sizes(count: int, random: np.random.Generator) -> np.ndarray:
    """Tokens of each speaker: unequal, 5 to some hundreds, half of them below 40."""
    return np.maximum(5, random.lognormal(np.log(40), 0.8, count).astype(int))


def _accuracy(draw: Callable[[np.random.Generator, int], np.ndarray]) -> Callable[..., Interval]:
    def interval(count: int, random: np.random.Generator) -> Interval:
        n = sizes(count, random)
        hits = random.random(n.sum()) < np.repeat(draw(random, count), n)
        return mean_interval(hits, np.repeat(np.arange(count), n), of_units=True, scale="proportion")

    return interval


def _difference(count: int, random: np.random.Generator) -> Interval:
    n = sizes(count, random)
    better = 1 - random.exponential(0.05, count).clip(0, 1)
    first, second = (random.random(n.sum()) < np.repeat(p, n) for p in (better, better * random.uniform(0.8, 1, count)))
    change = first.astype(float) - second
    return mean_interval(change, np.repeat(np.arange(count), n), of_units=True, scale="difference")


def _ratio(count: int, random: np.random.Generator) -> Interval:
    """Share of a map over its chance, with speakers and tokens that differ; pooled over tokens."""
    n = sizes(count, random)
    level, followed = random.uniform(0.5, 1.5, count), random.gamma(16, 1.25 / 16, count)
    chance = 0.2 * np.repeat(level, n) * random.uniform(0.5, 1.5, n.sum())
    share = chance * np.repeat(followed, n) * random.exponential(1, n.sum())
    return mean_interval(share, np.repeat(np.arange(count), n), over=chance, scale="ratio")


def _slope(count: int, random: np.random.Generator) -> Interval:
    n = sizes(count, random)
    speaker = np.repeat(np.arange(count), n)
    x = random.uniform(-1, 1, n.sum()) + random.uniform(-1, 1, count)[speaker]
    slopes, offsets = 0.5 + random.laplace(0, 0.2, count), random.laplace(0, 0.5, count)
    y = slopes[speaker] * x + offsets[speaker] + random.laplace(0, 1, n.sum())

    def slope(weights: np.ndarray) -> np.ndarray:
        total = weights.sum(axis=1)
        mean_x, mean_y = weights @ x / total, weights @ y / total
        return (weights @ (x * y) / total - mean_x * mean_y) / (weights @ (x * x) / total - mean_x**2)

    return jackknife_interval(slope, len(x), speaker)


def _trainings(count: int, random: np.random.Generator) -> Interval:
    """Accuracy of five trainings on the same speakers."""
    n = sizes(count, random)
    speaker = 1 - random.exponential(0.08, count).clip(0, 1)
    of_training = random.uniform(-0.02, 0.02, (5, 1))
    p = (speaker + of_training + random.uniform(-0.02, 0.02, (5, count))).clip(0, 1)
    hits = random.random((5, n.sum())) < np.repeat(p, n, axis=1)
    return mean_interval(hits.astype(float), np.repeat(np.arange(count), n), of_units=True, scale="proportion")


def _true_of_trainings() -> float:
    random = np.random.default_rng(0)
    speaker = 1 - random.exponential(0.08, 2_000_000).clip(0, 1)
    moved = random.uniform(-0.02, 0.02, speaker.size) + random.uniform(-0.02, 0.02, speaker.size)
    return float((speaker + moved).clip(0, 1).mean())


def _mean_of(values: Callable[[np.random.Generator], np.ndarray]) -> float:
    return float(values(np.random.default_rng(0)).mean())


# What is estimated: how it is drawn, and its true value.
FAMILIES: dict[str, tuple[Callable[..., Interval], float]] = {
    "accuracy, Beta(9.5, 0.5)": (_accuracy(lambda random, count: random.beta(9.5, 0.5, count)), 0.95),
    "accuracy, exponential errors": (
        _accuracy(lambda random, count: 1 - random.exponential(0.08, count).clip(0, 1)),
        _mean_of(lambda random: 1 - random.exponential(0.08, 2_000_000).clip(0, 1)),
    ),
    "accuracy, uniform": (_accuracy(lambda random, count: random.uniform(0.6, 1, count)), 0.8),
    "accuracy, five trainings": (_trainings, _true_of_trainings()),
    "difference of accuracies": (
        _difference,
        _mean_of(lambda random: (1 - random.exponential(0.05, 2_000_000).clip(0, 1)) * 0.1),
    ),
    "share over chance": (_ratio, 1.25),
    "slope": (_slope, 0.5),
}


def coverage(name: str, clusters: int, runs: int = RUNS, seed: int = 0) -> float:
    """Share of simulated runs whose interval holds the true value.

    Parameters
    ----------
    name
        One of `FAMILIES`.
    clusters
        Speakers of a run.
    runs, seed
        How many runs, and where the random numbers start.
    """
    draw, true = FAMILIES[name]
    random = np.random.default_rng([seed, clusters])
    intervals = (draw(clusters, random) for _ in range(runs))
    return float(np.mean([interval.low <= true <= interval.high for interval in intervals]))


def main(runs: int = RUNS) -> pd.DataFrame:
    """Simulate all families, print and store how often their intervals cover."""
    rows = []
    for name in FAMILIES:
        for clusters in CLUSTERS:
            least, most = BOUNDS[clusters]
            share = coverage(name, clusters, runs)
            rows.append((name, clusters, runs, share, least <= share <= most))
            print(f"{name:32s} {clusters:4d} speakers  {100 * share:5.1f} %", flush=True)
    table = pd.DataFrame(rows, columns=["estimate", "speakers", "runs", "coverage", "met"])
    table.to_csv(RESULTS / "coverage.csv", index=False)
    return table


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
