"""A task of somebody else, in one file and no edit: through the API, the command line, its report, and a resume."""

import sys
from importlib import metadata

import numpy as np
import pytest

from phonoscope.audio import write_audio
from phonoscope.errors import ExperimentError
from phonoscope.experiments.folder import Run
from phonoscope.tasks import TASKS, load_recipe, run_experiment
from phonoscope.tasks.reporting import write_report

RECIPE = 'name = "mine"\ntask = "{task}"\nloudest = "b"\ngain = 2\n'


@pytest.fixture
def corpus(tmp_path):
    for name, level in (("a", 0.1), ("b", 0.3), ("c", 0.2)):
        write_audio(tmp_path / "corpus" / f"{name}.wav", np.full(800, level, dtype=np.float32), 8000)
    return tmp_path / "corpus"


@pytest.fixture
def recipe(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(RECIPE.format(task="own_task:TASK"), encoding="utf-8")
    return path


def test_a_task_from_outside_runs_and_reports_through_the_command_line(recipe, corpus, phonoscope, tmp_path):
    out = tmp_path / "run"
    arguments = ("run", recipe, "--corpus", corpus, "--out", out, "--json")
    refused = phonoscope(*arguments)
    assert refused.status == 1
    assert "--trust-imports" in refused.err
    answer = phonoscope(*arguments, "--trust-imports")
    assert answer.status == 0, answer.err
    assert "3 recordings, scale 1" in answer.out
    assert "loudest: b" in answer.out
    assert answer.json["loudest"] == "b"
    run = Run(out)
    assert run.facts["kind"] == "own_task:TASK"
    assert run.table("levels")["level"].tolist() == pytest.approx([0.2, 0.6, 0.4], abs=1e-3)
    assert run.table("claims")["verdict"].tolist() == ["supported"]
    assert "The loudest recording is b." in (out / "report.html").read_text(encoding="utf-8")
    with pytest.raises(ExperimentError, match="--trust-imports"):
        write_report(out)
    write_report(out, tmp_path / "again.html", trust_imports=True)
    assert "--alignments means nothing" in phonoscope(*arguments, "--trust-imports", "--alignments", "x").err


def test_its_options_its_material_and_its_schema_are_its_own(recipe, corpus, tmp_path):
    loaded = load_recipe(recipe, trust_imports=True)
    assert run_experiment(loaded, tmp_path / "run", corpus, scale=3).table("levels")["level"].max() == pytest.approx(
        1.8, abs=1e-2
    )
    again = run_experiment(loaded, tmp_path / "run", corpus, scale=3, resume=True)
    assert again.results["loudest"] == "b"
    write_audio(corpus / "d.wav", np.full(800, 0.9, dtype=np.float32), 8000)
    with pytest.raises(ExperimentError, match="corpus changed"):
        run_experiment(loaded, tmp_path / "run", corpus, resume=True)
    with pytest.raises(ExperimentError, match="mine needs recordings"):
        run_experiment(loaded, tmp_path / "other")
    recipe.write_text(RECIPE.format(task="own_task:TASK") + "colour = 1\n", encoding="utf-8")
    with pytest.raises(ExperimentError, match=r"unknown entries in the recipe .*: colour"):
        load_recipe(recipe, trust_imports=True)


def test_a_package_announces_its_task_by_name(recipe, corpus, tmp_path, monkeypatch):
    announced = metadata.EntryPoint("loudness", "own_task:TASK", TASKS.group)
    monkeypatch.setitem(TASKS._announced, "loudness", announced)
    recipe.write_text(RECIPE.format(task="loudness"), encoding="utf-8")
    run = run_experiment(load_recipe(recipe), tmp_path / "run", corpus)
    assert run.facts["kind"] == "loudness"
    assert write_report(tmp_path / "run").is_file()
    assert "own_task" in sys.modules
