"""Labels of programs for annotation: ELAN's EAF, and the BAS Partitur Format of WebMAUS."""

import re
from collections import defaultdict
from pathlib import Path
from xml.etree import ElementTree

from phonoscope.corpora.labels.build import fail, grid_of, text_of
from phonoscope.corpora.textgrid_types import Interval, Point, TextGrid
from phonoscope.errors import CorpusError

_SECONDS = 1e-3  # ELAN counts milliseconds
_SEGMENTS = re.compile(r"(\w+):\s+(\d+)\s+(\d+)\s+(-?\d+(?:[,;]-?\d+)*)\s*(.*)$")
_SPANS = re.compile(r"(\w+):\s+(\d+)\s+(\d+)\s+(.*)$")
_SYMBOLS = re.compile(r"(\w+):\s+(-?\d+(?:[,;]-?\d+)*)\s*(.*)$")
# Tiers of the BAS Partitur Format by what stands in a line: begin, duration, link, label; begin, duration, label.
_WITH_LINK = frozenset({"MAU", "PHO", "SAP", "MAS", "WOR", "TRN", "USP", "USM"})
_WITHOUT_LINK = frozenset({"NOI", "IPA", "PRS", "TLN", "SPK", "VAD"})
_LINKED = frozenset({"ORT", "KAN", "KAS", "TR2", "POS", "LMA"})


def is_eaf(head: str, _: str) -> bool:
    """ELAN's annotation document."""
    return "<ANNOTATION_DOCUMENT" in head


def read_eaf(path: Path) -> TextGrid:
    """Read an ELAN document: aligned annotations, and annotations that refer to others, which share their time.

    Time slots without a value lie evenly between those that have one; annotations that divide another do so evenly.

    Raises
    ------
    CorpusError
        If it is no such document, or its references lead nowhere.
    """
    text = text_of(path)
    if "<!ENTITY" in text or "<!DOCTYPE" in text:
        raise CorpusError(f"{path}: the document defines entities; ELAN writes none, so it is not read")
    try:
        root = ElementTree.fromstring(re.sub(r"^\ufeff?\s*<\?xml[^>]*\?>", "", text))
    except ElementTree.ParseError as error:
        raise CorpusError(f"{path}: no XML, or cut short ({error})") from error
    try:
        times = _slots(root)
        tiers = list(root.iter("TIER"))
        spans: dict[str, tuple[float, float]] = {}
        waiting: dict[str, list[str]] = defaultdict(list)  # annotation → those that refer to it, tier by tier in order
        named: dict[str, list[tuple[str, str]]] = {}
        for tier in tiers:
            name = tier.get("TIER_ID", "")
            named[name] = []
            for each in tier.iter("ALIGNABLE_ANNOTATION"):
                found = times[each.attrib["TIME_SLOT_REF1"]], times[each.attrib["TIME_SLOT_REF2"]]
                spans[each.attrib["ANNOTATION_ID"]] = found
                named[name].append((each.attrib["ANNOTATION_ID"], each.findtext("ANNOTATION_VALUE") or ""))
        for tier in tiers:
            groups: dict[str, list[str]] = defaultdict(list)
            for each in tier.iter("REF_ANNOTATION"):
                groups[each.attrib["ANNOTATION_REF"]].append(each.attrib["ANNOTATION_ID"])
                named[tier.get("TIER_ID", "")].append(
                    (each.attrib["ANNOTATION_ID"], each.findtext("ANNOTATION_VALUE") or "")
                )
            for parent, children in groups.items():
                waiting[parent] += children if not waiting[parent] else ["", *children]
        _share(spans, waiting)
        intervals = {
            name: [Interval(*spans[key], value.strip()) for key, value in entries] for name, entries in named.items()
        }
    except KeyError as error:
        raise CorpusError(f"{path}: the document refers to {error}, which is not in it") from error
    return grid_of(path, intervals)


def _slots(root: ElementTree.Element) -> dict[str, float]:
    slots = [(slot.attrib["TIME_SLOT_ID"], slot.get("TIME_VALUE")) for slot in root.iter("TIME_SLOT")]
    known = [(n, _SECONDS * float(value)) for n, (_, value) in enumerate(slots) if value is not None]
    times = {}
    for n, (name, value) in enumerate(slots):
        if value is not None:
            times[name] = _SECONDS * float(value)
            continue
        before = max((each for each in known if each[0] < n), default=None)
        after = min((each for each in known if each[0] > n), default=None)
        if before is None or after is None:
            times[name] = (before or after or (0, 0.0))[1]
        else:
            times[name] = before[1] + (after[1] - before[1]) * (n - before[0]) / (after[0] - before[0])
    return times


def _share(spans: dict[str, tuple[float, float]], waiting: dict[str, list[str]]) -> None:
    """Give annotations that refer to others their part of the time; each tier divides it by itself."""
    ready = [parent for parent in waiting if parent in spans]
    while ready:
        parent = ready.pop()
        start, end = spans[parent]
        groups: list[list[str]] = [[]]
        for child in waiting.pop(parent):
            if child:
                groups[-1].append(child)
            else:
                groups.append([])
        for group in groups:
            for n, child in enumerate(group):
                spans[child] = start + (end - start) * n / len(group), start + (end - start) * (n + 1) / len(group)
                if child in waiting:
                    ready.append(child)


def is_partitur(head: str, name: str) -> bool:
    """The BAS Partitur Format."""
    return head.lstrip("\ufeff \n").startswith("LHD:") or (name.endswith(".par") and "\nSAM:" in "\n" + head)


def read_partitur(path: Path) -> TextGrid:
    """Read a BAS Partitur file (Schiel et al. 1998): segments in samples, and words by the segments linked to them.

    A segment of duration d that begins at sample s ends where sample s + d + 1 begins. Tiers are called as in
    WebMAUS's TextGrids: ``MAU``, ``ORT-MAU``, ``KAN-MAU``.

    Raises
    ------
    CorpusError
        With the line of what is no entry, and if no sample rate is given.
    """
    rate: float | None = None
    segments: dict[str, list[tuple[float, float, str, str]]] = defaultdict(list)
    symbols: dict[str, dict[str, str]] = defaultdict(dict)
    for line, content in enumerate(text_of(path).split("\n"), 1):
        key = content.partition(":")[0].strip()
        if key == "SAM":
            written = content.partition(":")[2].strip()
            if not re.fullmatch(r"\d+(\.\d+)?", written) or not float(written) > 0:
                fail(path, line, f"expected the sample rate, found {written[:40]!r}")
            rate = float(written)
        elif key in _WITH_LINK or key in _WITHOUT_LINK:
            match = (_SEGMENTS if key in _WITH_LINK else _SPANS).match(content.rstrip())
            if match is None:
                fail(path, line, f"expected '{key}: begin duration link label', found {content.strip()[:40]!r}")
            link = match[4] if key in _WITH_LINK else ""
            label = match[5] if key in _WITH_LINK else match[4]
            segments[key].append((float(match[2]), float(match[2]) + float(match[3]) + 1, link, label.strip()))
        elif key in _LINKED:
            match = _SYMBOLS.match(content.rstrip())
            if match is None:
                fail(path, line, f"expected '{key}: link label', found {content.strip()[:40]!r}")
            symbols[key][match[2]] = match[3].strip()
    if rate is None:
        raise CorpusError(f"{path}: the sample rate (SAM:) is missing, so the times are not known")
    tiers = {
        name: [Interval(start / rate, end / rate, label) for start, end, _, label in entries]
        for name, entries in segments.items()
    }
    for base in ("MAU", "PHO", "SAP"):
        for name, words in symbols.items() if base in segments else ():
            tiers[f"{name}-{base}"] = [
                Interval(start / rate, end / rate, words[link]) for link, start, end in _words(segments[base], words)
            ]
        if base in segments:
            break
    return grid_of(path, tiers, dict[str, list[Point]]())


def _words(segments: list[tuple[float, float, str, str]], words: dict[str, str]) -> list[tuple[str, float, float]]:
    found: list[tuple[str, float, float]] = []
    for start, end, link, _ in segments:
        if link not in words:
            continue
        if found and found[-1][0] == link:
            found[-1] = link, found[-1][1], end
        else:
            found.append((link, start, end))
    return found
