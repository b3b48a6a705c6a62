"""One alignment in every format, written by hand from the formats' specifications (not by phonoscope's writers)."""

import json
from collections.abc import Callable

from phonoscope.corpora.textgrid import TextGrid, Tier

RATE = 22_050


def spoken(tier: Tier) -> list[tuple[float, float, str]]:
    return [tuple(each) for each in tier.intervals if each.label]


def _rows(grid: TextGrid) -> list[tuple[str, float, float, str]]:
    return [(name, *each) for name in ("words", "phones") for each in spoken(grid.tier(name))]


def _xwaves(tier: Tier, more: str = "") -> str:
    lines = [f"    {end:.6f}  121 {label or 'SIL'}{more if label else ''}\n" for _, end, label in tier.intervals]
    return "signal a\ntype 0\ncolor 121\nseparator ;\nnfields 1\n#\n" + "".join(lines)


def _ticks(seconds: float) -> int:
    return round(seconds * 1e7)


def _samples(start: float, end: float) -> tuple[int, int]:
    """First sample, and last minus first: EMU and BAS count a segment to its last sample."""
    return round(start * RATE), round(end * RATE) - 1 - round(start * RATE)


def _htk(grid: TextGrid) -> str:
    return "".join(f"{_ticks(a)} {_ticks(b)} {label or 'sil'}\n" for a, b, label in grid.tier("phones").intervals)


def _words_of(grid: TextGrid) -> list[tuple[str, float, float, list[tuple[float, float, str]]]]:
    phones = spoken(grid.tier("phones"))
    return [(w, a, b, [p for p in phones if a <= (p[0] + p[1]) / 2 < b]) for a, b, w in spoken(grid.tier("words"))]


def _par(grid: TextGrid) -> str:
    lines = ["LHD: Partitur 1.3", f"SAM: {RATE}", "NCH: 1", "LBD:"]
    words = _words_of(grid)
    lines += [f"ORT:\t{place}\t{word}" for place, (word, *_) in enumerate(words)]
    for place, (*_, phones) in enumerate(words):
        lines += ["MAU:\t{}\t{}\t{}\t{}".format(*_samples(a, b), place, label) for a, b, label in phones]
    return "\n".join(lines) + "\n"


def _eaf(grid: TextGrid) -> str:
    slots, tiers = [], []
    for name in ("words", "phones"):
        annotations = []
        for start, end, label in spoken(grid.tier(name)):
            first = len(slots)
            slots += [round(1000 * start), round(1000 * end)]
            annotations.append(
                f'<ANNOTATION><ALIGNABLE_ANNOTATION ANNOTATION_ID="a{first}" TIME_SLOT_REF1="ts{first}" '
                f'TIME_SLOT_REF2="ts{first + 1}"><ANNOTATION_VALUE>{label}</ANNOTATION_VALUE></ALIGNABLE_ANNOTATION>'
                "</ANNOTATION>"
            )
        tiers.append(f'<TIER TIER_ID="{name}" LINGUISTIC_TYPE_REF="default">{"".join(annotations)}</TIER>')
    times = "".join(f'<TIME_SLOT TIME_SLOT_ID="ts{n}" TIME_VALUE="{time}"/>' for n, time in enumerate(slots))
    head = '<HEADER TIME_UNITS="milliseconds"/>'
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<ANNOTATION_DOCUMENT FORMAT="3.0">{head}'
        f"<TIME_ORDER>{times}</TIME_ORDER>{''.join(tiers)}</ANNOTATION_DOCUMENT>\n"
    )


def _emu(grid: TextGrid, name: str) -> str:
    words, items, phones, links = _words_of(grid), [], [], []
    for word, _, _, inside in words:
        item = len(items) + 1
        items.append({"id": item, "labels": [{"name": "Word", "value": word}]})
        for start, end, label in inside:
            first, length = _samples(start, end)
            labels = [{"name": "Phonetic", "value": label}]
            phones.append({"id": 1000 + len(phones), "sampleStart": first, "sampleDur": length, "labels": labels})
            links.append({"fromID": item, "toID": phones[-1]["id"]})
    levels = [{"name": "Word", "type": "ITEM", "items": items}]
    levels.append({"name": "Phonetic", "type": "SEGMENT", "items": phones})
    value = {"name": name, "annotates": f"{name}.wav", "sampleRate": RATE, "levels": levels, "links": links}
    return json.dumps(value)


def _mfa(grid: TextGrid) -> str:
    tiers = {name: {"type": "interval", "entries": spoken(grid.tier(name))} for name in ("words", "phones")}
    return json.dumps({"start": 0, "end": grid.xmax, "tiers": tiers})


def _gentle(grid: TextGrid) -> str:
    words = [{"case": "not-found-in-audio", "word": "lost"}]
    for word, start, end, inside in _words_of(grid):
        phones = [{"duration": b - a, "phone": label} for a, b, label in inside]
        found = {"alignedWord": word, "case": "success", "word": word, "start": start, "end": end, "phones": phones}
        words.append(found)
    return json.dumps({"transcript": "some words", "words": words})


def _ctm(grid: TextGrid, name: str, tier: str) -> str:
    rows = spoken(grid.tier(tier))
    return f";; {tier}\n" + "".join(f"{name} 1 {a:.4f} {b - a:.4f} {label} 0.98\n" for a, b, label in rows)


# What each format's files are called, and what is in them; {} stands for the recording.
FORMATS: dict[str, Callable[[TextGrid, str], dict[str, str]]] = {
    "htk": lambda grid, name: {f"{name}.lab": _htk(grid)},
    "mlf": lambda grid, name: {"all.mlf": f'#!MLF!#\n"*/{name}.lab"\n{_htk(grid)}.\n"*/other.rec"\n0 200000 sil\n.\n'},
    "ctm": lambda grid, name: {
        "phones.ctm": _ctm(grid, name, "phones"),
        "words.ctm": _ctm(grid, name, "words"),
    },
    "buckeye": lambda grid, name: {
        f"{name}.phones": _xwaves(grid.tier("phones")),
        f"{name}.words": _xwaves(grid.tier("words"), "; w er d; w er d; NN"),
    },
    "par": lambda grid, name: {f"{name}.par": _par(grid)},
    "eaf": lambda grid, name: {f"{name}.eaf": _eaf(grid)},
    "emu": lambda grid, name: {f"{name}_annot.json": _emu(grid, name)},
    "mfa-json": lambda grid, name: {f"{name}.json": _mfa(grid)},
    "gentle": lambda grid, name: {f"{name}.json": _gentle(grid)},
    "mfa-csv": lambda grid, name: {
        f"{name}.csv": "Begin,End,Label,Type,Speaker\n"
        + "".join(f"{a},{b},{label},{tier},LJ\n" for tier, a, b, label in _rows(grid))
    },
    "stretches": lambda grid, name: {
        "all.csv": "recording,start,end,label\n"
        + "".join(f"{name}.wav,{a},{b},{label}\n" for a, b, label in spoken(grid.tier("phones")))
    },
    "praat-table": lambda grid, name: {
        f"{name}.txt": "tmin\ttier\ttext\ttmax\n"
        + "".join(f"{a}\t{tier}\t{label}\t{b}\n" for tier, a, b, label in sorted(_rows(grid), key=lambda row: row[1]))
    },
    "audacity": lambda grid, name: {
        f"{name}.txt": "".join(
            f"{a:.6f}\t{b:.6f}\t{label}\n\\\t100.0\t5000.0\n" for _, a, b, label in sorted(_rows(grid))
        )
    },
}
