"""Time per token of `token_formants` against calling Praat (parselmouth) once a token, side by side on the same tokens.

Run: ``python benchmarks/formants.py [rounds]``; needs the extra ``praat``.
"""

import sys
import time

import numpy as np
import parselmouth

from phonoscope.phonetics.formants import ceiling_for, token_formants
from phonoscope.synthesis.corpus import synthesise_tokens

SAMPLE_RATE = 22050
POSITIONS = (0.2, 0.5, 0.8)


def praat(sounds: list[np.ndarray], ceilings: np.ndarray) -> np.ndarray:
    """F1 to F4 and F0 at the three positions with one Burg and one pitch analysis a token, array (token, 15)."""
    rows = []
    for samples, ceiling in zip(sounds, ceilings, strict=True):
        sound = parselmouth.Sound(samples.astype(np.float64), SAMPLE_RATE)
        track, contour = sound.to_formant_burg(maximum_formant=ceiling), sound.to_pitch_ac()
        times = [share * samples.size / SAMPLE_RATE for share in POSITIONS]
        row = [track.get_value_at_time(k, at) for at in times for k in (1, 2, 3, 4)]
        rows.append(row + [contour.get_value_at_time(at) for at in times])
    return np.array(rows)


def main(rounds: int = 5) -> None:
    sounds, table = synthesise_tokens(30, repeats=4, seed=0)
    ceilings = np.array([ceiling_for(sex) for sex in table["sex"]])
    token_formants(sounds[:10], SAMPLE_RATE, ceiling=ceilings[:10])
    praat(sounds[:10], ceilings[:10])
    ours, theirs = [], []
    for _ in range(rounds):  # alternating, so that both meet the same load of the machine
        begin = time.perf_counter()
        found = token_formants(sounds, SAMPLE_RATE, ceiling=ceilings)
        ours.append(time.perf_counter() - begin)
        begin = time.perf_counter()
        reference = praat(sounds, ceilings)
        theirs.append(time.perf_counter() - begin)
    per_token = 1000 / len(sounds)
    ratios = np.array(theirs) / np.array(ours)
    print(f"{len(sounds)} tokens, F0 and F1-F4 at three positions, {rounds} rounds")
    print(f"phonoscope  {np.median(ours) * per_token:.3f} ms a token (best {min(ours) * per_token:.3f})")
    print(f"parselmouth {np.median(theirs) * per_token:.3f} ms a token (best {min(theirs) * per_token:.3f})")
    print(f"ratio parselmouth / phonoscope: median {np.median(ratios):.2f}, {ratios.min():.2f} to {ratios.max():.2f}")
    for k in (1, 2, 3, 4):
        truth = table[f"true_f{k}_50"].to_numpy()
        errors = [np.nanmedian(np.abs(x / truth - 1)) * 100 for x in (found[f"f{k}_50"], reference[:, 3 + k])]
        print(
            f"F{k} at 50 %, median error against the planted value: {errors[0]:.2f} % ours, {errors[1]:.2f} % Praat's"
        )


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
