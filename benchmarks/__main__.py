"""All benchmarks or some, as one table: ``python -m benchmarks [NAME ...] [--rounds N] [--json] [--list]``."""

import argparse
import json
import os
import platform
import sys
from contextlib import redirect_stdout
from dataclasses import asdict
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from types import ModuleType

from benchmarks.measure import HEAD, LackingError, Measurement, line

# One line a file; each has BARS, by what is measured, and `measure(rounds)`.
BENCHMARKS = {
    "cam": "class activation maps over a bare forward pass",
    "attribution": "other methods of attribution, and captum's",
    "spectrogram": "the front end, and short-time Fourier transforms token by token",
    "formants": "formants and F0 of tokens, and Praat's",
    "synthesis": "tokens a second of a synthetic corpus",
    "filters": "response spectra and Wigner–Ville distributions, and plain ports of the formulas",
    "geometry": "measures of weights, and a plain port of the formulas",
    "textgrids": "reading 13 100 TextGrids, and praatio",
}
LIBRARIES = ("numpy", "scipy", "torch", "pandas", "captum", "praat-parselmouth", "praatio")
FEWEST_ROUNDS = 5


def load(name: str) -> ModuleType:
    return import_module(f"benchmarks.{name}")


def versions() -> dict[str, str]:
    """Versions of Python and of what is compared."""
    found = {"python": platform.python_version()}
    for library in LIBRARIES:
        try:
            found[library] = version(library)
        except PackageNotFoundError:
            found[library] = "not installed"
    return found


def row(name: str, found: Measurement) -> dict:
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


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"some of: {', '.join(BENCHMARKS)}; all if none")
    parser.add_argument("--rounds", type=int, default=FEWEST_ROUNDS, help="rounds of each comparison (default 5)")
    parser.add_argument("--json", action="store_true", help="print JSON, and the table on the standard error")
    parser.add_argument("--list", action="store_true", help="say what there is, with its bars, and measure nothing")
    given = parser.parse_args(arguments)
    unknown = [name for name in given.names if name not in BENCHMARKS]
    if unknown or given.rounds < FEWEST_ROUNDS:
        parser.error(
            f"found {', '.join(unknown) or 'known names'} and {given.rounds} rounds; expected names among "
            f"{', '.join(BENCHMARKS)} and at least {FEWEST_ROUNDS} rounds"
        )
    names = given.names or list(BENCHMARKS)
    if given.list:
        for name in names:
            print(f"{name}: {BENCHMARKS[name]}")
            for what, bar in load(name).BARS.items():
                print(f"    {what}: {bar}")
        return 0

    table = sys.stderr if given.json else sys.stdout
    used, threads = versions(), os.environ["OMP_NUM_THREADS"]
    print(f"{', '.join(f'{key} {value}' for key, value in used.items())}; OMP_NUM_THREADS={threads}", file=table)
    print(f"CPU time, median of {given.rounds} rounds in turn\n\n{HEAD}", file=table, flush=True)
    rows, skipped = [], {}
    for name in names:
        try:
            module = load(name)
            with redirect_stdout(table):  # some peers print; what a program reads must stay JSON
                for found in module.measure(given.rounds):
                    rows.append(row(name, found))
                    print(line(found, module.BARS[found.what]), flush=True)
        except LackingError as reason:
            skipped[name] = str(reason)
            print(f"{name}: skipped: {reason}", file=table, flush=True)
    missed = sum(not one["met"] for one in rows)
    print(f"\n{len(rows) - missed} bars met, {missed} missed, {len(skipped)} benchmarks skipped", file=table)
    if given.json:
        print(json.dumps({"versions": used, "results": rows, "skipped": skipped}, ensure_ascii=False, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
