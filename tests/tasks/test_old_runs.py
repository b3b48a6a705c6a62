"""Folders that 0.1.0 wrote, one a task, are read, reported, drawn, explained, viewed and gone on with."""

import json
import tarfile
from pathlib import Path

import numpy as np
import pytest

from phonoscope.attribution import read_maps
from phonoscope.corpora import read_tokens, write_tokens
from phonoscope.errors import ExperimentError
from phonoscope.experiments.explaining import explain_run
from phonoscope.experiments.folder import Run
from phonoscope.tasks import load_recipe, run_experiment, task_of_run
from phonoscope.tasks.figures import figure_of_run
from phonoscope.tasks.reporting import write_report

ARCHIVE = (
    Path(__file__).parent / "old_runs" / "0.1.0.tar.xz"
)  # two folds of three vowels, two tones, their vocoded twins
PAPERS = {"phones": "arXiv 2407.17416", "recordings": "Gupta and Abrol", "spoof": "Gupta and Abrol"}


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """The three run folders; the recordings of the first lie where its token table says."""
    folder = tmp_path_factory.mktemp("old")
    with tarfile.open(ARCHIVE) as archive:
        archive.extractall(folder, filter="data")
    path = folder / "phones" / "tokens.parquet"
    tokens = read_tokens(path)
    tokens.attrs["roots"] = {"corpus": (folder / "phones" / "corpus").as_posix()}
    write_tokens(path, tokens)
    return {name: folder / name for name in PAPERS}


@pytest.mark.parametrize("task", PAPERS)
def test_they_are_read_and_reported_as_runs_of_their_task(folders, task, tmp_path):
    run = Run(folders[task])
    assert run.facts["provenance"]["phonoscope"] == "0.1.0"
    assert task_of_run(run).name == task
    text = write_report(folders[task], tmp_path / "report.html").read_text(encoding="utf-8")
    assert PAPERS[task] in text
    recipe = load_recipe(folders[task] / "recipe.toml")
    assert recipe.name == run.facts["recipe"]["name"]
    assert task in (recipe.task, *task_of_run(run).kinds)


def test_figures_are_drawn_of_them(folders):
    assert figure_of_run(folders["phones"], "profile", label="i").axes
    assert figure_of_run(folders["phones"], "map").axes


def test_they_are_explained_by_what_their_classifiers_were_trained_on(folders, tmp_path):
    made = explain_run(folders["phones"], tmp_path / "maps", method="integrated-gradients", target="true")
    maps = read_maps(tmp_path / "maps")
    assert made.count == len(Run(folders["phones"]).predictions)
    assert maps.attrs["reference"] != "silence"
    assert (np.abs(maps.values).max(axis=(1, 2)) > 0).all()


def test_the_viewer_opens_them(folders):
    pytest.importorskip("starlette", reason="needs the extra web")
    from phonoscope.viewer.session import Session

    (shown,) = Session([folders["phones"]]).runs
    assert shown.about()["labels"] == ["i", "æ", "u"]
    token = Run(folders["phones"]).tokens["token"].iloc[0]
    assert token in shown.maps("cam")
    assert len(shown.subject(token).waveform) > 0
    assert sum(shown.classifiers.answer(shown.subject(token)).probabilities) == pytest.approx(1.0, abs=1e-5)


def test_one_that_was_interrupted_goes_on(folders):
    out = folders["phones"]
    (out / "run.json").unlink()
    recipe = load_recipe(out / "recipe.toml")
    with pytest.raises(ExperimentError, match="another recipe"):
        run_experiment(recipe.changed(epochs=2), out, resume=True)
    run = run_experiment(recipe, out, resume=True)
    assert run.facts["kind"] == "phones"
    assert len(run.predictions) == len(run.tokens)
    assert json.loads((out / "folds" / "0" / "done.json").read_text(encoding="utf-8"))["files"]
