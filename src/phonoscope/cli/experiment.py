"""Commands on classifiers: ``train``, ``run``, ``report`` and ``demo``."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any

import typer

from phonoscope.cli.options import (
    AsJson,
    Device,
    RecipeSeed,
    Resume,
    Seed,
    Strict,
    Trust,
    corpus_options,
    formant_options,
    names_in,
    output_options,
    sharing,
    training_options,
    typed,
)
from phonoscope.cli.terminal import print_json, say
from phonoscope.errors import PhonoscopeError


@sharing(training_options, before="seed")
def train(
    ctx: typer.Context,
    table: Annotated[
        Path, typer.Argument(help="Token table, or folder of tokens with sound, made by phonoscope tokens.")
    ],
    out: Annotated[Path, typer.Option(help="Folder for the classifier, its metrics and predictions.")],
    recipe: Annotated[str, typer.Option(help="vowels, vowels-4k, voicing, or a TOML file.")] = "vowels-4k",
    seed: RecipeSeed = None,
    device: Device = "auto",
    resume: Resume = False,
    trust_imports: Trust = False,
    as_json: AsJson = False,
    **_options: Any,
) -> None:
    """Train a classifier on a token table and test it on speakers or recordings it never met.

    Several processes or GPUs: torchrun --nproc-per-node 2 -m phonoscope train …

    Example: phonoscope train lj.parquet --recipe vowels-4k --out vowels
    """
    from phonoscope.corpora.sounds import open_tokens
    from phonoscope.judgement.words import percent_with_interval, stored_interval
    from phonoscope.tasks.phones.recipe import load_phones_recipe
    from phonoscope.tasks.phones.single import train_classifier
    from phonoscope.training.processes import leave_processes

    loaded = load_phones_recipe(recipe, trust_imports=trust_imports)
    chosen = loaded.changed(**typed(ctx, loaded.changes()))
    result = train_classifier(chosen, open_tokens(table), out, device=device, resume=resume, say=say)
    accuracy = percent_with_interval(stored_interval(result, "accuracy"))
    say(
        f"accuracy {accuracy}, pooled {result['pooled_accuracy']:.1%}, balanced {result['balanced_accuracy']:.1%} "
        f"on {result['n_test']} test tokens\n\nread  {table}\nwrote {out}"
    )
    leave_processes()
    if as_json and os.environ.get("RANK", "0") == "0":
        print_json(result)


@sharing(corpus_options, before="model")
@sharing(training_options, before="folds")
@sharing(output_options, before="method")
@sharing(formant_options, before="seed")
def run(
    ctx: typer.Context,
    recipe: Annotated[
        str, typer.Argument(help="vowels, voicing, recordings, commands, speakers, spoof …, or a TOML file.")
    ],
    out: Annotated[Path, typer.Option(help="Run folder: everything needed to repeat and to report.")],
    corpus: Annotated[Path | None, typer.Option(help="Root folder of a corpus.")] = None,
    synthetic: Annotated[bool, typer.Option("--synthetic", help="Use synthetic talkers with known formants.")] = False,
    model: Annotated[
        str | None, typer.Option("--model", "--classifier", help="Use a model trained elsewhere; train nothing.")
    ] = None,
    labels: Annotated[
        str | None, typer.Option(help="from-folder, words, speakers, none, or a CSV recording,label (recordings).")
    ] = None,
    label_column: Annotated[
        str | None, typer.Option(help="Column of that CSV, where several could be the label (recordings).")
    ] = None,
    map: Annotated[  # noqa: A002
        str | None, typer.Option(help="Labels that the model calls otherwise: label=class,label=class …")
    ] = None,
    model_labels: Annotated[
        str | None, typer.Option(help="Names of the model's scores in their order, if it has none itself.")
    ] = None,
    method: Annotated[
        str | None,
        typer.Option(
            help="Method of the maps, see phonoscope methods. By default the recipe's; of recordings "
            "integrated-gradients, or band-stop where no gradient reaches the sound."
        ),
    ] = None,
    target: Annotated[
        str | None,
        typer.Option(
            help="true, predicted, a class, or a contrast of two: i-er. By default true; of recordings without labels "
            "predicted."
        ),
    ] = None,
    folds: Annotated[str | None, typer.Option(help="auto, 1 (one split), a number, or each (leave one out).")] = None,
    sample_rate: Annotated[int | None, typer.Option(help="Rate of all recordings, and of the model, Hz.")] = None,
    partition: Annotated[str | None, typer.Option(help="eval, dev or train of ASVspoof 2019 LA (spoof).")] = None,
    protocol: Annotated[Path | None, typer.Option(help="File that says which recordings are spoofed (spoof).")] = None,
    seed: RecipeSeed = None,
    trainings: Annotated[
        int | None, typer.Option("--trainings", "--seeds", help="Trainings of each network, for intervals over both.")
    ] = None,
    device: Device = "auto",
    resume: Resume = False,
    trust_imports: Trust = False,
    strict: Strict = False,
    as_json: AsJson = False,
    **_options: Any,
) -> None:
    """Execute an experiment end to end: tokens, formants, training, maps, chance levels, report.

    Example: phonoscope run vowels-4k --corpus LJSpeech-1.1 --alignments textgrids --out runs/lj

    A model of your own: phonoscope run recordings --model MODEL --corpus FOLDER --out runs/mine
    """
    if corpus is None and not synthetic:
        raise PhonoscopeError(f"{recipe} needs recordings: --corpus FOLDER, or --synthetic (phones only)")
    if corpus is not None and synthetic:
        raise PhonoscopeError("give either --corpus FOLDER or --synthetic, not both")
    others = {"recipe", "out", "corpus", "synthetic", "as_json"}
    results = execute(recipe, out, corpus, **typed(ctx, ctx.params.keys() - others))
    typer.echo(f"\nread  {corpus or 'synthetic talkers'}\nwrote {out}\nopen  {results['report']}")
    if as_json:
        print_json(results)


def report(
    run_folders: Annotated[
        list[Path], typer.Argument(metavar="RUN...", help="A finished run; with several, the others beside the first.")
    ],
    out: Annotated[Path | None, typer.Option(help="File to write; report.html in the run folder by default.")] = None,
    figures: Annotated[str, typer.Option(help="Formats of the figures beside it: svg, pdf, png.")] = "svg,pdf",
    trust_imports: Trust = False,
) -> None:
    """Write the report of a run, or compare several: one HTML file that opens offline.

    Example: phonoscope report runs/lj
    """
    from phonoscope.experiments.frame import sweep_report
    from phonoscope.tasks.reporting import write_comparison, write_report

    sweep_report(run_folders[0], out)
    formats = names_in(figures)
    if len(run_folders) == 1:
        path = write_report(run_folders[0], out, formats=formats, trust_imports=trust_imports)
    elif out is None:
        raise PhonoscopeError("choose a file for the comparison: --out comparison.html")
    else:
        path = write_comparison(run_folders, out, formats=formats)
    typer.echo("\n".join([*(f"read  {folder}" for folder in run_folders), f"wrote {path}"]))


def demo(
    out: Annotated[Path, typer.Option(help="Folder for the three runs.")] = Path("runs/demo"),
    seed: Seed = 0,
) -> None:
    """Run the paper's three experiments on synthetic talkers and write their reports.

    Example: phonoscope demo
    """
    reports = []
    for name in ("vowels", "vowels-4k", "voicing"):
        typer.echo(f"\n{name}")
        folder = out / name
        if (folder / "run.json").is_file():
            raise PhonoscopeError(f"{folder} holds a finished run; remove it or choose another folder with --out")
        reports.append(execute(name, folder, seed=seed, resume=True)["report"])
    typer.echo("\nopen  " + "\nopen  ".join(reports))


def execute(recipe: str, out: Path, corpus: Path | None = None, **options: Any) -> dict[str, Any]:
    """Run an experiment, write its report and return the results; options go to the recipe or say how it is run."""
    from phonoscope.experiments.frame import note_report
    from phonoscope.tasks import load_recipe, run_experiment
    from phonoscope.tasks.reporting import write_report

    trusted = options.get("trust_imports", False)
    loaded = load_recipe(recipe, trust_imports=trusted)
    changes = {name: options.pop(name) for name in loaded.changes() & options.keys()}
    finished = run_experiment(loaded.changed(**changes), out, corpus, say=say, **options)
    say("writing the report")
    return note_report(finished, write_report(finished.folder, trust_imports=trusted))
