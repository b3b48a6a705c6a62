"""Tables of the cue benchmark: ``phonoscope bench cues --out docs/results`` stores what they show."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from tools.markdown import markdown

STORED = Path(__file__).resolve().parents[1] / "docs" / "results" / "planted-cues.csv"
_NAMES = {"f1": "F1", "f2": "F2", "f3": "F3", "f0": "F0", "hnr": "breath (HNR)", "high_band": "energy above 4 kHz"}
_MANY = 1000


def one_cue() -> str:
    """How far the one cue that counts leads any other: listeners, and networks with and without manipulation."""
    cases = pd.read_csv(STORED)
    single = cases[cases["ratio"].isna()]
    rows = []
    for planted, of in single.groupby("planted", sort=False):
        kinds = of.set_index("kind")
        cells = [_NAMES.get(str(planted), str(planted))]
        for kind in ("listener", "network"):
            if kind not in kinds.index:
                cells += ["–"] * (2 if kind == "listener" else 3)
                continue
            row = kinds.loc[kind]
            other = str(row["other"])
            found = times(row["times"])
            cells.append(found if found.startswith(">") else f"{found} ({_NAMES.get(other, other)})")
            cells += [times(row["at_least"])] if kind == "listener" else [times(row["times_spoken"]),
                                                                           f"{row['follows']:.2f}"]  # fmt: skip
        rows.append(cells)
    head = ("the cue that counts", "listener: × any other", "at least", "network: × any other", "the same, spoken",
            "follows the rule, r")  # fmt: skip
    return markdown(head, rows)


def two_cues() -> str:
    """In which ratio two cues are found of which one counts twice as much."""
    cases = pd.read_csv(STORED)
    rows = [
        [
            " + ".join(_NAMES.get(cue, cue) for cue in row.planted.split(" + ")),
            row.kind,
            f"{row.ratio:.2f} ({row.low:.2f}–{row.high:.2f})",
            "" if pd.isna(row.ratio_spoken) else f"{row.ratio_spoken:.2f}",
            times(row.times),
        ]
        for row in cases[cases["ratio"].notna()].itertuples()
    ]
    return markdown(("cues, 2 : 1", "", "found", "the same, spoken", "weaker one × any other"), rows)


def times(value: float) -> str:
    """How many times as much."""
    return f"> {_MANY}" if value > _MANY else f"{value:.0f}" if value >= 10 else f"{value:.1f}"
