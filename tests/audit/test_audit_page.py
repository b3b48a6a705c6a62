"""The table of the page is that of the stored results."""

from pathlib import Path

import pandas as pd
import pytest

from phonoscope.audit.trial import scores

DOCS = Path(__file__).resolve().parents[2] / "docs"


@pytest.mark.parametrize("stored", ["audit.csv", "audit-recordings.csv"])
def test_the_page_shows_what_the_stored_rows_say(stored):
    rows = pd.read_csv(DOCS / "results" / stored)
    page = (DOCS / "rooms" / "audit.md").read_text(encoding="utf-8")
    assert scores.to_markdown(scores.score_table(rows)) in page
    for missed in scores.check(rows):  # a bar that is not held is said where the table is
        assert missed in page
