"""What to know of a model before it is explained: how its answer depends on what should not matter, which methods suit.

Every number is measured on one sound.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch

from phonoscope.attribution import METHODS
from phonoscope.attribution.bands import top_of
from phonoscope.attribution.explainer import Explainer, recommended_method
from phonoscope.attribution.registry import WRAPPER, Method
from phonoscope.classifier import Classifier, probabilities
from phonoscope.errors import PhonoscopeError
from phonoscope.frontends import InnerPicture, as_samples
from phonoscope.models.describing import gives_in_words, takes_in_words
from phonoscope.modules import evaluation_mode, gradients_reach
from phonoscope.networks.first_layer import first_layer
from phonoscope.synthesis.source_filter import voice

STEP_DB = 6.0
PADDING_SECONDS = 0.5
# Of the range of the scores: an answer that changes by less does not depend on what was changed.
LEAST_CHANGE = 0.01
TRIED_SECONDS = 0.5  # of the sound on which methods are tried
_MEASURED_CELLS = 1  # of a layer: enough to see that its width can be measured
# Options with which a method makes few passes; {half} is half of the frequency axis, Hz.
_FEW_BANDS = "width={half}"
_FEW_WINDOWS = "height_hz={half}, width=1"
_FEW = {
    "integrated-gradients": "steps=2",
    "expected-gradients": "samples=2",
    "band-occlusion": _FEW_BANDS,
    "band-stop": _FEW_BANDS,
    "notch": _FEW_BANDS,
    "low-pass": _FEW_BANDS,
    "high-pass": _FEW_BANDS,
    "band-pass": _FEW_BANDS,
    "occlusion": _FEW_WINDOWS,
    "rise": "masks=2, " + _FEW_WINDOWS,
    "score-cam": "channels=2",
    "captum:kernel-shap": "samples=4, rows=2, columns=2",
    "captum:gradient-shap": "samples=2",
    "joined": _FEW_WINDOWS,
}
_FEW_COPIES = "samples=2"


@dataclass(frozen=True)
class Reaction:
    """How much the scores change when something changes that should not matter, or matters by design.

    Parameters
    ----------
    change
        What was changed, in words.
    by
        Largest change of a score, in the unit of the scores.
    share
        The same, of the range of the scores.
    decision
        Whether another label wins.
    """

    change: str
    by: float
    share: float
    decision: bool

    def __str__(self) -> str:
        other = ", and another label wins" if self.decision else ""
        return f"{self.change}: scores change by {self.by:.2g} at most ({self.share:.1%} of their range){other}"


@dataclass(frozen=True)
class Checkup:
    """What `check` found.

    Parameters
    ----------
    takes, gives
        In words.
    labels, scores, sample_rate
        Of the classifier.
    answer
        Score of each label for the sound, and its probability where scores have one.
    reactions
        To padding, to other sounds of a batch, to level, to length.
    differentiable
        Whether gradients reach the sound.
    first_layer
        What sees the waveform first, in words.
    methods
        For each method: True, or why it does not suit.
    """

    takes: str
    gives: str
    labels: list[str]
    scores: str
    sample_rate: int
    answer: dict[str, float]
    reactions: list[Reaction]
    differentiable: bool
    first_layer: str
    methods: dict[str, bool | str]

    @property
    def level_sensitive(self) -> bool:
        """Whether the answer depends on the level of the sound."""
        return any(r.share > LEAST_CHANGE for r in self.reactions if "dB" in r.change)

    def to_json(self) -> dict[str, Any]:
        """Everything as JSON values."""
        return asdict(self) | {"level_sensitive": self.level_sensitive}


def check(
    classifier: Classifier, waveform: np.ndarray | None = None, *, progress: Callable[[str], object] | None = None
) -> Checkup:
    """Look at a model on one sound; it is left as it was.

    Parameters
    ----------
    classifier
        From `phonoscope.wrap` or `phonoscope.load`.
    waveform
        1-D array at the classifier's rate; a synthetic vowel if it is not given.
    progress
        Called with the name of each method that is tried.

    Raises
    ------
    PhonoscopeError
        If the model gives no answer for the sound.
    """
    sound = spoken(classifier.sample_rate) if waveform is None else as_samples(waveform, "the sound")
    scores = classifier.logits([sound])
    of_each = probabilities(torch.from_numpy(scores), classifier.scores)[0].tolist()
    answer = dict(zip(classifier.labels, scores[0].tolist() if np.isnan(of_each).any() else of_each, strict=True))
    return Checkup(
        takes=takes_in_words(classifier),
        gives=gives_in_words(classifier),
        labels=classifier.labels,
        scores=classifier.scores,
        sample_rate=classifier.sample_rate,
        answer=answer,
        reactions=reactions(classifier, sound),
        differentiable=_differentiable(classifier, sound),
        first_layer=_first_layer(classifier),
        methods=suitable_methods(classifier, sound, progress),
    )


def spoken(sample_rate: int) -> np.ndarray:
    """A synthetic vowel of 1 s that glides from /a/ to /i/, at −26 dB re full scale, shape (samples,)."""
    positions = np.array([[730.0, 1090, 2440, 3400], [500, 1700, 2700, 3400], [270, 2290, 3010, 3400]])
    f0 = np.array([[125.0, 115, 105]])
    formants, bandwidths = positions[None], np.full((1, *positions.shape), 80.0)
    (sound,) = voice(f0, formants, bandwidths, np.ones(1), sample_rate, np.random.default_rng(0))
    return (0.05 * sound).astype(np.float32)


def reactions(classifier: Classifier, sound: np.ndarray) -> list[Reaction]:
    """How the answer to a sound depends on what surrounds it, on its level, and on its length.

    Parameters
    ----------
    classifier
        Any classifier.
    sound
        1-D array at its rate.
    """
    rate = classifier.sample_rate
    silence = np.zeros(round(PADDING_SECONDS * rate), dtype=np.float32)
    gain = 10 ** (STEP_DB / 20)
    half = sound[: max(1, len(sound) // 2)]
    changed = {
        f"{PADDING_SECONDS:g} s of silence behind the sound": np.concatenate([sound, silence]),
        f"{STEP_DB:g} dB softer": sound / gain,
        f"{STEP_DB:g} dB louder": sound * gain,
        "the first half alone": half,
        "the sound twice in a row": np.concatenate([sound, sound]),
    }
    before, others = classifier.logits([sound])[0], {}
    for change, each in changed.items():
        try:
            others[change] = classifier.logits([each])[0]
        except PhonoscopeError:
            if each is not half:
                raise
            # The model takes none so short.
    # The range of all answers: that of a model with one score is known from its answers alone.
    everything = np.vstack([before, *others.values()])
    spread = max(float(np.ptp(everything)), 1e-9)
    beside = classifier.logits([sound, np.ascontiguousarray(sound[::-1])])[0]
    answers = {"another sound in the same batch": beside, **others}
    return [
        Reaction(
            change,
            float(np.abs(after - before).max()),
            float(np.abs(after - before).max()) / spread,
            bool(after.argmax() != before.argmax()),
        )
        for change, after in answers.items()
    ]


def suitable_methods(
    classifier: Classifier, sound: np.ndarray, progress: Callable[[str], object] | None = None
) -> dict[str, bool | str]:
    """Try every method on the middle of a sound: True where it makes a map, else why it does not.

    Parameters
    ----------
    classifier
        Any classifier.
    sound
        1-D array at its rate.
    progress
        Called with the name of each method.
    """
    few = round(TRIED_SECONDS * classifier.sample_rate)
    start = max(0, (len(sound) - few) // 2)
    part = sound[start : start + few]
    try:
        classifier.logits([part])
    except Exception:  # the model takes none so short
        part = sound
    suits: dict[str, bool | str] = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        explainer = Explainer(classifier, measured_cells=_MEASURED_CELLS)
        for name, method in METHODS.items():
            if progress is not None:
                progress(name)
            try:
                usual = f"{name}({recommended_method(classifier)})" if method.family == WRAPPER else name
                explainer.with_method(usual)  # which may be refused where that of few passes is not
                list(explainer.with_method(_of_few_passes(classifier, name, method)).batches([part]))
                suits[name] = True
            except PhonoscopeError as error:
                suits[name] = str(error)
            except Exception as error:  # a model may raise anything
                suits[name] = f"fails inside the model ({type(error).__name__}: {str(error).partition(chr(10))[0]})"
    return suits


def _of_few_passes(classifier: Classifier, name: str, method: Method) -> str:
    """A method in words, with options that make as few passes as it can do with."""
    half = top_of(classifier) / 2
    options = []
    if method.family == WRAPPER:
        inner = recommended_method(classifier)
        options.append(f"{inner}({_FEW[inner].format(half=half)})")
    if "samples" in method.options and method.family == WRAPPER:
        options.append(_FEW_COPIES)
    if name in _FEW:
        options.append(_FEW[name].format(half=half))
    return f"{name}({', '.join(options)})" if options else name


def _differentiable(classifier: Classifier, sound: np.ndarray) -> bool:
    waveform = torch.from_numpy(np.ascontiguousarray(sound))[None].to(classifier.device)
    with evaluation_mode(classifier):
        return gradients_reach(lambda x: classifier(x, torch.tensor([len(sound)])), waveform)


def _first_layer(classifier: Classifier) -> str:
    """What sees the waveform first."""
    front_end = classifier.front_end
    if isinstance(front_end, InnerPicture):
        return f"picture {front_end.picture}: {front_end.axes.words(classifier.sample_rate)}"
    if front_end.frequency_axis is not None:
        axis = front_end.frequency_axis
        return f"a picture of {axis.rows} rows up to {axis.max_hz:g} Hz ({front_end.kind})"
    samples = round(front_end.usual_seconds * classifier.sample_rate)
    try:
        branches = first_layer(classifier.network, classifier.inputs(torch.zeros(1, samples) + 1e-3).detach())
    except PhonoscopeError as error:
        return str(error)
    return "; ".join(
        f"{len(branch.weights)} filters of {branch.span / classifier.sample_rate * 1000:.1f} ms, one output every "
        f"{branch.stride / classifier.sample_rate * 1000:.2g} ms ({branch.name})"
        for branch in branches
    )
