"""A table of geometry as text for the terminal: the paper's columns, then how far each lies from random weights."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

_SHOWN = ("A", "A_nonzero", "B", "beta_avg", "mu", "mu_avg", "welch")
_JUDGED = ("B", "beta_avg", "mu", "mu_avg")
_SIGNS = {"beta_avg": "β_avg °", "mu": "μ", "mu_avg": "μ_avg", "A_nonzero": "A > 0", "welch": "μ ≥ (Welch)"}


def describe(table: pd.DataFrame) -> str:
    """Lay out a table of ``geometry`` or ``compare_geometry`` for reading: four decimals, as in the paper's Table 4."""
    several = "checkpoint" in table
    names = [
        (f"{row.checkpoint}: {row.layer}" if several else str(row.layer)) + (" +" if row.residual is True else "")
        for row in table.itertuples()
    ]
    lines = [["layer", "N", "K", *(_SIGNS.get(name, name) for name in _SHOWN)]]
    for name, (_, row) in zip(names, table.iterrows(), strict=True):
        lines.append([name, str(row["N"]), str(row["K"]), *(f"{row[m]:.4f}" for m in _SHOWN)])
    text = _columns(lines)
    if "mu_gap" in table:
        lines = [["layer", "largest gap", "at least"]]
        for name, (_, row) in zip(names, table.iterrows(), strict=True):
            sign = "=" if row["gap_exact"] else "≤"
            low = "" if row["gap_exact"] else f"{row['mu_gap_low']:.4f}"
            lines.append([name, f"{sign} {row['mu_gap']:.4f} ({row['beta_gap']:.2f}°)", low])
        text += "\n\nLargest gap: cosine of the farthest direction to the nearest filter\n" + _columns(lines)
    if "null_draws" in table:
        lines = [["layer", *(_SIGNS.get(name, name) for name in _JUDGED), "beyond"]]
        for name, (_, row) in zip(names, table.iterrows(), strict=True):
            if not row["null_draws"]:
                lines.append([name, *["–"] * len(_JUDGED), f"{row['null']}: no null"])
                continue
            cells = [f"{row[f'{m}_null']:.3f} ± {row[f'{m}_null_sd']:.3f} ({row[f'{m}_z']:+.1f})" for m in _JUDGED]
            lines.append([name, *cells, row["beyond_null"] or "nothing"])
        text += (
            "\n\nRandom weights of the same shape: mean ± standard deviation (how many of these the layer lies away)\n"
        )
        text += _columns(lines)
    if several and f"{_JUDGED[0]}_change" in table:
        text += "\n\n" + _changes(table, names)
    if (table["residual"] == True).any():  # noqa: E712 - missing is neither
        text += "\n\n+ output is added to a path around the layer"
    for note in table.attrs.get("notes", []):
        text += f"\n\nnote: {note}"
    for entry in table.attrs.get("left_out", []):
        text += f"\n\nleft out: {entry['count']} {entry['what']}s, {entry['reason']}: {', '.join(entry['examples'])}"
        text += " …" if entry["count"] > len(entry["examples"]) else ""
    return text


def _changes(table: pd.DataFrame, names: Sequence[str]) -> str:
    """How every later checkpoint differs from the first."""
    first = table["checkpoint"].iloc[0]
    lines = [["layer", *(_SIGNS.get(name, name) for name in _JUDGED)]]
    for name, (_, row) in zip(names, table.iterrows(), strict=True):
        if row["checkpoint"] != first:
            cells = ("–" if pd.isna(row[f"{m}_change"]) else f"{row[f'{m}_change']:+.4f}" for m in _JUDGED)
            lines.append([name, *cells])
    return f"Change from {first}\n" + _columns(lines)


def _columns(lines: Sequence[Sequence[str]]) -> str:
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    laid_out = []
    for line in lines:
        cells = [line[0].ljust(widths[0]), *(c.rjust(w) for c, w in zip(line[1:], widths[1:], strict=True))]
        laid_out.append("  ".join(cells).rstrip())
    return "\n".join(laid_out)
