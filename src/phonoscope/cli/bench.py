"""``phonoscope bench``: how fast, how it grows, and which method tells the truth where the truth is known."""

from __future__ import annotations

import sys
from collections.abc import Mapping
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
        bool, typer.Option("--quick", help="Eight pairs of cues, two small networks, one seed: three minutes.")
    ] = False,
    out: Annotated[
        Path | None, typer.Option(help="Folder for tables, figure and JSON; what it holds already is not done again.")
    ] = None,
    blocks: Annotated[
        int | None, typer.Option(help="Run the first so many blocks of the design only; all by default.")
    ] = None,
    methods: Annotated[
        str | None, typer.Option(help="As for explain, separated by semicolons, or by commas outside of brackets.")
    ] = None,
    cues: Annotated[str | None, typer.Option(help="Pairs with these cues only, separated by commas.")] = None,
    networks: Annotated[str | None, typer.Option(help="Some of the networks only, separated by commas.")] = None,
    jobs: Annotated[int, typer.Option(help="Processes.")] = 1,
    check: Annotated[
        bool, typer.Option("--check", help="Fail unless controls lie at chance and methods clearly above it.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Train networks that use one of two cues, or both, and ask every method which, how much, and where exactly.

    Example: phonoscope bench truth --quick --out truth
    """
    from phonoscope.evidence import advice, answers, benchmark, design
    from phonoscope.files import write_json, write_text

    planned = design.quick_design() if quick else design.full_design()
    chosen = design.select(planned, names_in(cues), names_in(networks))[:blocks]
    wanted = parse_methods(methods) or list(design.QUICK_METHODS if quick else design.METHODS)
    runnable, peers, absent = benchmark.available(wanted)
    table = benchmark.run_benchmark(
        chosen,
        runnable,
        peers,
        sizes=design.QUICK if quick else design.FULL,
        folder=None if out is None else out / "blocks",
        jobs=jobs,
        progress=counter("blocks (a network for a pair of cues)"),
    )
    value = advice.to_json_object(table, absent)
    if not as_json:
        say(_answers_in_words(value))
    if out is not None:
        write_text(out / "truth.csv", table.to_csv(index=False))
        write_text(
            out / "truth_answers.csv",
            answers.answer_table(answers.scored(table)).to_csv(index=False, float_format="%.4g"),
        )
        write_json(out / "truth.json", value)
        write_text(
            out / "truth_measures.csv",
            advice.predictive_measures(answers.scored(table)).to_csv(index=False, float_format="%.4g"),
        )
        written = ["truth.csv", "truth_answers.csv", "truth_measures.csv", "truth.json"]
        if table["learnt"].any():
            _write_figure(out / "truth.svg", table)
            written.append("truth.svg")
        say("\n" + "\n".join(f"wrote {out / name}" for name in written))
    if as_json:
        print_json(value)
    if check and (wrong := advice.check(table)):
        raise PhonoscopeError(f"the benchmark does not hold: {'; '.join(wrong)}")


@bench.command()
def cues(
    quick: Annotated[bool, typer.Option("--quick", help="Listeners of known rule alone, no networks.")] = False,
    out: Annotated[Path | None, typer.Option(help="Folder for tables.")] = None,
    check: Annotated[bool, typer.Option("--check", help="Fail if listeners of known rule miss a bar.")] = False,
    as_json: AsJson = False,
) -> None:
    """Weigh nine cues in the answers of listeners and networks that use one of them, or two in the ratio 2 : 1.

    Example: phonoscope bench cues --quick --check
    """
    from phonoscope.files import write_text
    from phonoscope.perception import planted_cues

    sizes = planted_cues.QUICK if quick else planted_cues.FULL
    weights, cases = planted_cues.run_planted_cues(sizes, progress=counter("models"))
    if not as_json:
        say(_cases_in_words(cases))
    if out is not None:
        for name, table in (("planted-weights.csv", weights), ("planted-cues.csv", cases)):
            write_text(out / name, table.to_csv(index=False, float_format="%.4g"))
            say(f"wrote {out / name}")
    if as_json:
        tables = {"cases": cases, "weights": weights}
        print_json({name: table.to_dict("records") for name, table in tables.items()})
    if check and (wrong := planted_cues.missed_bars(cases)):
        raise PhonoscopeError(f"cue weights do not hold: {'; '.join(wrong)}")


def _cases_in_words(cases: Any) -> str:
    """One line a model: how far the planted cue leads, or in which ratio two are found."""
    lines = []
    for row in cases.to_dict("records"):
        name = f"{row['kind']} of {row['planted']}"
        found = f"{min(row['times'], 1000):7.1f} times any other (at least {min(row['at_least'], 1000):.1f})"
        if row["ratio"] == row["ratio"]:
            found += f"; {row['ratio']:.2f} : 1 ({row['low']:.2f} to {row['high']:.2f}), planted 2 : 1"
        lines.append(f"{name:28s}{found}")
    return "\n".join(lines)


def _write_figure(path: Path, table: Any) -> None:
    from phonoscope.evidence.answers import answer_table, scored
    from phonoscope.evidence.planted_results import answers_by_distance
    from phonoscope.files import write_text
    from phonoscope.report.style import to_svg
    from phonoscope.report.truth import truth_figure

    kinds = table.drop_duplicates("method").set_index("method")["kind"]
    write_text(path, to_svg(truth_figure(answers_by_distance(table, answer_table(scored(table))), kinds), "truth"))


def _answers_in_words(value: dict[str, Any]) -> str:
    """The answers as text: one line per method, one column per question, then the controls and the recommendation."""
    questions = ("which band", "which moment", "how much", "slope", "exact band", "exact moment")
    known: dict[tuple[str, str], dict[str, Any]] = {(row["method"], row["question"]): row for row in value["answers"]}
    lines = [f"{'':47s}" + "".join(f"{question:>14s}" for question in questions)]
    for method in [*value["ranking"], *value["peers"]]:
        mark = "peer" if method in value["peers"] else ""
        numbers = "".join(f"{known[method, question]['estimate']:14.2f}" for question in questions)
        lines.append(f"{method[:42]:42s} {mark:4s}{numbers}".replace("nan", "  –"))
    for name, row in value["controls"].items():
        lines.append(
            f"control: {name:8s} {row['which']:.2f} ({row['low']:.2f} to {row['high']:.2f}) where 0.50 is chance"
        )
    for row in value["recommended"]:
        close = f"; not clearly behind: {', '.join(row['not_worse'][1:])}" if len(row["not_worse"]) > 1 else ""
        best = f"best: {row['best']}{close}" if row["best"] else "not asked here"
        lines.append(f"{row['question']}: {row['recommended'] or 'none is recommended'} ({best})")
    lines += [
        f"not learnt, not scored: {cell['pair']}, {cell['uses']}, {cell['network']}, seed {cell['seed']}"
        for cell in value["not_learnt"]
    ]
    lines += [f"not run: {name} ({reason})" for name, reason in value["absent"].items()]
    return "\n".join(lines)


@bench.command()
def audit(
    quick: Annotated[bool, typer.Option("--quick", help="Three kinds, a decoy, two clean scenes: a minute.")] = False,
    corpus: Annotated[
        list[Path] | None,
        typer.Option(
            help="Folder with recordings to plant into; several are dealt over the scenes. "
            "Synthetic talkers by default."
        ),
    ] = None,
    kinds: Annotated[str | None, typer.Option(help="Scenes with these shortcuts only, separated by commas.")] = None,
    seed: Annotated[int, typer.Option(help="Another seed draws other clips, values and weights.")] = 0,
    out: Annotated[
        Path | None, typer.Option(help="Folder for tables and JSON; what it holds already is not done again.")
    ] = None,
    jobs: Annotated[int, typer.Option(help="Processes.")] = 1,
    check: Annotated[bool, typer.Option("--check", help="Fail unless the bars are held.")] = False,
    as_json: AsJson = False,
) -> None:
    """Plant shortcuts, train models that use them or do not, and see whether the audit finds and names them.

    Example: phonoscope bench audit --quick --out audited
    """
    from phonoscope.audit.trial import design, run, scores
    from phonoscope.files import write_json, write_text

    where = [str(each) for each in corpus or [design.SYNTHETIC]]
    drawn = design.quick_design(where[0], seed) if quick else design.dealt_design(where, seed)
    planned = design.select(drawn, names_in(kinds))
    rows = run.run_trial(planned, folder=None if out is None else out / "scenes", jobs=jobs, progress=counter("scenes"))
    found, wrong = scores.score_table(rows), scores.check(rows)
    value = {"scores": found.to_dict("records"), "missed": wrong, "scenes": len(planned)}
    if out is not None:
        write_text(out / "audit.csv", rows.to_csv(index=False))
        write_text(out / "audit_cases.csv", scores.case_table(rows).to_csv(index=False))
        write_text(out / "audit_scores.csv", found.to_csv(index=False, float_format="%.4g"))
        write_json(out / "audit.json", value)
        say(
            "\n".join(
                f"wrote {out / name}" for name in ("audit.csv", "audit_cases.csv", "audit_scores.csv", "audit.json")
            )
        )
    if as_json:
        print_json(value)
    else:
        say("\n".join(map(_score_in_words, value["scores"])))
    if check and wrong:
        raise PhonoscopeError(f"the audit does not hold its bars: {'; '.join(wrong)}")


def _score_in_words(row: Mapping[Any, Any]) -> str:
    share = f"{row['right']} of {row['n']}"
    interval = f"{100 * row['share']:5.1f} % ({100 * row['low']:.1f} to {100 * row['high']:.1f})" if row["n"] else ""
    return f"{row['score']:34s} {share:>12s} {interval:28s} {row['bar']}".rstrip()
