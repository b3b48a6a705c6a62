"""Tables of a perception experiment that are not the science's own: how well the stimuli were made; JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from phonoscope.tasks.perceive.names import NETWORK

_OTHERS = ("f1", "f2", "f3", "f0", "duration")  # of which crosstalk is told


def made_table(table: pd.DataFrame) -> pd.DataFrame:
    """How well stimuli were made, one row a class and cue.

    Parameters
    ----------
    table
        Stimuli, with ``intended, achieved, before, limited, missed, sham`` and what was measured in each.

    Returns
    -------
    DataFrame
        ``class, cue, n`` stimuli that were moved, how many steps were ``limited`` (F1 stops at F0), how many stimuli
        ``missed``, ``share_missed``; ``slope``, achieved over intended move within tokens; ``off`` (median error, in
        ``unit``); ``crosstalk``, the largest median relative change of another property, and ``crosstalk_of`` which.
    """
    rows = []
    own = table[~table["sham"].astype(bool)]
    still = own[own["step"] == 0].drop_duplicates(["token", "cue"]).set_index(["token", "cue"])
    for (spoken, cue), group in own.groupby(["class", "cue"], sort=True):
        moved = group[group["step"] != 0]
        good = moved[~moved["missed"].astype(bool)]
        asked = (good["intended"] - good["before"]).to_numpy(dtype=float)
        got = (good["achieved"] - good["before"]).to_numpy(dtype=float)
        slope = float((asked * got).sum() / (asked**2).sum()) if (asked**2).sum() > 0 else np.nan
        base = still.reindex(pd.MultiIndex.from_frame(good[["token", "cue"]]))
        changes = {
            name: float(np.nanmedian(np.abs(good[name].to_numpy(float) / base[name].to_numpy(float) - 1)))
            for name in _OTHERS
            if name != cue and name in good and len(good) and np.isfinite(base[name].to_numpy(float)).any()
        }
        worst = max(changes, key=lambda name: changes[name], default="")
        rows.append({
            "class": spoken, "cue": cue, "n": len(moved), "limited": int(moved["limited"].sum()),
            "missed": int(moved["missed"].sum()),
            "share_missed": float(moved["missed"].mean()) if len(moved) else np.nan, "slope": slope,
            "off": float(np.median(np.abs(got - asked))) if len(good) else np.nan, "unit": group["unit"].iloc[0],
            "crosstalk": changes.get(worst, np.nan), "crosstalk_of": worst,
        })  # fmt: skip
    return pd.DataFrame(rows)


def curves_json(curves: pd.DataFrame) -> list[dict[str, Any]]:
    """Curves as JSON values: ``class, cue, step, achieved, n, missed, answers`` (share of each label, or number)."""
    what = "value" if "value" in curves else "share"
    keys = ["class", "cue", "step", "achieved", "unit", "n", "missed"]
    found = []
    for key, rows in curves.groupby(keys, sort=False, dropna=False):
        values = {name: None if value != value else value for name, value in zip(keys, key, strict=True)}
        shares = zip(rows["label"], rows[what], strict=True)
        found.append(values | {"answers": {str(label): None if pd.isna(share) else share for label, share in shares}})
    return found


def records(table: pd.DataFrame, *columns: str) -> list[dict[str, Any]]:
    """Rows of a table as JSON values; what is missing is null.

    Parameters
    ----------
    table
        Any.
    *columns
        Those that are wanted; the table may lack some.
    """
    rows = table[[column for column in columns if column in table]].to_dict("records")
    return [{str(key): None if pd.isna(value) else value for key, value in row.items()} for row in rows]


def territory_json(tables: Mapping[str, pd.DataFrame]) -> dict[str, list[dict[str, Any]]]:
    """The network's territories, and what follows from them, as JSON values; nothing where none was sought.

    Parameters
    ----------
    tables
        By name.
    """
    if "territory" not in tables:
        return {}
    places = tables["territory"]
    wanted = {
        "agreement": ("plane", "who", "group", "agreement", "low", "high", "chance", "n"),
        "trading": ("plane", "label", "against", "cue", "by", "trade", "low", "high", "unit", "hz_trade", "hz_low",
                    "hz_high", "random", "linear", "why_not"),
        "normalisation": ("plane", "label", "against", "cue", "by", "shift", "low", "high", "unit", "hz_shift",
                          "hz_low", "hz_high", "why_not"),
    }  # fmt: skip
    found = {name: records(tables.get(name, pd.DataFrame()), *columns) for name, columns in wanted.items()}
    columns = ("plane", "first_hz", "second_hz", "answer", "share", "low", "high", "n", "missed")
    return {"territory": records(places[places["who"] == NETWORK], *columns), **found}


def image_json(tables: Mapping[str, pd.DataFrame]) -> dict[str, list[dict[str, Any]]]:
    """What classification images say, as JSON values; nothing where there are none.

    Parameters
    ----------
    tables
        By name.
    """
    if "image_strengths" not in tables:
        return {}
    return {name: records(tables[name], *map(str, tables[name])) for name in ("image_strengths", "image_clusters")}
