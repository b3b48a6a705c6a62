"""Evidence of a run: every method on the same tested tokens, tables that fit together, and a report that says so."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest

from phonoscope.evidence.measures import MEASURES
from phonoscope.experiments.evidence_run import choose_tokens
from phonoscope.experiments.folder import Run

METHODS = "cam; gradient-x-input"


@pytest.fixture(scope="module")
def judged(finished, phonoscope, tmp_path_factory):
    """A copy of the finished run with evidence on 30 tokens, and the command's answer."""
    out = tmp_path_factory.mktemp("evidence") / "run"
    shutil.copytree(finished[0], out)
    return out, phonoscope("evidence", out, "--methods", METHODS, "--tokens", 20, "--json")


def table(out, name):
    return pd.read_parquet(out / "evidence" / "tables" / f"{name}.parquet")


def test_every_method_is_judged_on_the_same_tokens_by_every_measure(judged):
    out, answer = judged
    assert answer.status == 0, answer.err
    facts = answer.json
    assert facts["methods"] == ["cam", "gradient-x-input", "band-stop(fill=mean)", "band-stop"]
    assert len(set(facts["tokens"])) == 20
    measures = table(out, "measures")
    assert set(measures["measure"]) == set(MEASURES) - {"method-agreement"}
    for method, rows in measures.groupby("method"):
        assert not rows["measure"].duplicated().any()
        known = rows[np.isfinite(rows["low"])]
        assert len(known) > 12
        assert (known["low"] <= known["value"] + 1e-9).all(), method
        assert (known["value"] <= known["high"] + 1e-9).all(), method
    values = measures.set_index(["method", "measure"])["value"]
    assert np.isnan(values["band-stop", "causal-agreement"])
    assert np.isfinite(values["cam", "classifier-agreement"])
    assert set(table(out, "agreement")["a"]) <= set(facts["methods"])
    for verdict in facts["verdicts"]:
        assert verdict["summary"].startswith("Passes" if verdict["randomisation"] else "Fails")
        assert f"{verdict['method']}: {verdict['summary']}" in answer.out


def test_pooled_values_are_means_over_the_tokens_of_all_folds(judged):
    out, _ = judged
    tokens, measures = table(out, "token_measures"), table(out, "measures")
    own = tokens[(tokens["method"] == "cam") & (tokens["measure"] == "deletion")]
    assert own["token"].nunique() == 20
    value = measures.set_index(["method", "measure"])["value"]["cam", "deletion"]
    assert value == pytest.approx(own["value"].sum() / own["weight"].sum())
    row = measures[(measures["method"] == "cam") & (measures["measure"] == "sps")].iloc[0]
    assert row["n"] == 20


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
