"""Wall time, CPU time and peak memory of a command, told by the system when the command has ended.

The command is started by a small process of its own: a program that is started counts the memory of the one that
started it as its own peak.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

_KIB_PER_UNIT = 1 / 1024 if sys.platform == "darwin" else 1  # ru_maxrss is in bytes on macOS


@dataclass(frozen=True)
class Cost:
    """What a command took: seconds of the clock, seconds of all cores, and MiB of its largest process at its peak."""

    wall_seconds: float
    cpu_seconds: float
    peak_mib: float


class FailedError(Exception):
    """A command that was to be measured failed; the message holds the end of what it said."""


def cost_of(command: Sequence[str], log: str | Path, environment: Mapping[str, str] | None = None) -> Cost:
    """Run a command to its end; what it prints goes to a file.

    Parameters
    ----------
    command
        Program and arguments.
    log
        File of what it prints.
    environment
        Variables beside those of this process.

    Raises
    ------
    FailedError
        If the command fails.
    """
    starter = [sys.executable, "-S", "-E", __file__, str(log), *command]
    answer = subprocess.run(
        starter, env={**os.environ, **(environment or {})}, capture_output=True, text=True, check=True
    )
    status, *cost = json.loads(answer.stdout)
    if status != 0:
        end = Path(log).read_text(encoding="utf-8", errors="replace")[-2000:]
        raise FailedError(f"{' '.join(command)} ended with status {status}:\n{end}")
    return Cost(*cost)


def kept_costs(folder: Path, commands: Mapping[str, Sequence[str]], jobs: int) -> Iterator[tuple[str, Cost]]:
    """Run commands one after the other, and yield what each cost; what has finished before is not run again.

    Parameters
    ----------
    folder
        Of what they print, and of ``costs.json``, where the costs are kept.
    commands
        By name.
    jobs
        Threads of ``train``; the others have one, since they use processes.
    """
    book = folder / "costs.json"
    known = json.loads(book.read_text(encoding="utf-8")) if book.is_file() else {}
    for name, command in commands.items():
        if name not in known:
            environment = {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": str(jobs if name == "train" else 1)}
            known[name] = asdict(cost_of(command, folder / f"{name.replace(' ', '-')}.log", environment))
            book.write_text(json.dumps(known, indent=1), encoding="utf-8")
        yield name, Cost(**known[name])


def _run(log: str, *command: str) -> None:
    with open(log, "w", encoding="utf-8") as file:
        begin = time.monotonic()
        process = subprocess.Popen(command, stdout=file, stderr=subprocess.STDOUT)
        _, status, used = os.wait4(process.pid, 0)
        wall = time.monotonic() - begin
    code = os.waitstatus_to_exitcode(status)
    print(json.dumps([code, wall, used.ru_utime + used.ru_stime, used.ru_maxrss * _KIB_PER_UNIT / 1024]))


if __name__ == "__main__":
    _run(*sys.argv[1:])
