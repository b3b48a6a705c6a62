"""Three tiny runs, one a task, whose tables are kept: ``python -m tests.golden.runs`` writes them anew.

They are made in a process of their own that computes with the oldest instructions only, so that processors agree.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd

from phonoscope.audio import write_audio

HERE = Path(__file__).parent
PATHS = ("run", "report", "classifier", "layer")
RATE = 8000
# The same sums on every x86 processor, as far as the libraries allow.
PLAIN_ARITHMETIC = {
    "ATEN_CPU_CAPABILITY": "default",
    "ONEDNN_MAX_CPU_ISA": "SSE41",
    "MKL_CBWR": "COMPATIBLE",
    "OPENBLAS_CORETYPE": "Nehalem",
    "OMP_NUM_THREADS": "1",
}
PHONES = """
name = "mini"
title = "A small experiment"
question = "Does it run?"
paper = "4.2"

[tokens]
classes = "vowels"
min_duration = 0.05

[front_end]
kind = "spectrogram"
max_hz = 4000
rows = 16
columns = 16

[network]
name = "compact-local"

[training]
epochs = 3
min_steps = 0

[split]
folds = 2

[synthetic]
talkers = 12
repeats = 2
vowels = ["i", "æ", "ɝ", "ɑ", "u"]
consonants = []
"""
RECORDINGS = """
name = "tones"
task = "words"
title = "Low and high tones"
question = "Can it hear pitch?"
sample_rate = 8000
seconds = 0.25
networks = ["sub-segmental", "multi-resolution"]
seeds = 2
curve = [0.5]
null_seeds = 3
clips_per_class = 5

[training]
epochs = 3
min_steps = 0
batch_size = 16
noise = 0.0
"""
SPOOF = """
name = "vocoded"
task = "spoof"
sample_rate = 8000
seconds = 0.5
attacks = ["griffin-lim", "griffin-lim-mel"]
random_seeds = 1
"""


def make_runs(folder: Path) -> dict[str, Path]:
    """Make the corpora and the three runs below a folder; returns the run folders by name."""
    _tones(folder / "tones")
    _noises(folder / "noises")
    for name, text in (("phones", PHONES), ("recordings", RECORDINGS), ("spoof", SPOOF)):
        (folder / f"{name}.toml").write_text(text, encoding="utf-8")
    runs = {name: folder / "runs" / name for name in ("phones", "recordings", "spoof")}
    _phonoscope("run", folder / "phones.toml", "--synthetic", "--seed", 2, "--out", runs["phones"])
    _phonoscope(
        "run", folder / "recordings.toml", "--corpus", folder / "tones", "--seed", 1, "--out", runs["recordings"]
    )
    classifier = ("--corpus", folder / "noises", "--classifier", runs["recordings"] / "classifier")
    _phonoscope("run", folder / "spoof.toml", *classifier, "--out", runs["spoof"])
    return runs


def _phonoscope(*arguments: object) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "phonoscope", *map(str, arguments)],
        env=os.environ | PLAIN_ARITHMETIC,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def _tones(root: Path) -> None:
    """Two "words", a low and a high tone, of twenty speakers."""
    time, random = np.arange(RATE // 4) / RATE, np.random.default_rng(0)
    for word, hz in {"low": 300.0, "high": 1800.0}.items():
        for speaker in range(20):
            wave = np.sin(2 * np.pi * hz * random.uniform(0.95, 1.05) * time + random.uniform(0, 6))
            wave = 0.2 * wave + 0.02 * random.standard_normal(len(time))
            write_audio(root / word / f"s{speaker}_nohash_0.wav", wave.astype(np.float32), RATE)


def _noises(root: Path) -> None:
    """Noises of different colour by ten speakers, two words each."""
    random = np.random.default_rng(0)
    for word in ("yes", "no"):
        for speaker in range(10):
            noise = random.standard_normal(RATE // 2)
            wave = 0.1 * np.convolve(noise, [1, random.uniform(-0.5, 0.9)], mode="same")
            write_audio(root / word / f"s{speaker}_nohash_0.wav", wave.astype(np.float32), RATE)


def kept_rows(path: Path) -> pd.DataFrame:
    """Rows of a table: all, or of a long one about 400 that are evenly spread."""
    table = pd.read_csv(path)
    return table.iloc[:: max(1, len(table) // 400)].reset_index(drop=True)


def kept_results(run: Path) -> dict[str, object]:
    """Results of a run without what differs from one execution to the next."""
    results = json.loads((run / "run.json").read_text(encoding="utf-8"))["results"]
    return {key: _without_times(value) for key, value in results.items() if key not in PATHS}


def _without_times(value: object) -> object:
    if isinstance(value, dict):
        return {key: _without_times(item) for key, item in value.items() if key != "cpu_seconds"}
    return [_without_times(item) for item in value] if isinstance(value, list) else value


if __name__ == "__main__":
    import shutil
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        for task, run in make_runs(Path(folder)).items():
            shutil.rmtree(HERE / task, ignore_errors=True)
            (HERE / task).mkdir(parents=True)
            for path in sorted((run / "tables").glob("*.csv")):
                kept_rows(path).to_csv(HERE / task / path.name, index=False, float_format="%.7g")
            text = json.dumps(kept_results(run), indent=1, ensure_ascii=False)
            (HERE / task / "results.json").write_text(text + "\n", encoding="utf-8")
