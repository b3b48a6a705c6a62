"""What the second paper says about its tasks, sentence by sentence, beside what a run measures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from phonoscope.judgement.claims import Claim, Finding, Judged, above, all_of, below, between, unmeasured
from phonoscope.judgement.differences import paired_interval
from phonoscope.judgement.intervals import Interval, training_interval
from phonoscope.phonetics.confusions import accuracy_intervals

# Section 3.1: test accuracies of the trained models, percent.
PAPER_ACCURACY = {
    "words": {"sub-segmental": 99.81, "segmental": 99.85, "multi-resolution": 99.82},
    "speakers": {"sub-segmental": 88.14, "segmental": 88.58, "multi-resolution": 91.24},
}
# Section 3.2, by task: the sentence and the band it is about.
_BAND_CLAIMS = {
    "words": [("The band around 1 kHz is important for capturing speech characteristics", "around 1 kHz")],
    "speakers": [
        ("The band around 500 Hz is important for the speaker task", "around 500 Hz"),
        ("Between 2 and 3.5 kHz is emphasised for speakers", "2–3.5 kHz"),
        ("Between 4 and 5 kHz is emphasised for speakers", "4–5 kHz"),
    ],
}
_LOW_CLAIM = ("The models are biased towards more power at low frequencies", "below 750 Hz")
_MULTI = "multi-resolution"
_BEST = "The multi-resolution model performs better than segmental and sub-segmental ones"
_COHERENT = "The average coherence of the multi-resolution model is the lowest"
_CONSISTENT = "Geometry is more consistent from layer to layer in the multi-resolution model"


@dataclass(frozen=True)
class Evidence:
    """What the claims are measured on.

    ``predictions``: of the trainings on all recordings, with the columns ``speaker`` and ``recording``; ``bands``: band
    shares with nulls, with ``network``; ``geometry``: with ``network``, ``number`` of the layer and ``training``;
    ``geometry_null``: means over trainings; ``highest_hz``: half the sample rate as stored; ``smallest``: effects that
    count.
    """

    task: str
    networks: list[str]
    predictions: pd.DataFrame
    bands: pd.DataFrame
    geometry: pd.DataFrame
    geometry_null: pd.DataFrame
    highest_hz: float
    smallest: Mapping[str, float]


def recordings_claims(task: str, networks: Sequence[str]) -> list[Claim]:
    """The paper's sentences on a task and its networks; each is measured on an ``Evidence``.

    Parameters
    ----------
    task
        ``words`` or ``speakers``.
    networks
        Of the run.
    """
    claims = [
        Claim("3.1", f"{name}: {_paper_accuracy(task, name):.2%} of the test recordings are recognised",
              partial(_accuracy, network=name))
        for name in networks
    ]  # fmt: skip
    claims.append(Claim("3.3", _BEST, _multi_resolution_best))
    for says, band in [*_BAND_CLAIMS[task], _LOW_CLAIM]:
        claims += [Claim("3.2", f"{says} ({name})", partial(_band, network=name, band=band)) for name in networks]
    claims += [Claim("3.3", f"{_COHERENT} (layer {layer})", partial(_coherence, layer=layer)) for layer in (1, 2, 3)]
    return [*claims, Claim("3.3", _CONSISTENT, _bounds_consistent)]


def _paper_accuracy(task: str, network: str) -> float:
    return PAPER_ACCURACY[task][network] / 100


def _accuracy(evidence: Evidence, *, network: str) -> Finding:
    guesses, recordings = _by_training(evidence.predictions[evidence.predictions["network"] == network], "predicted")
    clusters = recordings[["speaker", "recording"]]
    intervals = accuracy_intervals(recordings["class"].tolist(), [list(each) for each in guesses], clusters)[1]
    overall, balanced = (intervals[name, ""] for name in ("accuracy", "balanced accuracy"))
    paper, near = _paper_accuracy(evidence.task, network), evidence.smallest["accuracy"]
    return Finding(
        f"{overall.estimate:.1%} ({overall.low:.1%}–{overall.high:.1%}), mean over {overall.n_units} {overall.unit}s",
        between(overall, paper - near, min(paper + near, 1.0)),
        f"balanced {balanced.estimate:.1%} ({balanced.low:.1%}–{balanced.high:.1%}); supported within {100 * near:g} "
        "points of the paper's; other recordings, other numbers of classes and, for words, other speakers in the test "
        "than in the paper",
    )


def _multi_resolution_best(evidence: Evidence) -> Finding:
    others = [name for name in evidence.networks if name != _MULTI]
    if _MULTI not in evidence.networks or not others:
        return unmeasured("the run does not hold these networks")
    differences = {other: paired_difference(evidence.predictions, _MULTI, other) for other in others}
    parts = [
        f"{100 * each.estimate:+.1f} points ({100 * each.low:+.1f} to {100 * each.high:+.1f}) over {other}"
        for other, each in differences.items()
    ]
    trainings = evidence.predictions["seed"].nunique()
    detail = f"accuracy on the same recordings, {trainings} training{'s' if trainings > 1 else ''} each"
    return Finding("; ".join(parts), all_of([above(each, 0.0) for each in differences.values()]), detail)


def paired_difference(predictions: pd.DataFrame, first: str, second: str) -> Interval:
    """Accuracy of one network minus that of another on the same recordings, over speakers and trainings.

    Parameters
    ----------
    predictions
        ``network, seed, token, speaker, recording, class, predicted``.
    first, second
        Names of the networks.
    """
    hits = predictions.assign(hit=(predictions["class"] == predictions["predicted"]).astype(float))
    (left, recordings), (right, _) = (_by_training(hits[hits["network"] == name], "hit") for name in (first, second))
    return paired_interval(left, right, recordings[["speaker", "recording"]])


def _by_training(predictions: pd.DataFrame, column: str) -> tuple[np.ndarray, pd.DataFrame]:
    """A column of predictions as (training, recording), and the recordings, in the same order for every network."""
    table = predictions.set_index(["token", "seed"])[column].unstack("seed").sort_index()  # noqa: PD010
    recordings = predictions.drop_duplicates("token").set_index("token").loc[table.index].reset_index()
    return table.to_numpy().T, recordings


def _band(evidence: Evidence, *, network: str, band: str) -> Finding:
    bands = evidence.bands
    rows = bands[(bands["network"] == network) & (bands["label"] == "all") & (bands["band"] == band)]
    if rows.empty or rows.iloc[0]["high_hz"] > evidence.highest_hz:
        return unmeasured(f"the recordings hold nothing above {evidence.highest_hz:g} Hz")
    row: Mapping[str, Any] = {str(key): value for key, value in rows.iloc[0].items()}
    measured = f"{row['ratio']:.2f} × random weights ({row['ratio_low']:.2f}–{row['ratio_high']:.2f})"
    trainings = (
        f"{row['n_trainings']:.0f} trainings {row['share_least']:.1%} to {row['share_most']:.1%}; "
        if row["n_trainings"] > 1 else ""
    )  # fmt: skip
    detail = (
        f"{row['low_hz']:.0f}–{row['high_hz']:.0f} Hz: {row['share']:.1%} ({row['low']:.1%}–{row['high']:.1%}) of the "
        f"response; {trainings}random weights {row['null']:.1%} ({row['null_low']:.1%}–{row['null_high']:.1%}), plain "
        f"spectrum {row['spectrum']:.1%}"
    )
    ratio = Interval(row["ratio"], row["ratio_low"], row["ratio_high"], int(row["n_units"]), row["unit"])
    return Finding(measured, Judged(row["p_more"], row["p_not_more"], row["errors"], ratio), detail)


def _coherence(evidence: Evidence, *, layer: int) -> Finding:
    values, null = (
        _by_network(table[table["number"] == layer], name)
        for table, name in ((evidence.geometry, "mu_avg"), (evidence.geometry_null, "mu_avg_null"))
    )
    return _lowest(values, null, ("", "random weights of these shapes: "), ".2f")


def _bounds_consistent(evidence: Evidence) -> Finding:
    def spread(table: pd.DataFrame, name: str) -> dict[str, np.ndarray]:
        of_layers = table.groupby(["network", "training"], sort=False)[name]
        return _by_network((of_layers.max() / of_layers.min()).reset_index(), name)

    null = spread(evidence.geometry_null.assign(training=0), "B_null")
    words = ("largest over smallest B: ", "random weights: ")
    return _lowest(spread(evidence.geometry, "B"), null, words, ".1f")


def _by_network(table: pd.DataFrame, name: str) -> dict[str, np.ndarray]:
    return {str(network): rows[name].to_numpy(dtype=float) for network, rows in table.groupby("network", sort=False)}


def _lowest(values: dict[str, np.ndarray], null: dict[str, np.ndarray], words: tuple[str, str], digits: str) -> Finding:
    """Is the multi-resolution network's value lower than each of the others', over trainings?

    Parameters
    ----------
    values, null
        Arrays (training,) by network.
    words
        Before the values, and before those of random weights.
    digits
        Format of the values.
    """
    if set(values) != set(PAPER_ACCURACY["words"]):
        return unmeasured("the run does not hold all three networks")
    measured, of_random = (
        word + ", ".join(f"{name} {np.mean(value):{digits}}" for name, value in each.items())
        for word, each in zip(words, (values, null), strict=True)
    )
    others = [name for name in values if name != _MULTI]
    ratios = [training_interval(values[_MULTI] / values[other], scale="ratio") for other in others]
    same = all(np.mean(null[_MULTI]) < np.mean(null[other]) for other in others)
    notes = [of_random, "random weights of these shapes give the same order" if same else ""]
    if len(values[_MULTI]) == 1:
        notes.append("one training says nothing about others: --trainings 5 would")
    return Finding(measured, all_of([below(each, 1.0) for each in ratios]), "; ".join(filter(None, notes)))
