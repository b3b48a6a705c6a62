"""The tables of the truth benchmark in the documentation, out of the committed results.

``python -m tools.truth_page`` writes them into ``docs/rooms/evidence.md`` and ``README.md``, and draws
``docs/images/truth.png``.
Results of another run are copied first: ``cp FOLDER/truth*.csv src/phonoscope/data/``.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from phonoscope.evidence.advice import predictive_measures, recommend
from phonoscope.evidence.answers import by_distance, control_table, ranking, scored
from phonoscope.evidence.peers import STAND_IN
from phonoscope.evidence.planted_results import answers_by_distance, planted_answer_table, planted_results
from tools.markdown import markdown

ROOT = Path(__file__).resolve().parents[1]
PICTURE = ROOT / "docs/images/truth.png"
# In the short table.
CHOSEN = {
    "joined(integrated-gradients(steps=8))": "integrated gradients joined with occlusion",
    "integrated-gradients(steps=8)": "integrated gradients, the default",
    "band-stop(fill=mean)": "band-stop filtering, filled",
    "occlusion": "occlusion",
    "gradient": "gradient",
    "cam": "class activation map (CAM)",
    STAND_IN: "Grad-CAM resized (stand-in for grad-cam)",
    "data (weighted)": "*the data alone*",
}
QUESTIONS = ("which band", "which moment", "how much", "slope", "exact band", "exact moment")
_DOTS_PER_INCH, _FEW_RIVALS = 110, 3


def number(value: float, low: float = np.nan, high: float = np.nan) -> str:
    """A number with two decimals; a dash where there is none, no interval where all pairs agree."""
    if not np.isfinite(value):
        return "–"
    interval = f" ({low:.2f}–{high:.2f})" if low < high else ""
    return f"{value:.2f}{interval}".replace("-", "−")


def order_of(answers: pd.DataFrame) -> list[tuple[str, str]]:
    """Names with their kind: methods, peers and controls, each from the best to the worst."""
    kinds = answers.drop_duplicates("method").set_index("method")["kind"]
    controls = [name for name in kinds.index if kinds[name] == "control"]
    names = [*ranking(answers), *ranking(answers, "peer"), *controls]
    return [(name, kinds[name]) for name in names]


def name_of(method: str, kind: str) -> str:
    """A method in code, anything else in italics."""
    return f"`{method}`" if kind == "method" else f"*{method}*"


def answer_rows(answers: pd.DataFrame, table: pd.DataFrame) -> Iterable[Sequence[str]]:
    """Rows of the table of answers."""
    asked = table.set_index(["method", "question"])
    for method, kind in order_of(answers):
        cells = [number(*asked.loc[(method, name), ["estimate", "low", "high"]]) for name in QUESTIONS]
        missing = int(asked.loc[(method, "which, any distance"), "missing"])
        yield [name_of(method, kind), *cells, str(missing)]


def share_rows(answers: pd.DataFrame, columns: pd.DataFrame) -> Iterable[Sequence[str]]:
    """Rows of a table of one number a cell: methods and peers × anything."""
    for method, kind in order_of(answers):
        if method in columns.index and kind != "control":
            yield [name_of(method, kind), *(number(value) for value in columns.loc[method])]


def conditions(answers: pd.DataFrame) -> pd.DataFrame:
    """Mean share of the evidence at the used cue, by network, front end, presence of the cue, and sureness."""
    rows = answers[answers["uses"] != "both"]
    by_network = rows.pivot_table(index="method", columns="network", values="which", sort=False)
    by_front_end = rows.pivot_table(index="method", columns="front_end", values="which", sort=False)
    parts = {
        "cue there": "which_present",
        "cue absent": "which_absent",
        "surer half": "which_sure",
        "other half": "which_unsure",
    }
    apart = pd.DataFrame({name: rows.groupby("method")[column].mean() for name, column in parts.items()})
    return by_network.join(by_front_end[["full-scale", "default"]]).join(apart)


def tables() -> str:
    """Everything between the two marks of the page."""
    results, table = planted_results(), planted_answer_table()
    answers = scored(results)
    cells = results.drop_duplicates(["pair", "distance_hz", "distance_ms", "network", "front_end", "seed", "uses"])
    pure = cells[cells["uses"].isin(["first", "second"])]
    controls = control_table(answers)
    distances = by_distance(answers)
    distances["column"] = [f"≥ {row.distance} {row.axis}" for row in distances.itertuples()]
    right = distances.pivot_table(index="method", columns="column", values="right", sort=False)
    right = right[sorted(right, key=lambda name: (name.endswith("ms"), int(name.split()[1])))]
    apart = conditions(answers)
    counted = (
        f"{len(cells)} networks were trained on {results['pair'].nunique()} pairs of cues, {len(pure)} to use one cue "
        f"and {len(cells) - len(pure)} to use both; {int(cells['learnt'].sum())} of them learnt to."
    )
    sentences = [f"- {control_sentence(str(name), row)}" for name, row in controls.iterrows()]
    advice = [f"- *{row['question']}*: {advice_sentence(row)}" for row in recommend(answers)]
    told = [
        [
            f"`{row.measure}`",
            str(row.truth),
            number(row.estimate, row.low, row.high),
            number(row.loss, row.loss_low, row.loss_high),
            str(row.n),
        ]
        for row in predictive_measures(answers).itertuples()
    ]
    return "\n".join(
        [
            counted,
            "",
            markdown(["method", "which band, ≥ 500 Hz", "which moment, ≥ 40 ms", "how much, ρ", "slope", "exact band",
                      "exact moment", "missing"], answer_rows(answers, table)),
            *sentences,
            "",
            "Recommended:",
            "",
            *advice,
            "",
            "Right about which cue, by distance:",
            "",
            markdown(["method", *right], share_rows(answers, right)),
            "Share of the evidence at the used cue, by network, front end, and token:",
            "",
            markdown(["method", *apart], share_rows(answers, apart)),
            "Measures without planted truth: rank correlation with the truth over the methods of a network, and how "
            "far the method that the measure likes best lies below the best:",
            "",
            markdown(["measure", "truth", "ρ (95 %)", "lost (95 %)", "networks"], told),
            *warranty(predictive_measures(answers)),
        ]
    )  # fmt: skip


def control_sentence(name: str, row: pd.Series) -> str:
    """What a control scored."""
    words = {
        "data": "Maps of the data alone",
        "random": "Methods on networks with random weights",
        "other": "Methods on the network that uses the other cue",
    }
    return f"{words[name]} put {number(row['estimate'], row['low'], row['high'])} of the evidence at the used cue."


def warranty(told: pd.DataFrame) -> list[str]:
    """What may be expected of a method that is chosen by the best of the measures; nothing where none predicts."""
    place = told[(told["truth"] == "where") & (told["low"] > 0)]
    if place.empty:
        return ["None of them is shown to predict the exact place.", ""]
    best = place.loc[place["estimate"].idxmax()]
    lost = number(best["loss"], best["loss_low"], best["loss_high"])
    return [
        f"The method that `{best['measure']}` alone picks for each network attained {lost} less of the sharpest map "
        "than the best method on that network. Nothing was fitted to these networks.",
        "",
    ]


def advice_sentence(row: dict[str, object]) -> str:
    """What is recommended, or why nothing is."""
    if row["recommended"]:
        return f"`{row['recommended']}`."
    if row["best"] is None:
        return "no method gave an answer often enough."
    rivals = [f"`{name}`" for name in list(row["not_worse"])[1:]]  # ty: ignore[invalid-argument-type]
    named = ", ".join(rivals) if len(rivals) <= _FEW_RIVALS else f"{len(rivals)} others"
    close = f"its lead over {named} is not clear" if rivals else "its lead does not survive every check"
    return f"none. The best by its mean is `{row['best']}` ({row['estimate']:.2f}); {close}."


def short_table() -> str:
    """A few methods and the questions that most people have."""
    asked = planted_answer_table().set_index(["method", "question"])["estimate"]
    questions = ("which band", "which moment", "how much", "exact band", "exact moment")
    rows = [[words, *(number(asked[method, name]) for name in questions)] for method, words in CHOSEN.items()]
    return markdown(["", *questions], rows)


def pages() -> dict[Path, tuple[str, str]]:
    """Pages with the name of their marks and what is to stand between these."""
    return {
        ROOT / "docs/rooms/evidence.md": ("planted truth", tables()),
        ROOT / "README.md": ("planted truth, in short", short_table()),
    }


def between_marks(page: str, name: str, text: str) -> str:
    """The page with a text between its two marks.

    Parameters
    ----------
    page
        In Markdown.
    name
        Of the marks.
    text
        In Markdown.
    """
    begin, end = f"<!-- {name} -->\n", f"<!-- end of {name} -->\n"
    before, _, rest = page.partition(begin)
    _, _, after = rest.partition(end)
    return f"{before}{begin}\n{text}\n{end}{after}"


def main() -> None:
    """Write the tables and draw the picture."""
    from phonoscope.report.truth import truth_figure

    for path, (name, text) in pages().items():
        path.write_text(between_marks(path.read_text(encoding="utf-8"), name, text), encoding="utf-8")
    results, table = planted_results(), planted_answer_table()
    kinds = results.drop_duplicates("method").set_index("method")["kind"]
    truth_figure(answers_by_distance(results, table), kinds).savefig(PICTURE, dpi=_DOTS_PER_INCH)


if __name__ == "__main__":
    main()
