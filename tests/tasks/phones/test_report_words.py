"""The summary says what the tables say, and doubts where it should."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from phonoscope.report import numbers
from phonoscope.report.labels import file_slug, in_order
from phonoscope.report.tables import COLUMNS, as_html_table, footnoted
from phonoscope.tasks.content import Content, read_content
from phonoscope.tasks.phones import summary as words
from phonoscope.tasks.phones.page_tables import corpus_tables, share_tables


@pytest.fixture
def content(two_vowels) -> Content:
    return read_content(two_vowels)


def change(content: Content, table: str, **columns) -> None:
    content.tables[table] = content.tables[table].assign(**columns)


@pytest.mark.parametrize(
    ("value", "text"), [(0.5, "50.0 %"), (0.9625, "96.2 %"), (float("nan"), "–"), (None, "–"), (pd.NA, "–")]
)
def test_percent(value, text):
    assert numbers.percent(value) == text


@pytest.mark.parametrize(("p", "text"), [(0.0004, "< .001"), (0.0312, ".031"), (1.0, "1.000"), (np.nan, "–")])
def test_p_values_as_journals_write_them(p, text):
    assert numbers.p_value(p) == text


def test_baseline_inside_the_interval_is_no_victory(content):
    change(content, "accuracy", estimate=0.95, low=0.90, high=0.99)
    change(content, "baselines", accuracy=[0.2, 0.96])
    text = " ".join(words.findings(content))
    assert "“LDA on log formants” reaches 96.0 %: whether that is less than the network cannot be told" in text


@pytest.mark.parametrize(("baseline", "said"), [(0.7, "25.0 points less than"), (1.0, "5.0 points more than")])
def test_baseline_outside_the_interval_is_counted_in_points(content, baseline, said):
    change(content, "accuracy", estimate=0.95, low=0.90, high=0.99)
    change(content, "baselines", accuracy=[0.2, baseline])
    assert said in " ".join(words.findings(content))


@pytest.mark.parametrize(("r", "alike"), [(0.9, True), (0.1, False), (-0.4, False)])
def test_maps_that_are_alike_are_doubted(content, r, alike):
    change(content, "profile_correlations", r=r)
    text = " ".join(words.doubts(content))
    assert ("much alike" in text) is alike
    assert f"r = {r:.2f}".replace("-", "−") in text


@pytest.mark.parametrize(("n", "doubted"), [(5, True), (7, False)])
def test_too_few_units_are_doubted(content, n, doubted):
    change(content, "accuracy", n_units=n, unit="speaker")
    said = f"There are no intervals: {n} speakers were tested, and at least 6 are needed."
    assert (said in " ".join(words.doubts(content))) is doubted


@pytest.mark.parametrize(("trainings", "doubted"), [(1, True), (5, False)])
def test_one_training_is_doubted(content, trainings, doubted):
    change(content, "accuracy", trainings=trainings)
    assert ("intervals do not cover the chance in training" in " ".join(words.doubts(content))) is doubted


def test_resolution_is_held_against_the_formants(content):
    text = " ".join(words.doubts(content))
    assert "The maps resolve about 900 Hz (one cell every 600 Hz)." in text
    assert "Formant bands are about 100 Hz wide" in text
    content.facts["placement"]["resolution_hz"] = 60.0
    assert "Formant bands" not in " ".join(words.doubts(content))


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        ({"unit": "token"}, "split one by one"),
        ({"corpus": {"speakers": 1}}, "nothing follows about other speakers"),
        ({"corpus": {"synthetic": True}}, "synthetic"),
        ({"corpus": {"settings": {"warnings": ["half of the files are silent"]}}}, "half of the files are silent"),
    ],
)
def test_other_reasons_for_doubt(content, facts, said):
    assert said not in " ".join(words.doubts(content))
    content.facts.update(facts)
    assert said in " ".join(words.doubts(content))


def test_verdicts_are_quoted_as_they_were_given(content):
    table = content.tables["shares"]
    chosen = (table["label"] == "all") & (table["formant"] == "F1–F3")
    change(content, "shares", verdict=np.where(chosen, "verdict of " + table["null"], "another"))
    text = " ".join(words.findings(content))
    assert "Verdict: verdict of run." in text
    assert "the verdict is: verdict of class." in text
    assert "another" not in text


def test_energy_that_beats_the_maps_is_said(content):
    change(content, "shares", ratio=1.1, energy_ratio=1.3)
    assert "scores 1.30 × on the same test, more than the maps (1.10 ×)" in " ".join(words.findings(content))


def test_tokens_are_counted_by_class_and_part(content):
    rows = [("u", "u", "train", 5), ("i", "i", "test", 2), ("i", "i", "train", 1200)]
    counts = pd.DataFrame(rows, columns=["class", "label", "split", "count"]).assign(seconds=1.0)
    content.tables["counts"] = counts
    table = corpus_tables(content)[0]
    assert table.headings == ["class", "train", "test", "tokens", "seconds"]
    assert table.rows == [["/i/", "1\u202f200", "2", "1\u202f202", "2.0"], ["/u/", "5", "0", "5", "1.0"]]


def test_share_tables_hold_every_null_and_the_whole_data(content):
    tables = share_tables(content)
    assert [table.title for table in tables] == ["All classes", "/i/", "/u/"]
    nulls = {row[tables[0].headings.index("chance from")] for row in tables[0].rows}
    assert nulls == {"whole run", "same class", "classes exchanged"}
    assert list(tables[1].data.columns) == list(content.tables["shares"].columns)


def test_reservations_are_written_once_below_the_table():
    verdicts, notes = footnoted(["above chance; too fine", "not above chance", "below chance; few; too fine"])
    assert verdicts == ["above chance ᵃ", "not above chance", "below chance ᵇᵃ"]
    assert notes == ["ᵃ too fine", "ᵇ few"]
    many = footnoted([f"v; {i}" for i in range(20)])[1]
    assert len({note.split()[0] for note in many}) == 20


def test_columns_are_numbers_short_or_long_and_missing_is_a_dash():
    table = pd.DataFrame({"n": [1.0, np.nan], "word": ["a", None], "text": ["b" * 60, "c"]})
    made = as_html_table("x", "X", table, ("n", "word", "text", "absent"))
    assert made.kinds == ["number", "short", "long"]
    assert made.rows[1] == ["–", "–", "c"]


def test_fixed_time_axis_is_in_seconds(fake_run):
    folder = fake_run(labels=("i", "u"))
    facts = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    facts["front_end"] |= {"time": "fixed", "seconds": 0.2}
    (folder / "run.json").write_text(json.dumps(facts), encoding="utf-8")
    content = read_content(folder)
    assert (content.last_time, content.time_label) == (0.2, "Time (s)")


@pytest.mark.parametrize(("label", "slug"), [("ɝ", "er"), ("voiced", "voiced"), ("<&>", ""), ("../x", "x")])
def test_file_names_are_plain(label, slug):
    assert file_slug(label) == slug


def test_labels_are_ordered_as_the_run_and_then_the_phone_table(content):
    assert in_order(["zz", "ɑ", "u", "æ", "i", "u"], content.labels) == ["i", "u", "æ", "ɑ", "zz"]


def test_numbers_are_rounded_never_cut_and_have_true_minus_signs():
    assert numbers.whole(1999.6) == "2\u202f000"
    assert numbers.whole(float("nan")) == "–"
    assert numbers.fixed(-0.256) == "−0.26"
    assert numbers.one_decimal(np.float32(2.25)) == "2.2"


def test_every_table_prints_a_column_alike_under_the_catalogues_heading():
    table = pd.DataFrame({"p": [0.0001], "class": ["ɝ"], "unheard_of": [1.5]})
    made = as_html_table("x", "X", table, ("class", "p", "unheard_of"), headings={"p": "p of it"})
    assert made.headings == ["class", "p of it", "unheard_of"]
    assert made.rows == [["/ɝ/", "< .001", "1.50"]]
    assert as_html_table("x", "X", table, ["class"], name=str).rows == [["ɝ"]]
    assert as_html_table("x", "X", table, ["p"]).headings == [COLUMNS["p"].heading]
