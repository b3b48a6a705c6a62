"""Bootstrap samples of whole speakers or recordings that several statistics share, and intervals from them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from phonoscope.judgement.bootstrap import Unit, interval_of, unit_weights


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
        """Interval of a statistic from its values (n_bootstrap, ...) in the samples; see ``interval_of``."""
        return interval_of(samples, n_units=self.n_units, confidence=confidence)


def resample(unit: Unit, n_bootstrap: int = 1000, seed: int = 0) -> Resampling:
    """Draw bootstrap samples of the units that ``resampling_unit`` chose.

    Parameters
    ----------
    unit : Unit
    n_bootstrap : int
        Number of samples.
    seed : int
    """
    return Resampling(unit_weights(unit.n_units, n_bootstrap, seed)[:, unit.codes], unit.codes)
