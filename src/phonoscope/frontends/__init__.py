"""Front ends: modules that turn a batch of waveforms into a network's input and know its axes in Hz and s.

A front end takes zero-padded waveforms with their lengths, so tokens of different duration go through in one call, on
the device and with the gradients of the model. ``FrontEnd`` is the contract; ``Spectrogram``, ``Waveform`` and
``Recording`` keep it, and so do the pictures of others: ``KaldiFilterBank`` and ``WhisperLogMel``, and those that arise
inside a model (``InnerPicture``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from phonoscope.errors import ClassifierError
from phonoscope.frontends.contract import (
    DB_PER_UNIT,
    FrontEnd,
    as_samples,
    in_batches,
    listed_waveforms,
    pad_waveforms,
    warn_of_cuts,
)
from phonoscope.frontends.extractors import front_end_of
from phonoscope.frontends.inner import InnerPicture, axes_of
from phonoscope.frontends.kaldi import KaldiFilterBank
from phonoscope.frontends.recording import Recording
from phonoscope.frontends.spectrogram import Spectrogram
from phonoscope.frontends.waveform import Waveform
from phonoscope.frontends.whisper import WhisperLogMel
from phonoscope.registry import Registry

__all__ = [
    "DB_PER_UNIT",
    "FRONT_ENDS",
    "FrontEnd",
    "InnerPicture",
    "KaldiFilterBank",
    "Recording",
    "Spectrogram",
    "Waveform",
    "WhisperLogMel",
    "as_samples",
    "build_front_end",
    "front_end_of",
    "in_batches",
    "listed_waveforms",
    "pad_waveforms",
    "refuse_imports",
    "warn_of_cuts",
]


def _inner_picture(sample_rate: int, of: Mapping[str, Any], picture: str, axes: Mapping[str, Any]) -> InnerPicture:
    del sample_rate  # that of the front end before it
    return InnerPicture(build_front_end(**of), picture, axes_of(axes))


FRONT_ENDS: Registry[Callable[..., FrontEnd]] = Registry(
    "front end",
    {
        "spectrogram": Spectrogram,
        "waveform": Waveform,
        "recording": Recording,
        "kaldi-filter-bank": KaldiFilterBank,
        "whisper-log-mel": WhisperLogMel,
        InnerPicture.kind: _inner_picture,
    },
    error=ClassifierError,
)


def build_front_end(kind: str, **settings: Any) -> FrontEnd:
    """Build a front end by its name in ``FRONT_ENDS``, or by the import path of one that keeps the contract.

    An import path runs the code of its module: ask `refuse_imports` first where it stands in a file.

    Raises
    ------
    ClassifierError
        If there is none of that name, it does not take the settings, or what it gives is no ``FrontEnd``.
    """
    make = FRONT_ENDS.find(kind)
    try:
        front_end = make(**settings)
    except TypeError as error:
        raise ClassifierError(f"front end {kind!r} cannot be built from {sorted(settings)}: {error}") from error
    if not isinstance(front_end, FrontEnd):
        raise ClassifierError(
            f"front end {kind!r} gave a {type(front_end).__name__}; derive it from phonoscope.frontends.FrontEnd"
        )
    front_end.kind = kind
    return front_end


def refuse_imports(settings: Mapping[str, Any], where: Path, *, trust_imports: bool) -> None:
    """Raise ClassifierError if a front end that a file names would be imported, and that was not allowed.

    Parameters
    ----------
    settings
        ``kind`` and options of the front end.
    where
        The file or folder that names it.
    trust_imports
        Whether it was allowed.
    """
    FRONT_ENDS.refuse_import(str(settings.get("kind")), where, trust_imports=trust_imports)
    if isinstance(settings.get("of"), Mapping):
        refuse_imports(settings["of"], where, trust_imports=trust_imports)
