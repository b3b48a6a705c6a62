"""Tables of ``docs/heard.md``: what perception experiments on real corpora found.

Stored and written as all others: ``python -m tools.results collect RUN…``. ``python -m tools.heard RUN`` asks
whether the boundary of F2 follows the talker, in a finished run on many talkers, and stores the answer.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from tools.markdown import markdown

CORPORA = {
    "lj/vowels-4k-heard": "LJSpeech",
    "asterisk/vowels-heard": "Asterisk prompts",
    "commands/vowels-heard": "Speech Commands",
}
VOICING = {
    "lj/voicing-heard": "`compact`, spectrogram up to 4 kHz",
    "lj/voicing-waveform-heard": "`multi-resolution`, waveform",
}
TALKERS = "heard-talkers"
HEARD = {"supported": "heard", "contradicted": "not heard", "cannot be told": "cannot be told"}
PAIR = ("ɛ", "ʌ")
BY = {"f3": "mean F3", "other_f3": "mean F3 in the other vowels", "f0": "mean F0"}  # of the talker
PEOPLE = "middle between people's /ɛ/ and /ʌ/"


class Turn(NamedTuple):
    """A cue moved in the tokens of one class, and the answer that should gain, as textbooks have it."""

    spoken: str
    cue: str
    against: str
    rises: bool  # whether the cue rises on the way to the other answer


# Chosen before these experiments: the pairs of the first trial on LJSpeech; of other vowels, those told apart by F2.
TURNS = (
    Turn("i", "f2", "u", rises=False),
    Turn("u", "f2", "i", rises=True),
    Turn("u", "f3", "ɝ", rises=False),
    Turn("ɝ", "f3", "u", rises=True),
    Turn("æ", "f2", "ɑ", rises=False),
    Turn("ɑ", "f2", "æ", rises=True),
    Turn("ɑ", "f1", "u", rises=False),
    Turn("æ", "f1", "i", rises=False),
    Turn("ɛ", "f2", "ʌ", rises=False),
    Turn("ʌ", "f2", "ɛ", rises=True),
)


def stored(table: str) -> pd.DataFrame:
    """A stored table; empty where nothing was stored."""
    from tools.results import STORED

    path = STORED / f"{table}.csv"
    return pd.read_csv(path) if path.is_file() else pd.DataFrame({"run": []})


# What is stored.


def of_perception(run: Any) -> dict[str, pd.DataFrame]:
    """What is kept of a finished perception experiment, by table.

    Parameters
    ----------
    run
        The experiment, as `phonoscope.experiments.folder.Run`.
    """
    columns = ["class", "cue", "against", "slope", "low", "high", "unit", "random", "linear", "sham", "p_holm"]
    slopes = run.table("slopes")
    kept = {"slopes": slopes[[name for name in columns if name in slopes] + ["verdict", "n", "n_units", "trainings"]]}
    curves = run.table("curves")
    ends = curves.groupby(["class", "cue"])["step"].transform(lambda step: step.isin([step.min(), 0, step.max()]))
    kept["curves"] = curves.loc[
        ends, ["class", "cue", "step", "step_unit", "achieved", "label", "share", "low", "high"]
    ]
    columns = ["class", "cue", "against", "measure", "boundary", "low", "high", "unit", "why_not"]
    boundaries = run.table("boundaries")
    kept["boundaries"] = boundaries.loc[boundaries["boundary"].notna(), columns]
    kept["weights"] = run.table("weights")[["class", "cue", "weight", "low", "high", "share", "unit"]]
    kept["made"] = run.table("made")
    return kept


def talkers(folder: str | Path) -> pd.DataFrame:
    """Does the boundary of F2 between two vowels move with the talker's F3, or F0?

    Asked are the networks of the run that never met the talker, their linear twin, and two planted listeners who
    answer to the same stimuli: one with the same boundary for everybody, one whose boundary lies at a fixed distance in
    Bark below the talker's F3 (or above the talker's F0), as measured in all vowels of the talker.

    Parameters
    ----------
    folder
        A finished run on many talkers.

    Returns
    -------
    DataFrame
        One row a listener, ``by`` (see `BY`) and whose ``tokens``: the ``shift`` of the boundary in Bark per Bark,
        with ``low, high``. Talkers who speak both vowels; beside them the tokens of each vowel alone, of all talkers:
        a talker who speaks more of one than of the other cannot shift those.
    """
    from phonoscope.perception import normalisation
    from phonoscope.perception.trials import calibrated
    from phonoscope.scales import bark_to_hz

    trials = _asked(folder)
    trials["linear twin"] = calibrated(trials["linear twin"])
    network = trials["network"]
    f2, slope, means = _bark(network.table["f2"]), _slope(network), _means_of_talkers(folder, network.table)
    elsewhere = bark_to_hz(_means_of_talkers(folder, network.table, without=PAIR)["f3"])
    trials["planted: one boundary for all"] = network.answered_by(_answers(network, slope * (f2 - np.nanmean(f2))))
    classes = network.table.groupby("speaker")["class"].transform("nunique").to_numpy()
    parts = {"of talkers with both": classes == 2}
    parts |= {f"/{vowel}/ alone": (network.table["class"] == vowel).to_numpy() for vowel in PAIR}
    rows = []
    for by in BY:
        of = by.removeprefix("other_")
        follows = slope * (f2 - np.nanmean(f2) - (means[of] - np.nanmean(means[of])))
        planted = {f"planted: fixed distance to {of.upper()}": network.answered_by(_answers(network, follows))}
        for listener, answered in (trials | planted).items():
            for tokens, part in parts.items():
                some = answered.where(part)
                some = replace(some, table=some.table.assign(other_f3=elsewhere[part]))
                found = normalisation(some, *PAIR, cue="f2", by=[by], of_talker=by == of)
                rows.append(found.assign(listener=listener, tokens=tokens))
        rows.append(pd.DataFrame([{"listener": PEOPLE, "by": by, "shift": of_people(of), "unit": "Bark/Bark"}]))
    return pd.concat(rows, ignore_index=True)


def _asked(folder: str | Path) -> dict[str, Any]:
    """Trials of F2 in all tokens of two vowels, by who answered."""
    from phonoscope.audio import cut
    from phonoscope.experiments.folder import Run
    from phonoscope.experiments.parts import PartTokens
    from phonoscope.perception import Continuum, Trials
    from phonoscope.tasks.perceive.asking import Asking, answers_in

    run = Run(folder)
    tokens = run.tokens[run.tokens["class"].isin(PAIR) & run.tokens["fold"].notna()].reset_index(drop=True)
    rate, context = int(run.facts["sample_rate"]), run.context_seconds
    asking = Asking(str(folder), "", (Continuum("f2"),), False, 5500.0, 0, (), False, "cpu", rate, context)

    def tables() -> Iterator[pd.DataFrame]:
        for _, some in tokens.groupby("fold"):
            some = some.reset_index(drop=True)
            some.attrs = run.tokens.attrs
            sounds, kept = cut(some, rate, context_seconds=context)
            for table, _facts in asking.rows(PartTokens(kept, sounds, context, rate)):
                yield table.to_pandas()

    table = pd.concat(tables(), ignore_index=True)
    labels = list(run.labels)
    who = {"network": "network", "linear twin": "linear", "random weights": "random"}
    answers = {called: answers_in(table, name, len(labels)) for called, name in who.items()}
    table = table.drop(columns=list(who.values()))
    still = table[table["step"] == 0].set_index("token")
    for name in ("f3", "f0"):
        table[f"before_{name}"] = still[name].reindex(table["token"]).to_numpy()
    return {called: Trials(table, labels, log_p) for called, log_p in answers.items()}


def _bark(hertz: Any) -> np.ndarray:
    from phonoscope.scales import hz_to_bark

    return hz_to_bark(np.asarray(hertz, dtype=float))


def _slope(trials: Any) -> float:
    """Logits per Bark of F2 between the two vowels."""
    from phonoscope.perception.planes import logistic_plane

    heard = trials.heard()
    odds = heard.log_p[..., heard.position(PAIR[0])] - heard.log_p[..., heard.position(PAIR[1])]
    shares = 1 / (1 + np.exp(-odds))
    x = _bark(heard.table["f2"])
    known = np.isfinite(x)
    return float(np.mean([logistic_plane(x[known, None], each[known])[1] for each in shares]))


def _answers(trials: Any, odds: np.ndarray) -> np.ndarray:
    """Log probabilities (1, stimulus, label) of a listener who knows two answers."""
    odds = np.nan_to_num(odds)  # of stimuli without F2, which are left out anyway
    log_p = np.full((1, *trials.log_p.shape[1:]), -30.0)
    log_p[0, :, trials.position(PAIR[0])] = -np.logaddexp(0, -odds)
    log_p[0, :, trials.position(PAIR[1])] = -np.logaddexp(0, odds)
    return log_p


def _means_of_talkers(folder: str | Path, table: pd.DataFrame, without: Sequence[str] = ()) -> dict[str, np.ndarray]:
    """F3 and F0 (Bark) of the talker of each stimulus: means over vowels, each as it differs from its class."""
    from phonoscope.experiments.folder import Run

    run = Run(folder)
    formants = run.formants.set_index("token")
    tokens = run.tokens[~run.tokens["class"].isin(list(without))].set_index("token")
    found = {}
    for name in ("f3", "f0"):
        values = pd.Series(_bark(formants[f"{name}_50"]), index=formants.index)
        values = values.reindex(tokens.index)
        away = values - values.groupby(tokens["class"]).transform("mean")
        by_talker = away.groupby(tokens["speaker"].astype(str)).mean() + values.mean()
        found[name] = by_talker.reindex(table["speaker"].astype(str)).to_numpy()
    return found


def of_people(by: str) -> float:
    """By how many Bark the middle between people's two vowels moves with a Bark of F3 or F0, from men to children."""
    from phonoscope.synthesis.talkers import SEXES, published_vowels

    means = published_vowels()
    middles = [_bark([means[sex, vowel]["f2"] for vowel in PAIR]).mean() for sex in SEXES]
    others = [_bark([means[sex, vowel][by] for vowel in PAIR]).mean() for sex in SEXES]
    return float(np.polyfit(others, middles, 1)[0])


# The tables, by name.


def _of(table: str, run: str) -> pd.DataFrame:
    rows = stored(table)
    return rows[rows["run"] == run]


def _signed(value: float, digits: int = 2) -> str:
    if pd.isna(value):
        return "–"
    return f"{value:+.{digits}f}".replace("-", "−") if round(value, digits) else f"{0:.{digits}f}"


def _between(row: pd.Series, value: str, digits: int = 2) -> str:
    """A signed number with its interval."""
    if pd.isna(row[value]):
        return "–"
    bounds = "" if pd.isna(row["low"]) else f" ({_signed(row['low'], digits)} to {_signed(row['high'], digits)})"
    return f"{_signed(row[value], digits)}{bounds}"


def _share(row: pd.Series) -> str:
    bounds = "" if pd.isna(row["low"]) else f" ({100 * row['low']:.0f}–{100 * row['high']:.0f})"
    return f"{100 * row['share']:.0f} %{bounds}"


def _moved(run: str, turn: Turn) -> list[str] | None:
    """What was moved, and shares of the other answer before and after; None where it was not asked."""
    curves = _of("heard-curves", run)
    own = curves[(curves["class"] == turn.spoken) & (curves["cue"] == turn.cue) & (curves["label"] == turn.against)]
    own = own.sort_values("step")
    if own.empty or own.iloc[[0, -1]]["share"].isna().any():
        return None
    still, end = own[own["step"] == 0].iloc[0], own.iloc[-1 if turn.rises else 0]
    what = f"/{turn.spoken}/, {turn.cue.upper()} {_signed(end['step'], 0)} {end['step_unit']}"
    return [what, f"/{turn.against}/", f"{100 * still['share']:.0f} %", _share(end)]


def turns() -> str:
    """Answers that turn as textbooks have it, with the slope of the log odds beside its controls."""
    rows = []
    for run, corpus in CORPORA.items():
        slopes = _of("heard-slopes", run).set_index(["class", "cue", "against"])
        for turn in TURNS:
            moved = _moved(run, turn) if turn[:3] in slopes.index else None
            if moved is None:
                continue
            row = slopes.loc[turn[:3]]
            controls = [_signed(row[name]) for name in ("random", "linear")]
            rows.append(
                [corpus, *moved, _between(row, "slope"), *controls, f"{row['sham']:.2f}", HEARD[row["verdict"]]]
            )
    head = ("corpus", "spoken, moved", "heard", "before", "after", "logits per Bark", "random weights", "linear twin",
            "sham", "is it heard?")  # fmt: skip
    return markdown(head, rows)


def verdicts() -> str:
    """How many slopes of each cue are heard, are not, or cannot be told."""
    rows = []
    for run, corpus in CORPORA.items():
        for cue, slopes in _of("heard-slopes", run).groupby("cue"):
            counts = slopes["verdict"].value_counts()
            numbers = [str(counts.get(name, 0)) for name in HEARD]
            same = (np.sign(slopes["linear"]) == np.sign(slopes["slope"]))[slopes["verdict"] == "supported"]
            twin = f"{same.sum()} of {len(same)}" if len(same) else "–"
            rows.append([corpus, str(cue).upper(), str(len(slopes)), *numbers, twin])
    head = (
        "corpus",
        "cue",
        "slopes",
        "heard",
        "not heard",
        "cannot be told",
        "heard, and the twin's has the same sign",
    )
    return markdown(head, rows)


def boundaries() -> str:
    """Where two answers are equally likely, for the pairs of `TURNS`, in Hz and in the Bark differences of people."""
    rows = []
    for run, corpus in CORPORA.items():
        found = _of("heard-boundaries", run)
        for turn in TURNS:
            own = found[(found[["class", "cue", "against"]] == list(turn[:3])).all(axis=1)]
            hertz = own[(own["measure"] == turn.cue) & (own["unit"] == "Hz")]
            bark = own[own["measure"].isin(["f3-f2", "f1-f0"])]
            if hertz.empty:
                continue
            row = hertz.iloc[0]
            cells = [corpus, f"/{turn.spoken}/ to /{turn.against}/", turn.cue.upper()]
            cells += [f"{row['boundary']:.0f} Hz ({row['low']:.0f}–{row['high']:.0f})"]
            told = []
            for _, each in bark.iterrows():
                name = each["measure"].upper().replace("-", " − ")
                told.append(f"{name}: {each['boundary']:.1f} ({each['low']:.1f}–{each['high']:.1f})")
            rows.append([*cells, "; ".join(told) or "–"])
    return markdown(("corpus", "tokens of, against", "moved", "boundary", "in Bark"), rows)


def weights() -> str:
    """Cue weights: change of a class's log odds as a cue rises by one standard deviation of what the talker does."""
    rows = []
    for run, corpus in CORPORA.items():
        found = _of("heard-weights", run)
        cues = list(dict.fromkeys(found["cue"]))
        for spoken, own in found.groupby("class", sort=False):
            by = own.set_index("cue")
            rows.append([corpus, f"/{spoken}/", *(_between(by.loc[cue], "weight", 1) for cue in cues)])
    return markdown(("corpus", "answer", "F1", "F2", "F3", "F0"), rows)


def follows_talker() -> str:
    """Does the boundary of F2 follow the talker?"""
    found = stored(TALKERS)
    rows = []
    for (by, listener), own in found.groupby(["by", "listener"], sort=False):
        shifts = own.set_index(own["tokens"].fillna(""))
        cells = [_between(row, "shift") for _, row in shifts.iterrows()]
        name = listener if listener != "network" else f"**network**, {int(own['trainings'].iloc[0])} trainings"
        rows.append([BY[str(by)], name, *(cells if len(cells) > 1 else [*cells, "", ""])])
    units = found.loc[found["tokens"] == "of talkers with both", "n_units"]
    head = (
        f"{units.min():.0f} to {units.max():.0f} talkers who speak both",
        *(f"tokens of /{vowel}/ alone" for vowel in PAIR),
    )
    return markdown(("by the talker's", "listener", *head), rows)


def voicing() -> str:
    """Vowels against voiceless consonants: shares before and after, and slopes beside their controls."""
    rows = []
    for run, network in VOICING.items():
        curves = _of("heard-curves", run)
        for _, row in _of("heard-slopes", run).iterrows():
            own = curves[(curves["class"] == row["class"]) & (curves["cue"] == row["cue"])]
            own = own[own["label"] == row["against"]].dropna(subset=["share"]).sort_values("step")
            moved = own[own["step"] != 0]
            ends = [f"{_signed(end['step'], 0)} {end['step_unit']}: {_share(end)}" for _, end in moved.iterrows()]
            still = [f"{100 * share:.0f} %" for share in own.loc[own["step"] == 0, "share"]]
            cells = [network, row["class"], str(row["cue"]).replace("_", " "), f"{row['n']:.0f}", row["against"]]
            slope = f"{_between(row, 'slope')} {row['unit']}" if pd.notna(row["slope"]) else "–"
            controls = [_signed(row["linear"]), _signed(row["sham"]).lstrip("+")]
            rows.append([*cells, *(still or ["–"]), "; ".join(ends) or "–", slope, *controls, HEARD[row["verdict"]]])
    head = ("network", "spoken", "moved", "tokens", "heard as", "before", "after", "slope", "linear twin", "sham",
            "is it heard?")  # fmt: skip
    return markdown(head, rows)


def made() -> str:
    """How well the stimuli were made: range over classes."""
    rows = []
    for run, corpus in {**CORPORA, **dict.fromkeys(VOICING, "LJSpeech, voicing")}.items():
        for cue, own in _of("heard-made", run).groupby("cue"):
            own = own[own["n"] > 0]
            missed = (
                f"{100 * own['missed'].sum() / own['n'].sum():.0f} % (at most {100 * own['share_missed'].max():.0f} %)"
            )
            slopes = f"{own['slope'].min():.2f}–{own['slope'].max():.2f}"
            worst = own.loc[own["crosstalk"].idxmax()] if own["crosstalk"].notna().any() else None
            crosstalk = "–" if worst is None else f"{100 * worst['crosstalk']:.1f} % of {worst['crosstalk_of'].upper()}"
            row = [corpus, str(cue).replace("_", " "), str(own["n"].sum()), missed, slopes, crosstalk]
            if row not in rows:  # the same stimuli were given to two networks
                rows.append(row)
    head = ("corpus", "moved", "stimuli", "missed", "achieved / intended", "largest median crosstalk")
    return markdown(head, rows)


TABLES: dict[str, Callable[[], str]] = {
    "heard-turns": turns,
    "heard-verdicts": verdicts,
    "heard-boundaries": boundaries,
    "heard-weights": weights,
    "heard-talkers": follows_talker,
    "heard-voicing": voicing,
    "heard-made": made,
}


def main(arguments: list[str]) -> None:
    """Store whether the boundary of F2 follows the talker."""
    from tools.results import STORED

    (folder,) = arguments
    talkers(folder).to_csv(STORED / f"{TALKERS}.csv", index=False, float_format="%.5g")


if __name__ == "__main__":
    main(sys.argv[1:])
