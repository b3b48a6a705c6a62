"""Sentences of the evidence section: what level does, what beats chance, and why nothing was compared."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from phonoscope.attribution.scaling import HELD, NO_SCALING, NOT_HELD
from phonoscope.evidence.measures import MEASURES
from phonoscope.tasks.evidence_section import Evidence, _advice_text, _level_text, _verdict_text

LEVEL = pd.DataFrame({"change_db": [-6.0, -6.0], "held": [False, True], "loss": [0.0, 0.5], "changed": [0.0, 0.25]})


@pytest.mark.parametrize(
    ("scaling", "begins", "holds"),
    [
        (HELD, "A token that is 6 dB louder or softer is the same", "With its scaling held"),
        (NO_SCALING, "Where a token is 6 dB softer or louder, the logit", "in 25% of the tokens."),
        (NOT_HELD, "Where a token is 6 dB softer or louder, the logit", "changes all others too"),
    ],
)
def test_the_reaction_to_level_is_said_for_each_kind_of_front_end(scaling, begins, holds):
    content = SimpleNamespace(is_number=False, unit="logit", item="token")
    text = _level_text(content, scaling, LEVEL)
    assert text.startswith(begins)
    assert "moves by 0.50 on average" in text
    assert holds in text
    assert _level_text(content, scaling, pd.DataFrame()) == ""


def evidence_of(corrected):
    rows = {"method": "cam", "measure": ["deletion", "insertion", "infidelity"], "n_units": 12, "unit": "speaker"}
    verdicts = ["better than chance", "cannot be told", "no better than chance"]
    table = pd.DataFrame({**rows, "p_corrected": corrected, "verdict": verdicts})
    about = {name: MEASURES[name].about() for name in table["measure"]}
    return Evidence({"methods": ["cam"], "measures": about}, {"measures": table})


def test_each_verdict_has_its_measures_and_the_correction_is_named():
    (text,) = _verdict_text("cam", evidence_of([0.01, 0.2, 0.3]))
    assert text.startswith("Maps by cam are better than chance in deletion, logit. No better than chance: infidelity.")
    assert "Cannot be told: insertion, logit." in text
    assert "Over 12 speakers; with Holm’s correction for all 3 comparisons" in text
    assert _verdict_text("gradient", evidence_of([0.01, 0.2, 0.3])) == []


def test_without_units_enough_it_says_why_nothing_is_compared():
    assert _verdict_text("cam", evidence_of([np.nan] * 3)) == [
        "No map is compared with chance: that takes six speakers or recordings."
    ]


def advised(measures, better=0.9):
    rows = [
        {"method": method, "measure": name, "value": value}
        for name in measures
        for method, value in (("cam", 0.2), ("gradient", better), ("control-data", 5.0))
    ]
    about = {name: MEASURES[name].about() for name in measures}
    facts = {"methods": ["cam", "gradient"], "measures": about, "controls": {"control-data": "the data alone"}}
    return _advice_text(Evidence(facts, {"measures": pd.DataFrame(rows)}))


def test_the_method_that_the_best_measure_likes_is_recommended_with_a_warranty():
    (text,) = advised(["deletion", "infidelity"])
    assert text.startswith("Of the methods judged here, gradient does best in deletion, logit (0.90)")
    assert "of the sharpest possible map" in text
    (other,) = advised(["deletion"], better=0.1)
    assert "cam does best" in other


def test_nothing_is_recommended_by_measures_that_predict_nothing():
    assert advised(["infidelity"]) == [
        "None of these measures is shown to predict planted truth, so no method is recommended."
    ]
