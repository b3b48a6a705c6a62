"""``phonoscope bench truth``: options, files, and the JSON that programs read."""

import json

import pandas as pd
import pytest
from typer.testing import CliRunner

from phonoscope.attribution.method_spec import parse_methods
from phonoscope.cli import app
from phonoscope.errors import ExperimentError, PhonoscopeError
from phonoscope.evidence import benchmark
from phonoscope.evidence.causal import USES
from phonoscope.evidence.pairs import PAIRS


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


def _rows(block, names, _sizes):
    """What a block gives if every method puts nine tenths of its evidence at the used cue, and data know nothing."""
    rows = []
    for uses, wanted in names.items():
        facts = {"pair": PAIRS[block.pair].name, "distance_hz": PAIRS[block.pair].distance, "network": block.network}
        facts |= {"front_end": block.front_end, "seed": block.seed, "uses": uses, "learnt": True, "causal": 0.5}
        for name, kind in wanted:
            share = 0.7 if kind == "control" or uses not in USES else {"first": 0.9, "second": 0.1}[uses]
            scores = {"share": share, "share_positive": share, "mass": 0.6, "mass_positive": 0.6, "null": 0.2}
            rows.append({"method": name, "kind": kind, **facts, **scores, "problem": ""})
    return rows


def _bench(tmp_path, *more):
    command = ["bench", "truth", "--quick", "--cues", "f3", "--methods", "cam,gradient", "--out", str(tmp_path / "out")]
    return CliRunner().invoke(app, [*command, *more])


def test_a_run_writes_its_tables_prints_json_last_and_goes_on_where_it_stopped(tmp_path, monkeypatch):
    monkeypatch.setattr(benchmark, "run_block", _rows)
    result = _bench(tmp_path, "--json")
    assert result.exit_code == 0, result.output
    value = json.loads(result.stdout.splitlines()[-1])
    assert set(value) >= {"ranking", "scores", "controls", "peers"}
    assert set(value["controls"]) == {"data", "random", "other"}
    assert value["controls"]["data"]["which"] == pytest.approx(0.5)
    out = tmp_path / "out"
    assert json.loads((out / "truth.json").read_text(encoding="utf-8")) == value
    table = pd.read_csv(out / "truth.csv")
    assert table.columns.tolist() == list(benchmark.COLUMNS)
    assert set(table["method"]) >= {"cam", "gradient", "data (weighted)", benchmark.CEILING}
    assert set(pd.read_csv(out / "truth_measures.csv")["truth"]) == {"which", "where"}
    assert set(pd.read_csv(out / "truth_answers.csv")["question"]) >= {"which band", "how much", "exact moment"}
    assert (out / "truth.svg").read_text(encoding="utf-8").startswith("<?xml")

    monkeypatch.setattr(benchmark, "run_block", lambda *_: pytest.fail("run again"))
    again = _bench(tmp_path)
    assert again.exit_code == 0, again.output
    assert "where 0.50 is chance" in again.stdout
    assert "which band: none is recommended" in again.stdout
    failed = _bench(tmp_path, "--check")  # a single pair is no sound run
    assert isinstance(failed.exception, PhonoscopeError)
    assert "the benchmark does not hold" in str(failed.exception)


def test_unknown_names_are_refused():
    wrong = CliRunner().invoke(app, ["bench", "truth", "--cues", "f9"])
    assert isinstance(wrong.exception, ExperimentError)
    assert "f9" in str(wrong.exception)
