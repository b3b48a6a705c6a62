"""Territories and classification images as the task perceive makes them: listeners whose rule is known, and a run."""

import numpy as np
import pandas as pd
import pytest
from scipy.special import log_softmax

from phonoscope.errors import ExperimentError, PerceptionError, PhonoscopeError
from phonoscope.experiments.folder import Run
from phonoscope.perception import Bubbles, FormantGrid
from phonoscope.perception.planes import hertz_for_hertz
from phonoscope.perception.reverse import holds_cells, read_classification_trials
from phonoscope.report.classification import draw_classification_image
from phonoscope.report.style import class_colour, new_figure
from phonoscope.report.territories import draw_territory
from phonoscope.scales import hz_to_bark
from phonoscope.tasks import load_recipe
from phonoscope.tasks.figures.figure import figure_of_run
from phonoscope.tasks.perceive.asking import Answered
from phonoscope.tasks.perceive.image_sentences import image_sentences
from phonoscope.tasks.perceive.images import bubble_trials, image_tables
from phonoscope.tasks.perceive.territory import own_vowels, territory_tables
from phonoscope.tasks.perceive.territory_sentences import territory_sentences
from small import recipe_text

LABELS = ["i", "u"]
GRID = FormantGrid.of(["f3", "f2"], 7)


def places(tokens=12):
    """Every token at every place of the plane of F2 and F3."""
    rng, parts = np.random.default_rng(0), []
    for token in range(tokens):
        targets = GRID.targets()
        before = {f"before_f{k}": [300, 1500, 2600, 3600][k - 1] + rng.normal(0, 30) for k in (1, 2, 3, 4)}
        measured = {f"f{k + 1}": targets[:, k] + rng.normal(0, 5, len(targets)) for k in (1, 2)}
        parts.append(pd.DataFrame({
            "token": f"t{token}", "class": LABELS[token % 2], "speaker": None, "recording": f"r{token}",
            "cue": "f2+f3", "missed": False, "unit": "Hz", "f0": rng.normal(200, 20), **measured, **before,
            "step": GRID.cells(*targets[:, 1:3].T).astype(float),
        }))  # fmt: skip
    return pd.concat(parts, ignore_index=True)


@pytest.fixture(scope="module")
def answered():
    """A network that goes by F3 − F2 = 3 Bark, a linear twin that goes by F2 alone, and random weights."""
    table = places()
    f2, f3 = (hz_to_bark(table[name].to_numpy()) for name in ("f2", "f3"))
    odds = {"network": -6 * (f3 - f2 - 3.0), "random": np.full(len(table), 0.01), "linear": 6 * (f2 - 11.5)}
    answers = {name: log_softmax(np.stack([z, 0 * z], axis=1), axis=1)[None] for name, z in odds.items()}
    return Answered(table, answers, {})


def test_a_border_that_follows_the_distance_is_told_in_hertz(answered):
    tables = territory_tables(answered, GRID, LABELS)
    row = tables["trading"].iloc[0]
    assert (row["label"], row["against"], row["cue"], row["by"]) == ("i", "u", "f2", "f3")
    assert row["trade"] == pytest.approx(1.0, abs=0.05)
    assert row["linear"] == pytest.approx(0.0, abs=0.05)
    assert np.isnan(row["random"])
    assert hz_to_bark(row["at_f3"]) - hz_to_bark(row["at_f2"]) == pytest.approx(3.0, abs=0.4)
    assert row["hz_trade"] == pytest.approx(100 * row["trade"] * hertz_for_hertz(row["at_f2"], row["at_f3"]))
    said = territory_sentences(tables, answered.table)
    assert any("F2 boundary between /i/ and /u/ moves by" in line and "F3 − F2" in line for line in said)
    assert set(tables["normalisation"]["by"]) == {"f0"}  # F3 was moved itself
    alone = answered.table.assign(sex="m")
    assert "American men" in territory_sentences(tables, alone)[0]


def test_places_hold_the_answer_that_is_given_there(answered):
    table = territory_tables(answered, GRID, LABELS)["territory"]
    network = table[table["who"] == "network"]
    apart = hz_to_bark(network["second_hz"]) - hz_to_bark(network["first_hz"])
    clear = np.abs(apart - 3.0) > 0.4
    assert (network.loc[clear, "answer"] == np.where(apart[clear] < 3, "i", "u")).all()
    assert np.allclose(network[["share_i", "share_u"]].sum(axis=1), 1.0)
    assert set(table.loc[table["who"] == "random", "answer"]) == {"i"}
    own = own_vowels(answered.table)
    assert len(own) == 12
    assert {"class", "f0", "f1", "f2", "f3", "f4"} <= set(own)


def test_what_is_no_grid_is_refused():
    with pytest.raises(PerceptionError, match="two of f0 to f4"):
        FormantGrid.of(["f2"])
    with pytest.raises(PerceptionError, match="f1,f2"):
        load_recipe("perceive").changed(territory="f2,duration")
    with pytest.raises(ExperimentError, match="each pair once"):
        load_recipe("perceive").changed(territory="f1,f2;f2,f1")
    with pytest.raises(ExperimentError, match="20000"):
        load_recipe("perceive").changed(bubbles=-1)


def test_a_territory_is_drawn_as_a_vowel_chart():
    f1, f2 = FormantGrid.of(["f1", "f2"], 5).places
    first, second = (plane.ravel() for plane in np.meshgrid(f1, f2, indexing="ij"))
    table = pd.DataFrame({"first_hz": first, "second_hz": second, "share": 1.0,
                          "answer": np.where(second > 1500, "i", "u")})  # fmt: skip
    axes = new_figure(3, 3).subplots()
    colours = {"i": class_colour(0), "u": class_colour(1)}
    draw_territory(axes, table[first < 900], colours=colours)
    assert axes.xaxis_inverted()
    assert axes.yaxis_inverted()
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("F2 (Hz)", "F1 (Hz)")
    picture = axes.images[0].get_array()
    assert picture.shape[:2] == (4, 5)  # F1 × F2
    assert picture[0, 0, 0] > picture[0, -1, 0]  # /u/ is red, /i/ blue; F2 rises along the columns
    axes = new_figure(3, 3).subplots()
    draw_territory(axes, table, colours=colours, plane=("f2", "f3"))
    assert axes.get_xlabel() == "F2 (Hz)"
    assert not axes.yaxis_inverted()


@pytest.fixture(scope="module")
def changed():
    """Trials of a network that hears energy in three cells, of two trainings, and of random weights that hear none."""
    rng, design = np.random.default_rng(0), Bubbles()
    cells = rng.normal(0, 6, (2500, design.frequencies, design.times))
    planted = np.zeros((design.frequencies, design.times))
    planted[10, 1:4] = 0.15
    token = rng.integers(20, size=len(cells))
    table = pd.DataFrame({"token": [f"t{i}" for i in token], "class": np.array(LABELS)[token % 2],
                          "cells": list(cells.reshape(len(cells), -1))})  # fmt: skip
    odds = (cells * planted).sum(axis=(1, 2))
    random = 1e-3 * cells[:, 0, 0]

    def asked(*values):
        return np.stack([log_softmax(np.stack([z, 0 * z], axis=1), axis=1) for z in values])

    return planted, Answered(table, {"network": asked(odds, 0.8 * odds), "random": asked(random)}, {})


def test_planted_cells_are_found_and_random_weights_are_blank(changed, tmp_path):
    planted, found = changed
    trials = bubble_trials(found, "network", LABELS, 16000)
    people = tmp_path / "people.csv"
    trials.table().to_csv(people, index=False)
    assert holds_cells(people)
    assert not holds_cells(tmp_path)
    heard = read_classification_trials(people, labels=LABELS)
    tables = image_tables(found, LABELS, 16000, people=heard)
    images = tables["images"]
    network = images[images["who"] == "network"]["weight"].to_numpy().reshape(planted.shape)
    assert np.corrcoef(network.ravel(), planted.ravel())[0, 1] > 0.95
    strengths = tables["image_strengths"].set_index("who")
    assert strengths.loc["random", "strength"] < 0.02 * strengths.loc["network", "strength"]
    assert strengths.loc["people", "r"] > 0.9
    assert strengths.loc["network", "r_trainings"] > 0.99
    cluster = tables["image_clusters"].query("who == 'network'").iloc[0]
    assert cluster["sign"] == 1
    assert cluster["low_hz"] <= trials.frequency[10] <= cluster["high_hz"]
    assert cluster["first"] <= 0.25
    assert cluster["p"] < 0.05
    said = image_sentences(tables)
    assert len(said) == 1
    assert "for /i/" in said[0]
    assert "less than 0.01 times" in said[0]


def test_an_image_is_drawn_upright_and_its_clusters_outlined(changed):
    table = image_tables(changed[1], LABELS, 16000)["images"]
    rows = table[table["who"] == "network"]
    axes = new_figure(3, 3).subplots()
    image = draw_classification_image(axes, rows, max_hz=4000.0)
    values = image.get_array()
    assert values.shape == (20, 6)
    assert np.unravel_index(np.argmax(values), values.shape)[0] == 10  # lowest frequency first, drawn at the bottom
    assert axes.get_ylim()[0] < axes.get_ylim()[1]
    inside = int((rows["cluster"] > 0).sum())
    assert inside >= 3
    assert len(axes.lines) >= 2 * 3 + 2  # edges of three cells in a row
    assert np.isclose(image.get_clim()[1], rows["weight"].abs().max())


@pytest.fixture(scope="module")
def explored(finished, phonoscope, tmp_path_factory):
    folder = tmp_path_factory.mktemp("places")
    recipe = {"name": "small", "task": "perceive", "places": 4, "territory_tokens": 5, "cues": ["f2"], "tokens": 10,
              "shams": False}  # fmt: skip
    (folder / "small.toml").write_text(recipe_text(recipe), encoding="utf-8")
    answer = phonoscope("perceive", finished[0], "--recipe", folder / "small.toml", "--steps", "f2=-300,0,300",
                        "--territory", "f1,f2", "--bubbles", 900, "--out", folder / "out", "--json")  # fmt: skip
    assert answer.status == 0, answer.err
    return folder / "out", answer.json


def test_a_run_is_asked_about_places_and_random_changes(explored):
    out, results = explored
    run = Run(out)
    stimuli = pd.read_parquet(out / "territory-f1-f2.parquet")
    assert stimuli["token"].nunique() == 5
    assert {row["plane"] for row in results["territory"]} == {"f1,f2"}
    assert sum(row["n"] for row in results["territory"]) <= (~stimuli["missed"]).sum()
    assert {row["who"] for row in results["agreement"]} == {"network", "random", "linear"}
    assert {"trading", "normalisation", "image_strengths", "image_clusters"} <= set(results)
    trials = pd.read_parquet(out / "bubble_trials.parquet")
    assert len(trials) == 900
    assert trials["token"].nunique() == 10
    assert set(run.table("images")["who"]) == {"network", "random", "linear"}
    page = (out / "report.html").read_text(encoding="utf-8")
    for heading in ("Territories in the plane of F1 and F2", "Classification images", "American"):
        assert heading in page
    assert len(figure_of_run(out, "territory").axes) == 4
    label = run.table("images")["label"].iloc[0]
    assert figure_of_run(out, "classification-image", label=label).axes


def test_the_page_plays_what_was_asked(explored):
    out, _ = explored
    sounds = Run(out).table("sounds")
    assert set(sounds["step"]) == {-300.0, 0.0, 300.0}
    assert sounds.groupby("class")["token"].nunique().eq(1).all()
    stimuli = pd.read_parquet(out / "stimuli.parquet").set_index(["token", "step"])
    for row in sounds.to_dict("records"):
        assert (out / row["file"]).is_file()
        assert stimuli.loc[(row["token"], row["step"]), "answer"] == row["answer"]
    page = (out / "report.html").read_text(encoding="utf-8")
    assert page.count("<audio") == len(sounds)
    assert "as recorded: /" in page


def test_without_them_a_figure_says_what_to_ask_for(finished, phonoscope, tmp_path):
    out = tmp_path / "plain"
    answer = phonoscope(
        "perceive", finished[0], "--cues", "f2", "--steps", "f2=-300,0,300", "--tokens", 4, "--out", out
    )
    assert answer.status == 0, answer.err
    with pytest.raises(PhonoscopeError, match="--territory f1,f2"):
        figure_of_run(out, "territory")
    with pytest.raises(PhonoscopeError, match="--bubbles"):
        figure_of_run(out, "classification-image")
    assert "Classification images" not in (out / "report.html").read_text(encoding="utf-8")
