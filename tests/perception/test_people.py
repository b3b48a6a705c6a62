"""Simulated participants: their boundaries and slopes are found, intervals cover, and networks stand beside them."""

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit, log_expit
from tests.perception.people import LABELS, answers_of, stimuli_of

from phonoscope.errors import PerceptionError
from phonoscope.judgement.claims import CONTRADICTED, OPEN, SUPPORTED
from phonoscope.perception import (
    Trials,
    beside_listeners,
    boundaries,
    fit_psychometric,
    listener_curves,
    listener_shares,
)
from phonoscope.perception.listening_tests import listening_stimuli
from phonoscope.scales import bark_to_hz, hz_to_bark


@pytest.fixture(scope="module")
def stimuli():
    return listening_stimuli(stimuli_of(), 16000)[0]


def of_all(curves, **wanted):
    rows = curves[curves["participant"].isna()]
    for name, value in wanted.items():
        rows = rows[rows[name] == value]
    assert len(rows) == 1
    return rows.iloc[0]


def network_of(stimuli, boundary=1600.0, slope=-0.01, noise=0.0, seed=0):
    """What a network answers that has this boundary: one recording a token, ten tokens a stimulus."""
    rng = np.random.default_rng(seed)
    table = pd.concat([stimuli.assign(token=stimuli["token"] + f"-{n}", recording=stimuli["token"] + f"-{n}")
                       for n in range(4)], ignore_index=True).assign(missed=False)  # fmt: skip
    own = noise * rng.normal(size=table["token"].nunique())[pd.factorize(table["token"])[0]]
    odds = slope * (table["achieved"].to_numpy() - boundary - own)
    return Trials(table, LABELS, np.stack([log_expit(-odds), log_expit(odds)], axis=-1)[None])


def test_a_fit_to_shares_themselves_is_exact():
    """With as many answers as the curve says, the most probable curve is the curve: no noise, hardly any prior."""
    x, asked = np.linspace(-2, 3, 11), np.full(11, 1e7)
    found = fit_psychometric(x, asked * (0.03 + 0.94 * expit(-2.0 * (x - 0.7))), asked)
    assert found.boundary == pytest.approx(0.7, abs=1e-3)
    assert found.slope == pytest.approx(-2.0, rel=1e-3)
    assert found.lapse == pytest.approx(0.06, abs=1e-4)


def test_a_fit_is_where_no_other_curve_is_more_probable():
    x, asked = np.linspace(-3, 3, 9), np.full(9, 100.0)
    y = np.round(asked * (0.06 + 0.88 * expit(2.5 * (x + 0.3))))
    found = fit_psychometric(x, y, asked)

    def log_posterior(boundary, slope, lapse):
        p = lapse / 2 + (1 - lapse) * expit(slope * (x - boundary))
        wide = (slope * x.std() / 20) ** 2 / 2
        return (y * np.log(p) + (asked - y) * np.log1p(-p)).sum() + 9 * np.log1p(-lapse) - wide

    best = log_posterior(*found)
    for away in ((0.02, 0, 0), (-0.02, 0, 0), (0, 0.05, 0), (0, -0.05, 0), (0, 0, 0.01), (0, 0, -0.01)):
        assert log_posterior(*(np.array(found) + away)) < best


def test_many_slips_around_a_steep_curve_are_not_taken_for_a_flat_one():
    x, asked = np.linspace(-3, 3, 31), np.full(31, 10.0)
    found = fit_psychometric(x, np.round(asked * (0.1 + 0.8 * expit(15 * (x - 1.3)))), asked)
    assert found.boundary == pytest.approx(1.3, abs=0.05)
    assert found.slope > 5
    assert found.lapse == pytest.approx(0.2, abs=0.03)


def test_fits_are_those_of_psignifit():
    """Its prior of the slope is another one, so sharply peaked data are chosen, where priors matter little."""
    psignifit = pytest.importorskip("psignifit", reason="psignifit is not installed: nothing to compare with")
    x, asked = np.linspace(-3, 3, 9), np.full(9, 60)
    answered = np.random.default_rng(0).binomial(asked, 0.02 + 0.96 * expit(1.5 * (x - 0.4)))
    theirs = psignifit.psignifit(
        np.stack([x, answered, asked], axis=1), experiment_type="equal asymptote", sigmoid="logistic",
        estimate_type="MAP",
    ).parameter_estimate  # fmt: skip
    found = fit_psychometric(x, answered, asked)
    assert found.boundary == pytest.approx(theirs["threshold"], abs=0.01)
    assert 2 * np.log(19) / found.slope == pytest.approx(theirs["width"], rel=0.01)  # from 5 to 95 %
    assert found.lapse / 2 == pytest.approx(theirs["lambda"], abs=0.002)


def test_a_clean_step_lies_between_its_stimuli():
    x = 1000 + 100 * np.arange(10.0)
    found = fit_psychometric(x, (x > 1450).astype(float), np.ones(10))
    assert found.boundary == pytest.approx(1450, abs=5)
    assert 0.02 < found.slope < 1.0
    assert np.isnan(fit_psychometric(x, np.zeros(10), np.zeros(10)).boundary)


def test_boundary_slope_and_slips_of_simulated_listeners_are_found(stimuli):
    curves = listener_curves(answers_of(stimuli, boundary=1620.0, slope=-0.01, participants=12, repeats=10, lapse=0.06))
    row = of_all(curves, against="i", unit="Hz")
    assert row["boundary"] == pytest.approx(1620.0, abs=20)
    assert row["logits_per_unit"] == pytest.approx(-0.01, rel=0.2)
    assert row["lapse"] == pytest.approx(0.06, abs=0.04)
    assert row["low"] < row["boundary"] < row["high"]
    assert row["logits_low"] < row["logits_per_unit"] < row["logits_high"] < 0
    assert (row["n_units"], row["unit_of_interval"], row["n"]) == (12, "participant", 12 * 10 * 21)
    bark = of_all(curves, against="i", measure="f2", unit="Bark")
    assert bark_to_hz(bark["boundary"]) == pytest.approx(1620.0, abs=20)
    assert of_all(curves, measure="f3-f2")["boundary"] == pytest.approx(
        float(hz_to_bark(2500.0) - hz_to_bark(1620.0)), abs=0.15
    )
    own = curves[curves["participant"].notna() & (curves["unit"] == "Hz")]
    assert len(own) == 12
    assert own["boundary"].median() == pytest.approx(1620.0, abs=40)
    assert own["low"].isna().all()


def test_how_much_participants_differ_is_told(stimuli):
    same = of_all(listener_curves(answers_of(stimuli, repeats=8, slope=-0.02)), unit="Hz")
    wide = of_all(listener_curves(answers_of(stimuli, repeats=8, slope=-0.02, spread=150.0)), unit="Hz")
    assert same["spread"] < 40
    assert 80 < wide["spread"] < 250
    assert abs(wide["logits_per_unit"]) < abs(same["logits_per_unit"])
    assert wide["high"] - wide["low"] > 2 * (same["high"] - same["low"])


def test_intervals_of_boundaries_cover():
    """Participants who differ: the interval holds the boundary of all of them nineteen times in twenty."""
    stimuli, runs = listening_stimuli(stimuli_of(cues=("level",)), 16000)[0], 20
    hits = 0
    for seed in range(runs):
        answers = answers_of(stimuli, 60.0, -1.5, participants=7, repeats=1, spread=1.2, seed=seed)
        row = of_all(listener_curves(answers))
        hits += row["low"] <= 60.0 <= row["high"]
    assert hits >= 17  # fewer by chance in 3 of 1000


def test_few_participants_have_no_interval_and_no_verdict(stimuli):
    curves = listener_curves(answers_of(stimuli, participants=4))
    row = of_all(curves, unit="Hz")
    assert np.isfinite(row["boundary"])
    assert np.isnan(row["low"])
    found = beside_listeners(boundaries(network_of(stimuli)), curves)
    assert set(found["verdict"]) == {OPEN}


def test_where_there_is_no_boundary_it_is_said_why(stimuli):
    answers = answers_of(stimuli, boundary=5000.0)
    row = of_all(listener_curves(answers), unit="Hz")
    assert np.isnan(row["boundary"])
    assert row["why_not"]
    three = listener_curves(answers_of(stimuli), labels=["i", "u", "ɑ"])
    assert of_all(three, against="ɑ", unit="Hz")["why_not"] == "one of the two labels was never given"


def test_shares_of_answers_count(stimuli):
    answers = answers_of(stimuli, participants=8)
    shares = listener_shares(answers)
    assert np.allclose(shares.groupby("step")["share"].sum(), 1)
    at = answers["step"].min()
    first = shares[(shares["step"] == at) & (shares["label"] == "u")].iloc[0]
    own = answers[answers["step"] == at]
    assert first["share"] == pytest.approx((own["answer"] == "u").mean())
    assert first["n"] == len(own)
    assert first["low"] < first["share"] < first["high"]


def test_shams_are_no_part_of_the_curves(stimuli):
    answers = answers_of(stimuli)
    labels = answers.attrs["labels"]
    spoilt = pd.concat([answers.assign(sham=False), answers.assign(sham=True, answer="i")], ignore_index=True)
    found = of_all(listener_curves(spoilt, labels), unit="Hz")
    assert found["boundary"] == of_all(listener_curves(answers), unit="Hz")["boundary"]


@pytest.mark.parametrize(("boundary", "verdict"), [(1600.0, SUPPORTED), (1900.0, CONTRADICTED)])
def test_a_network_is_laid_beside_people(stimuli, boundary, verdict):
    people = listener_curves(answers_of(stimuli, participants=10, repeats=8, spread=20.0))
    found = beside_listeners(boundaries(network_of(stimuli, boundary, noise=20.0)), people)
    hz = found[found["unit"] == "Hz"].iloc[0]
    assert hz["difference"] == pytest.approx(boundary - 1600.0, abs=40)
    assert hz["low"] < hz["difference"] < hz["high"]
    assert hz["difference"] == pytest.approx(hz["network"] - hz["people"])
    bark = found[(found["unit"] == "Bark") & (found["measure"] == "f2")].iloc[0]
    assert bark["same_within"] == pytest.approx(0.56)
    assert hz["same_within"] == pytest.approx(bark_to_hz(hz_to_bark(hz["people"]) + 0.56) - hz["people"])
    assert {hz["verdict"], bark["verdict"]} == {verdict}


@pytest.mark.parametrize(("slope", "verdict"), [(-0.011, SUPPORTED), (-0.05, CONTRADICTED), (0.01, CONTRADICTED)])
def test_slopes_are_compared_by_their_ratio(stimuli, slope, verdict):
    people = listener_curves(answers_of(stimuli, participants=10, repeats=8))
    found = beside_listeners(boundaries(network_of(stimuli, slope=slope, noise=4.0)), people)
    row = found[found["unit"] == "Hz"].iloc[0]
    assert row["slope_verdict"] == verdict
    assert row["slope_difference"] == pytest.approx(row["network_slope"] - row["people_slope"])


def test_what_one_of_them_lacks_is_said(stimuli):
    people = listener_curves(answers_of(stimuli))
    found = beside_listeners(boundaries(network_of(stimuli, boundary=5000.0)), people)
    assert set(found["verdict"]) == {OPEN}
    assert found["why_not"].str.startswith("network: ").all()
    assert np.isfinite(found["people"]).all()
    with pytest.raises(PerceptionError, match="nothing to compare"):
        beside_listeners(boundaries(network_of(stimuli)).assign(cue="f9"), people)
    with pytest.raises(PerceptionError, match="within > 0"):
        beside_listeners(boundaries(network_of(stimuli)), people, within=0)
    with pytest.raises(PerceptionError, match="no answers"):
        listener_curves(answers_of(stimuli)[:0], LABELS)
