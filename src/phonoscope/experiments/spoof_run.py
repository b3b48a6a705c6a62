"""The runner of the spoofing task: real recordings, vocoded copies of them, and what a first layer says of both."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from phonoscope.corpora import write_tokens
from phonoscope.errors import ExperimentError
from phonoscope.experiments.folder import Run
from phonoscope.experiments.frame import claimed_folder, finish_run, left_out_table
from phonoscope.experiments.recipe import packaged_text
from phonoscope.experiments.spoof import CONTROL, LAYER, RANDOM, SPECTRUM, spoof_tables
from phonoscope.experiments.waveform_recipe import SPOOF, WaveformRecipe, task_of
from phonoscope.experiments.whole_recordings import read_whole_recordings
from phonoscope.files import write_with
from phonoscope.filters import FilterBank, bank_of

Say = Callable[[str], None]

KIND = "spoof"
# Table 1: accuracies by kind of attack, for the paper's two networks.
PAPER_TABLE = {"text-to-speech": (0.90, 0.89), "voice conversion": (0.67, 0.62)}


@dataclass(frozen=True)
class SpoofRecipe:
    """Everything that decides the result of the spoofing task, apart from the corpus and the network.

    Parameters
    ----------
    name, task, title, question
        ``task`` is ``spoof``.
    sample_rate, seconds
        Of what the layer hears, Hz and s: the stretch around the middle of each recording's energy.
    recordings
        Most recordings that are taken, drawn at random.
    random_seeds
        Layers with random weights beside the network's.
    seed
        Seed of everything.
    """

    name: str
    task: str = SPOOF
    title: str = ""
    question: str = ""
    sample_rate: int = 16_000
    seconds: float = 1.0
    recordings: int = 200
    random_seeds: int = 3
    seed: int = 0
    classes: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        if self.task != SPOOF or self.recordings < 20 or self.random_seeds < 1:
            raise ExperimentError("expected the task spoof, at least 20 recordings and at least 1 of random_seeds")

    def to_dict(self) -> dict[str, Any]:
        """Return the recipe as plain values."""
        return asdict(self)


def is_spoof_recipe(name: str | Path) -> bool:
    """Whether this is the package's recipe ``spoof``, or a TOML file with that task."""
    return str(name) == SPOOF or (Path(name).suffix == ".toml" and task_of(Path(name)) == SPOOF)


def load_spoof_recipe(name: str | Path, *, seed: int | None = None) -> SpoofRecipe:
    """Read the package's recipe ``spoof`` or a TOML file; ExperimentError names entries that are not known."""
    if str(name) == SPOOF:
        values = tomllib.loads(packaged_text("spoof_recipes", SPOOF))
    else:
        values = tomllib.loads(Path(name).read_text(encoding="utf-8"))
    unknown = sorted(set(values) - {f.name for f in fields(SpoofRecipe)})
    if unknown:
        raise ExperimentError(f"unknown entries in the recipe: {', '.join(unknown)}")
    recipe = SpoofRecipe(**values)
    return recipe if seed is None else replace(recipe, seed=seed)


def layer_from(
    sample_rate: int, *, classifier: str | Path | None, network: str | None, weights: str | Path | None
) -> FilterBank:
    """First layer of a classifier's folder, or of a network by name with a weights file.

    Raises
    ------
    ExperimentError
        If neither is given.
    """
    if classifier is not None:
        from phonoscope.classifier import Classifier

        return bank_of(Classifier.from_pretrained(classifier), sample_rate)
    if network is None or weights is None:
        raise ExperimentError(
            "say whose first layer is to hear: --classifier FOLDER (of an earlier run), or --network NAME with --init "
            "FILE (its weights)"
        )
    from phonoscope.networks.checkpoints import load_network

    return bank_of(load_network(network, weights), sample_rate)


def run_spoof_experiment(
    recipe: SpoofRecipe,
    out: str | Path,
    *,
    corpus: str | Path,
    bank: FilterBank,
    layer_name: str,
    resume: bool = False,
    strict: bool = False,
    say: Say = lambda _line: None,
) -> Run:
    """Tell real recordings from vocoded copies by the response spectra of a first layer, beside controls.

    Parameters
    ----------
    bank
        The layer; see `layer_from`.
    layer_name
        What it is called in the results.

    Returns
    -------
    Run
        ``tables/``: ``results, scores, left_out, claims``.

    Raises
    ------
    ExperimentError
        If the folder is in use or the corpus holds too few recordings.
    """
    out = Path(out)
    with claimed_folder(out, recipe, resume):
        reading = WaveformRecipe(
            recipe.name, "words", classes=recipe.classes, sample_rate=recipe.sample_rate, seconds=recipe.seconds
        )
        waveforms, tokens = read_whole_recordings(corpus, reading, strict=strict, say=say)
    attrs = tokens.attrs
    chosen = np.sort(np.random.default_rng(recipe.seed).permutation(len(tokens))[: recipe.recordings])
    tokens = tokens.iloc[chosen].reset_index(drop=True)
    tokens.attrs = attrs
    write_tokens(out / "tokens.parquet", tokens)
    results, scores = spoof_tables(
        bank,
        [waveforms[i] for i in chosen],
        tokens,
        random_seeds=recipe.random_seeds,
        seed=recipe.seed,
        say=say,
    )
    write_with(out / "tables" / "scores.parquet", lambda path: scores.to_parquet(path, index=False))
    claims = spoof_claims(results)
    facts = {
        "kind": KIND,
        "layer": layer_name,
        "n_filters": bank.n_filters,
        "width": bank.width,
        "native_rates": sorted(map(int, tokens["native_rate"].unique())),
        "sample_rate": recipe.sample_rate,
    }
    told = {"layer": layer_name, "spoof": results.to_dict("records"), "claims": claims.to_dict("records")}
    tables = {"results": results, "left_out": left_out_table(tokens), "claims": claims}
    return finish_run(recipe, out, tokens, tables, facts=facts, results=told, device="cpu")


def spoof_claims(results: pd.DataFrame) -> pd.DataFrame:
    """Table 1 of the paper beside every attack: is the layer better than random filters, and than the control?

    Returns
    -------
    DataFrame
        ``paper_section, paper_says, measured, verdict, detail``.
    """
    table = {(row["attack"], row["feature"]): row for row in results.to_dict("records")}
    paper = "; ".join(f"{kind} {high:.2f} and {low:.2f}" for kind, (high, low) in PAPER_TABLE.items())
    rows = []
    for attack in dict.fromkeys(results["attack"]):
        if attack == CONTROL:
            continue
        layer, random, plain = (table[attack, name] for name in (LAYER, RANDOM, SPECTRUM))
        control = table[CONTROL, LAYER]
        better = layer["low"] > random["balanced_accuracy"]
        above = layer["low"] > max(0.5, control["balanced_accuracy"])
        verdict = "holds" if better and above else "above chance, but not beyond random filters" if above else (
            "not beyond what real recordings differ among themselves"
        )  # fmt: skip
        rows.append(
            {
                "paper_section": "3.2, Table 1",
                "paper_says": f"The first layer's CRS tells spoofed from real speech ({paper}); here: {attack}",
                "measured": f"balanced {layer['balanced_accuracy']:.1%} ({layer['low']:.1%}–{layer['high']:.1%}), EER "
                f"{layer['eer']:.1%}",
                "verdict": verdict,
                "detail": f"random filters {random['balanced_accuracy']:.1%}, long-term spectrum "
                f"{plain['balanced_accuracy']:.1%}, control {control['balanced_accuracy']:.1%}",
            }
        )
    return pd.DataFrame(rows)
