"""Phone sets of English (ARPABET, TIMIT, SAMPA of MAUS, IPA of MFA), their detection, and their mapping to IPA classes.

The table is ``data/phones.csv``. Choices that change counts: ARPABET IY0 (happY) is i, ER0 and every other spelling of
ɚ is ɝ with stress 0, AH0 is ə, TIMIT ux and MFA ʉ are u, MFA c is k, and MFA t̪ (stopped th) is θ.
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

PHONE_SETS = ("arpabet", "timit", "sampa", "ipa")
# The table's last spelling column is called after the aligner whose IPA is the most particular.
_COLUMN = {"arpabet": "arpabet", "timit": "timit", "sampa": "sampa", "ipa": "mfa"}
VOWEL_KINDS = frozenset({"vowel", "diphthong"})

# Labels, in lower case, of silence, breath, noise, laughter and unknown words, over all aligners.
SILENCES = frozenset(
    {"", "sp", "sil", "spn", "silence", "pau", "epi", "h#", "#", "_", "<p:>", "<p>", "<nib>", "<usb>", "<s>", "</s>"}
    | {"ns", "lg", "br", "cg", "ls", "noise", "vocnoise", "laugh"}
)
_NON_SPEECH = re.compile(r"<[^>]*>|\{[^}]+\}|\[[^\]]+\]")
_POSITION = re.compile(r"(?<=.)_[BISE]$|#\d+$")
_STRESS_MARKS = {"ˈ": 1, "ˌ": 2}
_TONES = re.compile("[˥˦˧˨˩ꜛꜜ↗↘]")
_LIGATURES = {"ʧ": "tʃ", "ʤ": "dʒ", "ʦ": "ts", "ʣ": "dz", "g": "ɡ", ":": "ː", "\u0361": "", "\u035c": ""}
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


def is_silence(label: str) -> bool:
    """Whether a label stands for silence, noise or anything but a phone (``{LG}``, ``<usb>`` ...)."""
    label = label.strip()
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


def detect_phone_set(labels: Iterable[str]) -> str:
    """Tell which phone set labels are written in.

    A stress digit on an ARPABET vowel settles it. Otherwise the labels that only one set has decide; where several sets
    have some of their own, the one that knows most labels wins.

    Raises
    ------
    CorpusError
        If the labels do not decide it, with the evidence.
    """
    seen = sorted({label.strip() for label in labels if not is_silence(label)})
    if not seen:
        raise CorpusError("the phone set cannot be told: the tier holds only silence. Is it the right tier?")
    known = {name: {label for label in seen if _is_spelling(label, name)} for name in PHONE_SETS}
    if any(re.fullmatch(r"[A-Za-z]{2}[012]", _POSITION.sub("", label)) for label in known["arpabet"]):
        return "arpabet"
    only = {name: known[name].difference(*(known[o] for o in PHONE_SETS if o != name)) for name in PHONE_SETS}
    candidates = sorted((name for name in PHONE_SETS if only[name]), key=lambda name: -len(known[name]))
    if candidates and (len(candidates) == 1 or len(known[candidates[0]]) > len(known[candidates[1]])):
        return candidates[0]
    own = {name: " ".join(sorted(only[name])[:5]) or "none" for name in PHONE_SETS}
    evidence = "; ".join(f"{name} knows {len(known[name])}, {own[name]} of its own" for name in PHONE_SETS)
    raise CorpusError(
        f"the phone set cannot be told from {len(seen)} labels ({' '.join(seen[:15])}): {evidence}. "
        f"Say which it is: --phone-set {'|'.join(PHONE_SETS)}"
    )


def load_mapping(path: str | Path) -> dict[str, str]:
    """Read a user's mapping: a CSV with the columns ``phone`` (as written) and ``label`` (IPA, alias, or a new class).

    Raises
    ------
    CorpusError
        With file and line, if a column or a cell is missing or a phone is mapped twice.
    """
    path = Path(path)
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise CorpusError(f"the mapping {path} cannot be read as UTF-8 text ({error})") from error
    rows = csv.DictReader(lines)
    columns = rows.fieldnames or []
    if not {"phone", "label"} <= set(columns):
        raise CorpusError(f"{path}: expected the columns phone,label; found: {', '.join(columns) or 'nothing'}")
    mapping: dict[str, str] = {}
    for row in rows:
        phone, label = _nfc((row["phone"] or "").strip()), _nfc((row["label"] or "").strip())
        if not phone or not label:
            raise CorpusError(f"{path}, line {rows.line_num}: both phone and label must be filled in")
        if phone in mapping:
            raise CorpusError(f"{path}, line {rows.line_num}: {phone!r} is mapped twice")
        try:
            mapping[phone] = resolve_label(label)
        except CorpusError:
            mapping[phone] = label
    return mapping


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
    label = _POSITION.sub("", _nfc(label))
    if phone_set == "arpabet":
        stressed = re.fullmatch(r"([A-Za-z]{2})[012]", label)
        return (stressed[1].upper() if stressed else label) in _spellings(phone_set)
    if phone_set == "ipa":
        return _look_up(label, "ipa")[0] is not None
    return label in _spellings(phone_set)


def _look_up(label: str, phone_set: str) -> tuple[str | None, int | None]:
    """Class and stress of one label."""
    table = _spellings(phone_set)
    label = _POSITION.sub("", _nfc(label.strip()))
    stress = None
    if phone_set == "ipa":
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
    stress = None
    for mark, value in _STRESS_MARKS.items():
        if mark in label:
            stress, label = value, label.replace(mark, "")
    if label[-1:] in ("0", "1", "2"):
        stress, label = int(label[-1]), label[:-1]
    for old, new in _LIGATURES.items():
        label = label.replace(old, new)
    return _nfc(_TONES.sub("", label)), stress


def _without_modifiers(label: str) -> list[str]:
    """`label` with ever less detail: secondary articulation, then diacritics, then length taken away."""
    plain = _MODIFIERS.sub("", label)
    bare = _nfc("".join(c for c in unicodedata.normalize("NFD", plain) if not unicodedata.combining(c)))
    return [plain, bare, bare.replace("ː", "")]


def _nfc(text: str) -> str:
    return unicodedata.normalize("NFC", text)
