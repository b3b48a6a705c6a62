"""The columns of the viewer against plain pandas: filters, order, pages, counts."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from phonoscope.corpora.textgrid import read_textgrid
from phonoscope.viewer.notes import to_textgrids
from phonoscope.viewer.tokens import SHOWN, TokenColumns, Wanted

share = st.one_of(st.none(), st.floats(0, 1))
wanteds = st.builds(
    Wanted,
    class_=st.sampled_from(["", "i", "u", "none such"]),
    predicted=st.sampled_from(["", "i", "æ"]),
    speaker=st.just(""),
    outcome=st.sampled_from(["", "tested", "right", "wrong", "untested", "i>u", "æ>ɑ"]),
    confidence=st.tuples(share, share),
    share=st.tuples(share, share),
    find=st.sampled_from(["", "0001", "I", "zz"]),
    order=st.sampled_from(["", "confidence", "-confidence", "class", "-share", "word", "-start", "no column"]),
)


@pytest.fixture(scope="module", params=["all tokens tested", "some tokens tested"])
def columns(request: pytest.FixtureRequest, made: Path, tmp_path_factory: pytest.TempPathFactory) -> TokenColumns:
    if request.param == "all tokens tested":
        return TokenColumns(made)
    folder = tmp_path_factory.mktemp("columns")
    shutil.copy(made / "tokens.parquet", folder)
    pd.read_parquet(made / "predictions.parquet").iloc[1::2].to_parquet(folder / "predictions.parquet", index=False)
    return TokenColumns(folder)


def slowly(columns: TokenColumns, wanted: Wanted) -> pd.DataFrame:
    """Row by row, as a person would."""
    table = columns.table.astype(dict.fromkeys(("class", "predicted", "word", "phone", "speaker"), object))

    def keeps(row: dict[str, Any]) -> bool:
        tested = not pd.isna(row["predicted"])
        right = tested and row["predicted"] == row["class"]
        outcome = {
            "": True,
            "tested": tested,
            "right": right,
            "wrong": tested and not right,
            "untested": not tested,
        }.get(wanted.outcome, f"{row['class']}>{row['predicted']}" == wanted.outcome)
        limits = [(row["confidence"], *wanted.confidence), (row["share"], *wanted.share)]
        inside = all((low is None or value >= low) and (high is None or value <= high) for value, low, high in limits)
        texts = [str(row[name]).lower() for name in ("token", "word", "phone") if not pd.isna(row[name])]
        return (
            (not wanted.class_ or row["class"] == wanted.class_)
            and (not wanted.predicted or row["predicted"] == wanted.predicted)
            and outcome
            and inside
            and any(wanted.find.lower() in text for text in texts)
        )

    return table[[keeps(row) for row in table.to_dict("records")]]


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(wanted=wanteds)
@example(wanted=Wanted(order="confidence"))  # every token, tested or not
@example(wanted=Wanted(order="-confidence"))
def test_filters_and_order_are_those_of_a_slow_twin(columns: TokenColumns, wanted: Wanted) -> None:
    expected = slowly(columns, wanted)
    page = columns.page(wanted, 0, 500)
    assert page["total"] == len(expected)
    assert sorted(row[0] for row in page["rows"]) == sorted(expected["token"])[:500]
    name = wanted.order.removeprefix("-")
    if name in SHOWN:
        values = [row[SHOWN.index(name)] for row in page["rows"]]
        known = [value for value in values if value is not None]
        assert values[: len(known)] == known, "missing values come last"
        assert known == sorted(known, reverse=wanted.order.startswith("-"))
    else:
        assert [row[0] for row in page["rows"]] == expected["token"].tolist()


def test_pages_make_up_the_whole_and_places_are_those_of_the_pages(columns: TokenColumns) -> None:
    wanted = Wanted(order="-confidence")
    whole = [columns.page(wanted, offset, 7)["rows"] for offset in range(0, len(columns), 7)]
    names = [row[0] for page in whole for row in page]
    assert len(names) == len(set(names)) == len(columns)
    for place in (0, 5, len(names) - 1):
        assert columns.rank(wanted, names[place]) == place
    assert columns.rank(Wanted(class_="none such"), names[0]) is None


def test_a_page_is_never_the_whole_run(many: Path) -> None:
    columns = TokenColumns(many)
    assert len(columns) == 100_000
    assert len(columns.page(Wanted(), 99_990, 10**9)["rows"]) == 10
    assert len(columns.page(Wanted(), 0, 10**9)["rows"]) == 500


def test_confusions_are_counts_of_true_by_predicted(columns: TokenColumns) -> None:
    labels = ["i", "æ", "ɝ", "ɑ", "u"]
    predictions = columns.table[["class", "predicted"]].astype(object).dropna()
    expected = pd.crosstab(predictions["class"], predictions["predicted"]).reindex(
        index=labels, columns=labels, fill_value=0
    )
    counts = columns.confusions(Wanted(class_="i", outcome="wrong"), labels)
    assert counts == expected.to_numpy().tolist()
    assert (
        np.sum(columns.confusions(Wanted(confidence=(0.9, None)), labels)) == (columns.table["confidence"] >= 0.9).sum()
    )


def test_class_and_prediction_of_a_token_stand_on_tiers_of_their_names(made: Path, tmp_path: Path) -> None:
    columns = TokenColumns(made)
    token = columns.chosen_names(Wanted(outcome="wrong"))[0]
    name, content = to_textgrids(columns, [token], [])
    (tmp_path / name).write_bytes(content)
    tiers, row = read_textgrid(tmp_path / name), columns.row(token)
    assert row["class"] != row["predicted"]
    for tier in ("class", "predicted"):
        marked = [(i.label, i.start, i.end) for i in tiers.tier(tier).intervals if i.label]
        assert marked == [(row[tier], pytest.approx(row["start"], abs=1e-3), pytest.approx(row["end"], abs=1e-3))]


def test_tokens_beside_are_those_that_overlap_in_the_same_recording(columns: TokenColumns) -> None:
    token = columns.names[3]
    row = columns.row(token)
    table = columns.table
    same = table[(table["recording"].astype(object) == row["recording"])]
    around = columns.beside(token, row["start"] - 0.25, row["end"] + 0.25)
    expected = same[(same["end"] > row["start"] - 0.25) & (same["start"] < row["end"] + 0.25)].sort_values("start")
    assert [one["token"] for one in around] == expected["token"].tolist()
    assert token in expected["token"].tolist()
