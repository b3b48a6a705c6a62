"""Time of `dictionary_measures` against a straightforward NumPy port of the published formulas, on the same matrices.

Run on one core: ``OMP_NUM_THREADS=1 python benchmarks/geometry.py [N K] ...``; by default 30 × 80, 560 × 100,
2176 × 128 and 4608 × 512 (the last takes minutes, all of them in the port).
"""

import sys
import time

import numpy as np

from phonoscope.geometry import dictionary_measures

SIZES = ((30, 80), (560, 100), (2176, 128), (4608, 512))
ROUNDS = 5
SECONDS_BEFORE_ONE_ROUND_IS_ENOUGH = 2.0


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


def cpu_seconds(function, *arguments) -> tuple[float, dict]:
    """Least CPU time of some rounds; one round when it takes long."""
    times, result = [], {}
    while len(times) < ROUNDS and (not times or times[-1] < SECONDS_BEFORE_ONE_ROUND_IS_ENOUGH):
        begin = time.process_time()
        result = function(*arguments)
        times.append(time.process_time() - begin)
    return min(times), result


def main(sizes: tuple[tuple[int, int], ...]) -> None:
    print("N x K, CPU s of the port, of phonoscope, ratio, largest difference of a measure")
    for n, k in sizes:
        dictionary = np.random.default_rng(0).standard_normal((n, k))
        dictionary_measures(dictionary)
        ours, found = cpu_seconds(dictionary_measures, dictionary)
        theirs, expected = cpu_seconds(port, dictionary)
        found = {**found, "babel": found["babel"][-1]}
        worst = max(abs(found[name] - value) for name, value in expected.items())
        print(f"{n} x {k}: {theirs:.4f}  {ours:.5f}  {theirs / ours:.0f}x  {worst:.1e}", flush=True)


if __name__ == "__main__":
    given = [int(value) for value in sys.argv[1:]]
    main(tuple(zip(given[::2], given[1::2], strict=True)) or SIZES)
