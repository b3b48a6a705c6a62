"""Sections of a perception experiment that were asked for: territories, classification images."""

from __future__ import annotations

import pandas as pd

from phonoscope.report.labels import class_name
from phonoscope.report.page import Section
from phonoscope.report.tables import as_html_table
from phonoscope.tasks.content import Content
from phonoscope.tasks.perceive.image_figures import WHO, classification_plate
from phonoscope.tasks.perceive.sentences import cue_name
from phonoscope.tasks.perceive.territory_figures import TITLES, planes_of, territory_plate

_INTERVAL = "95 % interval"
_PAIR = ("plane", "label", "against", "cue", "by")
_HEADINGS = {
    "trade": "Bark for 1 Bark", "shift": "Bark for 1 Bark", "who": "answers of", "n": "stimuli", "why_not": "why not",
}  # fmt: skip

_NAMES = {
    "explained": "deviance explained", "r": "r with the network", "r_trainings": "r of trainings",
    "speaks": "energy speaks for", "low_hz": "from Hz", "high_hz": "to Hz", "peak_hz": "heaviest at Hz",
    "during": "share of the token",
}  # fmt: skip


def short_interval(table: pd.DataFrame, low: str = "low", high: str = "high", *, digits: int = 2) -> list[str]:
    """Intervals as text, a dash where there is none.

    Parameters
    ----------
    table
        With their limits.
    low, high
        Columns of these.
    digits
        Decimals of numbers below 100.
    """
    limits = zip(table[low], table[high], strict=True)
    return [f"{_short(first, digits)} to {_short(last, digits)}" if first == first else "–" for first, last in limits]


def territory_sections(content: Content) -> list[Section]:
    """Territory maps, what they agree with, and what moves their borders; nothing where none was sought.

    Parameters
    ----------
    content
        Of the run.
    """
    planes = planes_of(content)
    if not planes:
        return []
    text = [
        "Which answer is given where? Every token is moved to every place in the plane of two formants; the others "
        "stay where the talker has them. Beside the network’s map stand the vowels of American talkers (Hillenbrand "
        "et al. 1995), the same network with random weights, and a linear model on the network’s own picture."
    ]
    tables, folded = [], []
    agreements, trading, brought = (content.table(name) for name in ("agreement", "trading", "normalisation"))
    if len(agreements):
        shown = agreements.assign(**{_INTERVAL: short_interval(agreements)}, plane=agreements["plane"].map(_in_words))
        shown["who"] = shown["who"].map(TITLES)
        columns, title = (
            ("plane", "who", "group", "agreement", _INTERVAL, "chance", "n"),
            "Answers that are the nearest vowel",
        )
        tables.append(as_html_table("agreement", title, shown, columns, headings=_HEADINGS, data=agreements))
    if len(trading):
        text.append(
            "A trading relation says how far a border lies elsewhere when the other formant is moved: 0 if one formant "
            "counts alone. Syrdal & Gopal (1986) put the border between front and back vowels at a fixed distance F3 − "
            "F2: it would move by 1 Bark with each Bark of F3. Each rests on a logistic plane through the answers to "
            "all stimuli; where a third vowel is heard, a stimulus counts little."
        )
        columns, title = (
            (*_PAIR, "hz_trade", _INTERVAL, "trade", "random", "linear"),
            "How far a border moves with the other formant",
        )
        tables.append(as_html_table("trading", title, *_moved(trading, columns), headings=_HEADINGS, data=trading))
    if len(brought):
        text.append(
            "Normalisation asks the same of what is not moved: does a border lie elsewhere in tokens that bring along "
            "another F3 or F0? It rests on differences between tokens, not on changes of sounds, and is far less "
            "certain."
        )
        columns, title = (
            (*_PAIR, "hz_shift", _INTERVAL, "shift", "spread"),
            "How far a border moves with what tokens bring along",
        )
        folded.append(
            as_html_table("normalisation", title, *_moved(brought, columns), headings=_HEADINGS, data=brought)
        )
    plates = [territory_plate(content, plane) for plane in planes]
    return [Section("territory", "What is heard where", text, plates, tables=tables, folded=folded)]


def image_sections(content: Content) -> list[Section]:
    """Classification images, and how strong they are; nothing where none was asked for.

    Parameters
    ----------
    content
        Of the run.
    """
    plate = classification_plate(content)
    if plate is None:
        return []
    text = [
        "Where does the answer rest, if no cue is named? Tokens are changed at random in bubbles of Hz and time "
        "(standard deviation 6 dB), and the answers are regressed on the change of every cell. Strength is by how many "
        "logits the changes moved the answer through the image, as standard deviation over trials; r says how alike "
        "two images are: that of the network and another’s, and those of single trainings."
    ]
    strengths, clusters = content.table("image_strengths"), content.table("image_clusters")
    names = _NAMES | {"who": "answers of"}
    shown = strengths.assign(against=strengths["against"].map(class_name), who=strengths["who"].map(WHO))
    columns = ("label", "against", "who", "strength", "explained", "r", "r_trainings", "trials")
    title, folded = "How strong, and how alike", []
    tables = [as_html_table("image_strengths", title, shown, columns, headings=names, data=strengths)]
    if len(clusters):
        rows = clusters.to_dict("records")
        shown = clusters.assign(
            against=clusters["against"].map(class_name), who=clusters["who"].map(WHO),
            speaks=[class_name(row["label"] if row["sign"] > 0 else row["against"]) for row in rows],
            during=[f"{row['first']:.2f}–{row['last']:.2f}" for row in rows],
        )  # fmt: skip
        columns = ("label", "against", "who", "speaks", "low_hz", "high_hz", "peak_hz", "during", "cells", "p")
        folded = [as_html_table("image_clusters", "Clusters", shown, columns, headings=names, data=clusters)]
    return [Section("images", "Where answers rest, without naming a cue", text, [plate], tables=tables, folded=folded)]


def _moved(table: pd.DataFrame, columns: tuple[str, ...]) -> tuple[pd.DataFrame, list[str]]:
    """The table as a page prints it, and its columns: the last says why there is no number, where one is lacking."""
    cues = {column: table[column].map(cue_name) for column in ("cue", "by")}
    intervals = {_INTERVAL: short_interval(table, "hz_low", "hz_high", digits=0)}
    shown = table.assign(
        **cues, **intervals, against=table["against"].map(class_name), plane=table["plane"].map(_in_words)
    )
    return shown, [*columns, *(["why_not"] if table["why_not"].any() else [])]


def _in_words(plane: str) -> str:
    return " × ".join(plane.upper().split(","))


def _short(value: float, digits: int) -> str:
    return (f"{value:.0f}" if abs(value) >= 100 else f"{value:.{digits}f}").replace("-", "−")
