"""Checkpoints of the library transformers: rate, normalisation and labels come from the repository's own files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from torch import nn

from phonoscope.classifier import Classifier
from phonoscope.errors import ClassifierError
from phonoscope.frontends import FrontEnd, KaldiFilterBank, Recording, WhisperLogMel, front_end_of
from phonoscope.models.wrapping import Wishes, with_source, wrapped
from phonoscope.networks.outside import Takes
from phonoscope.networks.outside.sources import transformers_library
from phonoscope.networks.outside.tokenising import read_tokenizer, text_recogniser

_CONFIG = "config.json"
_EXTRACTORS = ("preprocessor_config.json", "processor_config.json", "feature_extractor_config.json")
# What the heads give, by the end of the architecture's name.
_HEADS: dict[str, dict[str, Any]] = {
    "ForSequenceClassification": {"output": "logits"},
    "ForAudioClassification": {"output": "logits"},
    "ForAudioFrameClassification": {"output": "logits", "kind": "labels"},
    "ForXVector": {"output": "logits"},
    "Model": {"output": "last_hidden_state", "kind": "embedding"},
}
# Layouts in which feature extractors hand their pictures to models.
_LAYOUTS = {KaldiFilterBank.kind: "(batch, columns, rows)", WhisperLogMel.kind: "(batch, rows, columns)"}
_DROPPED = ("architectures", "_name_or_path", "transformers_version", "dtype", "torch_dtype")


def is_transformers_folder(folder: Path) -> bool:
    """Whether a folder holds a checkpoint of transformers."""
    return "model_type" in _json(folder / _CONFIG)


def from_transformers(folder: Path, **how: Any) -> Classifier:
    """Load a checkpoint of transformers as a classifier.

    Parameters
    ----------
    folder
        With ``config.json``, the weights, and the configuration of the feature extractor.
    how
        As of `phonoscope.wrap`: what is not given is read from the folder.

    Raises
    ------
    ClassifierError
        If the folder is not whole, the library has no such model, or it is no model of sounds.
    """
    config, library = _json(folder / _CONFIG), transformers_library()
    architecture = _architecture(config, library, folder)
    model: Any = _loaded(library, architecture, folder)
    head: dict[str, Any] = next((head for end, head in _HEADS.items() if architecture.endswith(end)), {})
    front_end = how.pop("front_end", None) or _front_end(folder, config, how.get("sample_rate"))
    how.pop("sample_rate", None)
    settings = {key: value for key, value in model.config.to_dict().items() if key not in _DROPPED}
    plain = json.loads(json.dumps(settings, default=str))
    source = {"kind": "transformers", "architecture": architecture, "config": plain}
    both = bool(getattr(model.config, "is_encoder_decoder", False))
    if both and architecture.endswith("Model"):
        model, source["part"] = model.get_encoder(), "encoder"
    elif architecture.endswith("ForCTC") or (both and not head):
        tokenizer = read_tokenizer(folder)
        if how.get("labels"):
            model = text_recogniser(model, how["labels"], tokenizer)
            source["texts"], head = model.config(), {"kind": "texts"}
        elif architecture.endswith("ForCTC"):
            head = {"output": "logits", "labels": _symbols(tokenizer, model.config.vocab_size)}
        else:
            raise ClassifierError(
                f"{folder} holds a recogniser: name the texts that are compared, with the part in question in "
                'brackets: labels=["the [bad] dog", "the [bed] dog"] (--labels)'
            )
    wishes: dict[str, Any] = {"ways": ways_of(front_end), **head, **how}
    return with_source(wrapped(model, front_end, Wishes(**wishes)), source)


def ways_of(front_end: FrontEnd) -> list[Takes]:
    """How models are called with what stands in for their feature extractor; empty where that is not known."""
    layout = _LAYOUTS.get(front_end.kind)
    return [] if layout is None else [Takes(layout, stack=getattr(front_end, "stack", 1))]


def _symbols(tokenizer: Any, count: int) -> list[str]:
    """Symbols of a CTC vocabulary in the order of the model's scores."""
    names = {number: symbol for symbol, number in tokenizer.get_vocab().items()}
    return [names.get(number, f"symbol {number}") for number in range(count)]


def _architecture(config: dict[str, Any], library: Any, folder: Path) -> str:
    names = config.get("architectures") or []
    known = [name for name in names if isinstance(getattr(library, name, None), type)]
    if known:
        return known[0]
    if names:
        raise ClassifierError(
            f"{folder} holds a {names[0]}, which transformers {library.__version__} does not have, and code that comes "
            "with a checkpoint is never run. Load it yourself and pass the module to phonoscope.wrap"
        )
    raise ClassifierError(f"{folder / _CONFIG} does not say of which architecture the model is")


def _loaded(library: Any, architecture: str, folder: Path) -> nn.Module:
    bars = library.utils.logging
    shown = bars.is_progress_bar_enabled()
    bars.disable_progress_bar()
    try:
        model, report = getattr(library, architecture).from_pretrained(
            folder, local_files_only=True, output_loading_info=True, dtype=torch.float32
        )
    except Exception as error:  # the library raises what it likes
        first = str(error).strip().partition("\n")[0]
        raise ClassifierError(f"the checkpoint in {folder} cannot be loaded: {first}") from error
    finally:
        if shown:
            bars.enable_progress_bar()
    if missing := sorted(report.get("missing_keys", ())):
        names = f"{', '.join(missing[:3])}{' …' if len(missing) > 3 else ''}"
        raise ClassifierError(
            f"the checkpoint in {folder} has no weights for {names}: it is no trained {architecture}. Give one that "
            "is, or load the model without that head"
        )
    return model.eval()


def _front_end(folder: Path, config: dict[str, Any], sample_rate: int | None) -> FrontEnd:
    """What stands in for the feature extractor of a folder."""
    extractor = extractor_config(folder)
    if (made := front_end_of(extractor)) is not None:
        return made
    rate = sample_rate or extractor.get("sampling_rate") or config.get("sampling_rate")
    if not rate:
        raise ClassifierError(
            f"{folder} does not say at which rate its model takes sounds (it has none of {', '.join(_EXTRACTORS)}): "
            "pass sample_rate= in Hz (--sample-rate)"
        )
    kind = extractor.get("feature_extractor_type", "Wav2Vec2FeatureExtractor")
    if kind != "Wav2Vec2FeatureExtractor":
        raise ClassifierError(
            f"{folder} has a {kind}, which makes pictures that are not known here. Load the model yourself and pass it "
            "to phonoscope.wrap with a front_end= that makes them"
        )
    return Recording(int(rate), standardise=bool(extractor.get("do_normalize", False)))


def extractor_config(folder: Path) -> dict[str, Any]:
    """Configuration of a folder's feature extractor; empty where there is none."""
    for name in _EXTRACTORS:
        config = _json(folder / name)
        if config:
            return config.get("feature_extractor", config)
    return {}


def _json(path: Path) -> dict[str, Any]:
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return values if isinstance(values, dict) else {}
