"""ELAN's ``.eaf``: tiers with times of their own, and tiers that refer to them."""

import re
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree

from phonoscope.corpora.annotations.tiers_of import ITSELF, Grids, Rows, fault, grid_of
from phonoscope.errors import CorpusError

_Span = tuple[float, float]


def is_eaf(text: str) -> bool:
    """Whether it is XML whose root is an ANNOTATION_DOCUMENT."""
    return text.lstrip("\ufeff \n").startswith("<") and "<ANNOTATION_DOCUMENT" in text


def read_eaf(text: str, path: Path) -> Grids:
    """Read ELAN's annotations (the EAF format, version 2.7 to 3.0), times in ms.

    Time slots without a time are spread evenly between those of their tier that have one. Annotations that refer to
    another share its time evenly, in their order. Empty values with an entry of a controlled vocabulary take its text.

    Raises
    ------
    CorpusError
        If it is no XML, declares entities, or counts in frames.
    """
    if re.search(r"<!(?:DOCTYPE|ENTITY)", text):
        fault(path, None, "no entities: they are not part of ELAN's format")
    try:
        # The text is decoded already: what it says about its encoding is no longer true.
        root = ElementTree.fromstring(re.sub(r"^\s*<\?xml[^>]*\?>", "", text.lstrip("\ufeff")))
    except (ElementTree.ParseError, ValueError, RecursionError) as error:
        raise CorpusError(f"{path}: this is no XML, or it was cut off ({error})") from error
    header = root.find("HEADER")
    units = header.get("TIME_UNITS", "milliseconds") if header is not None else "milliseconds"
    if units != "milliseconds":
        fault(path, None, "times in milliseconds; save the file with a newer ELAN", units)
    try:
        return {ITSELF: _grid(root, path)}
    except (ValueError, KeyError, OverflowError) as error:
        raise CorpusError(f"{path}: an attribute is missing or no number ({type(error).__name__}: {error})") from error


def _grid(root: ElementTree.Element, path: Path):
    slots = {}
    for slot in root.iter("TIME_SLOT"):
        value = slot.get("TIME_VALUE")
        slots[slot.attrib["TIME_SLOT_ID"]] = None if value is None else int(value) / 1000
    texts = {}
    for entry in root.iter():
        if entry.tag in ("CV_ENTRY_ML", "CV_ENTRY"):
            value = entry.find("CVE_VALUE")
            texts[entry.get("CVE_ID", "")] = (value.text if value is not None else entry.text) or ""
    spans: dict[str, _Span] = {}
    tiers: dict[str, list[ElementTree.Element]] = {}
    for tier in root.iter("TIER"):
        own = list(tier.iter("ALIGNABLE_ANNOTATION"))
        spans |= _aligned(own, slots)
        tiers[tier.attrib["TIER_ID"]] = [*own, *tier.iter("REF_ANNOTATION")]
    # A tier may refer to one that refers to another, and stand before it: again until nothing new is placed.
    while placed := _referring(tiers, spans):
        spans |= placed
    rows: dict[str, Rows] = {}
    warnings = []
    for name, annotations in tiers.items():
        known = [each for each in annotations if each.attrib["ANNOTATION_ID"] in spans]
        rows[name] = [(*spans[each.attrib["ANNOTATION_ID"]], _text(each, texts)) for each in known]
        if len(known) < len(annotations):
            warnings.append(f"tier {name!r}: {len(annotations) - len(known)} annotations have no time")
    return grid_of(rows, path, warnings)


def _text(annotation: ElementTree.Element, texts: dict[str, str]) -> str:
    value = annotation.find("ANNOTATION_VALUE")
    written = (value.text or "") if value is not None else ""
    return written or texts.get(annotation.get("CVE_REF", ""), "")


def _aligned(annotations: list[ElementTree.Element], slots: dict[str, float | None]) -> dict[str, _Span]:
    """Times of annotations with slots; slots without a time lie evenly between those that have one."""
    chain: list[str] = []
    for each in annotations:
        chain += [
            slot for slot in (each.attrib["TIME_SLOT_REF1"], each.attrib["TIME_SLOT_REF2"]) if [slot] != chain[-1:]
        ]
    times = [slots[slot] for slot in chain]
    known = [place for place, time in enumerate(times) if time is not None]
    for left, right in pairwise(known):
        first, last = times[left], times[right]
        if first is None or last is None:
            continue
        for place in range(left + 1, right):
            times[place] = first + (last - first) * (place - left) / (right - left)
    at = {slot: time for slot, time in zip(chain, times, strict=True) if time is not None}
    found = {}
    for each in annotations:
        start, end = at.get(each.attrib["TIME_SLOT_REF1"]), at.get(each.attrib["TIME_SLOT_REF2"])
        if start is not None and end is not None:
            found[each.attrib["ANNOTATION_ID"]] = start, end
    return found


def _referring(tiers: dict[str, list[ElementTree.Element]], spans: dict[str, _Span]) -> dict[str, _Span]:
    """Times of annotations that refer to one whose time is known: they share it evenly."""
    placed: dict[str, _Span] = {}
    for annotations in tiers.values():
        sharing: dict[str, list[ElementTree.Element]] = {}
        for each in annotations:
            parent = each.get("ANNOTATION_REF")
            if parent in spans and each.attrib["ANNOTATION_ID"] not in spans:
                sharing.setdefault(parent, []).append(each)
        for parent, children in sharing.items():
            start, end = spans[parent]
            step = (end - start) / len(children)
            for place, each in enumerate(_in_chain(children)):
                placed[each.attrib["ANNOTATION_ID"]] = start + place * step, start + (place + 1) * step
    return placed


def _in_chain(children: list[ElementTree.Element]) -> list[ElementTree.Element]:
    """Children of one annotation in the order that PREVIOUS_ANNOTATION says."""
    following = {each.get("PREVIOUS_ANNOTATION"): each for each in children}
    ordered, previous = [], None
    while previous in following and len(ordered) < len(children):
        ordered.append(following[previous])
        previous = following[previous].attrib["ANNOTATION_ID"]
    return ordered if len(ordered) == len(children) else children
