"""What a look at the data alone finds: the two tests of a toolkit for spurious correlations, written anew.

Anchor: the class predicted from what is not speech, with its area under the curve and a bootstrap, and from the facts
of the file (arXiv 2604.26676). Neither asks a model.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy.fft import dct
from scipy.stats import rankdata
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedGroupKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

_FRAME = 0.025
_NON_SPEECH_DB = 30.0  # below the loudest frame
_BANDS, _COEFFICIENTS = 24, 13
_FOLDS, _RESAMPLES = 5, 200
_TREES = 30


def background_auc(
    sounds: Sequence[np.ndarray], rate: float, classes: Sequence[str], speakers: Sequence[str], seed: int
) -> tuple[float, float]:
    """Area under the curve of the class told from cepstra of the frames without speech, and its lower bound (95 %).

    Parameters
    ----------
    sounds
        Recordings.
    rate
        Sample rate, Hz.
    classes
        Two.
    speakers
        Kept together in cross-validation and bootstrap; where they are fewer than the folds, each recording by itself.
    seed
        Of both.
    """
    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=300))
    return _auc(np.array([_cepstra(each, rate) for each in sounds]), model, classes, speakers, seed)


def metadata_auc(
    sounds: Sequence[np.ndarray], rate: float, classes: Sequence[str], speakers: Sequence[str], seed: int
) -> tuple[float, float]:
    """The same by a random forest from facts that stand in a file's head, or follow from its size.

    Parameters
    ----------
    sounds
        Recordings.
    rate
        Sample rate, Hz.
    classes
        Two.
    speakers
        Kept together in cross-validation and bootstrap; where they are fewer than the folds, each recording by itself.
    seed
        Of trees, cross-validation and bootstrap.
    """
    rows = []
    for each in sounds:
        whole = np.round(each * 2**15).astype(int)
        bits = np.log2(1 + np.abs(np.diff(whole, 2))).mean()  # about what lossless coding needs a sample
        rows.append([len(each) / rate, rate, bits])
    forest = RandomForestClassifier(_TREES, min_samples_leaf=5, random_state=seed)
    return _auc(np.array(rows), forest, classes, speakers, seed)


def _cepstra(sound: np.ndarray, rate: float) -> np.ndarray:
    size = round(_FRAME * rate)
    x = np.pad(np.asarray(sound, dtype=float), (0, max(0, 4 * size - len(sound))))
    frames = np.lib.stride_tricks.sliding_window_view(x, size)[:: size // 2]
    loudness = 10 * np.log10(np.mean(frames**2, axis=1) + 1e-12)
    quiet = frames[loudness < loudness.max() - _NON_SPEECH_DB]
    if len(quiet) < 2:
        quiet = frames[np.argsort(loudness)[:2]]
    power = np.abs(np.fft.rfft(quiet * np.hanning(size), axis=1)) ** 2
    edges = np.unique(np.geomspace(1, size // 2, _BANDS + 1).astype(int))
    bands = np.log(np.add.reduceat(power, edges[:-1], axis=1) + 1e-10)
    found = dct(bands, axis=1, norm="ortho")[:, :_COEFFICIENTS]
    return np.concatenate([found.mean(axis=0), found.std(axis=0)])


def _auc(
    values: np.ndarray, model: object, classes: Sequence[str], speakers: Sequence[str], seed: int
) -> tuple[float, float]:
    codes, units = (pd.factorize(np.asarray(each, dtype=object), sort=True)[0] for each in (classes, speakers))
    if units.max() + 1 < _FOLDS:  # one person's recordings: each is a unit
        units = np.arange(len(codes))
    folds = StratifiedGroupKFold(_FOLDS, shuffle=True, random_state=seed)
    scores = cross_val_predict(model, values, codes, groups=units, cv=folds, method="predict_proba")[:, 1]
    rng = np.random.default_rng(seed)
    members = [np.flatnonzero(units == k) for k in range(units.max() + 1)]
    areas = []
    for _ in range(_RESAMPLES):
        drawn = np.concatenate([members[k] for k in rng.integers(len(members), size=len(members))])
        areas.append(_area(codes[drawn], scores[drawn]))
    return _area(codes, scores), float(np.nanquantile(areas, 0.025))


def _area(codes: np.ndarray, scores: np.ndarray) -> float:
    """Area under the curve, from ranks."""
    ranks, first = rankdata(scores), codes == 1
    n, m = first.sum(), (~first).sum()
    return float((ranks[first].sum() - n * (n + 1) / 2) / (n * m)) if n and m else np.nan
