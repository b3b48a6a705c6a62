"""``phonoscope bench``: which method tells the truth where the truth is known."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from phonoscope.cli.options import AsJson
from phonoscope.cli.terminal import counter, print_json, say

bench = typer.Typer(
    name="bench", help="Judge the methods where the truth is known.", no_args_is_help=True, rich_markup_mode=None
)


@bench.callback()
def _bench() -> None:
    """Judge the methods where the truth is known."""


@bench.command()
def truth(
    quick: Annotated[
        bool, typer.Option("--quick", help="Six cues, two small networks, one seed: two minutes.")
    ] = False,
    out: Annotated[Path | None, typer.Option(help="Folder for truth.csv, truth.json and the figure.")] = None,
    seeds: Annotated[int | None, typer.Option(help="Seeds of every network and cue; 3, or 1 with --quick.")] = None,
    methods: Annotated[
        str | None, typer.Option(help="As for explain, separated by semicolons, or by commas outside of brackets.")
    ] = None,
    cues: Annotated[str | None, typer.Option(help="Some of the cues only, separated by commas.")] = None,
    networks: Annotated[str | None, typer.Option(help="Some of the networks only, separated by commas.")] = None,
    classes: Annotated[str, typer.Option(help="2, 5, or 2,5 for both.")] = "2",
    workers: Annotated[int, typer.Option(help="Processes.")] = 2,
    check: Annotated[
        bool, typer.Option("--check", help="Fail unless the recommended method beats those of other libraries.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Plant one cue at a time, train networks until they use it, and score every method against the truth.

    Example: phonoscope bench truth --quick --out truth
    """
    from phonoscope.evidence import benchmark as room
    from phonoscope.files import write_json, write_text

    given: dict[str, Any] = {
        "cues": _listed(cues) or (room.QUICK_CUES if quick else room.ALL_CUES),
        "networks": _listed(networks) or (room.QUICK_NETWORKS if quick else room.NETWORKS),
        "seeds": seeds if seeds is not None else 1 if quick else room.SEEDS,
        "classes": [_whole(number) for number in _listed(classes)],
        "methods_asked": split_methods(methods) or None,
        "sizes": room.QUICK if quick else room.FULL,
        "workers": workers,
    }
    result = room.run_benchmark(**given, progress=counter("cells (cue × network × seed)"))
    ranked = room.ranking(result.table)
    value = room.to_json_object(result)
    if not as_json:
        say(_table(ranked))
        for cell in value["not_learnt"]:
            say(f"not learnt, not scored: {cell['cue']}, {cell['classes']} classes, {cell['network']}, {cell['seed']}")
        for name, reason in result.absent.items():
            say(f"not run: {name} ({reason})")
    if out is not None:
        write_text(out / "truth.csv", result.table.to_csv(index=False, float_format="%.6g"))
        write_text(out / "truth_ranking.csv", ranked.to_csv(index=False, float_format="%.6g"))
        write_json(out / "truth.json", value)
        if len(ranked):
            _write_figure(out / "truth.svg", result.table)
        say(f"\nwrote {out / 'truth.csv'}\nwrote {out / 'truth_ranking.csv'}\nwrote {out / 'truth.json'}")
    if as_json:
        print_json(value)
    if check:
        room.check_recommended(ranked)


def _write_figure(path: Path, table: Any) -> None:
    from phonoscope.evidence.planted_results import by_cue
    from phonoscope.files import write_text
    from phonoscope.report.style import to_svg
    from phonoscope.report.truth import truth_figure

    kinds = table.drop_duplicates("method").set_index("method")["kind"]
    write_text(path, to_svg(truth_figure(by_cue(table), kinds), "truth"))


def split_methods(text: str | None) -> list[str]:
    """Take apart a list of methods at semicolons, and at commas that are not inside brackets."""
    parts, depth, current = [], 0, ""
    for letter in text or "":
        depth += (letter == "(") - (letter == ")")
        if letter == ";" or (letter == "," and depth == 0):
            parts.append(current)
            current = ""
        else:
            current += letter
    return [part.strip() for part in [*parts, current] if part.strip()]


def _listed(text: str | None) -> list[str]:
    return [part.strip() for part in (text or "").split(",") if part.strip()]


def _whole(text: str) -> int:
    if text not in ("2", "5"):
        raise typer.BadParameter(f"--classes is {text!r}; give 2, 5, or 2,5")
    return int(text)


def _table(ranked: Any) -> str:
    """The ranking as lines of text: localisation with its interval, and the other scores beside it."""
    lines = [f"{'':48s} localisation (95 %)        mass  chance   AUC  pointing  error Hz"]
    for row in ranked.to_dict("records"):
        mark = {"peer": "peer", "bound": "bound"}.get(row["kind"], "")
        lines.append(
            f"{row['method'][:42]:42s} {mark:5s} {row['localisation']:6.3f} ({row['low']:6.3f} …{row['high']:6.3f})"
            f"  {row['mass']:6.3f}  {row['null']:6.3f} {row['auc']:5.2f}  {row['pointing']:8.2f}"
            f"  {row['error_hz']:8.0f}"
        )
    return "\n".join(lines)
