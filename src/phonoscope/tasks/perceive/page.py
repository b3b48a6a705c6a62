"""The page of a perception experiment: what the network hears, the curves, and how well the stimuli were made."""

from __future__ import annotations

import numpy as np
import pandas as pd

from phonoscope.experiments.folder import Run
from phonoscope.judgement.claims import SUPPORTED
from phonoscope.judgement.words import doubts_of_basis
from phonoscope.perception.trials import are_numbers
from phonoscope.report.numbers import percent
from phonoscope.report.page import Page, Section
from phonoscope.report.tables import as_html_table
from phonoscope.tasks.content import Content, read_content
from phonoscope.tasks.perceive.figures import cue_weights_plate, identification_plate
from phonoscope.tasks.perceive.further_page import image_sections, short_interval, territory_sections
from phonoscope.tasks.perceive.names import LINEAR, RANDOM
from phonoscope.tasks.perceive.sentences import cue_name
from phonoscope.tasks.sections import left_out_table, page_of, provenance_section

_INTERVAL = "95 % interval"
_BAD = 0.15  # share of missed stimuli that is said aloud
_NAMES = {RANDOM: "Random weights", LINEAR: "A linear twin"}


def page(run: Run) -> Page:
    """Return the page of a perception experiment."""
    content = read_content(run)
    results = content.facts["results"]
    concluded = [_numbers_section(content)] if _gives_numbers(content) else [_slopes(content), _weights(content)]
    asked_for = [*territory_sections(content), *image_sections(content), *_people(content)]
    sections = [_curves(content), *concluded, *asked_for, _stimuli(content),
                _provenance(content)]  # fmt: skip
    return page_of(
        content.facts, sections, numbers=_numbers(content), findings=results["sentences"], doubts=_doubts(content)
    )


def _numbers(content: Content) -> list[tuple[str, str, str]]:
    slopes, made = content.table("slopes"), content.table("made")
    heard = [cue_name(cue) for cue in slopes.loc[slopes["verdict"] == SUPPORTED, "cue"].unique()]
    missed = made["missed"].sum() / max(made["n"].sum(), 1)
    return [
        ("heard", ", ".join(heard) or "none", f"of {slopes['cue'].nunique()} cues"),
        ("stimuli", f"{content.facts['results']['n_stimuli']}", f"of {len(content.tokens)} tokens"),
        ("missed their aim", percent(missed), "left out"),
    ]


def _doubts(content: Content) -> list[str]:
    slopes, made = content.table("slopes"), content.table("made")
    doubts = []
    if len(slopes):
        row = slopes.iloc[0]
        trainings = 0 if "model" in content.facts else int(row["trainings"])
        doubts += doubts_of_basis(row["n_units"], str(row["unit_of_interval"]), trainings)
    bad = made[made["share_missed"] > _BAD]
    if len(bad):
        which = ", ".join(f"{cue_name(row['cue'])} of {row['class']}" for row in bad.head(4).to_dict("records"))
        more = " and others" if len(bad) > 4 else ""
        doubts.append(f"More than {percent(_BAD, 0)} of the stimuli missed their aim and were left out: {which}{more}.")
    facts = content.facts
    if not facts.get("labelled", True) and not _gives_numbers(content):
        doubts.append(
            "The tokens have no labels: each counts as what the model answers to it as it was recorded, so it is never "
            "wrong where nothing is moved."
        )
    count = facts.get("labels_in_all", 0)
    if count > len(content.labels):
        doubts.append(
            f"Of its {count} labels the {len(content.labels)} that are answered most often are followed; the others "
            "have their part in every probability."
        )
    doubts += [str(warning) for warning in facts.get("warnings", ())]
    for name, why in facts.get("absent_controls", {}).items():
        doubts.append(f"{_NAMES[name]} could not be asked: {why}.")
    if "sham" not in slopes:
        doubts.append("No changes of equal size that move no resonance stand beside the slopes: shams were turned off.")
    return doubts


def _curves(content: Content) -> Section:
    who = "the model" if "model" in content.facts else "the network that never met the token"
    text = (
        f"Each token is presented with one property moved in steps, everything else as it was recorded, and {who} is "
        "asked what it hears. Stimuli whose measured value is not what was intended are left out."
    )
    return Section("curves", "What is heard along each cue", [text], [identification_plate(content)])


def _slopes(content: Content) -> Section:
    slopes = content.table("slopes")
    order = slopes.assign(size=slopes["slope"].abs()).sort_values(["cue", "size"], ascending=[True, False])
    columns = ("class", "against", "cue", "slope", _INTERVAL, "unit", "random", "linear", "sham", "verdict")
    table = as_html_table("slopes", "Slopes", _named(order), columns, data=slopes)
    boundaries = content.table("boundaries")
    found = boundaries[np.isfinite(pd.to_numeric(boundaries["boundary"]))] if len(boundaries) else boundaries
    crossing = as_html_table(
        "boundaries", "Boundaries", _named(found),
        ("class", "against", "measure", "boundary", _INTERVAL, "unit", "logits_per_unit"), data=boundaries,
    )  # fmt: skip
    text = (
        "A slope is the change of log p(class) / p(against) as the cue rises, within each token, on the values "
        "measured in the stimuli. Beside it stand the same network with random weights, a linear model on the "
        "network’s own picture (made as sure as it is right), and the sham: changes of the same size in that picture "
        "that move no resonance. A cue counts as heard if its slope lies clear of 0 and of its sham, after Holm’s "
        "correction for all slopes."
    )
    where = (
        "A boundary is where two answers are equally likely. Syrdal & Gopal (1986) put that between front and back "
        "vowels near F3 − F2 = 3 Bark, that between high and other vowels near F1 − F0 = 3 Bark."
    )
    return Section("slopes", "How steep, and where the answer turns", [text, where], tables=[crossing], folded=[table])


def _gives_numbers(content: Content) -> bool:
    """Whether the model gives numbers, and no answers to choose from."""
    return are_numbers(content.facts.get("scores", "classes"), content.labels)


def _numbers_section(content: Content) -> Section:
    slopes = content.table("slopes")
    columns = ("class", "cue", "slope", _INTERVAL, "unit", "random", "sham", "verdict")
    table = as_html_table("slopes", "Slopes", _named(slopes), columns, data=slopes, headings={"class": "number"})
    text = (
        "The model gives numbers, and no answers to choose from: a slope is the change of the number as the cue rises, "
        "within each token, on the values measured in the stimuli. A cue counts as heard if its slope lies clear of "
        "its sham, and over the whole range of the cue moves the number by more than a fifth of its standard deviation "
        "over the tokens, after Holm’s correction."
    )
    return Section("slopes", "How steep", [text], tables=[table])


def _weights(content: Content) -> Section:
    plate, weights = cue_weights_plate(content), content.table("weights")
    if plate is None:
        return Section("weights", "Cue weights", ["The cues of this experiment could not be told apart."])
    columns = ("class", "cue", "weight", _INTERVAL, "random", "linear", "per_jnd", "per_unit", "unit", "share")
    table = as_html_table("weights", "Cue weights", _named(weights), columns, data=weights)
    text = (
        "All cues at once: how much the decision for a class moves with each, fitted within tokens on the values that "
        "the stimuli really have, so that what was moved by accident is not taken for what was moved on purpose. The "
        "same network with random weights and the linear model stand beside them."
    )
    return Section("weights", "Cue weights", [text], [plate], folded=[table])


def _people(content: Content) -> list[Section]:
    beside = content.table("beside_listeners")
    if beside.empty:
        return []
    text = (
        "People were asked about the same stimuli, and their answers fitted alike, slips allowed for. Differences are "
        "the network’s value less that of all participants, with an interval over both."
    )
    table = as_html_table("beside_listeners", "Network and people", _named(beside), list(beside.columns))
    return [Section("people", "Beside people", [text], tables=[table])]


def _stimuli(content: Content) -> Section:
    columns = ("class", "cue", "n", "limited", "missed", "share_missed", "slope", "off", "unit")
    columns += ("crosstalk", "crosstalk_of")
    headings = {"slope": "achieved / intended", "off": "median error", "crosstalk_of": "of", "limited": "stopped at F0"}
    made = as_html_table("made", "Intended and achieved", _named(content.table("made")), columns, headings=headings)
    text = (
        "Every stimulus was measured after it was made. Crosstalk is the largest median change of another property, "
        "relative to the stimulus that was not moved."
    )
    left_out = [left_out_table(content.tables["left_out"])] if len(content.tables["left_out"]) else []
    return Section("stimuli", "How well the stimuli were made", [text], tables=[made], folded=left_out)


def _provenance(content: Content) -> Section:
    facts = content.facts
    model = facts.get("model")
    if model is None:
        return provenance_section(facts, further=[("Run that was asked", str(facts.get("of_run", "")))])
    further = [("Model that was asked", model["source"]), ("takes", model["takes"]), ("gives", model["gives"])]
    return provenance_section(facts, further=further)


def _named(table: pd.DataFrame) -> pd.DataFrame:
    """The table with cues as figures call them, and intervals in one column."""
    if table.empty:
        return table
    shown = table.assign(cue=table["cue"].map(cue_name))
    if "low" not in table:
        return shown
    return shown.assign(**{_INTERVAL: short_interval(table)})
