"""From a corpus to the token table: `read_corpus`, and `summary` to print what it found and left out."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from phonoscope.corpora.collect import collect
from phonoscope.corpora.formats import READERS, AlignmentReader, chosen_readers
from phonoscope.corpora.layouts import find_recordings
from phonoscope.corpora.pairing import alignment_root, pair, why_unaligned
from phonoscope.corpora.recording import Recording
from phonoscope.corpora.rules import TokenRules
from phonoscope.corpora.select import TEXT, select
from phonoscope.corpora.speakers import join_speakers, speakers_from
from phonoscope.errors import CorpusError
from phonoscope.left_out import LeftOut
from phonoscope.phones import load_mapping

UNKNOWN_SPEAKERS = (
    'the speakers are unknown; say who they are: --speaker-from "{speaker}_*" (from file names), --speaker-from '
    '"{speaker}/*" (from folders), or --speakers with a table of the columns recording,speaker'
)


def read_corpus(
    root: str | Path,
    alignments: str | Path | None = None,
    *,
    layout: str = "auto",
    alignment_format: str | AlignmentReader | None = None,
    seed: int = 0,
    strict: bool = False,
    progress: Callable[[int, int], None] | None = None,
    **rules: Any,
) -> pd.DataFrame:
    """Read a corpus: one row a token, in order of recordings and time.

    Parameters
    ----------
    root : path
        Folder of the corpus.
    alignments : path, optional
        Folder of the alignments, as it stands or inside `root`; found by their names otherwise.
    layout : str
        A name in `phonoscope.corpora.LAYOUTS`, ``package.module:name`` of another `Layout`, or "auto".
    alignment_format : str or AlignmentReader, optional
        A name in `phonoscope.corpora.READERS` (".textgrid", "ctm"), ``package.module:name`` of another
        `AlignmentReader`, or the reader itself; by default every format that is known.
    seed : int
        For the draws.
    strict : bool
        Raise at the first recording that cannot be used instead of going on without it.
    progress : callable, optional
        Called with (recordings read, recordings in all).
    **rules
        Which intervals become tokens, as keywords of `phonoscope.corpora.TokenRules`: ``phone_tier``, ``word_tier``,
        ``speaker_tier``, ``speaker_from``, ``without_overlap``, ``phone_set``, ``mapping``, ``speakers``, ``classes``,
        ``stressed_only``, ``min_duration``, ``max_per_class``, ``balanced``, ``exclude_words``, ``fold``.

    Returns
    -------
    tokens : DataFrame
        Columns ``token, recording, start, end`` (s), ``phone, label, stress, word, previous, next, speaker, sex,
        corpus, split`` (missing is missing) and those of `speakers`; ``overlap`` (share of the token
        during which another speaker speaks) and ``channel`` only where a recording has several; ``attrs`` has
        ``roots``, ``left_out`` and ``settings``.

    Raises
    ------
    CorpusError
        If the folder, layout, format, a rule, the phone set or a class is not understood, or no token remains.
    AudioError
        With `strict`, for the first recording whose audio cannot be read.
    """
    token_rules = TokenRules.of(**rules)
    folder, layout, recordings = find_recordings(root, layout)
    tokens = build_table(
        recordings,
        folder,
        token_rules,
        alignments=alignment_root(folder, alignments),
        readers=chosen_readers(alignment_format),
        seed=seed,
        strict=strict,
        progress=progress,
    )
    tokens.attrs["settings"] |= {"layout": layout, "alignments": None if alignments is None else str(alignments)}
    return tokens


def build_table(
    recordings: Sequence[Recording],
    root: Path,
    rules: TokenRules,
    *,
    alignments: Path | None = None,
    readers: Mapping[str, AlignmentReader] = READERS,
    seed: int = 0,
    strict: bool = False,
    progress: Callable[[int, int], None] | None = None,
    check_audio: bool = True,
) -> pd.DataFrame:
    """Make the token table of recordings that are already listed.

    Parameters
    ----------
    recordings : sequence of Recording
        From a layout; those without an alignment are paired with one.
    root : path
        Folder of the corpus.
    rules : TokenRules
        Which intervals become tokens.
    alignments : path, optional
        Folder of the alignments.
    readers : mapping
        Suffix of the alignments → reader.
    seed, strict, progress
        As in `read_corpus`.
    check_audio : bool
        Without it alignments are read even where there is no audio (to count phones).
    """
    pairing = pair(recordings, root, alignments, readers)
    recordings, notes = pairing.recordings, list(pairing.notes)
    if rules.speaker_from is not None:
        recordings = speakers_from(recordings, root, rules.speaker_from, notes.append)
    mapping = load_mapping(rules.mapping) if isinstance(rules.mapping, str | Path) else (rules.mapping or {})
    left_out = LeftOut(pairing.left_out)
    collected = collect(
        recordings,
        root,
        rules,
        left_out,
        readers=readers,
        why_unaligned=why_unaligned(recordings, root, alignments, readers),
        check_audio=check_audio,
        strict=strict,
        progress=progress,
    )
    for note in notes:
        collected.warn(note)
    if not collected.phone:
        raise CorpusError(_nothing(root, "no recording of {} could be used", left_out))
    tokens, detected = select(collected, left_out, rules, mapping, seed=seed)
    if tokens.empty:
        raise CorpusError(_nothing(root, "no token of {} is left", left_out))
    tokens["corpus"] = pd.Series([root.name] * len(tokens), dtype=TEXT)
    tokens["split"] = pd.Series(np.full(len(tokens), np.nan, dtype=object), dtype=TEXT)
    if rules.speakers is not None:
        tokens = join_speakers(tokens, rules.speakers, collected.warn)
    tokens.attrs = {
        "roots": {root.name: str(root)},
        "left_out": left_out.entries(),
        "settings": {
            **{name: getattr(rules, name) for name in TokenRules.names()},
            "mapping": dict(mapping),
            "speakers": str(rules.speakers) if isinstance(rules.speakers, str | Path) else None,
            "classes": rules.classes if isinstance(rules.classes, str) else list(rules.classes),
            "exclude_words": sorted(rules.exclude_words),
            "fold": list(rules.fold),
            **detected,  # the phone set that "auto" stands for, and the classes' labels
            "seed": seed,
            "tiers_found": dict(collected.tier_names),
            "recordings_read": collected.recordings,
            "warnings": collected.warnings,
            "warning_count": collected.warning_count,
        },
    }
    return tokens


def summary(tokens: pd.DataFrame) -> str:
    """Describe a token table in plain lines: tokens per class, what was left out and why, warnings."""
    settings = tokens.attrs.get("settings", {})
    n_recordings, n_speakers = tokens["recording"].nunique(), tokens["speaker"].nunique()
    speakers = f"{n_speakers or 'unknown'} speaker{_s(n_speakers)}"
    phone_set = f"; phone set {settings['phone_set']}" if "phone_set" in settings else ""
    lines = [f"{len(tokens)} tokens of {n_recordings} recording{_s(n_recordings)}, {speakers}{phone_set}"]
    if settings.get("folded"):
        lines.append(f"  called otherwise by {settings['phone_set']}: {', '.join(settings['folded'])}")
    durations = (tokens["end"] - tokens["start"]).groupby(tokens["label"])
    counts, medians = tokens["label"].value_counts(), durations.median()
    for label in dict.fromkeys([*settings.get("labels", ()), *counts.index]):
        if label in counts:
            lines.append(f"  {label:<4}{counts[label]:>8}   median {1000 * medians[label]:.0f} ms")
        elif settings.get("classes") != "all":
            lines.append(f"  {label:<4}{0:>8}")
    if not n_speakers:
        lines.append(UNKNOWN_SPEAKERS)
    return "\n".join([*lines, *_left_out_lines(tokens.attrs.get("left_out", [])), *_warning_lines(settings)])


def _left_out_lines(entries: Sequence[Mapping]) -> list[str]:
    lines = ["left out:"] if entries else []
    for entry in entries:
        things = entry["what"] + _s(entry["count"])
        lines.append(f"  {entry['count']:>8} {things:<10} {entry['reason']}; e.g. {', '.join(entry['examples'][:3])}")
    return lines


def _s(count: int) -> str:
    return "" if count == 1 else "s"


def _warning_lines(settings: Mapping) -> list[str]:
    warnings = settings.get("warnings", [])
    more = settings.get("warning_count", len(warnings)) - len(warnings)
    lines = ["warnings:", *(f"  {warning}" for warning in warnings)] if warnings else []
    return [*lines, f"  and {more} more"] if more else lines


def _nothing(root: Path, what: str, left_out: LeftOut) -> str:
    lines = _left_out_lines(left_out.entries()) or ["no recording was found"]
    return "\n".join([f"{what.format(root)}.", *lines])
