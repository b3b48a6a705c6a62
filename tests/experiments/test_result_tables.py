"""Tables of the documents: made from stored results, and made anew from a finished run."""

import re
from pathlib import Path

import pandas as pd
import pytest
from tools import results

ROOT = Path(__file__).resolve().parents[2]


def test_documents_hold_what_is_stored():
    for page in results.documents():
        text = page.read_text(encoding="utf-8")
        assert results.filled(text) == text, f"{page.name}: run python -m tools.results"


def test_every_mark_is_a_table_and_is_closed():
    for page in results.documents():
        text = page.read_text(encoding="utf-8")
        names = re.findall(r"<!-- table: ([\w.-]+) -->", text)
        assert set(names) <= set(results.TABLES)
        assert len(names) == text.count("<!-- end of table -->")


def test_a_finished_run_is_stored_and_stands_in_the_tables(finished, monkeypatch, tmp_path):
    out, answer = finished
    monkeypatch.setattr(results, "STORED", tmp_path)
    results.collect([out])
    name = "/".join(out.parts[-2:])
    run = pd.read_csv(tmp_path / "phones-runs.csv").iloc[0]
    assert run["run"] == name
    assert run["estimate"] == pytest.approx(answer.json["accuracy"], rel=1e-4)
    assert run["twin"] == pytest.approx(answer.json["linear_twin"]["accuracy"], rel=1e-4)
    claims = pd.read_csv(tmp_path / "claims.csv")
    assert claims["verdict"].tolist() == [claim["verdict"] for claim in answer.json["claims"]]
    monkeypatch.setitem(results.MATERIAL, name.split("/")[0], "mine")
    monkeypatch.setitem(results.EXPERIMENTS, name.split("/")[1], "vowels of a test")
    table = results.accuracies()
    assert f"mine: vowels of a test | {answer.json['n_test']} tokens" in table
    assert f"{100 * answer.json['accuracy']:.1f} %" in table
    results.collect([out])  # again: it replaces what was stored
    assert len(pd.read_csv(tmp_path / "phones-runs.csv")) == 1
