"""What figures take of a run's tokens: which one, how it sounds, and the first layer that hears it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from phonoscope.audio import audio_info, read_audio
from phonoscope.errors import PhonoscopeError
from phonoscope.tasks.figures.figure import FigureRequest


def tested(tokens: pd.DataFrame) -> pd.DataFrame:
    """Tested tokens of a run; all, where none was tested."""
    return tokens[tokens["split"] == "test"] if "split" in tokens and tokens["split"].eq("test").any() else tokens


def chosen_token(request: FigureRequest) -> dict[str, Any]:
    """Row of the token that is wanted; else the tested token of median duration of the class (or of the first one)."""
    tokens = request.content.tokens
    if "class" not in tokens:
        raise PhonoscopeError(f"the run does not hold its tokens: {request.content.absent.get('tokens', 'no table')}")
    if request.token is not None:
        named = tokens[tokens["token"] == request.token]
        if named.empty:
            raise PhonoscopeError(
                f"the run has no token {request.token!r}; tokens look like {tokens['token'].iloc[0]!r}"
            )
        return {str(k): v for k, v in named.iloc[0].items()}
    label = request.labels[0]
    rows = tested(tokens)
    rows = rows[rows["class"] == label]
    if rows.empty:
        raise PhonoscopeError(f"no token of class {label} was tested; choose another with --class")
    length = rows["end"] - rows["start"]
    return {str(k): v for k, v in rows.loc[(length - length.median()).abs().idxmin()].items()}


def sound_of(
    request: FigureRequest, row: dict[Any, Any], context_seconds: float = 0.0
) -> tuple[np.ndarray, int, tuple[float, float]]:
    """Read a token with what stands around it.

    Parameters
    ----------
    request : FigureRequest
    row : dict
        Of the token table.
    context_seconds : float
        Before and after; less where the recording ends.

    Returns
    -------
    waveform, sample_rate, (start, end)
        At the run's rate; where the token lies in it, s.
    """
    rate = int(request.content.facts.get("sample_rate") or 0) or None
    root = request.content.tokens.attrs.get("roots", {}).get(row.get("corpus"))
    if root is None:
        raise PhonoscopeError("the run does not say where its recordings lie; run the experiment again")
    path = Path(root) / str(row["recording"])
    start, end = float(row["start"]), float(row["end"])
    begin = max(0.0, start - context_seconds)
    stop = max(min(end + context_seconds, audio_info(path).duration), end)
    waveform, rate = read_audio(path, sample_rate=rate, start=begin, end=stop)
    return waveform, rate, (start - begin, end - begin)


def first_layer_of(request: FigureRequest) -> Any:
    """Filter bank of the run's network.

    Raises
    ------
    PhonoscopeError
        If the network takes spectrograms.
    """
    from phonoscope.filters.bank import bank_of

    classifier = request.content.run.classifier()
    if classifier.front_end.frequency_axis is not None:
        raise PhonoscopeError(
            "this run's network takes spectrograms: it has no first layer on the waveform; this figure is for networks "
            "such as segmental or sub-segmental"
        )
    return bank_of(classifier, classifier.sample_rate)
