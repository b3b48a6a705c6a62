"""The whole battery: for each shortcut whether it is in the data, whether the model uses it, and what follows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd

from phonoscope.audit.anatomy import Anatomy
from phonoscope.audit.shortcuts import SHORTCUTS, Shortcut
from phonoscope.audit.telling import Told, tell_classes
from phonoscope.audit.using import Answer, Exchanged, choose_pairs, compare, exchange
from phonoscope.errors import AuditError
from phonoscope.judgement.claims import CONTRADICTED, OPEN, SUPPORTED
from phonoscope.judgement.permutation import holm

USED, IN_DATA, REACTS, CLEAN = (
    "in the data and used", "in the data, not used", "not in the data, but the model reacts", "clean",
)  # fmt: skip
FINDINGS = (USED, IN_DATA, REACTS, CLEAN, OPEN)

_PART_OF_CHANNEL = 0.5

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Recordings:
    """Recordings that are audited.

    Parameters
    ----------
    anatomies
        Of each.
    classes
        Of each, as the corpus says it.
    clusters
        ``speaker, recording`` of each: what intervals rest on.
    """

    anatomies: Sequence[Anatomy]
    classes: Sequence[str]
    clusters: pd.DataFrame

    @property
    def groups(self) -> list[str]:
        """What cross-validation keeps together: speakers; recordings where a class is one speaker, or none is known."""
        speaker = self.clusters["speaker"]
        if speaker.isna().any():
            return self.clusters["recording"].astype(str).tolist()
        each = pd.DataFrame({"speaker": speaker.to_numpy(), "class": list(self.classes)})
        alone = each.groupby("class")["speaker"].nunique().min() < 2
        return self.clusters["recording" if alone else "speaker"].astype(str).tolist()


class Item(NamedTuple):
    """What was found about one shortcut; ``exchanged`` is None where the model was not asked."""

    shortcut: Shortcut
    told: Told
    exchanged: Exchanged | None
    means: Mapping[str, Mapping[str, float]]


def audit_one(
    shortcut: Shortcut,
    recordings: Recordings,
    labels: Sequence[str],
    before: np.ndarray,
    answer: Answer,
    *,
    seed: int = 0,
) -> Item:
    """Ask both questions about one shortcut.

    Parameters
    ----------
    shortcut
        Which.
    recordings
        Of at least two classes.
    labels
        The model's answers, in the order of its numbers.
    before : array (training, recording, label)
        Log odds of the recordings as they are; see `phonoscope.audit.using.log_odds`.
    answer
        Sounds → log odds (training, sound, label).
    seed
        Of folds, shuffles and donors.
    """
    told, means = tell(shortcut, recordings, seed)
    codes, names = pd.factorize(np.asarray(recordings.classes, dtype=object), sort=True)
    predicted = before.mean(axis=0).argmax(axis=1)
    place = {str(name): k for k, name in enumerate(names)}
    own = np.array([place.get(labels[k], code) for k, code in zip(predicted, codes, strict=True)])
    pairs = choose_pairs(told.scores, codes, own, seed)
    after = exchange(shortcut, recordings.anatomies, pairs, answer, seed=seed)
    return Item(shortcut, told, compare(before, after, pairs, predicted, recordings.clusters), means)


def tell(shortcut: Shortcut, recordings: Recordings, seed: int = 0) -> tuple[Told, dict[str, dict[str, float]]]:
    """Ask the first question about one shortcut: whether it is in the data, and the classes' medians of its measures.

    Parameters
    ----------
    shortcut
        Which.
    recordings
        Of at least two classes.
    seed
        Of folds and shuffles.
    """
    values = np.stack([shortcut.values(each) for each in recordings.anatomies])
    return tell_classes(values, recordings.classes, recordings.groups, seed), medians(shortcut, values, recordings)


def audit(
    recordings: Recordings,
    labels: Sequence[str],
    answer: Answer,
    *,
    shortcuts: Sequence[str] = (),
    seed: int = 0,
    progress: Progress | None = None,
) -> pd.DataFrame:
    """Audit a model on recordings: the table of findings; see `findings_table`.

    Parameters
    ----------
    recordings
        Of at least two classes.
    labels
        The model's answers.
    answer
        Sounds → log odds (training, sound, label).
    shortcuts
        Names; all by default.
    seed
        Of folds, shuffles and donors.
    progress
        Called with (shortcuts done, shortcuts in all).

    Raises
    ------
    AuditError
        If there are not enough recordings, classes or groups.
    """
    names = list(shortcuts) or list(SHORTCUTS)
    if not len(recordings.anatomies):
        raise AuditError("there is no recording to audit")
    before = answer([each.samples.astype(np.float32) for each in recordings.anatomies])
    items = []
    for number, name in enumerate(names):
        items.append(audit_one(SHORTCUTS[name], recordings, labels, before, answer, seed=seed))
        if progress is not None:
            progress(number + 1, len(names))
    return findings_table(items)


def findings_table(items: Sequence[Item]) -> pd.DataFrame:
    """Findings, each question corrected for the number of shortcuts (Holm 1979).

    Parameters
    ----------
    items
        Of `audit_one`.

    Returns
    -------
    DataFrame
        ``shortcut``; ``in_data`` (verdict), ``balanced_accuracy, accuracy_low, accuracy_high, null, auc, auc_low,
        auc_high, p_in_data``; ``used`` (verdict), ``effect`` (mean change of the log odds of the answer with donors of
        another class), ``effect_low, effect_high, sham`` (with donors of the same class), ``difference`` (how much more
        the first takes away) with its interval, ``decisions`` (share that change beyond those of the sham) with its
        interval, ``reacts`` (share that change with donors of the same class), ``p_used``; ``finding``; ``n, n_units,
        unit_of_interval, trainings``.
    """
    p_told = holm([item.told.judged.p for item in items])
    p_used = holm([item.exchanged.judged.p if item.exchanged else np.nan for item in items])
    p_reacts = holm([item.exchanged.reaction.p if item.exchanged else np.nan for item in items])
    rows = []
    for (shortcut, told, exchanged, _), told_p, used_p, reacts_p in zip(items, p_told, p_used, p_reacts, strict=True):
        in_data = told.judged.verdict(told_p)
        row = {
            "shortcut": shortcut.name, "in_data": in_data, "balanced_accuracy": told.balanced_accuracy.estimate,
            "accuracy_low": told.balanced_accuracy.low, "accuracy_high": told.balanced_accuracy.high,
            "null": told.null_accuracy, "auc": told.auc.estimate, "auc_low": told.auc.low, "auc_high": told.auc.high,
            "p_in_data": told_p,
        }  # fmt: skip
        if exchanged is None:
            rows.append(row | {"used": OPEN, "finding": OPEN})
            continue
        used, reacts = exchanged.judged.verdict(used_p), exchanged.reaction.verdict(reacts_p)
        for name in ("effect", "difference", "decisions", "reacts"):
            interval = getattr(exchanged, name)
            row |= {name: interval.estimate, f"{name}_low": interval.low, f"{name}_high": interval.high}
        basis = exchanged.difference
        rows.append(row | {
            "sham": exchanged.sham.estimate, "used": used, "p_used": used_p, "reaction": reacts,
            "finding": finding_of(in_data, used, reacts), "n": len(told.scores), "n_units": basis.n_units,
            "unit_of_interval": basis.unit, "trainings": basis.n_trainings,
        })  # fmt: skip
    return pd.DataFrame(rows)


def finding_of(in_data: str, used: str, reacts: str) -> str:
    """What follows from the verdicts on "it is in the data", "the model uses it" and "the model reacts to it".

    Parameters
    ----------
    in_data, used, reacts
        *supported*, *contradicted* or *cannot be told*.
    """
    if in_data == SUPPORTED:
        return {SUPPORTED: USED, CONTRADICTED: IN_DATA}.get(used, OPEN)
    if in_data == CONTRADICTED:
        if reacts == SUPPORTED:
            return REACTS
        return CLEAN if used == CONTRADICTED else OPEN
    return OPEN


def medians(shortcut: Shortcut, values: np.ndarray, recordings: Recordings) -> dict[str, dict[str, float]]:
    """Median of each measure, by class.

    Parameters
    ----------
    shortcut
        Whose measures they are.
    values : array (recording, measure)
    recordings
        With their classes.
    """
    names = list(shortcut.measure(recordings.anatomies[0]))
    table = pd.DataFrame(values, columns=names).groupby(np.asarray(recordings.classes, dtype=object)).median()
    return {str(name): {str(k): float(v) for k, v in row.items()} for name, row in table.iterrows()}


def strongest(table: pd.DataFrame) -> str:
    """Name of the shortcut that the model uses most; empty where it uses none.

    A microphone colours the background as it colours the speech. So where colouring the speech alone takes at least
    half as much as exchanging the background alone does, both are the channel; where less, it is the background.

    Parameters
    ----------
    table
        See `findings_table`.
    """
    used = table[table["finding"] == USED].set_index("shortcut")["difference"].astype(float)
    if not len(used):
        return ""
    if {"channel", "background"} <= set(used.index) and used["channel"] >= _PART_OF_CHANNEL * used["background"]:
        used["channel"] += used.pop("background")
    return str(used.idxmax())
