"""From running text to words that a pronouncing dictionary knows, and the dictionaries that users bring."""

import re
from collections.abc import Callable
from pathlib import Path

from phonoscope.corpora.textgrid import decode
from phonoscope.errors import CorpusError

# The phones of the acoustic model: ARPABET without stress, as in the CMU Pronouncing Dictionary.
MODEL_PHONES = (
    "AA", "AE", "AH", "AO", "AW", "AY", "B", "CH", "D", "DH", "EH", "ER", "EY", "F", "G", "HH", "IH", "IY", "JH", "K",
    "L", "M", "N", "NG", "OW", "OY", "P", "R", "S", "SH", "T", "TH", "UH", "UW", "V", "W", "Y", "Z", "ZH",
)  # fmt: skip
_VARIANT = re.compile(r"\((\d+)\)$")
# What a word may begin or end with; apostrophes and full stops inside or at its ends are tried both ways.
_EDGE = '"“”„‚‘«»()[]{}<>,;:!?…*_/\\–—-'
_BETWEEN = re.compile(r"[\s–—/]+|--+|…")


def spoken_words(text: str, known: Callable[[str], bool]) -> tuple[list[str], list[str]]:
    """Split a transcript into words of a dictionary.

    Case and punctuation are dropped; abbreviations ("mr."), leading apostrophes ("'tis") and hyphens ("x-ray") are kept
    where the dictionary has the word so, and taken apart where it has not.

    Parameters
    ----------
    text : str
        A transcript.
    known : callable
        Whether the dictionary has a word (in lower case).

    Returns
    -------
    words : list of str
        The words in order, in lower case, unknown ones included.
    unknown : list of str
        Those not in the dictionary (among them numbers written in digits), each once.
    """
    words: list[str] = []
    unknown: dict[str, None] = {}
    for piece in _BETWEEN.split(text.casefold().replace("’", "'").replace("`", "'")):
        for word in _readings(piece.strip(_EDGE), known):
            words.append(word)
            if not known(word):
                unknown[word] = None
    return words, list(unknown)


def _readings(piece: str, known: Callable[[str], bool]) -> list[str]:
    """One piece between blanks as the dictionary has it: whole, without its dots and quotes, or its hyphens undone."""
    bare = piece.strip(".'" + _EDGE)
    if not any(character.isalnum() for character in bare):
        return []
    for candidate in (piece, piece.strip("."), piece.strip("'"), bare):
        if known(candidate):
            return [candidate]
    # "twenty-one", "i.e."; but a number in digits stays whole, so that it is named as it is written.
    parts = re.split(r"[-.]", bare)
    if len(parts) > 1 and not any(character.isdigit() for character in bare):
        return [word for part in parts for word in _readings(part, known)]
    return [bare]


def read_dictionary(path: str | Path) -> dict[str, list[str]]:
    """Read a pronouncing dictionary in the format of CMUdict: ``WORD  P R AH0 N`` a line.

    Variants are lines with the same word or ``WORD(2)``; ``;;;`` and ``#`` begin comments. Stress digits are dropped:
    the acoustic model has none.

    Returns
    -------
    dict
        Word in lower case to its pronunciations (phones with blanks between), in the order of the file.

    Raises
    ------
    CorpusError
        With file and line, if the file is missing or empty, or a line has no phones or phones that are not ARPABET.
    """
    path = Path(path)
    if not path.is_file():
        raise CorpusError(f"pronouncing dictionary not found: {path}")
    entries: dict[str, list[str]] = {}
    for number, line in enumerate(decode(path.read_bytes())[0].split("\n"), 1):
        fields = line.split(";;;")[0].split("#")[0].split()
        if not fields:
            continue
        word = _VARIANT.sub("", fields[0]).casefold()
        phones = [re.sub(r"[012]$", "", phone.upper()) for phone in fields[1:]]
        strange = [phone for phone in phones if phone not in MODEL_PHONES]
        if not phones or strange:
            found = f"found {', '.join(strange)}" if strange else "found none"
            raise CorpusError(
                f"{path}, line {number}: expected a word and its phones in ARPABET ({', '.join(MODEL_PHONES[:4])} ... "
                f"{MODEL_PHONES[-1]}); {found} for {fields[0]!r}"
            )
        entries.setdefault(word, []).append(" ".join(phones))
    if not entries:
        raise CorpusError(f"{path} has no entries; expected lines such as: HAWED  HH AO1 D")
    return entries
