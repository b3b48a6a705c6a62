"""A million synthetic tokens through the commands: tokens with sound, explanation by CAM, class means.

Run: ``python -m benchmarks.million FOLDER [--tokens 10000 100000 1000000] [--jobs 2] [--store]``. What is finished is
kept: the same line goes on after an interruption. The folder needs about 15 kB a token. With three numbers or more, it
is told how time and memory grow.
"""

import argparse
import json
import shutil
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np

from benchmarks.cost import FailedError, kept_costs
from benchmarks.scaling import exponent
from benchmarks.stored import circumstances, store

SAMPLE_RATE = 16_000
REPEATS = 20  # of each phone; one recording a talker, about a minute
TOKENS_PER_TALKER = 13 * REPEATS
TALKERS_PER_PART = 40
LEARNT_TALKERS, LEARNT_PART = 24, 9999  # for a classifier; they are not among those that are explained
RECIPE = """name = "million"
title = "Thirteen phones"

[tokens]
classes = "paper"
"""
PHONOSCOPE = [sys.executable, "-m", "phonoscope"]
EPOCHS = "4"
GROWING = ("corpus", "tokens", "explain")
HEAD = f"{'stage':<20} {'tokens':>9} {'wall s':>8} {'CPU s':>8} {'tokens/CPU s':>13} {'peak MiB':>9}"


def write_part(task: tuple[str, int, int]) -> None:
    """Write the recordings of some talkers, each in a folder named after part and talker."""
    from phonoscope.synthesis.corpus import write_corpus

    folder, number, talkers = task
    corpus = Path(folder)
    made = corpus.parent / f"{corpus.name}-{number:04d}"
    shutil.rmtree(made, ignore_errors=True)  # of an interrupted run
    write_corpus(made, talkers=talkers, repeats=REPEATS, sample_rate=SAMPLE_RATE, seed=number)
    for talker in sorted(path for path in made.iterdir() if path.is_dir()):
        place = corpus / f"{number:04d}-{talker.name}"
        shutil.rmtree(place, ignore_errors=True)
        talker.rename(place)
    shutil.rmtree(made)


def write_talkers(folder: str, talkers: int, first_part: int, jobs: int) -> None:
    """Write a corpus of any number of talkers, in parts that do not depend on each other."""
    from phonoscope.work.executor import in_processes

    Path(folder).mkdir(parents=True, exist_ok=True)
    sizes = [min(TALKERS_PER_PART, talkers - begun) for begun in range(0, talkers, TALKERS_PER_PART)]
    for _ in in_processes(write_part, [(folder, first_part + k, size) for k, size in enumerate(sizes)], jobs):
        pass


def writing(corpus: Path, talkers: int, first_part: int, jobs: int) -> list[str]:
    """Command that calls `write_talkers`."""
    call = f"write_talkers({str(corpus)!r}, {talkers}, {first_part}, {jobs})"
    return [sys.executable, "-c", f"from benchmarks.million import write_talkers; {call}"]


def stages(folder: Path, talkers: int, jobs: int) -> dict[str, tuple[int, list[str]]]:
    """Number of talkers and command of every stage, in order."""

    def cut(name: str, out: str) -> list[str]:
        return [*PHONOSCOPE, "tokens", str(folder / name), "--sound", "--jobs", str(jobs), "--out", str(folder / out)]

    train = ["train", str(folder / "learnt-tokens"), "--recipe", str(folder / "recipe.toml"), "--epochs", EPOCHS]
    explain = ["explain", str(folder / "trained" / "classifier"), "--tokens", str(folder / "tokens"), "--method", "cam"]
    return {
        "corpus to learn from": (LEARNT_TALKERS, writing(folder / "learnt", LEARNT_TALKERS, LEARNT_PART, jobs)),
        "corpus": (talkers, writing(folder / "corpus", talkers, 0, jobs)),
        "tokens to learn from": (LEARNT_TALKERS, cut("learnt", "learnt-tokens")),
        "tokens": (talkers, cut("corpus", "tokens")),
        "train": (LEARNT_TALKERS, [*PHONOSCOPE, *train, "--out", str(folder / "trained")]),
        "explain": (talkers, [*PHONOSCOPE, *explain, "--jobs", str(jobs), "--out", str(folder / "maps")]),
    }


def run_stages(folder: Path, tokens: int, jobs: int) -> dict[str, dict[str, float]]:
    """Run every stage that is not finished, each in a process of its own; tell and return what each cost."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "recipe.toml").write_text(RECIPE, encoding="utf-8")
    planned = stages(folder, -(-tokens // TOKENS_PER_TALKER), jobs)
    costs = {}
    for name, cost in kept_costs(folder, {name: command for name, (_, command) in planned.items()}, jobs):
        costs[name] = {"tokens": planned[name][0] * TOKENS_PER_TALKER, **asdict(cost)}
        count, wall, cpu, peak = costs[name].values()
        print(f"{name:<20} {count:>9} {wall:>8.1f} {cpu:>8.1f} {count / cpu:>13.0f} {peak:>9.0f}", flush=True)
    return costs


def counted(folder: Path) -> str:
    """Say how many tokens were cut, have a map, and are in the class means."""
    import pandas as pd

    cut = json.loads((folder / "tokens" / "_manifest.json").read_text(encoding="utf-8"))["cut"]
    maps = len(pd.read_parquet(folder / "maps" / "tokens.parquet", columns=["token"]))
    means = pd.read_parquet(folder / "maps" / "means.parquet").query("subset == 'all'")
    averaged = means.groupby("class")["count"].first().sum()
    return f"{cut} cut, {maps} maps, {averaged} in the means of {means['class'].nunique()} classes"


def growth(costs: Sequence[dict[str, dict[str, float]]]) -> Iterator[str]:
    """Say with which power of the number of tokens the CPU time and the memory of each stage grew."""
    for stage in GROWING:
        sizes = [of[stage]["tokens"] for of in costs]
        for what in ("cpu_seconds", "peak_mib"):
            low, slope, high = exponent(sizes, np.array([[of[stage][what] for of in costs]]))
            yield f"{stage}: {what} grew with tokens to the power of {slope:.3f} (95 %: {low:.3f} to {high:.3f})"


def main() -> int:
    """Read the command line and run."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.million", description=__doc__)
    parser.add_argument("folder", type=Path, help="where everything goes; it needs about 15 kB a token")
    parser.add_argument("--tokens", type=int, nargs="+", default=[1_000_000], help="about so many (default 1000000)")
    parser.add_argument("--jobs", type=int, default=2, help="processes, in training threads (default 2)")
    parser.add_argument("--store", action="store_true", help="keep what was found in benchmarks/results")
    given = parser.parse_args()
    print(HEAD, flush=True)
    costs = []
    try:
        for number in given.tokens:
            folder = given.folder.resolve() / str(number)
            costs.append(run_stages(folder, number, given.jobs))
            print(counted(folder), flush=True)
    except FailedError as error:
        print(error, file=sys.stderr)
        return 1
    if len(costs) > 2:
        print("\n".join(growth(costs)))
    if given.store:
        numbers = " ".join(map(str, given.tokens))
        facts = {**circumstances(), "command": f"python -m benchmarks.million FOLDER --tokens {numbers}"}
        store("million", [{"stage": stage, **cost} for of in costs for stage, cost in of.items()], facts)
    return 0


if __name__ == "__main__":
    sys.exit(main())
