"""Tables of the documents, made from stored results: nothing in them is typed by hand.

``python -m tools.results collect RUN…`` reads finished runs and stores what the documents show of them in
``docs/results``; a run is called by its folder, such as ``lj/vowels-4k``. ``python -m tools.results`` writes the tables
between their marks, ``<!-- table: NAME -->`` and ``<!-- end of table -->``, into every document.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tools import audits, heard, planted_cues
from tools.markdown import markdown

ROOT = Path(__file__).resolve().parents[1]
STORED = ROOT / "docs" / "results"
COVERAGE = ROOT / "benchmarks" / "results" / "coverage.csv"
ALIGNING = ROOT / "benchmarks" / "results" / "aligning.csv"
MARKED = re.compile(r"(<!-- table: ([\w.-]+) -->\n).*?(<!-- end of table -->)", re.DOTALL)

MATERIAL = {"synthetic": "synthetic", "lj": "LJSpeech"}
EXPERIMENTS = {
    "vowels": "five vowels, all frequencies",
    "vowels-4k": "five vowels, up to 4 kHz",
    "vowels-4k-local": "the same, `compact-local`",
    "voicing": "voiced against unvoiced, up to 4 kHz",
}
OTHERS = {
    "commands/vowels": "Speech Commands, /aɪ oʊ ɛ ʌ/",
    "commands/voicing": "Speech Commands, any vowel against /p t k f s ʃ θ/",
    "digits/vowels": "spoken digits, /aɪ ɪ ʌ eɪ u/, each speaker left out",
    "transfer/vowels-4k": "trained on synthetic talkers, tested on LJSpeech",
}
_ASKED = {"perceive": ("heard", heard.of_perception), "audit": ("audit", audits.of_audit)}
_MARKS = {"no better than chance": "°", "cannot be told": "?"}


def documents() -> list[Path]:
    """All documents that may hold tables."""
    return [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def filled(text: str) -> str:
    """A document with its tables made anew."""
    return MARKED.sub(lambda found: f"{found[1]}\n{TABLES[found[2]]()}\n{found[3]}", text)


# What is stored.


def collect(folders: Iterable[str]) -> None:
    """Store what the documents show of finished runs; what is stored of other runs stays."""
    from phonoscope.experiments.folder import Run

    for folder in map(Path, folders):
        run, name = Run(folder), "/".join(folder.parts[-2:])
        kind = run.facts["kind"]
        if kind in _ASKED:
            prefix, kept = _ASKED[kind]
            for table, rows in kept(run).items():
                _store(f"{prefix}-{table}", name, rows)
            continue
        collected = {"phones": _of_phones, "recordings": _of_recordings, "spoof": _of_spoof}[kind](run)
        collected["claims"] = run.table("claims").drop(columns="detail")
        for table, rows in collected.items():
            _store(f"{kind}-{table}" if table != "claims" else "claims", name, rows)


def _store(table: str, name: str, rows: pd.DataFrame) -> None:
    path = STORED / f"{table}.csv"
    before = pd.read_csv(path) if path.is_file() else pd.DataFrame({"run": []})
    rows = rows.assign(run=name)
    kept = [before[before["run"] != name], rows[["run", *rows.columns.drop("run")]]]
    joined = pd.concat([part for part in kept if len(part)], ignore_index=True)
    joined.sort_values("run", kind="stable").to_csv(path, index=False, float_format="%.5g")


def _of_phones(run: Any) -> dict[str, pd.DataFrame]:
    results, accuracy = run.results, run.table("accuracy").set_index("measure")
    row = {"tokens": results["n_test"], "speakers": run.facts["corpus"]["speakers"]}
    row |= accuracy.loc["accuracy", ["estimate", "low", "high", "n_units", "unit", "trainings"]].to_dict()
    each = [training["accuracy"] for training in results["each_training"]]
    row |= {
        "pooled": results["pooled_accuracy"],
        "least": min(each),
        "most": max(each),
        "sd": float(pd.Series(each).std()),
    }
    twin = results["beside_twin"]
    row |= {"twin": twin["twin_accuracy"], "beyond_twin": twin["difference"], "beyond_twin_low": twin["low"]}
    row |= {"beyond_twin_high": twin["high"], "beside_twin": twin["verdict"]}
    row |= {"resolution_hz": results["resolution_hz"], "profile_correlation": results["profile_correlation"]}
    baselines = run.table("baselines")[["name", "accuracy", "balanced_accuracy"]]
    shares = run.table("shares") if run.has_table("shares") else pd.DataFrame()
    kept = {"runs": pd.DataFrame([row]), "baselines": baselines}
    if len(shares):
        columns = ["label", "formant", "null", "ratio", "low", "high", "energy_ratio", "verdict"]
        kept["shares"] = shares.loc[shares["formant"].isin(["F1–F3", "F1–F4"]), columns]
        controls = run.table("control_shares")
        pooled = (controls["label"] == "all") & (controls["formant"] == "F1–F3") & (controls["null"] == "run")
        kept["controls"] = controls.loc[pooled, ["map", "networks", "ratio", "low", "high", "sd"]]
    judged = run.folder / "evidence" / "tables"
    if judged.is_dir():
        measures, in_maps = (pd.read_parquet(judged / f"{table}.parquet") for table in ("measures", "shares"))
        pooled = (in_maps["label"] == "all") & (in_maps["formant"] == "F1–F3")
        kept["evidence"] = measures[["method", "measure", "value", "low", "high", "chance", "verdict"]]
        kept["evidence-shares"] = in_maps.loc[pooled, ["method", "null", "ratio"]]
    return kept


def _of_recordings(run: Any) -> dict[str, pd.DataFrame]:
    over = run.table("over_seeds").drop(columns="cpu_seconds")
    twins = run.table("linear_twin")
    return {"accuracy": over, "twins": twins, "baselines": run.table("baselines")}


def _of_spoof(run: Any) -> dict[str, pd.DataFrame]:
    columns = ["attack", "level", "feature", "balanced_accuracy", "low", "high", "beyond_random", "beyond_random_low"]
    return {"results": run.table("results")[[*columns, "beyond_random_high", "n_units", "unit"]]}


def stored(table: str) -> pd.DataFrame:
    """A stored table; empty where nothing was stored."""
    path = STORED / f"{table}.csv"
    return pd.read_csv(path) if path.is_file() else pd.DataFrame({"run": []})


# How numbers are written.


def percent(value: float) -> str:
    """A share as percent, without the sign."""
    return f"{100 * value:.1f}"


def percent_of(row: pd.Series, value: str = "estimate", low: str = "low", high: str = "high") -> str:
    """A share with its interval."""
    bounds = f" ({percent(row[low])}–{percent(row[high])})" if np.isfinite(row[low]) else " (no interval)"
    return f"{percent(row[value])} %{bounds}"


def ratio_of(row: pd.Series) -> str:
    """A ratio with its interval."""
    return (
        f"{row['ratio']:.2f} ({row['low']:.2f}–{row['high']:.2f})" if np.isfinite(row["low"]) else f"{row['ratio']:.2f}"
    )


def points(value: float) -> str:
    """A difference of shares in points."""
    return f"{100 * value:+.1f}".replace("-", "−")


# The tables, by name.


def _run(name: str) -> pd.Series | None:
    rows = stored("phones-runs")
    rows = rows[rows["run"] == name]
    return None if rows.empty else rows.iloc[0]


def _best_baseline(name: str) -> str:
    rows = stored("phones-baselines")
    rows = rows[(rows["run"] == name) & ~rows["name"].str.startswith("linear twin")] if len(rows) else rows
    best = rows.sort_values("accuracy").iloc[-1]
    return f"{percent(best['accuracy'])} %: {best['name']}"


def _share(name: str, null: str = "run") -> pd.Series | None:
    rows = stored("phones-shares")
    if rows.empty:
        return None
    rows = rows[
        (rows["run"] == name) & (rows["label"] == "all") & (rows["formant"] == "F1–F3") & (rows["null"] == null)
    ]
    return None if rows.empty else rows.iloc[0]


def _control(name: str, control: str) -> str:
    rows = stored("phones-controls")
    rows = rows[(rows["run"] == name) & (rows["map"] == control)] if len(rows) else rows
    return "–" if rows.empty else f"{rows.iloc[0]['ratio']:.2f}"


def _names() -> list[tuple[str, str]]:
    """Runs of the first paper's experiments that are stored, and what they are called."""
    names = [
        (f"{material}/{recipe}", f"{called}: {what}")
        for material, called in MATERIAL.items()
        for recipe, what in EXPERIMENTS.items()
    ]
    return [(name, what) for name, what in names if _run(name) is not None]


def accuracies(names: Iterable[tuple[str, str]] | None = None) -> str:
    """Accuracy of each run beside its linear twin and the best of the other baselines."""
    rows = []
    for name, what in _names() if names is None else names:
        row = _run(name)
        if row is None:
            continue
        spread = f"{percent(row['least'])}–{percent(row['most'])}" if row["trainings"] > 1 else "one training"
        beyond = f"{points(row['beyond_twin'])} ({points(row['beyond_twin_low'])} to {points(row['beyond_twin_high'])})"
        units = f"{row['tokens']} tokens, {row['n_units']:.0f} {row['unit']}s"
        cells = [what, units, percent_of(row), spread, f"{percent(row['twin'])} %", f"{beyond}: {row['beside_twin']}"]
        rows.append([*cells, _best_baseline(name)])
    head = ("", "tested on", "network", "each training", "linear twin", "network − twin, points", "best of the others")
    return markdown(head, rows)


def shares(names: Iterable[tuple[str, str]] | None = None) -> str:
    """Share of maps in F1–F3 over chance, beside what no training of the network made."""
    rows = []
    for name, what in _names() if names is None else names:
        of_run, within = _share(name), _share(name, "class")
        if of_run is None or within is None:
            continue
        controls = [_control(name, control) for control in ("the data alone", "random weights")]
        rows.append([what, ratio_of(of_run), ratio_of(within), f"{of_run['energy_ratio']:.2f}", *controls])
    head = ("", "over the run", "within classes", "plain energy", "map of the data alone", "random weights")
    return markdown(head, rows)


def _claims_of(section: str) -> Callable[[], str]:
    recipe = {"4.1": "vowels", "4.2": "vowels-4k", "4.3": "voicing"}[section]

    def table() -> str:
        claims = stored("claims")
        by_material = {
            called: claims[claims["run"] == f"{material}/{recipe}"].set_index("claim")
            for material, called in MATERIAL.items()
        }
        first = next((each for each in by_material.values() if len(each)), None)
        if first is None:
            return markdown(("the paper says", *by_material), [])
        rows = [
            [row["paper_says"], *(_claim(each, number) for each in by_material.values())]
            for number, row in first.iterrows()
        ]
        return markdown(("the paper says", *by_material), rows)

    return table


def _claim(claims: pd.DataFrame, number: Any) -> str:
    if number not in claims.index:
        return "–"
    row = claims.loc[number]
    measured = "" if pd.isna(row["measured"]) else re.sub(r", over [^)]*\)", ")", str(row["measured"]))
    measured = re.sub(r" \(over [^)]*\)", "", measured)
    return f"**{row['verdict']}**{': ' if measured else ''}{measured}"


def readme() -> str:
    """The few numbers of the README: five vowels up to 4 kHz."""
    columns = [(name, called) for name, called in (("synthetic/vowels-4k", "120 synthetic talkers"),
                                                   ("lj/vowels-4k", "LJSpeech, 32 recordings"))
               if _run(name) is not None]  # fmt: skip
    runs = [_run(name) for name, _ in columns]
    of_run = [_share(name) for name, _ in columns]
    head = ["", *(called for _, called in columns)]
    rows = [
        ["network: accuracy (95 % interval)", *(percent_of(row) for row in runs)],
        ["each of its trainings", *(f"{percent(row['least'])}–{percent(row['most'])} %" for row in runs)],
        ["linear twin: LDA on the same picture", *(f"{percent(row['twin'])} %" for row in runs)],
        ["is the network better than its twin?", *(str(row["beside_twin"]) for row in runs)],
        ["map in F1–F3 of its own token, times chance", *(ratio_of(row) for row in of_run)],
        ["plain energy of the spectrogram on the same test", *(f"{row['energy_ratio']:.2f}" for row in of_run)],
        ["a map of the data alone, without a network", *(_control(name, "the data alone") for name, _ in columns)],
        ["what the map resolves", *(f"{row['resolution_hz']:.0f} Hz" for row in runs)],
        ["mean correlation between the classes' profiles", *(f"{row['profile_correlation']:.2f}" for row in runs)],
    ]
    return markdown(head, rows)


def recordings(name: str) -> Callable[[], str]:
    """Balanced accuracies of a task on whole recordings, by network and share of the recordings."""

    def table() -> str:
        accuracy, twins = (
            rows[rows["run"] == name] for rows in map(stored, ("recordings-accuracy", "recordings-twins"))
        )
        rows = []
        for row in (each for _, each in accuracy.iterrows()):
            whole = row["share"] == 1
            twin = twins[twins["network"] == row["network"]].iloc[0] if whole else None
            beside = "" if twin is None else (
                f"{points(twin['difference'])} ({points(twin['low'])} to {points(twin['high'])}): {twin['verdict']}"
            )  # fmt: skip
            spread = str(row["each"]) if row["seeds"] > 1 else "one training"
            rows.append([row["network"], f"{row['n_train']}", percent_of(row, "balanced_accuracy"), spread, beside])
        others = stored("recordings-baselines")
        for _, row in others[others["run"] == name].iterrows():
            rows.append([f"none: {row['name']}", "", f"{percent(row['balanced_accuracy'])} %", "", ""])
        head = ("network", "trained on", "balanced accuracy", "each training, %", "accuracy − linear twin, points")
        return markdown(head, rows)

    return table


def claims_of_recordings() -> str:
    """The second paper's claims on words and speakers."""
    claims = stored("claims")
    names = {"recordings/commands": "words", "recordings/speakers": "speakers"}
    rows = [
        [task, row["paper_says"], _claim(claims[claims["run"] == name].set_index("claim"), row["claim"])]
        for name, task in names.items()
        for _, row in claims[claims["run"] == name].iterrows()
    ]
    return markdown(("task", "the paper says", "here"), rows)


def spoof() -> str:
    """Spoofs by the first layer, beyond random filters, and by the plain spectrum."""
    results = stored("spoof-results")
    layer = results[results["feature"] == "CRS of the first layer"] if len(results) else results
    rows = []
    for _, row in layer.iterrows():
        same = results[results["attack"] == row["attack"]].set_index("feature")
        plain = same.loc["long-term spectrum"]
        bounds = f"({points(row['beyond_random_low'])} to {points(row['beyond_random_high'])})"
        beyond = "" if pd.isna(row["beyond_random"]) else f"{points(row['beyond_random'])} {bounds}"
        rows.append([row["attack"], percent_of(row, "balanced_accuracy"), beyond,
                     f"{percent(plain['balanced_accuracy'])} %"])  # fmt: skip
    return markdown(("spoof", "first layer", "beyond random filters, points", "long-term spectrum"), rows)


def evidence() -> str:
    """Measures of evidence on LJSpeech, method by method; marked where a map is not shown to be better than chance."""
    measures, in_maps = stored("phones-evidence"), stored("phones-evidence-shares")
    in_maps = in_maps[in_maps["run"] == "lj/vowels-4k"]
    judged = measures[(measures["run"] == "lj/vowels-4k") & ~measures["method"].str.startswith("control-")]
    order = judged[judged["measure"] == "causal-agreement"].sort_values("value", ascending=False, kind="stable")
    rows = []
    for method in order["method"]:
        of = judged[judged["method"] == method].set_index("measure")
        ratios = in_maps[in_maps["method"] == method].set_index("null")["ratio"]
        agreements = [_agreement(of, f"{kind}-agreement") for kind in ("causal", "filled")]
        numbers = [_judged(of, name) for name in ("deletion", "ff-best", "infidelity")]
        both = [of.loc["randomisation", "verdict"], _judged(of, "classifier-agreement")]
        in_bands = [f"{ratios[null]:.2f}" for null in ("run", "class")]
        rows.append([f"`{method}`", *agreements, *numbers, *both, *in_bands])
    references = ("agrees with `band-stop` / other classes / same class", "with `band-stop(fill=mean)` / other / same")
    head = ("method", *references, "deletion", "FF, best 20 %", "infidelity", "random weights", "two trainings agree",
            "F1–F3 over chance", "within class")  # fmt: skip
    return markdown(head, rows)


def _agreement(measures: pd.DataFrame, name: str) -> str:
    """Agreement with filtering, its interval, and the same with tokens of other classes and of the same class."""
    if name not in measures.index or np.isnan(measures.loc[name, "value"]):
        return "–"
    row, within = measures.loc[name], measures.loc[f"{name}-in-class"]
    chances = [f"{each['chance']:.2f}{_MARKS.get(each['verdict'], '')}" for each in (row, within)]
    return f"{row['value']:.2f} ({row['low']:.2f}–{row['high']:.2f}) / {' / '.join(chances)}".replace("-", "−")


def _judged(measures: pd.DataFrame, name: str) -> str:
    row = measures.loc[name]
    return f"{row['value']:.2f}{_MARKS.get(row['verdict'], '')}".replace("-", "−")


def coverage() -> str:
    """How often 95 % intervals cover, by simulation."""
    table = pd.read_csv(COVERAGE)
    speakers = sorted(table["speakers"].unique())
    rows = [
        [name, *(f"{100 * of_family.set_index('speakers').loc[count, 'coverage']:.1f} %" for count in speakers)]
        for name, of_family in table.groupby("estimate", sort=False)
    ]
    return markdown(("", *(f"{count} speakers" for count in speakers)), rows)


def aligning() -> str:
    """How far two aligners' boundaries lie from MFA's."""
    table = pd.read_csv(ALIGNING)
    limits = [name for name in table.columns if name.startswith("within_")]
    head = ("aligner", "recordings", "aligned", "phones", "paired", "median error", "median shift",
            *(f"within {name.split('_')[1]} ms" for name in limits))  # fmt: skip
    rows = [
        [row["aligner"], f"{row['half']} {row['recordings']}", row["aligned"], row["phones"], row["paired"],
         f"{row['median_ms']:.0f} ms", f"{row['bias_ms']:.0f} ms".replace("-", "−"),
         *(f"{percent(row[name])} %" for name in limits)]
        for _, row in table.iterrows()
    ]  # fmt: skip
    return markdown(head, [[str(cell) for cell in row] for row in rows])


TABLES: dict[str, Callable[[], str]] = {
    "accuracies": accuracies,
    "shares": shares,
    "claims-4.1": _claims_of("4.1"),
    "claims-4.2": _claims_of("4.2"),
    "claims-4.3": _claims_of("4.3"),
    "other-voices": lambda: accuracies(OTHERS.items()),
    "other-voices-shares": lambda: shares(OTHERS.items()),
    "readme": readme,
    "commands": recordings("recordings/commands"),
    "speakers": recordings("recordings/speakers"),
    "claims-recordings": claims_of_recordings,
    "spoof": spoof,
    "evidence": evidence,
    "coverage": coverage,
    "aligning": aligning,
    **heard.TABLES,
    **audits.TABLES,
    "planted-cues": planted_cues.one_cue,
    "planted-pairs": planted_cues.two_cues,
}


def main(arguments: list[str]) -> None:
    """Store runs, or write the tables."""
    if arguments[:1] == ["collect"]:
        STORED.mkdir(exist_ok=True)
        collect(arguments[1:])
    for path in documents():
        text = path.read_text(encoding="utf-8")
        path.write_text(filled(text), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
