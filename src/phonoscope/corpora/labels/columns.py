"""Labels in columns without a header: CTM, HTK, ESPS (Buckeye, Festival), Audacity, LibriSpeech's condensed form."""

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from phonoscope.corpora.labels.build import fail, grid_of, number, text_of, tier_kind
from phonoscope.corpora.textgrid_types import Interval, TextGrid
from phonoscope.errors import CorpusError

_CTM = re.compile(
    r"^(\S+)[ \t]+(\S+)[ \t]+([\d.eE+-]+)[ \t]+([\d.eE+-]+)[ \t]+(\S+)(?:[ \t]+\S+)*[ \t]*$", re.MULTILINE
)
_NUMBER = r"\d+(?:\.\d*)?(?:[eE][-+]?\d+)?"
_HTK_LINE = re.compile(rf"[ \t]*({_NUMBER})[ \t]+({_NUMBER})[ \t]+(\S+)(?:[ \t]+(\S.*))?")
_HTK_HEAD = re.compile(rf"{_HTK_LINE.pattern}(?:\n|$)")
_HTK_SECONDS = 1e-7
_XLABEL = re.compile(rf"[ \t]*({_NUMBER})[ \t]+(-?\d+)(?:[ \t]+(.*))?$")
_AUDACITY = re.compile(rf"({_NUMBER})\t({_NUMBER})(?:\t(.*))?$")
_CONDENSED = re.compile(r'(\S+)[ \t]+"([^"]*)"[ \t]+"([^"]*)"[ \t]*$')
_TRIPHONE = re.compile(r"[^-+]+-([^-+]+)\+[^-+]+")
_BIPHONES = re.compile(r"[^-+]+-(?P<after>[^-+]+)|(?P<before>[^-+]+)\+[^-+]+")
_FULL_CONTEXT = re.compile(r"[^-]*-(.+?)\+.*[@/].*")
_QUOTED = re.compile(r"""(["'])(.*)\1$""")


def is_ctm(head: str, _: str) -> bool:
    """NIST's CTM: ``recording channel begin duration label [confidence]``, s."""
    lines = [line for line in head.split("\n") if line.strip() and not line.lstrip().startswith(";;")]
    return bool(lines) and all(_CTM.match(line) for line in lines)


def read_ctm(path: Path) -> dict[str, TextGrid]:
    """Read a CTM (NIST sclite, "ctm" format; Kaldi): one grid a recording and channel.

    Where ``words.ctm`` lies beside ``phones.ctm``, its words are a tier of the same recordings.

    Raises
    ------
    CorpusError
        With the line of what is no entry.
    """
    stem = path.name.casefold()
    beside = [each for each in sorted(path.parent.glob("*")) if each.name.casefold() == stem.replace("phone", "word")]
    beside = [each for each in beside if each.is_file() and each != path and "phone" in stem]
    tiers: dict[str, dict[str, list[Interval]]] = defaultdict(dict)
    for file in (path, *beside):
        found = _ctm_entries(file)
        kind = tier_kind(file, (interval.label for entries in list(found.values())[:20] for interval in entries))
        for name, entries in found.items():
            tiers[name][kind] = entries
    return {name: grid_of(path, each) for name, each in tiers.items()}


def _ctm_entries(path: Path) -> dict[str, list[Interval]]:
    text = re.sub(r"(?m)^[ \t]*;;.*$", "", text_of(path))
    rows = _CTM.findall(text)
    if len(rows) != sum(1 for line in text.split("\n") if line.strip()):
        for line, content in enumerate(text.split("\n"), 1):
            if content.strip() and not _CTM.match(content):
                fail(path, line, f"expected 'recording channel begin duration label', found {content.strip()[:60]!r}")
    channels = {(name, channel) for name, channel, *_ in rows}
    several = len(channels) > len({name for name, _ in channels})
    found: dict[str, list[Interval]] = defaultdict(list)
    try:
        for name, channel, start, duration, label in rows:
            begin = float(start)
            found[f"{name}_ch{channel}" if several else name].append(Interval(begin, begin + float(duration), label))
    except ValueError as error:
        raise CorpusError(f"{path}: {error}") from error
    return found


def is_htk(head: str, name: str) -> bool:
    """HTK's label file: ``begin end label [score [word]]`` in units of 100 ns (or in s, as some programs write)."""
    if not name.endswith((".lab", ".rec", ".txt")) or "\t" in head.split("\n", 1)[0]:
        return False
    lines = [line for line in head.split("\n") if line.strip() and line.strip() != "///"]
    found = [_HTK_LINE.fullmatch(line) for line in lines]
    if not lines or not all(found):
        return False
    times = [(float(match[1]), float(match[2])) for match in found if match]
    in_order = all(a <= b for a, b in times) and all(b[0] >= a[0] for a, b in zip(times, times[1:], strict=False))
    marked = any("." in match[1] + match[2] or float(match[2]) >= 1000 for match in found if match)
    return in_order and marked


def read_htk(path: Path) -> TextGrid:
    """Read an HTK label file (HTK Book, 6.2.1), full-context labels of HTS too: their middle is the phone.

    The word that HVite writes where it begins is a tier ``words``. Of alternatives (``///``) the first is read.

    Raises
    ------
    CorpusError
        With the line of what is no entry.
    """
    return _htk_grid(path, list(enumerate(text_of(path).split("\n"), 1)))


def is_mlf(head: str, _: str) -> bool:
    """HTK's master label file."""
    return head.lstrip("\ufeff \t\n").startswith("#!MLF!#")


def read_mlf(path: Path) -> dict[str, TextGrid]:
    """Read an HTK master label file (HTK Book, 6.3): one grid a pattern; ``"*/a.lab"`` is the recording ``a``.

    Raises
    ------
    CorpusError
        With the line of what is no entry, and where a pattern points to a folder (``->``).
    """
    grids: dict[str, TextGrid] = {}
    name, block = None, []
    for line, content in enumerate(text_of(path).split("\n"), 1):
        stripped = content.strip()
        if name is None and (match := _QUOTED.match(stripped)):
            name, block = re.sub(r"^\*+/?", "", match[2]), []
        elif name is None and stripped and not stripped.startswith("#!MLF!#"):
            fail(path, line, f"expected the name of a recording in quotes, found {stripped[:40]!r}")
        elif stripped == ".":
            if name is not None:
                grids[re.sub(r"\.(?:lab|rec)$", "", name, flags=re.IGNORECASE)] = _htk_grid(path, block)
            name = None
        elif name is not None:
            block.append((line, content))
    if name is not None:
        raise CorpusError(f"{path}: the file ends within {name!r}; a line with a full stop should follow")
    return grids


def _htk_grid(path: Path, lines: list[tuple[int, str]]) -> TextGrid:
    rows: list[tuple[int, str, str, str, str]] = []
    for line, content in lines:
        if content.strip() == "///":
            break
        if not content.strip():
            continue
        match = _HTK_LINE.fullmatch(content.rstrip())
        if match is None:
            fail(path, line, f"expected 'begin end label', found {content.strip()[:40]!r}")
        rows.append((line, match[1], match[2], match[3], match[4] or ""))
    unit = 1.0 if any("." in start + end for _, start, end, *_ in rows) else _HTK_SECONDS
    labels = _centres([_unquoted(row[3]) for row in rows])
    intervals, words = [], []
    for (line, start, end, _, rest), label in zip(rows, labels, strict=True):
        interval = Interval(unit * float(start), unit * float(end), label)
        if interval.end < interval.start:
            fail(path, line, f"{label!r} ends before it begins")
        intervals.append(interval)
        word = _word_of(rest)
        if word is not None:
            words.append(Interval(interval.start, interval.end, word))
        elif words:
            words[-1] = words[-1]._replace(end=interval.end)
    kind = "phones" if words else tier_kind(path, labels)
    return grid_of(path, {kind: intervals} | ({"words": words} if words else {}))


def _word_of(rest: str) -> str | None:
    """Word among what follows a label: what is no score."""
    parts = [part for part in rest.split() if not re.fullmatch(r"[-+]?[\d.]+(?:[eE][-+]?\d+)?", part)]
    return _unquoted(parts[0]) if parts else None


def _unquoted(label: str) -> str:
    match = _QUOTED.match(label)
    return match[2] if match else label


def _centres(labels: list[str]) -> list[str]:
    """Phones of labels that name their neighbours too (``a-b+c``), as they are where none does."""
    if any(_FULL_CONTEXT.fullmatch(label) and "^" in label for label in labels):
        return [match[1] if (match := _FULL_CONTEXT.fullmatch(label)) else label for label in labels]
    if not any(_TRIPHONE.fullmatch(label) for label in labels):
        return labels
    found = []
    for label in labels:
        three, two = _TRIPHONE.fullmatch(label), _BIPHONES.fullmatch(label)
        found.append(three[1] if three else (two["after"] or two["before"]) if two else label)
    return found


def is_xlabel(head: str, name: str) -> bool:
    """ESPS xlabel, of Buckeye and Festival: a head that ends with ``#``, then ``end colour label``, s."""
    lines = head.split("\n")
    ends = [number for number, line in enumerate(lines) if line.strip() == "#"]
    body = [line for line in lines[ends[0] + 1 :] if line.strip()] if ends else []
    return bool(ends) and (bool(body) or name.endswith(".phones")) and all(_XLABEL.match(line) for line in body)


def read_xlabel(path: Path) -> TextGrid:
    """Read an ESPS xlabel file; a Buckeye ``.words`` file beside a ``.phones`` file is its word tier.

    An entry's time is its end; it begins where the one before ended. Of ``label; more; ...`` the label is read.

    Raises
    ------
    CorpusError
        With the line of what is no entry, and if the head does not end.
    """
    warnings: list[str] = []
    labels = _xlabel_entries(path, warnings)
    beside = [path.with_suffix(suffix) for suffix in (".words", ".WORDS")]
    words = next((file for file in beside if file.is_file() and file != path), None)
    kind = "words" if path.suffix.lower() == ".words" else tier_kind(path, (each.label for each in labels))
    tiers = {kind: labels}
    if words is not None and kind == "phones":
        tiers["words"] = _xlabel_entries(words, warnings)
    return grid_of(path, tiers, warnings=warnings)


def _xlabel_entries(path: Path, warnings: list[str]) -> list[Interval]:
    lines = text_of(path).split("\n")
    head = next((number for number, line in enumerate(lines) if line.strip() == "#"), None)
    if head is None:
        raise CorpusError(f"{path}: expected a head that ends with a line '#'")
    intervals, now, backwards = [], 0.0, 0
    for line, content in enumerate(lines[head + 1 :], head + 2):
        if not content.strip():
            continue
        match = _XLABEL.match(content)
        if match is None:
            fail(path, line, f"expected 'end colour label', found {content.strip()[:40]!r}")
        end = float(match[1])
        if end < now:
            backwards += 1
            continue
        intervals.append(Interval(now, end, (match[3] or "").split(";")[0].strip()))
        now = end
    if backwards:
        warnings.append(f"{path.name}: {backwards} entries end before the one before; they are left out")
    return intervals


def is_audacity(head: str, _: str) -> bool:
    """Audacity's label track: ``begin<tab>end<tab>label``, s; lines of frequencies begin with a backslash."""
    lines = [line for line in head.split("\n") if line.strip() and not line.startswith("\\")]
    found = [_AUDACITY.match(line) for line in lines]
    return bool(found) and all(match and float(match[1]) <= float(match[2]) for match in found)


def read_audacity(path: Path) -> TextGrid:
    """Read an Audacity label track; labels at one moment are a tier of points.

    Raises
    ------
    CorpusError
        With the line of what is no entry.
    """
    intervals = []
    for line, content in enumerate(text_of(path).split("\n"), 1):
        if not content.strip() or content.startswith("\\"):  # a second line holds the frequencies of a selection
            continue
        match = _AUDACITY.match(content)
        if match is None:
            fail(path, line, f"expected 'begin<tab>end<tab>label', found {content.strip()[:40]!r}")
        intervals.append(Interval(number(path, line, match[1]), number(path, line, match[2]), (match[3] or "").strip()))
    return grid_of(path, {tier_kind(path, (interval.label for interval in intervals)): intervals})


def is_condensed(head: str, _: str) -> bool:
    """LibriSpeech alignments' condensed form: ``recording "WORD,WORD" "end,end"``."""
    lines = [line for line in head.split("\n") if line.strip()]
    return bool(lines) and all(_CONDENSED.match(line) for line in lines)


def read_condensed(path: Path) -> dict[str, TextGrid]:
    """Read ``*.alignment.txt`` of the LibriSpeech alignments: words and their ends; an empty word is silence.

    Raises
    ------
    CorpusError
        With the line where words and times are not as many.
    """
    return dict(_condensed(path))


def _condensed(path: Path) -> Iterator[tuple[str, TextGrid]]:
    for line, content in enumerate(text_of(path).split("\n"), 1):
        if not content.strip():
            continue
        match = _CONDENSED.match(content)
        if match is None:
            fail(path, line, f'expected \'recording "WORD,..." "end,..."\', found {content.strip()[:40]!r}')
        words, times = match[2].split(","), match[3].split(",")
        if len(words) != len(times):
            fail(path, line, f"{len(words)} words, but {len(times)} times")
        ends = [number(path, line, time) for time in times]
        spans = [Interval(*each) for each in zip([0.0, *ends[:-1]], ends, words, strict=True)]
        yield match[1], grid_of(path, {"words": spans})


def as_one(grids: Mapping[str, Any], path: Path, several: str = "several recordings") -> Any:
    """The one grid of a file that may hold more; CorpusError if it does.

    Parameters
    ----------
    grids
        Recording → grid.
    path
        Of the file.
    several
        What it holds otherwise, for the message.
    """
    if len(grids) != 1:
        raise CorpusError(f"{path}: expected labels of one recording, found {len(grids)} ({several})")
    return next(iter(grids.values()))
