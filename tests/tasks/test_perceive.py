"""A perception experiment on a finished run: through the command, its tables, its page, its figures, and again."""

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from tools import heard, results

from phonoscope.errors import ExperimentError
from phonoscope.experiments.folder import Run
from phonoscope.experiments.held_out import held_out
from phonoscope.experiments.settings import Settings
from phonoscope.perception.answers import COLUMNS
from phonoscope.tasks import load_recipe, run_experiment
from phonoscope.tasks.figures.figure import figure_of_run
from phonoscope.tasks.perceive.asking import each_once
from phonoscope.tasks.perceive.sentences import cue_sentences
from phonoscope.tasks.perceive.short import heard_in_short, perceive_in_short
from phonoscope.tasks.reporting import write_report
from phonoscope.work.folders import verify


@pytest.fixture(scope="module")
def asked(finished, phonoscope, tmp_path_factory):
    out = tmp_path_factory.mktemp("perceive") / "heard"
    answer = phonoscope("perceive", finished[0], "--cues", "f2,level", "--tokens", "12", "--out", out, "--json")
    assert answer.status == 0, answer.err
    return out, answer


def test_the_results_are_one_object(asked):
    results = asked[1].json
    assert {"curves", "slopes", "boundaries", "weights", "sentences"} <= set(results)
    labels = Run(asked[0]).labels
    pairs = {(row["class"], row["cue"], row["against"]) for row in results["slopes"]}
    spoken = {row["class"] for row in results["slopes"]}
    assert pairs == {(a, cue, b) for a in spoken for cue in ("f2", "level") for b in labels if a != b}
    assert {"slope", "low", "high", "unit", "random", "linear", "sham"} <= set(results["slopes"][0])
    assert {"weight", "low", "high", "random", "linear"} <= set(results["weights"][0])
    for row in results["curves"]:
        shares = [share for share in row["answers"].values() if share is not None]
        assert not shares or sum(shares) == pytest.approx(1.0)
    assert len(results["sentences"]) == 2
    assert json.dumps(results)


def test_answers_at_step_zero_are_those_of_the_run(asked, finished):
    """Every token is asked of the network that never met it, and what is not moved is what the run heard."""
    stimuli = pd.read_parquet(asked[0] / "stimuli.parquet")
    still = stimuli[(stimuli["step"] == 0) & ~stimuli["sham"]].drop_duplicates("token").set_index("token")
    run = Run(finished[0])
    predictions = run.predictions.set_index("token").loc[still.index]
    for label in run.labels:
        assert np.allclose(still[f"p_{label}"], predictions[f"p_{label}"], atol=0.02)
    assert (still["answer"] == predictions["predicted"]).mean() > 0.9


def test_mixed_models_for_r_name_columns_that_are_there(asked):
    """The R lines of the documentation, on stimuli of a run and on answers as a listening test saves them."""
    page = (Path(__file__).resolve().parents[2] / "docs" / "r.md").read_text(encoding="utf-8")
    section = page.partition("## Perception experiments")[2].partition("\n## ")[0]
    network, people = re.findall(r"^```r\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)
    stimuli = pd.read_parquet(asked[0] / "stimuli.parquet")
    for lines, known in ((network, set(stimuli)), (people, set(COLUMNS))):
        bare = re.sub(r'"[^"]*"', "", lines)
        made = set(re.findall(r"^\w+\$(\w+) <-", bare, re.MULTILINE)) | {"i", "u"}
        used = set(re.findall(r"\w+\$(\w+)", bare))
        for formula in re.findall(r"lmer\((.+?), data = ", bare) + re.findall(r"aggregate\((.+?), \w+, sum", bare):
            used |= set(re.findall(r"[a-z]\w*", formula)) - {"cbind"}
        for condition in re.findall(r"subset\(\w+, (.+)\)$", bare, re.MULTILINE):
            used |= set(re.findall(r"[a-z]\w*", re.sub(r"%in% c\(.*?\)", "", condition)))
        assert {"token", "bark", "achieved", "cue"} <= used
        assert used <= known | made, used - known - made


def test_what_was_heard_is_stored_and_stands_in_the_tables_of_the_documents(asked, monkeypatch, tmp_path):
    out, answer = asked
    monkeypatch.setattr(results, "STORED", tmp_path)
    results.collect([out])
    name = "/".join(out.parts[-2:])
    row = answer.json["slopes"][0]
    kept = pd.read_csv(tmp_path / "heard-slopes.csv").set_index(["class", "cue", "against"])
    stored = kept.loc[(row["class"], row["cue"], row["against"])]
    assert stored["run"] == name
    assert stored["slope"] == pytest.approx(row["slope"], rel=1e-4)
    turn = heard.Turn(row["class"], "f2", row["against"], rises=True)
    monkeypatch.setattr(heard, "CORPORA", {name: "mine"})
    monkeypatch.setattr(heard, "TURNS", (turn,))
    curve = next(
        each for each in answer.json["curves"] if (each["class"], each["cue"], each["step"]) == (turn.spoken, "f2", 600)
    )
    line = f"| mine | /{turn.spoken}/, F2 +600 Hz | /{turn.against}/ |"
    assert line in heard.turns()
    assert f"| {100 * curve['answers'][turn.against]:.0f} %" in heard.turns()
    counts = heard.verdicts().splitlines()[2:]
    assert sum(int(line.split("|")[3]) for line in counts) == len(answer.json["slopes"])


def test_sounds_that_stand_there_twice_are_asked_about_once():
    rng = np.random.default_rng(0)
    some = [rng.normal(size=count).astype(np.float32) for count in (5, 7, 5)]
    sounds, place = each_once([some[0], some[1], some[0].copy(), some[2], some[1]])
    assert len(sounds) == 3
    for sound, at in zip([some[0], some[1], some[0], some[2], some[1]], place, strict=True):
        assert np.array_equal(sounds[at], sound)


def test_a_network_that_scales_each_token_is_deaf_to_level(asked):
    slopes = Run(asked[0]).table("slopes")
    of = {cue: slopes.loc[slopes["cue"] == cue, "slope"].abs() for cue in ("level", "f2")}
    assert of["level"].max() * 12 < 0.05 * of["f2"].max()
    assert slopes["random"].abs().max() < 0.1 * slopes["slope"].abs().max()
    weights = Run(asked[0]).table("weights")
    assert weights["random"].abs().max() < 0.1 * weights["weight"].abs().max()
    assert weights["linear"].abs().max() > 0.1 * weights["weight"].abs().max()


def test_the_page_leads_with_what_is_heard(asked):
    page = (asked[0] / "report.html").read_text(encoding="utf-8")
    results = Run(asked[0]).results
    assert results["sentences"][0].split(":")[0] in page
    for heading in ("What is heard along each cue", "Intended and achieved", "Cue weights"):
        assert heading in page


def test_figures_are_drawn_by_name(asked):
    curves = figure_of_run(asked[0], "identification")
    assert {axes.get_xlabel() for axes in curves.axes} >= {"F2 moved by (Hz)"}
    weights = figure_of_run(asked[0], "cue-weights", label=Run(asked[0]).labels[0])
    assert [label.get_text() for label in weights.axes[0].get_yticklabels()] == ["F2", "level"]


def test_an_interrupted_experiment_goes_on_with_the_same_results(asked, finished, tmp_path):
    recipe = load_recipe("perceive").changed(cues="f2", tokens=6)
    options = {"source": finished[0]}
    whole = run_experiment(recipe, tmp_path / "whole", **options)
    cut = tmp_path / "cut"

    class CutError(Exception):
        pass

    def stop(line):
        if "tokens" in line and " of " in line and line.startswith("  "):
            raise CutError

    with pytest.raises(CutError):
        run_experiment(recipe, cut, say=stop, **options)
    again = run_experiment(recipe, cut, resume=True, **options)
    pd.testing.assert_frame_equal(again.table("slopes"), whole.table("slopes"))


def test_a_short_experiment_leads_the_page_of_the_run(finished, tmp_path):
    run_folder = tmp_path / "run"
    shutil.copytree(finished[0], run_folder, ignore=shutil.ignore_patterns("report*", "figures"))
    perceive_in_short(Run(run_folder), {"cues": ["f2"], "tokens": 8}, Settings())
    inside = Run(run_folder / "perception")
    assert len(inside.tokens) == 8
    page = write_report(run_folder).read_text(encoding="utf-8")
    assert page.index(inside.results["sentences"][0].split(":")[0]) < page.rindex("What was spoken")
    assert "What the network hears" in page
    assert verify(run_folder).as_written
    before = (inside.folder / "run.json").stat().st_mtime_ns
    perceive_in_short(Run(run_folder), {"cues": ["f2"], "tokens": 8}, Settings())  # it is there already
    assert (inside.folder / "run.json").stat().st_mtime_ns == before
    assert heard_in_short(Run(finished[0])) == ([], None)


def test_people_are_asked_about_the_same_stimuli(asked, finished, phonoscope, tmp_path):
    for kind, opened in (("web", "listening.html"), ("praat", "listening.praat")):
        more = ("--cues", "f2", "--tokens", 6, "--for", kind, "--out", tmp_path / kind)
        answer = phonoscope("perceive", finished[0], *more)
        assert answer.status == 0, answer.err
        assert (tmp_path / kind / opened).is_file()
    assert "choose praat or web" in phonoscope("perceive", finished[0], "--for", "tape", "--out", tmp_path / "no").err
    stimuli = pd.read_csv(tmp_path / "praat" / "stimuli.csv")
    labels = Run(finished[0]).labels
    rng, answers = np.random.default_rng(0), []
    for participant in "abcdefgh":
        for row in stimuli.to_dict("records"):
            p = 1 / (1 + np.exp(-(row["step"] + rng.normal(0, 40)) / 120))
            heard = labels[int(rng.random() < p)]
            answers.append({**row, "participant": participant, "trial": len(answers), "answer": heard, "seconds": 1.0})
    pd.DataFrame(answers).to_csv(tmp_path / "answers.csv", index=False)
    out = tmp_path / "beside"
    more = ("--cues", "f2", "--tokens", 12, "--listeners", tmp_path / "answers.csv", "--out", out)
    answer = phonoscope("perceive", finished[0], *more)
    assert answer.status == 0, answer.err
    beside = Run(out).table("beside_listeners")
    assert len(beside)
    assert set(beside["cue"]) == {"f2"}
    assert "Beside people" in (out / "report.html").read_text(encoding="utf-8")


def test_wrong_uses_are_answered_in_words(finished, tmp_path):
    recipe = load_recipe("perceive")
    with pytest.raises(ExperimentError, match="cue=from:to:by"):
        recipe.changed(steps="f2=1")
    with pytest.raises(ExperimentError, match="trainings of the run"):
        recipe.changed(trainings=2)
    with pytest.raises(ExperimentError, match="perceive RUN"):
        run_experiment(recipe, tmp_path / "none")
    lacking = tmp_path / "lacking"
    shutil.copytree(finished[0], lacking, ignore=shutil.ignore_patterns("classifier", "folds", "report*"))
    with pytest.raises(ExperimentError, match="no classifier"):
        run_experiment(recipe, tmp_path / "out", source=lacking)
    assert next(held_out(Run(finished[0])))


def test_sentences_have_three_values():
    curves = pd.DataFrame({
        "class": "i", "cue": "f2", "step": [-600.0, 0.0, 600.0] * 2, "step_unit": "Hz", "label": ["i"] * 3 + ["u"] * 3,
        "share": [0.4, 0.9, 1.0, 0.6, 0.1, 0.0], "low": 0.0, "high": 1.0,
    })  # fmt: skip
    row = {"class": "i", "against": "u", "slope": 2.0}

    def said(verdict, cue="f2"):
        return cue_sentences(pd.DataFrame([row | {"cue": cue, "verdict": verdict}]), curves, [cue])[0]

    assert said("supported") == (
        "It hears F2: lowering it by 600 Hz turns /i/ into /u/ in 60 % (0–100) of tokens; unchanged, 10 % are heard so."
    )
    assert "does not hear F0" in said("contradicted", "f0")
    assert "cannot be told" in said("cannot be told", "level")
