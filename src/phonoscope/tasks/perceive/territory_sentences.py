"""What territories say in words: agreement with people's vowels, trading relations, normalisation."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from phonoscope.report.labels import class_name
from phonoscope.report.numbers import is_known, whole
from phonoscope.tasks.perceive.names import LINEAR, NETWORK, RANDOM
from phonoscope.tasks.perceive.sentences import cue_name

_BESIDE = {RANDOM: "random weights", LINEAR: "a linear twin"}
_OPEN = ": whether it moves at all cannot be told"


def territory_sentences(tables: Mapping[str, pd.DataFrame], tokens: pd.DataFrame) -> list[str]:
    """Up to four sentences a plane.

    Parameters
    ----------
    tables
        From `phonoscope.tasks.perceive.territory.territory_tables`, of one plane or several.
    tokens
        Those that were moved.
    """
    said = []
    for plane in tables["territory"]["plane"].unique() if "territory" in tables else ():
        own = {name: table[table["plane"] == plane] for name, table in tables.items() if "plane" in table}
        said += _agreement(own.get("agreement"), tokens, " and ".join(plane.upper().split(",")))
        said += _trading(own.get("trading"))
        said += _normalisation(own.get("normalisation"))
    return said


def _agreement(table: pd.DataFrame | None, tokens: pd.DataFrame, plane: str) -> list[str]:
    if table is None or table.empty:
        return []
    group = group_of_talkers(tokens, table[table["who"] == NETWORK])
    rows = {row["who"]: row for row in table[table["group"] == group].to_dict("records")}
    row = rows[NETWORK]
    beside = [f"by chance {_percent(row['chance'])}"]
    beside += [f"{name} {_percent(rows[who]['agreement'])}" for who, name in _BESIDE.items() if who in rows]
    limits = f" ({100 * row['low']:.0f}–{100 * row['high']:.0f})" if is_known(row["low"]) else ""
    return [
        f"Wherever {plane} are put, {_percent(row['agreement'])}{limits} of its answers are the vowel of American "
        f"{group} that lies nearest; {', '.join(beside)}."
    ]


def _trading(table: pd.DataFrame | None) -> list[str]:
    row = _best_known(table, "hz_trade")
    if row is None:
        return []
    cue, by = cue_name(row["cue"]), cue_name(row["by"])
    distance = ""
    if (row["cue"], row["by"]) == ("f2", "f3"):
        distance = (
            f"; for who goes by the distance F3 − F2 in Bark it would be {whole(row['hz_trade'] / row['trade'])} Hz"
        )
    return [
        f"The {cue} boundary {_pair(row)} moves by {whole(row['hz_trade'])} Hz {_limits(row)} for each 100 Hz of {by}"
        f"{distance}{_doubt(row)}."
    ]


def _normalisation(table: pd.DataFrame | None) -> list[str]:
    if table is None or table.empty:
        return []
    said = []
    for by in table["by"].unique():
        row = _best_known(table[table["by"] == by], "hz_shift")
        if row is not None:
            said.append(
                f"For each 100 Hz of the {cue_name(by)} that a token brings along, its {cue_name(row['cue'])} boundary "
                f"{_pair(row)} lies {whole(row['hz_shift'])} Hz higher {_limits(row)}{_doubt(row)}."
            )
    return said


def _best_known(table: pd.DataFrame | None, value: str) -> dict | None:
    """The row whose interval is narrowest."""
    known = table[table[value].notna() & table["hz_low"].notna()] if table is not None and len(table) else None
    if known is None or known.empty:
        return None
    return known.iloc[int(np.argmin(known["hz_high"] - known["hz_low"]))].to_dict()


def _pair(row: dict) -> str:
    return f"between {class_name(row['label'])} and {class_name(row['against'])}"


def _limits(row: dict) -> str:
    return f"({whole(row['hz_low'])} to {whole(row['hz_high'])})"


def _doubt(row: dict) -> str:
    return _OPEN if row["hz_low"] <= 0 <= row["hz_high"] else ""


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def group_of_talkers(tokens: pd.DataFrame, agreements: pd.DataFrame) -> str:
    """The group of American talkers to compare with: that of the tokens' talkers, else the one that agrees best.

    Parameters
    ----------
    tokens
        With ``sex`` where it is known.
    agreements
        Rows of a network, one a ``group``.
    """
    from phonoscope.perception.territories import GROUPS

    sexes = tokens["sex"].dropna().astype(str).str.lower().str[0] if "sex" in tokens else pd.Series(dtype=str)
    if len(set(sexes)) == 1 and sexes.iloc[0] in GROUPS:
        return GROUPS[sexes.iloc[0]]
    return str(agreements["group"].iloc[int(np.argmax(agreements["agreement"]))])
