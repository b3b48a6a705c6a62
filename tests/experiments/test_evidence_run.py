"""Evidence of a run: every method on the same tested tokens, tables that fit together, and a report that says so."""

import json
import shutil
import sys

import numpy as np
import pandas as pd
import pytest

from phonoscope.evidence.measures import DEFAULT_MEASURES, MEASURES
from phonoscope.experiments.evidence_run import choose_tokens, run_evidence
from phonoscope.experiments.folder import Run
from phonoscope.judgement.bootstrap import holm

METHODS = "cam; gradient-x-input"


@pytest.fixture(scope="module")
def judged(finished, phonoscope, tmp_path_factory):
    """A copy of the finished run with evidence on 30 tokens, and the command's answer."""
    out = tmp_path_factory.mktemp("evidence") / "run"
    shutil.copytree(finished[0], out)
    return out, phonoscope("evidence", out, "--methods", METHODS, "--tokens", 20, "--json")


def table(out, name):
    return pd.read_parquet(out / "evidence" / "tables" / f"{name}.parquet")


def test_every_method_is_judged_on_the_same_tokens_by_the_usual_measures(judged):
    out, answer = judged
    assert answer.status == 0, answer.err
    facts = answer.json
    assert facts["methods"] == ["cam", "gradient-x-input", "band-stop(fill=mean)", "band-stop"]
    assert len(set(facts["tokens"])) == 20
    measures = table(out, "measures")
    assert set(measures["measure"]) == set(DEFAULT_MEASURES)
    compared = measures[measures["p_corrected"].notna()]
    assert len(compared) > len(facts["methods"])  # corrected together
    np.testing.assert_allclose(compared["p_corrected"], holm(compared["p"]))
    assert set(compared["verdict"]) <= {"better than chance", "no better than chance", "cannot be told"}
    for method, rows in measures.groupby("method"):
        assert not rows["measure"].duplicated().any()
        known = rows[np.isfinite(rows["low"])]
        assert len(known) >= 5
        assert (known["low"] <= known["value"] + 1e-9).all(), method
        assert (known["value"] <= known["high"] + 1e-9).all(), method
    values = measures.set_index(["method", "measure"])["value"]
    assert np.isnan(values["band-stop", "causal-agreement"])
    assert np.isfinite(values["cam", "classifier-agreement"])
    assert set(table(out, "agreement")["a"]) <= set(facts["methods"])
    for verdict in facts["verdicts"]:
        start = {True: "Passes", False: "Fails", None: "It cannot be told"}[verdict["randomisation"]]
        assert verdict["summary"].startswith(start)
        assert f"{verdict['method']}: {verdict['summary']}" in answer.out


def test_pooled_values_are_means_over_the_tokens_of_all_folds(judged):
    out, _ = judged
    tokens, measures = table(out, "token_measures"), table(out, "measures")
    own = tokens[(tokens["method"] == "cam") & (tokens["measure"] == "deletion")]
    assert own["token"].nunique() == 20
    value = measures.set_index(["method", "measure"])["value"]["cam", "deletion"]
    assert value == pytest.approx(own["value"].sum() / own["weight"].sum())
    row = measures[(measures["method"] == "cam") & (measures["measure"] == "infidelity")].iloc[0]
    assert row["n"] == 20
    # The random networks are the same for all folds, so one is enough.
    randomised = tokens[(tokens["method"] == "cam") & (tokens["measure"] == "randomisation")]["token"]
    assert 0 < randomised.nunique() < 20


def test_formants_confusions_and_contrasts_stand_beside_each_method(judged):
    out, answer = judged
    methods = answer.json["methods"]
    assert set(table(out, "shares")["method"]) == set(methods)
    following = table(out, "following")
    assert set(following["formant"]) == {"F1", "F2", "F3"}
    assert set(table(out, "specificity")["method"]) == set(methods)
    removal = table(out, "removal")
    assert set(removal["formant"]) <= {"F1", "F2", "F3", "F4"}
    assert {"all", "i"} <= set(removal["label"])
    assert {"other class", "same class"} <= set(removal["control"])
    level = table(out, "level").set_index(["held", "change_db"])
    assert level.loc[False, "loss"].max() < 1e-3 < level.loc[True, "loss"].min()
    contrasts = table(out, "contrasts")
    predictions = Run(out).predictions
    assert contrasts["pair"].nunique() == min(3, _confused_pairs(predictions))
    assert contrasts["group"].str.contains("taken for").any() == (contrasts["pair"].nunique() > 0)


def _confused_pairs(predictions):
    wrong = predictions[predictions["class"] != predictions["predicted"]]
    return len({tuple(sorted(pair)) for pair in zip(wrong["class"], wrong["predicted"], strict=True)})


def test_the_report_says_how_far_the_maps_deserve_belief(judged, finished):
    out, answer = judged
    page = (out / "report.html").read_text(encoding="utf-8")
    assert answer.json["report"] == str(out / "report.html")
    cam = next(v for v in answer.json["verdicts"] if v["method"] == "cam")
    assert cam["summary"][:40] in page
    assert 'id="plate-evidence"' in page
    assert 'id="plate-following"' in page
    assert 'id="plate-removal"' in page
    assert "With its scaling held, as it is while sounds are changed, the logit of the class moves by" in page
    assert "same class" in page  # beside the agreement with filtering
    assert MEASURES["deletion"].shows[:50] in page
    assert "phonoscope evidence" in (finished[0] / "report.html").read_text(encoding="utf-8")


def test_tokens_are_balanced_over_the_classes_and_repeat(finished):
    run = Run(finished[0])
    chosen = choose_tokens(run, 20, 3)
    counts = run.tokens.set_index("token").loc[chosen, "class"].value_counts()
    assert counts.max() - counts.min() <= 1
    assert (choose_tokens(run, 20, 3) == chosen).all()
    assert not (choose_tokens(run, 20, 4) == chosen).all()
    assert set(chosen) <= set(run.tokens.loc[run.tokens["fold"].notna(), "token"])


def test_what_cannot_be_judged_is_said(finished, phonoscope, tmp_path):
    answer = phonoscope("evidence", finished[0], "--methods", "smooth(nosuch)")
    assert answer.status == 1
    assert "nosuch" in answer.err
    assert not (finished[0] / "evidence").exists()
    assert phonoscope("evidence", tmp_path).status == 1
    other = tmp_path / "words"
    other.mkdir()
    (other / "run.json").write_text(json.dumps({"kind": "waveform"}), encoding="utf-8")
    pd.DataFrame({"token": ["a"]}).to_parquet(other / "tokens.parquet")
    assert "not a run of tokens" in phonoscope("evidence", other).err


TOY = """
import numpy as np
from phonoscope.evidence.measure import Measure, TokenValues


def _low(trial):
    size = np.abs(trial.maps.values).sum(axis=2)
    return TokenValues(size[:, : size.shape[1] // 2].sum(1) / size.sum(1), 0.5)


LOW = Measure(
    "lowness", "evidence in the lower half", "higher", "share", "It shows how low the evidence lies.", "a toy", _low,
    "half of it", 0.0, 1.0, drawn=True,
)
"""


def test_a_measure_in_one_file_comes_into_tables_and_report(finished, phonoscope, tmp_path, monkeypatch):
    (tmp_path / "toy_of_the_run.py").write_text(TOY, encoding="utf-8")
    run = tmp_path / "run"
    shutil.copytree(finished[0], run)
    with monkeypatch.context() as patch:
        patch.syspath_prepend(tmp_path)
        measures = "toy_of_the_run:LOW, sps"
        answer = phonoscope("evidence", run, "--methods", "gradient", "--measures", measures, "--tokens", 10, "--json")
    assert answer.status == 0, answer.err
    measured = table(run, "measures")
    assert set(measured["measure"]) == {"lowness", "sps"}
    low = measured[measured["measure"] == "lowness"].set_index("method")
    assert low["value"].between(0, 1).all()
    assert (low["chance"] == 0.5).all()
    assert (low["n"] == 10).all()
    assert answer.json["measures"]["lowness"]["shows"] == "It shows how low the evidence lies."
    assert all(verdict["randomisation"] is None for verdict in answer.json["verdicts"])
    # The page is made of what the folder holds: nobody need have the measure to read about it.
    monkeypatch.delitem(sys.modules, "toy_of_the_run")
    assert phonoscope("report", run).status == 0
    page = (run / "report.html").read_text(encoding="utf-8")
    assert "It shows how low the evidence lies." in page
    assert "evidence-lowness" in page
    assert "evidence-sps" not in page  # in the table only


def test_an_unknown_measure_is_refused_before_anything_is_made(finished, phonoscope):
    answer = phonoscope("evidence", finished[0], "--measures", "beauty")
    assert answer.status == 1
    assert "causal-agreement" in answer.err
    assert not (finished[0] / "evidence" / "_parts").exists()


def test_an_interrupted_evidence_goes_on_and_other_settings_begin_anew(finished, tmp_path):
    def whole(function, tasks):
        done.extend(tasks)
        yield from map(function, tasks)

    def interrupted(function, tasks):
        for task in tasks:
            if len(done) == 7:
                raise KeyboardInterrupt
            done.append(task)
            yield function(task)

    def evidence(run, executor, **settings):
        done.clear()
        given = {"methods": ["gradient"], "measures": ["sps"], "tokens": 10, "seed": 1, **settings}
        return run_evidence(run, executor=executor, **given)

    done = []
    shutil.copytree(finished[0], tmp_path / "straight")
    shutil.copytree(finished[0], tmp_path / "broken")
    evidence(tmp_path / "straight", whole)
    units = len(done)
    with pytest.raises(KeyboardInterrupt):
        evidence(tmp_path / "broken", interrupted)
    kept = sorted((tmp_path / "broken" / "evidence" / "_parts").glob("*/maps/values.npy"))
    assert len(kept) == 7
    kept[0].write_bytes(b"not what was written")
    shutil.copytree(tmp_path / "broken", tmp_path / "other seed")
    evidence(tmp_path / "broken", whole)
    assert len(done) == units - 6  # six were whole
    for name in ("measures", "token_measures", "agreement"):
        pd.testing.assert_frame_equal(table(tmp_path / "broken", name), table(tmp_path / "straight", name))
    evidence(tmp_path / "other seed", whole, seed=2)
    assert len(done) == units
