"""What the labels of a corpus are, tier by tier: counts, durations, classes, and a mapping to edit."""

import csv
import io
from collections import Counter, defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

from phonoscope.corpora.collect import collect
from phonoscope.corpora.formats import READERS, read_alignment
from phonoscope.corpora.layouts import find_recordings
from phonoscope.corpora.naming import Naming, name_phones
from phonoscope.corpora.pairing import alignment_root, pair, why_unaligned
from phonoscope.corpora.rules import TokenRules
from phonoscope.errors import CorpusError, PhonoscopeError
from phonoscope.files import write_text
from phonoscope.left_out import LeftOut
from phonoscope.phones import PHONE_SETS, PhoneMapping, is_silence, known_share, load_mapping


def list_phones(
    root: str | Path,
    alignments: str | Path | None = None,
    *,
    layout: str = "auto",
    progress: Callable[[int, int], None] | None = None,
    **rules: Any,
) -> dict[str, Any]:
    """List the labels of all interval tiers of a corpus.

    Parameters
    ----------
    root : path
        Folder of the corpus.
    alignments : path, optional
        Folder of the alignments.
    layout : str
        As in `read_corpus`.
    progress : callable, optional
        Called with (recordings read, recordings in all).
    **rules
        ``phone_tier``, ``word_tier``, ``phone_set``, ``mapping``, ``fold``, as in `read_corpus`.

    Returns
    -------
    dict
        ``sets`` (name → share of the tokens of the phone tiers that it knows), ``labels`` (a dict each: ``tier, label,
        count, seconds`` (mean duration), ``class, kind``; these are None outside phone tiers), ``paired`` and
        ``unpaired`` (reason → recordings or alignments), ``notes`` (pairs whose names differ), ``phone_set`` (None
        where it cannot be told) and ``problem`` (why).

    Raises
    ------
    CorpusError
        If no recording has an alignment that can be read.
    """
    token_rules = TokenRules.of(classes="all", **rules)
    folder, _, recordings = find_recordings(root, layout)
    place = alignment_root(folder, alignments)
    pairing = pair(recordings, folder, place, READERS)
    recordings, left_out = pairing.recordings, LeftOut(pairing.left_out)
    collected = collect(
        recordings,
        folder,
        token_rules,
        left_out,
        why_unaligned=why_unaligned(recordings, folder, place, READERS),
        check_audio=True,
        progress=progress,
    )
    counts = Counter(collected.phone)
    mapping = load_mapping(token_rules.mapping) if isinstance(token_rules.mapping, str | Path) else PhoneMapping()
    naming, problem = None, None
    try:
        naming = name_phones(counts, token_rules, mapping, collected.phone_set_of_format())
    except CorpusError as error:
        problem = str(error)
    labels = _labels(recordings, set(collected.tier_names), naming, counts, mapping)
    if not labels:
        found = "; ".join(f"{entry['count']} × {entry['reason']}" for entry in left_out.entries())
        raise CorpusError(f"no alignment of {folder} could be read: {found or 'no recording was found'}")
    return {
        "sets": {name: known_share(counts, name) for name in PHONE_SETS if name != "none"},
        "labels": labels,
        "paired": collected.recordings,
        "unpaired": {entry["reason"]: entry["count"] for entry in left_out.entries()},
        "notes": pairing.notes,
        "phone_set": naming.phone_set if naming else None,
        "problem": problem,
    }


def _labels(
    recordings: Any, phone_tiers: set[str], naming: Naming | None, counts: Counter[str], mapping: PhoneMapping
) -> list[dict[str, Any]]:
    """One entry a label of each interval tier, most frequent first; all but words of a phone tier have a class."""
    found: dict[str, Counter[str]] = defaultdict(Counter)
    seconds: dict[tuple[str, str], float] = defaultdict(float)
    for recording in recordings:
        if recording.alignment is None:
            continue
        try:
            grid = read_alignment(recording.alignment, READERS)
        except PhonoscopeError:
            continue  # counted among the unpaired
        for tier in grid.tiers:
            for start, end, label in tier.intervals if tier.kind == "interval" else ():
                found[tier.name][label] += 1
                seconds[tier.name, label] += end - start
    classes = dict(zip(counts, naming.classes, strict=True)) if naming else {}
    several = "phones of several speakers" in phone_tiers
    labels = []
    for tier, number in found.items():
        is_phones = tier in phone_tiers or (several and set(number) <= set(counts))
        for label, count in number.most_common():
            silent = label not in mapping and is_silence(label, naming.phone_set if naming else "")
            name = classes.get(label) if is_phones and not silent else None
            kind = "silence" if is_phones and silent else (naming.kinds.get(name) if naming and name else None)
            mean = seconds[tier, label] / count
            labels.append({"tier": tier, "label": label, "count": count, "seconds": mean, "class": name, "kind": kind})
    return labels


def write_mapping(path: str | Path, listed: dict[str, Any]) -> Path:
    """Write the phones of a listing as a mapping to edit: ``phone,label,kind``, silence left out.

    Labels without a class keep their own name.
    """
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(["phone", "label", "kind"])
    named = {each["tier"] for each in listed["labels"] if each["class"]} or {each["tier"] for each in listed["labels"]}
    written = set()
    for each in listed["labels"]:
        label = each["label"].strip()
        if each["tier"] in named and label and label not in written and each["kind"] != "silence":
            written.add(label)
            rows.writerow([label, each["class"] or label, each["kind"] or ""])
    return write_text(path, text.getvalue())
