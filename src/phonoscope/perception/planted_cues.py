"""The cue benchmark: do cue weights find the one cue, or the two, that decide, where it is known which do?

Two kinds of model are asked about the same stimuli, in which every cue is moved. *Listeners* follow a rule that was
written down, so what they do is known exactly. *Networks* learnt from talkers whose classes differ in nothing but the
planted cues; what they took from there is their own affair, and is measured a second time, without any manipulation,
by letting the same talkers speak each token with one cue different.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from phonoscope.classifier import Classifier
from phonoscope.frontends import Spectrogram
from phonoscope.manipulate import find_cue
from phonoscope.perception.planted_listeners import answers, heard
from phonoscope.perception.planted_talkers import (
    LABELS,
    PLANTED,
    SAMPLE_RATE,
    PlantedTokens,
    draw_tokens,
    own_values,
    speak,
    usual,
)
from phonoscope.perception.presenting import Continuum, Presented, present
from phonoscope.perception.trials import Trials, ask, log_probabilities
from phonoscope.perception.weights import cue_weights, weight_ratio
from phonoscope.training import TokenInputs, train
from phonoscope.training.recipe import TrainingRecipe

LISTENER, NETWORK = "listener", "network"
# No further than about one and a half standard deviations of the talkers: what a network makes of sounds unlike all
# that it learnt from says nothing about cue weights.
STEPS: dict[str, tuple[float, ...]] = {
    "f1": (-90.0, -45.0, 0.0, 45.0, 90.0),
    "f2": (-200.0, -100.0, 0.0, 100.0, 200.0),
    "f3": (-240.0, -120.0, 0.0, 120.0, 240.0),
    "f0": (-3.0, -1.5, 0.0, 1.5, 3.0),
    "duration": (-30.0, -15.0, 0.0, 20.0, 40.0),
    "level": (-4.5, -2.25, 0.0, 2.25, 4.5),
    "tilt": (-2.0, -1.0, 0.0, 1.0, 2.0),
    "hnr": (-6.0, -4.0, -2.0, 0.0),
    "high_band": (-8.0, -4.0, 0.0, 4.0, 8.0),
}
ODDS = 4.0  # log odds of a class per standard deviation of what it is told by
# The first counts twice as much as the second.
PAIRS = (("f2", "f3"), ("f0", "duration"), ("level", "f1"))
TWICE = 2.0
FRONT_END: dict[str, Any] = {
    "max_hz": 6000.0, "window_seconds": 0.025, "rows": 112, "columns": 32, "time": "fixed", "seconds": 0.32,
    "reference": "full-scale", "range_db": 80.0,
}  # fmt: skip
RECIPE = TrainingRecipe(batch_size=32, min_steps=0, noise=0.2, time_jitter=0.0, choose="last")
CASES = (
    "kind", "planted", "times", "at_least", "other", "times_spoken", "ratio", "low", "high", "ratio_spoken", "follows",
    "n", "n_units", "trainings",
)  # fmt: skip
_ASKED_SEED, _TEST_SEED = 1_000_003, 2_000_003  # nobody's training talkers


@dataclass(frozen=True)
class PlantedSizes:
    """How large the benchmark is.

    Parameters
    ----------
    tokens
        Presented with every cue moved.
    trained
        Tokens that a network learns from; 0: listeners alone.
    epochs
        Of a training.
    trainings
        Of each network.
    """

    tokens: int = 48
    trained: int = 3200
    epochs: int = 6
    trainings: int = 1


FULL, QUICK = PlantedSizes(), PlantedSizes(trained=0)
TIMES, FEWEST = 10.0, 6  # weight of the one cue that counts over any other, in at least so many cues
OFF = 0.2  # how far the ratio of two weights may lie from the planted one


def cases(cues: Sequence[str] = PLANTED) -> dict[str, dict[str, float]]:
    """What is planted: log odds per standard deviation of each cue that counts, by name."""
    both = np.hypot(TWICE, 1.0) / ODDS
    pairs = {f"{a} + {b}": {a: TWICE / both, b: 1 / both} for a, b in PAIRS if a in cues and b in cues}
    return {cue: {cue: ODDS} for cue in cues} | pairs


def run_planted_cues(
    sizes: PlantedSizes = FULL,
    cues: Sequence[str] = PLANTED,
    progress: Callable[[int, int], object] | None = None,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Ask listeners and networks, and weigh all cues in what each answers.

    Parameters
    ----------
    sizes
        How many tokens and trainings.
    cues
        Which are moved and planted; formants are moved together.
    progress
        Called with the number of models done and their total.

    Returns
    -------
    weights : DataFrame
        One row a model and cue: ``kind, planted`` (which cues), ``cue, truth`` (the planted weight, of networks what
        the classes of their talkers would ask for), ``weight`` with its interval, in logits per standard deviation of
        the talkers; ``spoken``, of networks: the same without manipulation.
    cases : DataFrame
        One row a model: ``times``, the weight of the planted cue (the weaker one of two) over the largest of the
        others, ``at_least`` by the intervals of both, and which ``other`` that is; of two cues, the ``ratio`` of their
        weights with its interval, planted as 2; ``times_spoken, ratio_spoken`` without manipulation; ``follows``, the
        correlation of a network's log odds with the planted ones.
    """
    tokens, planted = draw_tokens(sizes.tokens, _ASKED_SEED), cases(cues)
    moved = moved_stimuli(tokens, cues)
    listened = heard(moved)
    corpus = draw_tokens(sizes.trained) if sizes.trained else None
    inputs = None if corpus is None else TokenInputs(Spectrogram(SAMPLE_RATE, **FRONT_END), corpus.sounds)
    total, found = len(planted) * (1 + sizes.trainings * (corpus is not None)), []
    for name, odds in planted.items():
        log_p = log_probabilities(answers(listened, odds))[None]
        found.append(_scored(LISTENER, name, odds, Trials(moved.table, LABELS, log_p), None, np.nan))
        if progress is not None:
            progress(len(found), total)
    if corpus is None or inputs is None:
        return _joined(found)
    done, spoken = len(found), spoken_stimuli(tokens, cues)
    for name, odds in planted.items():
        networks = []
        for seed in range(sizes.trainings):
            networks.append(learn(corpus, odds, sizes.epochs, seed, inputs))
            done += 1
            if progress is not None:
                progress(done, total)
        trials = [
            Trials(each.table, LABELS, np.stack([ask(network, each.sounds) for network in networks]))
            for each in (moved, spoken)
        ]
        found.append(_scored(NETWORK, name, odds, *trials, _follows(networks, odds)))
    return _joined(found)


def _joined(found: Sequence[tuple[pd.DataFrame, dict[str, Any]]]) -> tuple[pd.DataFrame, pd.DataFrame]:
    weights = pd.concat([weights for weights, _ in found], ignore_index=True)
    return weights, pd.DataFrame([case for _, case in found], columns=list(CASES))


def missed_bars(table: pd.DataFrame, kind: str = LISTENER) -> list[str]:
    """Which bars the cases miss, in words; nothing where all are met.

    Parameters
    ----------
    table
        Cases, from `run_planted_cues`.
    kind
        Of the models: listeners, whose rule is known, or networks.
    """
    own = table[table["kind"] == kind]
    single, pairs = own[own["ratio"].isna()], own[own["ratio"].notna()]
    clear = int((single["times"] >= TIMES).sum())
    wrong = [] if clear >= FEWEST else [f"{clear} cues of {FEWEST} weigh {TIMES:g} times as much as any other"]
    off = pairs[(pairs["ratio"] / TWICE - 1).abs() > OFF]
    return wrong + [f"{row.planted} is found as {row.ratio:.2f} : 1, not {TWICE:g} : 1" for row in off.itertuples()]


def learn(
    corpus: PlantedTokens, odds: Mapping[str, float], epochs: int, seed: int, inputs: TokenInputs | None = None
) -> Classifier:
    """Train a small network on tokens whose classes are drawn with these odds.

    Parameters
    ----------
    corpus
        From `draw_tokens`.
    odds
        Log odds of the second class per standard deviation of each cue.
    epochs, seed
        Of the training.
    inputs
        Front-end outputs of the corpus, where they were made before.
    """
    import torch

    torch.manual_seed(seed)
    classifier = Classifier.build(Spectrogram(SAMPLE_RATE, **FRONT_END), "compact", LABELS)
    everything = np.arange(len(corpus.sounds))
    train(
        classifier, corpus.sounds, corpus.classes(odds, seed), train_index=everything, validation_index=everything[:0],
        recipe=RECIPE.changed(epochs=epochs, seed=seed), device="cpu", inputs=inputs,
    )  # fmt: skip
    return classifier.eval()


def moved_stimuli(tokens: PlantedTokens, cues: Sequence[str] = PLANTED) -> Presented:
    """Tokens with each cue moved in the sound.

    Parameters
    ----------
    tokens
        From `draw_tokens`.
    cues
        Which are moved.
    """
    table = tokens.table.assign(**{"class": LABELS[0]})  # nothing in them depends on a class
    return present(table, tokens.sounds, SAMPLE_RATE, [Continuum(cue, STEPS[cue]) for cue in cues], context=0.0)


def spoken_stimuli(tokens: PlantedTokens, cues: Sequence[str] = PLANTED) -> Presented:
    """The same tokens, spoken with one cue a standard deviation lower and higher, and all else the same.

    Parameters
    ----------
    tokens
        From `draw_tokens`.
    cues
        Which are moved.
    """
    tables, sounds = [], []
    own = own_values(tokens)
    for cue in cues:
        for step in (-1.0, 0.0, 1.0):
            drawn = tokens.drawn.copy()
            drawn[:, PLANTED.index(cue)] += step
            said = speak(drawn, tokens.talkers, tokens.seed)
            values = own_values(said)
            tables.append(tokens.table.assign(
                **{"class": LABELS[0]}, **values, cue=cue, step=step, achieved=values[cue], before=own[cue],
                missed=False, unit=find_cue(cue).unit,
            ))  # fmt: skip
            sounds += said.sounds
    return Presented(pd.concat(tables, ignore_index=True), sounds)


def _follows(networks: Sequence[Classifier], odds: Mapping[str, float]) -> float:
    """Mean correlation of the networks' log odds with the planted ones, on tokens of talkers they never met."""
    test = draw_tokens(200, _TEST_SEED)
    logits = [network.logits(test.sounds) for network in networks]
    return float(np.mean([np.corrcoef(each[:, 1] - each[:, 0], test.log_odds(odds))[0, 1] for each in logits]))


def _scored(
    kind: str, name: str, odds: Mapping[str, float], moved: Trials, spoken: Trials | None, follows: float
) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Weights of one model, and what they come to."""
    weights = _of_second_class(cue_weights(moved))
    of_sd = np.array([usual(cue)[1] for cue in weights.index])  # both are told per unit, and planted per this spread
    truth = np.array([odds.get(cue, 0.0) for cue in weights.index]) / of_sd * weights["spread"]
    without = None if spoken is None else _of_second_class(cue_weights(spoken))["per_unit"] * weights["spread"]
    table = weights.assign(
        kind=kind, planted=name, truth=truth, spoken=np.nan if without is None else without
    ).reset_index()[["kind", "planted", "cue", "truth", "weight", "low", "high", "spoken", "spread", "unit"]]
    own, others = list(odds), [cue for cue in weights.index if cue not in odds]
    size = weights["weight"].abs()
    other = str(size[others].idxmax())
    bounds = weights[["low", "high"]].abs()
    crossing = (weights["low"] < 0) & (weights["high"] > 0)
    least = bounds.min(axis=1).where(~crossing, 0.0)
    with np.errstate(divide="ignore"):  # the others may weigh nothing at all
        case: dict[str, Any] = {
            "kind": kind, "planted": name, "times": size[own].min() / size[other],
            "at_least": least[own].min() / bounds.loc[others].to_numpy().max(), "other": other, "follows": follows,
        }  # fmt: skip
        if without is not None:
            case["times_spoken"] = without[own].abs().min() / without[others].abs().max()
    if len(own) > 1:
        first, second = own
        per_sd = usual(first)[1] / usual(second)[1]
        for trials, names in ((moved, ("ratio", "low", "high")), (spoken, ("ratio_spoken",))):
            if trials is not None:
                found = np.array(weight_ratio(trials, LABELS[1], first, second)) * per_sd
                case |= dict(zip(names, found, strict=False))
    return table, case | {"n": len(moved.heard()), "n_units": int(weights["n_units"].iloc[0]),
                          "trainings": int(weights["trainings"].iloc[0])}  # fmt: skip


def _of_second_class(weights: pd.DataFrame) -> pd.DataFrame:
    return weights[weights["class"] == LABELS[1]].set_index("cue")
