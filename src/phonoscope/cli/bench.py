"""``phonoscope bench``: how fast, how it grows, and which method tells the truth where the truth is known."""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from phonoscope.attribution.method_spec import parse_methods
from phonoscope.cli.options import AsJson, names_in
from phonoscope.cli.terminal import counter, print_json, say
from phonoscope.errors import PhonoscopeError

_DEFAULT = "ratios"


class _WithDefault(TyperGroup):
    """Commands of which one is meant when none is named."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if not args or (args[0] not in self.commands and args[0] != "--help"):
            args = [_DEFAULT, *args]
        return super().parse_args(ctx, args)


bench = typer.Typer(
    name="bench", cls=_WithDefault, help="Measure speed and growth, or judge the methods.", rich_markup_mode=None
)


@bench.callback()
def _bench() -> None:
    """Measure speed beside peers and limits, and growth; or judge the methods where the truth is known."""


@bench.command(name=_DEFAULT)
def ratios(
    names: Annotated[list[str] | None, typer.Argument(metavar="NAME", help="Which; all if none is given.")] = None,
    rounds: Annotated[int, typer.Option(help="Rounds of each comparison, at least 5.")] = 5,
    listed: Annotated[bool, typer.Option("--list", help="Say what there is, with its bars; measure nothing.")] = False,
    store: Annotated[bool, typer.Option("--store", help="Keep the ratios for later comparisons.")] = False,
    check: Annotated[bool, typer.Option("--check", help="Fail if a ratio is worse than the stored one.")] = False,
    results: Annotated[Path | None, typer.Option(help="Folder of stored ratios; that of the benchmarks.")] = None,
    as_json: AsJson = False,
) -> None:
    """Ratios against peers and limits, and curves of growth. The word may be left out: phonoscope bench NAME.

    Example: phonoscope bench cam formants --json
    """
    runner = _benchmarks()
    try:
        if listed:
            runner.print_list(runner.chosen(names or [], rounds))
            return
        given = {"rounds": rounds, "as_json": as_json, "keep": store}
        lost = runner.run_benchmarks(names or [], **given, **({} if results is None else {"results": results}))
    except runner.RequestError as error:
        raise PhonoscopeError(str(error)) from error
    if check and lost:
        raise PhonoscopeError(f"{lost} ratios are worse than the stored ones, beyond noise; the table names them")


def _benchmarks() -> Any:
    """The runner of the benchmarks, which lie beside the source and are no part of the installed package."""
    import phonoscope

    folder = Path(phonoscope.__file__).resolve().parents[2] / "benchmarks"
    if not (folder / "runner.py").is_file():
        raise PhonoscopeError(
            "the benchmarks were not found: they come with the source, not with the installed package. Clone the "
            "repository, and in its folder give the command: make bench"
        )
    if "benchmarks" not in sys.modules:
        spec = spec_from_file_location("benchmarks", folder / "__init__.py", submodule_search_locations=[str(folder)])
        assert spec is not None
        assert spec.loader is not None
        sys.modules["benchmarks"] = module_from_spec(spec)
        spec.loader.exec_module(sys.modules["benchmarks"])
    return import_module("benchmarks.runner")


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
        "cues": names_in(cues) or (room.QUICK_CUES if quick else room.ALL_CUES),
        "networks": names_in(networks) or (room.QUICK_NETWORKS if quick else room.NETWORKS),
        "seeds": seeds if seeds is not None else 1 if quick else room.SEEDS,
        "classes": [_whole(number) for number in names_in(classes)],
        "methods": parse_methods(methods) or None,
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
