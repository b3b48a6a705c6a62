"""Formats of one label a line: CTM, HTK labels and master label files, xwaves (Buckeye), Audacity, LibriSpeech."""

import re
from pathlib import Path

from phonoscope.corpora.annotations.tiers_of import ITSELF, Grids, Rows, fault, grid_of, number, phones_or_words

_TIME = r"\d+(?:\.\d*)?(?:[eE][-+]?\d+)?"
_CTM = re.compile(rf"\S+\s+\S+\s+(?:{_TIME}|\*)\s+(?:{_TIME}|\*)\s+\S")
_HTK = re.compile(r"\s*\d+(?:\s+\d+)?\s+(?![\d.]+\s*$)\S")
_XWAVES = re.compile(rf"\s*{_TIME}\s+-?\d+(?:\s.*)?$")
_AUDACITY = re.compile(rf"-?{_TIME}\t-?{_TIME}(?:\t.*)?$|\\\t")
_CONDENSED = re.compile(r'(\S+) "([^"]*)" "([\d.,eE+-]*)"\s*$')
_PATTERN = re.compile(r'"([^"]+)"\s*(->|=>)?').match
_IN_CONTEXT = re.compile(r"-[^-+]+\+").search
_PLAIN_HTK = re.compile(r"^[ \t]*(\d+)[ \t]+(\d+)[ \t]+([^\s\d]\S*)[ \t]*$", re.MULTILINE).findall
_UNIT_SECONDS = 1e-7  # HTK counts in units of 100 ns
# HTK times in samples do not exist: a file whose last time is smaller (10 ms) counts something else.
_SMALLEST_HTK_END = 100_000


def _lines(text: str) -> list[tuple[int, str]]:
    """Lines that are not empty, with their numbers from 1."""
    return [(count, line) for count, line in enumerate(text.split("\n"), 1) if line.strip()]


def _all(pattern: re.Pattern, lines: list[str]) -> bool:
    return bool(lines) and all(pattern.match(line) for line in lines)


def is_ctm(text: str) -> bool:
    """Whether all lines but comments are ``recording channel start duration label …``."""
    return _all(_CTM, [line for _, line in _lines(text) if not line.startswith(";;")])


def read_ctm(text: str, path: Path) -> Grids:
    """Read NIST's CTM: ``recording channel start duration label [confidence …]``, times in s.

    Comments (``;;``) are passed over; of alternatives the first is read, with a warning. Several channels of a
    recording become tiers ``ch1 - phones``. Source: NIST SCTK, ``ctm`` file format.
    """
    found: dict[str, dict[str, Rows]] = {}
    alternative, skipped = 0, 0
    for count, line in _lines(text):
        if line.startswith(";;"):
            continue
        fields = line.split()
        if len(fields) < 5:
            fault(path, count, "'recording channel start duration label'", line)
        name, channel, start, duration, label = fields[:5]
        if label.upper().startswith("<ALT"):
            alternative = {"<ALT_BEGIN>": 1, "<ALT_END>": 0}.get(label.upper(), alternative + 1)
        elif alternative > 1:
            skipped += 1
        else:
            begin = number(start, path, count)
            row = begin, begin + number(duration, path, count, "a duration"), label
            found.setdefault(name, {}).setdefault(channel, []).append(row)
    warnings = [f"{skipped} labels of further alternatives are not read"] if skipped else []
    labels = [row[2] for channels in found.values() for rows in channels.values() for row in rows]
    kind = phones_or_words(labels, path)
    grids = {}
    for name, channels in found.items():
        several = len(channels) > 1
        order = {channel: place for place, channel in enumerate(sorted(channels), 1)}
        rows = {f"ch{order[c]} - {kind}" if several else kind: entries for c, entries in sorted(channels.items())}
        grids[name], warnings = grid_of(rows, path, warnings), []
    return grids


def is_htk(text: str) -> bool:
    """Whether all lines are ``[start [end]] label …`` with whole numbers that can be units of 100 ns."""
    lines = [line for _, line in _lines(text)]
    if not lines or not _all(_HTK, lines) or "." in lines[-1].split()[0]:
        return False
    times = [int(field) for line in lines for field in line.split()[:2] if field.isdigit()]
    return max(times) >= _SMALLEST_HTK_END


def read_htk(text: str, path: Path) -> Grids:
    """Read HTK's label file: ``start [end] label [score] [word …]`` in units of 100 ns (The HTK Book, section 6.2.1).

    An end that is missing is the next start. A second label in a line begins a stretch of the next level (a word above
    phones, a phone above states ``s2 s3 s4``). Of triphones ``l-c+r`` the phone is the middle.
    """
    return {ITSELF: grid_of(_plain_htk(text, path) or _htk_levels(_lines(text), path), path)}


def _plain_htk(text: str, path: Path) -> dict[str, Rows] | None:
    """Labels of one level, the usual case, all at once; None if there is anything else."""
    found = _PLAIN_HTK(text)
    if not found or len(found) != text.count("\n") + (not text.endswith("\n")):
        return None
    starts, ends, labels = zip(*found, strict=True)
    unit = _UNIT_SECONDS
    rows = [(a * unit, b * unit, c) for a, b, c in zip(map(int, starts), map(int, ends), labels, strict=True)]
    return _named_levels([rows], path)


def _htk_levels(lines: list[tuple[int, str]], path: Path) -> dict[str, Rows]:
    """Rows of each level, by its name."""
    times: list[tuple[float, float | None]] = []
    columns: list[list[str]] = []
    for count, line in lines:
        if line.strip() == "///":  # what follows is another alternative
            break
        fields = line.split()
        stamps = 2 if len(fields) > 1 and fields[1].isdigit() else 1
        if len(fields) <= stamps or not fields[0].isdigit():
            fault(path, count, "'start end label' in units of 100 ns", line)
        start = int(fields[0]) * _UNIT_SECONDS
        times.append((start, int(fields[1]) * _UNIT_SECONDS if stamps == 2 else None))
        columns.append(
            [field for field in fields[stamps:] if not re.fullmatch(r"[-+]?\d+\.\d*(?:[eE][-+]?\d+)?", field)]
        )
        if not columns[-1]:
            columns[-1] = [fields[stamps]]
    ends = [end if end is not None else (times[i + 1][0] if i + 1 < len(times) else start)
            for i, (start, end) in enumerate(times)]  # fmt: skip
    levels: list[Rows] = []
    for (start, _), end, labels in zip(times, ends, columns, strict=True):
        for level in range(max(len(labels), len(levels))):
            if level >= len(levels):
                levels.append([])
            if level < len(labels):
                levels[level].append((start, end, labels[level]))
            elif levels[level]:
                levels[level][-1] = (levels[level][-1][0], end, levels[level][-1][2])
    if not levels:
        return {"phones": []}
    return _named_levels(levels, path)


def _named_levels(levels: list[Rows], path: Path) -> dict[str, Rows]:
    """Levels by their names; of labels in context the phone in the middle."""
    states = all(re.fullmatch(r"s\d+", label) for _, _, label in levels[0]) and len(levels) > 1
    if any(_IN_CONTEXT(label) for _, _, label in levels[states]):
        levels[states] = [(start, end, _middle(label)) for start, end, label in levels[states]]
    names = ["states"] * states
    if len(levels) - states > 1:
        names += ["phones", "words"]
    else:
        names.append(phones_or_words([label for _, _, label in levels[states]], path))
    names += [f"level {level + 1}" for level in range(len(names), len(levels))]
    return dict(zip(names, levels, strict=False))


def _middle(label: str) -> str:
    """Phone in the middle of a context-dependent one: ``a-b+c``, ``a-b``, ``b+c``."""
    return label.rpartition("-")[2].partition("+")[0] if re.search(r".-.|.\+.", label) else label


def is_mlf(text: str) -> bool:
    """Whether the first line is ``#!MLF!#``."""
    return text.lstrip("\ufeff\n ").startswith("#!MLF!#")


def read_mlf(text: str, path: Path) -> Grids:
    """Read HTK's master label file: label files one after the other, each under a quoted pattern (HTK Book, 6.3).

    ``"*/anna/01.lab"`` is the recording ``anna/01``. Definitions that only point to a folder are passed over with a
    warning.
    """
    grids: Grids = {}
    name, lines, pointers = None, [], 0
    for count, line in [*_lines(text), (0, ".")]:
        stripped = line.strip()
        pattern = _PATTERN(stripped) if stripped[0] == '"' else None
        if stripped.startswith("#!MLF"):
            continue
        if pattern and (name is None or not lines):
            if pattern[2]:
                pointers += 1
                continue
            name, lines = re.sub(r"^(?:\*/|\./)+|^/+", "", pattern[1].replace("\\", "/")), []
            name = re.sub(r"\.(?:lab|rec|phn|mlf)$", "", name, flags=re.IGNORECASE)
        elif stripped == ".":
            if name is not None:
                plain = _plain_htk("\n".join([each for _, each in lines]), path)
                grids[name] = grid_of(plain or _htk_levels(lines, path), path)
            name, lines = None, []
        elif name is None:
            fault(path, count, 'the quoted name of a label file, as in "*/01.lab"', line)
        else:
            lines.append((count, line))
    if pointers and grids:
        first = next(iter(grids))
        said = (f"{path.name}: {pointers} definitions only point to a folder and are not read",)
        grids[first] = grid_of({t.name: list(t.intervals) for t in grids[first].tiers}, path, said)
    return grids


def is_xwaves(text: str) -> bool:
    """Whether a head ends with the line ``#`` and all lines behind it are ``end colour label``."""
    lines = [line for _, line in _lines(text)]
    marks = [place for place, line in enumerate(lines) if line.strip() == "#"]
    return bool(marks) and _all(_XWAVES, lines[marks[0] + 1 :])


def read_xwaves(text: str, path: Path) -> Grids:
    """Read xwaves labels, of Buckeye (``.phones``, ``.words``) and Festival: ``end colour label``.

    A label ends at a semicolon; an interval begins where the one before it ends, the first at 0.
    """
    rows = _xwaves(text, path)
    kind = phones_or_words([row[2] for row in rows], path)
    return {ITSELF: grid_of({kind: rows}, path)}


def _xwaves(text: str, path: Path) -> Rows:
    rows: Rows = []
    started, reached = False, 0.0
    for count, line in _lines(text):
        if not started:
            started = line.strip() == "#"
            continue
        fields = line.split(None, 2)
        if len(fields) < 2:
            fault(path, count, "'end colour label'", line)
        end = number(fields[0], path, count)
        if end < reached:
            fault(path, count, f"an end after {reached:g} s", line)
        label = fields[2].partition(";")[0].strip() if len(fields) > 2 else ""
        rows.append((reached, end, label))
        reached = end
    if not started:
        fault(path, None, "a head that ends with the line '#'")
    return rows


def is_audacity(text: str) -> bool:
    """Whether all lines are ``start<tab>end<tab>label``, with lines of frequencies (``\\``) between them."""
    lines = [line for _, line in _lines(text)]
    return _all(_AUDACITY, lines) and "." in lines[0].split("\t")[0]


def read_audacity(text: str, path: Path) -> Grids:
    """Read Audacity's labels: ``start<tab>end<tab>label`` in s; lines of frequencies (``\\``) are skipped.

    Where time goes back to an earlier start another track begins: phones and words may follow each other in a file.
    Labels without length are points. Source: the Audacity manual, "Importing and Exporting Labels".
    """
    tracks: list[Rows] = [[]]
    for count, line in _lines(text):
        if line.startswith("\\"):
            continue
        fields = line.split("\t", 2)
        if len(fields) < 2:
            fault(path, count, "'start<tab>end<tab>label'", line)
        start, end = number(fields[0], path, count), number(fields[1], path, count)
        if tracks[-1] and start < tracks[-1][-1][0]:
            tracks.append([])
        tracks[-1].append((start, end, fields[2].strip() if len(fields) > 2 else ""))
    rows: dict[str, Rows] = {}
    points: dict[str, list[tuple[float, str]]] = {}
    for track in tracks:
        kind = phones_or_words([row[2] for row in track], path if len(tracks) == 1 else None)
        name = kind if kind not in rows and kind not in points else f"track {len(rows) + len(points) + 1}"
        if track and all(start == end for start, end, _ in track):
            points[name] = [(start, label) for start, _, label in track]
        else:
            rows[name] = track
    return {ITSELF: grid_of(rows, path, points=points)}


def is_condensed(text: str) -> bool:
    """Whether all lines are ``name ",WORD,WORD," "end,end,end"``."""
    return _all(_CONDENSED, [line for _, line in _lines(text)])


def read_condensed(text: str, path: Path) -> Grids:
    """Read LibriSpeech's condensed alignments: ``name ",GO,ON," "0.5,0.9,1.3"``, words and their ends in s.

    Source: CorentinJ/librispeech-alignments, ``alignment.txt``. They hold words, no phones.
    """
    grids: Grids = {}
    for count, line in _lines(text):
        match = _CONDENSED.match(line)
        if match is None:
            fault(path, count, '\'name ",WORD," "end,end"\'', line)
        words, ends = match[2].split(","), [number(each, path, count) for each in match[3].split(",") if each]
        if len(words) != len(ends):
            fault(path, count, f"as many ends as words ({len(words)})", match[3])
        rows = list(zip([0.0, *ends], ends, words, strict=False))
        grids[match[1]] = grid_of({"words": rows}, path)
    return grids
