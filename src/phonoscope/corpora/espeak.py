"""Speech of espeak-ng with the times of its phones, through the library that comes with the program."""

import ctypes
import ctypes.util
from functools import cache
from typing import Any, NamedTuple

import numpy as np

from phonoscope.corpora.textgrid import Interval
from phonoscope.errors import CorpusError

INSTALL = "install espeak-ng: apt install espeak-ng, brew install espeak-ng, or the installer on its releases page"
# Constants of speak_lib.h, the library's public header.
_SYNCHRONOUS, _PHONEME_EVENTS, _IPA, _DO_NOT_EXIT, _UTF8 = 2, 1, 2, 0x8000, 1
_LAST, _WORD, _PHONEME = 0, 1, 7
# Length, syllabic and not, nasal.
_SIGNS = "ːˑ\u0329\u032f\u0303"


class _Name(ctypes.Union):
    _fields_ = (("number", ctypes.c_int), ("name", ctypes.c_char_p), ("string", ctypes.c_char * 8))


class _Event(ctypes.Structure):
    _fields_ = (
        ("type", ctypes.c_int), ("uid", ctypes.c_uint), ("text_position", ctypes.c_int), ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int), ("sample", ctypes.c_int), ("user_data", ctypes.c_void_p), ("id", _Name),
    )  # fmt: skip


_Callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event))


class Spoken(NamedTuple):
    """A text as espeak-ng speaks it.

    Attributes
    ----------
    waveform : ndarray, shape (samples,)
        Within [-1, 1].
    sample_rate : int
        In Hz.
    words : tuple of str
        As they stand in the text, those without sound left out.
    phones : tuple of Interval
        In IPA, times in s; pauses left out.
    word_of : tuple of int
        For each phone the number of its word.
    """

    waveform: np.ndarray
    sample_rate: int
    words: tuple[str, ...]
    phones: tuple[Interval, ...]
    word_of: tuple[int, ...]


@cache
def _library() -> tuple[Any, int]:
    """The library, ready to speak, and its sampling rate in Hz."""
    name = ctypes.util.find_library("espeak-ng")
    try:
        library = ctypes.CDLL(name or "libespeak-ng.so.1")
    except OSError as error:
        raise CorpusError(f"espeak-ng is not installed; {INSTALL}") from error
    rate = library.espeak_Initialize(_SYNCHRONOUS, 0, None, _PHONEME_EVENTS | _IPA | _DO_NOT_EXIT)
    if rate <= 0:
        raise CorpusError(f"espeak-ng does not find its own data; {INSTALL}")
    return library, rate


def require_voice(language: str) -> None:
    """Raise CorpusError if espeak-ng is not here or does not speak a language.

    Parameters
    ----------
    language : str
        One of its codes, such as "de" or "cmn"; ``espeak-ng --voices`` lists them.
    """
    library, _ = _library()
    if library.espeak_SetVoiceByName(language.encode()) != 0:
        raise CorpusError(f"espeak-ng has no voice called {language!r}; `espeak-ng --voices` lists those it has")


def speak(text: str, language: str) -> Spoken:
    """Speak a text and note when each phone begins (phoneme events of ``speak_lib.h``).

    Parameters
    ----------
    text : str
        What to say.
    language : str
        A code of espeak-ng.

    Returns
    -------
    Spoken
        The phones are the voice's own, written in IPA.

    Raises
    ------
    CorpusError
        If espeak-ng is not installed, has no such voice or says nothing.
    """
    require_voice(language)
    library, rate = _library()
    sound: list[np.ndarray] = []
    events: list[tuple[int, int, int, float, str]] = []

    def take(wave: Any, count: int, heard: Any) -> int:
        if count > 0 and wave:
            sound.append(np.ctypeslib.as_array(wave, (count,)).copy())
        index = 0
        while heard[index].type != _LAST:
            event = heard[index]
            label = event.id.string.decode("utf-8", "ignore") if event.type == _PHONEME else ""
            events.append((event.type, event.text_position, event.length, event.sample / rate, label))
            index += 1
        return 0

    callback = _Callback(take)
    library.espeak_SetSynthCallback(callback)
    raw = text.replace("\0", " ").encode("utf-8")
    library.espeak_Synth(raw, len(raw) + 1, 0, 1, 0, _UTF8, None, None)
    library.espeak_Synchronize()
    waveform = np.concatenate([np.zeros(0, np.int16), *sound]) / 32768.0
    return Spoken(waveform, rate, *_phones(text, language, events, len(waveform) / rate))


def _phones(
    text: str, language: str, events: list[tuple[int, int, int, float, str]], end: float
) -> tuple[tuple[str, ...], tuple[Interval, ...], tuple[int, ...]]:
    """Words, phones and the word of each phone; a phone ends where the next, or a pause, begins."""
    starts = [event[3] for event in events if event[0] == _PHONEME] + [end]
    words: list[str] = []
    phones: list[Interval] = []
    word_of: list[int] = []
    word, until, fresh, number, foreign, strange = "", 0, True, 0, False, 0
    for kind, position, length, start, label in events:
        # A number is several words, which begin inside the first.
        if kind == _WORD and position >= until:
            word, until, fresh = text[position - 1 : position - 1 + length], position + length, True
        if kind != _PHONEME:
            continue
        number += 1
        if label.startswith("("):
            foreign = label.strip("()") != language.split("-")[0]
            continue
        name = "".join(letter for letter in label if letter.isalpha() or letter in _SIGNS)
        if not name or starts[number] <= start:
            continue
        if fresh:
            words.append(word)
            fresh = False
        phones.append(Interval(start, starts[number], name))
        word_of.append(len(words) - 1)
        strange += foreign
    if not phones:
        raise CorpusError("espeak-ng says nothing for the transcript; are its letters those of the language?")
    if strange > len(phones) / 2:
        raise CorpusError(
            f"espeak-ng ({language}) speaks {strange} of {len(phones)} phones in another language, because it does not "
            "know these letters; are they those of the language? For Mandarin, write pinyin (nǐ hǎo or ni3 hao3) and "
            "choose cmn-latn-pinyin"
        )
    return tuple(words), tuple(phones), tuple(word_of)
