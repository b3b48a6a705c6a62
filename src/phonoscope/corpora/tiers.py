"""Which tier holds the phones, which the words, and whose they are: the naming habits of the aligners."""

import re
from collections.abc import Collection, Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Literal, NamedTuple

from phonoscope.corpora.speakers import composed, speaker_pattern
from phonoscope.corpora.textgrid import TextGrid, Tier
from phonoscope.errors import CorpusError

# Best first. MFA and EasyAlign: phones, words; FAVE: phone, word; WebMAUS and Common Phone: MAU, ORT-MAU; LaBB-CAT:
# segment, transcript; SPPAS: PhonAlign, TokensAlign; emuR: Phonetic or Phoneme, Word or Text.
PHONE_TIERS = ("phones", "phone", "mau", "segment", "segments", "phonalign", "phonetic", "phoneme", "phonemes")
# Hand annotation of vowels alone, where there is no tier of all phones.
PHONE_TIERS += ("vowel", "vowels")
WORD_TIERS = ("words", "word", "ort-mau", "ort", "tokensalign", "transcript", "text")
_KINDS = frozenset({*PHONE_TIERS, *WORD_TIERS, "kan-mau", "kan", "utterance", "utterances", "phrases"})
_LOOKS_LIKE_PHONES = re.compile(r"(?:^|[\W_])(?:phones?|phon(?:eme|etic)s?|phonalign|segments?|mau)(?:$|[\W_\d])")
_WORDS_OF_MAUS = re.compile(r"(?:ort|kan)-mau")
# Marks between a speaker and the kind of tier. The clear ones stand in no name of a tier that has no speaker.
_CLEAR = (" - ", " – ", ":", "@", "|", "/")
_WEAK = ("-", "_", ".", " ")
_BRACKETS = re.compile(r"(?P<kind>[^()\[\]]+?)[\s_]*[(\[](?P<speaker>[^()\[\]]+)[)\]]")
_NUMBERED = re.compile(r"(?P<kind>.*?\D)(?P<speaker>\d{1,2})")
# What stands before or behind "phones" and is nobody.
_NOBODY = frozenset(
    [
        "auto",
        "automatic",
        "aligned",
        "alignment",
        "arpabet",
        "auto-aligned",
        "checked",
        "clean",
        "corrected",
        "disc",
        "final",
        "fixed",
        "gold",
        "hand",
        "ipa",
        "ipu",
        "manual",
        "maus",
        "mfa",
        "my",
        "new",
        "old",
        "original",
        "phonetic",
        "phonemic",
        "praat",
        "ref",
        "reference",
        "sampa",
        "tier",
        "timit",
        "transcription",
        "x-sampa",
        "xsampa",
        "v1",
        "v2",
        "ort",
        "kan",
        "mau",
        "raw",
        "broad",
        "narrow",
        "english",
        "german",
        "french",
        "spanish",
        "the",
        "all",
    ]
)


class SpeakerTiers(NamedTuple):
    """The phone tier of one speaker (None if the names do not tell) and the word tier that goes with it.

    `sure` is False where the name of the one phone tier may hold a speaker or anything else: the layout knows better.
    """

    speaker: str | None
    phones: Tier
    words: Tier | None
    sure: bool = True


class _Reading(NamedTuple):
    """A way to read a tier's name."""

    speaker: str | None
    kind: str
    clear: bool = True


_Found = dict[str | None, tuple[_Reading, Tier]]


def choose_tiers(
    grid: TextGrid,
    path: Path,
    phone_tier: str | None = None,
    word_tier: str | None = None,
    speaker_tier: str | None = None,
) -> tuple[list[SpeakerTiers], list[str]]:
    """Find the phone tier of each speaker, with its word tier.

    Tiers of several speakers are called "Anna - phones" (MFA, FAVE), "segment - Anna" (LaBB-CAT), or by hand "ANNA:
    phones", "phones@ANNA", "spk1-phones", "spk1_phones", "A.phones", "phones (A)", "phones1".

    Parameters
    ----------
    grid : TextGrid
        The alignment.
    path : path
        Its file, for messages.
    phone_tier, word_tier : str, optional
        Names given by the user, with or without the speaker; case does not matter.
    speaker_tier : str, optional
        What the phone tiers of several speakers are called: ``{speaker}_phones``.

    Returns
    -------
    tiers : list of SpeakerTiers
        At least one.
    warnings : list of str
        What had to be decided between tiers of the same name, and tiers of phones that are not used.

    Raises
    ------
    CorpusError
        If there is no such tier, or it cannot be told which of several is meant; the message lists the tiers.
    """
    layout = tuple((tier.name, tier.kind) for tier in grid.tiers)
    try:
        places, warnings = _places(layout, phone_tier, word_tier, speaker_tier)
    except CorpusError:
        return _choose(grid, path, phone_tier, word_tier, speaker_tier)  # fails too, and names the file
    tiers = grid.tiers
    return [
        SpeakerTiers(speaker, tiers[phones], None if words is None else tiers[words], sure)
        for speaker, phones, words, sure in places
    ], list(warnings)


@lru_cache(maxsize=256)
def _places(
    layout: tuple[tuple[str, Literal["interval", "point"]], ...], *names: str | None
) -> tuple[list[tuple[str | None, int, int | None, bool]], list[str]]:
    """Which tiers to take of an alignment that has tiers of these names and kinds: most of a corpus have the same."""
    tiers = tuple(Tier(name, kind=kind) for name, kind in layout)
    place = {id(tier): number for number, tier in enumerate(tiers)}
    chosen, warnings = _choose(TextGrid(0.0, 0.0, tiers), Path(), *names)
    return [
        (speaker, place[id(phones)], place[id(words)] if words else None, sure)
        for speaker, phones, words, sure in chosen
    ], warnings


def _choose(
    grid: TextGrid, path: Path, phone_tier: str | None, word_tier: str | None, speaker_tier: str | None
) -> tuple[list[SpeakerTiers], list[str]]:
    warnings: list[str] = []
    if speaker_tier:
        phones = _by_pattern(grid, speaker_tier, warnings)
        if not phones:
            raise CorpusError(_missing(grid, path, speaker_tier, "--speaker-tier"))
    else:
        phones = _by_speaker(grid, (phone_tier.casefold().strip(),) if phone_tier else PHONE_TIERS, warnings)
        phones = _settled(grid, path, phones, warnings) if not phone_tier else phones
    if not phones:
        raise CorpusError(_missing(grid, path, phone_tier or "phones", "--phone-tier"))
    words = _by_speaker(grid, (word_tier.casefold().strip(),) if word_tier else WORD_TIERS, warnings)
    if word_tier and not words:
        raise CorpusError(_missing(grid, path, word_tier, "--word-tier"))
    # One word tier under another name than the one phone tier ("segment", "transcript - Anna") is still the right one.
    only = next(iter(words.values()))[1] if len(words) == len(phones) == 1 else None
    chosen = []
    for key, (reading, tier) in phones.items():
        sure = speaker_tier is not None or reading.clear or len(phones) > 1
        chosen.append(SpeakerTiers(reading.speaker, tier, words[key][1] if key in words else only, sure))
    return chosen, warnings


def has_words_alone(grid: TextGrid) -> bool:
    """Whether the names of the tiers say that there are words or phrases, and no phones.

    Parameters
    ----------
    grid : TextGrid
        The alignment.
    """
    readings = [_reading(tier.name, _KINDS) for tier in grid.tiers if tier.kind == "interval"]
    return bool(readings) and all(reading is not None and reading.kind not in PHONE_TIERS for reading in readings)


def _settled(grid: TextGrid, path: Path, phones: _Found, warnings: list[str]) -> _Found:
    """Tiers found by the usual names, made sure that none of several is taken or passed over silently."""
    intervals = [tier for tier in grid.tiers if tier.kind == "interval"]
    weak = {key: found for key, found in phones.items() if not found[0].clear}
    if None in phones and weak:
        if any(_NUMBERED.fullmatch(tier.name.strip()) for _, tier in weak.values()):
            raise CorpusError(_several(path, [tier.name for _, tier in phones.values()]))
        phones = {key: found for key, found in phones.items() if key not in weak}
    taken = [tier for _, tier in phones.values()]
    further = [
        tier
        for tier in intervals
        if _LOOKS_LIKE_PHONES.search(tier.name.casefold())
        and not _WORDS_OF_MAUS.search(tier.name.casefold())
        and not any(tier is other for other in taken)
    ]
    if not phones:
        if len(further) > 1:
            raise CorpusError(_several(path, [tier.name for tier in further]))
        return {None: (_Reading(None, ""), further[0])} if further else {}
    # Other kinds of phone tier of the same speakers ("Phonetic" beside "Phoneme") are a choice by rank, as ever.
    unused = [tier.name for tier in further if (_reading(tier.name, _KINDS) or _Reading("?", "")).speaker is not None]
    unused = [name for name in unused if _key(_reading(name, _KINDS)) not in phones]
    if unused:
        used = ", ".join(repr(tier.name) for tier in taken)
        warnings.append(
            f"of the tiers of phones {used} is read, not {', '.join(map(repr, unused))}; if these are further speakers,"
            ' say how they are called: --speaker-tier "{speaker}_phones"'
        )
    return phones


def _by_speaker(grid: TextGrid, names: tuple[str, ...], warnings: list[str]) -> _Found:
    """Best tier of each speaker whose name is one of `names` (best first)."""
    best: dict[str | None, tuple[int, _Reading, Tier]] = {}
    kinds = _KINDS if names in (PHONE_TIERS, WORD_TIERS) else _KINDS.union(names)
    for tier in grid.tiers:
        reading = _reading(tier.name, kinds, names)
        if tier.kind != "interval" or reading is None or reading.kind not in names:
            continue
        key, rank = _key(reading), names.index(reading.kind)
        if key in best and best[key][0] == rank:
            same = best[key][2].name
            what = (
                f"two tiers are called {tier.name!r}"
                if same.casefold() == tier.name.casefold()
                else f"{same!r} and {tier.name!r} are one"
            )
            warnings.append(f"{what}; the first is used")
        elif key not in best or rank < best[key][0]:
            best[key] = rank, reading, tier
    return {key: (reading, tier) for key, (_, reading, tier) in best.items()}


def _by_pattern(grid: TextGrid, pattern: str, warnings: list[str]) -> _Found:
    form = speaker_pattern(pattern, "--speaker-tier")
    found: _Found = {}
    for tier in grid.tiers:
        match = form.fullmatch(composed(tier.name.strip()))
        if match is None or tier.kind != "interval":
            continue
        reading = _Reading(match["speaker"].strip(), pattern)
        if _key(reading) in found:
            warnings.append(f"two tiers are called {tier.name!r}; the first is used")
        found.setdefault(_key(reading), (reading, tier))
    return found


def _key(reading: _Reading | None) -> str | None:
    return None if reading is None or reading.speaker is None else composed(reading.speaker).casefold()


@lru_cache(maxsize=1024)
def _reading(name: str, kinds: Collection[str], first: Collection[str] = ()) -> _Reading | None:
    """Read a tier's name as the kind of tier and whose it is; None if it is of no such kind."""
    whole = composed(name.strip().removesuffix(" (rough)"))
    if whole.casefold() in first or whole.casefold() in kinds:
        return _Reading(None, whole.casefold())
    readings = [
        (speaker.strip(), kind.strip().casefold(), clear)
        for speaker, kind, clear in _divisions(whole)
        if speaker.strip()
    ]
    # "Anna - ORT-MAU" is of the kind ORT-MAU, not MAU: the longest kind is right, a clear mark better than a weak one.
    fitting = [each for each in readings if each[1] in kinds and each[0].strip("-_. ").casefold() not in _NOBODY]
    if not fitting:
        return None
    speaker, kind, clear = max(fitting, key=lambda each: (each[2], len(each[1])))
    return _Reading(speaker, kind, clear)


def _divisions(name: str) -> Iterator[tuple[str, str, bool]]:
    """All ways to divide a name into (speaker, kind, whether the mark between them is a clear one)."""
    for clear, marks in ((True, _CLEAR), (False, _WEAK)):
        for mark in marks:
            before, found, after = name.rpartition(mark)
            first, _, rest = name.partition(mark)
            if found:
                yield from ((before, after, clear), (first, rest, clear), (rest, first, clear), (after, before, clear))
    for form, clear in ((_BRACKETS, True), (_NUMBERED, False)):
        match = form.fullmatch(name)
        if match:
            yield match["speaker"], match["kind"].rstrip(" -_."), clear


def _several(path: Path, names: Sequence[str]) -> str:
    return (
        f"{path} has several tiers of phones, and their names do not tell whose they are: {', '.join(names)}. Say how "
        'those of the speakers are called (--speaker-tier "{speaker}_phones"), or pass --phone-tier for one of them'
    )


def _missing(grid: TextGrid, path: Path, name: str, option: str) -> str:
    tiers = [tier.name for tier in grid.tiers if tier.kind == "interval"]
    points = [tier.name for tier in grid.tiers if tier.kind == "point"]
    note = f" (points, not intervals: {', '.join(points)})" if points else ""
    if option == "--speaker-tier":
        return (
            f"no tier of {path} fits --speaker-tier {name!r}; it has: {', '.join(tiers) or 'no interval tiers'}{note}"
        )
    advice = f" Pass {option} {tiers[-1] if len(tiers) == 1 or option == '--phone-tier' else tiers[0]}" if tiers else ""
    return f"tier {name!r} not found in {path}; it has: {', '.join(tiers) or 'no interval tiers'}{note}.{advice}"
