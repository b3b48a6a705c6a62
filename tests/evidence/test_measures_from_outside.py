"""A measure of one's own: one file, and it is measured, pooled and described like all others."""

import sys
from importlib import import_module

import numpy as np
import pandas as pd
import pytest
import torch

from phonoscope import Classifier, Spectrogram
from phonoscope.errors import AttributionError
from phonoscope.evidence.case import open_case
from phonoscope.evidence.faithful import faithfulness, measure_maps, pooled_measures
from phonoscope.evidence.measure import Measure
from phonoscope.evidence.measures import (
    DEFAULT_MEASURES,
    MEASURES,
    choose_measures,
    describe_measure,
    measure_names,
)

TOY = '''
"""How low in frequency a map has its evidence."""

import numpy as np
from phonoscope.evidence.measure import Measure, NotMeasuredError, PooledValue, TokenValues


def _low(trial):
    size = np.abs(trial.maps.values).sum(axis=2)
    half = size.shape[1] // 2
    return TokenValues(size[:, :half].sum(1), size.sum(1) / 2, over=size.sum(1))


def _silent(trial):
    raise NotMeasuredError("nothing is ever said")


LOW = Measure(
    "lowness", "evidence in the lower half", "higher", "share", "It shows how low the evidence lies.", "a toy", _low,
    "half of the evidence", 0.0, 1.0, drawn=True,
)
SILENT = Measure("silence", "nothing", "neither", "–", "It shows nothing.", "a toy", _silent)
WHOLE = Measure("tokens", "tokens", "neither", "–", "How many.", "a toy", lambda t: PooledValue(len(t.case), "all"))
OWN_RULE = Measure(
    "ruled", "ruled", "higher", "–", "It has a rule of its own.", "a toy",
    lambda t: TokenValues(
        np.ones(len(t.case)), 5.0, verdict="fails" if t.case.setting.seed == 7 else "passes", note="its rule"
    ),
    "five", by_chance=False,
)
LAST_SIX = Measure(
    "last six", "last six", "neither", "–", "Of some tokens.", "a toy",
    lambda t: TokenValues(np.arange(6.0), rows=np.arange(len(t.case) - 6, len(t.case))),
)
NO_MEASURE = 3
CALLS = []


def _counted(trial):
    CALLS.append(trial.method)
    return len(CALLS)


def _count(trial):
    return TokenValues(np.full(len(trial.case), trial.shared(_counted), dtype=float))


FIRST = Measure("first", "first", "neither", "–", "It counts.", "a toy", _count)
SECOND = Measure("second", "second", "neither", "–", "It counts.", "a toy", _count)
'''


@pytest.fixture
def toy(tmp_path, monkeypatch):
    (tmp_path / "toy_of_lowness.py").write_text(TOY, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "toy_of_lowness", raising=False)
    return "toy_of_lowness"


def case_of(count=8, seed=0):
    torch.manual_seed(0)
    classifier = Classifier.build(Spectrogram(8000, rows=12, columns=8), "compact-local", ["a", "b"])
    random = np.random.default_rng(seed)
    sounds = [random.normal(size=900) for _ in range(count)]
    tokens = [f"{seed}-{k}" for k in range(count)]
    return open_case(classifier, sounds, target="true", true_labels=["a", "b"] * (count // 2), tokens=tokens, seed=seed)


def test_it_is_measured_with_interval_chance_and_verdict(toy):
    case = case_of()
    maps = case.explain("gradient-x-input")
    result = faithfulness(case, "gradient-x-input", maps=maps, measures=[f"{toy}:LOW", "sps"])
    assert result.measures["measure"].tolist() == ["lowness", "sps"]
    row = result.measures.iloc[0]
    size = np.abs(maps.values).sum(axis=2)
    assert row["value"] == pytest.approx(size[:, :6].sum() / size.sum())
    assert row["chance"] == pytest.approx(0.5)
    assert row["low"] < row["value"] < row["high"]
    assert (row["verdict"] == "better than chance") == (row["p_corrected"] < 0.05 and row["excess"] > 0)
    assert set(result.tokens["measure"]) == {"lowness", "sps"}
    assert result.curves.empty  # no measure asked for deletion


def test_what_it_cannot_tell_and_what_it_tells_of_all_tokens(toy):
    result = faithfulness(case_of(), "gradient", measures=[f"{toy}:SILENT", f"{toy}:WHOLE"])
    silent, whole = (result.measures.iloc[row] for row in (0, 1))
    assert np.isnan(silent["value"])
    assert silent["note"] == "nothing is ever said"
    assert (whole["value"], whole["n"], whole["note"]) == (8, 8, "all")
    assert result.tokens.empty


def test_what_is_measured_on_some_tokens_is_theirs(toy):
    case, speakers = case_of(12), [*["same"] * 6, *"abcdef"]
    result = faithfulness(case, "gradient", clusters=speakers, measures=[f"{toy}:LAST_SIX"])
    row = result.measures.iloc[0]
    assert (row["n"], row["n_units"], row["unit"]) == (6, 6, "cluster")  # one speaker would be no unit
    assert result.tokens["token"].tolist() == case.names[6:].tolist()


def test_folds_are_pooled_whoever_wrote_the_measure(toy):
    names = [f"{toy}:LOW", f"{toy}:WHOLE", f"{toy}:OWN_RULE"]
    cases = [case_of(count, seed) for count, seed in ((8, 1), (4, 7))]
    parts = [measure_maps(case, "gradient", measures=names) for case in cases]
    tokens = np.concatenate([case.names for case in cases])
    speakers = pd.DataFrame({"speaker": list("aabbccddeeff")})
    pooled = pooled_measures(parts, speakers, names=tokens, measures=names)
    pooled = pooled.set_index("measure")
    of_low = pd.concat([part.tokens for part in parts]).query("measure == 'lowness'")
    assert pooled.loc["lowness", "value"] == pytest.approx(of_low["value"].sum() / of_low["weight"].sum())
    assert (pooled.loc["lowness", "n"], pooled.loc["lowness", "n_units"]) == (12, 6)
    assert (pooled.loc["tokens", "value"], pooled.loc["tokens", "n"]) == (6, 12)
    assert pooled.loc["ruled", "verdict"] == "fails"  # one fold did
    assert parts[0].measures.set_index("measure").loc["ruled", "verdict"] == "passes"
    assert pooled.loc["ruled", "note"] == "its rule"


def test_what_is_no_measure_is_refused(toy):
    assert tuple(measure.name for measure in choose_measures()) == DEFAULT_MEASURES
    assert [measure.name for measure in choose_measures(["all"])] == list(MEASURES)
    # What is misread alone never stands alone.
    assert measure_names(["causal-agreement", "sps"]) == ("causal-agreement", "causal-agreement-in-class", "sps")
    assert [m.name for m in choose_measures(["filled-agreement-in-class"])][1:] == ["filled-agreement"]
    assert [m.name for m in choose_measures(["sps", f"{toy}:LOW", "sps"])] == ["sps", "lowness"]
    with pytest.raises(AttributionError, match=r"expected a phonoscope\.evidence\.measure\.Measure"):
        choose_measures([f"{toy}:NO_MEASURE"])
    with pytest.raises(AttributionError, match="cannot be imported"):
        choose_measures(["no_such_package:LOW"])
    with pytest.raises(AttributionError, match=r"package\.module:name"):
        choose_measures(["beauty"])
    with pytest.raises(AttributionError, match="no measure is named"):
        choose_measures([])


@pytest.mark.parametrize("name", list(MEASURES))
def test_what_is_known_of_a_measure_travels_without_its_function(name):
    measure = describe_measure(name)
    about = measure.about()
    assert "function" not in about
    read = Measure.from_about({**about, "added later": 1})
    assert read.function is None
    assert read.about() == about


def test_a_shared_result_is_computed_once(toy):
    result = faithfulness(case_of(), "gradient", measures=[f"{toy}:FIRST", f"{toy}:SECOND"])
    assert import_module(toy).CALLS == ["gradient"]
    assert result.measures["value"].tolist() == [1, 1]


def test_a_part_of_a_case_explains_its_own_tokens():
    case = case_of()
    rows, part = case.some(4)
    assert part.classes.tolist() == case.classes[rows].tolist()
    maps = part.explain("gradient")
    assert maps["token"].values.tolist() == case.names[rows].tolist()
    np.testing.assert_allclose(maps.values, case.explain("gradient").values[rows], atol=1e-6)
