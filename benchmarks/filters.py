"""Response spectra and Wigner–Ville distributions against plain NumPy ports of their formulas, one clip at a time.

The ports of response spectra work in single precision, as we do. Beside them stands one whose filter spectra are in
double precision, as in the published code: NumPy before 2.0 gave every Fourier transform in double precision.

Run: ``python -m benchmarks.filters [rounds]``.
"""

import tracemalloc
from collections.abc import Iterator
from functools import partial

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
BARS = {
    f"{kind}, {name}{ending}": Bar(limit, peer="the port")
    for kind, limit in (("STRS", 1.8), ("mean CRS", 2.0))
    for ending in ("", f", {DOUBLE}")
    for name in LAYERS
}
BARS |= {MEMORY: Bar(1.1, at_least=False, peer=f"that of {FEW_CLIPS} clips"), WIGNER: Bar(1.0, peer="the port")}


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
    banks, known = {}, {"sample_rate": SAMPLE_RATE, "n_fft": N_FFT}
    for name, (filters, taps, hop) in LAYERS.items():
        weights = rng.uniform(-(taps**-0.5), taps**-0.5, (filters, taps)).astype(np.float32)
        bank = banks[name] = bank_like_the_port(weights, hop)
        ours = response_spectrum(bank, wave, **known).values
        error = np.abs(ours - ported_strs(weights, wave, hop)).max() / ours.max()
        # ours, and the port with either precision of its spectra
        spectrum, mean = partial(response_spectrum, bank, wave, **known), partial(mean_response, bank, batch, **known)
        ports = [partial(ported_strs, weights, wave, hop, double) for double in (False, True)]
        strs, *of_ports = alternately(3 * rounds, spectrum, *ports, repeats=5).T
        yield compared(f"STRS, {name}", strs, of_ports[0], note=f"differ by {error:.0e}")
        yield compared(f"STRS, {name}, {DOUBLE}", strs, of_ports[1])
        ports = [partial(ported_mean_crs, weights, batch, hop, double) for double in (False, True)]
        crs, *of_ports = alternately(rounds, mean, *ports).T
        for what, of_port in zip((f"mean CRS, {name}", f"mean CRS, {name}, {DOUBLE}"), of_ports, strict=True):
            yield compared(what, crs, of_port, per=CLIPS, note="a clip")
    few, many = (peak_mebibytes(banks["16 × 7, hop 1"], n) for n in (FEW_CLIPS, MANY_CLIPS))
    yield Measurement(MEMORY, many, few, "MiB", (many / few,), "ours / ours; once")
    rows = rng.standard_normal((80, 500)).astype(np.float32)
    bank = bank_like_the_port(rows, 10)
    spent = alternately(rounds, lambda: contours(bank), lambda: [ported_wigner(row) for row in rows]).T
    yield compared(WIGNER, *spent, note="ours with contours")


if __name__ == "__main__":
    alone(BARS, measure)
