"""Phonoscope shows what a neural network listens to in speech, in hertz and seconds, and how far to trust the picture.

The names below are the public face; each is imported on first use, so that ``import phonoscope`` stays instant.
"""

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_HOME = {
    "read_corpus": "phonoscope.corpora",
    "Classifier": "phonoscope.classifier",
    "explain": "phonoscope.attribution",
    "contrast": "phonoscope.attribution",
    "methods": "phonoscope.attribution",
    "formants": "phonoscope.phonetics.formants",
    "Spectrogram": "phonoscope.frontends",
    "Waveform": "phonoscope.frontends",
    "read_audio": "phonoscope.audio",
    "response_spectrum": "phonoscope.filters",
    "geometry": "phonoscope.layer_geometry",
    "show": "phonoscope.report",
    "PhonoscopeError": "phonoscope.errors",
}

__all__ = ["__version__", *sorted(_HOME)]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(_HOME[name]), name)
    raise AttributeError(f"module 'phonoscope' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME})
