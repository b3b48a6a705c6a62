"""Phone sets, their detection, and their mapping to classes.

English has a table of its own, ``data/phones.csv`` (ARPABET, TIMIT, SAMPA of MAUS, IPA of MFA). In every other set a
phone keeps its symbol (see ``ipa`` and ``sets``). Choices in English that change counts: ARPABET IY0 (happY) is i, ER0
and every other spelling of ɚ is ɝ with stress 0, AH0 is ə, TIMIT ux and MFA ʉ are u, MFA c is k, and MFA t̪ (stopped
th) is θ.
"""

import csv
import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path

from phonoscope.errors import CorpusError
from phonoscope.files import read_table
from phonoscope.phones.ipa import POSITION, TONES, from_x_sampa, kind_of, plainly_spelt
from phonoscope.phones.sets import kind_of_lexical_set, phone_sets

# Sets of English, whose phones are folded into the classes of the table; the value is the table's column.
_COLUMN = {"arpabet": "arpabet", "timit": "timit", "sampa": "sampa", "mfa-english": "mfa"}
ENGLISH_SETS = tuple(_COLUMN)
PHONE_SETS = (*ENGLISH_SETS, *phone_sets())
# A guess that leaves this part of the tokens unknown is no guess.
MOST_UNKNOWN = 0.25
VOWEL_KINDS = frozenset({"vowel", "diphthong"})

# Labels, in lower case, of silence, breath, noise, laughter and unknown words, over all aligners.
SILENCES = frozenset(
    {"", "sp", "sil", "spn", "silence", "pau", "epi", "h#", "#", "_", "<p:>", "<p>", "<nib>", "<usb>", "<s>", "</s>"}
    | {"ns", "lg", "br", "cg", "ls", "noise", "vocnoise", "laugh"}
)
_NON_SPEECH = re.compile(r"<[^>]*>|\{[^}]+\}|\[[^\]]+\]")
_BUCKEYE_NOISE = re.compile(r"(?:IVER|VOCNOISE|LAUGH|CUTOFF|EXCLUDE|SIL|NOISE|UNKNOWN|ERROR).*")
_MODIFIERS = re.compile("[ʰʱʲʷˠˤˀⁿˡ̚˞]")


@dataclass(frozen=True)
class Phone:
    """A phone of English: IPA class, kind, whether the papers use it, ASCII alias, spellings per phone set."""

    label: str
    kind: str
    paper: bool
    alias: str
    spellings: Mapping[str, tuple[str, ...]]
    reduced: frozenset[str]


@cache
def phones() -> tuple[Phone, ...]:
    """All phones of the table, in its order."""
    text = files("phonoscope").joinpath("data/phones.csv").read_text(encoding="utf-8")
    return tuple(
        Phone(
            label=_nfc(row["label"]),
            kind=row["kind"],
            paper=row["paper"] == "true",
            alias=row["alias"],
            spellings={name: tuple(_nfc(row[column]).split()) for name, column in _COLUMN.items()},
            reduced=frozenset(_nfc(row["reduced"]).split()),
        )
        for row in csv.DictReader(text.splitlines())
    )


def paper_vowels() -> list[str]:
    """The papers' five vowels: i æ ɝ ɑ u, in the order of the table."""
    return [phone.label for phone in phones() if phone.paper and phone.kind in VOWEL_KINDS]


def paper_voiceless() -> list[str]:
    """The papers' eight voiceless consonants."""
    return [phone.label for phone in phones() if phone.paper and phone.kind not in VOWEL_KINDS]


def vowels() -> list[str]:
    """All vowels and diphthongs of the table."""
    return [phone.label for phone in phones() if phone.kind in VOWEL_KINDS]


def resolve_label(name: str) -> str:
    """IPA class for its IPA symbol or its ASCII alias: ``resolve_label("er") == "ɝ"``.

    Raises
    ------
    CorpusError
        If there is no such phone; the message lists the aliases.
    """
    wanted = _nfc(name.strip())
    for phone in phones():
        if wanted == phone.alias or _plain_ipa(wanted)[0] == _plain_ipa(phone.label)[0]:
            return phone.label
    known = " ".join(f"{phone.label}={phone.alias}" for phone in phones() if phone.kind != "closure")
    raise CorpusError(f"there is no phone {name!r}; use IPA or its ASCII alias (case matters): {known}")


def is_silence(label: str, phone_set: str = "") -> bool:
    """Whether a label stands for silence, noise or anything but a phone (``{LG}``, ``<usb>`` ...).

    In DISC ``#`` and ``_`` are phones (START, and the consonant of *jam*).
    """
    label = POSITION.sub("", label.strip())
    if phone_set == "disc" and label in ("#", "_"):
        return False
    if phone_set == "buckeye" and _BUCKEYE_NOISE.fullmatch(label):
        return True
    return label.lower() in SILENCES or _NON_SPEECH.fullmatch(label) is not None


def map_phones(
    labels: Iterable[str], phone_set: str, overrides: Mapping[str, str] | None = None
) -> tuple[list[str | None], list[int | None]]:
    """Map phones as written to IPA classes.

    Stress digits and marks, position suffixes (``_B``), tie bars, ligatures, composed and decomposed letters and, in
    IPA, secondary articulations and length that the table does not know are seen through.

    Parameters
    ----------
    labels : iterable of str
        Phones as written.
    phone_set : str
        One of `PHONE_SETS`.
    overrides : mapping, optional
        Phone as written to class; takes precedence over the table.

    Returns
    -------
    classes : list of (str or None)
        None where the table has no such phone.
    stress : list of (int or None)
        2, 1 or 0 where the spelling says so.

    Raises
    ------
    CorpusError
        If `phone_set` is unknown.
    """
    if phone_set not in PHONE_SETS:
        raise CorpusError(f"there is no phone set {phone_set!r}; use one of {', '.join(PHONE_SETS)}, or auto")
    labels = list(labels)
    given = {_nfc(phone): label for phone, label in (overrides or {}).items()}
    known = {label: _look_up(label, phone_set) for label in set(labels)}
    classes = [given.get(_nfc(label.strip()), known[label][0]) for label in labels]
    return classes, [known[label][1] for label in labels]


def tones_of(labels: Iterable[str], phone_set: str) -> list[str | None]:
    """Tone letters of each label where the set marks tone; they are no part of the class."""
    if phone_set in ENGLISH_SETS:
        return [None for _ in labels]
    found = (phone_sets()[phone_set].find(label) for label in labels)
    return [each.tone if each else None for each in found]


def kind_of_class(name: str) -> str | None:
    """Kind of a class by its name: IPA, one of Wells's lexical sets, or X-SAMPA; None if the name does not tell."""
    known = {phone.label: phone.kind for phone in phones()}
    in_x_sampa = from_x_sampa(name)
    return (
        kind_of_lexical_set(name)
        or kind_of(_plain_ipa(name)[0])
        or known.get(name)
        or (kind_of(in_x_sampa) if in_x_sampa else None)
    )


def folded(counts: Mapping[str, int], phone_set: str) -> list[str]:
    """Foldings of a language's set that change a phone, as "a (42) → æ"; `counts` is of phones as written."""
    if phone_set != "mfa-english":
        return []
    lines = []
    for written, count in counts.items():
        label, own = _look_up(written, phone_set)[0], phone_sets()["ipa"].find(written)
        if label is not None and own is not None and own.label != label:
            lines.append(f"{written} ({count}) → {label}")
    return lines


def known_share(counts: Mapping[str, int], phone_set: str) -> float:
    """Share of the tokens, without silence, that a set knows; 0 where all is silence."""
    spoken = {label: count for label, count in counts.items() if not is_silence(label, phone_set)}
    known = sum(count for label, count in spoken.items() if _is_spelling(label, phone_set))
    return known / sum(spoken.values()) if spoken else 0.0


def detect_phone_set(labels: Iterable[str]) -> str:
    """Tell which phone set labels are written in.

    A stress digit on an ARPABET vowel settles it, a digit or ``$`` among single characters DISC, r-coloured vowels or ɹ
    in IPA English. Otherwise the set that knows most labels wins. IPA stands for every language.

    Raises
    ------
    CorpusError
        If the labels do not decide it, with the evidence.
    """
    written = {label.strip() for label in labels}
    seen = sorted(label for label in written if not is_silence(label))
    if not seen:
        raise CorpusError("the phone set cannot be told: the tier holds only silence. Is it the right tier?")
    names = (*ENGLISH_SETS, "buckeye", "ipa", "x-sampa", "wells", "disc")
    known = {name: {label for label in seen if _is_spelling(label, name)} for name in names}
    if any(re.fullmatch(r"[A-Za-z]{2}[012]", POSITION.sub("", label)) for label in known["arpabet"]):
        return "arpabet"
    of_disc = len(written & set("12456789$#_")) >= 2 and max(map(len, seen)) == 1
    if not of_disc:
        del known["disc"]
    if not any(_plain_ipa(label)[0] in _ENGLISH_ONLY for label in seen):
        del known["mfa-english"]
    most = max(map(len, known.values()))
    best = [name for name in known if len(known[name]) == most > 0]
    for name in ("disc", "mfa-english", "wells"):
        if name in best:
            return name
    if best and len({tuple(map_phones(seen, name)[0]) for name in best}) == 1:
        return "ipa" if "ipa" in best else best[0]
    if len(best) > 1 and not {"arpabet", "sampa"} <= set(best):
        best = best[:1]  # a set of English that knows all of them, before the sets of every language
    if len(best) == 1:
        return best[0]
    evidence = "; ".join(f"{name} knows {len(known[name])}" for name in known)
    raise CorpusError(
        f"the phone set cannot be told from {len(seen)} labels ({' '.join(seen[:15])}): {evidence}. "
        f"Say which it is: --phone-set {'|'.join(PHONE_SETS)}, or give a --mapping that covers all labels"
    )


class PhoneMapping(dict[str, str]):
    """Phone as written → class, and in ``kinds`` what a third column says of the classes."""

    kinds: dict[str, str]

    def __init__(self, classes: Mapping[str, str] = (), kinds: Mapping[str, str] | None = None) -> None:  # ty: ignore[invalid-parameter-default]
        super().__init__(classes)
        self.kinds = dict(kinds or {})


def load_mapping(path: str | Path) -> PhoneMapping:
    """Read a user's mapping: ``phone`` (as written), ``label`` (the class, as it is to be called) and maybe ``kind``.

    Comma, semicolon or tab; UTF-8, UTF-16 or Windows-1252. A class is called what the file says: only IPA, or an ASCII
    alias of two letters or more (``er``) for a phone as written that is not called the same, is a phone of English.

    Raises
    ------
    CorpusError
        With file and line, if a column or a cell is missing or a phone is mapped twice.
    """
    table = read_table(path, what="mapping").fillna("")
    if not {"phone", "label"} <= set(table.columns):
        raise CorpusError(f"{path}: expected the columns phone,label; found: {', '.join(table.columns) or 'nothing'}")
    mapping = PhoneMapping()
    for line, row in enumerate(table.to_dict("records"), 2):
        phone, label = row["phone"], row["label"]
        if not phone or not label:
            raise CorpusError(f"{path}, line {line}: both phone and label must be filled in")
        if phone in mapping:
            raise CorpusError(f"{path}, line {line}: {phone!r} is mapped twice")
        mapping[phone] = label if label == phone else _english(label)
        if kind := row.get("kind", ""):
            mapping.kinds[mapping[phone]] = kind
    return mapping


def _english(label: str) -> str:
    try:
        return resolve_label(label)
    except CorpusError:
        return label


# Where MFA's English knows all phones that are seen, one of these makes them English.
_ENGLISH_ONLY = frozenset({"æ", "ɹ", "ɝ", "ɚ", "ej", "ow", "əw"})


@cache
def _spellings(phone_set: str) -> dict[str, tuple[str, bool]]:
    """Spelling to (class, whether the spelling itself says that the vowel is unstressed)."""
    return {
        spelling: (phone.label, spelling in phone.reduced)
        for phone in phones()
        for spelling in phone.spellings[phone_set]
    }


def _is_spelling(label: str, phone_set: str) -> bool:
    """Whether `label` is written exactly as `phone_set` writes, upper and lower case included."""
    if phone_set not in ENGLISH_SETS:
        return _look_up(label, phone_set)[0] is not None
    label = POSITION.sub("", _nfc(label))
    if phone_set == "arpabet":
        stressed = re.fullmatch(r"([A-Za-z]{2})[012]", label)
        return (stressed[1].upper() if stressed else label) in _spellings(phone_set)
    if phone_set == "mfa-english":
        return _look_up(label, phone_set)[0] is not None
    return label in _spellings(phone_set)


def _look_up(label: str, phone_set: str) -> tuple[str | None, int | None]:
    """Class and stress of one label."""
    if phone_set not in ENGLISH_SETS:
        found = phone_sets()[phone_set].find(label)
        return (found.label, found.stress) if found else (None, None)
    table = _spellings(phone_set)
    label = POSITION.sub("", _nfc(label.strip()))
    stress = None
    if phone_set == "mfa-english":
        label, stress = _plain_ipa(label)
        candidates = [label, *_without_modifiers(label)]
    elif phone_set == "sampa":
        stress = {'"': 1, "%": 2}.get(label[:1])
        candidates = [label.lstrip("\"%'")]
    else:
        label = label.upper() if phone_set == "arpabet" else label.lower()
        candidates = [label]
        if label[-1:] in ("0", "1", "2"):
            stress = int(label[-1])
            candidates.append(label[:-1])
    for candidate in candidates:
        if candidate in table:
            phone, is_reduced = table[candidate]
            return phone, 0 if is_reduced and stress is None else stress
    return None, None


def _plain_ipa(label: str) -> tuple[str, int | None]:
    """IPA in one spelling (no ligature, tie bar, tone or stress mark), and the stress that was marked."""
    label, stress = plainly_spelt(label)
    if label[-1:] in ("0", "1", "2"):
        stress, label = int(label[-1]), label[:-1]
    return _nfc(TONES.sub("", label)), stress


def _without_modifiers(label: str) -> list[str]:
    """`label` with ever less detail: secondary articulation, then diacritics, then length taken away."""
    plain = _MODIFIERS.sub("", label)
    bare = _nfc("".join(c for c in unicodedata.normalize("NFD", plain) if not unicodedata.combining(c)))
    return [plain, bare, bare.replace("ː", "")]


def _nfc(text: str) -> str:
    return unicodedata.normalize("NFC", text)
