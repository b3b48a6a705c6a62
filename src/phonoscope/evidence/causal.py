"""Networks made elsewhere, and which of two cues they use: each is exchanged alone, and the decision must follow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from phonoscope.classifier import Classifier
from phonoscope.evidence.pairs import MAX_HZ, SAMPLE_RATE, Pair
from phonoscope.evidence.planted import LABELS, PlantedCorpus
from phonoscope.frontends import FrontEnd, Spectrogram, Waveform
from phonoscope.training import TokenInputs, train
from phonoscope.training.recipe import TrainingRecipe

# How often each cue is right about the label where a network is trained; .5: it says nothing there.
USES: dict[str, tuple[float, float]] = {"first": (1.0, 0.5), "second": (0.5, 1.0)}
# Log odds of 4 : 1, 2 : 1 …; how much each is really used is measured.
GRADES: dict[str, tuple[float, float]] = {
    "4:1": (0.95, 0.68),
    "2:1": (0.9, 0.75),
    "1:1": (0.9, 0.9),
    "1:2": (0.75, 0.9),
    "1:4": (0.68, 0.95),
}
FOLLOWING = 0.8  # share of tokens whose decision must change with the used cue; the others are not explained
DOMINANT = 0.9  # share that the used cue must have of what both cues move the decision
RIGHT = 0.8  # share of tokens that a network that uses both must classify as spoken
RECIPE = TrainingRecipe(batch_size=32, min_steps=0, noise=0.2, time_jitter=0.03, choose="last")
EPOCHS = (10, 25)  # tried in turn until the cue is learnt
_SLOWER: dict[str, dict[str, Any]] = {"sub-segmental": {"learning_rate": 1e-3}}
_OPTIONS: dict[str, dict[str, Any]] = {"sub-segmental": {"head": "pooled"}}
ON_WAVEFORMS = ("sub-segmental",)
# What the package ships: levels re full scale, and (the default) re the token's own maximum.
FRONT_ENDS: dict[str, dict[str, Any]] = {"full-scale": {"reference": "full-scale", "range_db": 80.0}, "default": {}}
_LONGEST_SECONDS = 0.2  # of tokens whose cues lie in frequency


@dataclass(frozen=True)
class Exchange:
    """What happened when each cue of each token, and nothing else, was exchanged for the other class's.

    Attributes
    ----------
    right
        Whether each token, whose cues agree, is classified as spoken; (token,).
    changed
        Whether its decision changes with each cue; (2, token).
    effects
        How far the logit of the spoken class falls, re the other's, with each cue: means over tokens, not below 0.
    margins
        Logit of the spoken class minus that of the other; (token,).
    """

    right: np.ndarray
    changed: np.ndarray
    effects: tuple[float, float]
    margins: np.ndarray

    @property
    def share(self) -> float:
        """Causal share of the first cue: its effect over both."""
        return self.effects[0] / max(sum(self.effects), 1e-12)

    def learnt(self, uses: str) -> bool:
        """Whether the network uses what it was to learn: one cue alone, or, if it was to use both, any."""
        if uses in GRADES:
            return bool(self.right.mean() >= RIGHT)
        used = list(USES).index(uses)
        share = (self.share, 1 - self.share)[used]
        return bool(self.changed[used].mean() >= FOLLOWING and share >= DOMINANT)

    def tokens(self, uses: str) -> np.ndarray:
        """Positions of the tokens whose maps may be scored: right, and decided by the used cue alone."""
        if uses in GRADES:
            return np.flatnonzero(self.right)
        used = list(USES).index(uses)
        return np.flatnonzero(self.right & self.changed[used] & ~self.changed[1 - used])


def front_end_for(pair: Pair, network: str, front_end: str) -> FrontEnd:
    """Front end of a network for a pair of cues.

    Parameters
    ----------
    pair
        Says how long the window must be, and whether the time axis is stretched.
    network
        Those on waveforms take the waveform.
    front_end
        One of `FRONT_ENDS`; without meaning for networks on waveforms.
    """
    if network in ON_WAVEFORMS:
        return Waveform(SAMPLE_RATE, seconds=pair.front_end.get("seconds", _LONGEST_SECONDS))
    picture: dict[str, Any] = {"max_hz": MAX_HZ, "rows": 64, "columns": 32}
    return Spectrogram(SAMPLE_RATE, **{**picture, **FRONT_ENDS[front_end], **pair.front_end})


def untrained(front_end: FrontEnd, network: str, seed: int) -> Classifier:
    """A classifier with random weights.

    Parameters
    ----------
    front_end
        From `front_end_for`.
    network
        Name as in `build_network`.
    seed
        Of the weights.
    """
    options = dict(_OPTIONS.get(network, {}))
    if network in ON_WAVEFORMS:
        options["samples"] = front_end.time_axis.columns
    torch.manual_seed(seed)
    return Classifier.build(front_end, network, LABELS, **options)


def learn(
    corpus: PlantedCorpus,
    test: PlantedCorpus,
    network: str,
    *,
    uses: str,
    front_end: str = "full-scale",
    seed: int = 0,
    epochs: Sequence[int] = EPOCHS,
    inputs: TokenInputs | None = None,
) -> tuple[Classifier, Exchange]:
    """Train a network where the cues are right about the label as often as `uses` says, longer at each attempt.

    Parameters
    ----------
    corpus, test
        Of the same pair; the test is on other talkers.
    network
        Name as in `build_network`.
    uses
        One of `USES` or `GRADES`.
    front_end
        One of `FRONT_ENDS`.
    seed
        Of weights, order of training, and of which cue is wrong where.
    epochs
        Attempts, each from new weights.
    inputs
        Front-end outputs of the corpus, where they were made before.

    Returns
    -------
    classifier, exchange
        Of the last attempt; nothing is raised if the cue was not learnt.
    """
    reliabilities: Mapping[str, tuple[float, float]] = USES | GRADES
    rng = np.random.default_rng([seed, *(round(100 * share) for share in reliabilities[uses])])
    spoken = np.arange(corpus.n_tokens) % 2
    right = rng.random((corpus.n_tokens, 2)) < reliabilities[uses]
    chosen = corpus.positions(np.where(right, spoken[:, None], 1 - spoken[:, None]))
    labels = np.zeros(len(corpus.waveforms), dtype=int)
    labels[chosen] = spoken
    for number in epochs:
        classifier = untrained(front_end_for(corpus.pair, network, front_end), network, seed)
        train(
            classifier,
            corpus.waveforms,
            [LABELS[k] for k in labels],
            train_index=chosen,
            validation_index=chosen[:0],
            recipe=RECIPE.changed(epochs=number, seed=seed, **_SLOWER.get(network, {})),
            device="cpu",
            inputs=inputs,
        )
        exchange = exchange_cues(classifier.eval(), test)
        if exchange.learnt(uses):
            break
    return classifier, exchange


def exchange_cues(classifier: Classifier, corpus: PlantedCorpus) -> Exchange:
    """Say each token, whose cues agree, with one cue of the other class, and see whether the decision follows.

    Parameters
    ----------
    classifier
        With the labels `LABELS`.
    corpus
        Tokens that were not trained on.
    """
    agreeing = corpus.agreeing()
    spoken = agreeing[:, 0]
    sign = np.where(spoken == 1, 1.0, -1.0)
    margins = []
    for cue in (None, 0, 1):
        classes = agreeing.copy()
        if cue is not None:
            classes[:, cue] = 1 - classes[:, cue]
        logits = classifier.logits([corpus.waveforms[k] for k in corpus.positions(classes)])
        margins.append(sign * (logits[:, 1] - logits[:, 0]).astype(float))
    first, second = (max(float((margins[0] - margin).mean()), 0.0) for margin in margins[1:])
    changed = np.stack([(margin > 0) != (margins[0] > 0) for margin in margins[1:]])
    return Exchange(margins[0] > 0, changed, (first, second), margins[0])
