"""Alignments in JSON: emuDB's annotations, MFA, gentle, Whisper and WhisperX."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from phonoscope.corpora.annotations.tiers_of import ITSELF, Grids, Rows, fault, grid_of
from phonoscope.errors import CorpusError


def _has(*keys: str) -> Callable[[str], bool]:
    """Recogniser of JSON objects in whose beginning all `keys` stand."""
    patterns = [re.compile(rf'"{key}"\s*:') for key in keys]

    def fits(text: str) -> bool:
        return text.lstrip("\ufeff \n\t").startswith("{") and all(pattern.search(text) for pattern in patterns)

    return fits


is_emu = _has("annotates", "levels")
is_mfa = _has("tiers", "start", "end", "entries")
is_gentle = _has("words", "alignedWord")
is_whisper = _has("segments", "start", "end", "text")


def _parsed(text: str, path: Path) -> dict[str, Any]:
    try:
        value = json.loads(text.lstrip("\ufeff"))
    except (ValueError, RecursionError) as error:
        raise CorpusError(f"{path}: this is no JSON, or it was cut off ({error})") from error
    if not isinstance(value, dict):
        fault(path, None, "a JSON object", text[:40])
    return value


def _reader(read: Callable[[dict[str, Any], Path], Grids]) -> Callable[[str, Path], Grids]:
    """Reader of text from one of parsed JSON: what is not where the format says is an error that names it."""

    def read_text(text: str, path: Path) -> Grids:
        value = _parsed(text, path)
        try:
            return read(value, path)
        except (KeyError, TypeError, AttributeError, IndexError, ValueError, ZeroDivisionError, OverflowError) as error:
            raise CorpusError(
                f"{path}: a value is missing or of another kind ({type(error).__name__}: {error})"
            ) from error

    read_text.__doc__ = read.__doc__
    return read_text


def _emu(value: dict[str, Any], path: Path) -> Grids:
    """Read emuDB's ``_annot.json``: levels of segments, events and items, times in samples.

    A segment lasts to the sample behind its last one. An item has the time of the segments it is linked to. Labels of
    a second attribute make a tier of its name. Source: the EMU-SDMS manual, "Annotation structure".
    """
    rate = float(value["sampleRate"])
    spans: dict[int, tuple[float, float]] = {}
    points: dict[str, list[tuple[float, str]]] = {}
    rows: dict[str, Rows] = {}
    children: dict[int, list[int]] = {}
    for link in value.get("links", []):
        children.setdefault(link["fromID"], []).append(link["toID"])
    for level in value["levels"]:
        for item in level["items"] if level["type"] == "SEGMENT" else ():
            start = item["sampleStart"] / rate
            spans[item["id"]] = start, (item["sampleStart"] + item["sampleDur"] + 1) / rate
        for item in level["items"] if level["type"] == "EVENT" else ():
            for label in item["labels"]:
                points.setdefault(label["name"], []).append((item["samplePoint"] / rate, label["value"]))

    def span(start: int) -> tuple[float, float] | None:
        if start in spans:
            return spans[start]
        seen, waiting, below = {start}, [start], []
        while waiting:
            for child in children.get(waiting.pop(), ()):
                if child in spans:
                    below.append(spans[child])
                elif child not in seen:
                    seen.add(child)
                    waiting.append(child)
        if below:
            spans[start] = min(begin for begin, _ in below), max(end for _, end in below)
        return spans.get(start)

    warnings = []
    for level in value["levels"]:
        if level["type"] == "EVENT":
            continue
        timeless = 0
        for item in level["items"]:
            found = span(item["id"])
            if found is None:
                timeless += 1
                continue
            for label in item["labels"]:
                rows.setdefault(label["name"], []).append((found[0], found[1], label["value"]))
        if timeless:
            warnings.append(f"level {level['name']!r}: {timeless} items are linked to no segment and have no time")
    return {ITSELF: grid_of(rows, path, warnings, points)}


def _mfa(value: dict[str, Any], path: Path) -> Grids:
    """Read MFA's JSON: ``tiers``, each with ``entries`` of start, end and label in s."""
    rows = {}
    for name, tier in value["tiers"].items():
        rows[name] = [(float(start), float(end), str(label)) for start, end, label in tier["entries"]]
    return {ITSELF: grid_of(rows, path)}


def _gentle(value: dict[str, Any], path: Path) -> Grids:
    """Read gentle's JSON: words with their phones, whose durations follow each other from the word's start.

    Words that were not found in the audio have no time; they are counted in a warning.
    """
    words: Rows = []
    phones: Rows = []
    absent = 0
    for word in value["words"]:
        if word.get("case", "success") != "success" or "start" not in word:
            absent += 1
            continue
        reached = float(word["start"])
        words.append((reached, float(word["end"]), word.get("word") or word["alignedWord"]))
        for phone in word.get("phones", ()):
            end = reached + float(phone["duration"])
            phones.append((reached, end, phone["phone"]))
            reached = end
    warnings = [f"{absent} words were not found in the audio by gentle and have no time"] if absent else []
    return {ITSELF: grid_of({"words": words} | ({"phones": phones} if phones else {}), path, warnings)}


def _whisper(value: dict[str, Any], path: Path) -> Grids:
    """Read the JSON of Whisper and WhisperX: words with their times, else segments as phrases. There are no phones."""
    words: Rows = []
    phrases: Rows = []
    absent = 0
    for segment in value["segments"]:
        phrases.append((float(segment["start"]), float(segment["end"]), str(segment["text"]).strip()))
        for word in segment.get("words") or ():
            if word.get("start") is None or word.get("end") is None:
                absent += 1
                continue
            words.append((float(word["start"]), float(word["end"]), str(word.get("word", word.get("text"))).strip()))
    warnings = [f"{absent} words have no time"] if absent else []
    return {ITSELF: grid_of(({"words": words} if words else {}) | {"phrases": phrases}, path, warnings)}


read_emu, read_mfa, read_gentle, read_whisper = _reader(_emu), _reader(_mfa), _reader(_gentle), _reader(_whisper)
