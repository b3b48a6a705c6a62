"""The run folder: what one execution of an experiment leaves behind, and reading it back.

::

    run.json              what was asked, with what, and the results in one object
    recipe.toml           the recipe as it was executed
    material.json         hashes of the tokens and their sounds, to go on with no others
    checksums.json        SHA-256 of every file but the report and its figures (see `phonoscope.work.folders`)
    tokens.parquet        the tokens used: the token table with ``class`` (the experiment's class), ``split``, ``fold``
    formants.parquet      measured formants of the vowel tokens
    formant_candidates.csv, formant_corrections.csv   what a ladder of ceilings gave, and what a person corrected
    predictions.parquet   tested tokens: ``token, class, predicted, p_<class> …, fold``
    twin.parquet          what the linear twin said of the tested tokens: ``token, class, predicted``
    training.csv          one row an epoch and fold
    means.parquet         class means: ``kind`` (map, spectrogram), ``subset, class, frequency, time, mean, variance``
    classifier/           the classifier of the first fold (all folds in ``folds/<n>/classifier``)
    maps/<method>/        raw maps of the tested tokens
    examples/             some tokens as audio, ``examples.csv`` says which
    tables/               results as CSV and Parquet
"""

from __future__ import annotations

import hashlib
import json
import platform
import subprocess
import sys
from datetime import UTC, datetime
from functools import cached_property
from importlib import metadata
from pathlib import Path
from typing import Any

import pandas as pd
import xarray as xr

from phonoscope import __version__
from phonoscope.errors import ExperimentError
from phonoscope.files import write_json, write_with

RUN_NAME = "run.json"
CONTEXT_SECONDS = 0.05  # before and after each token, as it is cut
_REPORTED_PACKAGES = ("torch", "numpy", "scipy", "pandas", "scikit-learn", "xarray", "soundfile", "soxr")


class Run:
    """A finished run, read lazily from its folder.

    Raises
    ------
    ExperimentError
        If the folder holds no finished run, or a part of it is missing when it is asked for.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        path = self.folder / RUN_NAME
        if not path.is_file():
            raise ExperimentError(
                f"{self.folder} holds no finished run: no {RUN_NAME}. Make one: phonoscope run; of "
                "a model: phonoscope run recordings --model MODEL --corpus FOLDER --out RUN"
            )
        try:
            self.facts: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        except ValueError as error:
            raise ExperimentError(f"{path} is damaged ({error}); run the experiment again") from error

    def parquet(self, name: str) -> pd.DataFrame:
        """Read one Parquet file of the folder."""
        path = self.folder / name
        if not path.is_file():
            raise ExperimentError(f"{path} is missing from the run; run the experiment again")
        return pd.read_parquet(path)

    def table(self, name: str) -> pd.DataFrame:
        """Read one of the result tables by name, e.g. ``shares``."""
        return self.parquet(f"tables/{name}.parquet")

    def has_table(self, name: str) -> bool:
        """Whether the run has a result table of this name."""
        return (self.folder / "tables" / f"{name}.parquet").is_file()

    @property
    def results(self) -> dict[str, Any]:
        """The results as one object, as ``phonoscope run --json`` prints it."""
        return self.facts["results"]

    @property
    def context_seconds(self) -> float:
        """Sound before and after each token that maps are made with, s; whole recordings have none."""
        return float(self.facts.get("context_seconds", CONTEXT_SECONDS))

    @property
    def labels(self) -> list[str]:
        """Classes in the classifier's order."""
        return self.facts["labels"]

    @cached_property
    def tokens(self) -> pd.DataFrame:
        """Tokens used, with ``class``, ``split`` and ``fold``."""
        return self.parquet("tokens.parquet")

    @cached_property
    def predictions(self) -> pd.DataFrame:
        """Tested tokens with their prediction and probabilities."""
        return self.parquet("predictions.parquet")

    @cached_property
    def formants(self) -> pd.DataFrame:
        """Measured formants of the vowel tokens, Hz."""
        return self.parquet("formants.parquet")

    @cached_property
    def means(self) -> pd.DataFrame:
        """Class means of maps and spectrograms, tidy."""
        return self.parquet("means.parquet")

    @cached_property
    def training(self) -> pd.DataFrame:
        """Training metrics, one row an epoch and fold; empty when the classifier was trained elsewhere."""
        path = self.folder / "training.csv"
        return pd.read_csv(path) if path.is_file() else pd.DataFrame()

    @cached_property
    def examples(self) -> pd.DataFrame:
        """Example tokens: ``token, class, predicted, correct, file, start, end, sample_rate`` (s in the file)."""
        return pd.read_csv(self.folder / "examples" / "examples.csv")

    def maps(self, method: str = "cam", tokens: Any = None) -> xr.DataArray:
        """Raw maps of the tested tokens (all, or the named ones)."""
        from phonoscope.attribution.store import read_maps

        return read_maps(self.folder / "maps" / method, tokens)

    def classifier(self, fold: int | None = None, *, trust_imports: bool = False) -> Any:
        """Load the classifier of the run, or of one fold; ``trust_imports`` lets it import the code that it names."""
        from phonoscope.classifier import Classifier

        folder = self.folder / "classifier" if fold is None else self.folder / "folds" / str(fold) / "classifier"
        return Classifier.from_pretrained(folder, trust_imports=trust_imports)


def write_table(folder: Path, name: str, table: pd.DataFrame) -> None:
    """Write a result table as CSV and Parquet under ``tables/``; missing is empty, numbers keep full precision.

    Parameters
    ----------
    folder
        Of the run.
    name
        Of the files, without suffix.
    table
        Its index and ``attrs`` are dropped.
    """
    table = table.reset_index(drop=True).copy()
    table.attrs = {}
    write_with(folder / "tables" / f"{name}.csv", lambda path: table.to_csv(path, index=False))
    write_with(folder / "tables" / f"{name}.parquet", lambda path: table.to_parquet(path, index=False))


def write_run(folder: Path, facts: dict[str, Any]) -> None:
    """Write ``run.json``: it comes last and makes the run a finished one."""
    write_json(folder / RUN_NAME, facts)


def provenance(tokens: pd.DataFrame, seed: int, device: str) -> dict[str, Any]:
    """Versions, seed, device, machine, git revision and hash of the token list, to repeat a run.

    Parameters
    ----------
    tokens
        Token table of the run.
    seed
        Of the recipe.
    device
        Where it was computed: ``cpu``, ``cuda`` …
    """
    return {
        "phonoscope": __version__,
        "python": platform.python_version(),
        **{name: _version(name) for name in _REPORTED_PACKAGES},
        "platform": platform.platform(terse=True),
        "device": device,
        "seed": seed,
        "tokens_sha256": token_hash(tokens),
        "git_revision": _git_revision(),
        "command": " ".join(["phonoscope", *sys.argv[1:]]),
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def token_hash(tokens: pd.DataFrame) -> str:
    """SHA-256 of the token list: names, times and labels, in order."""
    lines = tokens[["token", "start", "end", "label"]].to_csv(index=False, float_format="%.6f")
    return hashlib.sha256(lines.encode("utf-8")).hexdigest()


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _git_revision() -> str | None:
    """Revision of phonoscope's own sources when they are a git checkout."""
    here = Path(__file__).resolve().parents[3]
    if not (here / ".git").exists():
        return None
    try:
        done = subprocess.run(
            ["git", "describe", "--always", "--dirty", "--abbrev=12"],
            cwd=here,
            capture_output=True,
            text=True,
            timeout=5,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip() or None
