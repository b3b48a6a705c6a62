"""Work spread over processes comes back in the order of its tasks; a process that dies is said."""

import os

import pytest
import spread_tasks

from phonoscope.errors import PhonoscopeError
from phonoscope.work.executor import in_processes, spread_over


def test_results_come_in_the_order_of_the_tasks_though_later_ones_end_first(tmp_path):
    tasks = [(tmp_path, number) for number in range(6)]
    assert list(in_processes(spread_tasks.end_after_the_next, tasks, jobs=2)) == [0, 1, 2, 3, 4, 5]
    ended = {path.name: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    assert ended["0"] > max(ended["1"], ended["2"])
    assert {path.read_text() for path in tmp_path.iterdir()} - {str(os.getpid())} != set()


def test_one_job_needs_no_other_process(tmp_path):
    tasks = [(tmp_path, number) for number in (5, 4, 3)]
    assert list(spread_over(1)(spread_tasks.end_after_the_next, tasks)) == [5, 4, 3]
    assert {path.read_text() for path in tmp_path.iterdir()} == {str(os.getpid())}
    with pytest.raises(PhonoscopeError, match="at least 1"):
        spread_over(0)


def test_a_process_that_dies_is_said():
    with pytest.raises(PhonoscopeError, match="fewer jobs"):
        list(in_processes(spread_tasks.die, [1, 2], jobs=2))
