"""The command that asks a network as one asks a listener."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from phonoscope.cli.experiment import execute
from phonoscope.cli.options import AsJson, Device, Engine, Jobs, RecipeSeed, Resume, Trust, chosen_engine, typed
from phonoscope.cli.terminal import print_json
from phonoscope.errors import PhonoscopeError


def perceive(
    ctx: typer.Context,
    run_folder: Annotated[Path, typer.Argument(metavar="RUN", help="A finished run of tokens.")],
    out: Annotated[Path, typer.Option(help="Folder for the experiment: stimuli, tables, report.")],
    cues: Annotated[
        str | None, typer.Option(help="Cues to move, separated by commas: f1,f2,f3 (default), f0, duration, level …")
    ] = None,
    steps: Annotated[
        str | None,
        typer.Option(help="How far: f2=-600:600:200 (from:to:by) or f2=-600,0,600; several by semicolons."),
    ] = None,
    tokens: Annotated[int | None, typer.Option(help="Tokens to ask about, over all classes; 100 by default.")] = None,
    ceiling: Annotated[
        float | None, typer.Option(help="Highest frequency at which formants are sought, Hz; 5500 by default.")
    ] = None,
    territory: Annotated[
        str | None,
        typer.Option(help="Two formants, or f0 and one: which answer is given where? f1,f2; several by semicolons."),
    ] = None,
    bubbles: Annotated[
        int | None,
        typer.Option(help="Ask so often about random changes in bubbles of Hz and time (reverse correlation): 20000."),
    ] = None,
    for_people: Annotated[
        str | None, typer.Option("--for", help="praat or web: write the stimuli as a listening test, and ask nobody.")
    ] = None,
    listeners: Annotated[
        Path | None,
        typer.Option(help="What people answered (CSV, or a folder): their curves beside the network's."),
    ] = None,
    recipe: Annotated[str, typer.Option(help="perceive, or a TOML file.")] = "perceive",
    seed: RecipeSeed = None,
    device: Device = "auto",
    engine: Engine = "local",
    jobs: Jobs = None,
    resume: Resume = False,
    trust_imports: Trust = False,
    as_json: AsJson = False,
) -> None:
    """Move one cue of each token in steps and ask the network what it hears: curves, boundaries, cue weights.

    Example: phonoscope perceive runs/lj --cues f1,f2,f3 --tokens 100 --out runs/lj-heard
    """
    del cues, steps, tokens, ceiling, territory, bubbles, seed, device, resume, listeners
    others = {"run_folder", "out", "for_people", "recipe", "engine", "jobs", "as_json"}
    options: dict[str, Any] = typed(ctx, ctx.params.keys() - others)
    if for_people is not None:
        from phonoscope.tasks import load_recipe
        from phonoscope.tasks.perceive.material import write_listening_test
        from phonoscope.tasks.perceive.recipe import PerceiveRecipe

        loaded = load_recipe(recipe, trust_imports=trust_imports)
        if not isinstance(loaded, PerceiveRecipe):
            raise PhonoscopeError(f"{recipe} is no recipe of a perception experiment")
        changes = {name: value for name, value in options.items() if name in loaded.changes()}
        written = write_listening_test(run_folder, loaded.changed(**changes), out, for_people)
        typer.echo(f"read  {run_folder}\nwrote {out}\nopen  {written}")
        return
    results = execute(recipe, out, source=run_folder, executor=chosen_engine(engine, jobs), **options)
    typer.echo(f"\nread  {run_folder}\nwrote {out}\nopen  {results['report']}")
    if as_json:
        print_json(results)
