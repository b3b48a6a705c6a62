"""Which scenes are played: every kind at every strength, decoys, and clean ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from phonoscope.audit.trial.clips import SYNTHETIC
from phonoscope.audit.trial.planters import PLANTERS
from phonoscope.audit.trial.scenes import Scene
from phonoscope.errors import AuditError

STRENGTHS = (0.65, 0.8, 0.95)  # areas under the curve of the shortcut alone
_PARTNER = 5  # kinds further down the list: what is planted beside each as a decoy
_ON_WAVEFORMS = ("background", "hum", "level")  # the network on waveforms is slow
_CLEAN = ("linear", "spectrogram", "spectrogram:1", "spectrogram:2")
_CLEAN_SCENES = 13
_MANY = 500  # audited clips where the shortcut is weak
_QUICK = ("level", "background", "hum")


def full_design(corpus: str = SYNTHETIC, seed: int = 0) -> list[Scene]:
    """All scenes on one corpus.

    Parameters
    ----------
    corpus
        ``synthetic``, or a folder.
    seed
        Scenes of another seed have other clips, values and weights.
    """
    kinds = list(PLANTERS)
    name = Path(corpus).name
    scenes = []
    for auc in STRENGTHS:
        for number, kind in enumerate(kinds):
            listeners = ("linear", "spectrogram") if auc < 0.9 else ("linear",)
            if auc == 0.8 and kind in _ON_WAVEFORMS:
                listeners += ("waveform",)
            scene = Scene(f"{name} {kind} {auc}", (kind,), auc, listeners=listeners, seed=number)
            scenes.append(replace(scene, corpus=corpus, audited=_MANY if auc == STRENGTHS[0] else scene.audited))
    for number, kind in enumerate(kinds):
        other = kinds[(number + _PARTNER) % len(kinds)]
        listeners = ("linear", "spectrogram") if number % 2 else ("linear",)
        scenes.append(
            Scene(f"{name} {kind} or {other}", (kind, other), corpus=corpus, seed=50 + number, listeners=listeners)
        )
    for number in range(_CLEAN_SCENES):
        spoken = number % 2 == 0 and corpus == SYNTHETIC  # words of recordings differ in more than what is said
        scenes.append(
            Scene(f"{name} clean {number}", spoken=spoken, listeners=_CLEAN, corpus=corpus, seed=100 + number)
        )
        varied = kinds[number % len(kinds)]
        scenes.append(replace(scenes[-1], name=f"{name} {varied} varies", varied=varied, seed=150 + number,
                              spoken=corpus == SYNTHETIC))  # fmt: skip
    return [replace(scene, seed=seed + scene.seed) for scene in scenes]


def dealt_design(corpora: Sequence[str], seed: int = 0) -> list[Scene]:
    """As many scenes as on one corpus, each on the next of several.

    Parameters
    ----------
    corpora
        ``synthetic``, or folders.
    seed
        See `full_design`.
    """
    each = [full_design(corpus, seed) for corpus in corpora]
    shift = 0
    scenes = []
    for number, same in enumerate(zip(*each, strict=True)):
        if number and number % len(PLANTERS) == 0:
            shift += 1  # so that a kind meets another corpus at its next strength
        scenes.append(same[(number + shift) % len(same)])
    return scenes


def quick_design(corpus: str = SYNTHETIC, seed: int = 0) -> list[Scene]:
    """Three kinds at the middle strength, a decoy, and two clean scenes, of the linear listener.

    Parameters
    ----------
    corpus
        ``synthetic``, or a folder.
    seed
        See `full_design`.
    """
    chosen = [
        scene
        for scene in full_design(corpus, seed)
        if (scene.planted in [(kind,) for kind in _QUICK] and scene.auc == STRENGTHS[1])
        or (len(scene.planted) > 1 and scene.planted[0] == _QUICK[0])
        or (not scene.planted and scene.name.endswith((" clean 0", f"{_QUICK[-1]} varies")))
    ]
    return [replace(scene, listeners=("linear",), trained=300, audited=240) for scene in chosen]


def select(scenes: Sequence[Scene], kinds: Sequence[str]) -> list[Scene]:
    """Scenes in which one of some kinds is planted, and all clean ones without a kind; all if no kind is named.

    Parameters
    ----------
    scenes
        To choose from.
    kinds
        Names of planted shortcuts.

    Raises
    ------
    AuditError
        If a kind is not known.
    """
    for kind in kinds:
        if kind not in PLANTERS:
            raise AuditError(f"{kind!r} is not planted; choose among {', '.join(PLANTERS)}")
    if not kinds:
        return list(scenes)
    return [scene for scene in scenes if set(scene.planted or (scene.varied,)) & set(kinds)]
