"""Recordings of two syllables on a background, whose properties are known because they were put there."""

import numpy as np

RATE = 8000.0


def recording(
    seed=0, *, level=0.05, floor_db=-40.0, slope=0.0, lead=0.15, trail=0.15, pause=0.1, spoken=0.18, hum_db=None,
    offset=0.0,
):  # fmt: skip
    """Two syllables of a buzz with formant-like colour, on noise of a slope in dB an octave."""
    rng = np.random.default_rng(seed)
    pitch = rng.uniform(100, 180)

    def syllable():
        t = np.arange(round(spoken * RATE)) / RATE
        voice = sum(np.sin(2 * np.pi * pitch * k * t + k) / (1 + ((pitch * k - 600) / 500) ** 2) for k in range(1, 20))
        ramp = np.minimum(1, np.minimum(t, t[::-1]) / 0.02)
        return voice * ramp / np.sqrt(np.mean((voice * ramp) ** 2))

    gaps = [np.zeros(round(each * RATE)) for each in (lead, pause, trail)]
    sound = np.concatenate([gaps[0], syllable(), gaps[1], syllable(), gaps[2]])
    hertz = np.fft.rfftfreq(len(sound), 1 / RATE)
    colour = 10 ** (slope * np.log2(np.maximum(hertz, 100) / 1000) / 20)
    noise = np.fft.irfft(np.fft.rfft(rng.standard_normal(len(sound))) * colour, len(sound))
    sound = sound + 10 ** (floor_db / 20) * noise / np.sqrt(np.mean(noise**2))
    if hum_db is not None:
        t = np.arange(len(sound)) / RATE
        sound = sound + 10 ** (hum_db / 20) * np.sqrt(2) * np.sin(2 * np.pi * 50 * t + rng.uniform(0, 6))
    return level * (sound + offset)
