"""BAS Partitur (``.par``), as WebMAUS writes it."""

import re
from pathlib import Path

from phonoscope.corpora.annotations.tiers_of import ITSELF, Grids, Rows, fault, grid_of, number

_HEAD = re.compile(r"^(?:LHD|SAM):", re.MULTILINE)
# Tiers whose lines are "begin duration link label"; those of links alone take the time of what is linked to them.
_TIMED = ("MAU", "PHO", "SAP", "MAS", "WOR", "TRN", "IPA")
_LINKED = {"ORT": "ORT-MAU", "KAN": "KAN-MAU"}


def is_par(text: str) -> bool:
    """Whether it has the head of a Partitur file and lines such as ``MAU:``."""
    return bool(_HEAD.search(text)) and bool(re.search(r"^(?:MAU|ORT|KAN|LBD|PHO):", text, re.MULTILINE))


def read_par(text: str, path: Path) -> Grids:
    """Read a Partitur file: tiers in samples of SAM; words (ORT, KAN) have the time of the MAU phones linked to them.

    A segment lasts to the sample behind its last one. Tiers of other keys are counted in a warning.
    Source: BAS Partitur Format 1.3.
    """
    rate, linked, unread, is_body = None, {}, {}, False
    samples: dict[str, list[tuple[int, int, str, str]]] = {}
    for count, line in enumerate(text.split("\n"), 1):
        key, colon, rest = line.partition(":")
        key = key.strip()
        if not line.strip():
            continue
        if not colon or len(key) != 3 or not key.isalnum():
            fault(path, count, "'KEY: value'", line)
        if key == "LBD":
            is_body = True
        elif key == "SAM":
            rate = number(rest.strip(), path, count, "the sample rate")
        elif key in _TIMED:
            fields = rest.split(None, 3)
            if len(fields) < 3:
                fault(path, count, f"'{key}: begin duration link label'", line)
            begin, duration = _samples(fields[0], path, count), _samples(fields[1], path, count)
            samples.setdefault(key, []).append((begin, duration, fields[2], fields[3].strip() if fields[3:] else ""))
        elif key in _LINKED:
            fields = rest.split(None, 1)
            if not fields:
                fault(path, count, f"'{key}: link label'", line)
            linked.setdefault(key, []).append((fields[0], fields[1].strip() if fields[1:] else ""))
        elif is_body or re.match(r"\s+(?:\d+\s+){2}", rest):
            unread[key] = unread.get(key, 0) + 1
    if rate is None or rate <= 0:
        fault(path, None, "a line 'SAM:' with the sample rate above 0")
    warnings = [f"tier {key!r}: {count} lines of this kind are not read" for key, count in unread.items()]
    rows: dict[str, Rows] = {}
    spans: dict[str, tuple[float, float]] = {}
    for key, entries in samples.items():
        rows[key] = [(begin / rate, (begin + duration + 1) / rate, label) for begin, duration, _, label in entries]
        if key not in ("MAU", "PHO", "SAP"):
            continue
        for (start, end, _), (_, _, link, _) in zip(rows[key], entries, strict=True):
            for each in link.replace(";", ",").split(",") if key == "MAU" or "MAU" not in samples else ():
                begin, last = spans.get(each, (start, end))
                spans[each] = min(begin, start), max(last, end)
    for key, entries in linked.items():
        rows[_LINKED[key]] = [(*spans[link], label) for link, label in entries if link in spans]
        absent = sum(link not in spans for link, _ in entries)
        if absent:
            warnings.append(f"tier {key!r}: {absent} words have no phones, and so no time")
    return {ITSELF: grid_of(rows, path, warnings)}


def _samples(text: str, path: Path, line: int) -> int:
    return int(text) if text.isdecimal() else int(number(text, path, line, "a number of samples"))
