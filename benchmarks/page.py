"""The tables of ``docs/performance.md``, out of the stored results: ``python -m benchmarks.page`` writes them there."""

from pathlib import Path
from typing import Any

from tools.markdown import markdown

from benchmarks.measure import Bar, figures
from benchmarks.registry import BENCHMARKS
from benchmarks.stored import RESULTS, read_stored

PAGE = Path(__file__).resolve().parents[1] / "docs" / "performance.md"
BEGIN, END = "<!-- tables -->\n", "<!-- end of tables -->\n"
RATIOS = ("what", "ours", "peer or limit", "unit", "ratio (least to most)", "bar", "")
GROWTH = ("what grows", "at the least", "at the most", "unit", "exponent (95 %)", "bar", "")


def rows(results: Path = RESULTS) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Stored ratios, and stored exponents of growth, in the order of the benchmarks."""
    stored = [row for name in BENCHMARKS for row in (read_stored(name, results) or {"results": []})["results"]]
    return [row for row in stored if not row.get("curve")], [row for row in stored if row.get("curve")]


def cells(one: dict[str, Any]) -> list[str]:
    """One row of either table."""
    spread = f"{figures(one['ratio'])} ({figures(one['least'])} to {figures(one['most'])})"
    if len(one["ratios"]) == 1:
        spread = figures(one["ratio"])
    numbers = (one["peer"], one["ours"]) if one.get("curve") else (one["ours"], one["peer"])
    bar = [str(Bar(**one["bar"])), "met" if one["met"] else "**missed**"]
    return [one["what"], *map(figures, numbers), one["unit"], spread, *bar]


def tables(results: Path = RESULTS) -> str:
    """Both tables and how many bars are met."""
    ratios, growth = rows(results)
    met = sum(one["met"] for one in ratios + growth)
    counted = f"{met} bars of {len(ratios + growth)} are met, {len(ratios + growth) - met} are missed.\n"
    return "\n".join([markdown(RATIOS, map(cells, ratios)), markdown(GROWTH, map(cells, growth)), counted])


def with_tables(page: str, results: Path = RESULTS) -> str:
    """The page with the tables between its two marks."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{tables(results)}\n{END}{after}"


if __name__ == "__main__":
    PAGE.write_text(with_tables(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
