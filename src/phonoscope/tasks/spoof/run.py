"""The runner of the spoofing task: real and spoofed recordings, and what a first layer says of both."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd

from phonoscope.corpora import write_tokens
from phonoscope.errors import ExperimentError
from phonoscope.experiments.folder import Run
from phonoscope.experiments.frame import claimed_folder, finish_run, left_out_lines, left_out_table
from phonoscope.files import write_with
from phonoscope.filters import FilterBank, bank_of
from phonoscope.left_out import LeftOut
from phonoscope.tasks.spoof.claims import spoof_claims
from phonoscope.tasks.spoof.judge import FEWEST_OF_A_SIDE, hear, problems_of, tell_apart
from phonoscope.tasks.spoof.material import spoof_material
from phonoscope.tasks.spoof.recipe import SpoofRecipe
from phonoscope.work.folders import locked

Say = Callable[[str], None]

KIND = "spoof"


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
    protocol: str | Path | None = None,
    resume: bool = False,
    strict: bool = False,
    say: Say = lambda _line: None,
) -> Run:
    """Tell real from spoofed recordings by the response spectra of a first layer, beside controls.

    Parameters
    ----------
    corpus
        ASVspoof 2019 LA, whose spoofed recordings are taken, or real recordings, of which spoofs are made.
    bank
        The layer; see `layer_from`.
    layer_name
        What it is called in the results.
    protocol
        File of ASVspoof's form that says which recordings below `corpus` are spoofed.

    Returns
    -------
    Run
        ``tables/``: ``results, counts, scores, left_out, claims``.

    Raises
    ------
    ExperimentError
        If the folder is in use or the corpus holds too few recordings.
    CorpusError
        If the corpus, its partition or the protocol cannot be read.
    """
    out = Path(out)
    with locked(out):
        return _run(recipe, out, corpus, bank, layer_name, protocol=protocol, resume=resume, strict=strict, say=say)


def _run(
    recipe: SpoofRecipe,
    out: Path,
    corpus: str | Path,
    bank: FilterBank,
    layer_name: str,
    *,
    protocol: str | Path | None,
    resume: bool,
    strict: bool,
    say: Say,
) -> Run:
    with claimed_folder(out, recipe, resume):
        material = spoof_material(corpus, recipe, protocol=protocol, strict=strict, say=say)
        tokens, features = hear(material.clips, bank, random_seeds=recipe.random_seeds, seed=recipe.seed)
        n_real = int(tokens["attack"].isna().sum()) if len(tokens) else 0
        problems, too_small = problems_of(tokens) if n_real >= FEWEST_OF_A_SIDE else ([], [])
        left_out = LeftOut(material.left_out.entries())
        left_out.add(
            "attack", f"fewer than {FEWEST_OF_A_SIDE} recordings: only among its kind", len(too_small), too_small
        )
        tokens.attrs = material.attrs() | {"left_out": left_out.entries()}
        if not problems:
            reasons = "; ".join(left_out_lines(tokens)) or "none was found"
            raise ExperimentError(
                f"{corpus} gives {n_real} real recordings and {len(tokens) - n_real} spoofed ones; at least "
                f"{FEWEST_OF_A_SIDE} of each are needed. {reasons}"
            )
    for line in left_out_lines(tokens):
        say(line)
    write_tokens(out / "tokens.parquet", tokens)
    results, scores = tell_apart(
        tokens,
        features,
        problems,
        folds_by=recipe.folds_by,
        kernel_offset=recipe.kernel_offset,
        seed=recipe.seed,
        say=say,
    )
    write_with(out / "tables" / "scores.parquet", lambda path: scores.to_parquet(path, index=False))
    claims = spoof_claims(results)
    real = tokens[tokens["attack"].isna()]
    facts = {
        "kind": KIND,
        "layer": layer_name,
        "n_filters": bank.n_filters,
        "width": bank.width,
        "native_rates": sorted(map(int, tokens["native_rate"].unique())),
        "sample_rate": recipe.sample_rate,
        "corpus": {"real": len(real), "real_speakers": int(real["speaker"].nunique())},
    }
    told = {"layer": layer_name, "spoof": results.to_dict("records"), "claims": claims.to_dict("records")}
    tables = {"results": results, "counts": _counts(tokens), "left_out": left_out_table(tokens), "claims": claims}
    return finish_run(recipe, out, tokens, tables, facts=facts, results=told, device="cpu")


def _counts(tokens: pd.DataFrame) -> pd.DataFrame:
    """Recordings and speakers of each attack and of the real side, and how many of the real speakers it imitates."""
    attack = tokens["attack"].astype("object").where(tokens["attack"].notna(), "real")
    real_speakers = set(tokens.loc[attack == "real", "speaker"].dropna())
    rows = []
    for name, own in tokens.groupby(attack, sort=False):
        speakers = set(own["speaker"].dropna())
        kind = own["kind"].iloc[0]
        rows.append((name, kind, len(own), len(speakers), len(speakers & real_speakers)))
    return pd.DataFrame(rows, columns=["attack", "kind", "recordings", "speakers", "speakers_also_real"])
