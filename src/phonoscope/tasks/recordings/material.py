"""Whole recordings as tokens: their class, speaker and waveform, identical copies found by their samples."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from phonoscope.audio import CHANNEL, SOUND_HASH, audio_info, read_audio, sound_hash
from phonoscope.corpora import find_recordings
from phonoscope.corpora.recording import Recording, heard_channel
from phonoscope.corpora.speech_commands import official_split
from phonoscope.corpora.storage import COLUMNS
from phonoscope.errors import AudioError, ExperimentError
from phonoscope.experiments.settings import Say, silent
from phonoscope.left_out import LeftOut
from phonoscope.tasks.recordings.recipe import RecordingsRecipe
from phonoscope.training.splits import PARTS, deal, joined_units
from phonoscope.training.store import WaveformStore

FEWEST_RECORDINGS = 8
UNUSABLE = "audio missing, unreadable or silent"


class Clip(NamedTuple):
    """One recording: its row of the token table, its samples."""

    row: dict[str, Any]
    waveform: np.ndarray


def read_whole_recordings(
    root: str | Path,
    recipe: RecordingsRecipe,
    *,
    strict: bool = False,
    store: WaveformStore | None = None,
    say: Say = silent,
) -> tuple[Sequence[np.ndarray], pd.DataFrame]:
    """Read the recordings of a corpus that have one of the recipe's classes, at the recipe's rate and length.

    Parameters
    ----------
    root : path
        Folder of the corpus: Speech Commands, spoken digits, LibriSpeech, or a folder a speaker.
    recipe
        Classes, sample rate (Hz) and duration (s).
    strict : bool
        Stop at the first recording that cannot be used, instead of leaving it out.
    store
        Where the waveforms are put, if not into memory.
    say
        Called with lines about the progress.

    Returns
    -------
    waveforms : sequence of ndarray, float32, shape (recipe.seconds * recipe.sample_rate,)
        See `around_energy`.
    tokens : DataFrame
        The token table, one row a recording (its whole length), with ``class``, ``audio_sha256`` (of the samples:
        identical clips share it) and ``native_rate`` (Hz, as stored). ``attrs`` as of every token table.

    Raises
    ------
    CorpusError
        If the folder holds no recordings.
    ExperimentError
        If fewer than two classes have recordings enough.
    AudioError
        With `strict`, for the first recording at fault.
    """
    folder, layout, recordings = find_recordings(root)
    say(f"reading {folder} ({layout})")
    left_out = LeftOut()
    rows: list[dict[str, Any]] = []
    waveforms: list[np.ndarray] | WaveformStore = [] if store is None else store
    for recording in recordings:
        label = _label(recording, recipe, left_out, recording.audio.relative_to(folder).as_posix())
        clip = None if label is None else read_clip(recording, label, recipe, folder, left_out, strict)
        if clip is not None:
            rows.append(clip.row)
            waveforms.append(clip.waveform)
    if not rows:
        raise ExperimentError(f"no recording of {folder} has a class of this task: {_reasons(left_out)}")
    tokens = pd.DataFrame(rows)
    counts = tokens["class"].map(tokens["class"].value_counts())
    excluded = {
        "the same sound stands under several classes": tokens.groupby(SOUND_HASH)["class"].transform("nunique") > 1,
        f"its class has fewer than {FEWEST_RECORDINGS} recordings": counts < FEWEST_RECORDINGS,
    }
    for reason, rows_of in excluded.items():
        left_out.add("recording", reason, int(rows_of.sum()), tokens.loc[rows_of, "recording"])
    places = np.flatnonzero(~np.logical_or.reduce(list(excluded.values())))
    tokens = tokens.iloc[places].reset_index(drop=True)
    kept = [waveforms[i] for i in places] if store is None else store.chosen(places)
    if tokens["class"].nunique() < 2:
        raise ExperimentError(
            f"fewer than two classes have {FEWEST_RECORDINGS} recordings or more in {folder}: {_reasons(left_out)}"
        )
    tokens.attrs = {
        "roots": {folder.name: folder.as_posix()},
        "left_out": left_out.entries(),
        "settings": {"layout": layout, "task": recipe.task, "classes": list(recipe.classes)},
    }
    return kept, tokens


def read_clip(
    recording: Recording,
    label: object,
    recipe: Any,
    folder: Path,
    left_out: LeftOut,
    strict: bool,
) -> Clip | None:
    """Read a recording at the recipe's rate and length; None, with a reason, if it is missing, unreadable or silent.

    Parameters
    ----------
    recording
        As found in the corpus.
    label
        Its class.
    recipe
        With ``sample_rate`` (Hz) and ``seconds``.
    folder
        Of the corpus.
    left_out
        Where recordings that cannot be used are counted.
    strict
        Raise AudioError instead.

    Returns
    -------
    Clip
        The row describes the whole recording, with ``class``, ``audio_sha256`` and ``native_rate`` (Hz, as stored);
        for the samples see `around_energy`.
    """
    name, rate = recording.audio.relative_to(folder).as_posix(), recipe.sample_rate
    try:
        channel = recording.channel or heard_channel(recording.audio)
        waveform, _ = read_audio(recording.audio, rate, channel=channel)
        if np.ptp(waveform) == 0:
            raise AudioError(f"{recording.audio} is silent: all its samples are the same")
        native_rate = audio_info(recording.audio).sample_rate
    except AudioError as error:
        if strict:
            raise
        left_out.add("recording", UNUSABLE, 1, [str(error)])
        return None
    row = dict.fromkeys(COLUMNS, pd.NA) | {
        "token": f"{name.rpartition('.')[0]}:0000",
        "recording": name,
        "start": 0.0,
        "end": len(waveform) / rate,
        "label": label,
        "word": recording.transcript or pd.NA,
        "speaker": recording.speaker or pd.NA,
        "sex": recording.sex or pd.NA,
        "corpus": folder.name,
        "class": label,
        SOUND_HASH: sound_hash(waveform),
        "native_rate": native_rate,
        **({CHANNEL: channel} if channel else {}),
    }
    return Clip(row, around_energy(waveform, round(recipe.seconds * rate)))


def around_energy(waveform: np.ndarray, samples: int) -> np.ndarray:
    """Return the stretch of a recording around the instant before which half of its energy lies, without its mean.

    Words stand at different places in their recordings, and the voice fills only a part of a long one; silence (zeros)
    stands where the recording begins later or ends earlier.

    Parameters
    ----------
    waveform : ndarray (sample,)
    samples : int
        Length of the result.
    """
    centred = waveform - waveform.mean()
    energy = np.cumsum(np.square(centred, dtype=np.float64))
    first = int(np.searchsorted(energy, energy[-1] / 2)) - samples // 2
    stretch = np.zeros(samples, dtype=np.float32)
    begin, end = max(first, 0), min(first + samples, len(centred))
    stretch[begin - first : end - first] = centred[begin:end]
    return stretch


def assign_parts(tokens: pd.DataFrame, recipe: RecordingsRecipe) -> np.ndarray:
    """Deal the recordings to ``train``, ``validation`` and ``test``; identical clips always go to the same part.

    Returns
    -------
    ndarray of str, shape (len(tokens),)

    Raises
    ------
    ExperimentError
        If recordings have no speaker although the split is by speaker, the corpus has no official lists, or there are
        too few speakers or recordings.
    """
    by = recipe.split_by
    shares = np.asarray(recipe.split.get("shares", (0.6, 0.2, 0.2)), dtype=float)
    if shares.shape != (3,) or shares.min() < 0 or shares[0] <= 0 or shares[2] <= 0:
        raise ExperimentError(f"shares are {shares.tolist()}; give those of {', '.join(PARTS)}, e.g. 0.6, 0.2 and 0.2")
    if by == "speaker" and bool(tokens["speaker"].isna().any()):
        raise ExperimentError("some recordings have no speaker, so they cannot be split by speaker: split by recording")
    units = joined_units(tokens["speaker" if by == "speaker" else "recording"], tokens[SOUND_HASH])
    if by == "official":
        return _official_parts(tokens, units)
    table = pd.DataFrame({"unit": units, "label": tokens["class"].to_numpy()})
    parts = deal(table, "unit", shares, np.random.default_rng(recipe.seed))
    return np.asarray(PARTS, dtype=object)[parts]


def nested_share(classes: np.ndarray, index: np.ndarray, share: float, seed: int) -> np.ndarray:
    """Positions of a share of the recordings at `index`, the same share of each class; larger shares hold smaller.

    Parameters
    ----------
    classes : ndarray (recording,)
        Of all recordings.
    index : ndarray of int
        Positions to draw from.
    share : float
        0 to 1; at least two recordings of each class are taken.
    seed : int
        Shares drawn with the same one are nested.
    """
    random = np.random.default_rng(seed)
    chosen = []
    for name in sorted(set(classes[index])):
        own = random.permutation(index[classes[index] == name])
        chosen.append(own[: max(2, round(share * len(own)))])
    return np.sort(np.concatenate(chosen))


def _official_parts(tokens: pd.DataFrame, units: np.ndarray) -> np.ndarray:
    corpus, root = next(iter(tokens.attrs["roots"].items()))
    lists = official_split(root)
    if not lists:
        raise ExperimentError(
            f"{corpus} has no validation_list.txt and testing_list.txt: split by speaker, or add the lists"
        )
    part = tokens["recording"].map(lists).map({name: place for place, name in enumerate(PARTS)}).to_numpy()
    # A copy of a tested clip must not be trained on: identical clips go where the most withheld of them goes.
    most = np.zeros(units.max() + 1, dtype=int)
    np.maximum.at(most, units, part.astype(int))
    parts = np.asarray(PARTS, dtype=object)[most[units]]
    missing = [name for name in ("train", "test") if name not in parts]
    if missing:
        raise ExperimentError(f"the lists of {corpus} leave no recording of the classes to {' and '.join(missing)}")
    return parts


def _label(recording: Recording, recipe: RecordingsRecipe, left_out: LeftOut, name: str) -> str | None:
    """Class of a recording, or None and a reason."""
    label = recording.transcript if recipe.task == "words" else recording.speaker
    if not label:
        reason = recording.warnings[0] if recording.warnings else f"no {recipe.task[:-1]} known"
    elif recipe.classes and label not in recipe.classes:
        reason = "of none of the classes asked for"
    else:
        return label
    left_out.add("recording", reason, 1, [name])
    return None


def _reasons(left_out: LeftOut) -> str:
    return "; ".join(f"{entry['reason']} ({entry['count']})" for entry in left_out.entries()) or "none was found"
