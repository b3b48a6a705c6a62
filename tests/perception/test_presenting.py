"""Stimuli and shams of synthetic vowels, asked of a listener that hears F2 alone."""

import numpy as np
import pandas as pd
import pytest
from scipy.special import log_softmax

from phonoscope.errors import PerceptionError
from phonoscope.perception import Trials, slopes
from phonoscope.perception.presenting import Continuum, present
from phonoscope.synthesis.source_filter import voice

RATE, CONTEXT = 16000, 0.05


def vowels(count=6, seed=0):
    """Tokens of /i/ and /ɛ/ with sound on either side, of one voice."""
    rng = np.random.default_rng(seed)
    middle = {"i": [300, 2250, 2950], "ɛ": [560, 1750, 2550]}
    names = [name for name in middle for _ in range(count)]
    above = [3600, 4500, 5500, 6500, 7500]
    hertz = np.array([rng.normal(1, 0.02, 3) * middle[name] for name in names])
    frequencies = np.repeat(np.concatenate([hertz, np.tile(above, (len(names), 1))], axis=1)[:, None], 3, axis=1)
    waves = voice(
        rng.normal(130, 8, (len(names), 1)).repeat(3, axis=1),
        frequencies, np.full_like(frequencies, 80.0), np.full(len(names), 0.25), RATE, rng,
    )  # fmt: skip
    tokens = pd.DataFrame({"token": [f"t{i}" for i in range(len(names))], "class": names, "speaker": None,
                           "recording": [f"r{i}" for i in range(len(names))]})  # fmt: skip
    return tokens, [(0.1 * wave).astype(np.float32) for wave in waves]


def levels(sounds):
    """Pictures: dB of the mean spectrum in 32 bands of equal width."""
    power = [np.abs(np.fft.rfft(sound * np.hanning(len(sound)), 2400)[:1200]) ** 2 for sound in sounds]
    return 10 * np.log10(np.stack(power).reshape(len(sounds), 40, 30).mean(axis=2)[:, :32] + 1e-6)


@pytest.fixture(scope="module")
def presented():
    tokens, waveforms = vowels()
    continua = [Continuum("f2", (-160.0, -80.0, 0.0, 80.0, 160.0)), Continuum("level", (-6.0, 0.0, 6.0))]
    return present(tokens, waveforms, RATE, continua, context=CONTEXT, pictures=levels)


def test_every_token_is_moved_along_every_cue(presented):
    table = presented.table
    assert len(table) == len(presented.sounds)
    own = table[~table["sham"]]
    assert own.groupby(["class", "cue", "step"]).size().eq(6).all()
    assert len(own) == 12 * (5 + 3)
    assert {len(sound) for sound in presented.sounds} == {round(0.15 * RATE)}
    moved = own[own["cue"] == "f2"]
    assert np.median(np.abs(moved["achieved"] - moved["before"] - moved["step"])) < 15
    assert moved["missed"].mean() < 0.15


def test_shams_are_as_large_as_what_they_stand_for(presented):
    table = presented.table.reset_index(drop=True)
    keys = ["token", "cue", "step"]
    shams = table[table["sham"]].set_index(keys)
    pictures = pd.DataFrame(levels(presented.sounds))
    rows = pd.Series(np.arange(len(table)), index=pd.MultiIndex.from_frame(table[[*keys, "sham"]]))
    changes = []
    for token, cue, step in shams.index[shams.index.get_level_values("step") != 0][:40]:
        base = pictures.iloc[rows[(token, cue, 0.0, False)]]
        size = [np.sqrt(((pictures.iloc[rows[(token, cue, step, sham)]] - base) ** 2).mean()) for sham in (False, True)]
        changes.append(size[1] / size[0])
    assert np.median(changes) == pytest.approx(1.0, abs=0.1)


def test_a_listener_to_f2_is_found_beside_its_shams(presented):
    """Its answers come from the second formant that an independent eye reads off the table."""
    table = presented.table
    z = np.zeros((1, len(table), 2))
    z[0, :, 0] = (table["f2"].fillna(2000.0) - 2000.0) / 150.0
    trials = Trials(table, ["i", "ɛ"], log_softmax(z, axis=-1))
    found = slopes(trials.where(~table["sham"]), shams=trials.where(table["sham"]))
    f2 = found[found["cue"] == "f2"].set_index("class")
    assert f2.loc["i", "slope"] > 5 * f2.loc["i", "sham"]
    assert set(f2["verdict"]) == {"supported"}
    assert "supported" not in set(found.loc[found["cue"] == "level", "verdict"])


def test_what_cannot_be_presented_is_refused():
    tokens, waveforms = vowels(1)
    with pytest.raises(PerceptionError, match="at least two steps"):
        present(tokens, waveforms, RATE, [Continuum("f2", (100.0,))], context=CONTEXT)
    with pytest.raises(PerceptionError, match="no token"):
        present(tokens[:0], [], RATE, [Continuum("f2")], context=CONTEXT)


def test_what_is_not_moved_is_its_own_sham(presented):
    table = presented.table.reset_index(drop=True)
    still = table[(table["step"] == 0) & ~table["missed"]]
    stimulus = still[~still["sham"]].set_index(["token", "cue"])
    for place, row in still[still["sham"]].iterrows():
        own = stimulus.loc[(row["token"], row["cue"])]
        assert row["f1"] == own["f1"]
        at = np.flatnonzero((table["token"] == row["token"]) & (table["cue"] == row["cue"])
                            & (table["step"] == 0) & ~table["sham"])[0]  # fmt: skip
        assert np.array_equal(presented.sounds[place], presented.sounds[at])
