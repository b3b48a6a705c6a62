"""Arrays on the wire: one JSON header and the raw values behind it, so that a page draws them without any decoding."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Any

import numpy as np

from phonoscope.files import to_json

MEDIA_TYPE = "application/x-phonoscope-arrays"
_ALIGNMENT = 8  # typed arrays of a page may begin at multiples of their item's size only


def pack(facts: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> bytes:
    """Put facts and arrays into one message.

    The message is: length of the header (uint32, little-endian), four bytes of zeros, the header (JSON, UTF-8, padded
    with spaces to a multiple of 8), and the arrays, little-endian and row by row, each padded to a multiple of 8. The
    header holds `facts` and, under ``arrays``, the name, dtype, shape and offset of each (from the first array on).

    Parameters
    ----------
    facts
        JSON values; NaN becomes null.
    arrays
        By name; of uint8, int16, float32 or float64.
    """
    listed, parts, offset = [], [], 0
    for name, array in arrays.items():
        values = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<"))
        raw = values.tobytes()
        listed.append({"name": name, "dtype": str(array.dtype), "shape": list(array.shape), "offset": offset})
        raw += b"\0" * (-len(raw) % _ALIGNMENT)
        parts.append(raw)
        offset += len(raw)
    header = to_json({**facts, "arrays": listed}).encode("utf-8")
    header += b" " * (-len(header) % _ALIGNMENT)
    return struct.pack("<II", len(header), 0) + header + b"".join(parts)
