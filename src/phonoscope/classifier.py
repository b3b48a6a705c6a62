"""The classifier: front end, network, labels and sample rate in one module: trained, saved, loaded, explained."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from phonoscope import __version__
from phonoscope.errors import ClassifierError, CorpusError, ShortSoundError
from phonoscope.files import write_bytes, write_json
from phonoscope.frontends import (
    FrontEnd,
    build_front_end,
    in_batches,
    listed_waveforms,
    pad_waveforms,
    refuse_imports,
    warn_of_cuts,
)
from phonoscope.modules import device_of, evaluation_mode
from phonoscope.networks import NETWORKS, OUTSIDE, build_network
from phonoscope.networks.checkpoints import read_checkpoint
from phonoscope.reference import Reference, training_reference

CONFIG_NAME = "config.json"
WEIGHTS_NAME = "model.safetensors"
REFERENCE_NAME = "reference.safetensors"


class Scores(NamedTuple):
    """What the numbers of a network are: their unit, and how they become probabilities (not at all where empty)."""

    unit: str
    probability: str = ""


SCORES = {
    "classes": Scores("logit", "softmax"),
    "labels": Scores("logit", "sigmoid"),
    "numbers": Scores("unit of the output"),
    "similarities": Scores("cosine"),
    "texts": Scores("log probability", "softmax"),
    "embedding": Scores("unit of the output"),
}


class Classifier(nn.Module):
    """A front end and a network with the names of its classes.

    Parameters
    ----------
    front_end
        Module from zero-padded waveforms and lengths to the network's input; carries its axes.
    network
        Module from the standardised front-end output to logits (batch, len(labels)).
    labels
        Names of the classes, in the order of the logits.
    scores
        What the network's numbers are, one of `SCORES`: logits of ``classes`` that exclude each other, of ``labels``
        any of which may hold, ``numbers`` that mean themselves, ``similarities`` to references, log probabilities of
        ``texts``, dimensions of an ``embedding``.
    network_name, network_options
        What ``build_network`` needs to rebuild the network when the classifier is loaded; without a name the
        classifier can be used but not loaded back by name alone (pass ``network=`` to ``from_pretrained``).
    input_mean, input_sd
        The front end's output is standardised as ``(x - input_mean) / input_sd`` before the network.
    notes
        Anything worth keeping beside the weights (how it was trained); JSON values.

    Attributes
    ----------
    reference
        What stands for the speech that it knows; None until ``keep_reference`` measured it.
    """

    reference: Reference | None

    def __init__(
        self,
        front_end: FrontEnd,
        network: nn.Module,
        labels: Sequence[str],
        *,
        scores: str = "classes",
        network_name: str | None = None,
        network_options: dict[str, Any] | None = None,
        input_mean: float = 0.0,
        input_sd: float = 1.0,
        notes: dict[str, Any] | None = None,
    ) -> None:
        super().__init__()
        if scores not in SCORES:
            raise ClassifierError(f"scores is {scores!r}; choose one of {', '.join(SCORES)}")
        if len(labels) < (2 if scores == "classes" else 1) or len(set(labels)) != len(labels):
            raise ClassifierError(f"a classifier needs at least two different labels, got {list(labels)}")
        self.front_end, self.network, self.scores = front_end, network, scores
        self.labels = [str(label) for label in labels]
        self.network_name, self.network_options = network_name, dict(network_options or {})
        self.input_mean, self.input_sd = float(input_mean), float(input_sd)
        self.notes, self.reference = dict(notes or {}), None
        front_end.within(network)

    @classmethod
    def build(cls, front_end: FrontEnd, network: str, labels: Sequence[str], **options: Any) -> Classifier:
        """Make an untrained classifier.

        Parameters
        ----------
        front_end, labels
            See the class.
        network, **options
            Name or import path of the network, and its options.
        """
        module = build_network(network, len(labels), **options)
        return cls(front_end, module, labels, network_name=network, network_options=options)

    @property
    def sample_rate(self) -> int:
        """Sample rate of the waveforms it takes, Hz."""
        return self.front_end.sample_rate

    @property
    def unit(self) -> str:
        """Unit of the network's numbers: ``logit``, ``log probability`` …"""
        return SCORES[self.scores].unit

    @property
    def device(self) -> torch.device:
        """Device of the network's weights."""
        return device_of(self.network)

    def inputs(self, waveforms: Tensor, lengths: Tensor | None = None, level: Tensor | None = None) -> Tensor:
        """Standardised network input of zero-padded waveforms, on the classifier's device.

        Parameters
        ----------
        waveforms, lengths
            Shapes (batch, samples) and (batch,).
        level
            From the front end's ``reference_level``, to hold its scaling still; each token's own by default.
        """
        device = self.device
        held = {} if level is None else {"level": level}  # only front ends that scale know of a level
        lengths = None if lengths is None else lengths.to(device)
        return self.standardise(self.front_end(waveforms.to(device), lengths, **held))

    def standardise(self, outputs: Tensor) -> Tensor:
        """Turn front-end outputs into network inputs."""
        return (outputs - self.input_mean) / self.input_sd

    def forward(self, waveforms: Tensor, lengths: Tensor | None = None, level: Tensor | None = None) -> Tensor:
        """Logits (batch, classes) of zero-padded waveforms (batch, samples) and lengths (batch,); see `inputs`."""
        return self.network(self.inputs(waveforms, lengths, level))

    def batches(self, waveforms: Sequence[np.ndarray], batch_size: int = 64) -> Iterator[tuple[slice, Tensor]]:
        """Yield network inputs of a list of waveforms, chunk by chunk, with the slice that each chunk covers."""
        for part in in_batches(self.front_end, len(waveforms), batch_size, lambda i: len(waveforms[i])):
            yield part, self.inputs(*pad_waveforms(waveforms[part]))

    @torch.no_grad()
    def logits(self, waveforms: Sequence[np.ndarray], batch_size: int = 64) -> np.ndarray:
        """Logits of 1-D waveforms at ``sample_rate``, shape (tokens, classes), in evaluation mode."""
        logits = np.zeros((len(waveforms), len(self.labels)), dtype=np.float32)
        with evaluation_mode(self):
            for part, inputs in self.batches(waveforms, batch_size):
                try:
                    logits[part] = self.network(inputs).float().cpu().numpy()
                except ShortSoundError as error:  # those of a batch are then equally long
                    raise ClassifierError(f"waveform {part.start}: {error}") from error
        return logits

    def predict(self, waveforms: Sequence[np.ndarray], batch_size: int = 64) -> pd.DataFrame:
        """Classify 1-D waveforms at ``sample_rate``, or a single one.

        Returns
        -------
        DataFrame
            One row a waveform, see `prediction_table`.

        Warns
        -----
        CutSoundWarning
            If waveforms are longer than the front end takes.
        """
        waveforms = listed_waveforms(waveforms)
        warn_of_cuts(self.front_end, np.array([np.size(waveform) for waveform in waveforms]) / self.sample_rate)
        logits = self.logits(waveforms, batch_size)
        finite = np.isfinite(logits).all(axis=1)
        if not finite.all():
            raise ClassifierError(f"the output for waveform {finite.argmin()} is not finite; is the sound long enough?")
        return prediction_table(logits, self.labels, self.scores)

    def keep_reference(self, waveforms: Sequence[np.ndarray], classes: Sequence[str] | None = None) -> None:
        """Measure what methods of attribution put in the place of what they take away, and keep it.

        Of at most 2,048 of the tokens, every class in turn: the mean network input and long-term spectrum of each
        class, medians of duration and level, and up to 64 network inputs. Of networks that take waveforms no input is
        kept: those would be the voices themselves.

        Parameters
        ----------
        waveforms
            1-D arrays at ``sample_rate``, without context: the tokens that it was trained on.
        classes
            True class of each; the predicted one by default.
        """
        self.reference = training_reference(self, waveforms, classes)

    def index_of(self, label: str) -> int:
        """Position of a class among the logits; accepts IPA or the ASCII alias of the phone table."""
        position = class_position(self.labels, label)
        if position is None:
            raise ClassifierError(f"the classifier has no class {label!r}; it has: {', '.join(self.labels)}")
        return position

    def config(self) -> dict[str, Any]:
        """Everything but the weights, as JSON values."""
        return {
            "phonoscope_version": __version__,
            "sample_rate": self.sample_rate,
            "labels": self.labels,
            "scores": self.scores,
            "front_end": {"kind": self.front_end.kind, **self.front_end.config()},
            "network": {"name": self.network_name, "options": self.network_options},
            "input_mean": self.input_mean,
            "input_sd": self.input_sd,
            "notes": self.notes,
        }

    def _repr_html_(self) -> str:
        """Card for notebooks: what it takes, what it tells apart, how large it is."""
        from html import escape

        weights = sum(parameter.numel() for parameter in self.network.parameters())
        facts = {
            "classes": ", ".join(self.labels),
            "sound": f"one channel at {self.sample_rate} Hz",
            "front end": f"{self.front_end.kind}: {self.front_end.extra_repr()}",
            "network": f"{self.network_name or type(self.network).__name__}, {weights:,} weights on {self.device}",
            **{str(key): str(value) for key, value in self.notes.items()},
        }
        left = 'style="text-align:left;vertical-align:top"'
        cells = ((escape(key), escape(value)) for key, value in facts.items())
        rows = "".join(f"<tr><th {left}>{key}</th><td {left}>{value}</td></tr>" for key, value in cells)
        return f"<table><caption>phonoscope classifier</caption>{rows}</table>"

    def save_pretrained(self, folder: str | Path) -> Path:
        """Write ``config.json``, ``model.safetensors`` (weights) and ``reference.safetensors``, each atomically."""
        from safetensors.torch import save

        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        # Copies: tied weights share memory, which the format refuses.
        state = {k: v.detach().cpu().contiguous().clone() for k, v in self.network.state_dict().items()}
        write_bytes(folder / WEIGHTS_NAME, save(state))
        if self.reference is None:
            (folder / REFERENCE_NAME).unlink(missing_ok=True)
        else:
            write_bytes(folder / REFERENCE_NAME, save(self.reference.to_tensors()))
        write_json(folder / CONFIG_NAME, self.config())
        return folder

    @classmethod
    def from_pretrained(
        cls, source: str | Path, *, network: nn.Module | None = None, trust_imports: bool = False, device: str = "cpu"
    ) -> Classifier:
        """Load a classifier from a folder written by ``save_pretrained`` or from the Hugging Face hub.

        Parameters
        ----------
        source
            A folder; or ``owner/name`` on the hub when there is neither such a folder nor a folder ``owner`` (needs
            the extra ``hf``).
        network
            A module to load the weights into, for networks that are not in phonoscope.
        trust_imports
            Allow a front end or a network given by import path in ``config.json`` to be imported: that runs its code.

        Raises
        ------
        ClassifierError
            If files are missing or do not fit, or an import would be needed that was not allowed.
        """
        folder = local_folder(source)
        config = _read_config(folder)
        settings, labels, spec = config["front_end"], config["labels"], config["network"]
        name, options = spec["name"], dict(spec["options"])
        refuse_imports(settings, folder, trust_imports=trust_imports)
        if network is None:
            if name is None:
                raise ClassifierError(f"{folder} does not say how to build its network; pass it as network=")
            for path in (name, (options.get("source") or {}).get("path", "")):
                NETWORKS.refuse_import(path, folder, trust_imports=trust_imports)
            network = build_network(name, len(labels), **options)
        elif name == OUTSIDE:  # it is the model inside
            network = build_network(name, len(labels), **options, model=network)
        front_end = build_front_end(**settings)
        scores = config.get("scores", "classes")  # classifiers of 0.1 know no others
        classifier = cls(front_end, network, labels, scores=scores, network_name=name, network_options=options)
        classifier.load_state(folder)
        return classifier.to(device).eval()

    def load_state(self, folder: str | Path) -> None:
        """Take weights, standardisation, notes and reference from a folder; nothing is built or imported.

        Raises
        ------
        ClassifierError
            If files are missing or damaged, hold values that are not finite, or are those of another classifier:
            other labels, another front end, another network.
        """
        folder = Path(folder)
        config = _read_config(folder)
        # A function of sounds has no weights.
        state = read_checkpoint(folder / WEIGHTS_NAME) if self.network.state_dict() else {}
        mine = json.loads(json.dumps(self.config()))
        for fact in ("labels", "front_end"):
            if _differ(config[fact], mine[fact]):
                raise ClassifierError(f"{folder} has {fact} {config[fact]}; expected {mine[fact]}")
        unfit = next((name for name, values in state.items() if not bool(torch.isfinite(values).all())), None)
        if unfit is not None:
            raise ClassifierError(f"the weights in {folder} are not finite ({unfit}); train the classifier again")
        reference = None
        if (folder / REFERENCE_NAME).is_file():
            tensors = read_checkpoint(folder / REFERENCE_NAME)
            try:
                reference = Reference.from_tensors(tensors, self.labels)
            except (KeyError, ValueError, TypeError, IndexError) as error:
                raise ClassifierError(
                    f"{folder / REFERENCE_NAME} does not fit the classifier ({error}); remove it to do without"
                ) from error
        try:
            self.network.load_state_dict(state)
        except RuntimeError as error:
            message = f"the weights in {folder} do not fit the network {self.network_name!r}: {error}"
            raise ClassifierError(message) from error
        self.input_mean, self.input_sd = config["input_mean"], config["input_sd"]
        self.notes, self.reference = dict(config.get("notes") or {}), reference


def _read_config(folder: Path) -> dict[str, Any]:
    """Settings of a saved classifier, complete."""
    try:
        config = json.loads((folder / CONFIG_NAME).read_text(encoding="utf-8"))
        config |= {name: float(config[name]) for name in ("input_mean", "input_sd")}
        config["labels"] = [str(label) for label in config["labels"]]
        str(config["front_end"]["kind"]), config["network"]["name"], dict(config["network"]["options"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ClassifierError(
            f"{folder} is not a saved classifier: {CONFIG_NAME} is missing or incomplete ({error})"
        ) from error
    return config


def _differ(saved: Any, mine: Any) -> bool:
    """Whether two settings differ; those that an older version did not write are not compared."""
    if isinstance(saved, dict):
        return any(value is not None and mine.get(name) != value for name, value in saved.items())
    return saved != mine


def class_position(labels: Sequence[str], label: str) -> int | None:
    """Position of a class among labels; accepts IPA or the ASCII alias of the phone table. None if it is not there."""
    if label in labels:
        return labels.index(label)
    from phonoscope.phones import resolve_label

    try:
        resolved = resolve_label(label)
    except CorpusError:
        return None
    return labels.index(resolved) if resolved in labels else None


def probabilities(logits: Tensor, scores: str = "classes") -> Tensor:
    """Probabilities of a network's numbers, same shape (…, labels); NaN where these are none.

    Parameters
    ----------
    logits
        Shape (…, labels).
    scores
        One of `SCORES`.
    """
    kind = SCORES[scores].probability
    if kind == "softmax":
        return logits.softmax(-1)
    return logits.sigmoid() if kind == "sigmoid" else torch.full_like(logits, torch.nan)


def prediction_table(logits: np.ndarray, labels: Sequence[str], scores: str = "classes") -> pd.DataFrame:
    """What a classifier says, one row a token.

    Parameters
    ----------
    logits
        Shape (tokens, labels).
    labels
        Names of the columns.
    scores
        One of `SCORES`.

    Returns
    -------
    DataFrame
        ``predicted``, the label of the largest number, and ``p_<label>``, its probability: the softmax over classes (or
        texts), the logistic function of each of several labels. Where numbers are no probabilities, ``score_<label>``.
    """
    kind, values = SCORES[scores], torch.from_numpy(np.asarray(logits))
    values = probabilities(values, scores) if kind.probability else values
    columns = [f"{'p' if kind.probability else 'score'}_{label}" for label in labels]
    table = pd.DataFrame(values.numpy(), columns=columns)
    table.insert(0, "predicted", np.asarray(labels, dtype=object)[logits.argmax(axis=1)])
    return table


def local_folder(source: str | Path, patterns: Sequence[str] = (CONFIG_NAME, WEIGHTS_NAME, REFERENCE_NAME)) -> Path:
    """Folder of a saved classifier, fetched from the Hugging Face hub if need be; see ``from_pretrained``.

    Parameters
    ----------
    source
        The folder, or ``owner/name``.
    patterns
        Files that are fetched.
    """
    folder = Path(source)
    if folder.is_dir():
        return folder
    # A path whose parent exists is a mistyped one: nobody asked to look it up on the network.
    if str(source).count("/") != 1 or str(source).startswith((".", "/", "~")) or folder.parent.is_dir():
        raise ClassifierError(f"there is no folder {source}; give the folder that holds {CONFIG_NAME}")
    try:
        from huggingface_hub import snapshot_download
    except ImportError as error:
        raise ClassifierError(
            f"there is no folder {source}. To fetch it from the model hub, install phonoscope[hf]"
        ) from error
    try:
        return Path(snapshot_download(str(source), allow_patterns=list(patterns)))
    except Exception as error:
        raise ClassifierError(f"there is no folder {source}, and the model hub did not give it: {error}") from error
