"""The first experiment of the paper at its size: 79 269 vowels, ResNet-101 at 224 × 224, 20 epochs; then CAM of all.

Run: ``python -m benchmarks.paper_scale FOLDER [--batch-size 32] [--compile] [--rounds 5] [--peak-tflops N]``. The
corpus is made by `phonoscope.synthesis`, and every stage is the real command. What is finished is kept: the same line
goes on after an interruption. Without a GPU everything runs at toy size on the CPU, and the bars mean nothing.
"""

import argparse
import json
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks import gpu
from benchmarks.cost import FailedError, kept_costs
from benchmarks.measure import HEAD, Bar, Measurement, figures, line
from benchmarks.million import PHONOSCOPE, writing

VOWELS_PER_TALKER = 100  # of the talkers of `benchmarks.million`
PAPER_MINUTES, MOST_MINUTES = 3.5 * 60, 8.0
HEADLINE = "experiment 1, phonoscope train"
BAR = Bar(PAPER_MINUTES / MOST_MINUTES, peer=f"the paper's {PAPER_MINUTES:g} min, so ≤ {MOST_MINUTES:g} min")
RECIPE = """name = "paper-scale"
title = "Five vowels at the paper's size"

[front_end]
kind = "spectrogram"
rows = {size.rows}
columns = {size.columns}

[network]
name = "{size.network}"

[split]
by = "token"
folds = 1
shares = [0.65, 0.05, 0.30]

[training]
optimizer = "adam"
learning_rate = 1e-4
schedule = "constant"
batch_size = {size.batch}
epochs = {epochs}
min_steps = 0
weight_decay = 0.0
balanced = false
noise = 0.0
time_jitter = 0.0
compile = {compile}
"""


@dataclass(frozen=True)
class Plan:
    """The network and its pictures, how many tokens there are and how often each is seen, and on what."""

    size: gpu.Size
    tokens: int
    epochs: int
    device: str


PAPER = Plan(gpu.Size(), 79_269, 20, "cuda")
TOY = Plan(gpu.TOY, 200, 1, "cpu")


def stages(folder: Path, plan: Plan, jobs: int) -> Iterator[tuple[str, list[str]]]:
    """Name and command of every stage."""
    talkers = -(-plan.tokens // VOWELS_PER_TALKER)
    yield "corpus", writing(folder / "corpus", talkers, 0, jobs)
    cut = ["tokens", f"{folder}/corpus", "--classes", "vowels", "--sound", "--jobs", str(jobs)]
    yield "tokens", [*PHONOSCOPE, *cut, "--out", f"{folder}/tokens"]
    train = ["train", f"{folder}/tokens", "--recipe", f"{folder}/recipe.toml", "--resume", "--device", plan.device]
    yield "train", [*PHONOSCOPE, *train, "--out", f"{folder}/trained"]
    explain = ["explain", f"{folder}/trained/classifier", "--tokens", f"{folder}/tokens", "--method", "cam"]
    yield "explain", [*PHONOSCOPE, *explain, "--device", plan.device, "--out", f"{folder}/maps"]


def run_stages(folder: Path, plan: Plan, jobs: int, compiled: bool) -> dict[str, float]:
    """Run what is not finished; seconds of the clock of every stage, told as they come."""
    folder.mkdir(parents=True, exist_ok=True)
    recipe = RECIPE.format(size=plan.size, epochs=plan.epochs, compile=str(compiled).lower())
    (folder / "recipe.toml").write_text(recipe, encoding="utf-8")
    spent = {}
    for name, cost in kept_costs(folder, dict(stages(folder, plan, jobs)), jobs):
        spent[name] = cost.wall_seconds
        print(f"phonoscope {name:<12} {spent[name]:>9.1f} s", flush=True)
    return spent


def headline(folder: Path, spent: dict[str, float], plan: Plan, peak: float | None) -> Measurement:
    """The whole command that trains against the paper's training; loading, test and saving are in it."""
    import pandas as pd

    result = json.loads((folder / "trained" / "result.json").read_text(encoding="utf-8"))
    epochs = pd.read_csv(folder / "trained" / "training.csv")
    table = pd.read_parquet(folder / "trained" / "tokens.parquet", columns=["split"])
    trained = int((table["split"] == "train").sum())
    rate = trained / float(epochs["seconds"].median())
    minutes = spent["train"] / 60
    note = (
        f"{trained} of {len(table)} tokens × {len(epochs)} epochs, {rate:.0f} tokens/s"
        f"{gpu.utilisation(rate, gpu.flops_per_token(plan.size), peak)}; accuracy {result['accuracy']:.1%}; explain: "
        f"{len(table) / spent['explain']:.0f} tokens/s"
    )
    return Measurement(HEADLINE, minutes, PAPER_MINUTES, "min", (PAPER_MINUTES / minutes,), note)


def told(found: Measurement, bar: Bar, toy: bool) -> str:
    """One line of the table; of a toy, what was found without a verdict."""
    if toy:
        return f"{found.what}: {figures(found.ours)} {found.unit} beside {figures(found.peer)}; {found.note}"
    return line(found, bar)


def main(arguments: list[str] | None = None) -> int:
    """Read the command line and run."""
    import torch

    parser = argparse.ArgumentParser(prog="python -m benchmarks.paper_scale", description=__doc__)
    parser.add_argument("folder", type=Path, help="where everything goes; it needs about 10 GB")
    parser.add_argument("--batch-size", type=int, help="tokens a step (default 32, the paper's)")
    parser.add_argument("--compile", action="store_true", help="let torch.compile fuse the network's operations")
    parser.add_argument("--rounds", type=int, default=5, help="rounds of the comparisons of steps (default 5)")
    parser.add_argument("--peak-tflops", type=float, help="the GPU's peak in bfloat16, if it is not in the table")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes that make and cut the corpus")
    given = parser.parse_args(arguments)
    toy, peak = not torch.cuda.is_available(), given.peak_tflops
    plan = TOY if toy else PAPER
    if toy:
        print("There is no GPU: this is a toy on the CPU that shows that everything runs. ITS BARS MEAN NOTHING.")
    else:
        name = torch.cuda.get_device_name()
        peak = peak or gpu.peak_tflops(name)
        print(f"{name}, torch {torch.__version__}, bfloat16: {torch.cuda.is_bf16_supported()}\n{HEAD}", flush=True)
    if given.batch_size:
        plan = replace(plan, size=replace(plan.size, batch=given.batch_size))
    for found in gpu.measured(given.rounds, plan.size, plan.device, peak, {"compile": given.compile}):
        print(told(found, gpu.BARS[found.what], toy), flush=True)
    try:
        spent = run_stages(given.folder.resolve(), plan, given.jobs, given.compile)
    except FailedError as error:
        print(error, file=sys.stderr)
        return 1
    print(told(headline(given.folder, spent, plan, peak), BAR, toy))
    return 0


if __name__ == "__main__":
    sys.exit(main())
