"""Three tiny runs, one a task, whose tables are kept: ``python -m tests.golden.runs`` writes them anew.

They are made in a process of their own that computes with the oldest instructions only, so that processors agree.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
from tests.small import TONES, VOWELS, recipe_text, write_noises, write_tones

HERE = Path(__file__).parent
PATHS = ("run", "report", "classifier", "layer")
# The same sums on every x86 processor, as far as the libraries allow.
PLAIN_ARITHMETIC = {
    "ATEN_CPU_CAPABILITY": "default",
    "ONEDNN_MAX_CPU_ISA": "SSE41",
    "MKL_CBWR": "COMPATIBLE",
    "OPENBLAS_CORETYPE": "Nehalem",
    "OMP_NUM_THREADS": "1",
}
PHONES = recipe_text(VOWELS, split={"folds": 2})
RECORDINGS = recipe_text(TONES, trainings=2)
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
    write_tones(folder / "tones")
    write_noises(folder / "noises")
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
