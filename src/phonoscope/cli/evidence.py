"""The command that asks whether the maps of a run deserve belief."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from phonoscope.attribution.method_spec import parse_methods
from phonoscope.cli.options import AsJson, Engine, Jobs, Seed, Trust, chosen_engine
from phonoscope.cli.terminal import print_json, say


def evidence(
    run_folder: Annotated[Path, typer.Argument(help="A finished run of tokens.")],
    methods: Annotated[
        str | None, typer.Option(help="Methods to judge, separated by commas or semicolons; the usual ones by default.")
    ] = None,
    measures: Annotated[
        str | None,
        typer.Option(help="Measures, separated by commas, all, or package.module:name; the usual ones by default."),
    ] = None,
    tokens: Annotated[int, typer.Option(help="Most tested tokens to judge on.")] = 120,
    seed: Seed = 0,
    engine: Engine = "local",
    jobs: Jobs = None,
    trust_imports: Trust = False,
    as_json: AsJson = False,
) -> None:
    """Judge the maps of several methods on a run: faithful, stable, on the formants, class by class?

    Example: phonoscope evidence runs/lj --methods "cam; integrated-gradients(baseline=floor)"
    """
    from phonoscope.experiments.evidence_run import DEFAULT_METHODS, FOLDER, run_evidence
    from phonoscope.experiments.frame import sweep_report
    from phonoscope.report import write_report

    sweep_report(run_folder)
    facts = run_evidence(
        run_folder,
        methods=parse_methods(methods) or DEFAULT_METHODS,
        measures=parse_methods(measures) or None,
        tokens=tokens,
        seed=seed,
        trust_imports=trust_imports,
        executor=chosen_engine(engine, jobs),
        say=say,
    )
    typer.echo("")
    for verdict in (verdict for verdict in facts["verdicts"] if verdict["summary"]):
        typer.echo(f"{verdict['method']}: {verdict['summary']}")
    report = write_report(run_folder)
    typer.echo(f"\nread  {run_folder}\nwrote {run_folder / FOLDER}\nopen  {report}")
    if as_json:
        print_json({**facts, "evidence": (run_folder / FOLDER).as_posix(), "report": str(report)})
