"""Response spectra and Wigner–Ville distributions against plain NumPy ports of their formulas, one clip at a time.

The ports of response spectra work in single precision, as we do. Beside them stands one whose filter spectra are in
double precision, as in the published code: NumPy before 2.0 gave every Fourier transform in double precision.

Run: ``python -m benchmarks.filters [rounds]``.
"""

import tracemalloc
from collections.abc import Iterator

import numpy as np

from benchmarks.measure import Bar, Measurement, alone, alternately, compared
from phonoscope.filters import Branch, FilterBank, contours, mean_response, response_spectrum

SAMPLE_RATE = 16_000
N_FFT = 1024
LAYERS = {  # name: (filters, taps, hop)
    "80 × 300, hop 10": (80, 300, 10),
    "80 × 30, hop 10": (80, 30, 10),
    "80 × 500, hop 10": (80, 500, 10),
    "16 × 7, hop 1": (16, 7, 1),
}
CLIPS = 10
FEW_CLIPS, MANY_CLIPS = 100, 1000
MEMORY = "memory, mean CRS of 1000 clips, hop 1"
WIGNER = "Wigner–Ville, 80 filters of 500 taps"
DOUBLE = "spectra in double"
BARS = (
    {f"STRS, {name}": Bar(1.8, peer="the port") for name in LAYERS}
    | {f"mean CRS, {name}": Bar(2.0, peer="the port") for name in LAYERS}
    | {f"STRS, {name}, {DOUBLE}": Bar(1.8, peer="the port") for name in LAYERS}
    | {f"mean CRS, {name}, {DOUBLE}": Bar(2.0, peer="the port") for name in LAYERS}
    | {MEMORY: Bar(1.1, at_least=False, peer=f"that of {FEW_CLIPS} clips"), WIGNER: Bar(1.0, peer="the port")}
)


def ported_strs(weights: np.ndarray, waveform: np.ndarray, hop: int, double: bool = False) -> np.ndarray:
    """Eq. 1 as written: responses at every hop, spectra of the filters, the magnitude of their products' sum."""
    taps = weights.shape[1]
    frames = np.lib.stride_tricks.sliding_window_view(np.pad(waveform, (0, taps - 1)), taps)[::hop]
    responses = weights @ frames.T
    spectra = np.fft.rfft(weights.astype(np.float64) if double else weights, N_FFT, axis=1).T
    return np.abs(spectra @ responses)


def ported_mean_crs(weights: np.ndarray, waveforms: list[np.ndarray], hop: int, double: bool = False) -> np.ndarray:
    """Eq. 2 of every clip, and their mean."""
    return np.mean([ported_strs(weights, wave, hop, double).mean(axis=1) for wave in waveforms], axis=0)


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


def clips(rng: np.random.Generator, n: int) -> Iterator[np.ndarray]:
    """Clips of one second, each made when it is asked for."""
    for _ in range(n):
        yield rng.standard_normal(SAMPLE_RATE).astype(np.float32)


def peak_mebibytes(bank: FilterBank, n: int) -> float:
    """Most memory that Python and NumPy held at once during the mean over `n` clips."""
    tracemalloc.start()
    mean_response(bank, clips(np.random.default_rng(0), n), SAMPLE_RATE, n_fft=N_FFT)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak / 2**20


def measure(rounds: int) -> Iterator[Measurement]:
    """Uniform random weights; the ports work in single precision, as we do, and so are fast."""
    rng = np.random.default_rng(0)
    batch = list(clips(rng, CLIPS))
    wave = batch[0]
    banks = {}
    for name, (filters, taps, hop) in LAYERS.items():
        weights = rng.uniform(-(taps**-0.5), taps**-0.5, (filters, taps)).astype(np.float32)
        bank = banks[name] = bank_like_the_port(weights, hop)
        ours = response_spectrum(bank, wave, SAMPLE_RATE, n_fft=N_FFT).values
        error = np.abs(ours - ported_strs(weights, wave, hop)).max() / ours.max()
        strs, port, port_double = alternately(
            3 * rounds,
            lambda b=bank: response_spectrum(b, wave, SAMPLE_RATE, n_fft=N_FFT),
            lambda w=weights, h=hop: ported_strs(w, wave, h),
            lambda w=weights, h=hop: ported_strs(w, wave, h, double=True),
            repeats=5,
        ).T
        yield compared(f"STRS, {name}", strs, port, note=f"differ by {error:.0e}")
        yield compared(f"STRS, {name}, {DOUBLE}", strs, port_double)
        crs, port, port_double = alternately(
            rounds,
            lambda b=bank: mean_response(b, batch, SAMPLE_RATE, n_fft=N_FFT),
            lambda w=weights, h=hop: ported_mean_crs(w, batch, h),
            lambda w=weights, h=hop: ported_mean_crs(w, batch, h, double=True),
        ).T
        yield compared(f"mean CRS, {name}", crs, port, per=CLIPS, note="a clip")
        yield compared(f"mean CRS, {name}, {DOUBLE}", crs, port_double, per=CLIPS, note="a clip")
    few, many = (peak_mebibytes(banks["16 × 7, hop 1"], n) for n in (FEW_CLIPS, MANY_CLIPS))
    yield Measurement(MEMORY, many, few, "MiB", (many / few,), "ours / ours; once")
    rows = rng.standard_normal((80, 500)).astype(np.float32)
    bank = bank_like_the_port(rows, 10)
    ours_spent, port = alternately(rounds, lambda: contours(bank), lambda: [ported_wigner(row) for row in rows]).T
    yield compared(WIGNER, ours_spent, port, note="ours with contours")


if __name__ == "__main__":
    alone(BARS, measure)
