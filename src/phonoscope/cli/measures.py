"""Commands that measure the tokens of a table: ``formants`` and ``spectra``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from phonoscope.cli.options import (
    AsJson,
    Device,
    Engine,
    Gpus,
    Jobs,
    Trust,
    chosen_engine,
    formant_options,
    said_of,
    sharing,
    taking_a_model,
)
from phonoscope.cli.terminal import counter, print_json
from phonoscope.left_out import left_out_line

Table = Annotated[
    Path,
    typer.Argument(help="Token table, or folder of tokens with sound, made by phonoscope tokens.", metavar="TOKENS"),
]


@sharing(formant_options, before="sample_rate")
def formants(
    table: Table,
    out: Annotated[Path, typer.Option(help="Table to write: .parquet or .csv.")],
    candidates: Annotated[
        Path | None, typer.Option(help="CSV of what each ceiling of the ladder gives; OUT_candidates.csv by default.")
    ] = None,
    sample_rate: Annotated[
        int | None, typer.Option(help="Resample recordings to this rate, Hz; each keeps its own by default.")
    ] = None,
    engine: Engine = "local",
    jobs: Jobs = None,
    as_json: AsJson = False,
    **options: Any,
) -> None:
    """Measure F0 and F1 to F4 of vowel tokens, by default at 20, 50 and 80 % of their duration.

    The ceiling is that of the speaker: 5000 Hz for men, 5500 for women and unknown speakers, 6250 for children, 8000
    below 7 years; each row tells which was used, and why.

    Example: phonoscope formants lj.parquet --out formants.csv

    Ceilings found: phonoscope formants lj.parquet --ceiling per-token --out formants.csv. Change "chosen" in
    formants_candidates.csv and give it back with --corrections.
    """
    from phonoscope.experiments.token_measures import candidates_beside, formants_of_tokens
    from phonoscope.phonetics.ceilings import FormantSettings

    settings = FormantSettings.of({name: value for name, value in options.items() if value is not None})
    count, left_out = formants_of_tokens(
        table,
        out,
        sample_rate=sample_rate,
        settings=settings,
        candidates=candidates,
        executor=chosen_engine(engine, jobs),
        progress=counter("tokens"),
    )
    beside = (candidates or candidates_beside(out)).as_posix() if settings.on_a_ladder else None
    for entry in left_out:
        typer.echo(left_out_line(entry))
    typer.echo(f"formants of {count} vowels\n\nread  {table}\nwrote {out}" + (f"\nwrote {beside}" if beside else ""))
    if as_json:
        written = {"formants": out.as_posix(), "candidates": beside}
        print_json({**written, "tokens": count, "left_out": left_out})


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
