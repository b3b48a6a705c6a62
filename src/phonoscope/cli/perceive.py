"""The command that asks a network as one asks a listener."""

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
from phonoscope.cli.terminal import print_json, say
from phonoscope.errors import PhonoscopeError


@sharing(corpus_options, before="model_labels")
@sharing(output_options, before="for_people")
def perceive(
    ctx: typer.Context,
    source: Annotated[
        str,
        typer.Argument(
            metavar="RUN|MODEL",
            help="A finished run of tokens; or, with --corpus, any model: a folder, file, name on the hub, or "
            "package.module:name (with --trust-imports).",
        ),
    ],
    out: Annotated[Path, typer.Option(help="Folder for the experiment: stimuli, tables, report.")],
    corpus: Annotated[Path | None, typer.Option(help="Recordings that a model is asked about.")] = None,
    labels: Annotated[
        str | None,
        typer.Option(
            help="What a model is asked about: phones (of the alignments); or whole recordings, labelled from-folder, "
            "words, speakers, none, or by a CSV recording,label; with start,end in it, stretches of recordings."
        ),
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
    strict: Strict = False,
    as_json: AsJson = False,
    **_options: Any,
) -> None:
    """Move one cue of each token in steps and ask the network what it hears: curves, boundaries, cue weights.

    Example: phonoscope perceive runs/lj --cues f1,f2,f3 --tokens 100 --out runs/lj-heard

    A model of your own: phonoscope perceive MODEL --corpus FOLDER --cues level,f0 --out runs/mine
    """
    others = {"out", "corpus", "for_people", "recipe", "engine", "jobs", "as_json"}
    options: dict[str, Any] = typed(ctx, ctx.params.keys() - others) | {"source": source}
    if for_people is not None:
        written = _listening_test(recipe, out, corpus, for_people, options)
        typer.echo(f"read  {corpus or source}\nwrote {out}\nopen  {written}")
        return
    results = execute(recipe, out, corpus, executor=chosen_engine(engine, jobs), **options)
    typer.echo(f"\nread  {corpus or source}\nwrote {out}\nopen  {results['report']}")
    if as_json:
        print_json(results)


def _listening_test(recipe: str, out: Path, corpus: Path | None, kind: str, options: dict[str, Any]) -> Path:
    """Write the stimuli for people; nobody is asked."""
    from phonoscope.experiments.settings import Settings
    from phonoscope.tasks import load_recipe
    from phonoscope.tasks.perceive.experiment import PerceiveExperiment
    from phonoscope.tasks.perceive.material import write_listening_test
    from phonoscope.tasks.perceive.recipe import PerceiveRecipe

    loaded = load_recipe(recipe, trust_imports=options.get("trust_imports", False))
    if not isinstance(loaded, PerceiveRecipe):
        raise PhonoscopeError(f"{recipe} is no recipe of a perception experiment")
    changes = {name: options.pop(name) for name in loaded.changes() & options.keys()}
    changed = loaded.changed(**changes)
    how = {name: options.pop(name) for name in ("device", "strict", "trust_imports") if name in options}
    options.pop("resume", None)
    experiment = PerceiveExperiment.of(changed, corpus, Settings(**how, say=say), **options)
    return write_listening_test(experiment.material(), changed, out, kind)
