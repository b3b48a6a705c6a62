"""Which tier holds the phones, which the words, and whose they are: the naming habits of the aligners."""

import re
from pathlib import Path
from typing import NamedTuple

from phonoscope.corpora.textgrid import TextGrid, Tier
from phonoscope.errors import CorpusError

# Best first. MFA and EasyAlign: phones, words; FAVE: phone, word; WebMAUS and Common Phone: MAU, ORT-MAU; LaBB-CAT:
# segment, transcript; SPPAS: PhonAlign, TokensAlign; emuR: Phonetic or Phoneme, Word or Text.
PHONE_TIERS = ("phones", "phone", "mau", "segment", "segments", "phonalign", "phonetic", "phoneme", "phonemes")
WORD_TIERS = ("words", "word", "ort-mau", "ort", "tokensalign", "transcript", "text")
_LOOKS_LIKE_PHONES = re.compile(r"(?:^|\W)(?:phones?|phon(?:eme|etic)s?|phonalign|segments?|mau)(?:$|\W)")
_WORDS_OF_MAUS = re.compile(r"(?:ort|kan)-mau")


class SpeakerTiers(NamedTuple):
    """The phone tier of one speaker (None if the names do not tell) and the word tier that goes with it."""

    speaker: str | None
    phones: Tier
    words: Tier | None


def choose_tiers(
    grid: TextGrid, path: Path, phone_tier: str | None = None, word_tier: str | None = None
) -> tuple[list[SpeakerTiers], list[str]]:
    """Find the phone tier of each speaker, with its word tier.

    Tiers of several speakers are called "Anna - phones" (MFA, FAVE) or "segment - Anna" (LaBB-CAT).

    Parameters
    ----------
    grid : TextGrid
        The alignment.
    path : path
        Its file, for messages.
    phone_tier, word_tier : str, optional
        Names given by the user, with or without the speaker; case does not matter.

    Returns
    -------
    tiers : list of SpeakerTiers
        At least one.
    warnings : list of str
        What had to be decided between tiers of the same name.

    Raises
    ------
    CorpusError
        If there is no such tier; the message lists the tiers.
    """
    warnings: list[str] = []
    phones = _by_speaker(grid, (phone_tier.casefold(),) if phone_tier else PHONE_TIERS, warnings)
    if not phones and not phone_tier:
        loose = [
            tier
            for tier in grid.tiers
            if tier.kind == "interval"
            and _LOOKS_LIKE_PHONES.search(tier.name.casefold())
            and not _WORDS_OF_MAUS.search(tier.name.casefold())
        ]
        phones = {None: loose[0]} if loose else {}
    if not phones:
        raise CorpusError(_missing(grid, path, phone_tier or "phones", "--phone-tier"))
    words = _by_speaker(grid, (word_tier.casefold(),) if word_tier else WORD_TIERS, warnings)
    if word_tier and not words:
        raise CorpusError(_missing(grid, path, word_tier, "--word-tier"))
    # One word tier under another name than the one phone tier ("segment", "transcript - Anna") is still the right one.
    only = next(iter(words.values())) if len(words) == len(phones) == 1 else None
    return [SpeakerTiers(speaker, tier, words.get(speaker, only)) for speaker, tier in phones.items()], warnings


def _by_speaker(grid: TextGrid, names: tuple[str, ...], warnings: list[str]) -> dict[str | None, Tier]:
    """Best tier of each speaker whose name is one of `names` (best first)."""
    best: dict[str | None, tuple[int, Tier]] = {}
    for tier in grid.tiers:
        for speaker, name in _readings(tier.name):
            if name not in names or tier.kind != "interval":
                continue
            rank = names.index(name)
            if speaker in best and best[speaker][0] == rank:
                warnings.append(f"two tiers are called {tier.name!r}; the first is used")
            elif speaker not in best or rank < best[speaker][0]:
                best[speaker] = rank, tier
            break
    return {speaker: tier for speaker, (_, tier) in best.items()}


def _readings(name: str) -> list[tuple[str | None, str]]:
    """Ways to read a tier's name as (speaker, kind): "phones", "Anna - phones", "segment - Anna", "phones (rough)"."""
    stripped = name.strip().removesuffix(" (rough)")
    before, dash, after = stripped.rpartition(" - ")
    first, _, rest = stripped.partition(" - ")
    readings: list[tuple[str | None, str]] = [(None, stripped.casefold())]
    if dash:
        readings += [(before.strip(), after.strip().casefold()), (rest.strip(), first.strip().casefold())]
    return readings


def _missing(grid: TextGrid, path: Path, name: str, option: str) -> str:
    tiers = [tier.name for tier in grid.tiers if tier.kind == "interval"]
    points = [tier.name for tier in grid.tiers if tier.kind == "point"]
    note = f" (points, not intervals: {', '.join(points)})" if points else ""
    advice = f" Pass {option} {tiers[-1] if len(tiers) == 1 or option == '--phone-tier' else tiers[0]}" if tiers else ""
    return f"tier {name!r} not found in {path}; it has: {', '.join(tiers) or 'no interval tiers'}{note}.{advice}"
