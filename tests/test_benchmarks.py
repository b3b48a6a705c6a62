"""The benchmarks are complete and say what they are held to; nothing is timed here."""

import ast
import json
import platform
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from typer.testing import CliRunner

import phonoscope
from phonoscope.cli import app
from phonoscope.errors import PhonoscopeError

ROOT = Path(__file__).resolve().parents[1]
COMMANDS = {"__main__", "aligning", "coverage", "million", "page", "paper_scale"}
HELPERS = {"__init__", "cost", "figure", "measure", "registry", "runner", "stored", *COMMANDS}
FILES = {path.stem for path in (ROOT / "benchmarks").glob("*.py")} - HELPERS


@pytest.fixture(autouse=True)
def _importable(monkeypatch):
    monkeypatch.syspath_prepend(ROOT)
    for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        monkeypatch.setenv(variable, "1")  # the benchmarks set them where they are not; this puts them back


@pytest.fixture
def runner():
    return import_module("benchmarks.runner")


@pytest.fixture
def invoke():
    """Run the command, with what it prints on either stream."""
    return lambda *arguments: CliRunner().invoke(app, ["bench", *map(str, arguments)])


@pytest.fixture
def sums(runner, monkeypatch):
    """One benchmark in the place of all: its rounds can be set; it says what it was asked."""
    measure = import_module("benchmarks.measure")
    made = SimpleNamespace(ratios=[2.0, 2.1, 1.9, 2.0, 2.05], asked=0)

    def measured(rounds):
        print("Maximum timestamp changed")  # as some peers do
        made.asked += 1
        yield measure.Measurement("sums", 1.0, 2.0, "ms", tuple(made.ratios))

    module = SimpleNamespace(BARS={"sums": measure.Bar(1.0)}, measure=measured)
    monkeypatch.setattr(runner, "BENCHMARKS", {"sums": "sums of numbers"})
    monkeypatch.setattr(runner, "load", lambda name: module)
    return made


def test_the_registry_lists_every_file(runner):
    assert set(runner.BENCHMARKS) == FILES


@pytest.mark.parametrize("name", sorted(FILES))
def test_each_benchmark_states_its_bars(name, runner, invoke):
    module = runner.load(name)
    assert module.BARS
    for what, bar in module.BARS.items():
        assert what.strip()
        assert bar.limit > 0
        assert bar.met_by(bar.limit)
        assert bar.met_by(1000 * bar.limit) == bar.at_least
        assert bar.met_by(bar.limit / 1000) != bar.at_least
    listed = invoke(name, "--list")
    assert listed.exit_code == 0
    assert all(f"{what}: {bar}" in listed.output for what, bar in module.BARS.items())


@pytest.mark.parametrize("name", sorted(FILES))
def test_each_benchmark_runs_alone(name):
    body = ast.parse((ROOT / "benchmarks" / f"{name}.py").read_text(encoding="utf-8")).body
    assert ast.unparse(body[-1]) == "if __name__ == '__main__':\n    alone(BARS, measure)"


def test_what_is_lacking_is_said_and_the_rest_goes_on(invoke, monkeypatch, tmp_path):
    monkeypatch.setenv("PHONOSCOPE_TEXTGRIDS", str(tmp_path / "nowhere.tar.xz"))
    said = invoke("textgrids", "--json", "--results", tmp_path)
    assert said.exit_code == 0
    assert "textgrids: skipped: nowhere.tar.xz is not there" in said.stderr
    answer = json.loads(said.stdout)
    assert answer["results"] == []
    assert "nowhere.tar.xz" in answer["skipped"]["textgrids"]


def test_what_a_peer_prints_does_not_spoil_the_json(sums, invoke, tmp_path):
    said = invoke("sums", "--json", "--results", tmp_path)
    assert json.loads(said.stdout)["results"][0]["ratio"] == 2.0
    assert "Maximum timestamp changed" in said.stderr
    assert json.loads(said.stdout)["not_compared"] == ["sums"]


def test_stored_ratios_are_compared_and_a_loss_is_measured_again(sums, invoke, tmp_path):
    assert invoke("--store", "--results", tmp_path).exit_code == 0
    stored = json.loads((tmp_path / "sums.json").read_text(encoding="utf-8"))
    assert stored["results"][0]["ratios"] == sums.ratios
    assert {"date", "machine", "versions", "command"} <= set(stored)
    sums.ratios = [ratio / 2 for ratio in sums.ratios]
    lost = invoke("sums", "--check", "--json", "--results", tmp_path)
    assert (lost.exit_code, sums.asked) == (1, 3)  # the loss was measured twice
    assert json.loads(lost.stdout)["regressions"][0]["what"] == "sums"
    assert invoke("sums", "--results", tmp_path).exit_code == 0  # told, but nothing was to be checked
    sums.ratios = [ratio * 2.1 for ratio in sums.ratios]
    better = invoke("sums", "--check", "--json", "--results", tmp_path)
    assert (better.exit_code, json.loads(better.stdout)["regressions"]) == (0, [])


def test_a_loss_that_does_not_come_back_is_none(sums, invoke, tmp_path, runner, monkeypatch):
    invoke("--store", "--results", tmp_path)
    first, good = [ratio / 2 for ratio in sums.ratios], list(sums.ratios)
    measured = runner.measured

    def once_bad(name, rounds):
        sums.ratios = first if sums.asked == 1 else good
        return measured(name, rounds)

    monkeypatch.setattr(runner, "measured", once_bad)
    said = invoke("sums", "--check", "--results", tmp_path)
    assert (said.exit_code, sums.asked) == (0, 3)
    assert "worse than stored: sums: 1, stored 2" in said.output
    assert "no regression found" in said.output


def test_ratios_of_another_machine_are_not_compared(sums, invoke, tmp_path):
    invoke("--store", "--results", tmp_path)
    path = tmp_path / "sums.json"
    stored = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**stored, "machine": {**stored["machine"], "cores": 1024}}), encoding="utf-8")
    sums.ratios = [ratio / 2 for ratio in sums.ratios]
    said = invoke("sums", "--check", "--results", tmp_path)
    assert said.exit_code == 0
    assert "nothing is stored of this kind of machine: sums" in said.output


def test_the_machine_is_told_without_its_name():
    told = import_module("benchmarks.stored").machine()
    assert told["cores"] >= 1
    assert told["processor"]
    assert platform.node() not in json.dumps(told)


def test_a_measurement_becomes_a_line_and_a_row(runner, monkeypatch):
    measure = import_module("benchmarks.measure")
    bar = measure.Bar(3.0, peer="an old way")
    found = measure.compared("sums", np.array([0.1, 0.2, 0.1]), np.array([0.4, 0.4, 0.2]), per=10, note="a sum")
    assert (found.ours, found.peer, *found.ratios) == pytest.approx((10.0, 40.0, 4.0, 2.0, 2.0))
    assert found.ratio == 2.0
    assert " ".join(measure.line(found, bar).split()) == "sums 10 40 ms 2 (2–4) ≥ 3 × an old way MISSED a sum"
    assert str(measure.Bar(1.1, at_least=False, peer="")) == "≤ 1.1"
    monkeypatch.setattr(runner.load("cam"), "BARS", {"sums": bar})
    row = runner.row("cam", found)
    assert (row["least"], row["ratio"], row["most"], row["met"]) == (2.0, 2.0, 4.0, False)
    assert row["bar"]["limit"] == 3.0
    json.dumps(row)


def test_rounds_take_turns():
    calls = []
    spent = import_module("benchmarks.measure").alternately(3, lambda: calls.append("a"), lambda: calls.append("b"))
    assert "".join(calls) == "ab" + "ab" + "ba" + "ab"
    assert spent.shape == (3, 2)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nonsense"], "found nonsense and 5 rounds; expected names among cam"),
        (["cam", "--rounds", "2"], "at least 5 rounds"),
        (["cam", "truth"], "by itself: phonoscope bench truth"),
    ],
)
def test_impossible_requests_are_refused(arguments, said, invoke):
    refused = invoke(*arguments)
    assert refused.exit_code == 1
    assert isinstance(refused.exception, PhonoscopeError)
    assert said in str(refused.exception)


def test_without_the_source_it_is_said_where_the_benchmarks_are(invoke, monkeypatch, tmp_path):
    monkeypatch.setattr(phonoscope, "__file__", str(tmp_path / "site" / "phonoscope" / "__init__.py"))
    monkeypatch.chdir(tmp_path)
    assert "Clone the repository" in str(invoke("cam").exception)


def test_the_module_and_the_command_are_one(tmp_path):
    names = [[sys.executable, "-m", "benchmarks"], [sys.executable, "-m", "phonoscope", "bench"]]
    said = [subprocess.run([*name, "cam", "--list"], cwd=ROOT, capture_output=True, check=True) for name in names]
    assert said[0].stdout == said[1].stdout


def test_the_module_ends_with_the_status_of_the_command(sums, runner, capsys, tmp_path):
    assert runner.main(["sums", "--store", "--results", str(tmp_path)]) == 0
    sums.ratios = [ratio / 2 for ratio in sums.ratios]
    assert runner.main(["sums", "--results", str(tmp_path)]) == 0  # told, but nothing was to be checked
    assert runner.main(["sums", "--check", "--json", "--results", str(tmp_path)]) == 1
    assert runner.main(["nonsense"]) == 1
    assert "expected names among" in capsys.readouterr().err


def test_the_command_leaves_the_import_path_alone(invoke, monkeypatch):
    monkeypatch.setattr(sys, "path", [path for path in sys.path if Path(path or ".").resolve() != ROOT])
    for name in [name for name in sys.modules if name.partition(".")[0] == "benchmarks"]:
        monkeypatch.delitem(sys.modules, name)
    before = list(sys.path)
    assert invoke("cam", "--list").exit_code == 0
    assert sys.path == before


def test_a_cost_is_our_time_over_the_peer_s_in_the_unit_that_is_named():
    compared = import_module("benchmarks.measure").compared
    found = compared("sums", np.array([0.2]), np.array([0.1]), per=10, unit="µs/token", cost=True)
    assert (found.ours, found.peer, found.ratio) == pytest.approx((2e4, 1e4, 2.0))
    assert found.unit == "µs/token"
    assert compared("sums", np.array([0.2]), np.array([0.1]), unit="s/10000").ours == pytest.approx(0.2)


def test_rounds_are_measured_by_the_clock_that_is_named():
    ticks = iter(range(100))
    alternately = import_module("benchmarks.measure").alternately
    spent = alternately(2, lambda: next(ticks), lambda: None, clock=lambda: next(ticks))
    assert spent.tolist() == [[2, 1], [2, 1]]
