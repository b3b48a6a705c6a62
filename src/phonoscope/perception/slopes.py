"""How fast an answer changes as a cue rises: a line through the answers to each token's own stimuli."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from phonoscope.judgement.claims import Judged, above
from phonoscope.judgement.intervals import Interval, mean_interval
from phonoscope.judgement.permutation import holm
from phonoscope.perception.cue_scales import cue_scale
from phonoscope.perception.trials import Trials

FEWEST_STEPS = 3  # of a token's stimuli, for a line through them
# Smallest effect that counts, in logits, as the cue is moved over the whole range that was presented: an answer that is
# given half of the time is then given in 6 of 10 cases.
SMALLEST_CHANGE = 0.4
SMALLEST_OF_SPREAD = 0.2  # smallest change of a number that counts, in standard deviations over the tokens
COLUMNS = (
    "class", "cue", "against", "slope", "low", "high", "unit", "n", "n_units", "unit_of_interval", "trainings",
    "p", "p_holm", "verdict",
)  # fmt: skip


def slopes(trials: Trials, controls: Mapping[str, Trials] | None = None, shams: Trials | None = None) -> pd.DataFrame:
    """Slopes of ``log p(class) − log p(against)`` over each cue, for every class as spoken and every other class.

    Within a token, so that what tells tokens apart anyway plays no part; on the values that were achieved, not those
    asked for. The line is a least-squares one, and the slope the mean over tokens.

    Parameters
    ----------
    trials
        What the model answered.
    controls
        What other models answered to the same stimuli, by name: ``random`` weights, a ``linear`` twin.
    shams
        What the model answered to changes of the same size that move no resonance: ``token``, ``cue`` and ``step`` are
        those of the stimulus that each stands for, ``pattern`` says which tokens were changed alike.

    Returns
    -------
    DataFrame
        ``class, cue, against, slope`` with its 95 % interval (``low, high``) over ``n_units`` speakers or recordings
        and trainings, in ``unit`` (logits per Bark …); the slope of each control; ``sham``, the size of its slope, root
        mean square over patterns; the ``verdict`` on "the cue is heard: its slope, whichever its sign, is large enough
        to count and larger than its sham's", by ``p_holm``, which is ``p`` corrected for all rows.
    """
    rows, judged = [], []
    for spoken, cue, some in trials.by_cue():
        lines = _Lines(some)
        beside = {name: _Lines(other.of(cue, spoken).heard()) for name, other in (controls or {}).items()}
        sham = None if shams is None else _as_achieved(shams.of(cue, spoken).heard(), trials.of(cue, spoken))
        scale = cue_scale(cue, some.unit)
        own = trials.position(spoken)
        for position, against in enumerate(trials.labels):
            if position == own:
                continue
            row, finding = _slope(lines, beside, sham, (own, position), SMALLEST_CHANGE)
            rows.append({"class": spoken, "cue": cue, "against": against, "unit": f"logit/{scale.unit}", **row})
            judged.append(finding)
    return _table(rows, judged, controls or {}, shams)


def number_slopes(
    trials: Trials, controls: Mapping[str, Trials] | None = None, shams: Trials | None = None
) -> pd.DataFrame:
    """Slopes of the numbers that a model gives over each cue: of all tokens, whatever their class.

    Parameters
    ----------
    trials, controls, shams
        As of `slopes`, with the model's numbers.

    Returns
    -------
    DataFrame
        As of `slopes`: ``class`` is the name of the number, ``against`` is empty, ``unit`` is ``per Bark`` …. A change
        counts from a fifth of the number's standard deviation over the tokens, each with the mean of its stimuli.
    """
    rows, judged = [], []
    for cue in trials.table["cue"].astype(str).unique():
        some = trials.of(cue).heard()
        lines, scale = _Lines(some), cue_scale(cue, some.unit)
        beside = {name: _Lines(other.of(cue).heard()) for name, other in (controls or {}).items()}
        sham = None if shams is None else _as_achieved(shams.of(cue).heard(), trials.of(cue))
        codes = pd.factorize(some.table["token"])[0]
        means = [np.bincount(codes, values) / np.bincount(codes) for values in some.log_p.mean(axis=0).T]
        for position, name in enumerate(trials.labels):
            spread = float(means[position].std()) if len(some) else 0.0
            row, finding = _slope(lines, beside, sham, (position, None), SMALLEST_OF_SPREAD * spread)
            rows.append({"class": name, "cue": cue, "against": "", "unit": f"per {scale.unit}", **row})
            judged.append(finding)
    return _table(rows, judged, controls or {}, shams)


def _slope(
    lines: _Lines, beside: Mapping[str, _Lines], sham: Trials | None, pair: tuple[int, int | None], smallest: float
) -> tuple[dict[str, Any], Judged]:
    """Slope of a pair of labels, or of one alone, with what stands beside it; and what is found of it."""
    interval = lines.mean(*pair)
    bound = smallest / lines.range if lines.count else 0.0
    row: dict[str, Any] = {"slope": interval.estimate, "low": interval.low, "high": interval.high, "n": lines.count,
                           "n_units": interval.n_units, "unit_of_interval": interval.unit,
                           "trainings": interval.n_trainings}  # fmt: skip
    row |= {name: other.mean(*pair).estimate for name, other in beside.items()}
    if sham is not None:
        row["sham"] = _size_of_sham(sham, *pair)
        bound = np.fmax(bound, row["sham"])
    return row, above(_risen(interval), bound)


def _table(
    rows: Sequence[Mapping[str, Any]], judged: Sequence[Judged], controls: Mapping[str, Trials], shams: Trials | None
) -> pd.DataFrame:
    """Slopes as a table, with verdicts that are corrected for all of them."""
    columns = [*COLUMNS[:7], *controls, *(["sham"] if shams is not None else []), *COLUMNS[7:]]
    table = pd.DataFrame(rows, columns=columns)
    adjusted = holm([each.p for each in judged])
    verdicts = [each.verdict(p) for each, p in zip(judged, adjusted, strict=True)]
    return table.assign(p=[each.p for each in judged], p_holm=adjusted, verdict=verdicts)


class _Lines:
    """Lines through the answers to each token's stimuli."""

    def __init__(self, trials: Trials) -> None:
        self.trials = trials
        table = trials.table
        cue = str(table["cue"].iloc[0]) if len(table) else ""
        x = cue_scale(cue, trials.unit).to(table["achieved"].to_numpy(dtype=float))
        codes, self.tokens = pd.factorize(table["token"])
        n = np.bincount(codes, minlength=len(self.tokens)).astype(float)
        with np.errstate(invalid="ignore", divide="ignore"):
            self.away = x - (np.bincount(codes, x, minlength=len(self.tokens)) / n)[codes]
            self.spread = np.bincount(codes, self.away**2, minlength=len(self.tokens))
        self.codes, self.usable = codes, (n >= FEWEST_STEPS) & (self.spread > 0)
        ends = pd.Series(x).groupby(codes).agg(["min", "max"]).to_numpy(dtype=float).reshape(-1, 2)
        self.range = float((ends[:, 1] - ends[:, 0])[self.usable].mean()) if self.usable.any() else float("nan")
        firsts = pd.Series(np.arange(len(table))).groupby(codes).first().to_numpy(dtype=int)
        self.clusters = trials.clusters.iloc[firsts][self.usable]

    @property
    def count(self) -> int:
        """Tokens that have a line."""
        return int(self.usable.sum())

    def each(self, label: int, against: int | None) -> np.ndarray:
        """Slopes (training, token) of the log odds of two labels, or of the number of one."""
        y = self.trials.log_p[..., label]
        y = y if against is None else y - self.trials.log_p[..., against]
        sums = np.stack([np.bincount(self.codes, self.away * row, minlength=len(self.tokens)) for row in y])
        return sums[:, self.usable] / self.spread[self.usable]

    def mean(self, label: int, against: int | None) -> Interval:
        """Mean over tokens, with its interval."""
        if not self.count:
            return Interval(np.nan, np.nan, np.nan, 0, "token")
        return mean_interval(self.each(label, against), self.clusters)


def _risen(interval: Interval) -> Interval:
    """The interval turned so that its estimate is positive: of "the slope is not 0", whichever its sign."""
    if not interval.estimate < 0:
        return interval
    return interval._replace(estimate=-interval.estimate, low=-interval.high, high=-interval.low)


def _size_of_sham(shams: Trials, own: int, against: int | None) -> float:
    """Root mean square over the patterns of the sham of the slope of each, without what chance adds to it."""
    patterns = shams.table["pattern"].to_numpy()
    found = [
        _Lines(shams.where(patterns == pattern)).each(own, against).mean(axis=0) for pattern in np.unique(patterns)
    ]
    squares = [each.mean() ** 2 - each.var(ddof=1) / len(each) for each in found if len(each) > 1]
    return float(np.sqrt(max(np.mean(squares), 0.0))) if squares else float("nan")


def _as_achieved(shams: Trials, trials: Trials) -> Trials:
    """Shams on the axis of what they stand for: each has the value that the stimulus of its token and step achieved."""
    keys = ["token", "step"]
    values = trials.table.drop_duplicates(keys).set_index(keys)["achieved"]
    wanted = pd.MultiIndex.from_frame(shams.table[keys])
    found = shams.table.assign(achieved=values.reindex(wanted).to_numpy())
    return Trials(found, shams.labels, shams.log_p).where(found["achieved"].notna().to_numpy())
