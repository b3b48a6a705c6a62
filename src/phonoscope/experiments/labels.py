"""Labels of a corpus and labels of a model: which of them mean the same class."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence

from phonoscope.errors import ExperimentError


def names_given(text: str) -> dict[str, str]:
    """Pairs in words: ``yes=ja, no=nein`` says which class of the model (behind) a label of the corpus means.

    Raises
    ------
    ExperimentError
        If a part is no pair, or a label stands twice.
    """
    pairs: dict[str, str] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        label, equals, name = (each.strip() for each in part.partition("="))
        if not (label and equals and name):
            raise ExperimentError(f"--map has {part!r}; expected label=class, separated by commas: yes=ja,no=nein")
        if label in pairs:
            raise ExperimentError(f"--map names {label!r} twice")
        pairs[label] = name
    return pairs


def classes_of_labels(
    labels: Iterable[str],
    classes: Sequence[str],
    given: Mapping[str, str],
    *,
    meaning: Callable[[str], str] = str,
) -> dict[str, str]:
    """The class of the model that each label of a corpus means; labels that mean none are not in it.

    Names are the same whatever the form of their letters (ä as one character or as two). Where a label has no class of
    its own name, upper and lower case count as the same if that leaves no doubt.

    Parameters
    ----------
    labels
        Of the corpus.
    classes
        Of the model, in its order.
    given
        Pairs that somebody gave (see ``names_given``); they go first.
    meaning
        What a name of the model means in the corpus's own words, such as the phone of an alias.

    Raises
    ------
    ExperimentError
        If a given pair names a class that the model does not have.
    """
    strange = [name for name in given.values() if name not in classes]
    if strange:
        raise ExperimentError(f"--map names the class {strange[0]!r}; the model has: {', '.join(classes)}")
    exact = {_composed(name): name for name in classes}
    found = {label: given.get(label) or exact.get(_composed(label)) for label in dict.fromkeys(labels)}
    for same in (lambda name: _composed(name).casefold(), lambda name: _composed(meaning(name))):
        of_classes, of_labels = Counter(map(same, classes)), Counter(same(label) for label in found)
        by_key = {same(name): name for name in classes if of_classes[same(name)] == 1}
        for label, name in found.items():
            if name is None and of_labels[same(label)] == 1:
                found[label] = by_key.get(same(label))
    return {label: name for label, name in found.items() if name is not None}


def _composed(name: str) -> str:
    return unicodedata.normalize("NFC", name.strip())
