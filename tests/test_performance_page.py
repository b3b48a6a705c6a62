"""What the page says of speed is what was stored."""

from benchmarks import page


def test_the_tables_are_those_of_the_stored_results():
    text = page.PAGE.read_text(encoding="utf-8")
    assert text == page.with_tables(text)


def test_missed_bars_are_said_to_be_missed():
    bar = {"limit": 3.0, "at_least": True, "peer": "the peer"}
    one = {"what": "sums", "ours": 1.0, "peer": 2.0, "unit": "ms", "ratio": 2.0, "least": 1.9, "most": 2.1}
    row = page.cells({**one, "ratios": [1.9, 2.0, 2.1], "bar": bar, "met": False})
    assert row == ["sums", "1", "2", "ms", "2 (1.9 to 2.1)", "≥ 3 × the peer", "**missed**"]
    assert page.cells({**one, "ratios": [2.0], "bar": bar, "met": True})[-3:] == ["2", "≥ 3 × the peer", "met"]
