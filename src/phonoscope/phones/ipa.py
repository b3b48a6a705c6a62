"""Phones of any language: IPA and X-SAMPA in one spelling, and the kind of sound that the letters stand for.

The letters are those of the IPA chart (revised to 2020), X-SAMPA is J. C. Wells's of 1995.
"""

import re
import unicodedata

VOWELS = frozenset("iyɨʉɯuɪʏʊeøɘɵɤoəɛœɜɞʌɔæɐaɶɑɒɚɝᵻᵿɿʅ")
_GLIDES = frozenset("jwɥɰ")
_GLIDE_ENDS = frozenset("iɪuʊyʏeoəɐɯ")
_MANNERS = {
    "plosive": "pbtdʈɖcɟkɡqɢʔʡ",
    "nasal": "mɱnɳɲŋɴ",
    "trill": "ʙrʀ",
    "tap": "ⱱɾɽ",
    "fricative": "ɸβfvθðszʃʒʂʐçʝxɣχʁħʕhɦɕʑɧʜʢ",
    "lateral fricative": "ɬɮ",
    "approximant": "ʋɹɻjɰwɥʍ",
    "lateral": "lɫɭʎʟɺ",
    "implosive": "ɓɗʄɠʛ",
    "click": "ʘǀǃǂǁ",
}
_MANNER_OF = {letter: manner for manner, letters in _MANNERS.items() for letter in letters}
_VOICELESS = frozenset("ptʈckqʔʡɸfθsʃʂçxχħhɕɧʜɬʍ")
_LIGATURES = {"ʧ": "tʃ", "ʤ": "dʒ", "ʦ": "ts", "ʣ": "dz", "ʨ": "tɕ", "ʥ": "dʑ", "g": "ɡ", ":": "ː"}
_LIGATURES |= {"\u0361": "", "\u035c": ""}
_STRESS_MARKS = {"ˈ": 1, "ˌ": 2}
TONES = re.compile("[˥˦˧˨˩ꜛꜜ↗↘]+")
POSITION = re.compile(r"(?<=.)_[BISE]$|#\d+$")  # what Kaldi and MFA put behind a phone
_MODIFIERS = frozenset("ʰʱʲʷˠˤˀⁿˡ̚˞ːˑ")
_SYLLABIC = frozenset("\u0329\u030d")
FOLDS = {
    "nasal": "\u0303",
    "voiceless": "\u0325\u030a",
    "syllabic": "\u0329\u030d",
    "long": "ːˑ",
}

_X_SAMPA = {
    **dict(zip("ABCDEFGHIJKLMNOPQRSTUVWXYZ", "ɑβçðɛɱɣɥɪɲɬʎɯŋɔʋɒʁʃθʊʌʍχʏʒ", strict=True)),
    **dict(zip("123456789@{}&?!", "ɨøɜɾɫɐɤɵœəæʉɶʔꜜ", strict=True)),
    **{"g": "ɡ", ":": "ː", "~": "\u0303", "=": "\u0329", "`": "˞", "'": "ʲ", '"': "ˈ", "%": "ˌ"},
    **{"@`": "ɚ", "3`": "ɝ", "d`": "ɖ", "l`": "ɭ", "n`": "ɳ", "r`": "ɽ", "s`": "ʂ", "t`": "ʈ", "z`": "ʐ", r"r\`": "ɻ"},
    **{r"h\ "[:2]: "ɦ", r"j\ "[:2]: "ʝ", r"r\ "[:2]: "ɹ", r"R\ "[:2]: "ʀ", r"s\ "[:2]: "ɕ"},
    **{r"z\ "[:2]: "ʑ", r"x\ "[:2]: "ɧ", r"p\ "[:2]: "ɸ", r"v\ "[:2]: "ʋ", r"N\ "[:2]: "ɴ", r"I\ "[:2]: "ᵻ"},
    **{r"M\ "[:2]: "ɰ", r"L\ "[:2]: "ʟ", r"B\ "[:2]: "ʙ", r"G\ "[:2]: "ɢ", r"J\ "[:2]: "ɟ", r"X\ "[:2]: "ħ"},
    **{r"@\ "[:2]: "ɘ", r"3\ "[:2]: "ɞ", r"U\ "[:2]: "ᵿ", r"K\ "[:2]: "ɮ", r"l\ "[:2]: "ɺ", r":\ "[:2]: "ˑ"},
    **{"_h": "ʰ", "_j": "ʲ", "_w": "ʷ", "_d": "\u032a", "_0": "\u0325", "_v": "\u032c", "_~": "\u0303"},
    **{"_=": "\u0329", "_}": "\u031a", "_^": "\u032f", "_": ""},
}
_X_SAMPA_PARTS = re.compile("|".join(re.escape(key) for key in sorted(_X_SAMPA, key=len, reverse=True)) + "|[a-z]")


def from_x_sampa(label: str) -> str | None:
    """IPA of a phone in X-SAMPA; None if a character is not X-SAMPA."""
    if not label.isascii() or _X_SAMPA_PARTS.sub("", label):
        return None
    phone = "".join(_X_SAMPA.get(part, part) for part in _X_SAMPA_PARTS.findall(label))
    letters = [letter for letter in phone if letter in VOWELS]
    # "AE" or "a1" is some other set's way to write a vowel: no language's X-SAMPA glides that way.
    if len(letters) > 1 and letters[-1] not in _GLIDE_ENDS and len(set(letters)) > 1:
        return None
    return phone


def plainly_spelt(label: str) -> tuple[str, int | None]:
    """IPA without ligatures, tie bars and stress marks, and the stress that was marked."""
    stress = None
    for mark, value in _STRESS_MARKS.items():
        if mark in label:
            stress, label = value, label.replace(mark, "")
    for old, new in _LIGATURES.items():
        label = label.replace(old, new)
    return label, stress


def read_phone(label: str) -> tuple[str, int | None, str | None] | None:
    """One phone of IPA in one spelling, its stress (1, 2) and its tone letters; None if it is not one phone.

    Nasality, voicelessness, syllabicity, length and secondary articulation stay part of it.
    """
    label, stress = plainly_spelt(label)
    tone = "".join(TONES.findall(label)) or None
    phone = unicodedata.normalize("NFC", TONES.sub("", label))
    return (phone, stress, tone) if kind_of(phone) else None


def fold(phone: str, *what: str) -> str:
    """The phone without what is named (see `FOLDS`): ``fold("ɑ̃ː", "nasal", "long") == "ɑ"``."""
    gone = {mark for name in what for mark in FOLDS[name]}
    kept = "".join(mark for mark in unicodedata.normalize("NFD", phone) if mark not in gone)
    return unicodedata.normalize("NFC", kept)


def kind_of(phone: str) -> str | None:
    """Kind of one phone of IPA: vowel, diphthong, closure, or voicing and manner ("voiceless fricative").

    A syllabic fricative (the vowel of Mandarin *shi*) counts as a vowel. None if the letters are not one phone.
    """
    marks = unicodedata.normalize("NFD", phone.replace("ç", "\ue000")).replace("\ue000", "ç")
    letters = [mark for mark in marks if not unicodedata.combining(mark) and mark not in _MODIFIERS]
    if not letters or not all(letter in VOWELS or letter in _MANNER_OF for letter in letters):
        return None
    if any(letter in VOWELS for letter in letters):
        glides = sum(letter not in VOWELS for letter in letters)
        if len(letters) > 3 or not all(letter in VOWELS or letter in _GLIDES for letter in letters) or glides > 1:
            return None
        return "vowel" if len(set(letters)) == 1 else "diphthong"
    manners = [_MANNER_OF[letter] for letter in letters]
    if len(letters) > 1 and letters[0] != letters[1] and not (manners[0] == "plosive" and "fricative" in manners[1]):
        return None
    if len(letters) > 2:
        return None
    if "\u031a" in marks:
        return "closure"
    if manners[-1] == "fricative" and len(letters) == 1 and any(mark in _SYLLABIC for mark in marks):
        return "vowel"
    voiceless = letters[-1] in _VOICELESS or any(mark in marks for mark in FOLDS["voiceless"])
    manner = "affricate" if len(set(letters)) == 2 else manners[0]
    return f"{'voiceless' if voiceless else 'voiced'} {manner}"
