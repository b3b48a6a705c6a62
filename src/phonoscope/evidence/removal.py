"""What the network loses without one formant: filtered out of its token's sound, beside three bands that are not it."""

from __future__ import annotations

import numpy as np
import pandas as pd

from phonoscope.attribution.effects import band_effects
from phonoscope.evidence.case import Case
from phonoscope.judgement.bootstrap import MIN_UNITS, mean_interval, resampling_unit

HALF_HZ = 125.0  # of the band that is taken away around a formant
FORMANTS = (1, 2, 3, 4)
POOLED = "all"
# Where a formant of another token lies, of another class or of the same; and elsewhere in this token, with its energy.
OTHER_CLASS, SAME_CLASS, SAME_ENERGY = CONTROLS = ("other class", "same class", "same energy")
_TOKENS_AT_ONCE = 4  # each has sixteen filters of its own
# A band with a formant's energy is sought among those that begin on this grid and are no narrower or wider than these.
_GRID_HZ, _NARROWEST_HZ, _WIDEST_HZ = 25.0, 50.0, 1000.0


def formant_removal(case: Case, formants: pd.DataFrame, *, max_hz: float) -> pd.DataFrame:
    """Filter F1 … F4 out of each token, one at a time, and in its place bands that are not the formant.

    A band elsewhere with the same energy asks whether the formant is more than its energy; the same formant of a random
    token of the class, whether it matters just where it lies in this token; that of another class, whether it matters
    where this class has it.

    Parameters
    ----------
    case
        Tokens with their true classes, which are the targets.
    formants
        Formant table with ``token`` and ``f1_50`` …, Hz; formants that are missing, or above `max_hz`, are left out.
    max_hz
        Upper end of what the classifier sees.

    Returns
    -------
    DataFrame
        One row a token, formant and control: ``token, label, formant, control`` (``other class``, ``same class``,
        ``same energy``), ``effect`` (what the class's logit loses without the band of 250 Hz around the formant),
        ``chance`` (without the control's band); controls that a token has no band for are left out.
    """
    rows = formants.set_index("token").reindex(case.names.tolist())
    centres = rows[[f"f{k}_50" for k in FORMANTS]].to_numpy(dtype=float, na_value=np.nan)
    centres = np.where(centres < max_hz, centres, np.nan)
    classifier, seed = case.setting.classifier, case.setting.seed
    random = np.random.default_rng(seed)
    around = _around(centres, max_hz)
    bands = {"effect": around}
    bands[OTHER_CLASS] = _around(_of_others(centres, case.classes, random, same=False), max_hz)
    bands[SAME_CLASS] = _around(_of_others(centres, case.classes, random, same=True), max_hz)
    alone = [w[case.context : len(w) - case.context] for w in case.waveforms]
    bands[SAME_ENERGY] = same_energy_bands(alone, around, classifier.sample_rate, max_hz, random)
    effects = band_effects(
        classifier,
        case.waveforms,
        np.concatenate(list(bands.values()), axis=1),
        "true",
        true_labels=case.true_labels,
        tokens=case.names.tolist(),
        reference=case.reference,
        context_seconds=case.context / classifier.sample_rate,
        seed=seed,
        batch_size=_TOKENS_AT_ONCE,
    ).values.reshape(len(case), len(bands), len(FORMANTS))
    of_band = dict(zip(bands, effects.transpose(1, 2, 0), strict=True))
    tables = [
        pd.DataFrame(
            {
                "token": case.names,
                "label": case.classes,
                "formant": f"F{k}",
                "control": control,
                "effect": of_band["effect"][position],
                "chance": of_band[control][position],
            }
        )
        for position, k in enumerate(FORMANTS)
        for control in CONTROLS
    ]
    return pd.concat(tables, ignore_index=True).dropna(ignore_index=True)


def removal_table(tokens: pd.DataFrame, clusters: pd.DataFrame, *, seed: int = 0) -> pd.DataFrame:
    """Mean effect of taking a formant away, per class, formant and control, with cluster-bootstrap intervals.

    Parameters
    ----------
    tokens
        From `formant_removal`, of one classifier or of several.
    clusters
        ``token`` and the columns to resample, from the highest level down.
    seed
        Of the resampling.

    Returns
    -------
    DataFrame
        ``label`` (and ``all``), ``formant, control, effect, low, high, chance, excess, excess_low, excess_high``
        (effect − chance, in logits), ``n, n_units, unit``; no interval with fewer than six units. Tokens for which a
        control has no band are left out of its rows, effect included.
    """
    merged = tokens.merge(clusters, on="token", how="left")
    levels = [column for column in clusters.columns if column != "token"]
    rows = []
    for label in [POOLED, *sorted(merged["label"].unique())]:
        of_label = merged if label == POOLED else merged[merged["label"] == label]
        for (formant, control), chosen in of_label.groupby(["formant", "control"], sort=False):
            values = {"effect": chosen["effect"], "excess": chosen["effect"] - chosen["chance"]}
            unit = resampling_unit(chosen[levels], len(chosen))
            row = {"label": label, "formant": formant, "control": control, "chance": float(chosen["chance"].mean())}
            for name, before in (("effect", ""), ("excess", "excess_")):
                interval = mean_interval(values[name].to_numpy(), unit.codes, seed=seed)
                ends = (interval.low, interval.high) if unit.n_units >= MIN_UNITS else (np.nan, np.nan)
                row |= {name: interval.estimate, f"{before}low": ends[0], f"{before}high": ends[1]}
            rows.append(row | {"n": len(chosen), "n_units": unit.n_units, "unit": unit.level})
    columns = ["label", "formant", "control", "effect", "low", "high", "chance", "excess", "excess_low", "excess_high"]
    return pd.DataFrame(rows, columns=[*columns, "n", "n_units", "unit"])


def same_energy_bands(
    sounds: list[np.ndarray], bands: np.ndarray, sample_rate: int, max_hz: float, random: np.random.Generator
) -> np.ndarray:
    """For each band of each token a band elsewhere in the token that holds the same energy.

    Parameters
    ----------
    sounds
        Waveforms without context.
    bands
        Lower and upper edges, Hz, shape (token, band, 2); NaN where there is none.
    sample_rate
        Hz.
    max_hz
        Bands end below it.
    random
        One of those that fit is drawn: 50 to 1000 Hz wide, apart from the band itself.

    Returns
    -------
    ndarray (token, band, 2)
        Hz; NaN where no band elsewhere holds as much.
    """
    matched = np.full(bands.shape, np.nan)
    starts = np.arange(0.0, max_hz, _GRID_HZ)
    for token, sound in enumerate(sounds):
        power = np.square(np.abs(np.fft.rfft(sound, n=max(len(sound), sample_rate))))  # bins of 1 Hz or finer
        edges = np.arange(len(power) + 1) * (sample_rate / 2) / len(power)
        below = np.append(0.0, np.cumsum(power)) * (1 + 1e-12 * np.arange(len(power) + 1))  # strictly rising
        for number, (low, high) in enumerate(bands[token]):
            if not np.isfinite(low):
                continue
            energy = np.diff(np.interp([low, high], edges, below))[0]
            ends = np.interp(np.interp(starts, edges, below) + energy, below, edges, right=np.inf)
            width = ends - starts
            fits = (width >= _NARROWEST_HZ) & (width <= _WIDEST_HZ) & (ends <= max_hz)
            fits &= (ends <= low) | (starts >= high)
            if fits.any():
                drawn = random.choice(np.flatnonzero(fits))
                matched[token, number] = starts[drawn], ends[drawn]
    return matched


def _around(centres: np.ndarray, max_hz: float) -> np.ndarray:
    """Bands of 250 Hz around formants (token, formant): Hz, shape (token, formant, 2)."""
    return np.stack([np.maximum(centres - HALF_HZ, 0.0), np.minimum(centres + HALF_HZ, max_hz)], axis=2)


def _of_others(centres: np.ndarray, classes: np.ndarray, random: np.random.Generator, *, same: bool) -> np.ndarray:
    """Formants of a random other token, of the same class or of another, for each token; NaN where there is none."""
    chosen = np.full_like(centres, np.nan)
    for token, label in enumerate(classes):
        others = np.flatnonzero((classes == label) == same)
        others = others[others != token]
        if len(others):
            chosen[token] = centres[random.choice(others)]
    return chosen
