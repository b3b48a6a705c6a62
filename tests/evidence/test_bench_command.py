"""``phonoscope bench truth``: options, files, and the JSON that programs read."""

import json

import pandas as pd
import pytest
from typer.testing import CliRunner

from phonoscope.attribution.method_spec import parse_methods
from phonoscope.cli import app
from phonoscope.errors import ExperimentError
from phonoscope.evidence import benchmark


@pytest.mark.parametrize(
    ("text", "methods"),
    [
        (None, []),
        ("cam", ["cam"]),
        ("cam, smooth(gradient, samples=4) ; occlusion", ["cam", "smooth(gradient, samples=4)", "occlusion"]),
        ("smooth(integrated-gradients(steps=4, baseline=floor), samples=2),",
         ["smooth(integrated-gradients(steps=4, baseline=floor), samples=2)"]),
    ],
)  # fmt: skip
def test_methods_are_split_outside_of_brackets(text, methods):
    assert parse_methods(text) == methods


def test_a_run_writes_its_tables_and_prints_json_last(tmp_path, monkeypatch):
    monkeypatch.setattr(benchmark, "QUICK", benchmark.Sizes(n_train=160, n_test=20, n_explained=6, epochs=(10,)))
    command = ["bench", "truth", "--quick", "--cues", "duration", "--networks", "compact", "--methods", "cam,gradient",
               "--workers", "1", "--out", str(tmp_path / "out"), "--json"]  # fmt: skip
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 0, result.output
    value = json.loads(result.stdout.splitlines()[-1])
    assert set(value) >= {"ranking", "scores", "peers"}
    assert json.loads((tmp_path / "out" / "truth.json").read_text(encoding="utf-8")) == value
    table = pd.read_csv(tmp_path / "out" / "truth.csv")
    assert table.columns.tolist() == list(benchmark.COLUMNS)
    assert set(table["method"]) >= {"cam", "gradient", *benchmark.BOUNDS}
    ranked = pd.read_csv(tmp_path / "out" / "truth_ranking.csv")
    assert ranked["localisation"].is_monotonic_decreasing


def test_unknown_names_and_numbers_are_refused():
    wrong = CliRunner().invoke(app, ["bench", "truth", "--cues", "f9"])
    assert isinstance(wrong.exception, ExperimentError)
    assert "f9" in str(wrong.exception)
    assert CliRunner().invoke(app, ["bench", "truth", "--classes", "3"]).exit_code == 2
