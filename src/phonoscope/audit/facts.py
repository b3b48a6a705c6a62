"""What a corpus says beside the sound: facts of the files, names and order, speakers and devices."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import soundfile

_MOST_VALUES = 40  # of a column that is told by: rarer ones are one value
_CHUNK = re.compile(r"^\s*([A-Za-z ]{4}) :", re.M)
_SAMPLE_BYTES = {
    "PCM_S8": 1,
    "PCM_U8": 1,
    "PCM_16": 2,
    "PCM_24": 3,
    "PCM_32": 4,
    "FLOAT": 4,
    "DOUBLE": 8,
    "ULAW": 1,
    "ALAW": 1,
}
_NUMBER = re.compile(r"\d+")


def file_values(paths: Sequence[Path | str]) -> np.ndarray:
    """Format, sample format, channels, rate, chunks, and bytes beside the sound of audio files, shape (file, measure).

    Parameters
    ----------
    paths
        Of the files.
    """
    rows = []
    for path in paths:
        info = soundfile.info(str(path), verbose=True)
        chunks = sorted(set(_CHUNK.findall(info.extra_info or "")))
        sample = _SAMPLE_BYTES.get(info.subtype)
        sounding = info.frames * info.channels * sample if sample else 0
        rows.append({
            "format": info.format, "subtype": info.subtype, "endian": info.endian, "channels": str(info.channels),
            "rate": str(info.samplerate), "chunks": " ".join(chunks), "compressed": str(sample is None),
            "beside": Path(path).stat().st_size - sounding if sample else 0.0,
        })  # fmt: skip
    table = pd.DataFrame(rows)
    return np.concatenate([_one_hot(table.drop(columns="beside")), table[["beside"]].to_numpy()], axis=1)


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
