"""Alignments as text in formats that other programs read: CTM, emuDB's annotations, and a table of stretches."""

import csv
import io
import json
from collections.abc import Mapping

from phonoscope.corpora.textgrid_types import TextGrid
from phonoscope.errors import CorpusError


def ctm_text(grids: Mapping[str, TextGrid], tier: str) -> str:
    """Write one tier of each recording as CTM: ``recording 1 start duration label``, times in s with every digit.

    Empty labels are left out: CTM has none, and what lies between labels is silence. CTM holds starts and durations,
    so that a duration is rounded to 1 ns.

    Parameters
    ----------
    grids
        Name of the recording → its tiers; recordings without the tier are passed over.
    tier
        Name of the tier.

    Raises
    ------
    CorpusError
        If a name or a label holds a blank, which CTM cannot write.
    """
    lines = []
    for name, grid in grids.items():
        for each in (found for found in grid.tiers if found.name == tier and found.kind == "interval"):
            for start, end, label in each.intervals:
                if not label.strip():
                    continue
                if len(f"{name} {label}".split()) != 2 or name.startswith(";;"):
                    raise CorpusError(f"CTM cannot write {label!r} of {name!r}: names and labels must not hold blanks")
                lines.append(f"{name} 1 {start!r} {round(end - start, 9)!r} {label}\n")
    return "".join(lines)


def emu_text(name: str, grid: TextGrid, sample_rate: int, audio: str) -> str:
    """Write tiers as emuDB's ``_annot.json``: intervals as segments, points as events, in samples.

    Parameters
    ----------
    name
        Of the bundle.
    grid
        Its tiers; a tier becomes a level of its name.
    sample_rate
        Of the recording, Hz; boundaries are rounded to samples.
    audio
        File name of the recording.
    """
    levels, number = [], 0
    for tier in grid.tiers:
        items: list[dict] = []
        for start, end, label in tier.intervals:
            first, last = round(start * sample_rate), round(end * sample_rate) - 1
            number += 1
            items.append({"id": number, "sampleStart": first, "sampleDur": max(last - first, 0)})
            items[-1]["labels"] = [{"name": tier.name, "value": label}]
        for time, label in tier.points:
            number += 1
            items.append({"id": number, "samplePoint": round(time * sample_rate)})
            items[-1]["labels"] = [{"name": tier.name, "value": label}]
        levels.append({"name": tier.name, "type": "SEGMENT" if tier.kind == "interval" else "EVENT", "items": items})
    value = {"name": name, "annotates": audio, "sampleRate": sample_rate, "levels": levels, "links": []}
    return json.dumps(value, ensure_ascii=False, indent=1) + "\n"


def table_text(grids: Mapping[str, TextGrid]) -> str:
    """Write all intervals as a table ``recording,tier,start,end,label``, times in s with every digit.

    Parameters
    ----------
    grids
        Name of the recording → its tiers; points are not part of the table.
    """
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(["recording", "tier", "start", "end", "label"])
    for name, grid in grids.items():
        for tier in grid.tiers:
            rows.writerows([name, tier.name, repr(start), repr(end), label] for start, end, label in tier.intervals)
    return text.getvalue()
