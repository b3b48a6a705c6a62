"""Tables that the pages of several tasks show: what needs no network, confusions, likeness of profiles."""

from __future__ import annotations

from phonoscope.report.tables import HtmlTable, as_html_table
from phonoscope.tasks.content import Content


def recognition_tables(content: Content) -> list[HtmlTable]:
    """Baselines and asymmetric confusions."""
    baselines, asymmetry = content.tables["baselines"], content.tables["asymmetry"]
    tables = []
    if not baselines.empty:
        columns = ("name", "accuracy", "balanced_accuracy", "n_tested")
        tables.append(as_html_table("baselines", "Without a network", baselines, columns))
    if not asymmetry.empty:
        columns = (
            "label_a",
            "label_b",
            "a_as_b",
            "percent_a_as_b",
            "b_as_a",
            "percent_b_as_a",
            "n_units",
            "unit",
            "p_holm",
        )
        title = "Confusions that go more one way than the other"
        tables.append(as_html_table("asymmetry", title, asymmetry, columns))
    return tables


def correlation_table(content: Content) -> HtmlTable | None:
    """Correlations between class profiles of the maps, and of the energy if they were measured."""
    table = content.tables["profile_correlations"]
    if table.empty:
        return None
    if "source" in table:
        wide = table.pivot_table(index=["label_a", "label_b"], columns="source", values="r", sort=False, dropna=False)
        table = wide.dropna(how="all").reset_index()
    return as_html_table(
        "profile_correlations",
        "How alike are the profiles of two classes?",
        table.rename(columns={"map": "r_map", "r": "r_map", "energy": "r_energy"}),
        ("label_a", "label_b", "r_map", "r_energy"),
        headings={"label_a": "class", "label_b": "and"},
        data=table,
    )
