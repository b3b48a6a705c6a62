"""The truth benchmark: networks that use one of two cues or both, and what every method says of them.

The analyst has a corpus in which both cues agree; each network was made elsewhere. So a map of the data cannot tell
which cue the network uses, and what can has looked at the network.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property, lru_cache, partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from warnings import catch_warnings

import numpy as np
import pandas as pd
import xarray as xr

from phonoscope.attribution import explain
from phonoscope.attribution import methods as known_methods
from phonoscope.classifier import Classifier
from phonoscope.errors import AttributionError, ExperimentError, IncompleteMapWarning
from phonoscope.evidence.case import Case
from phonoscope.evidence.causal import USES, Exchange, front_end_for, learn, untrained
from phonoscope.evidence.controls import KINDS, data_map
from phonoscope.evidence.design import FULL, Block, Sizes
from phonoscope.evidence.label_free import LABEL_FREE, measured, open_trial
from phonoscope.evidence.pairs import PAIRS
from phonoscope.evidence.peers import explain_like, importable_peers, on_input_grid
from phonoscope.evidence.planted import LABELS, PlantedCorpus, Truth, plant
from phonoscope.evidence.truth import SCORES, score_maps
from phonoscope.files import to_json, write_json
from phonoscope.frontends import pad_waveforms
from phonoscope.training import TokenInputs
from phonoscope.work.executor import spread_over
from phonoscope.work.units import complete

EDITION = 3
CEILING = "planted difference"  # what the used cue changes in the picture: no map can be expected to beat it
DATA, RANDOM = "data", "random"
# Methods that are also asked about a network with random weights.
ON_RANDOM_WEIGHTS = ("integrated-gradients(steps=8)", "band-occlusion", "gradient", "cam")
COLUMNS = (
    "method", "kind", "pair", "distance_hz", "distance_ms", "uses", "network", "front_end", "seed", "learnt", "causal",
    "share", "share_positive", "which_present", "which_absent", "which_sure", "which_unsure", "mass", "mass_positive",
    "null", "auc", "auc_positive", "pointing", "pointing_positive", "empty", "tokens", *LABEL_FREE, "seconds",
    "problem",
)  # fmt: skip
_FEW_TO_SCORE, _DECIMALS = 5, 4
_TEST_SEED = 1_000_003  # talkers of the analyst's corpus are nobody's training talkers
_BLIND = "a single cell along the axis on which the cues lie apart: it cannot say"


@dataclass(frozen=True)
class Material:
    """What the analyst has: tokens in which both cues agree, some of which are explained and the others are known.

    Attributes
    ----------
    corpus
        All of them, in their four ways.
    explained
        Positions of the tokens to explain.
    """

    corpus: PlantedCorpus
    explained: np.ndarray

    def sounds(self, tokens: np.ndarray, exchanged: int | None = None) -> list[np.ndarray]:
        """Waveforms of some tokens, on request with one cue exchanged."""
        classes = self.corpus.agreeing()
        if exchanged is not None:
            classes[:, exchanged] = 1 - classes[:, exchanged]
        return [self.corpus.waveforms[k] for k in self.corpus.positions(classes)[tokens]]

    def labels(self, tokens: np.ndarray) -> list[str]:
        """Classes of some tokens, as spoken."""
        return [LABELS[k] for k in self.corpus.agreeing()[tokens, 0]]

    @property
    def reference(self) -> np.ndarray:
        """Positions of the tokens that stand for the speech that is known."""
        return np.setdiff1d(np.arange(self.corpus.n_tokens), self.explained)

    def truths(self) -> tuple[list[Truth], list[Truth]]:
        """Of the tokens that are explained: where the first cue is, and where the second."""
        every = [self.corpus.truth(cue, self.corpus.agreeing()) for cue in (0, 1)]
        return [every[0][k] for k in self.explained], [every[1][k] for k in self.explained]


def run_benchmark(
    blocks: Sequence[Block],
    methods: Sequence[str],
    peers: Sequence[str] = (),
    *,
    sizes: Sizes = FULL,
    folder: Path | None = None,
    jobs: int = 1,
    progress: Callable[[int, int], object] | None = None,
) -> pd.DataFrame:
    """Train, check and explain in every block, and score every method; what is done already is not done again.

    Parameters
    ----------
    blocks
        From `full_design` or `quick_design`.
    methods, peers
        As `explain` takes them; names of `PEERS`.
    sizes
        Tokens and epochs.
    folder
        Where the result of each block is kept, and found again; nothing is kept without it.
    jobs
        Processes.
    progress
        Called with the number of blocks done and their total.

    Returns
    -------
    DataFrame
        One row a network and method, peer, control or bound, with `COLUMNS`. Scores are means over tokens; they are
        missing where the network did not learn what it was to use, or the method could not run, and ``problem`` says
        why. ``causal`` is the causal share of the first cue, ``share`` that of the evidence; ``which_…``, the
        share at the *used* cue, and what follows are of networks that use one.

    Raises
    ------
    ExperimentError
        If there is no block, or a block stands twice in the design.
    """
    if not blocks or len({block.name for block in blocks}) < len(blocks):
        raise ExperimentError("the design is empty, or names a block twice")
    wanted = _Plan(tuple(methods), tuple(peers), sizes)
    with TemporaryDirectory() as scratch:
        kept = Path(scratch) if folder is None else folder
        rows: list[dict[str, Any]] = []
        is_done, do = partial(_is_done, folder=kept, plan=wanted), partial(_do, folder=kept, plan=wanted)
        for done, block in enumerate(complete(blocks, is_done, do, spread_over(jobs)), 1):
            names = {name for uses in block.uses for name in wanted.names(uses)}
            rows += [row for row in _kept_rows(kept, wanted, block) if (row["method"], row["kind"]) in names]
            if progress is not None:
                progress(done, len(blocks))
    order = ["pair", "distance_hz", "distance_ms", "network", "seed", "uses", "kind", "method"]
    table = pd.DataFrame(rows).reindex(columns=list(COLUMNS)).sort_values(order, ignore_index=True)
    return table.round(_DECIMALS)  # so that what is stored is what was judged


@dataclass(frozen=True)
class _Plan:
    """What is scored for each network of a block, and on how many tokens."""

    methods: tuple[str, ...]
    peers: tuple[str, ...]
    sizes: Sizes

    def names(self, uses: str) -> list[tuple[str, str]]:
        """What is scored for a network, with its kind."""
        names = [(name, "method") for name in self.methods] + [(name, "peer") for name in self.peers]
        names += [(f"{DATA} ({kind})", "control") for kind in KINDS]
        if uses in USES:
            names += [(f"{RANDOM}: {name}", "control") for name in ON_RANDOM_WEIGHTS if name in self.methods]
            names.append((CEILING, "bound"))
        return names

    def facts(self, block: Block) -> dict[str, Any]:
        """All that a score depends on, beside the method: blocks of other facts are run again."""
        return json.loads(to_json({"edition": EDITION, **asdict(self.sizes), **block.facts()}))


def _kept_rows(folder: Path, plan: _Plan, block: Block) -> list[dict[str, Any]]:
    """Rows of a block that were kept; none if they are of other facts."""
    try:
        kept = json.loads((folder / f"{block.name}.json").read_text(encoding="utf-8"))
        return kept["rows"] if kept["facts"] == plan.facts(block) else []
    except (OSError, ValueError, KeyError, TypeError):
        return []


def _missing(folder: Path, plan: _Plan, block: Block) -> dict[str, list[tuple[str, str]]]:
    """What is to be scored yet, by what the network uses."""
    kept = {(row["uses"], row["method"]) for row in _kept_rows(folder, plan, block)}
    return {uses: [each for each in plan.names(uses) if (uses, each[0]) not in kept] for uses in block.uses}


def _is_done(block: Block, folder: Path, plan: _Plan) -> bool:
    return not any(_missing(folder, plan, block).values())


def _do(block: Block, folder: Path, plan: _Plan) -> None:
    import torch

    torch.set_num_threads(1)
    rows = _kept_rows(folder, plan, block) + run_block(block, _missing(folder, plan, block), plan.sizes)
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / f"{block.name}.json", {"facts": plan.facts(block), "rows": rows})


@lru_cache(maxsize=2)
def _corpus(pair: str, n_tokens: int, seed: int) -> PlantedCorpus:
    return plant(PAIRS[pair], n_tokens=n_tokens, seed=seed)


def run_block(
    block: Block, names: Mapping[str, Sequence[tuple[str, str]]], sizes: Sizes = FULL
) -> list[dict[str, Any]]:
    """Train the networks of a block, see what they use, and score every method on tokens that they get right.

    Parameters
    ----------
    block
        Pair, network, front end, seed, and how much each cue is to be used.
    names
        By what a network uses: what is scored, each with its kind.
    sizes
        Tokens and epochs.

    Returns
    -------
    list of dict
        A row of the table for every network and method, peer, control or bound.
    """
    training = _corpus(block.pair, sizes.n_train, 2 * block.seed)
    test = _corpus(block.pair, sizes.n_test, _TEST_SEED + block.seed)
    inputs = TokenInputs(front_end_for(training.pair, block.network, block.front_end), training.waveforms)
    rows = []
    for uses, wanted in names.items():
        if not wanted:
            continue
        given = {"uses": uses, "front_end": block.front_end, "seed": block.seed, "epochs": sizes.epochs}
        classifier, exchange = learn(training, test, block.network, inputs=inputs, **given)
        facts = {**_facts(block), "uses": uses, "learnt": exchange.learnt(uses), "causal": exchange.share}
        chosen = exchange.tokens(uses)[: sizes.n_explained]
        if not facts["learnt"] or len(chosen) < _FEW_TO_SCORE:
            why = "the decision does not follow the cue"
            rows += [{"method": name, "kind": kind, **facts, "learnt": False, "problem": why} for name, kind in wanted]
            continue
        trial = _Trial(classifier, Material(test, chosen), uses, exchange, block)
        rows += [{"method": name, "kind": kind, **facts, **trial.scored(name, kind)} for name, kind in wanted]
    return rows


def _facts(block: Block) -> dict[str, Any]:
    pair = PAIRS[block.pair]
    distance = {"distance_ms" if pair.in_time else "distance_hz": pair.distance}
    return {"pair": pair.name, **distance, "network": block.network, "front_end": block.front_end, "seed": block.seed}


@dataclass(frozen=True)
class _Trial:
    """One network with the tokens on which it is explained."""

    classifier: Classifier
    material: Material
    uses: str
    exchange: Exchange
    block: Block

    def scored(self, name: str, kind: str) -> dict[str, Any]:
        """Scores of one method, peer, control or bound, or why there are none."""
        began = time.perf_counter()
        try:
            with catch_warnings(category=IncompleteMapWarning, action="ignore"):  # what a map misses, its scores show
                maps = self.maps(name, kind)
        except AttributionError as error:
            return {"problem": str(error)}
        seconds = (time.perf_counter() - began) / len(self.material.explained)
        scores = summarise(maps, self.material, self.uses, self.exchange.margins[self.material.explained])
        problem = _BLIND if np.isnan(scores["share"]) else ""
        predicted = measured(self.opened, name, maps) if self.block.measured and kind == "method" else {}
        return {**scores, **predicted, "seconds": seconds, "problem": problem}

    @cached_property
    def opened(self) -> tuple[Case, xr.DataArray]:
        """What the measures without planted truth work on."""
        material, tokens = self.material, self.material.explained
        reference = material.sounds(material.reference)
        return open_trial(self.classifier, material.sounds(tokens), material.labels(tokens), reference)

    def maps(self, name: str, kind: str) -> xr.DataArray:
        """Maps of the tokens for the class that was spoken, which is the one that the network decides for."""
        material, classifier = self.material, self.classifier
        tokens, known = material.explained, material.reference
        sounds, labels = material.sounds(tokens), material.labels(tokens)
        if kind == "bound":
            return planted_difference(material, list(USES).index(self.uses))
        if kind == "peer":
            return explain_like(name, classifier, sounds, labels)
        reference = material.sounds(known)
        if name.startswith(f"{DATA} ("):
            which = next(k for k in KINDS if k in name)
            return data_map(classifier, sounds, labels, reference, material.labels(known), kind=which)
        if kind == "control":
            name = name.removeprefix(f"{RANDOM}: ")
            random = untrained(classifier.front_end, str(classifier.network_name), 1_000 + self.block.seed)
            random.input_mean, random.input_sd = classifier.input_mean, classifier.input_sd
            classifier = random.eval()
        return explain(classifier, sounds, target=labels, method=name, reference=reference, seed=self.block.seed)


def planted_difference(material: Material, cue: int) -> xr.DataArray:
    """What the exchange of a cue changes in the sound's picture: the map of an ideal listener to that cue alone.

    The picture has levels re full scale, whatever the network's front end: one that scales each token to its own
    maximum moves everything with the loudest cue, which is a fact about the front end and not a place of the cue.

    Parameters
    ----------
    material
        The tokens.
    cue
        0 or 1.
    """
    front_end = front_end_for(material.corpus.pair, "compact", "full-scale")
    spoken, exchanged = (material.sounds(material.explained, which) for which in (None, cue))
    change = front_end(*pad_waveforms(exchanged)) - front_end(*pad_waveforms(spoken))
    return on_input_grid(front_end, change[:, 0].abs().numpy(), spoken, method=CEILING)


def summarise(maps: xr.DataArray, material: Material, uses: str, margins: np.ndarray) -> dict[str, float]:
    """Mean scores of the maps of one network; see `score_maps` and `COLUMNS`.

    Parameters
    ----------
    maps
        Of the tokens that are explained, dims (token, frequency, time).
    material
        The tokens.
    uses
        One of `USES` or `GRADES`.
    margins
        By how much each token is decided, (token,): half of them are sure, half are not.

    Notes
    -----
    Signed maps and maps without signs are scored alike, twice: by all of their evidence (its absolute value), and by
    the part that speaks for the class (``…_positive``), which is all that a ReLU leaves. Tokens are counted apart
    where the used cue is there (``which_present``) and where its lack tells the class (``which_absent``).
    """
    truths, blur = material.truths(), material.corpus.blur
    pure = uses in USES
    used = list(USES).index(uses) if pure else 0
    scores, positive = (
        score_maps(maps, truths[used], truths[1 - used], blur=blur, part=part) for part in ("absolute", "positive")
    )
    means, means_positive = (table[list(SCORES)].mean() for table in (scores, positive))
    share, share_positive = means["which"], means_positive["which"]
    if used == 1:
        share, share_positive = 1 - share, 1 - share_positive
    facts = {"share": share, "share_positive": share_positive, "tokens": len(scores), "empty": scores["empty"].mean()}
    if not pure:
        return facts
    present = np.array([bool(truth.present) and not truth.elsewhere for truth in truths[used]])
    absent = np.array([not truth.present for truth in truths[used]])
    sure = margins >= np.median(margins)
    parts = {"present": present, "absent": absent, "sure": sure, "unsure": ~sure}
    return {
        **facts,
        **{name: means[name] for name in ("mass", "null", "auc", "pointing")},
        **{f"{name}_positive": means_positive[name] for name in ("mass", "auc", "pointing")},
        **{f"which_{name}": scores.loc[tokens, "which"].mean() for name, tokens in parts.items()},
    }


def available(methods: Sequence[str]) -> tuple[list[str], list[str], dict[str, str]]:
    """Methods that `explain` knows, peers that can be imported, and the others of both with the reason."""
    known, (peers, absent) = known_methods(), importable_peers()
    runnable = [method for method in methods if method.partition("(")[0].strip() in known]
    strange = {method: "explain() does not know it" for method in methods if method not in runnable}
    return runnable, peers, strange | absent
