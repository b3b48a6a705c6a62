"""Work spread over processes: results in order, few tasks under way at a time, no process that outlives its parent."""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from typing import Protocol, TypeVar

from phonoscope.errors import PhonoscopeError

_TASKS_PER_PROCESS = 2  # under way at a time: one worked on, one waiting

Task = TypeVar("Task")
Result = TypeVar("Result")


class Executor(Protocol):
    """How work is spread.

    The function is one of a module and the tasks can be pickled, so that both reach other processes and machines.
    """

    def __call__(self, function: Callable[[Task], Result], tasks: Sequence[Task]) -> Iterator[Result]:
        """Yield ``function(task)`` of every task, in their order."""
        ...


def in_this_process(function: Callable[[Task], Result], tasks: Sequence[Task]) -> Iterator[Result]:
    """Do one task after the other."""
    yield from map(function, tasks)


def spread_over(jobs: int) -> Executor:
    """Spread work over so many processes of this machine; over none beside this one if ``jobs`` is 1.

    Raises
    ------
    PhonoscopeError
        If there is to be no process.
    """
    if jobs < 1:
        raise PhonoscopeError(f"the number of processes is {jobs}; it must be at least 1")
    return in_this_process if jobs == 1 else partial(in_processes, jobs=jobs)


def end_with_parent() -> None:
    """Let this worker process end when the one that started it does: a killed parent cannot tell its workers."""
    parent = multiprocessing.parent_process()
    if parent is None:
        return

    def wait() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()


def in_processes(function: Callable[[Task], Result], tasks: Iterable[Task], jobs: int) -> Generator[Result]:
    """Yield ``function(task)`` of every task, in their order; the function and the tasks must be picklable.

    Memory does not grow with the number of tasks. With one job everything happens in this process.

    Parameters
    ----------
    function : function
        From a task to its result.
    tasks : iterable
        May be lazy: only a few a process are taken ahead of the results.
    jobs : int
        Number of processes.

    Raises
    ------
    PhonoscopeError
        If a process dies, e.g. because the memory is full.
    """
    if jobs <= 1:
        yield from map(function, tasks)
        return
    pool = ProcessPoolExecutor(jobs, multiprocessing.get_context("spawn"), end_with_parent)
    waiting: deque[Future[Result]] = deque()
    try:
        for task in tasks:
            waiting.append(pool.submit(function, task))
            if len(waiting) >= _TASKS_PER_PROCESS * jobs:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    except BrokenProcessPool as error:
        raise PhonoscopeError(
            "a worker process ended unexpectedly (often: the memory is full). Run the command again with fewer jobs: "
            "what is finished is kept"
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)
