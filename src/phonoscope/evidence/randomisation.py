"""Do maps depend on what the network has learnt? Weights are drawn anew, layer by layer (Adebayo et al. 2018)."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from itertools import count
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from scipy.special import stdtrit
from torch import Tensor, nn

from phonoscope.attribution.registry import METHODS, Method
from phonoscope.classifier import Classifier
from phonoscope.errors import AttributionError
from phonoscope.evidence.case import Case
from phonoscope.evidence.measure import NotMeasuredError
from phonoscope.evidence.similarity import mean_where, rank_correlations
from phonoscope.modules import evaluation_mode, refuse_scripted

PASSES, FAILS, OPEN = "passes", "fails", "cannot be told"
# A method fails when maps of networks that know nothing are more alike than this.
MOST_EXCESS = 0.2
MOST_SIMILAR = 0.5
# Above this, a map does not care about the last layer, where the classes are told apart.
MOST_WITHOUT_CLASSES = 0.8


def layers_from_the_logits(network: nn.Module, inputs: Tensor) -> list[str]:
    """Names of the modules that have weights of their own, the one nearest to the logits first.

    Their order is that of a forward pass; a module that is used again counts at its last use, one that is never used
    comes last.
    """
    named = {name: m for name, m in network.named_modules() if next(m.parameters(recurse=False), None) is not None}
    called: dict[str, int] = {}
    turns = count()
    for name, module in named.items():
        refuse_scripted(name, module)
    handles = [
        module.register_forward_pre_hook(lambda _module, _args, name=name: called.update({name: next(turns)}))
        for name, module in named.items()
    ]
    try:
        with evaluation_mode(network), torch.no_grad():
            network(inputs[:1].clone())
    finally:
        for handle in handles:
            handle.remove()
    return sorted(named, key=lambda name: -called.get(name, -1))


@torch.no_grad()
def randomise_layer(network: nn.Module, layer: str, seed: int) -> None:
    """Draw the weights of one module anew, in place, as at the start of a training.

    A module that does not know how (no ``reset_parameters``) has its own weights put in random order. The global random
    numbers are left as they were.

    Parameters
    ----------
    network
        Changed in place.
    layer
        Name of the module.
    seed
        Of the new weights.
    """
    module = network.get_submodule(layer)
    reset = getattr(module, "reset_parameters", None)
    devices = {p.device for p in module.parameters(recurse=False) if p.device.type == "cuda"}
    with torch.random.fork_rng(devices=list(devices)):
        torch.manual_seed(seed)
        if callable(reset):
            reset()
            return
        for weights in module.parameters(recurse=False):
            order = torch.randperm(weights.numel()).to(weights.device)
            weights.copy_(weights.flatten()[order].view_as(weights))


def with_random_weights(classifier: Classifier, seed: int) -> Classifier:
    """Return a copy of a classifier whose weights are all drawn anew, as at the start of a training.

    Raises
    ------
    AttributionError
        If it has no weights that could be drawn, as a function, or cannot be copied.
    """
    if next(classifier.network.parameters(), None) is None:
        raise AttributionError("the model has no weights that could be drawn anew, as functions and frozen graphs")
    try:
        drawn = copy.deepcopy(classifier)
    except (TypeError, RuntimeError) as error:  # what a model of others holds may be anything
        raise AttributionError(f"the model cannot be copied to draw its weights anew ({error})") from error
    named = [name for name, m in drawn.network.named_modules() if next(m.parameters(recurse=False), None) is not None]
    for number, layer in enumerate(named):
        randomise_layer(drawn.network, layer, int(np.random.SeedSequence((seed, number)).generate_state(1)[0]))
    return drawn


class Randomised(NamedTuple):
    """Result of the check: verdict, one sentence, similarities at each stop and those of each token at the last."""

    verdict: str
    sentence: str
    stops: pd.DataFrame
    tokens: pd.DataFrame


def parameter_randomisation(
    case: Case,
    method: str,
    *,
    stops: int = 2,
    networks: int = 5,
    methods: Mapping[str, Method] = METHODS,
) -> Randomised:
    """Compare maps of the network with maps of copies whose weights were drawn anew, from the logits to the input.

    Cascading randomisation on a copy: the user's network is not touched; tokens, targets and reference speech stay.
    Similarity is the rank correlation over the cells of a map, of signed values (``signed``) and of absolute ones
    (``size``); a flat map has no order and counts as 0. What is similar for no reason is measured by pairing each map
    of the network with the random network's maps of *other* tokens (``unrelated``; of other targets where there are
    such).

    A method fails if maps of wholly random networks (``networks`` of them) are shown to follow the token whatever the
    weights are: if the 95 % interval over the networks of the signed similarity lies above 0.5, or that of its excess
    over unrelated maps above 0.2. It passes if both intervals lie below. Else it cannot be told.

    Parameters
    ----------
    case
        Classifier, tokens and targets, from `open_case`.
    method
        As in `explain`.
    stops
        How often the first network is looked at between the logits and the input.
    networks
        Networks with random weights, at least 2.
    methods
        Where methods are looked up.

    Returns
    -------
    Randomised
        ``stops``: ``stop`` (layers drawn anew so far), ``layer`` (the last of them), ``network``, ``kind``,
        ``similarity``, ``unrelated``; ``tokens``: the same at the last stop for each ``token``, mean of the networks.
    """
    if stops < 1 or networks < 2:
        raise AttributionError(f"stops={stops}, networks={networks}: expected at least 1 stop and 2 random networks")
    classifier = case.setting.classifier
    order = layers_from_the_logits(classifier.network, case.setting.probe)
    if not order:
        raise NotMeasuredError("the network has no weights that could be drawn anew")
    looked_at = sorted(set(np.linspace(1, len(order), min(stops, len(order))).round().astype(int).tolist()))
    others = case.targets[:, None] != case.targets[None, :]
    if not others.any():
        others = ~np.eye(len(case), dtype=bool)
    with evaluation_mode(classifier):
        trained = case.maps(case.prepare(method, methods))
    rows, last = [], []
    for network in range(networks):
        drawn = copy.deepcopy(classifier)
        for number, layer in enumerate(order, start=1):
            drawn_seed = np.random.SeedSequence((case.setting.seed, network, number)).generate_state(1)[0]
            randomise_layer(drawn.network, layer, int(drawn_seed))
            # Between the first layer and the last, the way of one network is enough to look at.
            if number not in (looked_at if network == 0 else (1, len(order))):
                continue
            with evaluation_mode(drawn):
                there = case.on(drawn)
                maps = there.maps(there.prepare(method, methods))
            for kind, change in (("signed", np.asarray), ("size", np.abs)):
                alike = rank_correlations(change(trained), change(maps))
                same, unrelated = np.diagonal(alike), mean_where(alike, others)
                rows.append((number, layer, network, kind, same.mean(), np.nanmean(unrelated)))
                if number == len(order):
                    columns = {"token": case.names, "kind": kind, "similarity": same, "unrelated": unrelated}
                    last.append(pd.DataFrame(columns))
    table = pd.DataFrame(rows, columns=["stop", "layer", "network", "kind", "similarity", "unrelated"])
    tokens = pd.concat(last).groupby(["kind", "token"], sort=False).mean().reset_index()
    return Randomised(*_verdict(method, table, len(order)), table, tokens)


def worst_verdict(verdicts: Sequence[str]) -> int:
    """Position of the verdict on several classifiers that decides for all: failed before open before passed."""
    severity = {FAILS: 0, OPEN: 1}
    return min(range(len(verdicts)), key=lambda position: severity.get(verdicts[position], 2))


def _verdict(method: str, table: pd.DataFrame, layers: int) -> tuple[str, str]:
    full = table[table["stop"] == layers]
    signed, size = full[full["kind"] == "signed"], full[full["kind"] == "size"]
    similar, excess = _interval(signed["similarity"]), _interval(signed["similarity"] - signed["unrelated"])
    numbers = (
        f"rank correlation {signed['similarity'].mean():.2f} with maps of {len(signed)} random networks, "
        f"{signed['unrelated'].mean():.2f} with those of unrelated tokens"
    )
    if similar[0] > MOST_SIMILAR or excess[0] > MOST_EXCESS:
        return FAILS, f"Fails: maps by {method} stay alike when the network has learnt nothing ({numbers})."
    verdict, sentence = PASSES, f"Passes: maps by {method} change with the weights ({numbers})."
    if similar[1] > MOST_SIMILAR or excess[1] > MOST_EXCESS:
        verdict, sentence = OPEN, f"It cannot be told whether maps by {method} depend on the weights ({numbers})."
    if _interval(size["similarity"] - size["unrelated"])[0] > MOST_EXCESS:
        sentence += (
            " Only their sign does: absolute values follow the token whatever the weights are "
            f"({size['similarity'].mean():.2f} against {size['unrelated'].mean():.2f}); do not read them without it."
        )
    logits = table[(table["stop"] == 1) & (table["kind"] == "signed")]["similarity"]
    if layers > 1 and _interval(logits)[0] > MOST_WITHOUT_CLASSES:
        sentence += (
            f" They hardly depend on the layer of the logits ({logits.mean():.2f} when it alone is drawn anew): they "
            "show what the network finds, less what it holds for the class."
        )
    return verdict, sentence


def _interval(values: pd.Series) -> tuple[float, float]:
    """95 % interval of a mean over networks (Student's t)."""
    reach = float(stdtrit(len(values) - 1, 0.975)) * float(values.std(ddof=1)) / np.sqrt(len(values))
    return float(values.mean()) - reach, float(values.mean()) + reach
