"""What classification images say in words: where energy speaks for one answer or the other."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from phonoscope.report.labels import class_name
from phonoscope.report.numbers import is_known
from phonoscope.tasks.perceive.names import NETWORK, RANDOM

_MOST_SENTENCES, _MOST_PLACES = 3, 2


def image_sentences(tables: Mapping[str, pd.DataFrame]) -> list[str]:
    """One sentence for each of the three pairs whose answers were moved most.

    Parameters
    ----------
    tables
        From `phonoscope.tasks.perceive.images.image_tables`.
    """
    strengths, clusters = tables["image_strengths"], tables["image_clusters"]
    if strengths.empty:
        return ["No pair of answers was moved by random changes of the sounds: nothing can be said of where they rest."]
    own = strengths[strengths["who"] == NETWORK].sort_values("strength", ascending=False)
    return [_sentence(row, clusters, strengths) for row in own.head(_MOST_SENTENCES).to_dict("records")]


def _sentence(row: dict, clusters: pd.DataFrame, strengths: pd.DataFrame) -> str:
    pair = f"{class_name(row['label'])} and {class_name(row['against'])}"
    rows = _of_pair(clusters, row, NETWORK)
    parts = []
    for sign, label in ((1, row["label"]), (-1, row["against"])):
        members = rows[rows["sign"] == sign].sort_values("cells", ascending=False).head(_MOST_PLACES)
        if len(members):
            places = " and ".join(f"{_range(each)}" for each in members.to_dict("records"))
            parts.append(f"energy at {places} for {class_name(label)}")
    if not parts:
        return f"Between {pair} no place in Hz and time was found that moves the answer for certain."
    beside = _of_pair(strengths, row, RANDOM)
    ratio = float(beside["strength"].iloc[0]) / row["strength"] if len(beside) and row["strength"] > 0 else np.nan
    control = ""
    if is_known(ratio):
        control = f"; with random weights the same changes move the answer {_times(ratio)} as much"
    worst = f"p ≤ {rows['p'].max():.3f}".replace("0.", ".")
    return f"Between {pair}, by random changes: {'; '.join(parts)} ({worst}){control}."


def _of_pair(table: pd.DataFrame, row: dict, who: str) -> pd.DataFrame:
    if table.empty:
        return pd.DataFrame({"sign": [], "cells": [], "p": [], "strength": []})
    return table[(table["who"] == who) & (table["label"] == row["label"]) & (table["against"] == row["against"])]


def _range(cluster: dict) -> str:
    return f"{cluster['low_hz'] / 1000:.1f}–{cluster['high_hz'] / 1000:.1f} kHz"


def _times(ratio: float) -> str:
    return f"{ratio:.2f} times" if ratio >= 0.005 else "less than 0.01 times"
