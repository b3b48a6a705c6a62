"""Time per token of `token_formants` against calling Praat (parselmouth) once a token, side by side on the same tokens.

Run: ``python -m benchmarks.formants [rounds]``; needs the extra ``praat``. The real tokens are those of
``benchmarks.tokens``.
"""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from benchmarks.measure import Bar, Measurement, alone, alternately, compared, require
from benchmarks.tokens import real_tokens

SAMPLE_RATE = 22050
POSITIONS = (0.2, 0.5, 0.8)
CONTEXT = 0.05  # s of sound before and after each real token
WHAT = "F0, F1–F4 at three places"
REAL = f"{WHAT}, real tokens"
BARS = {what: Bar(3.0, peer="Praat, one by one") for what in (WHAT, REAL)}


def praat(
    sounds: list[np.ndarray], ceilings: np.ndarray, sample_rate: int = SAMPLE_RATE, context: float = 0.0
) -> np.ndarray:
    """F1 to F4 and F0 at the three positions with one Burg and one pitch analysis a token, array (token, 15)."""
    import parselmouth

    rows = []
    for samples, ceiling in zip(sounds, ceilings, strict=True):
        sound = parselmouth.Sound(samples.astype(np.float64), sample_rate)
        track, contour = sound.to_formant_burg(maximum_formant=ceiling), sound.to_pitch_ac()
        times = [context + share * (samples.size / sample_rate - 2 * context) for share in POSITIONS]
        row = [track.get_value_at_time(k, at) for at in times for k in (1, 2, 3, 4)]
        rows.append(row + [contour.get_value_at_time(at) for at in times])
    return np.array(rows)


def measure(rounds: int) -> Iterator[Measurement]:
    """600 synthetic vowels of 30 talkers; both errors against the planted F1 to F3 are told."""
    require("parselmouth", "praat", "praat-parselmouth")
    from phonoscope.phonetics.ceilings import ceiling_for
    from phonoscope.phonetics.formants import token_formants
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
    yield _of_real_tokens(rounds)


def _of_real_tokens(rounds: int) -> Measurement:
    """Both on the same vowels of recordings; how far they are apart at 50 % is told."""
    from phonoscope.audio import audio_info, cut
    from phonoscope.phonetics.ceilings import ceiling_for
    from phonoscope.phonetics.formants import token_formants

    corpora, told = [], []
    with tempfile.TemporaryDirectory() as folder:
        for name, table in real_tokens(Path(folder)).items():
            sounds, kept = cut(table, context_seconds=CONTEXT)
            first = kept.iloc[0]
            rate = audio_info(Path(kept.attrs["roots"][first["corpus"]]) / first["recording"]).sample_rate
            corpora.append((sounds, np.array([ceiling_for(sex) for sex in kept["sex"]]), rate))
            told.append(f"{len(kept)} of {name}")

    def ours():
        return [token_formants(s, rate, ceiling=ceilings, context=CONTEXT) for s, ceilings, rate in corpora]

    def theirs():
        return [praat(s, ceilings, rate, CONTEXT) for s, ceilings, rate in corpora]

    spent = alternately(rounds, ours, theirs).T
    apart = []
    for k in (1, 2, 3):
        pairs = [(one[f"f{k}_50"].to_numpy(), other[:, 3 + k]) for one, other in zip(ours(), theirs(), strict=True)]
        apart.append(100 * np.nanmedian(np.abs(np.concatenate([one / other - 1 for one, other in pairs]))))
    note = "a token; {}; apart by {:.2f}, {:.2f}, {:.2f} % (F1, F2, F3)".format(", ".join(told), *apart)
    return compared(REAL, *spent, per=sum(len(one[0]) for one in corpora), note=note)


if __name__ == "__main__":
    alone(BARS, measure)
