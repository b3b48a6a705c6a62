"""From a corpus to the token table: `read_corpus`, and `summary` to print what it found and left out."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from phonoscope import corpora
from phonoscope.corpora.collect import collect
from phonoscope.corpora.recording import Recording
from phonoscope.corpora.select import TEXT, select
from phonoscope.corpora.speakers import join_speakers
from phonoscope.errors import CorpusError
from phonoscope.left_out import LeftOut
from phonoscope.phones import load_mapping


def read_corpus(
    root: str | Path,
    *,
    alignments: str | Path | None = None,
    layout: str = "auto",
    phone_tier: str | None = None,
    word_tier: str | None = None,
    phone_set: str = "auto",
    mapping: str | Path | Mapping[str, str] | None = None,
    speakers: str | Path | pd.DataFrame | None = None,
    classes: str | Sequence[str] = "paper",
    stressed_only: bool = False,
    min_duration: float = 0.05,
    max_per_class: int | None = None,
    balanced: bool = False,
    exclude_words: Collection[str] = (),
    seed: int = 0,
    strict: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> pd.DataFrame:
    """Read a corpus: one row a token, in order of recordings and time.

    Parameters
    ----------
    root : path
        Folder of the corpus.
    alignments : path, optional
        Folder of the alignments, as it stands or inside `root`; found by the layout otherwise.
    layout : str
        A name in `phonoscope.corpora.LAYOUTS`, or "auto".
    phone_tier, word_tier : str, optional
        Names of the tiers; found by the aligners' habits otherwise.
    phone_set : str
        "arpabet", "timit", "sampa", "ipa" or "auto".
    mapping : path or mapping, optional
        CSV with the columns ``phone,label``, or a dict: goes before the phone set's own mapping.
    speakers : path or DataFrame, optional
        CSV with ``speaker`` and/or ``recording`` and any of ``sex``, ``dialect``, ``age`` ...: joined to the tokens.
    classes : str or sequence of str
        "paper", "vowels", "voiceless", "all", "vowels:4", or labels (IPA or aliases).
    stressed_only : bool
        Leave out vowels marked as unstressed.
    min_duration : float
        Shortest token, in s. Aligners give a phone at least 30 ms, whatever was said.
    max_per_class : int, optional
        Most tokens per class, drawn at random.
    balanced : bool
        Draw as many tokens of each class as the smallest one has.
    exclude_words : collection of str
        Words whose phones are left out (upper or lower case).
    seed : int
        For the draws.
    strict : bool
        Raise at the first recording that cannot be used instead of going on without it.
    progress : callable, optional
        Called with (recordings read, recordings in all).

    Returns
    -------
    tokens : DataFrame
        Columns ``token, recording, start, end`` (s), ``phone, label, stress, word, previous, next, speaker, sex,
        corpus, split`` (missing is missing) and those of `speakers`; ``attrs`` has ``roots``, ``left_out`` and
        ``settings``.

    Raises
    ------
    CorpusError
        If the folder, layout, phone set or a class is not understood, or no token remains.
    AudioError
        With `strict`, for the first recording whose audio cannot be read.
    """
    folder = Path(root)
    if not folder.is_dir():
        raise CorpusError(f"the corpus folder {folder} was not found")
    folder = folder.resolve()
    layout, found = _layout(folder, layout)
    tokens = build_table(
        found.recordings(folder, _alignments(folder, alignments)),
        folder,
        phone_tier=phone_tier,
        word_tier=word_tier,
        phone_set=phone_set,
        mapping=mapping,
        speakers=speakers,
        classes=classes,
        stressed_only=stressed_only,
        min_duration=min_duration,
        max_per_class=max_per_class,
        balanced=balanced,
        exclude_words=exclude_words,
        seed=seed,
        strict=strict,
        progress=progress,
    )
    tokens.attrs["settings"] |= {"layout": layout, "alignments": None if alignments is None else str(alignments)}
    return tokens


def build_table(
    recordings: Iterable[Recording],
    root: Path,
    *,
    phone_tier: str | None = None,
    word_tier: str | None = None,
    phone_set: str = "auto",
    mapping: str | Path | Mapping[str, str] | None = None,
    speakers: str | Path | pd.DataFrame | None = None,
    classes: str | Sequence[str] = "paper",
    stressed_only: bool = False,
    min_duration: float = 0.05,
    max_per_class: int | None = None,
    balanced: bool = False,
    exclude_words: Collection[str] = (),
    seed: int = 0,
    strict: bool = False,
    progress: Callable[[int, int], None] | None = None,
    check_audio: bool = True,
) -> pd.DataFrame:
    """Make the token table of recordings that are already listed; parameters as in `read_corpus`.

    Without `check_audio` alignments are read even where there is no audio (to count phones).
    """
    if min_duration < 0 or (max_per_class is not None and max_per_class < 1):
        raise CorpusError(
            f"min_duration {min_duration} must be at least 0 and max_per_class {max_per_class} at least 1"
        )
    if isinstance(exclude_words, str):
        exclude_words = [word.strip() for word in exclude_words.split(",")]
    own = load_mapping(mapping) if isinstance(mapping, str | Path) else dict(mapping or {})
    left_out = LeftOut()
    collected = collect(
        recordings,
        root,
        left_out,
        phone_tier=phone_tier,
        word_tier=word_tier,
        check_audio=check_audio,
        strict=strict,
        progress=progress,
    )
    if not collected.phone:
        raise CorpusError(_nothing(root, "no recording of {} could be used", left_out))
    tokens, detected = select(
        collected,
        left_out,
        phone_set=phone_set,
        mapping=own,
        classes=classes,
        stressed_only=stressed_only,
        min_duration=min_duration,
        max_per_class=max_per_class,
        balanced=balanced,
        exclude_words=exclude_words,
        seed=seed,
    )
    if tokens.empty:
        raise CorpusError(_nothing(root, "no token of {} is left", left_out))
    tokens["corpus"] = pd.Series([root.name] * len(tokens), dtype=TEXT)
    tokens["split"] = pd.Series(np.full(len(tokens), np.nan, dtype=object), dtype=TEXT)
    if speakers is not None:
        tokens = join_speakers(tokens, speakers, collected.warn)
    tokens.attrs = {
        "roots": {root.name: str(root)},
        "left_out": left_out.entries(),
        "settings": {
            "phone_tier": phone_tier,
            "word_tier": word_tier,
            "tiers_found": collected.tier_names,
            "recordings_read": collected.recordings,
            "phone_set": detected["phone_set"],
            "labels": detected["labels"],
            "mapping": own,
            "speakers": str(speakers) if isinstance(speakers, str | Path) else None,
            "classes": classes if isinstance(classes, str) else list(classes),
            "stressed_only": stressed_only,
            "min_duration": min_duration,
            "max_per_class": max_per_class,
            "balanced": balanced,
            "exclude_words": sorted(exclude_words),
            "seed": seed,
            "warnings": collected.warnings,
            "warning_count": collected.warning_count,
        },
    }
    return tokens


def summary(tokens: pd.DataFrame) -> str:
    """Describe a token table in plain lines: tokens per class, what was left out and why, warnings."""
    settings = tokens.attrs.get("settings", {})
    counts = tokens["label"].value_counts()
    labels = list(dict.fromkeys([*settings.get("labels", ()), *counts.index]))
    asked_by_name = settings.get("classes") != "all"
    n_recordings, n_speakers = tokens["recording"].nunique(), tokens["speaker"].nunique()
    recordings = f"{n_recordings} recording{'s' if n_recordings != 1 else ''}"
    speakers = f"{n_speakers or 'unknown'} speaker{'s' if n_speakers != 1 else ''}"
    lines = [
        f"{len(tokens)} tokens of {recordings}, {speakers}"
        + (f"; phone set {settings['phone_set']}" if "phone_set" in settings else "")
    ]
    durations = (tokens["end"] - tokens["start"]).groupby(tokens["label"]).median()
    for label in labels:
        if label in counts:
            lines.append(f"  {label:<4}{counts[label]:>8}   median {1000 * durations[label]:.0f} ms")
        elif asked_by_name:
            lines.append(f"  {label:<4}{0:>8}")
    left_out = tokens.attrs.get("left_out", [])
    return "\n".join([*lines, *_left_out_lines(left_out), *_warning_lines(settings)])


def _left_out_lines(entries: Sequence[Mapping]) -> list[str]:
    lines = ["left out:"] if entries else []
    for entry in entries:
        things = entry["what"] + ("s" if entry["count"] != 1 else "")
        lines.append(f"  {entry['count']:>8} {things:<10} {entry['reason']}; e.g. {', '.join(entry['examples'][:3])}")
    return lines


def _warning_lines(settings: Mapping) -> list[str]:
    warnings = settings.get("warnings", [])
    more = settings.get("warning_count", len(warnings)) - len(warnings)
    lines = ["warnings:", *(f"  {warning}" for warning in warnings)] if warnings else []
    return [*lines, f"  and {more} more"] if more else lines


def _nothing(root: Path, what: str, left_out: LeftOut) -> str:
    lines = _left_out_lines(left_out.entries()) or ["no recording was found"]
    return "\n".join([f"{what.format(root)}.", *lines])


def _layout(root: Path, name: str) -> tuple[str, corpora.Layout]:
    """Layout by name, or the first that knows the folder."""
    layouts = corpora.LAYOUTS
    if name != "auto":
        if name not in layouts:
            raise CorpusError(f"there is no layout {name!r}; use one of {', '.join(layouts)}, or auto")
        return name, layouts[name]
    for known, layout in layouts.items():
        if layout.detect(root):
            return known, layout
    raise CorpusError(f"no recordings were found in {root}; expected WAV, FLAC, OGG, MP3 or SPHERE files below it")


def _alignments(root: Path, alignments: str | Path | None) -> Path | None:
    """Folder of alignments that the user named, as it stands or inside the corpus."""
    if alignments is None:
        return None
    for folder in (Path(alignments), root / alignments):
        if folder.is_dir():
            return folder.resolve()
    raise CorpusError(f"the folder of alignments {alignments} was found neither as it stands nor inside {root}")
