"""Commands that measure the tokens of a table: ``formants`` and ``spectra``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from phonoscope.cli.options import AsJson, Device, Engine, Gpus, Jobs, Trust, chosen_engine, said_of, taking_a_model
from phonoscope.cli.terminal import counter, print_json
from phonoscope.left_out import left_out_line

Table = Annotated[
    Path,
    typer.Argument(help="Token table, or folder of tokens with sound, made by phonoscope tokens.", metavar="TOKENS"),
]


def formants(
    table: Table,
    out: Annotated[Path, typer.Option(help="Table to write: .parquet or .csv.")],
    sample_rate: Annotated[int | None, typer.Option(help="Resample recordings to this rate, Hz.")] = None,
    engine: Engine = "local",
    jobs: Jobs = None,
    as_json: AsJson = False,
) -> None:
    """Measure F0 and F1 to F4 of vowel tokens at 20, 50 and 80 % of their duration.

    The ceiling is 5000 Hz for men, 5500 for women and unknown speakers, 6250 for children.

    Example: phonoscope formants lj.parquet --out formants.csv
    """
    from phonoscope.experiments.token_measures import formants_of_tokens

    executor, progress = chosen_engine(engine, jobs), counter("tokens")
    count, left_out = formants_of_tokens(table, out, sample_rate=sample_rate, executor=executor, progress=progress)
    for entry in left_out:
        typer.echo(left_out_line(entry))
    typer.echo(f"formants of {count} vowels\n\nread  {table}\nwrote {out}")
    if as_json:
        print_json({"formants": out.as_posix(), "tokens": count, "left_out": left_out})


@taking_a_model(before="device")
def spectra(
    table: Table,
    out: Annotated[Path, typer.Option(help="Folder for the spectrograms and the mean of each class.")],
    model: Annotated[
        str | None, typer.Option("--model", "--classifier", help="Use the front end of this model, as of check.")
    ] = None,
    recipe: Annotated[str, typer.Option(help="Use the front end of this recipe, or TOML file.")] = "vowels-4k",
    device: Device = "auto",
    engine: Engine = "local",
    jobs: Jobs = None,
    gpus: Gpus = 0.0,
    trust_imports: Trust = False,
    as_json: AsJson = False,
    **said: Any,
) -> None:
    """Make the spectrograms that a network gets of tokens, in dB, with the mean of each class.

    Example: phonoscope spectra lj.parquet --recipe vowels --out spectra
    """
    from phonoscope.experiments.token_measures import spectra_of_tokens
    from phonoscope.tasks.phones.recipe import load_phones_recipe

    made = spectra_of_tokens(
        table,
        out,
        front_end=load_phones_recipe(recipe).front_end,
        classifier=model,
        said=said_of(said),
        trust_imports=trust_imports,
        device=device,
        executor=chosen_engine(engine, jobs, gpus),
        progress=counter("tokens"),
    )
    for entry in made.left_out:
        typer.echo(left_out_line(entry))
    rows, columns = made.head.sizes["frequency"], made.head.sizes["time"]
    typer.echo(f"{made.count} spectrograms of {rows} × {columns} cells\n\nread  {table}\nwrote {out}")
    if as_json:
        print_json({"spectra": out.as_posix(), "tokens": made.count, **made.head.attrs, "left_out": made.left_out})
