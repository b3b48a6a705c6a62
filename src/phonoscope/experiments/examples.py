"""Example tokens of a run as audio with context, errors first, for the report to show and play."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from phonoscope.audio import write_audio
from phonoscope.experiments.material import Material
from phonoscope.files import write_with

PER_CLASS = 3
COLUMNS = ["token", "class", "predicted", "correct", "file", "start", "end", "sample_rate", "recording", "speaker"]


def write_examples(folder: Path, material: Material, predictions: pd.DataFrame) -> pd.DataFrame:
    """Write up to three tokens a class (one error if there is one, then the most typical ones) as float WAV.

    The most typical correct token is the one of median duration: the shortest and longest are often misaligned.

    Parameters
    ----------
    folder
        Of the run; they go to ``examples/``.
    material
        Of the run, with context.
    predictions
        Tested tokens: ``token, class, predicted`` …
    """
    position = {token: i for i, token in enumerate(material.tokens["token"])}
    table = predictions.merge(material.tokens[["token", "start", "end", "recording", "speaker"]], on="token")
    table["correct"] = table["class"] == table["predicted"]
    table["length"] = table["end"] - table["start"]
    rows = []
    for name, group in table.groupby("class", sort=False):
        distance = (group["length"] - group["length"].median()).abs()
        ordered = group.assign(distance=distance).sort_values(["distance", "token"])
        right, wrong = ordered[ordered["correct"]], ordered[~ordered["correct"]]
        chosen = pd.concat([right.head(PER_CLASS - min(1, len(wrong))), wrong.head(1)])
        for number, row in enumerate(chosen.to_dict("records")):
            file = f"{len({r['class'] for r in rows} | {name}):02d}_{number}.wav"
            samples = material.with_context[position[row["token"]]]
            write_audio(folder / "examples" / file, samples, material.sample_rate)
            start = material.context / material.sample_rate
            end = len(samples) / material.sample_rate - start
            facts = {"file": file, "start": start, "end": end, "sample_rate": material.sample_rate}
            rows.append(row | facts)
    examples = pd.DataFrame(rows, columns=COLUMNS)
    write_with(folder / "examples" / "examples.csv", lambda path: examples.to_csv(path, index=False))
    return examples
