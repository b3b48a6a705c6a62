"""Exponents of growth are those of the power laws that were put in, with intervals that cover as often as they say."""

import json
import math
import sys
from importlib import import_module
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

SIZES = (1000, 3000, 10_000, 30_000)


@pytest.fixture(autouse=True)
def _importable(monkeypatch):
    monkeypatch.syspath_prepend(Path(__file__).resolve().parents[1])


@pytest.fixture
def scaling():
    return import_module("benchmarks.scaling")


@pytest.mark.parametrize("power", [0.0, 0.5, 1.0, 2.0])
def test_a_power_law_gives_its_exponent(scaling, power):
    values = 3.0 * np.array(SIZES, dtype=float) ** power * np.ones((5, 1))
    assert scaling.exponent(SIZES, values) == pytest.approx((power, power, power), abs=1e-9)


def test_the_interval_holds_the_exponent_in_nineteen_of_twenty_cases(scaling):
    rng, trials = np.random.default_rng(0), 2000
    noise = np.exp(0.1 * rng.standard_normal((trials, 5, len(SIZES))))
    found = np.array([scaling.exponent(SIZES, np.array(SIZES) * one) for one in noise])
    covered = np.mean((found[:, 0] <= 1) & (found[:, 2] >= 1))
    assert abs(covered - 0.95) < 4 * math.sqrt(0.95 * 0.05 / trials)


def test_a_line_of_growth_shows_the_exponent_and_keeps_the_curve(scaling):
    what = scaling.WITH_METHODS
    found = scaling.grown(what, (1, 2, 4), np.array([[1.0, 2.0, 4.0], [1.0, 2.0, 4.0]]), "s")
    assert found.ratio == pytest.approx(1.0)
    assert found.curve == ((1.0, 1.0), (2.0, 2.0), (4.0, 4.0))
    assert (found.ours, found.peer) == (4.0, 1.0)
    assert scaling.BARS[what].met_by(found.ratio)
    squared = scaling.grown(what, (1, 2, 4), np.array([[1.0, 4.0, 16.0]]), "s")
    assert not scaling.BARS[what].met_by(squared.ratio)


def test_memory_of_a_command_is_its_own(tmp_path):
    """What the asking process holds is not counted, what the command's own children hold is."""
    cost = import_module("benchmarks.cost")
    held = np.ones(40_000_000)  # 305 MiB
    small = cost.cost_of([sys.executable, "-c", "pass"], tmp_path / "log")
    assert small.peak_mib < 100 < held.nbytes / 2**20
    child = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'bytearray(200 * 2**20)'], check=True)"
    large = cost.cost_of([sys.executable, "-c", child], tmp_path / "log")
    assert 200 <= large.peak_mib < 300


def test_a_command_that_fails_says_why(tmp_path):
    cost = import_module("benchmarks.cost")
    with pytest.raises(cost.FailedError, match="status 3:\nthe reason"):
        cost.cost_of([sys.executable, "-c", "print('the reason'); raise SystemExit(3)"], tmp_path / "log")


def test_every_step_of_the_commands_can_be_timed(scaling, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(scaling, "TOKENS", (30,))
    monkeypatch.setattr(scaling, "WARM_UP", 20)
    monkeypatch.setattr(scaling, "TALKERS", 1)
    monkeypatch.setattr(scaling, "REPEATS", 4)
    scaling.make_tokens(tmp_path)
    for step in scaling.STEPS.values():
        scaling.one_step(step, str(tmp_path), 30)
        assert json.loads(capsys.readouterr().out.splitlines()[-1]) > 0


def test_everything_that_grows_does_work(scaling, monkeypatch):
    """Noise of few tokens, at the smallest sizes; every token is in the means."""
    for name, sizes in (("SECONDS", (0.1,)), ("ROWS", (32,)), ("CLASSES", (2,)), ("METHODS", (1,))):
        monkeypatch.setattr(scaling, name, sizes)
    named = []
    for what, sizes, works in scaling.growing():
        assert len(sizes) == len(works) == 1
        works[0]()
        named.append(what)
    assert [what for what in scaling.BARS if "tokens" not in what] == named
    case = scaling.Explaining(tokens=70, classes=3)
    assert int(case.means(case.ready())["count"].sel(subset="all").sum()) == 70


@pytest.fixture
def million(monkeypatch):
    """The stages of a million tokens, each of which says that it took a second for a hundred tokens."""
    module, cost = import_module("benchmarks.million"), import_module("benchmarks.cost")
    module.asked = []

    def told(command, log, environment):
        assert environment["OMP_NUM_THREADS"] == "1" or "train" in command
        module.asked.append(command)
        size = int(log.parent.name)
        return cost.Cost(2.0, size / 100, 100.0)

    monkeypatch.setattr(cost, "cost_of", told)
    return module


def test_finished_stages_are_not_run_again(million, tmp_path):
    costs = million.run_stages(tmp_path / "260", 260, 1)
    assert len(million.asked) == len(costs) == len(million.stages(tmp_path, 1, 1))
    assert million.run_stages(tmp_path / "260", 260, 1) == costs
    assert len(million.asked) == len(costs)
    assert costs["explain"] == {"tokens": 260, "wall_seconds": 2.0, "cpu_seconds": 2.6, "peak_mib": 100.0}


def test_training_has_threads_and_the_other_stages_one(tmp_path, monkeypatch):
    cost, seen = import_module("benchmarks.cost"), {}

    def measured(command, log, environment):
        seen[log.name] = environment["OMP_NUM_THREADS"]
        return cost.Cost(1.0, 2.0, 3.0)

    monkeypatch.setattr(cost, "cost_of", measured)
    costs = dict(cost.kept_costs(tmp_path, {"train": ["a"], "tokens to learn from": ["b"]}, 3))
    assert seen == {"train.log": "3", "tokens-to-learn-from.log": "1"}
    assert costs["train"] == cost.Cost(1.0, 2.0, 3.0)


def test_growth_of_the_stages_is_told_and_kept(million, tmp_path, monkeypatch, capsys):
    stored = import_module("benchmarks.stored")
    monkeypatch.setattr(stored.store, "__defaults__", (tmp_path,))
    monkeypatch.setattr(million, "counted", lambda folder: "all are there")
    numbers = ["260", "2600", "26000"]
    monkeypatch.setattr(sys, "argv", ["million", str(tmp_path), "--jobs", "1", "--store", "--tokens", *numbers])
    assert million.main() == 0
    said = capsys.readouterr().out
    assert "explain: cpu_seconds grew with tokens to the power of 1.000" in said
    assert "tokens: peak_mib grew with tokens to the power of 0.000" in said
    kept = json.loads((tmp_path / "million.json").read_text(encoding="utf-8"))
    assert [row["tokens"] for row in kept["results"] if row["stage"] == "explain"] == [260, 2600, 26000]


def test_what_came_out_is_counted(tmp_path):
    for name in ("tokens", "maps"):
        (tmp_path / name).mkdir()
    (tmp_path / "tokens" / "_manifest.json").write_text(json.dumps({"cut": 5}), encoding="utf-8")
    pd.DataFrame({"token": list("abcde")}).to_parquet(tmp_path / "maps" / "tokens.parquet")
    rows = [("all", "i", 3), ("all", "i", 3), ("all", "u", 2), ("correct", "i", 1)]
    pd.DataFrame(rows, columns=["subset", "class", "count"]).to_parquet(tmp_path / "maps" / "means.parquet")
    said = import_module("benchmarks.million").counted(tmp_path)
    assert said == "5 cut, 5 maps, 5 in the means of 2 classes"


def test_talkers_of_all_parts_are_different_ones(tmp_path, monkeypatch):
    from phonoscope.corpora import read_corpus

    module = import_module("benchmarks.million")
    monkeypatch.setattr(module, "REPEATS", 1)
    monkeypatch.setattr(module, "TALKERS_PER_PART", 2)
    module.write_talkers(str(tmp_path / "corpus"), 3, 7, 1)
    tokens = read_corpus(tmp_path / "corpus")
    assert sorted(tokens["speaker"].unique()) == ["0007-f01", "0007-m01", "0008-m01"]
    assert tokens["token"].is_unique
    assert sorted(path.name for path in tmp_path.iterdir()) == ["corpus"]


def test_the_figure_shows_what_was_stored():
    figure = import_module("benchmarks.figure")
    stages = [
        {"stage": stage, "tokens": tokens, "cpu_seconds": tokens / 100, "peak_mib": 400}
        for stage in figure.GROWING
        for tokens in (10_000, 1_000_000)
    ]
    curves = [{"what": what, "curve": [[2, 3.0], [8, 12.0]]} for what in figure.RELATIVE]
    time, memory, rest = figure.growth_figure(stages, curves).axes
    assert time.get_lines()[0].get_xydata().tolist() == [[10_000, 100], [1_000_000, 10_000]]
    assert memory.get_lines()[0].get_ydata().tolist() == [400, 400]
    assert rest.get_lines()[0].get_xydata().tolist() == [[1, 1], [4, 4]]
    assert (time.get_ylabel(), memory.get_ylabel()) == ("s", "MiB")
    assert all(axes.get_xscale() == axes.get_yscale() == "log" for axes in (time, memory, rest))
