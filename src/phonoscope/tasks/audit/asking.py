"""What is asked of whom: one shortcut exchanged in all recordings, or one change made to all of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from phonoscope.audio import cut
from phonoscope.audit import facts as of_files
from phonoscope.audit.anatomy import Anatomy
from phonoscope.audit.battery import Item, Recordings, medians
from phonoscope.audit.reactions import REACTIONS, react
from phonoscope.audit.shortcuts import SHORTCUTS
from phonoscope.audit.telling import Told, tell_classes
from phonoscope.audit.using import Pairs, choose_pairs, compare, exchange, log_odds
from phonoscope.classifier import Classifier, class_position
from phonoscope.corpora import read_tokens
from phonoscope.experiments.evidence_run import drawn_evenly
from phonoscope.files import write_with
from phonoscope.judgement.claims import Judged
from phonoscope.judgement.intervals import Interval
from phonoscope.tasks.asked.who import Asked
from phonoscope.work.units import done, mark_done, undo

SHORTCUT, REACTION, FACT = "shortcut", "reaction", "fact"
FORMAT, ORDER = "format", "order"  # facts of every corpus
CLUSTERS = ["speaker", "recording"]
_SOUNDS_AT_A_TIME = 64


@dataclass(frozen=True)
class Auditing:
    """All that the answers depend on; a frozen dataclass of plain values, which is sent to other processes.

    Parameters
    ----------
    asked
        The run or the model.
    identity
        What stands for its classifiers and for the tokens.
    tokens
        Token table: those of one fold are asked of the same classifiers.
    """

    asked: Asked
    identity: str
    tokens: str
    device: str
    sample_rate: int
    seed: int
    pairs: int
    changed_alike: int


@dataclass(frozen=True)
class Unit:
    """One shortcut, change or fact.

    Parameters
    ----------
    auditing
        What is asked of whom.
    kind
        ``shortcut``, ``reaction`` or ``fact``.
    name
        Its name.
    folder
        For what is found.
    """

    auditing: Auditing
    kind: str
    name: str
    folder: str

    @property
    def facts(self) -> dict[str, Any]:
        """All that the result depends on."""
        asked = self.auditing
        return {"identity": asked.identity, "seed": asked.seed, "pairs": asked.pairs,
                "changed_alike": asked.changed_alike, "kind": self.kind,
                "name": self.name}  # fmt: skip


class Ready:
    """Recordings taken apart, and the classifiers that answer about each.

    Parameters
    ----------
    auditing
        What is asked of whom.
    """

    def __init__(self, auditing: Auditing) -> None:
        self.auditing = auditing
        waveforms, self.tokens = cut(read_tokens(Path(auditing.tokens)), auditing.sample_rate)
        self.anatomies = [Anatomy(sound, auditing.sample_rate) for sound in waveforms]
        self.folds = self.tokens["fold"].to_numpy(dtype=int)
        self.classifiers = {
            fold: [each.to(auditing.device) for each in auditing.asked.trainings(int(fold))]
            for fold in np.unique(self.folds)
        }
        first = next(iter(self.classifiers.values()))[0]
        self.labels = list(first.labels) if len(first.labels) > 1 else [f"not {first.labels[0]}", first.labels[0]]
        self.recordings = Recordings(
            self.anatomies, self.tokens["class"].astype(str).tolist(), self.tokens[CLUSTERS].reset_index(drop=True)
        )
        classes = pd.Series(self.recordings.classes)
        self.changed_alike = np.sort(drawn_evenly(classes, auditing.changed_alike, auditing.seed))
        self.before = self.answers(
            [each.samples.astype(np.float32) for each in self.anatomies], np.arange(len(waveforms))
        )

    def answers(self, sounds: Sequence[np.ndarray], of: np.ndarray) -> np.ndarray:
        """Log odds (training, sound, label) of sounds that stand for recordings, by the classifiers of these.

        Parameters
        ----------
        sounds
            1-D arrays.
        of
            Positions of the recordings.
        """
        found = None
        for fold, trainings in self.classifiers.items():
            rows = np.flatnonzero(self.folds[of] == fold)
            if not len(rows):
                continue
            answered = np.stack([answers_of(each, [sounds[i] for i in rows]) for each in trainings])
            if found is None:
                found = np.empty((len(trainings), len(sounds), answered.shape[2]))
            found[:, rows] = answered
        assert found is not None, "every recording belongs to a fold"
        return found


def answers_of(classifier: Classifier, sounds: Sequence[np.ndarray]) -> np.ndarray:
    """Log odds (sound, label) of sounds of any lengths.

    Parameters
    ----------
    classifier
        Or whatever `phonoscope.load` and `phonoscope.wrap` give.
    sounds
        1-D arrays at its sample rate.
    """
    order = np.argsort([len(sound) for sound in sounds], kind="stable")  # equal lengths in a batch
    logits = np.empty((len(sounds), len(classifier.labels)))
    for first in range(0, len(order), _SOUNDS_AT_A_TIME):
        some = order[first : first + _SOUNDS_AT_A_TIME]
        logits[some] = classifier.logits([sounds[i] for i in some])
    return log_odds(logits, classifier.scores)


@lru_cache(maxsize=1)
def ready(auditing: Auditing) -> Ready:
    """Read, take apart, load and ask once a process.

    Parameters
    ----------
    auditing
        What is asked of whom.
    """
    return Ready(auditing)


def is_made(unit: Unit) -> bool:
    """Whether a unit was finished before."""
    return done(Path(unit.folder), unit.facts) is not None


def make(unit: Unit) -> None:
    """Do one unit, and leave what was found in its folder."""
    folder = Path(unit.folder)
    folder.mkdir(parents=True, exist_ok=True)
    undo(folder)
    found = {SHORTCUT: _shortcut, REACTION: _reaction, FACT: _fact}[unit.kind](ready(unit.auditing), unit.name)
    arrays = {name: value for name, value in found.items() if isinstance(value, np.ndarray)}
    notes = {name: value for name, value in found.items() if not isinstance(value, np.ndarray)}
    write_with(folder / "found.npz", lambda path: np.savez(path.open("wb"), **arrays))
    mark_done(folder, unit.facts, **notes)


def _shortcut(here: Ready, name: str) -> dict[str, Any]:
    shortcut, recordings, seed = SHORTCUTS[name], here.recordings, here.auditing.seed
    values = np.stack([shortcut.values(each) for each in here.anatomies])
    told = tell_classes(values, recordings.classes, recordings.groups, seed)
    codes, names = pd.factorize(np.asarray(recordings.classes, dtype=object), sort=True)
    predicted = here.before.mean(axis=0).argmax(axis=1)
    place = np.array([position_of(list(names), label) for label in here.labels])
    own = np.where(place[predicted] >= 0, place[predicted], codes)
    pairs = choose_pairs(told.scores, codes, own, seed, least=here.auditing.pairs)
    after = np.empty((2, len(here.before), len(pairs.recording), here.before.shape[2]))
    for first in range(0, len(pairs.recording), _SOUNDS_AT_A_TIME):
        rows = np.arange(first, min(first + _SOUNDS_AT_A_TIME, len(pairs.recording)))
        some = Pairs(*(each[rows] for each in pairs))
        twice = np.tile(some.recording, 2)
        after[:, :, rows] = exchange(
            shortcut, here.anatomies, some, lambda sounds, of=twice: here.answers(sounds, of), seed=seed + first
        )
    return {"values": values, "after": after, "recording": pairs.recording, "own": pairs.own, "other": pairs.other,
            "scores": told.scores, "told": _plain(told)}  # fmt: skip


def position_of(names: Sequence[str], label: str) -> int:
    """Position of a label among others; −1 if it is not there.

    Parameters
    ----------
    names
        The others.
    label
        Which.
    """
    found = class_position(list(names), label)
    return -1 if found is None else found


def _reaction(here: Ready, name: str) -> dict[str, Any]:
    changed, shams = [], []
    for first in range(0, len(here.changed_alike), _SOUNDS_AT_A_TIME):
        rows = here.changed_alike[first : first + _SOUNDS_AT_A_TIME]
        after, sham = react(
            REACTIONS[name], [here.anatomies[i] for i in rows], lambda sounds, of=rows: here.answers(sounds, of),
            seed=here.auditing.seed + first,
        )  # fmt: skip
        changed.append(after)
        shams.append(sham)
    whole = [each for each in shams if each is not None]
    return {"changed": np.concatenate(changed, axis=1)} | (
        {"sham": np.concatenate(whole, axis=1)} if len(whole) == len(shams) else {}
    )


def _fact(here: Ready, name: str) -> dict[str, Any]:
    tokens = here.tokens
    roots = tokens.attrs.get("roots", {})
    names = tokens["recording"].astype(str).tolist()
    if name == FORMAT:
        paths = [Path(roots.get(str(corpus), "")) / each for corpus, each in zip(tokens["corpus"], names, strict=True)]
        values = of_files.file_values(paths)
    elif name == ORDER:
        values = of_files.order_values([Path(each).name for each in names])
    else:
        values = of_files.column_values(tokens[name].tolist())
    groups = names if name not in (FORMAT, ORDER) else here.recordings.groups
    told = tell_classes(values, here.recordings.classes, groups, here.auditing.seed)
    return {"values": values, "told": _plain(told)}


def found_item(unit: Unit, here: Ready) -> Item:
    """What was found about a shortcut.

    Parameters
    ----------
    unit
        That was made.
    here
        The recordings.
    """
    folder = Path(unit.folder)
    notes, arrays = done(folder, unit.facts), np.load(folder / "found.npz")
    assert notes is not None, "units are read after they were made"
    told = _told(notes["told"], arrays["scores"])
    pairs = Pairs(arrays["recording"], arrays["own"], arrays["other"])
    predicted = here.before.mean(axis=0).argmax(axis=1)
    exchanged = compare(here.before, arrays["after"], pairs, predicted, here.recordings.clusters)
    shortcut = SHORTCUTS[unit.name]
    return Item(shortcut, told, exchanged, medians(shortcut, arrays["values"], here.recordings))


def found_fact(unit: Unit) -> Told:
    """How well a fact of the corpus tells the classes.

    Parameters
    ----------
    unit
        That was made.
    """
    notes = done(Path(unit.folder), unit.facts)
    assert notes is not None, "units are read after they were made"
    return _told(notes["told"], np.zeros((0, 0)))


def found_reaction(unit: Unit) -> tuple[np.ndarray, np.ndarray | None]:
    """Log odds of changed recordings, and of their shams.

    Parameters
    ----------
    unit
        That was made.
    """
    arrays = np.load(Path(unit.folder) / "found.npz")
    return arrays["changed"], arrays.get("sham")


def found_pairs(unit: Unit) -> tuple[Pairs, np.ndarray]:
    """Which recordings exchanged, and what is measured of each, (recording, measure).

    Parameters
    ----------
    unit
        That was made.
    """
    arrays = np.load(Path(unit.folder) / "found.npz")
    return Pairs(arrays["recording"], arrays["own"], arrays["other"]), arrays["values"]


def _plain(told: Told) -> dict[str, Any]:
    judged = told.judged
    return {
        "balanced_accuracy": told.balanced_accuracy._asdict(), "auc": told.auc._asdict(),
        "null": [told.null_accuracy, told.null_auc], "judged": [judged.p_for, judged.p_against, judged.errors],
    }  # fmt: skip


def _told(kept: dict[str, Any], scores: np.ndarray) -> Told:
    accuracy, auc = (_interval(kept[each]) for each in ("balanced_accuracy", "auc"))
    judged = Judged(*(np.nan if value is None else value for value in kept["judged"]), auc)
    return Told(accuracy, auc, *kept["null"], judged, scores)


def _interval(kept: dict[str, Any]) -> Interval:
    known: dict[str, Any] = {name: np.nan if value is None else value for name, value in kept.items()}
    return Interval(**known)
