import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import lfilter, resample_poly

from phonoscope.phonetics.candidates import candidate_formants, choose, settled, track_cost
from phonoscope.phonetics.ceilings import LADDER_HZ, FormantSettings
from phonoscope.phonetics.formants import token_formants

VOWELS = {"a": (700, 1150, 2450), "e": (500, 1800, 2500), "u": (380, 900, 2300), "i": (330, 2200, 2950)}
TRACT = {"m": 1.0, "f": 1.12, "c": 1.3, "young": 1.6}  # of a man's formants
F0 = {"m": (90, 110, 140), "f": (170, 200, 230), "c": (230, 260, 300), "young": (280, 310, 340)}
CONTEXT = 0.05
OVERSAMPLED = {8000: 6, 16000: 3, 44100: 1}


def spoken(lowest, scale, f0, rate, seconds=0.2):
    """A vowel whose resonances are known: falling F0, F4 at 3500 Hz times the scale and one more every 1000 Hz."""
    fast = rate * OVERSAMPLED[rate]
    n = round((seconds + 2 * CONTEXT) * rate) * OVERSAMPLED[rate]
    phase = np.cumsum(f0 * np.linspace(1.05, 0.95, n)) / fast
    x = np.zeros(n)
    x[np.flatnonzero(np.diff(np.floor(phase)))] = 1
    glottal = np.exp(-2 * np.pi * 100 / fast)
    x = lfilter([1], [1, -2 * glottal, glottal**2], x)
    resonances = np.array([*lowest, *np.arange(3500, fast / 2 / scale - 1000, 1000)]) * scale
    for hertz in resonances:
        r = np.exp(-np.pi * (50 + 0.03 * hertz) / fast)
        a = [1, -2 * r * np.cos(2 * np.pi * hertz / fast), r * r]
        x = lfilter([sum(a)], a, x)
    sound = resample_poly(np.diff(x, prepend=0), 1, OVERSAMPLED[rate])
    return (sound / np.abs(sound).max()).astype(np.float32), resonances[:3]


def tokens_of(who, rate, pitches=None):
    made = [spoken(lowest, TRACT[who], f0, rate) for lowest in VOWELS.values() for f0 in pitches or F0[who]]
    sounds, truth = zip(*made, strict=True)
    sex = who if who in "mfc" else "c"
    tokens = pd.DataFrame({"token": [f"{who}{i}" for i in range(len(made))], "sex": sex, "speaker": who})
    return tokens, list(sounds), np.array(truth)


def measured(tokens, sounds, rate, **given):
    chosen = FormantSettings.of(given)
    rows = candidate_formants(tokens, sounds, np.full(len(sounds), float(rate)), CONTEXT, chosen)
    rows["speaker"] = rows["token"].map(tokens.set_index("token")["speaker"])
    return settled(rows, chosen)


def errors(table, truth):
    return np.stack([np.abs(table[f"f{k}_50"] / truth[:, k - 1] - 1) for k in (1, 2, 3)], axis=1)


@pytest.mark.parametrize("rate", [8000, 16000, 44100])
@pytest.mark.parametrize("who", ["m", "f", "c"])
def test_planted_formants_are_found_at_every_rate(who, rate):
    tokens, sounds, truth = tokens_of(who, rate)
    table, _ = measured(tokens, sounds, rate)
    off = errors(table, truth)
    f0 = np.tile(F0[who], len(VOWELS))
    assert (off[:, 0] * truth[:, 0] < f0 / 3).all(), "linear prediction leans towards a harmonic"
    assert (off[:, 1] < 0.03).all()
    within = truth[:, 2] < 0.9 * rate / 2
    assert within.sum() >= 9
    assert (off[within, 2] < 0.03).all()


@pytest.mark.parametrize("who", ["m", "f", "c"])
def test_of_a_low_voice_the_first_formant_is_right_too(who):
    tokens, sounds, truth = tokens_of(who, 16000, pitches=(80, 90, 100))
    table, _ = measured(tokens, sounds, 16000)
    assert (np.median(errors(table, truth), axis=0) < 0.03).all()


@pytest.mark.parametrize("ceiling", ["per-token", "per-speaker"])
@pytest.mark.parametrize(("who", "usual"), [("m", 5500), ("young", 5000)])
def test_the_ladder_beats_a_ceiling_for_everyone(who, usual, ceiling):
    tokens, sounds, truth = tokens_of(who, 16000)
    fixed, nothing = measured(tokens, sounds, 16000, ceiling=usual)
    found, candidates = measured(tokens, sounds, 16000, ceiling=ceiling)
    assert nothing is None
    assert np.mean(errors(found, truth)[:, 1:] < 0.03) > 0.9
    assert np.mean(errors(found, truth)[:, 1:]) < 0.4 * np.nanmean(errors(fixed, truth)[:, 1:])
    assert len(candidates) == len(LADDER_HZ) * len(tokens)
    assert candidates.groupby("token")["chosen"].sum().eq(1).all()
    if ceiling == "per-speaker":
        assert len(set(found["ceiling"])) == 1


def test_the_ladder_beats_the_usual_ceiling_for_young_children_in_noise():
    tokens, sounds, truth = tokens_of("young", 16000)
    rng = np.random.default_rng(0)
    noisy = [sound + 0.1 * sound.std() * rng.standard_normal(sound.size) for sound in sounds]
    fixed, found = (measured(tokens, noisy, 16000, ceiling=each)[0] for each in (5500, "per-token"))
    assert np.nanmean(errors(found, truth)) < 0.75 * np.nanmean(errors(fixed, truth))


def test_each_candidate_is_the_measurement_with_its_ceiling():
    tokens, sounds, _ = tokens_of("f", 16000)
    _, candidates = measured(tokens, sounds, 16000, ceiling="per-token", positions="0.25,0.5")
    for hertz in (LADDER_HZ[0], LADDER_HZ[5]):
        alone = token_formants(sounds, 16000, ceiling=hertz, positions=(0.25, 0.5), context=CONTEXT)
        rows = candidates[candidates["ceiling"] == hertz].reset_index(drop=True)
        for name in ("f1_25", "f2_50", "b3_50", "f0_25"):
            np.testing.assert_allclose(rows[name], alone[name], rtol=1e-9)


def test_recordings_of_several_rates_are_each_measured_at_their_own():
    narrow, wide = tokens_of("m", 8000), tokens_of("m", 16000)
    tokens = pd.concat([narrow[0].assign(speaker="narrow"), wide[0]], ignore_index=True)
    tokens["token"] = [str(i) for i in range(len(tokens))]
    rates = np.repeat([8000.0, 16000.0], len(narrow[1]))
    together, _ = settled(
        candidate_formants(tokens, narrow[1] + wide[1], rates, CONTEXT, FormantSettings()), FormantSettings()
    )
    apart = [measured(part[0], part[1], rate)[0] for part, rate in ((narrow, 8000), (wide, 16000))]
    expected = pd.concat(apart, ignore_index=True)
    pd.testing.assert_frame_equal(together.drop(columns="token"), expected[together.columns].drop(columns="token"))
    assert set(together["formants_below"]) == {4, 5}
    assert together["ceiling_from"].tolist()[0] == "sex, cut to the recording"


def test_what_is_set_is_used_and_told():
    tokens, sounds, _ = tokens_of("f", 16000)
    tokens["ceiling"] = np.where(tokens.index < 2, "4900", None)
    tokens["age"] = np.where(tokens.index < 4, "5", "30")
    table, _ = measured(tokens, sounds, 16000, formants=4)
    assert table["ceiling"].tolist()[:5] == [4900, 4900, 8000, 8000, 5500]
    assert table["ceiling_from"].tolist()[:5] == ["table of speakers"] * 2 + ["age"] * 2 + ["sex"]
    assert set(table["formants_below"]) == {4}


def test_a_correction_goes_before_the_ladder_and_leaves_its_candidates():
    tokens, sounds, _ = tokens_of("m", 16000)
    chosen = FormantSettings(ceiling="per-token")
    corrected = pd.DataFrame(
        {"ceiling": [LADDER_HZ[9], 5123.0], "ceiling_from": "correction", "f2_50": [1234.0, np.nan]},
        index=pd.Index(["m0", "m1"]),
    )
    rows = candidate_formants(tokens, sounds, np.full(len(sounds), 16000.0), CONTEXT, chosen, corrected=corrected)
    table, candidates = settled(rows, chosen, corrected)
    plain, before = settled(candidate_formants(tokens, sounds, np.full(len(sounds), 16000.0), CONTEXT, chosen), chosen)
    table, plain = table.set_index("token"), plain.set_index("token")
    assert table.loc["m0", ["ceiling", "ceiling_from", "f2_50", "corrected"]].tolist() == [
        LADDER_HZ[9], "correction", 1234.0, "f2_50",
    ]  # fmt: skip
    assert table.loc["m1", "ceiling"] == 5123
    same = table.index[2:]
    pd.testing.assert_frame_equal(table.loc[same, plain.columns], plain.loc[same])
    assert len(candidates) == len(before) + 1, "the ceiling that is not on the ladder"
    proposed = candidates[candidates["proposed"] == 1]["ceiling"].tolist()
    assert proposed == before[before["chosen"] == 1]["ceiling"].tolist()
    assert candidates.groupby("token")["chosen"].sum().eq(1).all()


@settings(max_examples=40, deadline=None)
@given(
    level=st.floats(1.1, 2.0),
    slope=st.floats(-0.3, 0.3),
    jitter=st.floats(0.05, 0.5),
    factor=st.floats(0.5, 2.0),
    seed=st.integers(0, 10**6),
)
def test_rough_tracks_cost_more_than_smooth_ones_at_any_height(level, slope, jitter, factor, seed):
    time = np.cos(np.linspace(0, np.pi, 13))
    smooth = np.exp(np.log([500.0, 1500.0, 2500.0]) + level * 0.1 * slope * time[:, None])[None]
    noise = np.exp(jitter * np.random.default_rng(seed).standard_normal(smooth.shape))
    width = np.full(smooth.shape, 100.0)
    assert track_cost(smooth * noise, width) > track_cost(smooth, width)
    np.testing.assert_allclose(track_cost(smooth * factor, width), track_cost(smooth, width), atol=1e-9)
    assert track_cost(smooth, width * 2) > track_cost(smooth, width)


def test_tracks_with_holes_cost_more_and_those_without_a_formant_cannot_be_judged():
    tracks = np.tile([500.0, 1500.0, 2500.0], (3, 13, 1))
    tracks[1, ::2, 2] = np.nan
    tracks[2, :, 1] = np.nan
    cost = track_cost(tracks, np.where(np.isnan(tracks), np.nan, 100.0))
    assert cost[1] > cost[0]
    assert np.isnan(cost[2])


def test_a_speaker_gets_the_rung_of_least_mean_cost_and_strangers_their_own():
    rows = pd.DataFrame(
        {
            "token": ["a", "a", "b", "b", "c", "c"],
            "speaker": ["s", "s", "s", "s", None, None],
            "ceiling": [LADDER_HZ[0], LADDER_HZ[1]] * 3,
            "ceiling_from": "ladder",
            "cost": [1.0, 1.5, 3.0, 1.0, 0.1, 2.0],
        }
    )
    assert choose(rows, FormantSettings(ceiling="per-token")).tolist() == [True, False, False, True, True, False]
    assert choose(rows, FormantSettings(ceiling="per-speaker")).tolist() == [False, True, False, True, True, False]
