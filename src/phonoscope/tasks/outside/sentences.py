"""What a run found, in one sentence each: in hertz, in phones, and how far it may be believed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from phonoscope.judgement.claims import OPEN
from phonoscope.judgement.words import percent_with_interval, stored_interval
from phonoscope.phonetics.middle import ALL
from phonoscope.phonetics.stretches import MORE, SILENT
from phonoscope.report.labels import class_name
from phonoscope.report.numbers import is_known, percent

_FEW_CLASSES = 3  # so many are named one by one
_COMPLETE = 0.02


def hertz_sentence(halves: pd.DataFrame) -> str:
    """Between which frequencies half of the evidence lies, with intervals; beside it, the energy of the sounds.

    Parameters
    ----------
    halves
        From `middle_half`, of maps and of energy by ``source``.
    """
    of_maps = halves[halves["source"] == "map"]
    if of_maps.empty:
        return "Nothing in the maps speaks for any class, so there are no frequencies to name."
    overall, classes = of_maps[of_maps["label"] == ALL], of_maps[of_maps["label"] != ALL]
    start, shown = "Half of the evidence lies between", classes
    if len(classes) == 1:
        parts = f"Half of the evidence for {class_name(classes['label'].iloc[0])} lies between {_band(classes.iloc[0])}"
    elif len(classes) <= _FEW_CLASSES:
        parts = f"{start} " + ", ".join(
            f"{_band(row)} for {class_name(row['label'])}" for row in classes.to_dict("records")
        )
    else:
        shown = overall
        middle = (classes["low_hz"] * classes["high_hz"]).to_numpy()
        lowest, highest = classes.iloc[int(middle.argmin())], classes.iloc[int(middle.argmax())]
        parts = (
            f"{start} {_band(overall.iloc[0])}; it lies lowest for {class_name(lowest['label'])} ({_band(lowest)}) and "
            f"highest for {class_name(highest['label'])} ({_band(highest)})"
        )
    few = shown.sort_values("n_units").iloc[0]
    basis = f"{int(few['n_units'])} {_plural(few['unit'], few['n_units'])}"
    if shown["low_hz_low"].map(is_known).any():
        return f"{parts} (in brackets: 95 % intervals over {basis}{' or more' if len(shown) > 1 else ''})."
    return f"{parts} (no intervals: only {basis}{' of a class' if len(shown) > 1 else ''})."


def energy_sentence(halves: pd.DataFrame) -> str:
    """Where half of the sounds' level lies, which is what a map has to differ from."""
    rows = halves[(halves["source"] == "energy") & (halves["label"] == ALL)]
    if rows.empty:
        return ""
    return f"If evidence simply followed the level of the sounds, half of it would lie between {_band(rows.iloc[0])}."


def carriers_sentence(phones: pd.DataFrame) -> str:
    """How much of the evidence non-speech carries, and which phone carries most beyond its share of time.

    Parameters
    ----------
    phones
        From `stretch_shares`; empty where there is no alignment.
    """
    if phones.empty:
        return ""
    classes = [label for label in phones["label"].unique() if label != ALL]
    labels = classes if 1 < len(classes) <= _FEW_CLASSES else [ALL]
    sentences = []
    for label in labels:
        rows = phones[(phones["label"] == label) & (phones["phone"] == SILENT)]
        if len(rows):
            row = rows.iloc[0]
            limits = f" ({100 * row['low']:.0f}–{100 * row['high']:.0f})" if is_known(row["low"]) else ""
            which = "" if label == ALL else f" for {class_name(label)}"
            told = f"; whether that is more or less than its share {OPEN}" if row["verdict"] == OPEN else ""
            sentences.append(
                f"Non-speech carries {100 * row['share']:.0f} %{limits} of the evidence{which}, "
                f"{row['ratio']:.1f} × its share of time{told}."
            )
    more = phones[(phones["label"] == ALL) & phones["speech"].astype(bool) & (phones["verdict"] == MORE)]
    if len(more):
        top = more.sort_values("ratio", ascending=False).iloc[0]
        sentences.append(
            f"Of all phones, {class_name(top['phone'])} carries the most evidence for its duration: "
            f"{top['ratio']:.1f} × its share of time ({top['ratio_low']:.1f}–{top['ratio_high']:.1f})."
        )
    return " ".join(sentences)


def belief_sentence(facts: Mapping[str, Any], verdict: Mapping[str, Any] | None, folder: str) -> str:
    """How far the maps may be believed: what `phonoscope evidence` found, else what is known without it.

    Parameters
    ----------
    facts
        ``run.json``.
    verdict
        Of the run's method, from ``evidence.json``; None where the maps were not judged.
    folder
        Of the run, for the command.
    """
    if verdict is not None and verdict.get("summary"):
        start = {True: "The maps have passed", False: "The maps have failed"}.get(verdict["randomisation"])
        summary = str(verdict["summary"])
        if start is not None:
            return f"{start} the test of random weights: {summary.partition(': ')[2] or summary}"
        unknown = "It cannot be told whether"
        return (
            summary if summary.startswith(unknown) else f"{unknown} the maps depend on the model’s weights: {summary}."
        )
    results = facts.get("results", {})
    known = []
    if "accuracy" in results:
        known.append(f"the model recognises {percent_with_interval(stored_interval(results, 'accuracy'))}")
    if "linear_twin" in results:
        known.append(f"a linear model on the spectrogram {percent(results['linear_twin']['accuracy'])}")
    known = [", ".join(known)] if known else []
    missing = results.get("max_incompleteness")
    if is_known(missing):
        known.append(f"no map misses its sum by more than {amount(missing, facts)}")
    said = f"; known so far: {'; '.join(known)}" if known else ""
    return f"How far these maps may be believed has not been judged yet (phonoscope evidence {folder}){said}."


def amount(value: float, facts: Mapping[str, Any]) -> str:
    """An amount of what is explained, with its unit: ``0.02 logits``, ``0.02 in cosine``.

    Parameters
    ----------
    value
        The amount.
    facts
        ``run.json``.
    """
    unit = str(facts.get("output_unit", "logit"))
    named = {"logit": "logits", "unit of the output": "in the unit of the output"}
    return f"{value:.2g} {named.get(unit, f'in {unit}')}"


def chosen_words(facts: Mapping[str, Any]) -> str:
    """What is explained of a recording of which no label is known, by the kind of the model's scores.

    Parameters
    ----------
    facts
        ``run.json``.
    """
    if len(facts["labels"]) == 1:
        return "the one score that the model gives"
    return {
        "labels": "the label to which the model gives the highest score",
        "numbers": "the largest of the model’s numbers",
        "similarities": "the reference that the model finds most similar",
        "texts": "the text that the model holds most probable",
    }.get(facts.get("scores", "classes"), "the class that the model chose")


def _band(row: Any) -> str:
    return f"{_edge(row, 'low_hz')} and {_edge(row, 'high_hz')}"


def _edge(row: Any, name: str) -> str:
    value, low, high = (float(row[f"{name}{end}"]) for end in ("", "_low", "_high"))
    scale, unit, digits = (1000.0, "kHz", 1) if value >= 1000 else (1.0, "Hz", 0)
    limits = f" ({low / scale:.{digits}f}–{high / scale:.{digits}f})" if is_known(low) and is_known(high) else ""
    return f"{value / scale:.{digits}f} {unit}{limits}"


def _plural(unit: str, count: float) -> str:
    return unit if count == 1 else f"{unit}s"
