"""Small run folders in the runner's format, their tables made by the rooms that make them in a real run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from phonoscope.attribution.maps import map_coordinates
from phonoscope.attribution.store import write_maps
from phonoscope.audio import write_audio
from phonoscope.axes import TimeAxis
from phonoscope.files import write_json
from phonoscope.phonetics.confusions import accuracy_table, asymmetry_table, confusion_table
from phonoscope.phonetics.profiles import class_profiles, profile_correlations
from phonoscope.phonetics.shares import formant_shares

MAX_HZ = 4000.0
SAMPLE_RATE = 8000
SPEAKERS = 7
TOKENS_EACH = 2  # a speaker and phone
CENTRES = np.array([100.0, 700.0, 1300.0, 1900.0, 2500.0, 3100.0, 3700.0])
FORMANTS = {
    "i": (300.0, 2300.0, 3000.0),
    "æ": (700.0, 1800.0, 2600.0),
    "ɑ": (750.0, 1200.0, 2500.0),
    "u": (350.0, 1000.0, 2400.0),
}

FakeRun = Callable[..., Path]


VOICING = {"voiced": ["i", "u"], "unvoiced": ["s"]}
EVIL = "<script>alert('x')</script>"
REPORTED = {
    "vowels": {"labels": ("i", "æ", "u")},
    "voicing": {"labels": (), "classes": VOICING, "wrong": 0},
    "bare": {"labels": ("i", EVIL, "$\\frac{ & a"), "with_formants": False},
    "untested": {"labels": ("i", "u"), "untested": "u", "paper": False},
}


@pytest.fixture
def fake_run(tmp_path: Path) -> FakeRun:
    """Writer of run folders: ``fake_run(labels=..., classes=..., with_formants=..., wrong=...)``."""

    def write(name: str = "run", **settings: Any) -> Path:
        folder = tmp_path / name
        write_fake_run(folder, **settings)
        return folder

    return write


@pytest.fixture(scope="module")
def fake_runs(tmp_path_factory: pytest.TempPathFactory) -> FakeRun:
    """As `fake_run`, for runs that the tests of a module share and never change."""
    folder = tmp_path_factory.mktemp("fake_runs")

    def write(name: str, **settings: Any) -> Path:
        write_fake_run(folder / name, **settings)
        return folder / name

    return write


@pytest.fixture(scope="session")
def two_vowels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a run of /i/ and /u/ that tests read and never change."""
    folder = tmp_path_factory.mktemp("runs") / "two_vowels"
    write_fake_run(folder, labels=("i", "u"))
    return folder


@pytest.fixture(scope="session")
def report_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Report of one of the runs in ``REPORTED``, drawn once for all tests; the run lies in its folder."""
    from phonoscope.report import write_report

    written: dict[str, Path] = {}

    def report(name: str) -> Path:
        if name not in written:
            folder = tmp_path_factory.mktemp("reports") / name
            write_fake_run(folder, **REPORTED[name])
            _disturb(folder, name)
            written[name] = write_report(folder)
        return written[name]

    return report


def _disturb(folder: Path, name: str) -> None:
    """Give the bare run hostile texts and a damaged sound; take training and baselines from the untested one."""
    if name == "bare":
        facts = (
            (folder / "run.json").read_text(encoding="utf-8").replace("Is everything said?", "<img src=x onerror=y>")
        )
        (folder / "run.json").write_text(facts, encoding="utf-8")
        left_out = pd.DataFrame([{"what": "token", "reason": "<b>bold</b>", "count": 1, "examples": "</td>"}])
        left_out.to_parquet(folder / "tables" / "left_out.parquet", index=False)
        (folder / "examples" / "00.wav").write_bytes(b"no sound")
    if name == "untested":
        (folder / "training.csv").unlink()
        (folder / "tables" / "baselines.parquet").unlink()


def write_fake_run(
    folder: Path,
    *,
    labels: Sequence[str] = ("i", "æ", "ɑ", "u"),
    classes: dict[str, list[str]] | None = None,
    with_formants: bool = True,
    wrong: int = 3,
    untested: str | None = None,
    paper: bool = True,
) -> None:
    """Write a run of ``labels``; ``classes`` groups phones, ``untested`` names a class without tested tokens."""
    rng = np.random.default_rng(0)
    names = list(classes) if classes else list(labels)
    of_phone = {phone: name for name, phones in (classes or {}).items() for phone in phones}
    phones = [phone for phone in (of_phone or labels) for _ in range(SPEAKERS * TOKENS_EACH)]
    tokens = pd.DataFrame({"label": phones})
    tokens["class"] = tokens["label"].map(of_phone) if of_phone else tokens["label"]
    tokens["speaker"] = [f"s{i % SPEAKERS}" for i in range(len(tokens))]
    tokens["sex"] = ["m" if i % SPEAKERS < 3 else "f" for i in range(len(tokens))]
    tokens["recording"] = tokens["speaker"] + "/" + tokens["speaker"] + ".wav"
    tokens["token"] = [f"{s}/{s}:{i:04d}" for i, s in enumerate(tokens["speaker"])]
    tokens["start"], tokens["end"], tokens["split"], tokens["fold"] = 0.05, 0.15, "test", 0
    if untested is not None:
        tokens.loc[tokens["class"] == untested, "split"] = "train"
    folder.mkdir(parents=True)
    tokens.to_parquet(folder / "tokens.parquet", index=False)

    formants = _formants(tokens, rng) if with_formants else pd.DataFrame({"token": pd.Series(dtype=str)})
    formants.to_parquet(folder / "formants.parquet", index=False)
    tested = tokens[tokens["split"] == "test"].reset_index(drop=True)
    predicted = tested["class"].to_numpy(dtype=object).copy()
    present = list(dict.fromkeys(tested["class"]))
    for i in range(wrong):
        predicted[i] = present[(present.index(predicted[i]) + 1) % len(present)]

    coords = {"token": tested["token"].to_numpy(dtype=object), "frequency": CENTRES}
    tilt = np.array([names.index(c) + 1.0 for c in tested["class"]])[:, None] * (CENTRES / 2000.0 - 1.0)
    profiles = xr.DataArray(tilt + rng.normal(0, 0.3, tilt.shape), dims=("token", "frequency"), coords=coords)
    energy = xr.DataArray(rng.uniform(1, 30, tilt.shape), dims=("token", "frequency"), coords=coords)
    clusters = tested[["speaker", "recording"]]
    maps = class_profiles(profiles, tested["class"].tolist(), clusters)
    of_energy = class_profiles(energy, tested["class"].tolist(), clusters)
    tables = {
        "counts": tokens.groupby(["class", "label", "split"], sort=False)
        .agg(count=("token", "size"), speakers=("speaker", "nunique"), recordings=("recording", "nunique"))
        .reset_index()
        .assign(seconds=1.4),
        "left_out": pd.DataFrame([{"what": "token", "reason": "too short", "count": 12, "examples": "s0/s0:0100"}]),
        "accuracy": accuracy_table(tested["class"], predicted, clusters),
        "confusions": confusion_table(tested["class"], predicted, names),
        "asymmetry": asymmetry_table(tested["class"], predicted, clusters),
        "baselines": pd.DataFrame(
            [
                {
                    "name": "majority class",
                    "accuracy": 0.25,
                    "balanced_accuracy": 0.25,
                    "n_tested": 56,
                    "details": "{}",
                },
                {
                    "name": "LDA on log formants",
                    "accuracy": 0.8,
                    "balanced_accuracy": 0.8,
                    "n_tested": 56,
                    "details": "{}",
                },
            ]
        ),
        "profiles": pd.concat([maps.assign(source="map"), of_energy.assign(source="energy")], ignore_index=True),
        "profile_correlations": profile_correlations(maps).assign(source="map"),
        "claims": pd.DataFrame(
            [
                {
                    "claim": 1,
                    "paper_section": "4.2",
                    "paper_says": "Vowels are told apart with more than 96 % accuracy.",
                    "measured": "95.0 %",
                    "verdict": "does not hold",
                    "detail": "balanced 95.0 %",
                }
            ]
            if paper
            else []
        ),
    }
    if with_formants:
        known = tested["token"].isin(formants["token"]).to_numpy()
        tables["shares"] = formant_shares(
            profiles[known],
            formants,
            max_hz=MAX_HZ,
            labels=tested["class"][known].tolist(),
            clusters=clusters[known],
            energy=energy[known],
        )
    (folder / "tables").mkdir()
    for name, table in tables.items():
        table.attrs = {}
        table.to_parquet(folder / "tables" / f"{name}.parquet", index=False)
    predictions = tested[["token", "class", "fold"]].assign(predicted=predicted)
    predictions.to_parquet(folder / "predictions.parquet", index=False)
    _means(tested["class"].to_numpy(), predicted, names).to_parquet(folder / "means.parquet", index=False)
    _examples(folder, tested.assign(predicted=predicted))
    if with_formants:
        _maps(folder, tested, tilt + rng.normal(0, 0.3, tilt.shape))
    pd.DataFrame(
        {
            "epoch": [1, 2],
            "train_loss": [1.0, 0.5],
            "train_accuracy": [0.5, 0.9],
            "validation_loss": [1.1, 0.6],
            "validation_balanced_accuracy": [0.4, 0.8],
            "seconds": [1.0, 1.0],
            "fold": [0, 0],
        }
    ).to_csv(folder / "training.csv", index=False)
    write_json(folder / "run.json", _facts(names))


def _formants(tokens: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    vowels = tokens[tokens["label"].isin(list(FORMANTS))]
    table = pd.DataFrame({"token": vowels["token"].to_numpy()})
    for k in range(3):
        centre = np.array([FORMANTS[label][k] for label in vowels["label"]])
        for at in (20, 50, 80):
            table[f"f{k + 1}_{at}"] = centre * rng.normal(1.0, 0.03, len(centre))
            table[f"b{k + 1}_{at}"] = 80.0 + 20.0 * k
    for at in (20, 50, 80):
        table[f"f4_{at}"], table[f"b4_{at}"] = 3600.0, 200.0
    return table


def _means(true: np.ndarray, predicted: np.ndarray, names: list[str]) -> pd.DataFrame:
    """Class means whose values say where they belong: map = frequency / 1000 − 2 + class number."""
    rows = []
    grids = {"map": (CENTRES, np.array([0.125, 0.5, 0.875])), "spectrogram": (np.arange(125.0, 4000.0, 250.0), None)}
    for kind, (frequency, time) in grids.items():
        time = (np.arange(8) + 0.5) / 8 if time is None else time
        for number, name in enumerate(names):
            for subset, chosen in {
                "all": true == true,
                "correct": true == predicted,
                "errors": true != predicted,
            }.items():
                count = int((chosen & (true == name)).sum())
                if count == 0:
                    continue
                for hz in frequency:
                    value = hz / 1000.0 - 2.0 + number if kind == "map" else -hz / 100.0
                    rows += [(kind, subset, name, hz, t, value, 1.0, count) for t in time]
    columns = ["kind", "subset", "class", "frequency", "time", "mean", "variance", "count"]
    return pd.DataFrame(rows, columns=columns)


def _maps(folder: Path, tested: pd.DataFrame, values: np.ndarray) -> None:
    """Stored maps of three columns: a third of the profile each."""
    count, columns = len(tested), 3
    time = (np.arange(columns) + 0.5) / columns
    axis = TimeAxis(columns, None, 0.0)
    coords = map_coordinates(CENTRES, time, np.full(count, 0.1), axis)
    coords |= {
        "token": ("token", tested["token"].to_numpy(dtype=object)),
        "target": ("token", tested["class"].to_numpy(dtype=object)),
    }
    attrs = {"units": "logit", "method": "cam", "max_hz": MAX_HZ, "layer": "features", "cell_hz": 600.0}
    attrs |= {"resolution_hz": 900.0, "time_columns": columns, "time_seconds": None, "time_edge_seconds": 0.0}
    maps = xr.DataArray(
        np.repeat(values[:, :, None] / columns, columns, axis=2).astype(np.float32),
        dims=("token", "frequency", "time"),
        coords=coords,
        name="map",
        attrs=attrs,
    )
    write_maps(folder / "maps" / "cam", [maps], count)


def _examples(folder: Path, tested: pd.DataFrame) -> None:
    time = np.arange(round(0.2 * SAMPLE_RATE)) / SAMPLE_RATE
    rows = []
    tested = tested.assign(correct=tested["class"] == tested["predicted"])
    for number, row in enumerate(tested.groupby(["class", "correct"], sort=False).head(1).to_dict("records")):
        file = f"{number:02d}.wav"
        write_audio(folder / "examples" / file, 0.3 * np.sin(2 * np.pi * (300 + 100 * number) * time), SAMPLE_RATE)
        rows.append(
            {k: row[k] for k in ("token", "class", "predicted", "correct")}
            | {"file": file, "start": 0.05, "end": 0.15, "sample_rate": SAMPLE_RATE}
        )
    pd.DataFrame(rows).to_csv(folder / "examples" / "examples.csv", index=False)


def _facts(names: list[str]) -> dict[str, Any]:
    front_end = {"kind": "spectrogram", "sample_rate": SAMPLE_RATE, "max_hz": MAX_HZ, "rows": 16, "columns": 8}
    return {
        "name": "fake",
        "title": "A made-up run",
        "question": "Is everything said?",
        "paper": "4.2",
        "labels": names,
        "method": "cam",
        "target": "true",
        "unit": "speaker",
        "plan": {"unit": "speaker", "folds": 5, "train": 40, "validation": 6, "test": 56},
        "max_hz": MAX_HZ,
        "front_end": front_end,
        "placement": {"layer": "features", "cell_hz": 600.0, "field_hz": 2100.0, "resolution_hz": 900.0},
        "corpus": {"name": "made up", "tokens": 56, "recordings": 7, "speakers": 7, "seconds": 5.6, "synthetic": False},
        "recipe": {"name": "fake", "front_end": front_end, "training": {"epochs": 2}},
        "provenance": {
            "seed": 0,
            "tokens_sha256": "ab12",
            "git_revision": None,
            "created": "2020-01-01T00:00:00+00:00",
        },
        "results": {"max_incompleteness": 1e-6},
    }
