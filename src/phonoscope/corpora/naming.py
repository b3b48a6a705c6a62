"""What the phones of a corpus are called: the phone set, the user's mapping, and the kind of each class."""

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field

from phonoscope.corpora.rules import TokenRules
from phonoscope.errors import CorpusError
from phonoscope.phones import (
    ENGLISH_SETS,
    MOST_UNKNOWN,
    detect_phone_set,
    folded,
    is_silence,
    kind_of_class,
    map_phones,
)
from phonoscope.phones.ipa import fold
from phonoscope.phones.sets import phone_sets


@dataclass
class Naming:
    """Class (None: unknown) and stress of each phone as written, in the order given, and the kind of each class."""

    phone_set: str
    classes: list[str | None]
    stress: list[int | None]
    kinds: dict[str, str | None]
    folded: list[str] = field(default_factory=list)
    tells_kind: bool = False
    fold: tuple[str, ...] = ()

    def find(self, name: str) -> str | None:
        """Class of a phone as this set, which is not one of English, writes it."""
        found = phone_sets()[self.phone_set].find(name)
        if found is None or self.phone_set == "none":
            return None
        return fold(found.label, *self.fold)


def name_phones(
    counts: Mapping[str, int], rules: TokenRules, mapping: Mapping[str, str], of_format: str | None = None
) -> Naming:
    """Name the phones of a corpus.

    Parameters
    ----------
    counts : mapping
        Phone as written → how many there are.
    rules : TokenRules
        The phone set, what is folded, and whether classes are wanted as written.
    mapping : mapping
        Phone as written → class; goes first. Its ``kinds``, if it has any, say the kind of its classes.
    of_format : str, optional
        The phone set that the alignments' format prescribes.

    Raises
    ------
    CorpusError
        If the phone set cannot be told, or a guess leaves a quarter of the tokens unknown.
    """
    written = list(counts)
    given = {unicodedata.normalize("NFC", phone): label for phone, label in mapping.items()}
    rest = [p for p in written if unicodedata.normalize("NFC", p.strip()) not in given]
    phone_set, guessed = rules.phone_set, False
    if rules.classes == "as-written":
        phone_set = "none"
    elif phone_set == "auto":
        guessed = of_format is None
        phone_set = of_format or _guess(written, rest)
    classes, stress = map_phones(written, phone_set, mapping)
    if guessed:
        _check_guess(counts, classes, phone_set)
    if phone_set not in ENGLISH_SETS and phone_set != "none":
        classes = [
            fold(label, *rules.fold) if label is not None and phone in rest else label
            for phone, label in zip(written, classes, strict=True)
        ]
    kinds = _kinds(written, classes, phone_set, mapping)
    own = {phone: counts[phone] for phone in rest}
    tells = bool(mapping) or phone_set not in ENGLISH_SETS
    return Naming(phone_set, classes, stress, kinds, folded(own, phone_set), tells, tuple(rules.fold))


def _guess(written: list[str], rest: list[str]) -> str:
    """Phone set of the labels that the mapping leaves; "none" where it covers all and no stress is marked."""
    if any(not is_silence(label) for label in rest):
        try:
            return detect_phone_set(written)
        except CorpusError:
            return detect_phone_set(rest)
    try:
        found = detect_phone_set(written)
    except CorpusError:
        return "none"
    return found if found == "arpabet" else "none"


def _check_guess(counts: Mapping[str, int], classes: list[str | None], phone_set: str) -> None:
    spoken = {
        phone: (count, label)
        for (phone, count), label in zip(counts.items(), classes, strict=True)
        if label is not None or not is_silence(phone, phone_set)
    }
    total = sum(count for count, _ in spoken.values())
    unknown = {phone: count for phone, (count, label) in spoken.items() if label is None}
    if total and sum(unknown.values()) >= MOST_UNKNOWN * total:
        most = sorted(unknown, key=lambda phone: -unknown[phone])[:10]
        raise CorpusError(
            f"the phones look like {phone_set}, but {sum(unknown.values())} of {total} tokens are none of its phones: "
            f"{', '.join(f'{phone} ({unknown[phone]})' for phone in most)}. Say what they are with --phone-set "
            "(none takes them as they are written) or --mapping; phonoscope phones CORPUS lists all labels"
        )


def _kinds(
    written: list[str], classes: list[str | None], phone_set: str, mapping: Mapping[str, str]
) -> dict[str, str | None]:
    """Kind of each class: as the mapping says, as its name tells, else as the phone as written does."""
    said: Mapping[str, str] = getattr(mapping, "kinds", {})
    names = written
    if phone_set == "none":
        try:
            names = map_phones(written, detect_phone_set(written))[0]
        except CorpusError:
            names = written
    kinds: dict[str, str | None] = {}
    for phone, label, name in zip(written, classes, names, strict=True):
        if label is None or (is_silence(phone, phone_set) and phone not in mapping) or kinds.get(label):
            continue
        by_phone = kind_of_class(name) if name is not None else None
        first = by_phone if label == phone and phone_set == "none" else None
        kinds[label] = said.get(label) or first or kind_of_class(label) or by_phone
    return kinds
