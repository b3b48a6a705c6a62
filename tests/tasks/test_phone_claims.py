"""Verdicts on the first paper's claims, each on numbers whose verdict is plain to see."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from phonoscope.experiments.measured import Measured
from phonoscope.experiments.recipe import Recipe
from phonoscope.judgement.claims import CONTRADICTED, OPEN, SUPPORTED, claims_table
from phonoscope.phonetics.confusions import confusion_table
from phonoscope.tasks.phones.claims import (
    CLAIMS,
    Context,
    _accuracy_above,
    _asymmetric,
    _least_confused,
    _on_formants,
    _region,
    _similar,
)

FREQUENCY = np.arange(8) * 1000.0 + 500.0
SPEAKERS, OF_EACH = 12, 10
LOW, HIGH, FLAT = np.array([9.0, 9, 1, 1, 1, 1, 1, 1]), np.array([1.0, 1, 1, 1, 1, 1, 9, 9]), np.ones(8)


def context(profiles=None, guesses=None, shares=None, noise=0.3, trainings=1):
    """A run of some classes: profiles by class (frequency,); by pair of classes, how many of 120 are confused."""
    profiles = {"i": FLAT, "u": FLAT} if profiles is None else profiles
    rng = np.random.default_rng(0)
    speaker = np.tile(np.repeat(np.arange(SPEAKERS), OF_EACH), len(profiles))
    classes = np.repeat(list(profiles), SPEAKERS * OF_EACH)
    of_speaker = rng.normal(0, noise, (SPEAKERS, len(FREQUENCY)))[speaker]
    values = np.stack([profiles[name] for name in classes]) * np.exp(of_speaker + rng.normal(0, 0.1, of_speaker.shape))
    tokens = np.arange(len(classes)).astype(str)
    array = xr.DataArray(values, dims=("token", "frequency"), coords={"frequency": FREQUENCY, "token": tokens})
    table = pd.DataFrame({"token": tokens, "class": classes, "speaker": speaker, "recording": speaker})
    measured = Measured(table, array, array, array, pd.DataFrame(), {"resolution_hz": 500.0}, 8000.0, 0.0, "")
    measured.others = [array] * (trainings - 1)
    taken = classes.astype(object)
    for (true, predicted), count in (guesses or {}).items():
        rows = np.flatnonzero(classes == true)
        rows = rows[np.argsort(np.arange(len(rows)) % OF_EACH, kind="stable")]  # spread over the speakers
        taken[rows[taken[rows] == true][:count]] = predicted
    return Context(
        measured=measured,
        tested=table,
        guesses=[taken.tolist()] * trainings,
        confusions=confusion_table(classes, taken, list(profiles)),
        correlations=pd.DataFrame({"label_a": ["i"], "label_b": ["u"], "r": [0.1], "source": ["map"]}),
        shares=shares,
        smallest=Recipe("x").smallest,
        seed=0,
    )


def verdict(finding):
    return finding.judged.verdict()


@pytest.mark.parametrize(
    ("profile", "important", "unimportant"),
    [(HIGH, SUPPORTED, CONTRADICTED), (LOW, CONTRADICTED, SUPPORTED), (FLAT, OPEN, OPEN)],
)
@pytest.mark.parametrize("trainings", [1, 3])
def test_a_region_is_important_where_more_of_the_map_lies_than_of_the_axis(profile, important, unimportant, trainings):
    given = context({"i": profile, "u": FLAT}, trainings=trainings)
    assert verdict(_region("i", 6000)(given)) == important
    assert verdict(_region("i", 6000, absent=True)(given)) == unimportant


def test_what_the_other_classes_do_stands_beside_a_region():
    finding = _region("i", 6000)(context({"i": HIGH, "u": HIGH}))
    assert verdict(finding) == SUPPORTED
    assert finding.measured.endswith("over 12 speakers; one training)")
    assert "in the maps of the other classes 7" in finding.detail


def test_a_region_that_was_not_looked_at_is_open():
    for finding in (_region("i", 8000)(context()), _region("a", 6000)(context())):
        assert verdict(finding) == OPEN
        assert finding.judged.interval is None
    assert verdict(_region("i", 6000)(context({"i": -HIGH, "u": FLAT}))) == OPEN


@pytest.mark.parametrize(("errors", "expected"), [(0, OPEN), (3, SUPPORTED), (67, CONTRADICTED), (24, OPEN)])
def test_an_accuracy_is_above_its_bound_or_below_or_cannot_be_told(errors, expected):
    """Twelve speakers without an error allow for 76 % and more."""
    bound = 0.9
    given = context(guesses={("i", "u"): errors})
    assert verdict(_accuracy_above(bound)(given)) == expected


def test_maps_are_alike_above_a_half_and_disjoint_below():
    half = np.array([1.0, 1, 1, 1, 1, 9, 9, 1])
    same, opposite = context({"i": HIGH, "u": HIGH}), context({"i": HIGH, "u": LOW})
    assert verdict(_similar("i", "u", alike=True)(same)) == SUPPORTED
    assert verdict(_similar("i", "u", alike=False)(same)) == CONTRADICTED
    assert verdict(_similar("i", "u", alike=False)(opposite)) == SUPPORTED
    assert verdict(_similar("i", "u", alike=True)(opposite)) == CONTRADICTED
    assert verdict(_similar("i", "u", alike=True)(context({"i": HIGH, "u": half}, noise=0.5))) == OPEN
    assert verdict(_similar("i", "o", alike=True)(same)) == OPEN


@pytest.mark.parametrize(
    ("there", "back", "expected"), [(60, 2, SUPPORTED), (2, 60, CONTRADICTED), (6, 5, OPEN), (1, 0, OPEN), (0, 0, OPEN)]
)
def test_a_confusion_is_one_way_where_its_reverse_is_clearly_rarer(there, back, expected):
    finding = _asymmetric("i", "u")(context(guesses={("i", "u"): there, ("u", "i"): back}))
    assert verdict(finding) == expected


def test_the_rarest_confusion_is_clearly_rarer_than_each_of_the_others_and_ties_tell_nothing():
    profiles = dict.fromkeys("iua", FLAT)
    common = {(a, b): 40 for a in "iua" for b in "iua" if a != b}
    assert verdict(_least_confused("i", "u")(context(profiles, common | {("i", "u"): 0}))) == SUPPORTED
    assert verdict(_least_confused("i", "u")(context(profiles, {("i", "u"): 60, ("u", "i"): 1}))) == CONTRADICTED
    ties = _least_confused("i", "u")(context(profiles, {("u", "a"): 3}))
    assert verdict(ties) == OPEN
    assert ties.detail == "of the 5 other confusions 0 are rarer and 4 as rare"


def rows(run, within, classes=0.5, label="all"):
    facts = {"label": label, "formant": "F1–F4", "n_units": 12, "unit": "speaker", "df": 11.0, "energy_ratio": 1.2}
    facts |= {"finer": False, "resolution_hz": 500.0}
    errors = {"run": run[1], "class": within[1], "classes": 0.1}
    ratios = {"run": run[0], "class": within[0], "classes": run[0]}
    return pd.DataFrame(
        [
            {**facts, "null": null, "ratio": ratio, "error": errors[null], "p": classes}
            | {"low": ratio * np.exp(-2.2 * errors[null]), "high": ratio * np.exp(2.2 * errors[null])}
            for null, ratio in ratios.items()
        ]
    )


@pytest.mark.parametrize(
    ("run", "within", "classes", "expected"),
    [
        ((1.1, 0.1), (1.5, 0.05), 0.5, SUPPORTED),  # maps follow talkers
        ((1.5, 0.05), (1.0, 0.1), 0.01, SUPPORTED),  # maps sit on the formants of their class
        ((1.5, 0.05), (1.0, 0.1), 0.4, OPEN),  # constant maps come out like this by luck
        ((0.8, 0.02), (0.9, 0.02), 0.4, CONTRADICTED),
        ((0.8, 0.02), (1.1, 0.1), 0.4, OPEN),
    ],
)
def test_maps_focus_on_formants_of_their_class_or_of_their_token(run, within, classes, expected):
    finding = _on_formants(None, "F1–F4")(context(shares=rows(run, within, classes)))
    assert verdict(finding) == expected
    assert verdict(_on_formants("i", "F1–F4")(context(shares=rows(run, within, classes)))) == OPEN


@pytest.mark.parametrize("section", CLAIMS)
def test_the_table_has_a_row_a_claim_and_numbers_them(section):
    table = claims_table(CLAIMS[section], context())
    assert table["claim"].tolist() == list(range(1, len(CLAIMS[section]) + 1))
    assert table["paper_says"].tolist() == [claim.says for claim in CLAIMS[section]]
    assert set(table["verdict"]) <= {SUPPORTED, CONTRADICTED, OPEN}
    assert (table["p_holm"].dropna() >= table["p"].dropna()).all()


def test_random_maps_are_wrongly_judged_one_time_in_twenty_at_most():
    """Smoothed noise of 12 speakers with the density of the axis: neither importance nor its absence may be told."""
    rng, supported, denied, runs = np.random.default_rng(3), 0, 0, 120
    for _ in range(runs):
        given = context(noise=0.0)
        shape = given.measured.profiles.shape
        values = rng.gamma(4, 1.05 / 4, (SPEAKERS, shape[1]))[given.measured.tokens["speaker"]]
        values[:, 6:] *= 1.0667  # 1.05 × the density of the axis above 6 kHz: at the bound
        given.measured.profiles = given.measured.profiles.copy(data=values * rng.uniform(0.5, 1.5, shape))
        supported += verdict(_region("i", 6000)(given)) == SUPPORTED
        denied += verdict(_region("i", 6000, absent=True)(given)) == SUPPORTED
    assert supported / runs <= 0.09
    assert denied / runs <= 0.09


def test_where_the_formant_of_one_class_lies_is_decided_by_the_run_alone():
    given = context(shares=rows((0.8, 0.02), (1.1, 0.1), label="i"))
    assert verdict(_on_formants("i", "F1–F4", of_class=True)(given)) == CONTRADICTED
    assert verdict(_on_formants("i", "F1–F4")(given)) == OPEN
