"""Front ends that compute what a feature extractor of transformers does, by the settings of its own file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from phonoscope.frontends.contract import FrontEnd
from phonoscope.frontends.kaldi import KaldiFilterBank
from phonoscope.frontends.whisper import WhisperLogMel

Config = Mapping[str, Any]
# Whatever the sample rate, these extractors take frames of 400 samples, 160 apart.
_FRAME, _HOP = 400, 160


def front_end_of(config: Config) -> FrontEnd | None:
    """Front end that equals a feature extractor of transformers and lets gradients through.

    Equal within 1e-4 on AST, Whisper, wav2vec 2.0-BERT (SeamlessM4T) and Speech2Text. Dither, which is random, is left
    out. The extractor hands its model these pictures in a layout of its own.

    Parameters
    ----------
    config
        What a ``preprocessor_config.json`` holds; ``feature_extractor_type`` names the extractor.

    Returns
    -------
    FrontEnd or None
        None where the extractor makes no picture (wav2vec 2.0 and its like), or one that is not known here.
    """
    make = _EXTRACTORS.get(str(config.get("feature_extractor_type")))
    return None if make is None else make(config)


def _kaldi(config: Config, **options: Any) -> KaldiFilterBank:
    rate = int(config.get("sampling_rate", 16000))
    options |= {"window_seconds": _FRAME / rate, "hop_seconds": _HOP / rate, "high_hz": float(rate // 2)}
    return KaldiFilterBank(rate, **options)


def _ast(config: Config) -> FrontEnd:
    mean, sd = float(config.get("mean", -4.2677393)), float(config.get("std", 4.5689974))
    standard = {"mean": mean, "sd": 2 * sd} if config.get("do_normalize", True) else {}
    rows, columns = int(config.get("num_mel_bins", 128)), int(config.get("max_length", 1024))
    return _kaldi(config, rows=rows, columns=columns, window="hanning", full_scale=1.0, **standard)


def _seamless(config: Config) -> FrontEnd:
    rows, stack = int(config.get("num_mel_bins", 80)), int(config.get("stride", 2))
    return _kaldi(config, rows=rows, per_row="sample", stack=stack)


def _speech_to_text(config: Config) -> FrontEnd | None:
    both = {bool(config.get(name, True)) for name in ("normalize_means", "normalize_vars")}
    standardises = bool(config.get("do_ceptral_normalize", True)) and both != {False}
    if standardises and both != {True}:
        return None
    per_row = "population" if standardises else "none"
    return _kaldi(config, rows=int(config.get("num_mel_bins", 80)), per_row=per_row)


def _whisper(config: Config) -> FrontEnd:
    return WhisperLogMel(
        int(config.get("sampling_rate", 16000)),
        int(config.get("feature_size", 80)),
        float(config.get("chunk_length", 30)),
        fft_samples=int(config.get("n_fft", 400)),
        hop=int(config.get("hop_length", 160)),
    )


_EXTRACTORS: dict[str, Callable[[Config], FrontEnd | None]] = {
    "ASTFeatureExtractor": _ast,
    "WhisperFeatureExtractor": _whisper,
    "SeamlessM4TFeatureExtractor": _seamless,
    "Speech2TextFeatureExtractor": _speech_to_text,
}
