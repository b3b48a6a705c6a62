"""Tokens with the classes of an experiment, their waveforms and their formants."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from phonoscope.audio import NATIVE_RATE, SOUND_HASH, cut, sound_hash
from phonoscope.corpora.select import class_labels, vowel_tokens
from phonoscope.corpora.shards import first_rate
from phonoscope.corpora.sounds import TokenSounds
from phonoscope.errors import CorpusError, ExperimentError
from phonoscope.experiments.folder import CONTEXT_SECONDS
from phonoscope.experiments.labels import classes_of_labels
from phonoscope.files import write_with
from phonoscope.left_out import LeftOut
from phonoscope.phones import resolve_label
from phonoscope.phonetics.candidates import candidate_formants, settled
from phonoscope.phonetics.ceilings import FormantSettings
from phonoscope.phonetics.corrections import read_corrections

FEWEST_TOKENS = 8
FORMANTS_NAME = "formants.parquet"
CANDIDATES_NAME, CORRECTIONS_NAME = "formant_candidates.csv", "formant_corrections.csv"


@dataclass
class Material:
    """Tokens with the experiment's ``class``, and their waveforms with ``context`` samples on either side.

    Copies of one recording share its ``audio_sha256``; that of tokens cut by an older version is of the tokens alone.
    """

    tokens: pd.DataFrame
    with_context: Sequence[np.ndarray]
    context: int
    sample_rate: int

    @property
    def waveforms(self) -> Sequence[np.ndarray]:
        """Waveforms of the tokens alone: what the network gets."""
        if isinstance(self.with_context, TokenSounds):
            return self.with_context.without_context()
        return [w[self.context : len(w) - self.context] for w in self.with_context]


def material_of(
    tokens: pd.DataFrame | TokenSounds,
    classes: dict[str, list[str]],
    *,
    sample_rate: int | None = None,
    labels: list[str] | None = None,
    names: Mapping[str, str] | None = None,
    strict: bool = False,
) -> Material:
    """Name the experiment's classes in a token table and cut its tokens, each rule's effect counted.

    Tokens with sound were cut before; they stay on the disk.

    Parameters
    ----------
    tokens
        Token table, or tokens with their sound.
    classes
        Phones of each class; if empty, every label is a class of its own.
    sample_rate
        Rate to resample recordings to, Hz; their own if None. Tokens with sound must have been cut at it.
    labels
        Classes of a model that is given: tokens of others are left out. No limit if None.
    names
        Which of these labels a class means, where it has another name; see ``names_given``.
    strict
        Stop at the first recording that cannot be used, instead of leaving it out.

    Raises
    ------
    ExperimentError
        If fewer than two classes have enough tokens that can be cut, the model has none of the classes, or tokens were
        cut at another rate.
    """
    if isinstance(tokens, TokenSounds):
        return _material_on_disk(tokens, classes, sample_rate, labels, names or {})
    tokens, expected = _with_classes(tokens, classes, labels, names or {})
    with_context, tokens = cut(tokens, sample_rate, context_seconds=CONTEXT_SECONDS, strict=strict)
    # Counted after the cut: a class may have lost its tokens to damaged recordings.
    enough, tokens = _large_classes(tokens, expected)
    with_context = [with_context[i] for i in enough]
    rate = sample_rate or rate_of(tokens)
    return Material(tokens, with_context, round(CONTEXT_SECONDS * rate), rate)


def _material_on_disk(
    sounds: TokenSounds,
    classes: dict[str, list[str]],
    sample_rate: int | None,
    labels: list[str] | None,
    names: Mapping[str, str],
) -> Material:
    check_rate(sounds, sample_rate)
    tokens, expected = _with_classes(sounds.tokens, classes, labels, names)
    _, tokens = _large_classes(tokens, expected)
    places = pd.Index(sounds.tokens["token"]).get_indexer(pd.Index(tokens["token"]))
    chosen = sounds.chosen(places)
    if SOUND_HASH not in tokens:  # cut by a version that did not keep it
        attrs = tokens.attrs
        hashes = [sound_hash(waveform) for waveform in chosen.without_context()]
        tokens = tokens.assign(**{SOUND_HASH: np.array(hashes, dtype=object)})
        tokens.attrs = attrs
    return Material(tokens, chosen, sounds.context, sounds.sample_rate)


def rate_of(tokens: pd.DataFrame | TokenSounds) -> int:
    """Sample rate, Hz, at which tokens were cut, or else that of their first recording."""
    return tokens.sample_rate if isinstance(tokens, TokenSounds) else first_rate(tokens)


def check_rate(sounds: TokenSounds, sample_rate: int | None) -> None:
    """Refuse tokens that were cut at another rate than is wanted (Hz): resampling needs what lies around them.

    Raises
    ------
    ExperimentError
        If they were.
    """
    if sample_rate not in (None, sounds.sample_rate):
        raise ExperimentError(
            f"the tokens were cut at {sounds.sample_rate} Hz, {sample_rate} Hz are needed: cut them again with "
            f"--sample-rate {sample_rate}"
        )


def _with_classes(
    tokens: pd.DataFrame, classes: dict[str, list[str]], labels: list[str] | None, names: Mapping[str, str]
) -> tuple[pd.DataFrame, list[str]]:
    """Add the column ``class``, leave out tokens without one or of none of ``labels``; returns the classes expected."""
    if classes:
        of_phone = {phone: name for name, phones in classes.items() for phone in class_labels(phones)[0]}
        named, expected = tokens["label"].map(of_phone).astype(object), list(classes)
    else:
        named, expected = tokens["label"].astype(object), list(tokens.attrs.get("settings", {}).get("labels", ()))
    unwanted = {"in no class of the experiment": named.isna()}
    if labels is not None:
        present = [str(name) for name in named.dropna().unique()]
        meant = classes_of_labels([*present, *expected], labels, names, meaning=phone_of)
        if not meant.keys() & set(present):
            raise ExperimentError(
                f"the model tells apart {_listed(labels)}; the tokens are of {_listed(present)}: no class in common. "
                "Say which is which with --map class=label, use a model for these classes, or, for labels of whole "
                "recordings: phonoscope run recordings --model MODEL"
            )
        unwanted |= {f"class {name} is not among the model's": named == name for name in present if name not in meant}
        expected = [meant[name] for name in expected if name in meant]
        named = named.map(lambda name: meant.get(name, name), na_action="ignore").astype(object)
    return _without(tokens.assign(**{"class": named}), unwanted)[1], expected


def phone_of(name: str) -> str:
    """The phone that a label means by its symbol or its ASCII alias; the label itself where there is none."""
    try:
        return resolve_label(name)
    except CorpusError:
        return name


def _listed(names: Sequence[str], most: int = 8) -> str:
    return ", ".join([*names[:most], *(["…"] if len(names) > most else [])]) or "no class"


def _large_classes(tokens: pd.DataFrame, expected: list[str]) -> tuple[np.ndarray, pd.DataFrame]:
    """Leave out classes that are empty or too small, each with its count; returns the positions kept too."""
    counts = tokens["class"].value_counts()
    left_out = LeftOut(tokens.attrs.get("left_out", ()))
    for name in expected:
        if name not in counts:
            left_out.add("class", f"no token of class {name}", 1, [name])
    tokens.attrs["left_out"] = left_out.entries()
    small = counts.index[counts < FEWEST_TOKENS]
    reasons = {name: f"class {name} has fewer than {FEWEST_TOKENS} tokens" for name in small}
    kept, tokens = _without(tokens, {reason: tokens["class"] == name for name, reason in reasons.items()})
    if tokens["class"].nunique() < 2:
        found = ", ".join(f"{name} {count}" for name, count in counts.items()) or "none"
        raise ExperimentError(
            f"fewer than two classes have {FEWEST_TOKENS} tokens or more (found: {found}). Use more data, other "
            "--classes, or a lower --min-duration"
        )
    return kept, tokens


def _without(tokens: pd.DataFrame, unwanted: Mapping[str, pd.Series]) -> tuple[np.ndarray, pd.DataFrame]:
    """Leave out the tokens that each reason marks, and count them; returns the positions kept too."""
    left_out, keep = LeftOut(tokens.attrs.get("left_out", ())), np.ones(len(tokens), dtype=bool)
    for reason, marked in unwanted.items():
        left_out.add("token", reason, int(marked.sum()), tokens.loc[marked, "token"].head(5))
        keep &= ~marked.to_numpy()
    rest = tokens[keep].reset_index(drop=True)
    rest.attrs = {**tokens.attrs, "left_out": left_out.entries()}
    return np.flatnonzero(keep), rest


def measure_formants(
    material: Material, settings: FormantSettings | None = None, corrected: pd.DataFrame | None = None
) -> tuple[pd.DataFrame, pd.DataFrame | None]:
    """Measure formants and F0 of the vowel tokens, with the ceiling of each speaker or those of a ladder.

    Parameters
    ----------
    material
        Tokens with sound. A recording of a lower rate than the material (``native_rate``) is analysed up to half its
        own rate, with as many formants as fit there.
    settings
        What was set; the defaults if None.
    corrected
        From `phonoscope.phonetics.corrections.read_corrections`.

    Returns
    -------
    tuple
        As of `phonoscope.phonetics.candidates.settled`; no rows when there is no vowel.
    """
    settings = settings or FormantSettings()
    rates = np.full(len(material.tokens), float(material.sample_rate))
    context = material.context / material.sample_rate
    rows = vowel_candidates(material.tokens, material.with_context, rates, context, settings, corrected)
    if len(rows) == 0:
        return pd.DataFrame(columns=["token"]), None
    if settings.on_a_ladder:
        rows.insert(1, "speaker", rows["token"].map(material.tokens.set_index("token")["speaker"]))
    table, candidates = settled(rows, settings, corrected)
    return table.drop(columns="speaker", errors="ignore"), candidates


def write_formants(material: Material, settings: FormantSettings, folder: Path) -> pd.DataFrame:
    """Measure the vowels of an experiment and keep the table in its folder, with candidates and corrections if any.

    Parameters
    ----------
    material
        Tokens with sound.
    settings
        What was set.
    folder
        Of the run.
    """
    corrected = None if settings.corrections is None else read_corrections(settings.corrections)
    table, candidates = measure_formants(material, settings, corrected)
    write_with(folder / FORMANTS_NAME, lambda path: table.to_parquet(path, index=False))
    if candidates is not None:
        write_with(folder / CANDIDATES_NAME, lambda path: candidates.to_csv(path, index=False))
    if corrected is not None:
        content = Path(str(settings.corrections)).read_bytes()
        write_with(folder / CORRECTIONS_NAME, lambda path: path.write_bytes(content))
    return table


def vowel_candidates(
    tokens: pd.DataFrame,
    sounds: Sequence[np.ndarray],
    rates: np.ndarray,
    context_seconds: float,
    settings: FormantSettings,
    corrected: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Measure the vowels among tokens; see `phonoscope.phonetics.candidates.candidate_formants`.

    Parameters
    ----------
    tokens, sounds, rates, context_seconds, settings, corrected
        As there; the tokens may be of any kind.
    """
    chosen = np.flatnonzero(vowel_tokens(tokens))
    part, rates = tokens.iloc[chosen], rates[chosen]
    tops = rates / 2
    if NATIVE_RATE in part:
        native = part[NATIVE_RATE].astype(float).to_numpy()
        tops = np.where(native > 0, np.minimum(tops, native / 2), tops)
    return candidate_formants(
        part, [sounds[i] for i in chosen], rates, context_seconds, settings, tops=tops, corrected=corrected
    )
