"""What a corpus says beside the sound: facts of the files, names and order, speakers and devices."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import soundfile

_MOST_VALUES = 40  # of a column that is told by: rarer ones are one value
_NUMBER = re.compile(r"\d+")


def file_values(paths: Sequence[Path | str]) -> np.ndarray:
    """Format, sample format, channels, sample rate, size and further chunks of audio files, shape (file, measure).

    Parameters
    ----------
    paths
        Of the files.
    """
    rows = []
    for path in paths:
        info = soundfile.info(str(path), verbose=True)
        size = Path(path).stat().st_size
        rows.append({
            "format": info.format, "subtype": info.subtype, "endian": info.endian, "channels": str(info.channels),
            "rate": str(info.samplerate), "chunks": "".join(sorted(set(re.findall(r"^\s*([A-Za-z ]{4}) :",
            info.extra_info or "", re.M)))), "bytes": size / max(info.frames, 1),
        })  # fmt: skip
    table = pd.DataFrame(rows)
    return np.concatenate([_one_hot(table.drop(columns="bytes")), table[["bytes"]].to_numpy()], axis=1)


def order_values(names: Sequence[str]) -> np.ndarray:
    """Place in the order of the names, and the numbers in them, shape (name, measure).

    Parameters
    ----------
    names
        Of the recordings, without the folder: that may be the label.
    """
    place = pd.Series(list(names)).rank(method="average").to_numpy()
    numbers = [[float(number) for number in _NUMBER.findall(name)[:3]] for name in names]
    width = max(map(len, numbers), default=0)
    filled = np.array([row + [np.nan] * (width - len(row)) for row in numbers]).reshape(len(numbers), width)
    filled = np.where(np.isnan(filled), -1.0, filled)
    return np.concatenate([place[:, None], filled], axis=1)


def column_values(values: Sequence[object]) -> np.ndarray:
    """A column of names, such as speaker or device, as one measure a name, shape (row, name).

    Parameters
    ----------
    values
        Of each recording; what is missing is a value too.
    """
    return _one_hot(pd.DataFrame({"value": pd.Series(list(values), dtype="object")}))


def _one_hot(table: pd.DataFrame) -> np.ndarray:
    columns = []
    for name in table:
        values = table[name].astype("object").where(table[name].notna(), "").astype(str)
        kept = values.value_counts().index[:_MOST_VALUES]
        columns += [(values == value).to_numpy(dtype=float) for value in kept]
    return np.stack(columns, axis=1) if columns else np.zeros((len(table), 0))
