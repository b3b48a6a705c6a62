"""What the second paper says about its tasks, sentence by sentence, beside what a run measures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from phonoscope.judgement.bootstrap import resampling_unit, unit_sums, unit_weights
from phonoscope.tasks.phones.claims import FAILS, HOLDS, OPEN

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


def waveform_claims(evidence: Evidence) -> pd.DataFrame:
    """Set each claim beside a number, its interval and its chance level.

    Returns
    -------
    DataFrame
        ``paper_section, paper_says, measured, verdict, detail``.
    """
    rows = [_accuracy(evidence, network) for network in evidence.networks]
    rows.append(_multi_resolution_best(evidence))
    for says, band in [*_BAND_CLAIMS[evidence.task], _LOW_CLAIM]:
        rows += [_band(evidence, network, says, band) for network in evidence.networks]
    rows += [_coherence_lowest(evidence, layer) for layer in (1, 2, 3)]
    rows.append(_bounds_consistent(evidence))
    return pd.DataFrame(rows, columns=["paper_section", "paper_says", "measured", "verdict", "detail"])


def _accuracy(evidence: Evidence, network: str) -> tuple[str, str, str, str, str]:
    paper = PAPER_ACCURACY[evidence.task][network] / 100
    table = evidence.accuracy[evidence.accuracy["network"] == network].set_index("measure")
    overall, balanced = table.loc["accuracy"], table.loc["balanced accuracy"]
    verdict = HOLDS if overall["high"] >= paper else FAILS
    return (
        "3.1",
        f"{network}: {paper:.2%} of the test recordings are recognised",
        f"{overall['estimate']:.1%} ({overall['low']:.1%}–{overall['high']:.1%})",
        verdict,
        f"balanced {balanced['estimate']:.1%} ({balanced['low']:.1%}–{balanced['high']:.1%}); other recordings, other "
        "numbers of classes and, for words, other speakers in the test than in the paper",
    )


def _multi_resolution_best(evidence: Evidence) -> tuple[str, str, str, str, str]:
    section, says = "3.3", "The multi-resolution model performs better than segmental and sub-segmental ones"
    others = [name for name in evidence.networks if name != "multi-resolution"]
    if "multi-resolution" not in evidence.networks or not others:
        return section, says, "", OPEN, "the run does not hold these networks"
    parts, verdicts = [], []
    for other in others:
        estimate, low, high = paired_difference(evidence.predictions, "multi-resolution", other, evidence.seed)
        parts.append(f"{100 * estimate:+.1f} points ({100 * low:+.1f} to {100 * high:+.1f}) over {other}")
        verdicts.append(HOLDS if low > 0 else FAILS if high < 0 else OPEN)
    verdict = FAILS if FAILS in verdicts else OPEN if OPEN in verdicts else HOLDS
    seeds = evidence.predictions["seed"].nunique()
    detail = f"accuracy on the same recordings, {seeds} seed{'s' if seeds > 1 else ''} each"
    return section, says, "; ".join(parts), verdict, detail


def paired_difference(predictions: pd.DataFrame, first: str, second: str, seed: int) -> tuple[float, float, float]:
    """Accuracy of one network minus that of another on the same recordings, with a 95 % cluster-bootstrap interval."""
    hit = predictions.assign(hit=(predictions["class"] == predictions["predicted"]).astype(float))
    by = ["token", "speaker", "recording"]
    wide = hit.pivot_table(index=by, columns="network", values="hit", dropna=False, observed=True).dropna()
    table = wide.reset_index()
    unit = resampling_unit(table[["speaker", "recording"]], len(table))
    values = np.column_stack([np.ones(len(table)), (table[first] - table[second]).to_numpy(dtype=float)])
    sums = unit_sums(values, unit.codes, unit.n_units)
    drawn = unit_weights(unit.n_units, 1000, seed) @ sums
    low, high = np.quantile(drawn[:, 1] / drawn[:, 0], [0.025, 0.975])
    return float(values[:, 1].mean()), float(low), float(high)


def _band(evidence: Evidence, network: str, says: str, band: str) -> tuple[str, str, str, str, str]:
    says = f"{says} ({network})"
    bands = evidence.bands
    found = bands[(bands["network"] == network) & (bands["label"] == "all") & (bands["band"] == band)]
    if found.empty or found.iloc[0]["high_hz"] > evidence.highest_hz:
        return "3.2", says, "", OPEN, f"the recordings hold nothing above {evidence.highest_hz:g} Hz"
    row: Mapping[str, float] = {str(key): value for key, value in found.iloc[0].items()}
    measured = f"{row['share']:.1%} ({row['low']:.1%}–{row['high']:.1%}) of the response"
    more, clear = row["z"] > 0, row["p"] <= _LEVEL
    verdict = (HOLDS if more else FAILS) if clear else NOT_BEYOND
    detail = (
        f"{row['low_hz']:.0f}–{row['high_hz']:.0f} Hz; random weights {row['null']:.1%} ({row['null_low']:.1%}–"
        f"{row['null_high']:.1%}), plain spectrum {row['spectrum']:.1%}; z = {row['z']:+.1f}, p = {row['p']:.3f}"
    )
    if row["n_trainings"] > 1:
        trainings = f"{row['n_trainings']:.0f} trainings {row['share_least']:.1%} to {row['share_most']:.1%}"
        detail = detail.replace("; random", f"; {trainings}; random", 1)
    return "3.2", says, measured, verdict, detail


def _coherence_lowest(evidence: Evidence, layer: int) -> tuple[str, str, str, str, str]:
    says = f"The average coherence of the multi-resolution model is the lowest (layer {layer})"
    table = evidence.geometry[evidence.geometry["number"] == layer].set_index("network")
    if set(table.index) != set(PAPER_ACCURACY["words"]):
        return "3.3", says, "", OPEN, "the run does not hold all three networks"
    values, null = table["mu_avg"], table["mu_avg_null"]
    lowest, expected = values.idxmin() == "multi-resolution", null.idxmin() == "multi-resolution"
    verdict = FAILS if not lowest else PARTLY_BY_SIZE if expected else HOLDS
    measured = ", ".join(f"{name} {value:.2f}" for name, value in values.items())
    detail = "random weights of these shapes: " + ", ".join(f"{name} {value:.2f}" for name, value in null.items())
    return "3.3", says, measured, verdict, detail


def _bounds_consistent(evidence: Evidence) -> tuple[str, str, str, str, str]:
    says = "Geometry is more consistent from layer to layer in the multi-resolution model"
    if set(evidence.geometry["network"]) != set(PAPER_ACCURACY["words"]):
        return "3.3", says, "", OPEN, "the run does not hold all three networks"
    grouped = evidence.geometry.groupby("network")
    spread = grouped["B"].max() / grouped["B"].min()
    null = grouped["B_null"].max() / grouped["B_null"].min()
    verdict = HOLDS if spread.idxmin() == "multi-resolution" else FAILS
    if verdict == HOLDS and null.idxmin() == "multi-resolution":
        verdict = PARTLY_BY_SIZE
    measured = "largest over smallest B: " + ", ".join(f"{name} {value:.1f}" for name, value in spread.items())
    return "3.3", says, measured, verdict, "random weights: " + ", ".join(f"{k} {v:.1f}" for k, v in null.items())
