"""A model that was trained elsewhere on whole recordings, step by step: labels, answers, maps, chance levels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd

from phonoscope.attribution import explain
from phonoscope.attribution.explainer import recommended_method
from phonoscope.classifier import Classifier
from phonoscope.corpora import write_tokens
from phonoscope.errors import ExperimentError
from phonoscope.experiments.examples import write_examples
from phonoscope.experiments.fit import Trained, applied, write_fits
from phonoscope.experiments.labels import names_given
from phonoscope.experiments.loading import SAID, describe_model, load_model, taken_out
from phonoscope.experiments.measured import UNITS, Measured, measure_maps
from phonoscope.experiments.recipe import Recipe
from phonoscope.experiments.runner import Experiment, Results
from phonoscope.experiments.settings import Settings
from phonoscope.experiments.tested import parts_without_network, with_parts
from phonoscope.experiments.twin import keep_twin, train_twin, with_twin_sentences
from phonoscope.files import write_with
from phonoscope.judgement.words import percent_with_interval, stored_interval
from phonoscope.left_out import LeftOut
from phonoscope.networks.outside import Outside
from phonoscope.phonetics.confusions import accuracy_results
from phonoscope.phonetics.stretches import SILENT
from phonoscope.tasks.outside.carriers import RULES, energy_in_cells, phone_table, read_phones
from phonoscope.tasks.outside.material import Recordings, choose_classes, list_recordings, read_sounds
from phonoscope.tasks.outside.recipe import OutsideRecipe
from phonoscope.tasks.outside.sentences import carriers_sentence, hertz_sentence
from phonoscope.tasks.outside.tables import level_reactions, map_tables, place_tables, recognition_tables, twin_tables
from phonoscope.training import choose_device, copied_recordings

_IN_MEMORY = (
    "The model was passed from memory, and nothing says how to build it again: phonoscope evidence and new maps in the "
    "viewer need a run of a model with a name (package.module:name, a folder, a file)."
)
_TRIED_ON = 2
_FEWEST_OF_TWIN = 2  # classes, and units to train and to test on


@dataclass
class OutsideExperiment(Experiment):
    """What a model says of whole recordings, and on which frequencies and stretches it rests. Nothing is trained.

    Parameters
    ----------
    model
        As of `load_model`.
    sample_rate
        Hz, for a model that does not say at which rate it takes sounds; that of most recordings by default.
    labels, label_column, layout, speakers
        As of `list_recordings`.
    map
        Which class of the model a label means: ``label=class, …``.
    alignments, alignment_format
        Where the phones of the recordings are, as of ``read_corpus``; nothing is lost without them but the table of
        phones.
    rules
        Rules of the token table that say which tier holds the phones, and how they are written.
    said
        What is said of the model, as of `load_model`.
    """

    recipe: OutsideRecipe
    model: str | Path | Classifier | None = None
    sample_rate: int | None = None
    labels: str | None = None
    label_column: str | None = None
    map: str = ""
    layout: str = "auto"
    speakers: Path | None = None
    alignments: Path | None = None
    alignment_format: str | None = None
    rules: dict[str, Any] = field(default_factory=dict)
    said: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def options(cls) -> set[str]:
        """Names of the options: those of the experiment, and what is said of phones and of the model."""
        return super().options() - {"rules", "said"} | set(RULES) | set(SAID)

    @classmethod
    def of(cls, recipe: Recipe, corpus: Path | None, settings: Settings, **options: Any) -> Self:
        """Make the experiment from options that stand side by side."""
        rules = {name: options.pop(name) for name in RULES if name in options}
        said = taken_out(options)
        return cls(recipe, corpus, settings, **options, rules=rules, said=said)  # ty: ignore[invalid-argument-type]

    def read(self, folder: Path) -> pd.DataFrame:
        """List the recordings, load the model, read what it knows, and try out the method."""
        del folder
        recipe, settings = self.recipe, self.settings
        if self.model is None:
            raise ExperimentError("recordings needs a model that was trained elsewhere: --model MODEL")
        settings.say(f"reading {self.corpus}")
        found = list_recordings(
            str(self.corpus),
            labels=self.labels,
            label_column=self.label_column,
            layout=self.layout,
            speakers=self.speakers,
            only=recipe.classes,
            strict=settings.strict,
        )
        self._classifier = load_model(
            self.model,
            self.said | ({"sample_rate": self.sample_rate} if self.sample_rate else {}),
            trust_imports=settings.trust_imports,
            device=str(choose_device(settings.device)),
            sample_rate=found.sample_rate,
            labels=found.labels if found.labelled else (),
        )
        self._refuse_what_is_no_class(found)
        network = self._classifier.network
        if isinstance(network, Outside) and network.source is None:
            found.settings["warnings"].append(_IN_MEMORY)
        choose_classes(
            found,
            self._classifier.labels,
            names_given(self.map),
            most=recipe.max_per_class,
            seed=recipe.seed,
            by_default=self.labels is None,
        )
        self._labelled = found.labelled
        left_out = LeftOut()
        self._phones = read_phones(
            found.entries,
            Path(next(iter(found.tokens.attrs["roots"].values()))),
            left_out,
            alignments=self.alignments,
            alignment_format=self.alignment_format,
            strict=settings.strict,
            rules=self.rules,
        )
        for entry in left_out.entries():
            found.left_out.add(**entry)
        self._material = read_sounds(found, self._classifier.sample_rate, strict=settings.strict)
        if not self._labelled and recipe.target == "true":
            raise ExperimentError("--target true needs labels: give --labels, or explain the predicted class")
        method = recipe.method or recommended_method(self._classifier)
        self.recipe = recipe.explained_by(method, self._target())
        few = [self._material.waveforms[i] for i in range(min(_TRIED_ON, len(self._material.tokens)))]
        explain(self._classifier, few, "predicted", method)
        return self._material.tokens

    def _target(self) -> str:
        """What is explained."""
        labels, asked = self._classifier.labels, self.recipe.target
        if self._classifier.scores == "numbers" and asked in (None, "predicted"):
            if len(labels) > 1:
                named = ", ".join(labels[:8])
                raise ExperimentError(
                    f"the model gives {len(labels)} numbers ({named}): say which, --target {labels[0]}"
                )
            return labels[0]
        return asked or ("true" if self._labelled else "predicted")

    def _refuse_what_is_no_class(self, found: Recordings) -> None:
        """A model whose numbers are no classes has nothing that a label could be compared with."""
        scores = self._classifier.scores
        if scores == "embedding":
            raise ExperimentError(
                "the model gives an embedding, of which no single number can be explained: explain its similarity to "
                "references instead (phonoscope.similarity)"
            )
        if scores == "numbers" and found.labelled:
            self.settings.say("the model gives numbers, which are neither right nor wrong: labels are not used")
            found.without_labels()

    def sounds(self) -> Sequence[np.ndarray]:
        """Waveforms of the recordings."""
        return self._material.waveforms

    def describe(self) -> str:
        """How many recordings there are of each class."""
        tokens = self._material.tokens
        copies = f"{copied_recordings(tokens)} recordings are copies of others"
        warned = "".join(f". {warning.rstrip('.')}" for warning in tokens.attrs["settings"]["warnings"])
        if not self._labelled:
            return f"{len(tokens)} recordings without labels; {copies}{warned}"
        counts = ", ".join(f"{name} {count}" for name, count in tokens["class"].value_counts().items())
        return f"{len(tokens)} recordings: {counts}; {copies}{warned}"

    def train(self, folder: Path) -> Sequence[Trained]:
        """Let the model answer: nothing is trained."""
        del folder
        self.settings.say(f"the answers of the model to {len(self._material.tokens)} recordings")
        return [applied(self._classifier, self._material.waveforms, {"fold": 0})]

    def measure(self, trained: Sequence[Trained], folder: Path) -> Results:
        """Explain every recording, and set all of it beside chance."""
        recipe, material, say = self.recipe, self._material, self.settings.say
        predictions = write_fits(trained, material.tokens, folder)
        if not self._labelled:  # the class that is explained is the predicted one
            if self._classifier.scores == "numbers":  # the largest of several numbers is no answer
                index = self._classifier.index_of(str(recipe.target))
                predictions["predicted"] = self._classifier.labels[index]
            predictions["class"] = predictions["predicted"]
            write_with(folder / "predictions.parquet", lambda path: predictions.to_parquet(path, index=False))
            attrs, chosen = material.tokens.attrs, predictions.set_index("token")["predicted"]
            material.tokens = material.tokens.assign(**{"class": material.tokens["token"].map(chosen)})
            material.tokens.attrs = attrs
        material.tokens = with_parts(material.tokens, [], predictions)
        write_tokens(folder / "tokens.parquet", material.tokens)
        say(f"explaining {len(predictions)} recordings by {recipe.method}")
        measured = measure_maps(material, trained, folder, method=str(recipe.method), target=str(recipe.target))
        say(measured.cells)
        write_with(folder / "means.parquet", lambda path: measured.means.to_parquet(path, index=False))
        write_examples(folder, material, predictions)
        tables = map_tables(material, measured)
        results: dict[str, Any] = {"n_test": len(predictions)}
        if self._labelled:
            say("recognition, calibration and the linear twin")
            tables |= recognition_tables(predictions, material.tokens, recipe)
            results |= accuracy_results(tables["accuracy"]) | {"trainings": 0}
            tables |= self._twin(predictions, folder, results)
        if len(self._phones):
            say("which phones carry the decision")
            tables["phones"] = self._carriers(measured, folder)
        tables |= place_tables(self._classifier, material)
        say("6 dB softer and louder")
        tables["level"] = level_reactions(self._classifier, material, recipe.seed)
        facts = self._facts(measured)
        return Results(
            material.tokens, tables, facts, results | _results(tables, measured, folder) | {"model": facts["model"]}
        )

    def _twin(self, predictions: pd.DataFrame, folder: Path, results: dict[str, Any]) -> dict[str, pd.DataFrame]:
        """Tables of the linear twin, cross-validated over speakers or recordings; none of a single class."""
        tokens, recipe = self._material.tokens, self.recipe
        if tokens["class"].nunique() < _FEWEST_OF_TWIN or len(tokens) <= tokens["class"].nunique():
            return {}
        parts, self._folds = parts_without_network(tokens, [], "auto", recipe.seed)
        twin = train_twin(self._classifier, self._material.waveforms, tokens, parts)
        results["linear_twin"] = keep_twin(folder, twin, tokens, UNITS)
        tables = twin_tables(predictions, tokens, twin, parts, recipe.smallest["accuracy"])
        results["beside_twin"] = tables["linear_twin"].to_dict("records")[0]
        return tables

    def _carriers(self, measured: Measured, folder: Path) -> pd.DataFrame:
        """Shares of the evidence within phones."""
        from phonoscope.attribution import read_maps

        maps = read_maps(folder / "maps" / str(self.recipe.method))
        position = {str(name): i for i, name in enumerate(self._material.tokens["token"])}
        sounds = [self._material.waveforms[position[str(name)]] for name in maps["token"].values]
        return phone_table(
            maps,
            energy_in_cells(sounds, maps.sizes["time"]),
            self._phones,
            measured.tokens,
            UNITS,
            smallest=self.recipe.smallest["share"],
            seed=self.recipe.seed,
        )

    def _facts(self, measured: Measured) -> dict[str, Any]:
        classifier, config = self._classifier, self._classifier.config()
        settings = self._material.tokens.attrs["settings"]
        return {
            "model": describe_model(classifier, self.model),
            "labelled": self._labelled,
            "labels": classifier.labels,
            "labels_from": settings["labels"],
            "method": self.recipe.method,
            "target": self.recipe.target,
            "scores": classifier.scores,
            "output_unit": classifier.unit,
            "unit": "none: the model was trained elsewhere",
            "plan": None,
            "context_seconds": 0.0,
            "max_hz": measured.max_hz,
            "time_seconds": classifier.front_end.time_axis.seconds,
            "sample_rate": self._material.sample_rate,
            "native_rates": sorted(map(int, self._material.tokens["native_rate"].unique())),
            "placement": measured.placement,
            "duplicates": copied_recordings(self._material.tokens),
            "folds_without_network": getattr(self, "_folds", None),
            "aligned": int(self._material.tokens["recording"].isin(set(self._phones["recording"])).sum()),
            "network": config["network"],
            "front_end": config["front_end"],
        }

    def summary(self, results: Mapping[str, Any]) -> Sequence[str]:
        """The sentence in hertz, accuracy with its interval, and what the linear twin makes of it."""
        sentences = [results["in_hertz"], *([results["in_phones"]] if results["in_phones"] else [])]
        if "accuracy" not in results:
            return sentences
        sentences.append(
            f"accuracy {percent_with_interval(stored_interval(results, 'accuracy'))}, balanced "
            f"{results['balanced_accuracy']:.1%}, on {results['n_test']} recordings"
        )
        twins = [(results["beside_twin"], "model")] if "beside_twin" in results else []
        return [sentences[0], *with_twin_sentences(sentences[1:], twins, "recordings")]


def _results(tables: Mapping[str, pd.DataFrame], measured: Measured, folder: Path) -> dict[str, Any]:
    halves, correlations = tables["middle_half"], tables["profile_correlations"]
    of_maps = correlations.loc[correlations["source"] == "map", "r"]
    phones = tables.get("phones", pd.DataFrame())
    calibrated = tables["calibration"].to_dict("records")[0] if "calibration" in tables else None
    return {
        "middle_half": halves[halves["source"] == "map"].drop(columns="source").to_dict("records"),
        "in_hertz": hertz_sentence(halves),
        "in_phones": carriers_sentence(phones),
        "non_speech": phones[phones["phone"] == SILENT].to_dict("records") if len(phones) else [],
        "calibration": calibrated,
        "profile_correlation": float(of_maps.mean()) if len(of_maps) else None,
        "resolution_hz": float(measured.placement["resolution_hz"]),
        "max_incompleteness": measured.max_incompleteness,
        "classifier": (folder / "classifier").as_posix(),
    }
