"""Real and spoofed recordings one after the other: those that a corpus brings, or spoofs made of real recordings."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from phonoscope.audio import SOUND_HASH, sound_hash
from phonoscope.corpora import asvspoof, find_recordings
from phonoscope.corpora.recording import Recording
from phonoscope.errors import CorpusError, ExperimentError
from phonoscope.experiments.settings import Say, silent
from phonoscope.left_out import LeftOut
from phonoscope.tasks.recordings.material import Clip, around_energy, read_clip
from phonoscope.tasks.spoof.recipe import SpoofRecipe
from phonoscope.tasks.spoof.speech_programs import PROGRAMS, Voice, through_band
from phonoscope.tasks.spoof.vocoding import VOCODERS, requantised

# Attacks that are made where a corpus has none, by kind.
VOCODER = "vocoder"
MADE = {**dict.fromkeys(VOCODERS, VOCODER), **dict.fromkeys(PROGRAMS, asvspoof.TTS)}
_GIVE_UP_AFTER = 3  # failures of a program that has made nothing yet
_NAMES_IN_MESSAGES = 5


@dataclass
class Material:
    """Clips to be taken once, in a fixed order, and what is known of where they come from.

    ``left_out`` and ``settings`` are complete when the clips have been taken.
    """

    corpus: str
    root: Path
    clips: Iterator[Clip]
    left_out: LeftOut
    settings: dict[str, Any] = field(default_factory=dict)

    def attrs(self) -> dict[str, Any]:
        """Attributes of the token table."""
        return {
            "roots": {self.corpus: self.root.as_posix()},
            "left_out": self.left_out.entries(),
            "settings": self.settings,
        }


def spoof_material(
    corpus: str | Path,
    recipe: SpoofRecipe,
    *,
    protocol: str | Path | None = None,
    strict: bool = False,
    say: Say = silent,
) -> Material:
    """Find real and spoofed recordings in a corpus, or real ones of which spoofs are made while they are read.

    Parameters
    ----------
    corpus : path
        ASVspoof 2019 LA (found by its layout), recordings that `protocol` names, or any corpus of real recordings.
    recipe : SpoofRecipe
        Attacks, partition, classes, number of recordings, sample rate (Hz) and duration (s).
    protocol : path, optional
        A protocol of ASVspoof's form.
    strict : bool
        Stop at the first recording that cannot be used, instead of leaving it out.
    say : callable
        Called with lines about the progress.

    Raises
    ------
    CorpusError
        If the folder, the partition or the protocol is not there.
    ExperimentError
        If an attack is not known.
    """
    folder = Path(corpus)
    if not folder.is_dir():
        raise CorpusError(f"the corpus folder {folder} was not found")
    if protocol is not None or asvspoof.detect(folder):
        return _given(folder.resolve(), recipe, protocol, strict, say)
    if recipe.partition:
        raise CorpusError(f"{folder} is not laid out as ASVspoof 2019 LA: it has no partition {recipe.partition!r}")
    return _made(folder, recipe, strict, say)


def _given(root: Path, recipe: SpoofRecipe, protocol: str | Path | None, strict: bool, say: Say) -> Material:
    """Recordings of a protocol: at most `recipe.recordings` bona fide ones, and as many of each attack."""
    found = asvspoof.read_trials(root, recipe.partition or None, protocol)
    say(f"reading {root} (ASVspoof protocol: {found.partition}, {len(found.trials)} lines)")
    left_out = LeftOut()
    if found.faulty and strict:
        raise CorpusError(f"the protocol of {found.partition} has a line of another form: {found.faulty[0]}")
    left_out.add(
        "line of the protocol", "of another form, or a name that stands twice", len(found.faulty), found.faulty
    )
    groups: dict[str | None, list[asvspoof.Trial]] = {}
    for trial in found.trials:
        groups.setdefault(trial.attack, []).append(trial)
    attacks = sorted(name for name in groups if name is not None)
    _refuse_unknown(recipe.attacks, attacks)
    if None not in groups or not attacks:
        missing = "bona fide recording" if None not in groups else "spoofed recording"
        raise ExperimentError(f"the protocol of {found.partition} names no {missing}: nothing can be told apart")
    chosen: list[asvspoof.Trial] = []
    # By the attack's own name, so that the draw of one does not depend on which others are there.
    for name in [None, *_wanted(attacks, recipe)]:
        there = [trial for trial in groups[name] if trial.name in found.audio]
        absent = [trial.name for trial in groups[name] if trial.name not in found.audio]
        if absent and strict:
            raise CorpusError(f"{absent[0]} is named in the protocol of {found.partition}, but there is no such file")
        left_out.add("recording", "named in the protocol, but there is no such file", len(absent), absent)
        random = np.random.default_rng([recipe.seed, _number(name or "")])
        kept = np.sort(random.permutation(len(there))[: recipe.recordings])
        chosen += [there[i] for i in kept]
    unwanted = [name for name in attacks if name not in _wanted(attacks, recipe)]
    left_out.add("attack", "not asked for", len(unwanted), unwanted)
    unnamed = sorted(set(found.audio) - {trial.name for trial in found.trials})
    left_out.add("recording", "not named in the protocol", len(unnamed), unnamed)
    settings = {
        "layout": "asvspoof",
        "partition": found.partition,
        "in_protocol": {name or "bona fide": len(trials) for name, trials in groups.items()},
    }

    def clips() -> Iterator[Clip]:
        for trial in chosen:
            recording = Recording(found.audio[trial.name], None, speaker=trial.speaker)
            clip = read_clip(recording, pd.NA, recipe, root, left_out, strict)
            if clip is not None:
                kind = pd.NA if trial.attack is None else asvspoof.system_kind(trial.attack)
                yield Clip(clip.row | {"attack": trial.attack or pd.NA, "kind": kind}, requantised(clip.waveform))

    return Material(root.name, root, clips(), left_out, settings)


def _made(corpus: Path, recipe: SpoofRecipe, strict: bool, say: Say) -> Material:
    """Real recordings drawn at random, each followed by the spoofs that are made of it."""
    folder, layout, recordings = find_recordings(corpus)
    _refuse_unknown(recipe.attacks, list(MADE))
    say(f"reading {folder} ({layout})")
    left_out = LeftOut()
    usable = []
    for recording in recordings:
        if recording.transcript == "":  # background noise: the layout says so
            reason = (*recording.warnings, "nothing is said")[0]
        elif recipe.classes and recording.transcript not in recipe.classes:
            reason = "of none of the words asked for"
        else:
            usable.append(recording)
            continue
        left_out.add("recording", reason, 1, [recording.audio.relative_to(folder).as_posix()])
    order = np.random.default_rng(recipe.seed).permutation(len(usable))
    programs = _Programs(recipe, usable, left_out, say)

    def clips() -> Iterator[Clip]:
        taken = 0
        for index in order:
            if taken == recipe.recordings:
                break
            recording = usable[index]
            clip = read_clip(recording, pd.NA, recipe, folder, left_out, strict)
            if clip is None:
                continue
            taken += 1
            yield Clip(clip.row | {"attack": pd.NA, "kind": pd.NA}, requantised(clip.waveform))
            random = np.random.default_rng([recipe.seed, _number(clip.row["recording"])])
            for vocoder in _wanted(VOCODERS, recipe):
                made = VOCODERS[vocoder](clip.waveform.astype(np.float64), recipe.sample_rate, random)
                yield _spoof(clip.row, vocoder, made)
            for program in programs.names():
                waveform = programs.say(program, recording, clip.row)
                if waveform is not None:
                    yield _spoof(clip.row, program, waveform)
            if taken % 50 == 0:
                say(f"{taken} recordings read, their spoofs made")

    return Material(folder.name, folder, clips(), left_out, {"layout": layout})


class _Programs:
    """The speech programs that can be used, a voice for each speaker, and what became of each."""

    def __init__(self, recipe: SpoofRecipe, recordings: list[Recording], left_out: LeftOut, say: Say) -> None:
        self._left_out, self._recipe = left_out, recipe
        self._voices: dict[str, dict[str, Voice]] = {}
        self._failures: dict[str, int] = {}  # of programs that have made nothing yet
        speakers = sorted({recording.speaker or "" for recording in recordings})
        for name in _wanted(PROGRAMS, recipe):
            try:
                if not any(recording.transcript for recording in recordings):
                    raise ExperimentError("the corpus does not say which words are spoken")
                drawn = PROGRAMS[name].draw_voices(len(speakers), np.random.default_rng([recipe.seed, _number(name)]))
            except ExperimentError as error:
                left_out.add("attack", str(error), 1, [name])
                say(f"left out: the attack {name}: {error}")
                continue
            self._voices[name] = dict(zip(speakers, drawn, strict=True))
            self._failures[name] = 0

    def names(self) -> list[str]:
        """Programs that have not been given up."""
        return list(self._voices)

    def say(self, name: str, recording: Recording, row: dict[str, Any]) -> np.ndarray | None:
        """The words of a recording in the voice of its speaker, cut as recordings are; None (and counted) if not."""
        rate, origin = self._recipe.sample_rate, row["recording"]
        if not recording.transcript:
            self._left_out.add("spoofed recording", f"no words known for {name}", 1, [origin])
            return None
        try:
            spoken, own_rate = PROGRAMS[name].speak(recording.transcript, self._voices[name][recording.speaker or ""])
        except ExperimentError as error:
            self._left_out.add("spoofed recording", str(error), 1, [origin])
            if name in self._failures:
                self._failures[name] += 1
            if self._failures.get(name) == _GIVE_UP_AFTER:
                del self._voices[name]
                self._left_out.add("attack", f"failed {_GIVE_UP_AFTER} times before it made anything", 1, [name])
            return None
        self._failures.pop(name, None)
        spoken = through_band(spoken, own_rate, row["native_rate"], rate)
        return around_energy(spoken, round(self._recipe.seconds * rate))


def _spoof(row: dict[str, Any], attack: str, waveform: np.ndarray) -> Clip:
    """A clip made of the recording of that row: same recording and speaker, other samples."""
    waveform = requantised(waveform)
    own = {"attack": attack, "kind": MADE[attack], SOUND_HASH: sound_hash(waveform)}
    stem = row["token"].rpartition(":")[0]
    return Clip(row | own | {"token": f"{stem}:{1 + list(MADE).index(attack):04d}"}, waveform)


def _number(text: str) -> int:
    """A seed that depends on a name alone."""
    return int.from_bytes(hashlib.sha256(text.encode("utf-8")).digest()[:4], "big")


def _wanted(attacks: Iterable[str], recipe: SpoofRecipe) -> list[str]:
    return [name for name in attacks if not recipe.attacks or name in recipe.attacks]


def _refuse_unknown(wanted: list[str], known: list[str]) -> None:
    unknown = [name for name in wanted if name not in known]
    if unknown:
        shown = ", ".join(unknown[:_NAMES_IN_MESSAGES])
        raise ExperimentError(f"attack {shown} is not known here; choose among {', '.join(known)}")
