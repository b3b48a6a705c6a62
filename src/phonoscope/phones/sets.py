"""Phone sets of any language that keep each phone's own symbol; one row of ``data/phone_sets.csv`` is one set.

Inventories: MFA dictionaries (mfa-models, CC BY 4.0: German, Spanish of Spain, French, Brazilian Portuguese, Mandarin
of China 2.0–3.0, Japanese, Korean 3.0, Russian 3.1), WebMAUS German, DISC of CELEX and LaBB-CAT, Buckeye (Kiesling et
al. 2006), Wells's lexical sets (Wells 1982).
"""

import csv
import unicodedata
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import NamedTuple

from phonoscope.phones.ipa import POSITION, from_x_sampa, read_phone

_WELLS_DIPHTHONGS = frozenset("FACE GOAT PRICE CHOICE MOUTH NEAR SQUARE CURE".split())  # noqa: SIM905


class Found(NamedTuple):
    """Class of a phone as written, the stress and the tone that were marked."""

    label: str
    stress: int | None = None
    tone: str | None = None


@dataclass(frozen=True)
class PhoneSet:
    """A set: how its phones are written ("ipa", "x-sampa", "table" or "written"), and which there are (None: any)."""

    notation: str
    classes: dict[str, str] | None

    def find(self, label: str) -> Found | None:
        """What a phone as written stands for; None if the set does not have it."""
        label = unicodedata.normalize("NFC", label.strip())
        if self.notation in ("written", "table"):
            known = label if self.classes is None else self.classes.get(label)
            return Found(known) if known else None
        label = POSITION.sub("", label)
        written = from_x_sampa(label) if self.notation == "x-sampa" else label
        read = read_phone(written) if written else None
        if read is None or (self.classes is not None and read[0] not in self.classes):
            return None
        return Found(*read)


@cache
def phone_sets() -> dict[str, PhoneSet]:
    """All sets by name: "ipa", "x-sampa" and "none" have any phone, the others those of their inventory."""
    sets = {"ipa": PhoneSet("ipa", None), "x-sampa": PhoneSet("x-sampa", None), "none": PhoneSet("written", None)}
    text = files("phonoscope").joinpath("data/phone_sets.csv").read_text(encoding="utf-8")
    for row in csv.DictReader(text.splitlines()):
        phones = unicodedata.normalize("NFC", row["phones"]).split()
        if row["notation"] == "table":
            classes = dict(phone.split("=", 1) for phone in phones)
        elif row["notation"] == "written":
            classes = {phone: phone for phone in phones}
        else:
            any_phone = PhoneSet(row["notation"], None)
            found = filter(None, map(any_phone.find, phones))
            classes = {each.label: each.label for each in found}
        sets[row["set"]] = PhoneSet(row["notation"], classes)
    return sets


def kind_of_lexical_set(name: str) -> str | None:
    """ "vowel" or "diphthong" for one of Wells's lexical sets, None for other names."""
    if name not in (phone_sets()["wells"].classes or {}):
        return None
    return "diphthong" if name in _WELLS_DIPHTHONGS else "vowel"
