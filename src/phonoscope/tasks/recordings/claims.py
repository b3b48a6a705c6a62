"""What the second paper says about its tasks, sentence by sentence, beside what a run measures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import pandas as pd

from phonoscope.judgement.bootstrap import mean_interval
from phonoscope.judgement.claims import HOLDS, Claim, Finding, all_hold, by_sign, holds_if, unmeasured

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
_LEVEL = 0.05
NOT_BEYOND = "not beyond random weights"
PARTLY_BY_SIZE = "holds, but for random weights of these shapes too"


@dataclass(frozen=True)
class Evidence:
    """What the claims are measured on.

    ``accuracy``: one row a network and measure; ``predictions``: trainings on all recordings, with the columns
    ``speaker`` and ``recording``; ``bands``: band shares with nulls, with ``network``; ``geometry``: with ``network``
    and ``number`` of the layer; ``highest_hz``: half the sample rate as stored.
    """

    task: str
    networks: list[str]
    accuracy: pd.DataFrame
    predictions: pd.DataFrame
    bands: pd.DataFrame
    geometry: pd.DataFrame
    highest_hz: float
    seed: int


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
    table = evidence.accuracy[evidence.accuracy["network"] == network].set_index("measure")
    overall, balanced = table.loc["accuracy"], table.loc["balanced accuracy"]
    return Finding(
        f"{overall['estimate']:.1%} ({overall['low']:.1%}–{overall['high']:.1%})",
        holds_if(bool(overall["high"] >= _paper_accuracy(evidence.task, network))),
        f"balanced {balanced['estimate']:.1%} ({balanced['low']:.1%}–{balanced['high']:.1%}); other recordings, other "
        "numbers of classes and, for words, other speakers in the test than in the paper",
    )


def _multi_resolution_best(evidence: Evidence) -> Finding:
    others = [name for name in evidence.networks if name != _MULTI]
    if _MULTI not in evidence.networks or not others:
        return unmeasured("the run does not hold these networks")
    parts, verdicts = [], []
    for other in others:
        estimate, low, high = paired_difference(evidence.predictions, _MULTI, other, evidence.seed)
        parts.append(f"{100 * estimate:+.1f} points ({100 * low:+.1f} to {100 * high:+.1f}) over {other}")
        verdicts.append(by_sign(low, high))
    seeds = evidence.predictions["seed"].nunique()
    detail = f"accuracy on the same recordings, {seeds} seed{'s' if seeds > 1 else ''} each"
    return Finding("; ".join(parts), all_hold(verdicts), detail)


def paired_difference(predictions: pd.DataFrame, first: str, second: str, seed: int) -> tuple[float, float, float]:
    """Accuracy of one network minus that of another on the same recordings, with its 95 % interval.

    Parameters
    ----------
    predictions
        ``network, seed, token, speaker, recording, class, predicted``.
    first, second
        Names of the networks.
    seed
        Of the draws.
    """
    hit = predictions.assign(hit=(predictions["class"] == predictions["predicted"]).astype(float))
    by = ["token", "speaker", "recording"]
    table = hit.pivot_table(index=by, columns="network", values="hit", dropna=False, observed=True).dropna()
    table = table.reset_index()
    values = (table[first] - table[second]).to_numpy(dtype=float)
    clusters = table[["speaker", "recording"]]
    interval = mean_interval(values, clusters, seed=seed)
    return interval.estimate, interval.low, interval.high


def _band(evidence: Evidence, *, network: str, band: str) -> Finding:
    bands = evidence.bands
    rows = bands[(bands["network"] == network) & (bands["label"] == "all") & (bands["band"] == band)]
    if rows.empty or rows.iloc[0]["high_hz"] > evidence.highest_hz:
        return unmeasured(f"the recordings hold nothing above {evidence.highest_hz:g} Hz")
    row: Mapping[str, float] = {str(key): value for key, value in rows.iloc[0].items()}
    measured = f"{row['share']:.1%} ({row['low']:.1%}–{row['high']:.1%}) of the response"
    trainings = f"{row['n_trainings']:.0f} trainings {row['share_least']:.1%} to {row['share_most']:.1%}; " \
        if row["n_trainings"] > 1 else ""  # fmt: skip
    detail = (
        f"{row['low_hz']:.0f}–{row['high_hz']:.0f} Hz; {trainings}random weights {row['null']:.1%} "
        f"({row['null_low']:.1%}–{row['null_high']:.1%}), plain spectrum {row['spectrum']:.1%}; z = {row['z']:+.1f}, "
        f"p = {row['p']:.3f}"
    )
    return Finding(measured, holds_if(row["z"] > 0) if row["p"] <= _LEVEL else NOT_BEYOND, detail)


def _coherence(evidence: Evidence, *, layer: int) -> Finding:
    table = evidence.geometry[evidence.geometry["number"] == layer].set_index("network")
    values, null = table["mu_avg"], table["mu_avg_null"]
    return _lowest(values, null, ("", "random weights of these shapes: "), ".2f")


def _bounds_consistent(evidence: Evidence) -> Finding:
    grouped = evidence.geometry.groupby("network", sort=False)
    spread, null = (grouped[name].max() / grouped[name].min() for name in ("B", "B_null"))
    return _lowest(spread.sort_index(), null.sort_index(), ("largest over smallest B: ", "random weights: "), ".1f")


def _lowest(values: pd.Series, null: pd.Series, words: tuple[str, str], digits: str) -> Finding:
    """Is the multi-resolution network's value the lowest, and not so by the shapes of its layers alone?"""
    if set(values.index) != set(PAPER_ACCURACY["words"]):
        return unmeasured("the run does not hold all three networks")
    verdict = holds_if(values.idxmin() == _MULTI)
    if verdict == HOLDS and null.idxmin() == _MULTI:
        verdict = PARTLY_BY_SIZE
    measured, detail = (
        word + ", ".join(f"{name} {value:{digits}}" for name, value in each.items())
        for word, each in zip(words, (values, null), strict=True)
    )
    return Finding(measured, verdict, detail)
