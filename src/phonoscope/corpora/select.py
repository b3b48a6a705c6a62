"""Which intervals become tokens: one rule after the other, each with a count of what it left out."""

from bisect import bisect_right
from collections.abc import Collection, Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np
import pandas as pd

from phonoscope.audio import CHANNEL, END_TOLERANCE_SECONDS
from phonoscope.corpora.collect import Collected
from phonoscope.corpora.naming import Naming, name_phones
from phonoscope.corpora.overlap import overlaps, several_speakers
from phonoscope.corpora.rules import TokenRules
from phonoscope.errors import CorpusError
from phonoscope.left_out import EXAMPLES_KEPT, LeftOut
from phonoscope.phones import (
    ENGLISH_SETS,
    VOWEL_KINDS,
    is_silence,
    kind_of_class,
    paper_voiceless,
    paper_vowels,
    phones,
    resolve_label,
    tones_of,
    vowels,
)

# Durations are differences of decimal fractions: 0.05 s may come out as 0.04999999.
_DURATION_TOLERANCE_SECONDS = 1e-6
# Phones that are further apart are no neighbours: formats that count in ms round boundaries by up to 1 ms.
GAP_SECONDS = 0.002
# The kind of text column that this pandas uses; missing is NaN in it.
TEXT = pd.Series(["text"]).dtype


def class_labels(
    classes: str | Sequence[str], further: Collection[str] = (), naming: Naming | None = None
) -> tuple[list[str], int | None]:
    """Turn what the user calls the classes into labels.

    Parameters
    ----------
    classes : str or sequence of str
        "paper" (13 phones), "vowels" or "voiceless" (those of the paper), "any-vowel", "all", "vowels:4" (the four
        most frequent vowels of any kind), "mine" (all classes of the mapping), "as-written", or labels: IPA or ASCII
        aliases. Groups and labels may be listed, as a list or with commas in between: "any-vowel,voiceless". In a
        corpus that is not English, "vowels" and "voiceless" are all that it has.
    further : collection of str
        Further classes, of the user's mapping.
    naming : Naming, optional
        What the corpus's phones are called; English by default.

    Returns
    -------
    labels : list of str
        Classes, without doubles.
    best : int or None
        How many of them, the most frequent ones, are wanted; None for all.

    Raises
    ------
    CorpusError
        If a label is unknown or the request is empty.
    """
    further, own = list(dict.fromkeys(further)), naming is not None and naming.phone_set not in ENGLISH_SETS
    kinds = naming.kinds if naming else {}
    if own:
        present = list(kinds)
        own_vowels = [label for label in present if kinds[label] in VOWEL_KINDS]
        voiceless = [label for label in present if (kinds[label] or "").startswith("voiceless")]
        mapped_vowels = [label for label in own_vowels if label in further] or own_vowels
        named = {"paper": [*own_vowels, *voiceless], "vowels": mapped_vowels, "voiceless": voiceless}
        named |= {"any-vowel": own_vowels, "all": present}
    else:
        present = further
        own_vowels = list(dict.fromkeys([*vowels(), *(each for each in further if kinds.get(each) in VOWEL_KINDS)]))
        named = {"paper": [*paper_vowels(), *paper_voiceless()], "vowels": paper_vowels()}
        named |= {"voiceless": paper_voiceless(), "any-vowel": own_vowels}
        named |= {"all": [*(phone.label for phone in phones()), *further]}
    named |= {"mine": further, "as-written": present}
    if isinstance(classes, str) and classes.startswith("vowels:"):
        count = classes.removeprefix("vowels:")
        if not count.isdigit() or int(count) < 1:
            raise CorpusError(f"classes {classes!r}: a number must follow 'vowels:', as in vowels:4")
        return own_vowels, int(count)
    if classes == "mine" and not further:
        raise CorpusError("classes 'mine' needs a mapping; give one with --mapping")
    listed = [name.strip() for name in (classes.split(",") if isinstance(classes, str) else classes) if name.strip()]
    names = [label for name in listed for label in named.get(name, [name])]
    if not names:
        raise CorpusError(f"no class was given or found; use {', '.join(named)}, vowels:4 or labels such as i,ae,er")
    return list(dict.fromkeys(_class_of(name, further, naming if own else None) for name in names)), None


def _class_of(name: str, further: Collection[str], own: Naming | None) -> str:
    """Class that a name means; in a corpus that is not English no name becomes an English phone."""
    if name in further or (own is not None and name in own.kinds):
        return name
    advice = "To call phones otherwise, give a mapping (--mapping; phonoscope phones CORPUS --mapping-out writes one)"
    if own is not None:
        found = own.find(name)
        if found is None:
            present = " ".join(list(own.kinds)[:40])
            raise CorpusError(f"there is no class {name!r} in {own.phone_set}; the corpus has: {present}. {advice}")
        return found
    try:
        return resolve_label(name)
    except CorpusError as error:
        raise CorpusError(f"{error}. {advice}") from error


def vowel_tokens(tokens: pd.DataFrame) -> np.ndarray:
    """Which tokens are of vowels or diphthongs: by their column ``kind``, else by the letters of their class."""
    kinds = tokens["label"].map({label: kind_of_class(str(label)) for label in tokens["label"].dropna().unique()})
    if "kind" in tokens.columns:
        kinds = tokens["kind"].astype(object).where(tokens["kind"].notna(), kinds)
    return kinds.isin(VOWEL_KINDS).to_numpy()


def select(
    collected: Collected,
    left_out: LeftOut,
    rules: TokenRules,
    mapping: Mapping[str, str],
    *,
    seed: int,
) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Apply the rules, in the order of the report, and build the columns that the alignments give.

    Parameters
    ----------
    collected : Collected
        All intervals.
    left_out : LeftOut
        Takes what each rule leaves out.
    rules : TokenRules
        The rules.
    mapping : dict
        Phone as written → class, before the phone set's own mapping: what `rules.mapping` says.
    seed : int
        For the draws.

    Returns
    -------
    tokens : DataFrame
        Columns ``token, recording, start, end, phone, label, stress, word, previous, next, speaker, sex``.
    detected : dict
        ``phone_set`` and ``labels`` (the classes, in order).

    Raises
    ------
    CorpusError
        If the phone set cannot be told, a class is unknown, or stress is asked for where none is written.
    """
    codes, written = pd.factorize(np.array(collected.phone, dtype=object))
    counted = dict(zip(written, np.bincount(codes, minlength=len(written)).tolist(), strict=True))
    naming = name_phones(counted, rules, mapping, collected.phone_set_of_format())
    phone_set, mapped, stresses = naming.phone_set, naming.classes, naming.stress
    wanted, best = class_labels(rules.classes, mapping.values(), naming)
    silent = np.array([is_silence(p, phone_set) and p not in mapping for p in written], dtype=bool)
    unmapped = np.array([label is None for label in mapped], dtype=bool) & ~silent
    stress_of = np.array([-1 if stress is None else stress for stress in stresses], dtype=np.int8)
    starts, ends = np.frombuffer(collected.start), np.frombuffer(collected.end)
    tier_of = np.repeat(np.arange(len(collected.first)), np.diff([*collected.first, len(codes)]))

    remaining = np.arange(len(codes))

    def leave_out(reason: str, hit: np.ndarray) -> None:
        nonlocal remaining
        if hit.any():
            examples = [_name(collected, int(n), int(tier_of[n])) for n in remaining[hit][:EXAMPLES_KEPT]]
            left_out.add("token", reason, int(hit.sum()), examples)
            remaining = remaining[~hit]

    leave_out("silence or noise", silent[codes])
    unknown = remaining[unmapped[codes[remaining]]]
    counts = pd.Series(written[codes[unknown]], dtype=object).value_counts()
    examples = [f"{phone} ({count})" for phone, count in counts.head(EXAMPLES_KEPT).items()]
    left_out.add("label", f"not a phone of {phone_set}", len(counts), examples)
    leave_out("label not mapped", unmapped[codes[remaining]])

    is_wanted = np.array([label in wanted for label in mapped], dtype=bool)
    leave_out("other phones, not asked for", ~is_wanted[codes[remaining]])
    duration = ends - starts
    leave_out("zero length", duration[remaining] <= 0)
    too_short = duration < rules.min_duration - _DURATION_TOLERANCE_SECONDS
    leave_out(f"shorter than {rules.min_duration:g} s", too_short[remaining])
    limit = np.array(collected.duration)[tier_of[remaining]] + END_TOLERANCE_SECONDS
    leave_out("alignment longer than audio", ends[remaining] > limit)
    if rules.stressed_only:
        if len(remaining) and not (stress_of[codes[remaining]] >= 0).any():
            raise CorpusError(
                f"only stressed vowels were requested, but these alignments ({phone_set}) mark no stress; "
                "drop stressed_only, or map stressed phones to classes of their own"
            )
        leave_out("unstressed vowel", stress_of[codes[remaining]] == 0)
    overlap = overlaps(collected, silent[codes]) if several_speakers(collected) else None
    if overlap is not None and rules.without_overlap:
        leave_out("overlaps another speaker", overlap[remaining] > 0)
    words = _words_of(collected, remaining, starts, ends, tier_of)
    if rules.exclude_words:
        excluded = {word.casefold() for word in rules.exclude_words}
        hit = [isinstance(word, str) and word.casefold() in excluded for word in words[remaining]]
        leave_out("excluded word", np.array(hit, dtype=bool))

    labels = np.array(mapped, dtype=object)
    if best is not None:
        filled = pd.Series(labels[codes[remaining]], dtype=object).value_counts()
        chosen = set(sorted(filled.index, key=lambda label: (-filled[label], wanted.index(label)))[:best])
        wanted = [label for label in wanted if label in chosen]
        is_chosen = np.array([label in chosen for label in mapped], dtype=bool)
        leave_out(f"not one of the {best} most frequent vowels", ~is_chosen[codes[remaining]])
    for reason, over in _surplus(labels[codes[remaining]], wanted, rules, seed):
        leave_out(reason, over)
    tokens = _columns(collected, remaining, codes, written, labels, stress_of, words[remaining], tier_of)
    if overlap is not None:
        tokens["overlap"] = overlap[remaining]
    channels = np.array([0 if channel is None else channel for channel in collected.channel], dtype=np.int8)
    if channels.any():
        channels = channels[tier_of[remaining]]
        tokens[CHANNEL] = pd.arrays.IntegerArray(channels, channels == 0)
    if naming.tells_kind:
        tokens["kind"] = pd.Series(tokens["label"].map(naming.kinds).to_numpy(dtype=object), dtype=TEXT)
        unknown_kind = tokens.loc[tokens["kind"].isna(), "label"].unique()
        left_out.add(
            "class",
            "not measured: its kind is not known (give it in the mapping's column kind)",
            len(unknown_kind),
            unknown_kind,
        )
    tones = np.array([np.nan if tone is None else tone for tone in tones_of(written, phone_set)], dtype=object)
    if not pd.isna(tones).all():
        tokens["tone"] = pd.Series(tones[codes[remaining]], dtype=TEXT)
    detected: dict[str, Any] = {"phone_set": phone_set, "labels": wanted}
    return tokens, detected | ({"folded": naming.folded} if naming.folded else {})


def _surplus(labels: np.ndarray, wanted: list[str], rules: TokenRules, seed: int) -> list[tuple[str, np.ndarray]]:
    """Tokens beyond the number wanted per class, drawn at random: at most one (reason, mask over `labels`)."""
    of_class = {label: np.flatnonzero(labels == label) for label in wanted}
    filled = {label: positions for label, positions in of_class.items() if len(positions)}
    limits = []
    if rules.max_per_class is not None:
        limits.append((rules.max_per_class, f"over the maximum of {rules.max_per_class} per class"))
    if rules.balanced and filled:
        size = min(map(len, filled.values()))
        limits.append((size, f"over the size of the smallest class ({size})"))
    if not limits:
        return []
    limit, reason = min(limits)
    over = np.zeros(len(labels), dtype=bool)
    generator = np.random.default_rng(seed)
    for positions in filled.values():
        if len(positions) > limit:
            over[generator.permutation(positions)[limit:]] = True
    return [(reason, over)]


def _words_of(
    collected: Collected, kept: np.ndarray, starts: np.ndarray, ends: np.ndarray, tier_of: np.ndarray
) -> np.ndarray:
    """Word at the middle of each interval that is kept; NaN where there is none, shape (all intervals,)."""
    words = np.full(len(starts), np.nan, dtype=object)
    middles = ((starts[kept] + ends[kept]) / 2).tolist()
    silence = cache(is_silence)
    for position, middle, tier in zip(kept.tolist(), middles, tier_of[kept].tolist(), strict=True):
        word_starts, word_ends, labels = collected.words[tier]
        index = bisect_right(word_starts, middle) - 1
        if index >= 0 and middle < word_ends[index] and not silence(labels[index]):
            words[position] = labels[index]
    return words


def _name(collected: Collected, position: int, tier: int) -> str:
    """Token id of an interval: recording without extension, and the number of the interval in it."""
    number = position - collected.first[tier] + collected.number[tier]
    return f"{collected.recording[tier].rpartition('.')[0]}:{number:04d}"


def _columns(
    collected: Collected,
    kept: np.ndarray,
    codes: np.ndarray,
    written: np.ndarray,
    labels: np.ndarray,
    stress_of: np.ndarray,
    words: np.ndarray,
    tier_of: np.ndarray,
) -> pd.DataFrame:
    """Columns of the token table for the kept intervals."""
    tiers = tier_of[kept]
    stress = stress_of[codes[kept]]
    starts, ends = np.frombuffer(collected.start), np.frombuffer(collected.end)
    # A neighbour without a label is silence: missing, as beyond the edge of the tier or a hole in it.
    text = np.array([*(phone.strip() or np.nan for phone in written), np.nan], dtype=object)

    def neighbour(step: int) -> np.ndarray:
        beside = kept + step
        inside = (beside >= 0) & (beside < len(codes))
        beside = np.where(inside, beside, 0)
        inside &= tier_of[beside] == tiers
        gap = starts[beside] - ends[kept] if step > 0 else starts[kept] - ends[beside]
        inside &= gap < GAP_SECONDS
        return text[np.where(inside, codes[beside], len(written))]

    def per_tier(values: Sequence[str | None]) -> np.ndarray:
        return np.array([np.nan if value is None else value for value in values], dtype=object)[tiers]

    ids = [_name(collected, position, tier) for position, tier in zip(kept.tolist(), tiers.tolist(), strict=True)]
    columns = {
        "token": ids,
        "recording": per_tier(collected.recording),
        "start": starts[kept],
        "end": ends[kept],
        "phone": text[codes[kept]],
        "label": labels[codes[kept]],
        "stress": pd.arrays.IntegerArray(stress, stress < 0),
        "word": words,
        "previous": neighbour(-1),
        "next": neighbour(1),
        "speaker": per_tier(collected.speaker),
        "sex": per_tier(collected.sex),
    }
    not_text = ("start", "end", "stress")
    return pd.DataFrame(
        {name: values if name in not_text else pd.Series(values, dtype=TEXT) for name, values in columns.items()}
    )
