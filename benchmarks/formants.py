"""Time per token of `token_formants` against calling Praat (parselmouth) once a token, side by side on the same tokens.

Run: ``python -m benchmarks.formants [rounds]``; needs the extra ``praat``.
"""

from collections.abc import Iterator

import numpy as np

from benchmarks.measure import Bar, LackingError, Measurement, alone, alternately, compared

SAMPLE_RATE = 22050
POSITIONS = (0.2, 0.5, 0.8)
WHAT = "F0, F1–F4 at three places"
BARS = {WHAT: Bar(3.0, peer="Praat, one by one")}


def praat(sounds: list[np.ndarray], ceilings: np.ndarray) -> np.ndarray:
    """F1 to F4 and F0 at the three positions with one Burg and one pitch analysis a token, array (token, 15)."""
    import parselmouth

    rows = []
    for samples, ceiling in zip(sounds, ceilings, strict=True):
        sound = parselmouth.Sound(samples.astype(np.float64), SAMPLE_RATE)
        track, contour = sound.to_formant_burg(maximum_formant=ceiling), sound.to_pitch_ac()
        times = [share * samples.size / SAMPLE_RATE for share in POSITIONS]
        row = [track.get_value_at_time(k, at) for at in times for k in (1, 2, 3, 4)]
        rows.append(row + [contour.get_value_at_time(at) for at in times])
    return np.array(rows)


def measure(rounds: int) -> Iterator[Measurement]:
    """600 synthetic vowels of 30 talkers; both errors against the planted F1 to F3 are told."""
    try:
        import parselmouth  # noqa: F401
    except ImportError as error:
        raise LackingError("praat-parselmouth is not installed (extra praat)") from error
    from phonoscope.phonetics.formants import ceiling_for, token_formants
    from phonoscope.synthesis.corpus import synthesise_tokens

    sounds, table = synthesise_tokens(30, repeats=4, seed=0)
    ceilings = np.array([ceiling_for(sex) for sex in table["sex"]])
    ours, theirs = alternately(
        rounds, lambda: token_formants(sounds, SAMPLE_RATE, ceiling=ceilings), lambda: praat(sounds, ceilings)
    ).T
    found, reference = token_formants(sounds, SAMPLE_RATE, ceiling=ceilings), praat(sounds, ceilings)
    errors = []
    for k in (1, 2, 3):
        truth = table[f"true_f{k}_50"].to_numpy()
        pair = [100 * np.nanmedian(np.abs(x / truth - 1)) for x in (found[f"f{k}_50"], reference[:, 3 + k])]
        errors.append("F{} {:.1f} and {:.1f} %".format(k, *pair))
    yield compared(WHAT, ours, theirs, per=len(sounds), note=f"a token; off by {', '.join(errors)}")


if __name__ == "__main__":
    alone(BARS, measure)
