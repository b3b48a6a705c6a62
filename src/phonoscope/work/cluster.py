"""Work spread over the machines of a cluster by Ray Data, with the same functions that do it on one machine.

Needs the extra ``ray``. Every machine must see the folders under the same paths, and have phonoscope installed.
"""

from __future__ import annotations

import logging
import os
import pickle
import traceback
import warnings
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, TypeVar

import numpy as np

from phonoscope.errors import MissingExtraError, PhonoscopeError
from phonoscope.work.executor import Executor

Task = TypeVar("Task")
Result = TypeVar("Result")

# Restarts of a process, and attempts at a task whose process died: a task that kills every process is given up.
MOST_RESTARTS = 20
MOST_RETRIES = 3


def on_ray(workers: int | None = None, gpus: float = 0.0) -> Executor:
    """Return an engine: a pool of actors, each of which keeps what it has loaded and takes one task after the other.

    It joins the cluster that the environment variable ``RAY_ADDRESS`` names; without it Ray starts on this machine and
    ends with the work.

    Parameters
    ----------
    workers
        Most actors at a time; as many as the cluster has cores, or shares of GPUs, if None.
    gpus
        Share of a GPU that each actor takes.

    Raises
    ------
    MissingExtraError
        If Ray is not installed.
    PhonoscopeError
        If the numbers make no sense.
    """
    try:
        import ray.data  # noqa: F401
    except ImportError as error:
        raise MissingExtraError("ray.data", "ray") from error
    if (workers is not None and workers < 1) or gpus < 0:
        raise PhonoscopeError(f"--jobs is {workers} and --gpus {gpus}; expected at least 1, and not less than 0")
    return partial(_each, workers=workers, gpus=gpus)


def _each(
    function: Callable[[Task], Result], tasks: Sequence[Task], *, workers: int | None, gpus: float
) -> Iterator[Result]:
    """Yield ``function(task)`` of every task, in their order; see ``on_ray``.

    Raises
    ------
    PhonoscopeError
        What the function raised, or that its processes died again and again.
    """
    if len(tasks) == 0:
        return
    import ray.exceptions

    _quiet()
    started = not ray.is_initialized()
    if started:
        ray.init(include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
    try:
        yield from _run(function, tasks, workers, gpus)
    except ray.exceptions.RayError as error:
        raise PhonoscopeError(
            f"the cluster gave up ({str(error).strip().splitlines()[-1]}); often the memory is full. Run the command "
            "again with fewer --jobs: what is finished is kept"
        ) from error
    finally:
        if started:
            ray.shutdown()


def _run(
    function: Callable[[Task], Result], tasks: Sequence[Task], workers: int | None, gpus: float
) -> Iterator[Result]:
    import ray

    context = ray.data.DataContext.get_current().copy()
    context.enable_progress_bars = False
    context.execution_options.preserve_order = True
    # A task is the work of minutes: one at a time, so that those that wait go to whoever is free.
    context.actor_prefetcher_enabled = False
    room = _room(ray.cluster_resources(), gpus)
    most = min(workers or room, len(tasks))
    with ray.data.DataContext.current(context):
        items = ray.data.from_items([{"task": pickle.dumps(task)} for task in tasks], override_num_blocks=len(tasks))
        done = items.map_batches(
            _Actor,
            fn_constructor_args=(pickle.dumps(function),),
            batch_size=1,
            compute=ray.data.ActorPoolStrategy(
                min_size=1, max_size=most, initial_size=most, max_tasks_in_flight_per_actor=1
            ),
            num_cpus=1,
            num_gpus=gpus or None,
            ray_remote_args_fn=_limits,
        )
        for row in done.iter_rows():
            error, result = pickle.loads(row["answer"])
            if error is not None:
                raise error
            yield result


def _room(resources: dict[str, float], gpus: float) -> int:
    """How many actors fit into a cluster at a time; PhonoscopeError if there is no GPU for them."""
    if gpus and resources.get("GPU", 0) < gpus:
        raise PhonoscopeError(
            f"--gpus {gpus:g} was requested, but the cluster has {resources.get('GPU', 0):g} GPUs; leave --gpus out"
        )
    return max(1, int(resources.get("GPU", 0) / gpus if gpus else resources.get("CPU", 1)))


def _limits() -> dict[str, int]:
    """Restarts that Ray allows an actor; without limits a task that fills the memory would be tried for ever."""
    return {"max_restarts": MOST_RESTARTS, "max_task_retries": MOST_RETRIES}


class _Actor:
    """A process of the pool: does tasks, and answers with the result or with what was raised."""

    def __init__(self, function: bytes) -> None:
        self._function = pickle.loads(function)

    def __call__(self, batch: dict[str, np.ndarray]) -> dict[str, list[Any]]:
        return {"answer": [pickle.dumps(self._answer(task)) for task in batch["task"]]}

    def _answer(self, task: bytes) -> tuple[Exception | None, Any]:
        try:
            return None, self._function(pickle.loads(task))
        except Exception as error:  # to be raised where the command was given, whatever it is
            error.add_note(traceback.format_exc())
            return error, None


def _quiet() -> None:
    """Let Ray print errors only; variables already set in the environment take precedence."""
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    # Limits of restarts have no other name yet (2.60).
    warnings.filterwarnings("ignore", "`ray_remote_args", category=DeprecationWarning)
