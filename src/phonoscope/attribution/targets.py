"""What a map explains: a class, the predicted or true class of each token, or a contrast of two classes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor

from phonoscope.classifier import Classifier, class_position
from phonoscope.errors import AttributionError


@dataclass(frozen=True)
class Contrast:
    """Evidence for one class rather than another: logit of ``positive`` minus logit of ``negative``."""

    positive: str
    negative: str

    def __str__(self) -> str:
        return f"{self.positive} − {self.negative}"


def contrast(positive: str, negative: str) -> Contrast:
    """Explain why ``positive`` rather than ``negative``: the map of the difference of their logits."""
    return Contrast(positive, negative)


Target = str | int | Contrast | Sequence[str | int]


@dataclass(frozen=True)
class Targets:
    """A target resolved for a list of tokens.

    ``weights(logits)`` gives for each token the weights over the classes whose weighted sum of logits is explained:
    one-hot for a class, +1 and −1 for a contrast.
    """

    names: list[str] | None
    fixed: Tensor | None
    labels: list[str]

    def of(self, part: slice) -> Targets:
        """Targets of some of the tokens."""
        if self.names is None or self.fixed is None:
            return self
        return Targets(self.names[part], self.fixed[part], self.labels)

    def weights(self, logits: Tensor) -> Tensor:
        """Weights over the classes, shape (token, classes), on the device of the logits."""
        if self.fixed is None:
            return torch.nn.functional.one_hot(logits.argmax(1), logits.shape[1]).to(logits)
        return self.fixed.to(logits)

    def named(self, logits: Tensor) -> list[str]:
        """Name of each token's target."""
        if self.names is None:
            return [self.labels[i] for i in logits.argmax(1).tolist()]
        return self.names


def resolve_targets(classifier: Classifier, target: Target, count: int, true_labels: Sequence[str] | None) -> Targets:
    """Resolve a target for some tokens.

    Parameters
    ----------
    classifier
        Gives the classes.
    target
        ``"predicted"``, ``"true"`` (needs ``true_labels``), a class by name, alias or position, a ``Contrast``, or one
        class a token.
    count
        Number of tokens.
    true_labels
        True class of each token; None where they are not known.

    Raises
    ------
    AttributionError
        If it is none of these, true labels are missing, or their number differs from that of the tokens.
    ClassifierError
        If the classifier does not have a class.
    """
    labels = classifier.labels
    if isinstance(target, str) and target == "predicted":
        return Targets(None, None, labels)
    if isinstance(target, str) and target == "true":
        if true_labels is None:
            raise AttributionError("target 'true' needs the true class of each token: pass true_labels=")
        target = list(true_labels)
    if isinstance(target, Contrast):
        positive, negative = classifier.index_of(target.positive), classifier.index_of(target.negative)
        one_hot = torch.eye(len(labels))
        names = [str(Contrast(labels[positive], labels[negative]))] * count
        return Targets(names, (one_hot[positive] - one_hot[negative]).repeat(count, 1), labels)
    if isinstance(target, (str, int, np.integer)):
        target = [cast("str | int", target)] * count
    if not isinstance(target, (Sequence, np.ndarray)):
        raise _no_target(target, labels)
    if len(target) != count:
        raise AttributionError(f"{len(target)} targets were given for {count} tokens; give one a token")
    index = [_position(classifier, name) for name in target]
    return Targets([labels[i] for i in index], torch.eye(len(labels))[index], labels)


def parse_target(text: str, labels: Sequence[str]) -> str | Contrast:
    """Read a target from the command line: a class, ``true``, ``predicted``, or a contrast of two classes, ``i-er``.

    What is a class as a whole is that class, whatever hyphens its name has.

    Parameters
    ----------
    labels
        Names of the classes.

    Raises
    ------
    AttributionError
        If it is none of these.
    """

    def is_class(name: str) -> bool:
        return class_position(labels, name) is not None

    if text in ("predicted", "true") or is_class(text):
        return text
    for at in (index for index, letter in enumerate(text) if letter == "-"):
        positive, negative = text[:at].strip(), text[at + 1 :].strip()
        if is_class(positive) and is_class(negative):
            return Contrast(positive, negative)
    raise AttributionError(
        f"target {text!r} is neither a class nor a contrast of two, written i-er; the classes are {', '.join(labels)}"
    )


def _position(classifier: Classifier, target: Any) -> int:
    """Position among the labels of a class given by name or by its position."""
    if isinstance(target, str):
        return classifier.index_of(target)
    if isinstance(target, bool) or not isinstance(target, (int, np.integer)):
        raise _no_target(target, classifier.labels)
    if not 0 <= target < len(classifier.labels):
        raise AttributionError(f"there is no class {target}; the {len(classifier.labels)} classes count from 0")
    return int(target)


def _no_target(target: object, labels: Sequence[str]) -> AttributionError:
    return AttributionError(
        f"target {target!r} is no target; give 'predicted', 'true', a contrast of two classes, or a class by name or "
        f"position: {', '.join(labels)}"
    )
