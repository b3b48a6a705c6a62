"""The truth benchmark end to end at a small size: its design, its rows, what is kept, and peers as they are run."""

import json

import numpy as np
import pandas as pd
import pytest
import torch

from phonoscope.errors import AttributionError, ExperimentError, MissingExtraError
from phonoscope.evidence import benchmark
from phonoscope.evidence.benchmark import CEILING, COLUMNS, available, run_benchmark
from phonoscope.evidence.causal import GRADES, USES, front_end_for, untrained
from phonoscope.evidence.design import NETWORKS, Block, Sizes, full_design, quick_design, select
from phonoscope.evidence.label_free import LABEL_FREE
from phonoscope.evidence.pairs import PAIRS
from phonoscope.evidence.peers import PEERS, STAND_IN, explain_like, importable_peers
from phonoscope.evidence.planted import LABELS, plant

SMALL = Sizes(n_train=160, n_test=20, n_explained=6, epochs=(8, 20))
PAIR = "f1 + f2, 1000 Hz"
BLOCK = Block(PAIR, "compact", "full-scale", 0, tuple(USES), measured=True)
METHODS = ["gradient-x-input", "cam"]


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """One block, learnt in seconds, with its folder."""
    folder, done = tmp_path_factory.mktemp("truth"), []
    table = run_benchmark([BLOCK], METHODS, sizes=SMALL, folder=folder, progress=lambda *numbers: done.append(numbers))
    assert done == [(1, 1)]
    return folder, table


def test_every_part_of_the_design_is_balanced():
    blocks = full_design()
    assert len({block.name for block in blocks}) == len(blocks)
    first_round = [block for block in blocks[:48] if block.uses == tuple(USES)]
    assert sorted(block.pair for block in first_round) == sorted(PAIRS)
    pure = [block for block in blocks if block.uses == tuple(USES)]
    assert len(pure) == len(PAIRS) * len(NETWORKS)
    assert {(block.pair, block.network) for block in pure} == {(key, name) for key in PAIRS for name in NETWORKS}
    for part in (first_round, pure):
        for counts in (pd.Series([b.network for b in part]), pd.Series([b.seed for b in part])):
            assert counts.value_counts().max() <= 1.5 * counts.value_counts().min()
        shown = pd.Series([b.front_end for b in part if b.front_end != "waveform"]).value_counts()
        assert set(shown.index) == {"full-scale", "default"}
        assert shown.max() <= 1.5 * shown.min()
    graded = [block for block in blocks if block.uses == tuple(GRADES)]
    assert {PAIRS[block.pair].name for block in graded} == {pair.name for pair in PAIRS.values()}
    assert any(block.measured for block in first_round)
    assert not any(block.measured for block in graded)


def test_the_goal_comes_first():
    assert {PAIRS[block.pair].distance for block in full_design()[:11]} == {500.0, 2000.0, 40.0}


def test_the_quick_design_has_pairs_in_frequency_and_time():
    blocks = quick_design()
    in_time = [PAIRS[block.pair].in_time for block in blocks]
    assert 0.3 < np.mean(in_time) < 0.8
    assert len({PAIRS[block.pair].name for block in blocks}) >= 8
    assert {block.front_end for block in blocks} == {"full-scale", "default"}


def test_some_of_the_design_can_be_chosen():
    chosen = select(full_design(), ["f3"], ["compact"])
    assert {PAIRS[block.pair].name for block in chosen} == {"f2 + f3"}
    assert {block.network for block in chosen} == {"compact"}
    with pytest.raises(ExperimentError, match="no cue f9 here"):
        select(full_design(), ["f9"])
    with pytest.raises(ExperimentError, match="no network vgg here"):
        select(full_design(), [], ["vgg"])
    with pytest.raises(ExperimentError, match="no part of the design"):
        select(quick_design(), [], ["sub-segmental"])


def test_methods_controls_and_the_bound_are_scored(kept):
    _, table = kept
    assert table.columns.tolist() == list(COLUMNS)
    first = table[table["uses"] == "first"].set_index("method")
    assert set(first.index) == {*METHODS, "data (weighted)", "data (difference)", "random: cam", CEILING}
    assert table["learnt"].all()
    assert table["problem"].eq("").all()
    for column in ("share", "share_positive", "mass", "null", "auc", "pointing", "causal", "empty"):
        assert table[column].between(0, 1).all(), column
    assert first["null"].std() < 0.01  # one truth for all; coarse grids cut it a little differently
    assert (table["distance_hz"] == 1000).all()
    assert table["distance_ms"].isna().all()
    assert first.loc[CEILING, "mass"] > 0.9


def test_maps_of_the_data_are_the_same_whatever_the_network_uses(kept):
    _, table = kept
    data = table[table["method"].str.startswith("data (")].pivot_table(index="method", columns="uses", values="share")
    # The tokens that both networks decide by their cue may differ by a few.
    np.testing.assert_allclose(data["first"], data["second"], atol=0.05)


def test_maps_of_a_network_tell_which_cue_it_uses(kept):
    _, table = kept
    shares = table[table["method"] == "gradient-x-input"].set_index("uses")["share"]
    assert shares["first"] > 0.55
    assert shares["second"] < 0.45
    ideal = table[table["kind"] == "bound"].set_index("uses")["share"]
    assert ideal["first"] > 0.95
    assert ideal["second"] < 0.05


def test_measures_without_truth_stand_beside_the_truth(kept):
    _, table = kept
    methods = table[table["kind"] == "method"]
    assert methods[list(LABEL_FREE)].notna().all().all()
    assert table.loc[table["kind"] == "control", list(LABEL_FREE)].isna().all().all()


def test_what_is_kept_is_not_done_again(kept, monkeypatch):
    folder, table = kept
    monkeypatch.setattr(benchmark, "learn", lambda *_, **__: pytest.fail("trained again"))
    again = run_benchmark([BLOCK], METHODS, sizes=SMALL, folder=folder)
    pd.testing.assert_frame_equal(again, table)
    fewer = run_benchmark([BLOCK], ["cam"], sizes=SMALL, folder=folder)
    assert set(fewer.loc[fewer["kind"] == "method", "method"]) == {"cam"}


def test_a_new_method_is_tried_alone_and_the_same_seed_gives_the_same_network(kept):
    folder, table = kept
    more = run_benchmark([BLOCK], [*METHODS, "layer-cam"], sizes=SMALL, folder=folder)
    old = more[more["method"] != "layer-cam"].reset_index(drop=True)
    pd.testing.assert_frame_equal(old, table)
    added = more[more["method"] == "layer-cam"]
    assert len(added) == 2
    assert added["causal"].tolist() == pytest.approx(table[table["method"] == "cam"]["causal"].tolist(), abs=1e-6)


def test_a_block_of_other_sizes_or_a_damaged_one_is_run_again(kept, monkeypatch):
    folder, _ = kept
    asked = []
    monkeypatch.setattr(benchmark, "run_block", lambda block, names, sizes: asked.append(names) or [])
    run_benchmark([BLOCK], METHODS, sizes=Sizes(n_train=20), folder=folder)
    assert len(asked) == 1
    assert {name for name, _ in asked[0]["first"]} >= set(METHODS)
    (folder / f"{BLOCK.name}.json").write_text("{", encoding="utf-8")
    run_benchmark([BLOCK], METHODS, sizes=SMALL, folder=folder)
    assert len(asked) == 2


def test_a_cue_that_is_not_learnt_is_counted_and_not_scored():
    table = run_benchmark([BLOCK], ["cam"], sizes=Sizes(20, 20, 6, (1,)))
    assert not table["learnt"].any()
    assert table["share"].isna().all()
    assert table["problem"].str.contains("does not follow").all()


def test_a_method_that_cannot_say_is_missing_and_says_why(monkeypatch):
    monkeypatch.setattr(benchmark, "ON_RANDOM_WEIGHTS", ())
    block = Block("gap + click, 150 ms", "compact-local", "full-scale", 0, ("first",))
    table = run_benchmark([block], ["band-occlusion", "captum:no-such"], sizes=SMALL).set_index("method")
    assert np.isnan(table.loc["band-occlusion", "share"])
    assert "single cell" in table.loc["band-occlusion", "problem"]
    assert np.isnan(table.loc["captum:no-such", "share"])
    assert "captum:no-such" in table.loc["captum:no-such", "problem"]
    assert table.loc["data (weighted)", "share"] > 0


def test_a_design_without_blocks_or_with_a_block_twice_is_refused():
    for blocks in ([], [BLOCK, BLOCK]):
        with pytest.raises(ExperimentError, match="empty, or names a block twice"):
            run_benchmark(blocks, METHODS)


def test_what_cannot_be_run_is_named():
    runnable, peers, absent = available(["cam", "tea-leaves(cups=2)"])
    assert runnable == ["cam"]
    assert set(absent) == {"tea-leaves(cups=2)", *importable_peers()[1]}
    assert set(peers) == set(importable_peers()[0])


def test_a_peer_that_is_not_installed_is_named():
    _, absent = importable_peers()
    missing = [name for name in absent if PEERS[name][0] in ("torchcam", "pytorch_grad_cam")]
    if not missing:
        pytest.skip("all peers are installed")
    front_end = front_end_for(PAIRS[PAIR], "compact", "full-scale")
    with pytest.raises(MissingExtraError, match=PEERS[missing[0]][0]):
        explain_like(missing[0], untrained(front_end, "compact", 0), [], [])


@pytest.fixture(scope="module")
def stranger():
    """A classifier with random weights, and tokens."""
    corpus = plant(PAIRS[PAIR], n_tokens=4, seed=0)
    front_end = front_end_for(corpus.pair, "compact", "full-scale")
    return untrained(front_end, "compact", 0).eval(), corpus.waveforms[:4], [LABELS[0]] * 4


def test_captums_map_is_drawn_where_captum_draws_it(stranger):
    attr = pytest.importorskip("captum.attr")
    classifier, sounds, labels = stranger
    maps = explain_like("captum LayerGradCam", classifier, sounds, labels)
    assert all(parameter.grad is None for parameter in classifier.network.parameters())
    inputs = next(iter(classifier.batches(sounds)))[1]
    target = torch.tensor([classifier.index_of(label) for label in labels])
    coarse = attr.LayerGradCam(classifier.network, classifier.network.features).attribute(inputs, target=target)
    # 16 × 4 cells, each drawn over 4 rows and 8 columns of the picture.
    expected = coarse[:, 0].repeat_interleave(4, 1).repeat_interleave(8, 2).detach().numpy()
    np.testing.assert_allclose(maps.values, expected, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(maps["frequency"], classifier.front_end.frequency_axis.centres)


def test_captum_on_inputs_is_what_captum_gives(stranger):
    attr = pytest.importorskip("captum.attr")
    classifier, sounds, labels = stranger
    maps = explain_like("captum Saliency", classifier, sounds, labels)
    inputs = next(iter(classifier.batches(sounds)))[1].detach().requires_grad_(True)
    expected = attr.Saliency(classifier.network).attribute(inputs, target=torch.zeros(4, dtype=torch.long))
    np.testing.assert_allclose(maps.values, expected[:, 0].detach().numpy(), rtol=1e-4, atol=1e-7)
    assert (maps.values >= 0).all()


def test_the_stand_in_runs_from_zero_to_one(stranger):
    pytest.importorskip("captum")
    maps = explain_like(STAND_IN, *stranger)
    np.testing.assert_allclose(maps.min(("frequency", "time")), 0, atol=1e-6)
    assert set(np.round(maps.max(("frequency", "time")).values, 4)) <= {0.0, 1.0}
    assert "stand-in" in STAND_IN


def test_peers_do_not_draw_on_waveforms():
    pytest.importorskip("captum")
    pair = PAIRS[PAIR]
    classifier = untrained(front_end_for(pair, "sub-segmental", "waveform"), "sub-segmental", 0).eval()
    with pytest.raises(AttributionError, match="takes waveforms"):
        explain_like("captum Saliency", classifier, plant(pair, n_tokens=2).waveforms[:2], [LABELS[0]] * 2)


def test_blocks_are_kept_under_names_that_say_what_they_are(kept):
    folder, _ = kept
    assert BLOCK.name == "which_f1-f2-1000Hz_compact_full-scale_0"
    graded = Block(PAIR, "compact", "default", 1, tuple(GRADES))
    assert graded.name == "how-much_f1-f2-1000Hz_compact_default_1"
    names = {path.stem for path in folder.glob("*.json")}
    assert names == {BLOCK.name}
    assert json.loads(json.dumps(BLOCK.facts()))["uses"] == ["first", "second"]
