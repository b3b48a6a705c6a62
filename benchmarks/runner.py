"""Runs benchmarks: prints one table, stores ratios, and tells which are worse than those stored before."""

import argparse
import json
import os
import sys
from collections.abc import Sequence
from contextlib import redirect_stdout
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.measure import HEAD, LackingError, Measurement, line
from benchmarks.registry import BENCHMARKS, ELSEWHERE, load
from benchmarks.stored import RESULTS, Regression, circumstances, read_stored, regressions, store

FEWEST_ROUNDS = 5


class RequestError(Exception):
    """What was asked for cannot be done; the message says what can."""


def row(name: str, found: Measurement) -> dict[str, Any]:
    """One measurement as it is written in JSON."""
    bar = load(name).BARS[found.what]
    return {
        "benchmark": name,
        **asdict(found),
        "ratio": found.ratio,
        "least": min(found.ratios),
        "most": max(found.ratios),
        "bar": asdict(bar),
        "met": bar.met_by(found.ratio),
    }


def chosen(names: Sequence[str], rounds: int) -> list[str]:
    """Names of the benchmarks to run: all if none is given."""
    unknown = [name for name in names if name not in BENCHMARKS]
    if unknown or rounds < FEWEST_ROUNDS:
        alone = "".join(f"; {name} is {ELSEWHERE[name]}" for name in unknown if name in ELSEWHERE)
        raise RequestError(
            f"found {', '.join(unknown) or 'known names'} and {rounds} rounds; expected names among "
            f"{', '.join(BENCHMARKS)} and at least {FEWEST_ROUNDS} rounds{alone}"
        )
    return list(names) or list(BENCHMARKS)


def print_list(names: Sequence[str]) -> None:
    """Say what there is, with its bars."""
    for name in names:
        print(f"{name}: {BENCHMARKS[name]}")
        for what, bar in load(name).BARS.items():
            print(f"    {what}: {bar}")
    for name, summary in ELSEWHERE.items():
        print(f"{name}: {summary}")


def measured(name: str, rounds: int) -> list[dict[str, Any]]:
    """Run one benchmark and print its lines."""
    module, rows = load(name), []
    for found in module.measure(rounds):
        rows.append(row(name, found))
        print(line(found, module.BARS[found.what]), flush=True)
    return rows


def confirmed(name: str, rows: Sequence[dict[str, Any]], rounds: int, before: dict[str, Any]) -> list[Regression]:
    """Return what is worse than the stored ratios in these rows, and again when it is measured a second time.

    Parameters
    ----------
    name, rows
        A benchmark and its measurements.
    rounds
        Of the second time.
    before
        What was stored.
    """
    suspected = regressions(rows, before)
    if not suspected:
        return []
    print(f"{name}: worse than stored: {'; '.join(map(str, suspected))}. Once more:", flush=True)
    again = {regression.what for regression in regressions(measured(name, rounds), before)}
    return [regression for regression in suspected if regression.what in again]


def run_benchmarks(
    names: Sequence[str] = (),
    *,
    rounds: int = FEWEST_ROUNDS,
    as_json: bool = False,
    keep: bool = False,
    results: Path = RESULTS,
) -> int:
    """Run benchmarks, print the table, and return how many ratios became worse.

    Parameters
    ----------
    names
        Which; all if none is given.
    rounds
        Rounds of each comparison.
    as_json
        Print JSON, and the table on the standard error.
    keep
        Store the ratios of all rounds for later comparisons.
    results
        Folder of stored ratios. They are compared where they come from the same kind of machine.
    """
    names = chosen(names, rounds)
    table = sys.stderr if as_json else sys.stdout
    facts = circumstances()
    where, threads = facts["machine"], os.environ["OMP_NUM_THREADS"]
    print(f"{', '.join(f'{key} {value}' for key, value in facts['versions'].items())}", file=table)
    print(f"{where['processor']}, {where['cores']} cores, {where['system']}; OMP_NUM_THREADS={threads}", file=table)
    print(f"CPU time, median of {rounds} rounds in turn\n\n{HEAD}", file=table, flush=True)
    rows, skipped, lost, elsewhere = [], {}, [], []
    for name in names:
        before = read_stored(name, results)
        comparable = before is not None and before["machine"] == facts["machine"]
        try:
            with redirect_stdout(table):  # some peers print; what a program reads must stay JSON
                found = measured(name, rounds)
                lost += confirmed(name, found, rounds, before) if comparable else []
        except LackingError as reason:
            skipped[name] = str(reason)
            print(f"{name}: skipped: {reason}", file=table, flush=True)
            continue
        rows += found
        if not comparable:
            elsewhere.append(name)
        if keep:
            command = f"phonoscope bench {name} --rounds {rounds}"
            store(name, found, {**facts, "command": f"OMP_NUM_THREADS={threads} {command}"}, results)
    missed = sum(not row["met"] for row in rows)
    print(f"\n{len(rows) - missed} bars met, {missed} missed, {len(skipped)} benchmarks skipped", file=table)
    print("".join(f"regression: {regression}\n" for regression in lost) or "no regression found", file=table)
    if elsewhere:
        print(f"not compared, nothing is stored of this kind of machine: {', '.join(elsewhere)}", file=table)
    if as_json:
        answer = {**facts, "results": rows, "skipped": skipped, "regressions": [asdict(each) for each in lost]}
        print(json.dumps(answer | {"not_compared": elsewhere}, ensure_ascii=False, indent=1))
    return len(lost)


def main(arguments: Sequence[str] | None = None) -> int:
    """Read a command line and run; the exit status."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="which; all if none is given")
    parser.add_argument("--rounds", type=int, default=FEWEST_ROUNDS, help=f"of each, at least {FEWEST_ROUNDS}")
    parser.add_argument("--list", action="store_true", help="say what there is, with its bars; measure nothing")
    parser.add_argument("--store", action="store_true", help="keep the ratios for later comparisons")
    parser.add_argument("--check", action="store_true", help="fail if a ratio is worse than the stored one")
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder of stored ratios")
    parser.add_argument("--json", action="store_true", help="print JSON, and the table on the standard error")
    given = parser.parse_args(arguments)
    try:
        if given.list:
            print_list(chosen(given.names, given.rounds))
            return 0
        lost = run_benchmarks(
            given.names, rounds=given.rounds, as_json=given.json, keep=given.store, results=given.results
        )
    except RequestError as error:
        print(f"benchmarks: {error}", file=sys.stderr)
        return 1
    return int(given.check and lost > 0)
