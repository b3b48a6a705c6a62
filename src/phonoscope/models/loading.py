"""One word for any checkpoint: a folder, a file, a name on the model hub, or an import path."""

from __future__ import annotations

from inspect import signature
from pathlib import Path
from typing import Any

from phonoscope.classifier import CONFIG_NAME, Classifier, local_folder
from phonoscope.errors import ClassifierError
from phonoscope.models.hub import from_transformers, is_transformers_folder
from phonoscope.models.picturing import at_picture
from phonoscope.models.wrapping import with_source, wrap
from phonoscope.networks.checkpoints import is_weights
from phonoscope.networks.outside.sources import file_content, imported_model, model_of_file

# Of a repository on the hub: configurations, vocabularies, weights; never code.
_PATTERNS = ["*.json", "*.txt", "*.model", "*.safetensors"]


def load(source: str | Path, *, trust_imports: bool = False, device: str | None = None, **how: Any) -> Classifier:
    """Load any model as a classifier.

    Parameters
    ----------
    source
        A folder: a saved classifier, or a checkpoint of transformers. ``owner/name`` of such a one on the Hugging Face
        hub. A file: ``.onnx``, or a TorchScript archive. ``package.module:name`` of a torch module, a function that
        makes one, or a function of sounds.
    trust_imports
        Allow code that is named by an import path to be run.
    device
        Where to move the model.
    how
        As of `phonoscope.wrap` (``sample_rate``, ``labels``, ``output`` …), for what the source does not say itself. A
        saved classifier knows all of it.

    Raises
    ------
    ClassifierError
        If there is no such source, it cannot be loaded, or code would run that was not allowed to.
    """
    if not isinstance(source, (str, Path)):
        raise ClassifierError(
            f"load takes the name of a folder or file, not a {type(source).__name__}; pass a model to phonoscope.wrap"
        )
    if unknown := how.keys() - (options := list(signature(wrap).parameters)[1:]):
        raise ClassifierError(f"load has no option {', '.join(sorted(unknown))}; its options: {', '.join(options)}")
    text, path = str(source), Path(source)
    if _is_import_path(text) and not path.exists():
        if not trust_imports:
            raise ClassifierError(
                f"{text!r} names code to import, which then runs. If you trust it, pass trust_imports=True "
                "(--trust-imports on the command line)"
            )
        loaded = with_source(wrap(imported_model(text), **how), {"kind": "import", "path": text})
    elif path.is_file() and path.name != CONFIG_NAME:
        loaded = _of_file(path, how)
    else:
        folder = path.parent if path.is_file() else local_folder(source, _PATTERNS)
        if is_transformers_folder(folder):
            loaded = from_transformers(folder, **how)
        elif known := how.keys() - {"picture"}:
            raise ClassifierError(
                f"{folder} holds a saved classifier, which knows its {', '.join(sorted(known))} itself; leave that out"
            )
        else:
            saved = Classifier.from_pretrained(folder, trust_imports=trust_imports)
            loaded = at_picture(saved, how.get("picture"))
    return loaded if device is None else loaded.to(device)


def load_weights(source: str | Path, *, trust_imports: bool = False, rate: int | None = None, **how: Any) -> Classifier:
    """Load a model of which only the layers matter: nobody need say what its scores are, or what they are called.

    Parameters
    ----------
    source, trust_imports, how
        As of `load`.
    rate
        Sample rate, Hz, where neither the source nor ``how`` says it.

    Raises
    ------
    ClassifierError
        As of `load`.
    """
    unsaid: dict[str, Any] = {} if describes_itself(source) else {"sample_rate": rate, "kind": "numbers"}
    return load(source, trust_imports=trust_imports, **{**unsaid, **how})


def describes_itself(source: str | Path) -> bool:
    """Whether a model comes from a folder or from the hub, where files beside it say what it takes and gives."""
    path = Path(source)
    return path.is_dir() or path.name == CONFIG_NAME or (not _is_import_path(str(source)) and not path.is_file())


def _is_import_path(text: str) -> bool:
    module, colon, name = text.partition(":")
    return bool(colon) and all(part.isidentifier() for part in (*module.split("."), *name.split(".")))


def _of_file(path: Path, how: dict[str, Any]) -> Classifier:
    if is_weights(path):
        raise ClassifierError(
            f"{path} is neither an ONNX model nor a TorchScript archive. Weights alone do not say what network they "
            "belong to: build it, load them, and pass it to phonoscope.wrap; or give package.module:name of a function "
            "that does"
        )
    kind = "onnx" if path.suffix.lower() == ".onnx" else "torchscript"
    return with_source(wrap(model_of_file(kind, file_content(path)), **how), {"kind": kind})
