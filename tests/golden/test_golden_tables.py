"""Tables and results of three tiny runs, one a task, are those that were kept: nothing changes unless it is meant to.

Where a change is meant, ``python -m tests.golden.runs`` writes them anew, and the commit says which and why.
"""

import json
import re

import numpy as np
import pandas as pd
import pytest
from runs import HERE, kept_results, kept_rows, make_runs

from phonoscope.errors import ExperimentError, PhonoscopeError
from phonoscope.report import figure_of_run, write_comparison, write_report

TASKS = ("phones", "recordings", "spoof")
_NUMBER = re.compile(r"[-−+]?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?")


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    return make_runs(tmp_path_factory.mktemp("golden"))


def same_text(found: str, kept: str) -> bool:
    """Whether two texts say the same, their numbers to one per cent: the last digit printed may round either way."""
    if _NUMBER.split(found) != _NUMBER.split(kept):
        return False
    numbers = [[float(n.replace("−", "-")) for n in _NUMBER.findall(text)] for text in (found, kept)]
    return bool(np.allclose(*numbers, rtol=0.01, atol=0.011))


def assert_same(found, kept, where: str) -> None:
    if isinstance(kept, dict):
        assert found.keys() == kept.keys(), where
        for key in kept:
            assert_same(found[key], kept[key], f"{where}.{key}")
    elif isinstance(kept, list):
        assert len(found) == len(kept), where
        for position, (one, other) in enumerate(zip(found, kept, strict=True)):
            assert_same(one, other, f"{where}[{position}]")
    elif isinstance(kept, str):
        assert same_text(str(found), kept), f"{where}: {found!r}, kept {kept!r}"
    elif isinstance(kept, (int, float)) and not isinstance(kept, bool):
        assert found == pytest.approx(kept, rel=1e-3, abs=1e-4, nan_ok=True), where
    else:
        assert found == kept, where


@pytest.mark.parametrize("task", TASKS)
def test_tables_are_as_kept(runs, task):
    written = {path.stem for path in (runs[task] / "tables").glob("*.csv")}
    assert written == {path.stem for path in (HERE / task).glob("*.csv")}
    for path in sorted((HERE / task).glob("*.csv")):
        kept, found = pd.read_csv(path), kept_rows(runs[task] / "tables" / path.name)
        times = [name for name in kept if str(name).startswith("cpu_seconds")]
        assert list(found) == list(kept), path.name
        assert_same(
            json.loads(found.drop(columns=times).to_json(orient="records", double_precision=15)),
            json.loads(kept.drop(columns=times).to_json(orient="records", double_precision=15)),
            f"{task}/{path.name}",
        )


@pytest.mark.parametrize("task", TASKS)
def test_results_are_as_kept(runs, task):
    kept = json.loads((HERE / task / "results.json").read_text(encoding="utf-8"))
    assert_same(kept_results(runs[task]), kept, task)


PAPERS = {
    "phones": "James, Balamurali, Abeysinghe and Liu",
    "recordings": "Gupta and Abrol",
    "spoof": "Gupta and Abrol",
}


@pytest.mark.parametrize("task", TASKS)
def test_each_run_gets_the_page_of_its_own_task(runs, task, tmp_path):
    page = write_report(runs[task], tmp_path / "page.html").read_text(encoding="utf-8")
    assert page == (runs[task] / "report.html").read_text(encoding="utf-8")
    assert {paper for paper in PAPERS.values() if paper in page} == {PAPERS[task]}
    own = {"phones": "plate-vowels", "recordings": "plate-learning", "spoof": "plate-spoof"}
    assert {name for name, plate in own.items() if f'id="{plate}"' in page} == {task}


def test_figures_and_comparisons_ask_the_task_whether_they_suit(runs, tmp_path):
    with pytest.raises(ExperimentError, match="run of the task recordings, whose runs are not compared"):
        write_comparison([runs["phones"], runs["recordings"]], tmp_path / "page.html")
    with pytest.raises(PhonoscopeError, match=r"runs of the task phones or outside, .* recordings; .*, crs, "):
        figure_of_run(runs["recordings"], "confusions")
    assert figure_of_run(runs["recordings"], "strs").axes
    assert list(tmp_path.iterdir()) == []
