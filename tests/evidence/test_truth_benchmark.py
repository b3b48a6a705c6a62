"""The benchmark of methods, end to end at a small size, and its ranking on tables whose order is known."""

import json
import math

import numpy as np
import pandas as pd
import pytest
import torch

from phonoscope.errors import ExperimentError, MissingExtraError
from phonoscope.evidence.benchmark import (
    BOUNDS,
    CEILING,
    COLUMNS,
    ENERGY,
    Benchmark,
    Cell,
    Sizes,
    available,
    localisation,
    ranking,
    run_benchmark,
    run_cell,
    to_json_object,
)
from phonoscope.evidence.causal import learn
from phonoscope.evidence.peers import PEERS, explain_like, importable_peers
from phonoscope.files import to_json

SMALL = Sizes(n_train=200, n_test=40, n_explained=10, epochs=(8,))


@pytest.fixture(scope="module")
def small():
    """One cell: duration, learnt in seconds, three methods and one that does not exist."""
    asked = ["cam", "gradient-x-input", "tea-leaves(cups=2)"]
    done = []
    result = run_benchmark(
        cues=["duration"], networks=["compact"], seeds=1, classes=[2, 3], methods=asked, sizes=SMALL, workers=1,
        progress=lambda *numbers: done.append(numbers),
    )  # fmt: skip
    assert done == [(1, 1)]
    return result


def test_every_method_peer_and_bound_is_scored(small):
    present, absent = importable_peers()
    assert set(small.table["method"]) == {"cam", "gradient-x-input", *present, *BOUNDS}
    assert set(small.absent) == {"tea-leaves(cups=2)", *absent}
    scores = small.table.set_index("method")
    assert scores["learnt"].all()
    assert (scores["problem"] == "").all()
    for column in ("mass", "null", "auc", "pointing", "energy", "mass_positive", "mass_present"):
        assert scores[column].between(0, 1).all(), column
    assert scores["null"].std() < 1e-9  # one truth for all
    assert scores.loc[ENERGY, "mass"] == pytest.approx(scores.loc[ENERGY, "energy"])
    assert scores.loc[CEILING, "mass"] > 0.95
    assert scores.loc[CEILING, "pointing"] == 1
    assert (scores["tokens"] == 10).all()


def test_the_json_object_has_what_programs_expect(small):
    value = json.loads(to_json(to_json_object(small)))
    assert set(value["ranking"]) == {"cam", "gradient-x-input"}
    assert value["peers"] == [name for name in [r["method"] for r in value["localisation"]] if name in PEERS]
    (cell,) = [score for score in value["scores"] if score["method"] == "cam"]
    assert {"method", "cue", "network", "seed", "mass", "null", "pointing", "error_hz"} <= set(cell)
    assert cell["error_hz"] is None  # of a cue in time


def test_the_same_seed_gives_the_same_scores(small):
    rows = pd.DataFrame(run_cell(Cell("duration", 2, "compact", 0), ["cam", "gradient-x-input"], [], SMALL))
    for method in ("cam", "gradient-x-input", ENERGY, CEILING):
        again, first = (table[table["method"] == method]["mass"].iloc[0] for table in (rows, small.table))
        assert again == pytest.approx(first, abs=1e-6)


def test_a_cue_that_is_not_learnt_is_not_scored():
    rows = run_cell(Cell("distractor", 2, "compact-local", 0), ["cam"], [], Sizes(40, 20, 10, (1,)))
    assert {row["learnt"] for row in rows} == {False}
    assert all("not learnt" in row["problem"] and "mass" not in row for row in rows)
    value = to_json_object(Benchmark(pd.DataFrame(rows).reindex(columns=list(COLUMNS))))
    assert value["ranking"] == []
    assert value["not_learnt"][0]["cue"] == "distractor"


def _table(masses, null=0.2):
    """One row a method and cell; NaN: the method did not suit the network; None: the cue was not learnt."""
    rows = [
        {"method": method, "kind": "method", "cue": "f1", "classes": 2, "network": "n", "seed": seed,
         "mass": math.nan if mass is None else mass, "null": null, "learnt": mass is not None}
        for method, values in masses.items()
        for seed, mass in enumerate(values)
    ]  # fmt: skip
    return pd.DataFrame(rows).reindex(columns=list(COLUMNS))


def test_methods_are_ranked_by_localisation():
    table = _table({"worse": [0.3, 0.4, 0.5], "chance": [0.2] * 3, "best": [1.0] * 3, "blind": [0.0] * 3})
    ranked = ranking(table)
    assert ranked["method"].tolist() == ["best", "worse", "chance", "blind"]
    assert ranked["localisation"].tolist() == pytest.approx([1.0, 0.25, 0.0, -0.25])
    best = ranked.iloc[0]
    assert best["low"] == best["high"] == 1.0
    assert ranked.loc[1, "low"] < 0.25 < ranked.loc[1, "high"]


def test_a_method_that_does_not_suit_a_network_counts_as_chance_there():
    ranked = ranking(_table({"part": [1.0, math.nan], "whole": [0.68, 0.68]})).set_index("method")
    assert ranked.loc["part", "localisation"] == pytest.approx(0.5)
    assert ranked.loc["part", "cells"] == 1
    assert ranked.loc["whole", "localisation"] == pytest.approx(0.6)


def test_cells_that_were_not_learnt_are_left_out_for_all():
    ranked = ranking(_table({"a": [0.6, None], "b": [0.4, None]})).set_index("method")
    assert ranked.loc["a", "localisation"] == pytest.approx(0.5)


def test_localisation_is_chance_corrected():
    table = pd.DataFrame({"mass": [0.2, 1.0, 0.6, 0.0], "null": [0.2, 0.2, 0.2, 0.5]})
    assert localisation(table).tolist() == pytest.approx([0, 1, 0.5, -1])


def test_nothing_to_run_is_refused():
    with pytest.raises(ExperimentError, match="nothing to run"):
        run_benchmark(cues=["hum"], classes=[5], methods=["cam"], workers=1)
    assert available(["cam", "nonsense"])[0] == ["cam"]


def test_a_peer_that_is_not_installed_is_named():
    _, absent = importable_peers()
    missing = [name for name in absent if PEERS[name][0] in ("torchcam", "pytorch_grad_cam")]
    if not missing:
        pytest.skip("all peers are installed")
    learner_free = object()
    with pytest.raises(MissingExtraError, match=PEERS[missing[0]][0]):
        explain_like(missing[0], learner_free, [], [])  # ty: ignore[invalid-argument-type]


def test_captums_map_is_drawn_where_captum_draws_it():
    attr = pytest.importorskip("captum.attr")
    learner = learn("duration", "compact", n_train=60, n_test=20, epochs=(1,))
    classifier, corpus = learner.classifier, learner.test
    classifier.network.zero_grad(set_to_none=True)
    maps = explain_like("captum LayerGradCam", classifier, corpus.waveforms[:3], corpus.tokens[:3])
    assert all(parameter.grad is None for parameter in classifier.network.parameters())
    inputs = next(iter(classifier.batches(corpus.waveforms[:3])))[1]
    target = torch.tensor([classifier.index_of(label) for label in corpus.tokens[:3]])
    coarse = attr.LayerGradCam(classifier.network, classifier.network.features).attribute(inputs, target=target)
    # 16 × 4 cells, each drawn over 4 rows and 8 columns of the picture.
    expected = coarse[:, 0].repeat_interleave(4, 1).repeat_interleave(8, 2).detach().numpy()
    np.testing.assert_allclose(maps.values, expected, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(maps["frequency"], classifier.front_end.frequency_axis.centres)


def test_the_stand_in_runs_from_zero_to_one():
    pytest.importorskip("captum")
    learner = learn("duration", "compact", n_train=60, n_test=20, epochs=(1,))
    name = next(peer for peer in PEERS if "stand-in" in peer)
    maps = explain_like(name, learner.classifier, learner.test.waveforms[:4], learner.test.tokens[:4])
    np.testing.assert_allclose(maps.min(("frequency", "time")), 0, atol=1e-6)
    assert set(np.round(maps.max(("frequency", "time")).values, 4)) <= {0.0, 1.0}
