"""An experiment on phones, step by step: tokens, formants, training, maps, chance levels, claims."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import pandas as pd

from phonoscope.attribution import explain
from phonoscope.attribution.explainer import recommended_method
from phonoscope.classifier import Classifier
from phonoscope.corpora import write_tokens
from phonoscope.errors import AttributionError
from phonoscope.experiments.examples import write_examples
from phonoscope.experiments.fit import Trained, applied, predictions_of, write_fits
from phonoscope.experiments.folder import Run
from phonoscope.experiments.labels import names_given
from phonoscope.experiments.loading import SAID, describe_model, load_model, taken_out
from phonoscope.experiments.material import material_of, write_formants
from phonoscope.experiments.measured import UNITS, Measured, measure_maps
from phonoscope.experiments.recipe import Recipe
from phonoscope.experiments.runner import Experiment, Results
from phonoscope.experiments.settings import Settings
from phonoscope.experiments.tested import parts_without_network, with_parts
from phonoscope.experiments.twin import keep_twin, train_twin, with_twin_sentences
from phonoscope.files import write_with
from phonoscope.judgement.claims import claims_json
from phonoscope.judgement.words import percent_with_interval, stored_interval
from phonoscope.models.loading import describes_itself
from phonoscope.phonetics.baselines import Baseline
from phonoscope.phonetics.confusions import accuracy_results
from phonoscope.tasks.perceive.short import perceive_in_short
from phonoscope.tasks.phones.control_shares import control_share_table
from phonoscope.tasks.phones.fit import fit, new_classifier, trainings_of
from phonoscope.tasks.phones.material import (
    class_order,
    describe_plan,
    is_synthetic,
    plan_folds,
    read_tokens_of,
)
from phonoscope.tasks.phones.recipe import PhonesRecipe, rule_names
from phonoscope.tasks.phones.tables import make_tables, nested_shares
from phonoscope.training import Fold, choose_device, copied_recordings

_TRIED_ON_TOKENS = 2


@dataclass
class PhonesExperiment(Experiment):
    """Phones told apart by a network on their spectrograms, and what it looks at.

    Parameters
    ----------
    model
        A model that was trained elsewhere: nothing is trained, all tokens are tested.
    map
        Which of the model's labels means a class, as ``class=label, …``, where they have other names.
    method, target
        Of the maps, instead of the recipe's. A method of the recipe that does not suit the model given is replaced by
        the recommended one.
    alignments
        Where the alignments are, if not beside the recordings.
    rules
        Rules of the token table that replace the recipe's (see ``read_corpus``).
    said
        What is said of the model, as of `load_model`.
    """

    recipe: PhonesRecipe
    model: str | Path | None = None
    map: str = ""
    method: str | None = None
    target: str | None = None
    alignments: Path | None = None
    rules: dict[str, Any] = field(default_factory=dict)
    said: dict[str, Any] = field(default_factory=dict)

    needs_corpus: ClassVar[bool] = False

    @classmethod
    def options(cls) -> set[str]:
        """Names of the options: those of the experiment, and every rule of the token table."""
        return {"model", "map", "method", "target", "alignments", *rule_names(), *SAID}

    @classmethod
    def of(cls, recipe: Recipe, corpus: Path | None, settings: Settings, **options: Any) -> Self:
        """Make the experiment from options that stand side by side."""
        rules = {name: options.pop(name) for name in rule_names() if name in options}
        said = taken_out(options)
        assert isinstance(recipe, PhonesRecipe)
        explained = recipe.explained_by(method=options.get("method"), target=options.get("target"))
        return cls(explained, corpus, settings, **options, rules=rules, said=said)

    def read(self, folder: Path) -> pd.DataFrame:
        """Read or synthesise the corpus, cut the tokens, plan the folds, and try out all that comes later."""
        recipe, settings = self.recipe, self.settings
        ready = self._model = None
        if self.model is not None:
            device = str(choose_device(settings.device))
            rate = recipe.front_end.get("sample_rate")
            said = self.said | ({"sample_rate": rate} if rate and not describes_itself(self.model) else {})
            ready = self._model = load_model(self.model, said, trust_imports=settings.trust_imports, device=device)
        tokens = read_tokens_of(recipe, self.corpus, self.alignments, self.rules, folder, settings)
        self._material = material_of(
            tokens,
            recipe.classes,
            sample_rate=recipe.front_end.get("sample_rate") if ready is None else ready.sample_rate,
            labels=None if ready is None else ready.labels,
            names=names_given(self.map),
            strict=settings.strict,
        )
        self._plan: list[Fold] = []
        self._unit = "none: the model was trained elsewhere"
        if ready is None:
            self._plan, self._unit = plan_folds(recipe, self._material.tokens)
            labels = class_order(self._material.tokens["class"])
            ready = new_classifier(recipe, labels, self._material.sample_rate)
        self._try_explaining(ready)
        return self._material.tokens

    def _try_explaining(self, classifier: Classifier) -> None:
        """Explain two tokens, so that a method that does not suit the network is refused before anything is trained."""
        few = range(_TRIED_ON_TOKENS)
        labels = self._material.tokens["class"].iloc[: len(few)].astype(str).tolist()
        waveforms = [self._material.waveforms[i] for i in few]
        try:
            explain(classifier, waveforms, self.recipe.target, self.recipe.method, true_labels=labels)
        except AttributionError as error:
            method = recommended_method(classifier)
            if self.model is None or self.method is not None or self.recipe.method == method:
                raise
            self.settings.say(f"{self.recipe.method} does not suit this model ({error}); it is explained by {method}")
            self.recipe = self.recipe.explained_by(method=method)
            explain(classifier, waveforms, self.recipe.target, self.recipe.method, true_labels=labels)

    def sounds(self) -> Sequence[np.ndarray]:
        """Waveforms of the tokens with what lies around them."""
        return self._material.with_context

    def describe(self) -> str:
        """How many tokens there are of each class."""
        tokens = self._material.tokens
        counts = tokens["class"].value_counts()
        of_classes = ", ".join(f"{name} {count}" for name, count in counts.items())
        return f"{counts.sum()} tokens: {of_classes}; {copied_recordings(tokens)} recordings are copies of others"

    def train(self, folder: Path) -> Sequence[Trained]:
        """Measure formants, then train one classifier a fold, or take the model that was given."""
        self._formants = write_formants(self._material, self.recipe.formant_settings(), folder)
        if self._model is not None:
            return [applied(self._model, self._material.waveforms, {"fold": 0, "seed": self.recipe.seed})]
        return fit(self.recipe, self._material, self._plan, folder, self.settings)

    def measure(self, trained: Sequence[Trained], folder: Path) -> Results:
        """Predict, explain every tested token, and set all of it beside chance."""
        recipe, material = self.recipe, self._material
        first, *others = trainings_of(trained)
        predictions = write_fits(first, material.tokens, folder)
        material.tokens = with_parts(material.tokens, self._plan, predictions)
        write_tokens(folder / "tokens.parquet", material.tokens)
        self.settings.say(f"explaining {len(predictions)} tokens by {recipe.method}")
        measured = measure_maps(material, first, folder, method=recipe.method, target=recipe.target, others=others)
        self.settings.say(measured.cells)
        write_with(folder / "means.parquet", lambda path: measured.means.to_parquet(path, index=False))
        write_examples(folder, material, predictions)
        twin, parts, folds = self._twin(trained[0].classifier)
        linear = keep_twin(folder, twin, material.tokens, UNITS)
        guesses = [predictions, *(predictions_of(each, material.tokens) for each in others)]
        tables = make_tables(recipe, material, guesses, measured, self._formants, twin, parts)
        self.settings.say("maps of the data alone, of random weights and of another network")
        controls = control_share_table(recipe, material, trained, measured, self._formants, parts)
        tables |= {"control_shares": controls} if len(controls) else {}
        facts = self._facts(trained[0].classifier, measured) | {"folds_without_network": folds}
        return Results(material.tokens, tables, facts, _results(measured, tables, folder) | {"linear_twin": linear})

    def _twin(self, classifier: Classifier) -> tuple[Baseline, dict[str, Any], str]:
        """The linear twin of the network, the parts that it trains and tests on, and how these were made."""
        self.settings.say("the linear twin of the network")
        tokens, recipe = self._material.tokens, self.recipe
        parts, folds = parts_without_network(tokens, self._plan, recipe.split.get("by", "auto"), recipe.seed)
        return train_twin(classifier, self._material.waveforms, tokens, parts), parts, folds

    def follow(self, run: Run) -> None:
        """Ask the networks what they hear, in short, where the recipe says so."""
        if self.recipe.perceive:
            perceive_in_short(run, self.recipe.perceive, self.settings)

    def summary(self, results: Mapping[str, Any]) -> Sequence[str]:
        """Accuracy with its interval, and the linear twin, which comes first where the network is not better."""
        accuracy = percent_with_interval(stored_interval(results, "accuracy"))
        sentence = (
            f"accuracy {accuracy}, pooled {results['pooled_accuracy']:.1%}, balanced "
            f"{results['balanced_accuracy']:.1%}, on {results['n_test']} tokens that were not trained on"
        )
        return with_twin_sentences([sentence], [(results["beside_twin"], "network")])

    def _facts(self, classifier: Classifier, measured: Measured) -> dict[str, Any]:
        config = classifier.config()
        return {
            "paper": self.recipe.paper,
            "labels": classifier.labels,
            "method": self.recipe.method,
            "target": self.recipe.target,
            "unit": self._unit,
            "plan": describe_plan(self._plan, self._unit) if self._plan else None,
            "max_hz": measured.max_hz,
            "time_seconds": classifier.front_end.time_axis.seconds,
            "sample_rate": self._material.sample_rate,
            "placement": measured.placement,
            "duplicates": copied_recordings(self._material.tokens),
            "corpus": {"synthetic": is_synthetic(self._material.tokens)},
            "network": config["network"],
            "front_end": config["front_end"],
        } | ({} if self.model is None else {"model": describe_model(classifier, self.model)})


def _results(measured: Measured, tables: Mapping[str, pd.DataFrame], folder: Path) -> dict[str, Any]:
    correlations = tables["profile_correlations"]
    of_maps = correlations.loc[correlations["source"] == "map", "r"]
    return {
        **accuracy_results(tables["accuracy"]),
        "n_test": int(tables["accuracy"]["n"].iloc[0]),
        "each_training": tables["trainings"].to_dict("records"),
        "claims": claims_json(tables["claims"]),
        "baselines": tables["baselines"].drop(columns="details").to_dict("records"),
        "beside_twin": tables["linear_twin"].to_dict("records")[0],
        "shares": nested_shares(tables.get("shares")),
        "profile_correlation": float(of_maps.mean()) if len(of_maps) else None,
        "resolution_hz": float(measured.placement["resolution_hz"]),
        "cell_hz": float(measured.placement["cell_hz"]),
        "max_incompleteness": measured.max_incompleteness,
        "classifier": (folder / "classifier").as_posix(),
    }
