"""From a token table to TextGrids: what overlaps is laid in further tiers, and each recording gets a safe file name."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from phonoscope.audio import audio_info
from phonoscope.corpora.textgrid import TIME_TOLERANCE_SECONDS, Interval, Tier
from phonoscope.errors import AudioError


def layered_tiers(name: str, intervals: Iterable[Interval]) -> list[Tier]:
    """Put intervals into as few tiers as it takes for none to overlap another: ``name``, ``name 2`` …

    Boundaries that differ by less than 0.1 ms are one. There is always a tier, empty if there are no intervals.
    """
    layers: list[list[Interval]] = []
    for interval in sorted(intervals):
        free = next((layer for layer in layers if layer[-1].end - interval.start < TIME_TOLERANCE_SECONDS), None)
        if free is None:
            layers.append([interval])
        else:
            start = max(interval.start, free[-1].end)
            free.append(Interval(start, max(interval.end, start), interval.label))
    return [
        Tier(name if number == 1 else f"{name} {number}", tuple(layer))
        for number, layer in enumerate(layers or [[]], 1)
    ]


def recording_duration(roots: dict[str, Any], corpus: str, recording: str) -> float | None:
    """Duration of a recording, s; None where it is gone or cannot be read.

    Parameters
    ----------
    roots : dict
        Corpus → its folder, as in ``tokens.attrs``.
    corpus, recording : str
        As in the token table.
    """
    root = roots.get(corpus)
    try:
        return audio_info(Path(root) / recording).duration if root else None
    except AudioError:
        return None


def name_beside(recording: str, suffix: str, before: Sequence[str] = ()) -> PurePosixPath:
    """Path of a file named after a recording, with no way up and none to the root.

    Parameters
    ----------
    recording : str
        As in the token table.
    suffix : str
        Of the file, instead of the recording's.
    before : sequence of str
        Folders to put it in.
    """
    path = PurePosixPath(*before, recording.lstrip("/")).with_suffix(suffix)
    return PurePosixPath(*(part for part in path.parts if part not in ("/", "..", ".")))
