"""The benchmarks are complete and say what they are held to; nothing is timed here."""

import ast
import json
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[1]
NO_BENCHMARKS = {"__init__", "__main__", "measure"}
FILES = {path.stem for path in (ROOT / "benchmarks").glob("*.py")} - NO_BENCHMARKS


@pytest.fixture(autouse=True)
def _importable(monkeypatch):
    monkeypatch.syspath_prepend(ROOT)
    for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        monkeypatch.setenv(variable, "1")  # the benchmarks set them where they are not; this puts them back


@pytest.fixture
def runner():
    return import_module("benchmarks.__main__")


def test_the_registry_lists_every_file(runner):
    assert set(runner.BENCHMARKS) == FILES


@pytest.mark.parametrize("name", sorted(FILES))
def test_each_benchmark_states_its_bars(name, runner, capsys):
    module = runner.load(name)
    assert module.BARS
    for what, bar in module.BARS.items():
        assert what.strip()
        assert bar.limit > 0
        assert bar.met_by(bar.limit)
        assert bar.met_by(1000 * bar.limit) == bar.at_least
        assert bar.met_by(bar.limit / 1000) != bar.at_least
    assert runner.main([name, "--list"]) == 0
    printed = capsys.readouterr().out
    assert all(f"{what}: {bar}" in printed for what, bar in module.BARS.items())


@pytest.mark.parametrize("name", sorted(FILES))
def test_each_benchmark_runs_alone(name):
    body = ast.parse((ROOT / "benchmarks" / f"{name}.py").read_text(encoding="utf-8")).body
    assert ast.unparse(body[-1]) == "if __name__ == '__main__':\n    alone(BARS, measure)"


def test_what_is_lacking_is_said_and_the_rest_goes_on(runner, monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("PHONOSCOPE_TEXTGRIDS", str(tmp_path / "nowhere.tar.xz"))
    assert runner.main(["textgrids", "--json"]) == 0
    printed = capsys.readouterr()
    assert "textgrids: skipped: nowhere.tar.xz is not there" in printed.err
    answer = json.loads(printed.out)
    assert answer["results"] == []
    assert "nowhere.tar.xz" in answer["skipped"]["textgrids"]


def test_what_a_peer_prints_does_not_spoil_the_json(runner, monkeypatch, capsys):
    def chatty(rounds):
        print("Maximum timestamp changed")
        yield import_module("benchmarks.measure").Measurement("sums", 1.0, 2.0, "ms", (2.0,) * rounds)

    bars = {"sums": import_module("benchmarks.measure").Bar(1.0)}
    monkeypatch.setattr(runner, "load", lambda name: SimpleNamespace(BARS=bars, measure=chatty))
    assert runner.main(["cam", "--json"]) == 0
    printed = capsys.readouterr()
    assert json.loads(printed.out)["results"][0]["ratio"] == 2.0
    assert "Maximum timestamp changed" in printed.err


def test_a_measurement_becomes_a_line_and_a_row(runner, monkeypatch):
    measure = import_module("benchmarks.measure")
    bar = measure.Bar(3.0, peer="an old way")
    found = measure.compared("sums", np.array([0.1, 0.2, 0.1]), np.array([0.4, 0.4, 0.2]), per=10, note="a sum")
    assert (found.ours, found.peer, *found.ratios) == pytest.approx((10.0, 40.0, 4.0, 2.0, 2.0))
    assert found.ratio == 2.0
    assert " ".join(measure.line(found, bar).split()) == "sums 10 40 ms 2 (2–4) ≥ 3 × an old way MISSED a sum"
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


@pytest.mark.parametrize("arguments", [["nonsense"], ["--rounds", "2"]])
def test_impossible_requests_are_refused(runner, arguments, capsys):
    with pytest.raises(SystemExit):
        runner.main(arguments)
    assert "expected names among" in capsys.readouterr().err
