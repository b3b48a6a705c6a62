"""Response spectra and Wigner–Ville distributions against plain NumPy ports, one clip at a time, on one core.

Run: ``OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 python benchmarks/filters.py [rounds] [clips]``.
"""

import resource
import sys
import time
from collections.abc import Callable, Iterator

import numpy as np

from phonoscope.filters import Branch, FilterBank, contours, cumulative_response, mean_response, response_spectrum

SAMPLE_RATE = 16_000
N_FFT = 1024
LAYERS = {  # name: (filters, taps, hop)
    "segmental 80 × 300, hop 10": (80, 300, 10),
    "sub-segmental 80 × 30, hop 10": (80, 30, 10),
    "80 × 500, hop 10": (80, 500, 10),
    "TSSDNet 16 × 7, hop 1": (16, 7, 1),
}


def ported_strs(weights: np.ndarray, waveform: np.ndarray, hop: int) -> np.ndarray:
    """Eq. 1 as written: responses at every hop, spectra of the filters, the magnitude of their products' sum."""
    taps = weights.shape[1]
    frames = np.lib.stride_tricks.sliding_window_view(np.pad(waveform, (0, taps - 1)), taps)[::hop]
    responses = weights @ frames.T
    spectra = np.fft.rfft(weights, N_FFT, axis=1).T
    return np.abs(spectra @ responses)


def ported_wigner(row: np.ndarray, points: int = 512) -> np.ndarray:
    """Wigner–Ville distribution by its definition, a loop over time."""
    from scipy.signal import hilbert

    z = hilbert(row)
    plane = np.empty((len(z), points))
    for n in range(len(z)):
        reach = min(n, len(z) - 1 - n, points // 2 - 1)
        lags = np.arange(-reach, reach + 1)
        products = np.zeros(points, dtype=complex)
        products[lags % points] = z[n + lags] * z[n - lags].conj()
        plane[n] = np.fft.fft(products).real
    return plane


def bank_like_the_port(weights: np.ndarray, hop: int) -> FilterBank:
    return FilterBank([Branch(weights, hop, padding=(0, weights.shape[1] - 1))], SAMPLE_RATE)


def alternately(rounds: int, *functions: Callable[[], object]) -> list[float]:
    """Median CPU seconds of each function, called in turn so that all meet the same load of the machine."""
    spent: list[list[float]] = [[] for _ in functions]
    for function in functions:
        function()
    for _ in range(rounds):
        for times, function in zip(spent, functions, strict=True):
            begin = time.process_time()
            function()
            times.append(time.process_time() - begin)
    return [float(np.median(times)) for times in spent]


def speech_like(rng: np.random.Generator, n: int) -> Iterator[np.ndarray]:
    for _ in range(n):
        yield rng.standard_normal(SAMPLE_RATE).astype(np.float32)


def main(rounds: int = 15, clips: int = 1000) -> None:
    rng = np.random.default_rng(0)
    wave = next(speech_like(rng, 1))
    print(f"NumPy {np.__version__}, one second at {SAMPLE_RATE} Hz, {N_FFT} points, median of {rounds} rounds (CPU)")
    for name, (filters, taps, hop) in LAYERS.items():
        weights = rng.uniform(-(taps**-0.5), taps**-0.5, (filters, taps)).astype(np.float32)
        bank = bank_like_the_port(weights, hop)
        ours = response_spectrum(bank, wave, SAMPLE_RATE, n_fft=N_FFT).values
        error = np.abs(ours - ported_strs(weights, wave, hop)).max() / ours.max()
        double = weights.astype(np.float64), wave.astype(np.float64)
        port, port_double, strs = alternately(
            rounds,
            lambda w=weights, h=hop: ported_strs(w, wave, h),
            lambda d=double, h=hop: ported_strs(*d, h),
            lambda b=bank: response_spectrum(b, wave, SAMPLE_RATE, n_fft=N_FFT),
        )
        batch = [wave] * 10
        port_crs, crs = alternately(
            max(3, rounds // 3),
            lambda w=weights, h=hop, b=batch: [ported_strs(w, one, h).mean(axis=1) for one in b],
            lambda b=bank, c=batch: cumulative_response(b, c, SAMPLE_RATE, n_fft=N_FFT),
        )
        print(
            f"{name}: STRS {1e3 * port:.2f} ms the port ({1e3 * port_double:.2f} in double precision), "
            f"{1e3 * strs:.2f} ms ours: {port / strs:.2f} × ({port_double / strs:.2f} ×); "
            f"CRS {1e2 * port_crs:.2f} and {1e2 * crs:.2f} ms a clip: {port_crs / crs:.2f} ×; differ by {error:.0e}"
        )
    for name in ("sub-segmental 80 × 30, hop 10", "TSSDNet 16 × 7, hop 1"):
        filters, taps, hop = LAYERS[name]
        bank = bank_like_the_port(rng.standard_normal((filters, taps)).astype(np.float32), hop)
        mean_response(bank, speech_like(rng, 10), SAMPLE_RATE, n_fft=N_FFT)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        begin = time.process_time()
        mean_response(bank, speech_like(rng, clips), SAMPLE_RATE, n_fft=N_FFT)
        spent, grown = time.process_time() - begin, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
        print(f"{name}: mean CRS of {clips} clips {spent:.1f} s, memory grew by {grown / 1024:.1f} MiB")
    rows = rng.standard_normal((80, 500)).astype(np.float32)
    bank = bank_like_the_port(rows, 10)
    port, ours = alternately(3, lambda: [ported_wigner(row) for row in rows], lambda: contours(bank))
    print(f"80 filters of 500 taps: Wigner–Ville {port:.2f} s the port; {ours:.2f} s ours, with contours")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
