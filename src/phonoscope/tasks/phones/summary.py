"""The summary in plain words: what was asked, what was found, how sure it is, and what to doubt."""

from __future__ import annotations

from typing import Any

from phonoscope.experiments.control_maps import CONTROLS, DATA, OTHER, RANDOM
from phonoscope.experiments.twin import TWIN, with_twin_sentences
from phonoscope.judgement.intervals import Interval
from phonoscope.judgement.words import doubts_of_basis, percent_with_interval
from phonoscope.report.numbers import fixed, interval, is_known, percent
from phonoscope.tasks.content import Content
from phonoscope.tasks.phones.control_shares import OWN

ALIKE = 0.5  # mean correlation of class profiles from which on maps are called much alike
HEADLINE_FORMANTS = "F1–F3"


def headline(content: Content) -> list[tuple[str, str, str]]:
    """The few numbers to remember: (what, value, beside what)."""
    numbers = []
    overall = _accuracy(content)
    if overall is not None:
        numbers.append(("accuracy", percent(overall["estimate"]), _certainty(overall) or "no interval"))
    if twin := content.facts.get("results", {}).get("linear_twin"):
        numbers.append(("linear twin", percent(twin["accuracy"]), interval(twin["low"], twin["high"]) or "no interval"))
    best = _best_baseline(content)
    if best is not None:
        numbers.append(("best without a network", percent(best["accuracy"]), str(best["name"])))
    pooled = _pooled(content, "run")
    if pooled is not None and is_known(pooled["ratio"]):
        beside = (
            f"({pooled['low']:.2f}–{pooled['high']:.2f}); 1 is chance" if is_known(pooled["low"]) else "1 is chance"
        )
        numbers.append((f"map in {HEADLINE_FORMANTS}, times chance", f"{pooled['ratio']:.2f} ×", beside))
    resolution = content.facts.get("placement", {}).get("resolution_hz")
    if is_known(resolution):
        numbers.append(("finest detail of a map", f"{resolution:.0f} Hz", "effective width of a cell"))
    return numbers


def findings(content: Content) -> list[str]:
    """What was found: recognition beside a linear twin and baselines, then whether maps sit on formants.

    That the network is no better than its twin, or that this cannot be told, comes first.
    """
    table = content.tables["linear_twin"]
    twins = [({str(name): value for name, value in row.items()}, "network") for row in table.to_dict("records")]
    return [*with_twin_sentences(_recognition(content), twins), *_maps_and_formants(content)]


def doubts(content: Content) -> list[str]:
    """What to doubt: resolution, sameness of the class maps, few units, leaks, synthetic speech, missing parts."""
    sentences = []
    placement = content.facts.get("placement", {})
    resolution, cell = placement.get("resolution_hz"), placement.get("cell_hz")
    if is_known(resolution):
        text = f"The maps resolve about {resolution:.0f} Hz (one cell every {cell:.0f} Hz)."
        widths = content.bands[content.bands["formant"].isin(["F1", "F2", "F3"])]["bandwidth_hz"]
        if len(widths) and widths.mean() < resolution:
            text += (
                f" Formant bands are about {widths.mean():.0f} Hz wide: these maps can point to a region of the "
                "spectrum, not to one formant in it."
            )
        sentences.append(text)
    mean_r = mean_correlation(content, "map")
    if mean_r is not None:
        plain = mean_correlation(content, "energy")
        beside = "" if plain is None else f" The mean spectra of the classes correlate at {fixed(plain)}."
        if mean_r >= ALIKE:
            sentences.append(
                f"The maps of different classes are much alike: their profiles correlate at r = {fixed(mean_r)} on "
                f"average. What they share says where the network looks in general, not what makes a class.{beside}"
            )
        else:
            sentences.append(
                f"The profiles of different classes correlate at r = {fixed(mean_r)} on average: the maps differ "
                f"between classes.{beside}"
            )
    overall = _accuracy(content)
    if overall is not None:
        sentences += doubts_of_basis(overall["n_units"], overall["unit"], overall.get("trainings", 1))
    corpus = content.facts.get("corpus", {})
    if corpus.get("speakers") == 1:
        sentences.append("There is one speaker: nothing follows about other speakers.")
    if content.facts.get("unit") == "token":
        sentences.append(
            "Training and test tokens were split one by one, so both may come from the same utterance: expect lower "
            "accuracy on new recordings."
        )
    if corpus.get("synthetic"):
        sentences.append(
            "The talkers are synthetic: their formants are known, but they have none of the variety of real speech."
        )
    sentences += [str(w) for w in (corpus.get("warnings") or corpus.get("settings", {}).get("warnings") or [])]
    return sentences


def mean_correlation(content: Content, source: str) -> float | None:
    """Mean correlation between class profiles of maps or energy; None with fewer than two classes."""
    table = content.tables["profile_correlations"]
    if "source" in table:
        table = table[table["source"] == source]
    elif source != "map":
        return None
    mean = float(table["r"].mean()) if "r" in table else float("nan")
    return mean if is_known(mean) else None


def _recognition(content: Content) -> list[str]:
    overall = _accuracy(content)
    if overall is None:
        return ["The run holds no accuracy: no tested token has both a true and a predicted class."]
    estimate, low, high = (float(overall[key]) for key in ("estimate", "low", "high"))
    n_units, unit, trainings = int(overall["n_units"]), str(overall["unit"]), int(overall.get("trainings", 1))
    accuracy = Interval(estimate, low, high, n_units, unit, n_trainings=trainings)
    text = (
        f"The network recognised {percent_with_interval(accuracy)} of {overall['n']:.0f} tokens that "
        f"it was not trained on, as a mean over {unit}s."
    )
    best = _best_baseline(content)
    if best is None:
        return [f"{text} No baseline was measured beside it."]
    margin = 100 * (overall["estimate"] - best["accuracy"])
    low, high = overall["low"], overall["high"]
    verdict = f"{abs(margin):.1f} points {'less' if margin > 0 else 'more'} than the network"
    if is_known(low) and low <= best["accuracy"] <= high:
        verdict = "whether that is less than the network cannot be told"
    return [text, f"Without any network, “{best['name']}” reaches {percent(best['accuracy'])}: {verdict}."]


def _maps_and_formants(content: Content) -> list[str]:
    if content.tables["shares"].empty:
        return ["Whether the maps sit on formants was not measured: no tested token has formants."]
    sentences = []
    run, within = _pooled(content, "run"), _pooled(content, "class")
    if run is not None and is_known(run["ratio"]):
        sentences.append(
            f"The maps put {percent(run['share'])} of their positive part into the bands of {HEADLINE_FORMANTS} of "
            f"their own token; pairing maps and formants at random over the run gives {percent(run['permuted'])}. "
            f"Verdict: {run['verdict']}."
        )
        sentences += _beside_controls(content)
        if is_known(run["energy_ratio"]):
            more = "more" if run["energy_ratio"] > run["ratio"] else "less"
            sentences.append(
                f"The plain energy of the spectrogram scores {run['energy_ratio']:.2f} × on the same test, {more} than "
                f"the maps ({run['ratio']:.2f} ×)."
            )
    if within is not None and is_known(within["ratio"]):
        sentences.append(
            "Among tokens of the same class, where a fixed picture of each class gains nothing, the verdict is: "
            f"{within['verdict'].split('; ')[0]}."  # its reservations are those just said
        )
    return sentences or ["Whether the maps sit on formants cannot be told: no chance level could be formed."]


def _beside_controls(content: Content) -> list[str]:
    """What maps that no training of this network made score on the same test; nothing where there are none."""
    table = content.tables["control_shares"]
    if table.empty:
        return []
    pooled = table[(table["label"] == "all") & (table["formant"] == HEADLINE_FORMANTS) & (table["null"] == "run")]
    rows = {str(row["map"]): row for row in pooled.to_dict("records") if is_known(row["ratio"])}
    scores = {name: f"{row['ratio']:.2f} ×" for name, row in rows.items()}
    if OWN not in rows or CONTROLS[DATA] not in rows:
        return []
    others = [f"a map made from the data alone, without a network, scores {scores[CONTROLS[DATA]]}"]
    if CONTROLS[RANDOM] in rows:
        row = rows[CONTROLS[RANDOM]]
        spread = f", s.d. {row['sd']:.2f}" if is_known(row["sd"]) else ""
        others.append(
            f"this network with random weights {scores[CONTROLS[RANDOM]]} (mean of {row['networks']}{spread})"
        )
    if CONTROLS[OTHER] in rows:
        others.append(f"another network for the same task {scores[CONTROLS[OTHER]]}")
    listed = ", ".join(others[:-1]) + " and " + others[-1] if len(others) > 1 else others[0]
    return [f"On the same {rows[OWN]['n']} tokens, where the maps of this network score {scores[OWN]}, {listed}."]


def _accuracy(content: Content) -> dict[str, Any] | None:
    table = content.tables["accuracy"]
    rows = table[table["measure"] == "accuracy"] if "measure" in table else table
    return None if rows.empty else {str(k): v for k, v in rows.iloc[0].items()}


def _certainty(overall: dict[str, Any]) -> str:
    """The interval in brackets."""
    return interval(overall["low"], overall["high"])


def _best_baseline(content: Content) -> dict[str, Any] | None:
    table = content.tables["baselines"]
    others = table if table.empty else table[~table["name"].str.startswith(TWIN)]  # the twin has a sentence of its own
    return None if others.empty else {str(k): v for k, v in others.sort_values("accuracy").iloc[-1].items()}


def _pooled(content: Content, null: str) -> dict[str, Any] | None:
    table = content.tables["shares"]
    if table.empty:
        return None
    rows = table[(table["label"] == "all") & (table["formant"] == HEADLINE_FORMANTS) & (table["null"] == null)]
    return None if rows.empty else {str(k): v for k, v in rows.iloc[0].items()}
