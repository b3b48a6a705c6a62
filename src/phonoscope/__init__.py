"""Phonoscope shows what a neural network listens to in speech, in hertz and seconds, and how far to trust the picture.

The names below are the public face; each is imported on first use, so that ``import phonoscope`` stays instant.
``__init__.pyi`` lists them again for type checkers.
"""

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_HOME = {
    "Classifier": "phonoscope.classifier",
    "PhonoscopeError": "phonoscope.errors",
    "Recording": "phonoscope.frontends",
    "Run": "phonoscope.experiments.folder",
    "Spectrogram": "phonoscope.frontends",
    "Waveform": "phonoscope.frontends",
    "contrast": "phonoscope.attribution",
    "cut": "phonoscope.audio",
    "explain": "phonoscope.attribution",
    "formants": "phonoscope.phonetics.formants",
    "geometry": "phonoscope.layer_geometry",
    "load": "phonoscope.models",
    "load_recipe": "phonoscope.tasks",
    "manipulate": "phonoscope.manipulate",
    "methods": "phonoscope.attribution",
    "perceive": "phonoscope.tasks.perceive.call",
    "read_audio": "phonoscope.audio",
    "read_corpus": "phonoscope.corpora",
    "response_spectrum": "phonoscope.filters",
    "run_experiment": "phonoscope.tasks",
    "show": "phonoscope.report",
    "similarity": "phonoscope.models",
    "wrap": "phonoscope.models",
    "write_report": "phonoscope.tasks.reporting",
}

__all__ = ["__version__", *_HOME]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(_HOME[name]), name)
    raise AttributeError(f"module 'phonoscope' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
