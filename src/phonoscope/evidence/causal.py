"""Whether a network has learnt the planted cue: the same token is spoken with another class's cue, and the decision
must follow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from phonoscope.classifier import Classifier
from phonoscope.errors import ClassifierError
from phonoscope.evidence.planted import CONFLICT_NAME, PlantedCorpus, plant
from phonoscope.training import TokenInputs, train
from phonoscope.training.recipe import TrainingRecipe

FOLLOWING = 0.95  # share of tokens in which the decision must follow the cue
# Of two cues that disagree, the one that is used must move the decision by so much of what both move it: below this,
# both are used and no single band is the truth.
DOMINANT = 0.8
_N_REFERENCE = 64  # training tokens kept for baselines
_TEST_SEED = 1_000_003  # talkers of the test are nobody's training talkers
RECIPE = TrainingRecipe(batch_size=32, min_steps=0, noise=0.2, time_jitter=0.05, choose="last")
EPOCHS = {"compact-local": (8, 24), "resnet18": (3, 8)}  # tried in turn until the cue is learnt; 600 tokens an epoch
DEFAULT_EPOCHS = (4, 12, 24)


@dataclass(frozen=True)
class CausalCheck:
    """What happened when the cue of each test token, and nothing else, was replaced by another class's.

    Attributes
    ----------
    accuracy
        Share of tokens classified as planted.
    following
        Share of tokens that were classified as planted and whose twin got the twin's class: 1 means that the cue
        alone decides.
    used
        Position of the cue that the network uses; None where neither of two is used alone.
    weight
        How far this cue moves the difference of logits, as a share of what all cues move it; 1 for a single cue.
    tokens
        Positions of the tokens whose decision follows the used cue: those whose maps may be scored.
    """

    accuracy: float
    following: float
    used: int | None
    weight: float
    tokens: np.ndarray

    @property
    def learnt(self) -> bool:
        """Whether the decision follows one cue in at least 95 % of tokens."""
        return self.used is not None and self.following >= FOLLOWING


@dataclass(frozen=True)
class Learner:
    """A classifier trained on a planted corpus, the corpus it is tested on, and what the test found.

    Attributes
    ----------
    classifier
        In evaluation mode.
    reference
        Waveforms of training tokens: what is usual, for baselines of methods that need one.
    test
        Tokens of talkers that were not trained on; of a conflict, tokens whose cues disagree.
    check
        Of the last training that was tried.
    epochs
        How long that was.
    """

    classifier: Classifier
    reference: list[np.ndarray]
    test: PlantedCorpus
    check: CausalCheck
    epochs: int


def check_cause(classifier: Classifier, corpus: PlantedCorpus) -> CausalCheck:
    """Replace the cue of each token by another class's and see whether the decision follows.

    With two cues that disagree, each is replaced alone: the network uses the one that wins more often, and the
    decision follows if it changes when that cue changes although the other stays.

    Parameters
    ----------
    classifier
        Its labels are those of the corpus.
    corpus
        Tokens that were not trained on.
    """
    if classifier.labels != list(corpus.labels):
        raise ClassifierError(
            f"the classifier knows {', '.join(classifier.labels)}, the planted corpus {', '.join(corpus.labels)}; "
            "expected the same classes in the same order"
        )
    logits = classifier.logits(corpus.waveforms)
    decided = logits.argmax(axis=1)
    wins = [decided == corpus.classes[:, cue] for cue in range(len(corpus.cues))]
    follows, moves = [], []
    for cue in range(len(corpus.cues)):
        other = corpus.with_next_class(cue)
        changed = classifier.logits(corpus.twins(other))
        follows.append(wins[cue] & (changed.argmax(axis=1) == other[:, cue]))
        moves.append(float(np.abs(_margin(changed, corpus, other, cue) - _margin(logits, corpus, other, cue)).mean()))
    used = int(np.argmax([won.mean() for won in wins]))
    weight = moves[used] / max(sum(moves), 1e-12)
    alone = len(corpus.cues) == 1 or weight >= DOMINANT
    return CausalCheck(
        accuracy=float(wins[0].mean()),
        following=float(follows[used].mean()),
        used=used if alone else None,
        weight=weight,
        tokens=np.flatnonzero(follows[used]),
    )


def _margin(logits: np.ndarray, corpus: PlantedCorpus, other: np.ndarray, cue: int) -> np.ndarray:
    """Logit of the class that the cue speaks for minus that of the class it would speak for in the twin."""
    row = np.arange(len(logits))
    return logits[row, corpus.classes[:, cue]] - logits[row, other[:, cue]]


def learn(
    cue: str,
    network: str,
    *,
    classes: int = 2,
    seed: int = 0,
    n_train: int = 600,
    n_test: int = 100,
    epochs: Sequence[int] | None = None,
) -> Learner:
    """Train a network on a planted cue until its decisions follow it, longer at each attempt.

    Parameters
    ----------
    cue, classes
        See `plant`.
    network
        Name as in `build_network`.
    seed
        Of talkers, weights and order of training.
    n_train, n_test
        Tokens; the test is on other talkers.
    epochs
        Attempts, each from new weights.

    Returns
    -------
    Learner
        Whether it has learnt the cue stands in ``check.learnt``; nothing is raised if it has not.
    """
    corpus = plant(cue, classes=classes, n_tokens=n_train, seed=2 * seed)
    test = plant(cue, classes=classes, n_tokens=n_test, seed=_TEST_SEED + seed, disagree=cue == CONFLICT_NAME)
    inputs = TokenInputs(corpus.front_end(), corpus.waveforms)
    attempts = tuple(epochs or EPOCHS.get(network, DEFAULT_EPOCHS))
    learner: Learner | None = None
    for number in attempts:
        torch.manual_seed(seed)
        classifier = Classifier.build(corpus.front_end(), network, corpus.labels)
        everything = np.arange(n_train)
        train(
            classifier,
            corpus.waveforms,
            corpus.tokens,
            train_index=everything,
            validation_index=everything[:0],
            recipe=RECIPE.changed(epochs=number, seed=seed),
            device="cpu",
            inputs=inputs,
        )
        check = check_cause(classifier.eval(), test)
        learner = Learner(classifier, corpus.waveforms[:_N_REFERENCE], test, check, number)
        if check.learnt:
            break
    assert learner is not None
    return learner
