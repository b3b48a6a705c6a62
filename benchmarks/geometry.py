"""Time of `dictionary_measures` against a straightforward NumPy port of the published formulas, on the same matrices.

Run: ``python -m benchmarks.geometry [rounds]``. The port takes about a minute for the largest: it runs once there.
"""

import time
from collections.abc import Iterator
from functools import partial

import numpy as np

from benchmarks.measure import Bar, Measurement, alone, alternately, compared

# N × K: how many times faster than the port the measures must be.
LIMITS = {(30, 80): 1.0, (560, 100): 1.0, (2176, 128): 1000.0, (4608, 512): 300.0}
BARS = {f"geometry of {n} × {k}": Bar(limit, peer="the port") for (n, k), limit in LIMITS.items()}
PORT_ONCE_ABOVE_N = 4000


def port(dictionary: np.ndarray) -> dict[str, float]:
    """Eigenvalues of D Dᵀ by the general solver, then coherence, angles and babel function filter by filter."""
    unit = dictionary / np.linalg.norm(dictionary, axis=0)
    eigenvalues = np.sort(np.linalg.eigvals(unit @ unit.T).real)
    gram = np.abs(unit.T @ unit)
    count = gram.shape[0]
    nearest, babel = np.zeros(count), np.zeros(count - 1)
    for k in range(count):
        others = np.sort(np.delete(gram[k], k))[::-1]
        nearest[k] = others[0]
        babel = np.maximum(babel, np.cumsum(others))
    return {
        "A_nonzero": float(eigenvalues[eigenvalues > eigenvalues[-1] * max(unit.shape) * np.finfo(float).eps].min()),
        "B": float(eigenvalues[-1]),
        "mu": float(nearest.max()),
        "mu_avg": float(nearest.mean()),
        "beta_avg": float(np.degrees(np.arccos(np.minimum(nearest, 1))).mean()),
        "mu_mse": float(np.sqrt(np.square(eigenvalues).sum()) / count),
        "babel": float(babel[-1]),
    }


def measure(rounds: int) -> Iterator[Measurement]:
    """Random matrices; the largest difference of any measure is told."""
    from phonoscope.layer_geometry import dictionary_measures

    for (n, k), what in zip(LIMITS, BARS, strict=True):
        dictionary = np.random.default_rng(0).standard_normal((n, k))

        ours = partial(dictionary_measures, dictionary)
        if n > PORT_ONCE_ABOVE_N:
            spent = alternately(rounds, ours)[:, 0]
            begin = time.process_time()
            port(dictionary)
            once = time.process_time() - begin
            yield compared(what, spent, np.full(rounds, once), note="the port ran once")
            continue
        spent = alternately(rounds, ours, partial(port, dictionary), repeats=max(1, round(100_000 / (n * k))))
        measured = ours()
        measured["babel"] = measured["babel"][-1]
        worst = max(abs(measured[name] - value) for name, value in port(dictionary).items())
        yield compared(what, *spent.T, note=f"differ by {worst:.0e}")


if __name__ == "__main__":
    alone(BARS, measure)
