"""Which benchmarks there are."""

from importlib import import_module
from types import ModuleType

# One line a file; each has BARS, by what is measured, and `measure(rounds)`.
BENCHMARKS = {
    "cam": "class activation maps over a bare forward pass",
    "attribution": "other methods of attribution, and captum's",
    "spectrogram": "the front end, and short-time Fourier transforms token by token",
    "tokens": "from recordings to spectrograms, the paper's way, and librosa token by token",
    "formants": "formants and F0 of tokens, and Praat's",
    "long_recording": "formants of a recording of 90 minutes: CPU time and memory, their limits, and Praat",
    "manipulate": "sounds changed in one property a second",
    "synthesis": "tokens a second of a synthetic corpus",
    "filters": "response spectra and Wigner–Ville distributions, and plain ports of the formulas",
    "geometry": "measures of weights, and a plain port of the formulas",
    "textgrids": "reading 13 100 TextGrids, and praatio",
    "formats": "MB a second of each alignment format that is no TextGrid",
    "outside": "explaining a wav2vec 2.0 of base size, and captum and a bare forward pass on the same model",
    "perception": "territory maps and classification images of a network, and their limits",
    "viewer": "answers of the viewer to cues moved by hand, and their limits",
    "training": "steps of a training, and a bare PyTorch loop",
    "evidence": "judging four methods on a run of LJSpeech: CPU time and memory, and their limits",
    "gpu": "steps and class activation maps on a GPU, and bare ones on inputs that are made up",
    "scaling": "exponents of time and memory in tokens, their length, rows, classes and methods",
}
# Commands of their own beside them.
ELSEWHERE = {
    "truth": "every method scored where the truth was planted; by itself: phonoscope bench truth",
    "cues": "cue weights of models that use one cue or two; by itself: phonoscope bench cues",
}


def load(name: str) -> ModuleType:
    """Import a benchmark."""
    return import_module(f"benchmarks.{name}")
