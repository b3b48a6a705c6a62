"""The classifiers of a run at work: a token with a band filtered out classified anew, maps computed on demand."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from phonoscope.errors import AttributionError, ClassifierError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import torch
    import xarray as xr

    from phonoscope.classifier import Classifier
    from phonoscope.experiments.folder import Run
    from phonoscope.viewer.subject import Subject

_MOST_MAPS = 200
_SMALL_NETWORK = 3_000_000  # weights; the first residual networks have eleven million


class Answer(NamedTuple):
    """What a classifier says: the label of its largest number, and of each label the probability.

    Where its numbers have no probabilities (``numbers``, ``similarities``), ``scores`` are the numbers themselves.
    """

    predicted: str
    probabilities: list[float] | None
    scores: list[float] | None


class Classifiers:
    """The classifiers of one run, each loaded when it is first needed: one to classify, another to explain.

    Two, because a method that takes seconds must not keep the page waiting for what the network says.
    """

    def __init__(self, run: Run, *, trust_imports: bool = False) -> None:
        self.run, self.trust_imports = run, trust_imports
        self._classifiers: dict[tuple[Path, str], Classifier] = {}
        self._maps: OrderedDict[tuple[Any, ...], tuple[xr.DataArray, float]] = OrderedDict()
        self._loading, self._classifying, self._explaining = threading.Lock(), threading.Lock(), threading.Lock()

    def of_fold(self, fold: int | None, purpose: str = "classify") -> Classifier:
        """Return the classifier of a fold, which never met the tokens tested in it."""
        from phonoscope.experiments.held_out import classifier_folder, load_classifier

        folder = classifier_folder(self.run, fold)
        with self._loading:
            if (folder, purpose) not in self._classifiers:
                loaded = load_classifier(self.run, fold, trust_imports=self.trust_imports)
                if loaded.sample_rate != int(self.run.facts["sample_rate"]):
                    raise ClassifierError(f"{folder} takes {loaded.sample_rate} Hz, the run says otherwise")
                self._classifiers[folder, purpose] = loaded
            return self._classifiers[folder, purpose]

    def answer(self, subject: Subject, sound: np.ndarray | None = None) -> Answer:
        """What the classifier says of a token, or of a changed sound of it with the same context.

        A front end that scales each token scales the changed sound as it scaled the token itself.
        """
        import torch

        from phonoscope.frontends import pad_waveforms
        from phonoscope.modules import evaluation_mode, one_thread_if_small

        def alone(with_context: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
            return pad_waveforms([with_context[subject.context : len(with_context) - subject.context]])

        classifier = self.of_fold(subject.fold)
        with self._classifying, one_thread_if_small(classifier.network, weights=_SMALL_NETWORK), torch.no_grad():
            level = None if sound is None else classifier.front_end.reference_level(*alone(subject.waveform))
            with evaluation_mode(classifier):
                logits = classifier(*alone(subject.waveform if sound is None else sound), level)
            return _said(classifier, logits[0].double())

    def answers(self, subject: Subject, sounds: Sequence[np.ndarray]) -> list[Answer]:
        """What the classifier of a token says of other sounds, as it would be asked in an experiment: each by itself.

        Parameters
        ----------
        subject
            The token.
        sounds
            Without context.
        """
        import torch

        from phonoscope.modules import one_thread_if_small

        classifier = self.of_fold(subject.fold)
        with self._classifying, one_thread_if_small(classifier.network, weights=_SMALL_NETWORK):
            logits = classifier.logits(sounds)
        return [_said(classifier, torch.from_numpy(row).double()) for row in logits]

    def map(
        self, subject: Subject, method: str, target: str, versus: str = "", layer: str = "", seed: int = 0
    ) -> tuple[xr.DataArray, float]:
        """Compute the map of one token, or return the one computed before, with the seconds that it took.

        Parameters
        ----------
        subject
            The token.
        method, layer, seed
            As `explain` takes them.
        target
            ``predicted``, ``true`` or a class.
        versus
            Class against which `target` is explained, if any.
        """
        key = (subject.token, subject.start, subject.end, method, target, versus, layer, seed)
        with self._explaining:
            if key in self._maps:
                self._maps.move_to_end(key)
                return self._maps[key]
            started = time.perf_counter()
            computed = self._computed(subject, method, target, versus, layer, seed)
            self._maps[key] = (computed, time.perf_counter() - started)
            while len(self._maps) > _MOST_MAPS:
                self._maps.popitem(last=False)
            return self._maps[key]

    def _computed(self, subject: Subject, method: str, target: str, versus: str, layer: str, seed: int) -> xr.DataArray:
        from phonoscope.attribution import contrast, explain
        from phonoscope.attribution.method_spec import at_layer
        from phonoscope.attribution.registry import refuse_method_import
        from phonoscope.modules import one_thread_if_small

        if target == "true" and subject.true is None:
            raise AttributionError("nobody said which class this is; explain the predicted class, or name one")
        explained: Any = target
        if versus:
            named = {"true": subject.true, "predicted": self.answer(subject).predicted}
            pair = [str(named.get(name, name)) for name in (target, versus)]
            if pair[0] == pair[1]:
                raise AttributionError(f"{pair[0]} against itself says nothing; choose two different classes")
            explained = contrast(*pair)
        classifier, method = self.of_fold(subject.fold, "explain"), at_layer(method, layer)
        refuse_method_import(method, "the page", trust_imports=self.trust_imports)
        context = self.run.context_seconds  # as in the run, so that maps made here are those that it would have made
        with one_thread_if_small(classifier.network, weights=_SMALL_NETWORK):
            maps = explain(
                classifier,
                [subject.with_context(context)],
                explained,
                method,
                true_labels=None if subject.true is None else [subject.true],
                tokens=[subject.token],
                context_seconds=context,
                seed=seed,
            )
        return maps[0]


def _said(classifier: Classifier, values: torch.Tensor) -> Answer:
    from phonoscope.classifier import SCORES, probabilities

    known = bool(SCORES[classifier.scores].probability)
    p = probabilities(values, classifier.scores).tolist() if known else None
    return Answer(classifier.labels[int(values.argmax())], p, None if known else values.tolist())


def without_band(subject: Subject, low: float, high: float, *, keep: bool, depth_db: float) -> np.ndarray:
    """Sound of a token and what is around it without a band (or with nothing else).

    Zero-phase filters with raised-cosine edges; what is left keeps its level.

    Parameters
    ----------
    subject
        The token.
    low, high
        Edges of the band, Hz.
    keep
        Leave the band alone, and take the rest out.
    depth_db
        Gain of what is taken out, dB.
    """
    import torch

    from phonoscope.band_filters import filter_sounds
    from phonoscope.modules import one_thread

    with one_thread():
        sound = torch.from_numpy(np.ascontiguousarray(subject.waveform, dtype=np.float32))[None]
        filtered = filter_sounds(
            sound,
            torch.tensor([sound.shape[1]]),
            subject.sample_rate,
            np.array([low, high]),
            keep=keep,
            depth_db=depth_db,
            match=False,
            context=subject.context,
        )
    return filtered[0].numpy()
