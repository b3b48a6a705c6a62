"""The command that asks whether a model answers by speech or by a shortcut."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from phonoscope.cli.experiment import execute
from phonoscope.cli.options import (
    AsJson,
    Device,
    Engine,
    Jobs,
    RecipeSeed,
    Resume,
    Strict,
    Trust,
    chosen_engine,
    corpus_options,
    output_options,
    sharing,
    typed,
)
from phonoscope.cli.terminal import print_json
from phonoscope.errors import PhonoscopeError

USED_STATUS = 3  # exit status where a shortcut is used, if that was asked for


@sharing(corpus_options, before="model_labels")
@sharing(output_options, before="by")
def audit(
    ctx: typer.Context,
    source: Annotated[
        str,
        typer.Argument(
            metavar="MODEL|RUN",
            help="A finished run; or, with --corpus, any model: a folder, file, name on the hub, or "
            "package.module:name (with --trust-imports).",
        ),
    ],
    out: Annotated[Path, typer.Option(help="Folder for the audit: page, tables, sounds.")],
    corpus: Annotated[Path | None, typer.Option(help="Recordings on which a model is audited.")] = None,
    labels: Annotated[
        str | None,
        typer.Option(help="Their classes: from-folder, words, speakers, none, or a CSV file recording,label."),
    ] = None,
    label_column: Annotated[
        str | None, typer.Option(help="Column of that CSV, where several could be the label.")
    ] = None,
    map: Annotated[  # noqa: A002
        str | None, typer.Option(help="Labels that the model calls otherwise: label=class,label=class …")
    ] = None,
    model_labels: Annotated[
        str | None, typer.Option(help="Names of the model's scores in their order, if it has none itself.")
    ] = None,
    sample_rate: Annotated[int | None, typer.Option(help="Rate at which the model takes sounds, Hz.")] = None,
    by: Annotated[
        str | None,
        typer.Option(help="Columns that might tell the class: speaker,device,sex,date … of the CSV or the corpus."),
    ] = None,
    shortcuts: Annotated[
        str | None, typer.Option(help="What to look for, separated by commas: level,hum …; all by default.")
    ] = None,
    tokens: Annotated[int | None, typer.Option(help="Most recordings, over all classes; 500 by default.")] = None,
    quick: Annotated[bool, typer.Option("--quick", help="120 recordings, one exchange each: a first look.")] = False,
    mend: Annotated[
        Path | None, typer.Option(help="Folder for a copy of the recordings in which what was found is balanced.")
    ] = None,
    fail_on: Annotated[str | None, typer.Option(help="used: exit status 3 where the model uses a shortcut.")] = None,
    recipe: Annotated[str, typer.Option(help="audit, audit-quick, or a TOML file.")] = "audit",
    seed: RecipeSeed = None,
    device: Device = "auto",
    engine: Engine = "local",
    jobs: Jobs = None,
    resume: Resume = False,
    trust_imports: Trust = False,
    strict: Strict = False,
    as_json: AsJson = False,
    **_options: Any,
) -> None:
    """Speech, or a shortcut? What tells the classes apart beside speech, and whether the model answers by it.

    Example: phonoscope audit MODEL --corpus FOLDER --labels from-folder --out audits/mine

    In continuous integration: phonoscope audit RUN --fail-on used --out audits/run
    """
    if fail_on not in (None, "used"):
        raise PhonoscopeError(f"--fail-on is {fail_on!r}; choose used")
    others = {"out", "corpus", "recipe", "engine", "jobs", "as_json", "quick", "fail_on"}
    options: dict[str, Any] = typed(ctx, ctx.params.keys() - others) | {"source": source}
    results = execute(
        "audit-quick" if quick and recipe == "audit" else recipe, out, corpus, executor=chosen_engine(engine, jobs),
        **options,
    )  # fmt: skip
    typer.echo(f"\nread  {corpus or source}\nwrote {out}\nopen  {results['report']}")
    if as_json:
        print_json(results)
    used = [each["shortcut"] for each in results["findings"] if each["finding"] == "in the data and used"]
    if fail_on and used:
        typer.echo(f"the model uses {', '.join(used)}", err=True)
        raise typer.Exit(USED_STATUS)
