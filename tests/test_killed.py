"""Killed at any moment, every command ends, when it is given again, with what it would have made undisturbed.

Five kills by default. ``PHONOSCOPE_KILLS=56 pytest tests/test_killed.py`` kills that often, spread over all commands:
half of the times before a random change to the file system, half of the times after a random time.
"""

import json
import os
import random
import re
import shutil
import subprocess
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import soundfile

from phonoscope.synthesis.corpus import write_corpus
from phonoscope.work.folders import verify
from small import THREE_VOWELS, recipe_text

KILLS = int(os.environ.get("PHONOSCOPE_KILLS", "5"))
SEED = int(os.environ.get("PHONOSCOPE_KILLS_SEED", "0"))
pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="kills forked processes"),
    pytest.mark.timeout(300 + 60 * KILLS),
]

RECIPE = recipe_text(THREE_VOWELS, split={"folds": 1})

# What each command writes, what it needs to be there, and how it goes on.
STAGES: dict[str, tuple[list[str], str, list[str]]] = {
    "tokens with sound": (["tokens", "CORPUS", "--sound", "--shard-tokens", "12", "--out", "made"], "", []),
    "train": (["train", "TOKENS", "--recipe", "RECIPE", "--device", "cpu", "--out", "made"], "", ["--resume"]),
    "explain": (["explain", "RUN", "--out", "made"], "", []),
    "report": (["report", "made"], "RUN", []),
    "run": (["run", "RECIPE", "--corpus", "CORPUS", "--device", "cpu", "--out", "made"], "", ["--resume"]),
    "tokens": (["tokens", "CORPUS", "--out", "made/tokens.csv"], "", []),
    "evidence": (["evidence", "made", "--methods", "cam", "--tokens", "6"], "RUN", []),
    "formants": (["formants", "TOKENS", "--out", "made/formants.csv"], "", []),
    "spectra": (["spectra", "TOKENS", "--recipe", "RECIPE", "--out", "made"], "", []),
    "synthetic run": (["run", "SPOKEN", "--synthetic", "--device", "cpu", "--out", "made"], "", ["--resume"]),
}
CHOSEN = [list(STAGES)[number % len(STAGES)] for number in range(KILLS)]


class Commands:
    """The process that runs commands, and the inputs that they share."""

    def __init__(self, place: Path) -> None:
        self.place = place
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "MPLBACKEND": "Agg"}
        self.process = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("killing.py"))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )
        self.inputs: dict[str, str] = {}
        self.whole: dict[str, tuple[Path, dict[str, Any]]] = {}

    def run(self, argv: list[str], cwd: Path, **when: float) -> dict[str, Any]:
        """Run a command in a folder, to its end or until it is killed."""
        cwd.mkdir(exist_ok=True)
        line = json.dumps({"argv": [self.inputs.get(word, word) for word in argv], "cwd": str(cwd), **when})
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def ready(self, stage: str, cwd: Path) -> Path:
        """Folder in which the command finds what it needs."""
        cwd.mkdir()
        needs = STAGES[stage][1]
        if needs:
            shutil.copytree(self.inputs[needs], cwd / "made")
        return cwd

    def undisturbed(self, stage: str) -> tuple[Path, dict[str, Any]]:
        """What a command makes when nobody kills it, and what it took; made once."""
        if stage not in self.whole:
            if stage in ("explain", "report", "evidence"):
                self.inputs.setdefault("RUN", str(self.undisturbed("run")[0] / "made"))
            cwd = self.ready(stage, self.place / stage.replace(" ", "-"))
            answer = self.run(STAGES[stage][0], cwd)
            assert answer["status"] == 0, (cwd / "output.txt").read_text()
            self.whole[stage] = cwd, answer
        return self.whole[stage]


@pytest.fixture(scope="module")
def commands(tmp_path_factory) -> Iterator[Commands]:
    place = tmp_path_factory.mktemp("killed")
    write_corpus(
        place / "corpus", talkers=9, repeats=1, consonants=(), vowels=("i", "æ", "u"), sample_rate=8000, seed=1
    )
    (place / "mini.toml").write_text(RECIPE, encoding="utf-8")
    spoken = '[synthetic]\ntalkers = 9\nrepeats = 1\nvowels = ["i", "æ", "u"]\nconsonants = []\nsample_rate = 8000\n'
    (place / "spoken.toml").write_text(RECIPE + spoken, encoding="utf-8")
    running = Commands(place)
    running.inputs = {
        "CORPUS": str(place / "corpus"),
        "RECIPE": str(place / "mini.toml"),
        "SPOKEN": str(place / "spoken.toml"),
        "TOKENS": str(place / "tokens.parquet"),
    }
    answer = running.run(["tokens", "CORPUS", "--classes", "i,ae,u", "--out", "TOKENS"], place / "table")
    assert answer["status"] == 0, (place / "table" / "output.txt").read_text()
    yield running
    assert running.process.stdin is not None
    running.process.stdin.close()
    running.process.wait()


class Printed:
    """What a PDF draws: equal where nothing lies elsewhere by more than a twentieth of a point.

    Under load, matplotlib's layout now and then leaves one label or clip some thousandths of a point from where it was.
    """

    def __init__(self, document: bytes) -> None:
        packed = re.findall(rb"stream\n(.*?)\nendstream", document, re.DOTALL)
        parts = re.split(rb"(-?\d+\.\d+)", b"\n".join(zlib.decompressobj().decompress(part) for part in packed))
        self.places, self.rest = np.array(parts[1::2], dtype=float), parts[::2]

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Printed)
            and self.rest == other.rest
            and bool(np.allclose(self.places, other.places, rtol=0, atol=0.05))
        )


def content(folder: Path) -> dict[str, Any]:
    """Every file of a folder, without what says when, and how fast, it was written."""
    found: dict[str, Any] = {}
    for path in sorted(folder.rglob("*")):
        if path.is_dir():
            continue
        name = path.relative_to(folder).as_posix()
        if path.name in ("checksums.json", "_checksums.json"):
            found[name] = sorted(json.loads(path.read_text())["files"])
        elif path.name == "run.json":
            facts = json.loads(path.read_text())
            changing = ("created", "command", "git_revision")
            facts["provenance"] = {k: v for k, v in facts["provenance"].items() if k not in changing}
            found[name] = facts
        elif path.name == "tokens.parquet":
            # It says in which folder the corpus lies; that of synthetic talkers is the run's.
            table = pd.read_parquet(path)
            found[name] = table.to_csv(), {key: value for key, value in table.attrs.items() if key != "roots"}
        elif path.name == "done.json":  # how long it took, and checksums of files that say so too
            kept = json.loads(path.read_text())
            kept.pop("cpu_seconds", None)
            found[name] = {**kept, "files": sorted(kept["files"])}
        elif path.name == "training.csv":
            found[name] = pd.read_csv(path).drop(columns="seconds").to_csv()
        elif path.name == "state.json":
            state = json.loads(path.read_text())
            found[name] = {**state, "rows": [{k: v for k, v in row.items() if k != "seconds"} for row in state["rows"]]}
        elif path.name == "report.html":
            # Without pictures, sounds and tables, which the folder holds too, and without when and by which command.
            text = re.sub(r"base64,[\w+/=]*", "", path.read_text(encoding="utf-8"))
            found[name] = re.sub(r"\d{4}-\d\d-\d\dT[\d:+]*| --resume|[0-9a-f]{7,12}(-dirty)?", "", text)
        elif path.suffix == ".wav":  # a header with the time
            samples, rate = soundfile.read(path)
            found[name] = rate, samples.tolist()
        elif path.suffix == ".pdf":
            found[name] = Printed(path.read_bytes())
        else:
            found[name] = path.read_bytes()
    return found


def assert_same(made: Path, whole: Path) -> None:
    a, b = content(made), content(whole)
    assert sorted(a) == sorted(b)
    different = [name for name in a if a[name] != b[name]]
    assert different == []


@pytest.mark.parametrize("number", range(KILLS), ids=[f"{n}-{s.replace(' ', '-')}" for n, s in enumerate(CHOSEN)])
def test_what_was_killed_ends_as_if_it_had_not_been(commands: Commands, tmp_path: Path, number: int) -> None:
    stage = CHOSEN[number]
    argv, _, resume = STAGES[stage]
    whole, took = commands.undisturbed(stage)
    chance = random.Random(f"{SEED} {number}")
    when: dict[str, float]
    if (number // len(STAGES) + number) % 2 == 0:
        when = {"event": chance.randint(1, took["changes"])}
    else:
        when = {"seconds": chance.uniform(0, took["seconds"])}
    cwd = commands.ready(stage, tmp_path / "work")
    killed = commands.run(argv, cwd, **when)
    assert killed["status"] in (-9, 0), (cwd / "output.txt").read_text()
    again = commands.run([*argv, *resume], cwd)
    assert again["status"] == 0, f"{when}: " + (cwd / "output.txt").read_text()
    assert_same(cwd / "made", whole / "made")
    if stage not in ("tokens", "formants"):
        assert verify(cwd / "made").as_written


def test_kills_do_hit_unfinished_folders(commands: Commands, tmp_path: Path) -> None:
    """The test above could not fail if the kills came before or after all work."""
    whole, took = commands.undisturbed("tokens with sound")
    sizes = []
    for number, event in enumerate(np.linspace(1, took["changes"], 4).astype(int)):
        cwd = tmp_path / str(number)
        commands.run(STAGES["tokens with sound"][0], cwd, event=int(event))
        sizes.append(len(list((cwd / "made").glob("part-*"))) if (cwd / "made").exists() else 0)
    assert sizes == sorted(sizes)
    assert sizes[0] == 0
    assert 0 < sizes[2] <= len(list((whole / "made").glob("part-*")))
