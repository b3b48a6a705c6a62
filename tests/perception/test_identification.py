"""Curves, slopes, boundaries and weights of a listener whose rule is known."""

import numpy as np
import pytest
from scipy.special import expit, log_softmax
from tests.perception.listeners import LABELS, answered, presented

from phonoscope.errors import PerceptionError
from phonoscope.judgement.claims import CONTRADICTED, SUPPORTED
from phonoscope.perception import Trials, boundaries, cue_weights, fit_psychometric, identification_curves, slopes
from phonoscope.perception.curves import log_odds
from phonoscope.perception.logistic import logistic_lines
from phonoscope.perception.trials import calibrated
from phonoscope.perception.weights import weight_ratio
from phonoscope.scales import hz_to_bark


@pytest.fixture(scope="module")
def table():
    return presented()


@pytest.fixture(scope="module")
def by_f2(table):
    return answered(table, {"i": {"f2": 2.0}, "ɑ": {"f1": 1.0}}, trainings=2, noise=0.3)


def row_of(frame, **wanted):
    found = frame.loc[np.logical_and.reduce([frame[name] == value for name, value in wanted.items()])]
    assert len(found) == 1
    return found.iloc[0]


def test_slopes_are_those_of_the_rule_and_zero_elsewhere(by_f2):
    found = slopes(by_f2)
    assert row_of(found, **{"class": "i", "cue": "f2", "against": "u"})["slope"] == pytest.approx(2.0)
    assert row_of(found, **{"class": "u", "cue": "f2", "against": "i"})["slope"] == pytest.approx(-2.0)
    assert row_of(found, **{"class": "ɑ", "cue": "f1", "against": "u"})["slope"] == pytest.approx(1.0)
    none = found[found["cue"].isin(["f3", "f0", "level"])]
    assert np.abs(none["slope"]).max() < 1e-9
    assert set(none["verdict"]) == {CONTRADICTED}
    assert set(found["unit"]) == {"logit/Bark", "logit/semitone", "logit/dB"}
    assert len(found) == 3 * 5 * 2  # every class, cue and other class


def test_slopes_rest_on_what_was_achieved(table):
    halved = table.assign(f2=table["before"].where(table["cue"] == "f2", table["f2"]) +
                          np.where(table["cue"] == "f2", table["step"] / 2, 0.0))  # fmt: skip
    halved["achieved"] = halved["f2"].where(halved["cue"] == "f2", halved["achieved"])
    found = slopes(answered(halved, {"i": {"f2": 2.0}}))
    assert row_of(found, **{"class": "i", "cue": "f2", "against": "u"})["slope"] == pytest.approx(2.0)


def test_a_slope_no_larger_than_its_sham_is_not_heard(table, by_f2):
    def judged(shams):
        marked = Trials(shams.table.assign(pattern=shams.table["token"] % 2), LABELS, shams.log_p)
        return row_of(slopes(by_f2, shams=marked), **{"class": "i", "cue": "f2", "against": "u"})

    deaf = by_f2.answered_by(np.full_like(by_f2.log_p, np.log(1 / 3)))
    assert judged(deaf)["sham"] == 0.0
    assert judged(deaf)["verdict"] == SUPPORTED
    assert judged(by_f2)["sham"] == pytest.approx(judged(by_f2)["slope"])
    assert judged(answered(table, {"i": {"f2": 2.2}}))["verdict"] == CONTRADICTED
    assert judged(answered(table, {"i": {"f2": -2.5}}))["verdict"] == CONTRADICTED


def test_stimuli_that_missed_are_left_out_and_counted(by_f2):
    wild = by_f2.table["step"].eq(600.0) & by_f2.table["cue"].eq("f2")
    spoilt = Trials(by_f2.table.assign(missed=wild, achieved=by_f2.table["achieved"].where(~wild, 9000.0)), LABELS,
                    by_f2.log_p)  # fmt: skip
    found = slopes(spoilt)
    assert row_of(found, **{"class": "i", "cue": "f2", "against": "u"})["slope"] == pytest.approx(2.0)
    curve = identification_curves(spoilt)
    last = row_of(curve, **{"class": "i", "cue": "f2", "step": 600.0, "label": "i"})
    assert (last["n"], last["missed"]) == (0, 12)
    assert np.isnan(last["share"])


def test_controls_stand_beside_each_slope(table, by_f2):
    twin = answered(table, {"i": {"f2": 1.5}})
    found = slopes(by_f2, {"linear": twin})
    assert row_of(found, **{"class": "i", "cue": "f2", "against": "u"})["linear"] == pytest.approx(1.5)


def test_curves_count_answers(by_f2):
    curve = identification_curves(by_f2)
    sums = curve.groupby(["class", "cue", "step"])["share"].sum()
    assert np.allclose(sums, 1.0)
    shares = curve[(curve["class"] == "u") & (curve["cue"] == "f2") & (curve["label"] == "u")]["share"]
    assert shares.is_monotonic_decreasing
    assert shares.iloc[0] == 1.0
    assert shares.iloc[-1] < 0.5
    of_end = by_f2.of("f2", "u").where(by_f2.of("f2", "u").table["step"] == 600.0)
    assert shares.iloc[-1] == (of_end.answers == 1).mean()


def test_log_odds_are_exact_where_probabilities_round_to_one():
    log_p = np.log([[1 - 2e-20, 1e-20, 1e-20]])
    assert log_odds(log_p)[0, 0] == pytest.approx(-np.log(2e-20))


def test_the_boundary_lies_where_two_answers_are_equally_likely(table):
    # i against u by F2 alone: as likely as each other at 1500 Hz.
    found = boundaries(answered(table, {"i": {"f2": 2.0}}))
    for spoken, against in (("u", "i"),):
        hz = row_of(found, **{"class": spoken, "cue": "f2", "against": against, "unit": "Hz"})
        bark = row_of(found, **{"class": spoken, "cue": "f2", "against": against, "measure": "f2", "unit": "Bark"})
        assert bark["boundary"] == pytest.approx(hz_to_bark(1500.0), abs=1e-4)
        assert hz["boundary"] == pytest.approx(1500.0, rel=0.02)
        assert bark["low"] <= bark["boundary"] <= bark["high"]
    none = row_of(found, **{"class": "u", "cue": "level", "against": "ɑ"})
    assert np.isnan(none["boundary"])
    assert none["why_not"]
    assert {"f3-f2", "f1-f0"} <= set(found["measure"])


def test_a_rule_in_bark_differences_has_its_boundary_there(table):
    spread = answered(table, {"i": {"f2": 2.0, "f3": -2.0}})
    middle = float(hz_to_bark(2600.0) - hz_to_bark(1500.0))
    found = row_of(boundaries(spread), **{"class": "u", "cue": "f2", "against": "i", "measure": "f3-f2"})
    assert found["boundary"] == pytest.approx(middle, abs=1e-3)


def test_weights_find_two_cues_and_their_ratio_despite_crosstalk():
    dragged = presented(crosstalk=0.2)
    spread = {"f2": 2.0, "f1": -1.0}
    found = cue_weights(answered(dragged, {"i": spread, "u": {"f2": -2.0, "f1": 1.0}, "ɑ": {}}, noise=0.5))
    # Against all others the log odds are no longer linear, but the ratio of two cues stays.
    per_unit = found[found["class"] == "i"].set_index("cue")["per_unit"]
    assert per_unit["f2"] / -per_unit["f1"] == pytest.approx(2.0, rel=0.2)
    weights = found[found["class"] == "i"].set_index("cue")["weight"].abs()
    assert weights["f2"] > 10 * max(weights["f3"], weights["f0"], weights["level"])
    assert found.groupby("class")["share"].sum().round(9).eq(1).all()


def test_controls_stand_beside_each_weight(table, by_f2):
    twin, deaf = answered(table, {"i": {"f2": 1.5}}), by_f2.answered_by(np.full_like(by_f2.log_p, np.log(1 / 3)))
    found = cue_weights(by_f2, {"random": deaf, "linear": twin})
    alone = cue_weights(twin)
    assert found["linear"].to_numpy() == pytest.approx(alone["weight"].to_numpy())
    assert np.abs(found["random"]).max() < 1e-12
    assert found["weight"].to_numpy() == pytest.approx(cue_weights(by_f2)["weight"].to_numpy())


def test_errors_of_measuring_are_no_moves(table):
    """Where nothing is moved, measures are noisy: that may neither weaken a cue nor give weight to another."""
    rng = np.random.default_rng(0)
    trials = answered(table, {"u": {"f2": -2.0}}, noise=0.0)
    noisy = table.copy()
    for cue in ("f2", "f3"):
        off = np.where(table["cue"] == cue, 0.0, rng.normal(0, 150, len(table)))
        noisy[cue] = table[cue] + off
    found = cue_weights(Trials(noisy, LABELS, trials.log_p)).query("`class` == 'u'").set_index("cue")
    clean = cue_weights(trials).query("`class` == 'u'").set_index("cue")
    assert found["weight"]["f2"] == pytest.approx(clean["weight"]["f2"], rel=0.1)
    assert found["weight"].drop("f2").abs().max() < 0.1 * abs(found["weight"]["f2"])


def test_a_lost_f0_is_no_move(table):
    """Octave errors where F0 was not moved, and values that are missing, count as the recorded value."""
    trials = answered(table, {"i": {"f0": 0.5}, "u": {"f0": -0.5}})
    spoilt = table.copy()
    other = np.flatnonzero(table["cue"] == "level")
    spoilt.loc[table.index[other[::7]], "f0"] *= 2
    spoilt.loc[table.index[other[3::7]], "f0"] = np.nan
    found = cue_weights(Trials(spoilt, LABELS, trials.log_p)).query("`class` == 'i'")
    clean = cue_weights(trials).query("`class` == 'i'")
    assert found["weight"].to_numpy() == pytest.approx(clean["weight"].to_numpy(), abs=1e-9)


def test_a_tracker_that_is_drawn_aside_makes_no_cue(table):
    """Where only the level or F0 was moved, a formant is where it was, whatever a tracker says; not if F1 was."""
    trials = answered(table, {"i": {"f2": 2.0}, "u": {"f2": -2.0}})
    drawn = table.copy()
    drawn["f2"] += np.where(table["cue"].isin(["level", "f0"]), 8.0 * table["step"], 0.0)
    found = cue_weights(Trials(drawn, LABELS, trials.log_p)).query("`class` == 'i'").set_index("cue")["weight"]
    assert found.drop("f2").abs().max() < 1e-9 * abs(found["f2"])
    dragged = presented(crosstalk=0.2)  # F2 drags F1 along
    found = cue_weights(answered(dragged, {"u": {"f1": 2.0}})).query("`class` == 'u'").set_index("cue")["weight"]
    assert abs(found["f2"]) < 0.1 * abs(found["f1"])


def test_a_token_in_which_a_cue_is_never_measured_moves_no_weight(table):
    voiceless = table.assign(f0=table["f0"].where(table["token"] > 1))
    of_f0 = (table["cue"] == "f0") & (table["token"] <= 1)
    voiceless.loc[of_f0, ["before", "achieved"]] = np.nan
    found = cue_weights(answered(voiceless, {"i": {"f2": 2.0}}))
    assert np.isfinite(found["weight"]).all()
    assert row_of(found, **{"class": "i", "cue": "f2"})["per_unit"] == pytest.approx(2.0)
    assert abs(row_of(found, **{"class": "i", "cue": "f0"})["per_unit"]) < 0.05


def test_the_ratio_of_two_weights_has_an_interval():
    rule = {"i": {"f2": 2.0, "f1": 1.0}, "u": {"f2": -2.0, "f1": -1.0}}
    trials = answered(presented(), rule, trainings=2)
    trials = trials.where(trials.table["class"] == "i")
    ratio, low, high = weight_ratio(trials, "i", "f2", "f1")
    assert ratio == pytest.approx(2.0, rel=0.05)
    assert low <= ratio <= high
    opposed = answered(presented(), {"i": {"f2": 2.0, "f1": -1.0}})
    assert np.isnan(weight_ratio(opposed, "i", "f2", "f1")).all()


def test_weights_need_cues_that_move(by_f2):
    still = by_f2.of("level")
    still = Trials(still.table.assign(achieved=60.0, level=60.0), LABELS, still.log_p)
    with pytest.raises(PerceptionError, match="cannot be told apart"):
        cue_weights(still)


def test_intervals_of_weights_cover():
    """Tokens that differ in how much they hear: the interval of the mean weight covers it, nineteen times in twenty."""
    table, hits = presented(tokens=8, cues=("f1", "f2")), 0
    of_token = table["token"].to_numpy() - 1
    scaled = hz_to_bark(table["f2"].to_numpy())
    rng = np.random.default_rng(1)
    for _ in range(120):
        log_p = np.zeros((1, len(table), 3))
        log_p[0, :, 0] = rng.normal(1.0, 0.5, table["token"].nunique())[of_token] * scaled
        trials = Trials(table, LABELS, log_p - np.logaddexp.reduce(log_p, axis=-1, keepdims=True))
        row = slopes(trials.of("f2", "i")).query("against == 'u'").iloc[0]
        hits += row["low"] <= 1.0 <= row["high"]
    assert 105 <= hits <= 120


def test_logistic_lines_find_the_rule_for_many_weightings():
    x = np.linspace(-2, 3, 40)
    shares = expit(0.7 - 1.3 * x)
    intercept, slope = logistic_lines(x, np.stack([shares, shares]), np.random.default_rng(0).uniform(1, 2, (5, 1, 40)))
    assert intercept.shape == (5, 2)
    assert np.allclose(intercept, 0.7, atol=1e-5)
    assert np.allclose(slope, -1.3, atol=1e-5)


def test_a_step_has_a_boundary_and_a_steep_but_finite_slope():
    x = np.linspace(0, 10, 11)
    intercept, slope = logistic_lines(x, (x > 4.5).astype(float), np.ones(11))
    assert np.isfinite(slope)
    assert slope > 5
    assert -intercept / slope == pytest.approx(4.5, abs=0.05)


def test_a_psychometric_function_with_slips_is_recovered():
    x, asked = np.linspace(-3, 3, 9), np.full(9, 400)
    share = 0.04 + 0.92 * expit(1.5 * (x - 0.4))
    found = fit_psychometric(x, np.round(share * asked), asked)
    assert found.boundary == pytest.approx(0.4, abs=0.03)
    assert found.slope == pytest.approx(1.5, rel=0.05)
    assert found.lapse == pytest.approx(0.08, abs=0.015)
    assert found(np.array([found.boundary]))[0] == pytest.approx(0.5)


def test_answers_of_another_shape_are_refused(table):
    with pytest.raises(PerceptionError, match="expected"):
        Trials(table, LABELS, np.zeros((1, 3, 3)))


def test_a_model_that_is_too_sure_is_calibrated(table):
    rng = np.random.default_rng(0)
    honest = answered(table, {"i": {"f2": 0.6}, "ɑ": {"f1": 0.8}})
    still = table["step"].to_numpy() == 0
    classes = [rng.choice(LABELS, p=p) for p in np.exp(honest.log_p[0])]
    spoken = Trials(table.assign(**{"class": np.where(still, classes, table["class"])}), LABELS, honest.log_p)
    sure = spoken.answered_by(log_softmax(30 * spoken.log_p, axis=-1))
    found = calibrated(sure).log_p[0, :, 0] - calibrated(sure).log_p[0, :, 1]
    wanted = honest.log_p[0, :, 0] - honest.log_p[0, :, 1]
    assert found == pytest.approx(wanted * (found @ wanted) / (wanted @ wanted))
    assert (found @ wanted) / (wanted @ wanted) == pytest.approx(1.0, abs=0.35)
