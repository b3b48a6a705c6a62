"""The cue benchmark in small: listeners whose rule is known, talkers who differ in one cue, a network taught by one."""

import json

import numpy as np
import pandas as pd
import pytest

import phonoscope as ps
from phonoscope.perception import planted_cues
from phonoscope.perception.planted_cues import LISTENER, NETWORK, PlantedSizes, missed_bars, spoken_stimuli
from phonoscope.perception.planted_talkers import LABELS, PLANTED, SAMPLE_RATE, draw_tokens, own_values, usual

SIZES = PlantedSizes(tokens=6, trained=0)


@pytest.fixture(scope="module")
def found():
    pytest.importorskip("parselmouth", reason="the extra praat is not installed: F0 and duration cannot be moved")
    return planted_cues.run_planted_cues(SIZES)


def test_the_one_cue_that_counts_weighs_ten_times_as_much_as_any_other(found):
    weights, cases = found
    single = cases[cases["ratio"].isna()].set_index("planted")
    assert list(single.index) == list(PLANTED)
    assert (single["times"].drop("hnr") >= 10).all(), single["times"]
    own = weights[weights["planted"] == weights["cue"]].set_index("cue")
    assert (own["weight"] / own["truth"]).to_numpy() == pytest.approx(1.0, abs=0.15)  # six tokens
    assert (weights.loc[weights["planted"] != weights["cue"], "truth"] == 0).sum() == 9 * 8 + 3 * 7


def test_two_cues_are_found_in_their_ratio(found):
    pairs = found[1][found[1]["ratio"].notna()].set_index("planted")
    assert list(pairs.index) == ["f2 + f3", "f0 + duration", "level + f1"]
    assert pairs["ratio"].to_numpy() == pytest.approx(2.0, rel=0.1)
    assert missed_bars(found[1]) == []


def test_bars_that_are_missed_are_told(found):
    cases = found[1].assign(kind=LISTENER)
    cases.loc[cases["planted"].isin(PLANTED[:4]), "times"] = 9.0
    cases.loc[cases["planted"] == "f2 + f3", "ratio"] = 2.6
    told = missed_bars(cases)
    assert len(told) == 2
    assert "cues of 6" in told[0]
    assert "f2 + f3 is found as 2.60 : 1" in told[1]
    assert missed_bars(cases, NETWORK)  # there is none among them


def test_talkers_differ_in_the_planted_cue_alone():
    tokens = draw_tokens(200, 3)
    values = own_values(tokens)
    assert {"duration", "tilt", "high_band"} <= set(values)
    scaled = (tokens.values - tokens.values.mean(axis=0)) / tokens.values.std(axis=0)
    spoken = np.array(tokens.classes({"f2": 4.0})) == LABELS[1]
    apart = scaled[spoken].mean(axis=0) - scaled[~spoken].mean(axis=0)
    assert apart[PLANTED.index("f2")] > 1.3
    drawn_alone = [PLANTED.index(cue) for cue in ("f1", "f3", "f0", "duration", "level")]
    assert np.abs(apart[drawn_alone]).max() < 0.4
    lengths = np.array([len(sound) for sound in tokens.sounds]) / SAMPLE_RATE
    assert lengths == pytest.approx(values["duration"], abs=1 / SAMPLE_RATE)
    level = np.array([10 * np.log10(np.mean(sound.astype(float) ** 2)) for sound in tokens.sounds])
    assert level == pytest.approx(values["level"], abs=1e-3)


def test_a_token_spoken_with_another_level_is_the_same_token_louder():
    tokens = draw_tokens(4, 5)
    said = spoken_stimuli(tokens, ("level",))
    assert len(said.sounds) == len(said.table) == 12
    low, still, high = said.sounds[0], said.sounds[4], said.sounds[8]
    assert np.array_equal(still, tokens.sounds[0])
    gain = 10 ** (usual("level")[1] / 20)
    assert high == pytest.approx(gain * still, rel=1e-4, abs=1e-6)
    assert low == pytest.approx(still / gain, rel=1e-4, abs=1e-6)
    assert said.table["achieved"].sub(said.table["before"]).round(6).unique().tolist() == [-3.0, 0.0, 3.0]


def test_networks_are_asked_with_sounds_moved_and_spoken(monkeypatch):
    """In place of a training, models that hear the level, and a little of nothing else."""

    def loudness(sounds):
        return np.stack([np.zeros(len(sounds)), [2 * np.log(np.mean(np.square(sound))) for sound in sounds]], axis=1)

    taught = []

    def learn(_corpus, odds, epochs, seed, _inputs):
        taught.append((dict(odds), epochs, seed))
        return ps.wrap(loudness, SAMPLE_RATE, labels=LABELS)

    monkeypatch.setattr(planted_cues, "learn", learn)
    sizes = PlantedSizes(tokens=4, trained=8, epochs=5, trainings=2)
    weights, cases = planted_cues.run_planted_cues(sizes, cues=("level", "high_band"))
    assert taught == [({cue: 4.0}, 5, seed) for cue in ("level", "high_band") for seed in (0, 1)]
    network = cases[cases["kind"] == NETWORK].set_index("planted")
    assert network.loc["level", "times"] > 100
    assert network.loc["level", "times_spoken"] > 100
    assert network.loc["high_band", "times"] < 0.01  # taught one thing, it does another
    assert network.loc["level", "follows"] > 0.99
    assert abs(network.loc["high_band", "follows"]) < 0.3
    assert set(network["trainings"]) == {2}
    own = weights[(weights["kind"] == NETWORK) & (weights["cue"] == "level")]
    assert own["spoken"].to_numpy() == pytest.approx(own["weight"].to_numpy(), rel=0.01)
    assert own["weight"].to_numpy() == pytest.approx(2 * np.log(10) / 10 * own["spread"].to_numpy(), rel=0.01)


def test_the_command_writes_tables_and_checks_bars(found, phonoscope, tmp_path, monkeypatch):
    weights, cases = found
    asked = []

    def run(sizes, progress):
        asked.append(sizes)
        return weights, cases

    monkeypatch.setattr(planted_cues, "run_planted_cues", run)
    answer = phonoscope("bench", "cues", "--quick", "--out", tmp_path / "out", "--check", "--json")
    assert answer.status == 0, answer.err
    assert asked[0].trained == 0
    assert len(answer.json["cases"]) == 12
    assert json.dumps(answer.json)
    stored = pd.read_csv(tmp_path / "out" / "planted-cues.csv")
    assert stored["planted"].tolist() == cases["planted"].tolist()
    assert len(pd.read_csv(tmp_path / "out" / "planted-weights.csv")) == len(weights)
    cases = cases.assign(times=1.0)
    assert phonoscope("bench", "cues", "--check").status == 1
    assert asked[1].trained > 0
    assert "f2 + f3" in phonoscope("bench", "cues", "--quick").out
