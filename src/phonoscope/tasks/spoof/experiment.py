"""The spoofing task, step by step: real and spoofed recordings, and what a first layer says of both."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from phonoscope.corpora import write_tokens
from phonoscope.errors import ExperimentError
from phonoscope.experiments.fit import Trained
from phonoscope.experiments.frame import left_out_lines, left_out_table
from phonoscope.experiments.runner import Experiment, Results
from phonoscope.experiments.twin import beside_twin, twin_accuracy, with_twin_sentences
from phonoscope.files import write_with
from phonoscope.filters import FilterBank, bank_of
from phonoscope.judgement.claims import claims_json, claims_table
from phonoscope.left_out import LeftOut
from phonoscope.models.loading import load_weights
from phonoscope.tasks.spoof.claims import Context, rows_of, spoof_claims
from phonoscope.tasks.spoof.judge import CONTROL, FEWEST_OF_A_SIDE, LAYER, TWIN, hear, problems_of, tell_apart
from phonoscope.tasks.spoof.material import spoof_material
from phonoscope.tasks.spoof.recipe import SpoofRecipe
from phonoscope.training import copied_recordings

UNITS = ("speaker", "recording")  # what intervals resample, from the highest level down


@dataclass
class SpoofExperiment(Experiment):
    """Real recordings told from spoofed ones by the response spectra of a first layer, beside controls.

    Parameters
    ----------
    corpus
        ASVspoof 2019 LA, whose spoofed recordings are taken, or real recordings, of which spoofs are made.
    model
        The model whose first layer it is.
    network, init
        Or the name of a network and a file of its weights.
    bank, layer
        Or the layer itself, and what it is called in the results.
    protocol
        File of ASVspoof's form that says which recordings below the corpus are spoofed.
    """

    recipe: SpoofRecipe
    model: str | Path | None = None
    network: str | None = None
    init: str | None = None
    bank: FilterBank | None = None
    layer: str = ""
    protocol: Path | None = None

    def read(self, folder: Path) -> pd.DataFrame:
        """Read or make the recordings, and take their spectra by every feature."""
        del folder
        recipe, settings = self.recipe, self.settings
        self._bank = self._first_layer()
        material = spoof_material(
            str(self.corpus), recipe, protocol=self.protocol, strict=settings.strict, say=settings.say
        )
        tokens, self._features = hear(material.clips, self._bank, random_seeds=recipe.random_seeds, seed=recipe.seed)
        n_real = int(tokens["attack"].isna().sum()) if len(tokens) else 0
        self._comparisons, too_small = problems_of(tokens) if n_real >= FEWEST_OF_A_SIDE else ([], [])
        left_out = LeftOut(material.left_out.entries())
        reason = f"fewer than {FEWEST_OF_A_SIDE} recordings: only among its kind"
        left_out.add("attack", reason, len(too_small), too_small)
        tokens.attrs = material.attrs() | {"left_out": left_out.entries()}
        if not self._comparisons:
            reasons = "; ".join(left_out_lines(tokens)) or "none was found"
            raise ExperimentError(
                f"{self.corpus} gives {n_real} real recordings and {len(tokens) - n_real} spoofed ones; at least "
                f"{FEWEST_OF_A_SIDE} of each are needed. {reasons}"
            )
        self._tokens = tokens
        return tokens

    def _first_layer(self) -> FilterBank:
        if self.bank is not None:
            return self.bank
        if self.model is not None:
            classifier = load_weights(
                self.model, trust_imports=self.settings.trust_imports, rate=self.recipe.sample_rate
            )
            self.layer = self.layer or str(self.model)
            return bank_of(classifier, self.recipe.sample_rate)
        if self.network is None or self.init is None:
            raise ExperimentError(
                "say whose first layer is to hear: --model FOLDER (of an earlier run), or --network NAME with "
                "--init FILE (its weights)"
            )
        from phonoscope.networks.checkpoints import load_network

        self.layer = self.layer or f"{self.network} ({Path(self.init).name})"
        return bank_of(load_network(self.network, self.init), self.recipe.sample_rate)

    def describe(self) -> str:
        """How many recordings there are of each side."""
        real = int(self._tokens["attack"].isna().sum())
        copies = copied_recordings(self._tokens)
        return (
            f"{real} real recordings, {len(self._tokens) - real} spoofed ones; {copies} recordings are copies of others"
        )

    def summary(self, results: Mapping[str, Any]) -> Sequence[str]:
        """Whether the first layer is better than the linear twin, comparison by comparison."""
        return with_twin_sentences([], [(row, f"first layer ({row['attack']})") for row in results["beside_twin"]])

    def measure(self, trained: Sequence[Trained], folder: Path) -> Results:
        """Tell every attack from real speech by every feature; measure the claims."""
        del trained
        recipe, tokens = self.recipe, self._tokens
        write_tokens(folder / "tokens.parquet", tokens)
        results, scores = tell_apart(
            tokens,
            self._features,
            self._comparisons,
            folds_by=recipe.folds_by,
            kernel_offset=recipe.kernel_offset,
            seed=recipe.seed,
            say=self.settings.say,
        )
        write_with(folder / "tables" / "scores.parquet", lambda path: scores.to_parquet(path, index=False))
        claims = claims_table(spoof_claims(results), Context(rows_of(results), scores))
        real = tokens[tokens["attack"].isna()]
        facts = {
            "layer": self.layer,
            "n_filters": self._bank.n_filters,
            "width": self._bank.width,
            "null": {"kind": self._bank.untrained.kind, "words": self._bank.untrained.words},
            "native_rates": sorted(map(int, tokens["native_rate"].unique())),
            "sample_rate": recipe.sample_rate,
            "duplicates": copied_recordings(tokens),
            "corpus": {"real": len(real), "real_speakers": int(real["speaker"].nunique())},
        }
        twins = _beside_twin(scores, tokens, recipe.smallest["accuracy"])
        tables = {"results": results, "counts": _counts(tokens), "left_out": left_out_table(tokens), "claims": claims}
        tables["linear_twin"] = twins
        found = {"layer": self.layer, "spoof": results.to_dict("records"), "claims": claims_json(claims)}
        # Of the comparison with most recordings: the last one.
        widest = _said(scores, self._comparisons[-1].name, TWIN)
        found["linear_twin"] = twin_accuracy(widest, tokens, UNITS)
        found["beside_twin"] = twins.to_dict("records")
        return Results(tokens, tables, facts, found)


def _said(scores: pd.DataFrame, attack: str, feature: str) -> pd.DataFrame:
    """What a feature said of the recordings of one comparison: ``token, class, predicted``."""
    rows = scores[(scores["attack"] == attack) & (scores["feature"] == feature)]
    return rows[["token", "truth", "predicted"]].rename(columns={"truth": "class"}).reset_index(drop=True)


def _beside_twin(scores: pd.DataFrame, tokens: pd.DataFrame, smallest: float) -> pd.DataFrame:
    """Is the first layer better than the linear twin? One row a comparison, but for the control."""
    rows = []
    for name in scores.loc[scores["attack"] != CONTROL, "attack"].unique():
        layer, twin = (_said(scores, name, feature) for feature in (LAYER, TWIN))
        rows.append({"attack": name, **beside_twin(layer, twin, tokens, UNITS, name=TWIN, smallest=smallest)})
    return pd.DataFrame(rows)


def _counts(tokens: pd.DataFrame) -> pd.DataFrame:
    """Recordings and speakers of each attack and of the real side, and how many of the real speakers it imitates."""
    attack = tokens["attack"].astype("object").where(tokens["attack"].notna(), "real")
    real_speakers = set(tokens.loc[attack == "real", "speaker"].dropna())
    rows = []
    for name, group in tokens.groupby(attack, sort=False):
        speakers, kind = set(group["speaker"].dropna()), group["kind"].iloc[0]
        rows.append((name, kind, len(group), len(speakers), len(speakers & real_speakers)))
    return pd.DataFrame(rows, columns=["attack", "kind", "recordings", "speakers", "speakers_also_real"])
