"""Bootstrap samples of whole speakers or recordings, for curves and their peaks, which no formula describes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr, stdtrit

from phonoscope.judgement.units import MIN_UNITS, Unit


@dataclass(frozen=True)
class Resampling:
    """Bootstrap samples of tokens, drawn in whole units; how many units there are decides how wide intervals are.

    Parameters
    ----------
    weights : ndarray (n_bootstrap, n_tokens)
        How often each token is drawn in each sample.
    codes : ndarray (n_tokens,)
        Unit of each token.
    """

    weights: np.ndarray
    codes: np.ndarray

    @property
    def n_units(self) -> int:
        """Number of units that the tokens belong to."""
        return len(np.unique(self.codes))

    def among(self, chosen: np.ndarray) -> Resampling:
        """Return the same samples of some tokens, by position or mask; their own units count."""
        return Resampling(self.weights[:, chosen], self.codes[chosen])

    def interval(self, samples: np.ndarray, *, confidence: float = 0.95) -> tuple[np.ndarray, np.ndarray]:
        """Expanded percentile interval (Hesterberg 2015, Am. Stat. 69, 371) of a statistic from its samples.

        Samples of n units vary too little, by √((n − 1)/n), and few units call for Student's t: the tails are moved out
        to ``t · √(n/(n − 1))`` standard deviations.

        Parameters
        ----------
        samples : ndarray (n_bootstrap, ...)
            Samples that are not finite (a class was not drawn) are left out.
        confidence : float
            Coverage of the interval, between 0 and 1.

        Returns
        -------
        low, high : ndarray (...)
            NaN where there are fewer than six units, or two samples.
        """
        samples, n = np.asarray(samples, dtype=float), self.n_units
        bounds = np.full((2, *samples.shape[1:]), np.nan)
        if n < MIN_UNITS:
            return bounds[0], bounds[1]
        tail = stdtrit(n - 1, (1 + confidence) / 2) * np.sqrt(n / (n - 1))
        for at in np.ndindex(*samples.shape[1:]):
            drawn = samples[(slice(None), *at)]
            drawn = drawn[np.isfinite(drawn)]
            if len(drawn) > 1:
                bounds[(slice(None), *at)] = np.quantile(drawn, ndtr([-tail, tail]))
        return bounds[0], bounds[1]


def resample(unit: Unit, n_bootstrap: int = 1000, seed: int = 0) -> Resampling:
    """Draw bootstrap samples of the units that ``resampling_unit`` chose.

    Parameters
    ----------
    unit : Unit
    n_bootstrap : int
        Number of samples.
    seed : int
    """
    rng = np.random.default_rng(seed)
    drawn = rng.multinomial(unit.n_units, np.full(unit.n_units, 1.0 / unit.n_units), size=n_bootstrap).astype(float)
    return Resampling(drawn[:, unit.codes], unit.codes)
