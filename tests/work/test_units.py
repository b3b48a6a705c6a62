"""Units of work: what is done stays, what is not whole or of another unit is done again, in order."""

import json

import pytest

from phonoscope.work.executor import in_this_process
from phonoscope.work.units import DONE_NAME, complete, done, mark_done, undo

FACTS = {"seed": 3, "part": [1, 2], "missing": float("nan")}


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "inner").mkdir()
    (tmp_path / "a.txt").write_text("a")
    (tmp_path / "inner" / "b.txt").write_text("b")
    mark_done(tmp_path, FACTS, cpu_seconds=1.5)
    return tmp_path


def test_a_unit_that_is_done_says_so_with_its_notes(folder):
    assert done(folder, FACTS) == {"cpu_seconds": 1.5}
    assert done(folder / "inner", FACTS) is None
    undo(folder)
    assert done(folder, FACTS) is None
    undo(folder)


@pytest.mark.parametrize("change", [{"seed": 4}, {"part": [2, 1]}, {"more": 1}])
def test_another_unit_is_not_done(folder, change):
    assert done(folder, FACTS | change) is None


@pytest.mark.parametrize("damage", ["altered", "missing", "no json", "no object", "no files"])
def test_a_unit_that_is_not_whole_is_not_done(folder, damage):
    path = folder / DONE_NAME
    if damage == "altered":
        (folder / "inner" / "b.txt").write_text("c")
    elif damage == "missing":
        (folder / "a.txt").unlink()
    elif damage == "no json":
        path.write_text("{")
    elif damage == "no object":
        path.write_text("[]")
    else:
        kept = json.loads(path.read_text())
        path.write_text(json.dumps({"facts": kept["facts"]}))
    assert done(folder, FACTS) is None


def test_units_are_asked_first_then_done_in_order():
    asked, did = [], []

    def is_done(unit):
        asked.append(unit)
        return unit % 2 == 1

    units = complete([1, 2, 3, 4], is_done, did.append, in_this_process)
    assert next(units) == 1
    assert asked == [1, 2, 3, 4]
    assert did == []
    assert list(units) == [3, 2, 4]
    assert did == [2, 4]


def test_nothing_is_done_where_all_is_done():
    assert list(complete(["a"], lambda _unit: True, pytest.fail, in_this_process)) == ["a"]
    assert list(complete([], lambda _unit: False, pytest.fail, in_this_process)) == []
