"""What the trial says of the audit: found, named, told apart, false alarms; each with Wilson's interval."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import ndtri

from phonoscope.audit.battery import IN_DATA, USED, strongest
from phonoscope.judgement.claims import SUPPORTED

CASE = ["scene", "listener", "taught", "deaf"]
BARS = {"named 0.65": 0.80, "named 0.8": 0.95, "named 0.95": 0.95, "told apart": 0.95}
MOST_FALSE_ALARMS = 0.05
_FEWEST = 5  # cases from which on a bar is held against


def case_table(rows: pd.DataFrame) -> pd.DataFrame:
    """One row a model: what was planted, what is true, what was found.

    Parameters
    ----------
    rows
        See `phonoscope.audit.trial.run.run_trial`.

    Returns
    -------
    DataFrame
        ``scene, listener, taught, deaf, planted, auc_planted, varied``; ``true`` (planted shortcuts that it uses) and
        ``unsure`` (of which planting anew does not tell), each joined by "+"; ``found`` (those in the data and used),
        ``strongest`` of them, ``told`` (those in the data), ``alarm`` where nothing goes with the class.
    """
    found = []
    rows = rows.assign(**{name: rows[name].fillna("") for name in ("planted", "varied", "deaf", "taught")})
    for _, case in rows.groupby(CASE, sort=False, dropna=False):
        first = case.iloc[0]
        planted = case[case["true_effect"].notna()] if "true_effect" in case else case.iloc[:0]
        used, told = case[case["finding"] == USED], case[case["in_data"] == SUPPORTED]
        names = {
            "true": planted.loc[planted["truly_used"].eq(True), "shortcut"],
            "unsure": planted.loc[planted["truly_used"].isna(), "shortcut"],
            "found": used["shortcut"], "told": told["shortcut"],
        }  # fmt: skip
        found.append({
            **{name: first[name] for name in [*CASE, "corpus", "planted", "auc_planted", "varied", "accuracy"]},
            **{name: "+".join(values) for name, values in names.items()}, "strongest": strongest(case),
            "alarm": not first["planted"] and bool(len(used) or len(told)),
        })  # fmt: skip
    return pd.DataFrame(found)


def score_table(rows: pd.DataFrame) -> pd.DataFrame:
    """Shares of cases that came out right, with Wilson's intervals.

    Parameters
    ----------
    rows
        See `phonoscope.audit.trial.run.run_trial`.

    Returns
    -------
    DataFrame
        ``score, share, low, high, right, n, bar``. Of ``found`` and ``told apart`` (in the data and used, or in the
        data and not used, as is true) a case is a model and a planted shortcut; of ``confused`` (one of these taken
        for the other) too; of ``named`` (what is called the strongest is what it truly uses most) a model that uses
        something planted; of ``false alarms`` a clean model; of ``noticed`` a planted scene and a test that looks at
        data alone.
    """
    return pd.DataFrame([{"score": name, **_share(right), "bar": _bar(name)} for name, right in _scores(rows)])


def _scores(rows: pd.DataFrame) -> Iterator[tuple[str, np.ndarray]]:
    rows = rows.assign(**{name: rows[name].fillna("") for name in ("planted", "varied", "deaf", "taught")})
    cases = case_table(rows)
    named = cases.set_index(CASE)["strongest"]
    true = rows[rows["truly_used"].notna() & rows["planted"].fillna("").ne("")].copy()
    if len(true):
        inside = [
            shortcut in planted.split("+") for shortcut, planted in zip(true["shortcut"], true["planted"], strict=True)
        ]
        true = true[inside]
    true["truly_used"] = true["truly_used"].astype(bool)
    true["strongest"] = [named.get(tuple(key), "") for key in true[CASE].to_numpy()]
    used = true[true["truly_used"]]
    used = used.assign(most=used["true_effect"] == used.groupby(CASE)["true_effect"].transform("max"))
    for auc in sorted(used["auc_planted"].unique()):
        some = used[used["auc_planted"] == auc]
        yield f"found {auc:g}", (some["finding"] == USED).to_numpy()
        some = some[some["most"]]
        yield f"named {auc:g}", ((some["finding"] == USED) & (some["strongest"] == some["shortcut"])).to_numpy()
    idle = true[~true["truly_used"]]
    right = np.concatenate([used["finding"] == USED, idle["finding"] == IN_DATA]).astype(bool)
    wrong = np.concatenate([used["finding"] == IN_DATA, idle["finding"] == USED]).astype(bool)
    yield "told apart", right
    yield "not used, and said so", (idle["finding"] == IN_DATA).to_numpy()
    yield "confused", wrong
    clean = cases[cases["planted"].fillna("").eq("")]
    yield "false alarms", clean["alarm"].to_numpy(dtype=bool)
    alone = rows.drop_duplicates("scene")
    alone = alone[alone["planted"].fillna("").ne("")]
    yield "noticed by background alone", (alone["background_low"] > 0.5).to_numpy()
    yield "noticed by facts of the file alone", (alone["metadata_low"] > 0.5).to_numpy()


def _share(right: np.ndarray) -> dict[str, Any]:
    count, n = int(right.sum()), len(right)
    low, high = wilson(count, n)
    return {"share": count / n if n else np.nan, "low": low, "high": high, "right": count, "n": n}


def wilson(right: int, n: int) -> tuple[float, float]:
    """Interval (95 %) of a share (Wilson 1927); NaN of none.

    Parameters
    ----------
    right, n
        Cases that came out so, and all.
    """
    if not n:
        return np.nan, np.nan
    z = float(ndtri(0.975))
    middle = (right + z**2 / 2) / (n + z**2)
    half = z / (n + z**2) * np.sqrt(right * (n - right) / n + z**2 / 4)
    return max(middle - half, 0.0), min(middle + half, 1.0)


def _bar(name: str) -> str:
    if name == "false alarms":
        return f"≤ {MOST_FALSE_ALARMS:g}"
    return f"≥ {BARS[name]:g}" if name in BARS else ""


def check(rows: pd.DataFrame) -> list[str]:
    """Bars that are not held; few cases are held against none.

    Parameters
    ----------
    rows
        See `phonoscope.audit.trial.run.run_trial`.
    """
    wrong = []
    for score in score_table(rows).to_dict("records"):
        missed = (
            score["score"] in BARS and score["high" if score["n"] < 4 * _FEWEST else "share"] < BARS[score["score"]]
        )
        alarmed = score["score"] == "false alarms" and score["low"] > MOST_FALSE_ALARMS
        if score["n"] >= _FEWEST and (missed or alarmed):
            wrong.append(f"{score['score']}: {score['right']} of {score['n']} ({score['bar']})")
    return wrong


def to_markdown(scores: pd.DataFrame) -> str:
    """Scores as a table of a page.

    Parameters
    ----------
    scores
        See `score_table`.
    """
    lines = ["| | right | share (95 %) | bar |", "| --- | --- | --- | --- |"]
    for row in scores.to_dict("records"):
        share = f"{100 * row['share']:.1f} % ({100 * row['low']:.1f} to {100 * row['high']:.1f})" if row["n"] else "–"
        bar = "" if pd.isna(row["bar"]) else row["bar"]
        lines.append(f"| {row['score']} | {row['right']} of {row['n']} | {share} | {bar} |")
    return "\n".join(lines)
