"""Our front end, in batches, against short-time Fourier transforms token by token.

Run: ``python -m benchmarks.spectrogram [rounds]``.
"""

from collections.abc import Iterator

import numpy as np

from benchmarks.measure import Bar, Measurement, alone, alternately, compared

SAMPLE_RATE = 16_000
WINDOW = 128  # 8 ms
BATCH = 64
PICTURES = {(64, 32): 512, (224, 224): 128}  # rows and columns: number of tokens
PEERS = ("scipy", "torch.stft")
BARS = {
    f"spectrogram {rows} × {columns}, {peer}": Bar(3.0, peer=f"{peer}, one by one")
    for rows, columns in PICTURES
    for peer in PEERS
}


def tokens(count: int) -> list[np.ndarray]:
    """Noise that lasts as long as vowels do in running speech, 50 to 300 ms."""
    rng = np.random.default_rng(0)
    lengths = np.exp(rng.uniform(np.log(0.05), np.log(0.3), count)) * SAMPLE_RATE
    return [(0.1 * rng.standard_normal(int(length))).astype(np.float32) for length in lengths]


def hop(wave: np.ndarray, columns: int) -> int:
    return max(1, (wave.size - WINDOW) // (columns - 1))


def measure(rounds: int) -> Iterator[Measurement]:
    """Power in dB at about as many rows and columns.

    The peers need not place the frames exactly, pre-emphasise or resize, which is to their advantage. No side keeps its
    pictures: a network would have had them.
    """
    import torch
    from scipy.signal import get_window, spectrogram

    from phonoscope.frontends import Spectrogram, pad_waveforms

    for (rows, columns), count in PICTURES.items():
        waves = tokens(count)
        front = Spectrogram(SAMPLE_RATE, rows=rows, columns=columns)
        n_fft = max(WINDOW, 2 * rows)
        hann, window = get_window("hann", WINDOW), torch.hann_window(WINDOW)

        def ours(waves=waves, front=front):
            with torch.no_grad():
                for k in range(0, len(waves), BATCH):
                    front(*pad_waveforms(waves[k : k + BATCH]))

        def by_scipy(waves=waves, columns=columns, n_fft=n_fft, hann=hann):
            for wave in waves:
                overlap = WINDOW - hop(wave, columns)
                power = spectrogram(wave, SAMPLE_RATE, hann, WINDOW, overlap, n_fft, detrend=False)[2]
                10 * np.log10(power / power.max() + 1e-6)

        def by_torch(waves=waves, columns=columns, n_fft=n_fft, window=window):
            with torch.no_grad():
                for wave in waves:
                    step = hop(wave, columns)
                    sound = torch.from_numpy(wave)
                    complex_ = torch.stft(sound, n_fft, step, WINDOW, window, center=False, return_complex=True)
                    power = complex_.abs().square()
                    10 * torch.log10(power / power.max() + 1e-6)

        spent = alternately(rounds, ours, by_scipy, by_torch)
        for column, peer in enumerate(PEERS, start=1):
            what = f"spectrogram {rows} × {columns}, {peer}"
            yield compared(what, spent[:, 0], spent[:, column], per=count, note="a token")


if __name__ == "__main__":
    alone(BARS, measure)
