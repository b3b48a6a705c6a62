"""The rules by which intervals of alignments become tokens."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Self

import pandas as pd

from phonoscope.corpora.speakers import read_speakers
from phonoscope.errors import CorpusError
from phonoscope.phones.ipa import FOLDS


@dataclass(frozen=True)
class TokenRules:
    """Which intervals of the alignments become tokens, and what they are called.

    Parameters
    ----------
    phone_tier, word_tier : str, optional
        Names of the tiers; found by the aligners' habits otherwise.
    speaker_tier : str, optional
        What the phone tiers of several speakers are called where the usual spellings do not tell:
        ``{speaker}_phones``.
    speaker_from : str, optional
        Takes the speaker from the file name, ``{speaker}_*``, or from a folder, ``{speaker}/*``.
    phone_set : str
        A name in `phonoscope.phones.PHONE_SETS` ("arpabet", "ipa", "none" …), or "auto".
    mapping : path or mapping, optional
        CSV with the columns ``phone,label``, or a dict: overrides the phone set's own mapping.
    speakers : path or DataFrame, optional
        CSV with ``speaker`` and/or ``recording`` and any of ``sex``, ``channel``, ``dialect``, ``age`` ...: joined to
        the tokens.
    classes : str or sequence of str
        "paper", "vowels", "voiceless", "any-vowel", "all", "vowels:4", "mine", "as-written", or labels.
    stressed_only : bool
        Leave out vowels marked as unstressed.
    min_duration : float
        Shortest token, in s. Aligners give a phone at least 30 ms, whatever was said.
    max_per_class : int, optional
        Most tokens per class, drawn at random.
    balanced : bool
        Draw as many tokens of each class as the smallest one has.
    without_overlap : bool
        Leave out tokens during which another speaker of the recording speaks.
    exclude_words : collection of str, or str with commas
        Words whose phones are left out (upper or lower case).
    fold : collection of str, or str with commas
        What is no part of a phone of IPA or X-SAMPA: "nasal", "voiceless", "syllabic", "long".
    """

    phone_tier: str | None = None
    word_tier: str | None = None
    speaker_tier: str | None = None
    speaker_from: str | None = None
    phone_set: str = "auto"
    mapping: str | Path | Mapping[str, str] | None = None
    speakers: str | Path | pd.DataFrame | None = None
    classes: str | Sequence[str] = "paper"
    stressed_only: bool = False
    min_duration: float = 0.05
    max_per_class: int | None = None
    balanced: bool = False
    without_overlap: bool = False
    exclude_words: Collection[str] = ()
    fold: Collection[str] = ()

    def __post_init__(self) -> None:
        if self.min_duration < 0 or (self.max_per_class is not None and self.max_per_class < 1):
            raise CorpusError(
                f"min_duration {self.min_duration} must be at least 0 and max_per_class {self.max_per_class} at least 1"
            )
        words = self.exclude_words.split(",") if isinstance(self.exclude_words, str) else self.exclude_words
        object.__setattr__(self, "exclude_words", tuple(word.strip() for word in words if word.strip()))

        marks = self.fold.split(",") if isinstance(self.fold, str) else self.fold
        object.__setattr__(self, "fold", tuple(mark.strip() for mark in marks if mark.strip()))
        if unknown := set(self.fold) - set(FOLDS):
            raise CorpusError(f"fold {', '.join(sorted(unknown))}: only {', '.join(FOLDS)} can be folded")

    @property
    def names_channels(self) -> bool:
        """Whether the table of speakers says which channel is whose."""
        if self.speakers is None:
            return False
        table = self.speakers if isinstance(self.speakers, pd.DataFrame) else read_speakers(self.speakers)
        return "channel" in table.columns

    @classmethod
    def names(cls) -> list[str]:
        """Names of all rules."""
        return [rule.name for rule in fields(cls)]

    @classmethod
    def of(cls, **rules: Any) -> Self:
        """Make rules of keywords; CorpusError, with the names there are, for one that is not known."""
        unknown = [name for name in rules if name not in cls.names()]
        if unknown:
            raise CorpusError(
                f"{', '.join(unknown)}: no such rule of the token table; the rules are {', '.join(cls.names())}"
            )
        return cls(**rules)
