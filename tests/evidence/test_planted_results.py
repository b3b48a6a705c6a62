"""The committed result of the truth benchmark: sound, told by its answers, and found by the method's name."""

from pathlib import Path

import numpy as np
import pytest
from tools import truth_page

from phonoscope.attribution import METHODS, RECOMMENDED
from phonoscope.evidence.advice import check
from phonoscope.evidence.answers import answer_table, control_table, scored
from phonoscope.evidence.design import NETWORKS
from phonoscope.evidence.pairs import PAIRS
from phonoscope.evidence.planted_results import answers_by_distance, planted_answer_table, planted_results
from phonoscope.evidence.planted_scores import planted_answers, planted_words
from phonoscope.report.truth import truth_figure

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def answers():
    return scored(planted_results())


def test_every_pair_and_network_is_there():
    table = planted_results()
    cells = table.drop_duplicates(["pair", "distance_hz", "distance_ms", "uses", "network", "seed"])
    assert set(cells["pair"]) == {pair.name for pair in PAIRS.values()}
    assert set(cells["network"]) == set(NETWORKS)
    assert set(cells["uses"]) == {"first", "second", "4:1", "2:1", "1:1", "1:2", "1:4"}
    assert {"method", "peer", "control", "bound"} == set(table["kind"])
    assert table["learnt"].mean() > 0.8


def test_the_run_is_sound():
    assert check(planted_results()) == []


def test_maps_of_the_data_are_at_chance_in_eight_pairs_or_more(answers):
    assert control_table(answers).loc["data", "pairs"] >= 8
    pure = answers[answers["uses"].isin(["first", "second"]) & answers["method"].str.startswith("data (")]
    cells = ["pair", "distance_hz", "distance_ms", "network", "method"]
    both = pure.groupby(cells, dropna=False)["which"].agg(["mean", "size"])
    both = both[both["size"] == 2].groupby("pair")["mean"].agg(["min", "max"])
    assert (both["min"] > 0.45).all()
    assert (both["max"] < 0.55).all()


def test_the_stored_answers_are_those_of_the_stored_scores(answers):
    made, stored = answer_table(answers), planted_answer_table()
    keys = ["method", "kind", "question"]
    assert made[keys].values.tolist() == stored[keys].values.tolist()
    for column in ("estimate", "n", "pairs", "missing", "positive"):
        np.testing.assert_allclose(made[column].astype(float), stored[column].astype(float), atol=2e-3, rtol=2e-3)


def test_the_documentation_says_what_is_stored():
    for path, (name, text) in truth_page.pages().items():
        page = path.read_text(encoding="utf-8")
        assert f"<!-- {name} -->" in page
        assert page == truth_page.between_marks(page, name, text), "run: python -m tools.truth_page"


def test_a_method_is_found_by_what_decides_what_it_shows():
    floor, mean = (
        planted_answers(name) for name in ("integrated-gradients(baseline=floor, steps=32)", "integrated-gradients")
    )
    assert floor is not None
    assert mean is not None
    assert mean["exact band"]["estimate"] > floor["exact band"]["estimate"]
    assert planted_answers("smooth(gradient)") == planted_answers("smooth(gradient, samples=8)") is not None
    assert planted_answers("occlusion(fill=floor)") is None
    assert planted_answers("no such method") is None
    assert planted_words("no such method") == ""


def test_the_default_is_told_in_words_and_numbers():
    words, known = planted_words(RECOMMENDED), planted_answers(RECOMMENDED)
    assert known is not None
    assert f"the band in {known['which band']['estimate']:.0%}" in words
    assert f"ρ = {known['how much']['estimate']:.2f}" in words
    silent = planted_words("band-occlusion")
    assert "the moment" not in silent  # one cell in time: no answer
    assert "the band" in silent


def test_most_methods_of_the_registry_were_tried():
    tried = [name for name in METHODS if planted_answers(name) is not None]
    assert len(tried) >= 13
    assert RECOMMENDED in tried


def test_the_figure_shows_every_number():
    kinds = planted_results().drop_duplicates("method").set_index("method")["kind"]
    table = answers_by_distance(planted_results(), planted_answer_table())
    figure = truth_figure(table, kinds)
    axes = figure.axes[0]
    assert len(axes.texts) == table.size
    assert [label.get_text() for label in axes.get_yticklabels()] == table.index.tolist()
    first = [text.get_text() for text in axes.texts[: table.shape[1]]]
    assert first == [f"{value:.2f}" if np.isfinite(value) else "–" for value in table.iloc[0]]
    slanted = {label.get_text() for label in axes.get_yticklabels() if label.get_fontstyle() == "italic"}
    assert slanted == set(kinds[kinds != "method"].index)
    with pytest.raises(Exception, match="nothing to draw"):
        truth_figure(table.iloc[:0])


def test_columns_of_the_figure_run_from_near_to_far():
    table = answers_by_distance(planted_results(), planted_answer_table())
    distances = [name for name in table.columns if name.startswith("≥")]
    assert table.columns.tolist() == [*distances, "how much", "exact band", "exact moment"]
    for unit in ("Hz", "ms"):
        edges = [int(name.split()[1]) for name in distances if name.endswith(unit)]
        assert edges == sorted(edges)
        assert len(edges) >= 2
    assert [name.endswith("ms") for name in distances] == sorted(name.endswith("ms") for name in distances)
