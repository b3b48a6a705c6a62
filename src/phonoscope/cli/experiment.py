"""Commands on classifiers: ``train``, ``explain``, ``run``, ``report`` and ``demo``."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any

import typer

from phonoscope.cli.options import (
    Alignments,
    AsJson,
    Balanced,
    Classes,
    Device,
    Engine,
    Epochs,
    ExcludeWords,
    Gpus,
    Init,
    Jobs,
    Layout,
    Mapping,
    MaxPerClass,
    MinDuration,
    Network,
    PhoneSet,
    PhoneTier,
    Preset,
    Resume,
    Seed,
    Speakers,
    Stressed,
    Strict,
    Trust,
    WordTier,
    chosen_engine,
    chosen_recipe,
    corpus_rules,
)
from phonoscope.cli.terminal import counter, print_json, say
from phonoscope.cli.waveform import is_whole_recordings, run_whole_recordings
from phonoscope.errors import PhonoscopeError
from phonoscope.left_out import left_out_line


def train(
    table: Annotated[
        Path, typer.Argument(help="Token table, or folder of tokens with sound, made by phonoscope tokens.")
    ],
    out: Annotated[Path, typer.Option(help="Folder for the classifier, its metrics and predictions.")],
    recipe: Annotated[str, typer.Option(help="vowels, vowels-4k, voicing, or a TOML file.")] = "vowels-4k",
    network: Network = None,
    preset: Preset = None,
    init: Init = None,
    epochs: Epochs = None,
    split_by: Annotated[str | None, typer.Option(help="auto, speaker, recording or token.")] = None,
    seed: Seed = 0,
    device: Device = "auto",
    resume: Resume = False,
    as_json: AsJson = False,
) -> None:
    """Train a classifier on a token table and test it on speakers or recordings it never met.

    Several processes or GPUs: torchrun --nproc-per-node 2 -m phonoscope train …

    Example: phonoscope train lj.parquet --recipe vowels-4k --out vowels
    """
    from phonoscope.corpora.sounds import open_tokens
    from phonoscope.experiments.single import train_classifier
    from phonoscope.training.processes import leave_processes

    chosen = chosen_recipe(
        recipe, network=network, preset=preset, init=init, epochs=epochs, seed=seed, split_by=split_by
    )
    result = train_classifier(chosen, open_tokens(table), out, device=device, resume=resume, say=say)
    low, high = result["accuracy_interval"]
    say(
        f"accuracy {result['accuracy']:.1%} ({low:.1%}–{high:.1%}), balanced {result['balanced_accuracy']:.1%} "
        f"on {result['n_test']} test tokens\n\nread  {table}\nwrote {out}"
    )
    leave_processes()
    if as_json and os.environ.get("RANK", "0") == "0":
        print_json(result)


def explain(
    source: Annotated[Path, typer.Argument(help="A run folder, or a classifier folder (then --tokens is needed).")],
    out: Annotated[Path, typer.Option(help="Folder for the maps.")],
    method: Annotated[
        str, typer.Option(help="integrated-gradients, band-stop, cam, smooth(gradient) …; see `phonoscope methods`.")
    ] = "integrated-gradients",
    target: Annotated[str, typer.Option(help="true, predicted, a class (i, er …), or a contrast (i-er).")] = "true",
    layer: Annotated[str | None, typer.Option(help="Layer of the network, for methods that make maps of one.")] = None,
    table: Annotated[
        Path | None,
        typer.Option("--tokens", help="Token table, or folder of tokens with sound, to explain with a classifier."),
    ] = None,
    seed: Seed = 0,
    device: Device = "auto",
    engine: Engine = "local",
    jobs: Jobs = None,
    gpus: Gpus = 0.0,
    trust_imports: Trust = False,
    as_json: AsJson = False,
) -> None:
    """Make maps in Hz and s of what a classifier listens to, and store them with their coordinates.

    Example: phonoscope explain runs/lj --method integrated-gradients --target i-er --out maps
    """
    from phonoscope.attribution import contrast
    from phonoscope.attribution.maps import describe_cells
    from phonoscope.experiments.explaining import explain_run, explain_tokens

    left, dash, right = target.partition("-")
    options: dict[str, Any] = {
        "method": method,
        "target": contrast(left, right) if dash else target,
        "layer": layer,
        "seed": seed,
        "trust_imports": trust_imports,
        "device": device,
        "each": chosen_engine(engine, jobs, gpus),
        "progress": counter("tokens"),
    }
    made = explain_run(source, out, **options) if table is None else explain_tokens(source, table, out, **options)
    for entry in made.left_out:
        say(left_out_line(entry))
    typer.echo(f"{made.count} maps of {describe_cells(made.head)}")
    if made.worst is not None:
        typer.echo(f"{made.head.attrs['completeness']}: to {made.worst:.1e}")
    typer.echo(f"\nread  {source if table is None else table}\nwrote {out}")
    if as_json:
        facts = {**made.head.attrs, "max_incompleteness": made.worst, "left_out": made.left_out}
        print_json({"maps": out.as_posix(), "tokens": made.count, **facts})


def methods(as_json: AsJson = False) -> None:
    """List the methods that make maps, with their options.

    Example: phonoscope methods
    """
    from phonoscope.attribution import METHODS
    from phonoscope.evidence.planted_results import planted_score

    for method in METHODS.values():
        options = ", ".join(f"{name}={value}" for name, value in method.options.items())
        inner = "METHOD, " if method.family == "wrapper" else ""
        asked = f"{method.name}({inner}{options})" if options else method.name
        score = planted_score(method.name)
        known = "" if score is None else f"; finds planted cues: {score['localisation']:.2f} of 1"
        typer.echo(f"{asked}\n    {method.summary}{known}")
    if as_json:
        print_json(
            [{"name": m.name, "family": m.family, "summary": m.summary, "options": m.options} for m in METHODS.values()]
        )


def run(
    recipe: Annotated[
        str, typer.Argument(help="vowels, voicing, commands, commands-full, speakers, spoof …, or a TOML file.")
    ],
    out: Annotated[Path, typer.Option(help="Run folder: everything needed to repeat and to report.")],
    corpus: Annotated[Path | None, typer.Option(help="Root folder of a corpus.")] = None,
    synthetic: Annotated[bool, typer.Option("--synthetic", help="Use synthetic talkers with known formants.")] = False,
    alignments: Alignments = None,
    layout: Layout = "auto",
    phone_tier: PhoneTier = None,
    word_tier: WordTier = None,
    phone_set: PhoneSet = "auto",
    mapping: Mapping = None,
    speakers: Speakers = None,
    classes: Classes = None,
    stressed_only: Stressed = False,
    min_duration: MinDuration = None,
    max_per_class: MaxPerClass = None,
    balanced: Balanced = False,
    exclude_words: ExcludeWords = "",
    classifier: Annotated[Path | None, typer.Option(help="Use a classifier trained elsewhere; train nothing.")] = None,
    network: Network = None,
    preset: Preset = None,
    init: Init = None,
    epochs: Epochs = None,
    folds: Annotated[str | None, typer.Option(help="auto, 1 (one split), a number, or each (leave one out).")] = None,
    split_by: Annotated[str | None, typer.Option(help="auto, speaker, recording or token.")] = None,
    sample_rate: Annotated[int | None, typer.Option(help="Resample all recordings to this rate, Hz.")] = None,
    partition: Annotated[str | None, typer.Option(help="eval, dev or train of ASVspoof 2019 LA (spoof).")] = None,
    protocol: Annotated[Path | None, typer.Option(help="File that says which recordings are spoofed (spoof).")] = None,
    seed: Seed = 0,
    seeds: Annotated[int | None, typer.Option(help="Trainings of each network (commands, speakers).")] = None,
    device: Device = "auto",
    resume: Resume = False,
    trust_imports: Trust = False,
    strict: Strict = False,
    as_json: AsJson = False,
) -> None:
    """Execute an experiment end to end: tokens, formants, training, maps, chance levels, report.

    Example: phonoscope run vowels-4k --corpus LJSpeech-1.1 --alignments textgrids --out runs/lj
    """
    given = dict(locals())
    if is_whole_recordings(recipe):
        run_whole_recordings(given)
        return
    if seeds is not None:
        raise PhonoscopeError(f"--seeds means nothing for {recipe}, which trains once; give --seed another number")
    if partition is not None or protocol is not None:
        raise PhonoscopeError(f"--partition and --protocol mean nothing for {recipe}: they are about spoofed speech")
    if (corpus is None) != synthetic:
        raise PhonoscopeError("say what to run on: --corpus FOLDER, or --synthetic")
    rules = corpus_rules(given)
    chosen = chosen_recipe(
        recipe,
        network=network,
        preset=preset,
        init=init,
        epochs=epochs,
        seed=seed,
        split_by=split_by,
        folds=folds,
        sample_rate=sample_rate,
    )
    results = execute(
        chosen,
        out,
        corpus=corpus,
        alignments=alignments,
        corpus_options=rules,
        classifier=classifier,
        trust_imports=trust_imports,
        device=device,
        resume=resume,
        strict=strict,
    )
    typer.echo(f"\nread  {corpus or 'synthetic talkers'}\nwrote {out}\nopen  {results['report']}")
    if as_json:
        print_json(results)


def report(
    run_folders: Annotated[
        list[Path], typer.Argument(metavar="RUN...", help="A finished run; with several, the others beside the first.")
    ],
    out: Annotated[Path | None, typer.Option(help="File to write; report.html in the run folder by default.")] = None,
    figures: Annotated[str, typer.Option(help="Formats of the figures beside it: svg, pdf, png.")] = "svg,pdf",
) -> None:
    """Write the report of a run, or compare several: one HTML file that opens offline.

    Example: phonoscope report runs/lj
    """
    from phonoscope.experiments.frame import sweep_report
    from phonoscope.report import write_comparison, write_report

    sweep_report(run_folders[0], out)
    formats = [name.strip() for name in figures.split(",") if name.strip()]
    if len(run_folders) > 1:
        if out is None:
            raise PhonoscopeError("say where the comparison goes: --out comparison.html")
        path = write_comparison(run_folders, out, formats=formats)
    else:
        path = write_report(run_folders[0], out, formats=formats)
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
        reports.append(execute(chosen_recipe(name, seed=seed), folder, resume=True)["report"])
    typer.echo("\nopen  " + "\nopen  ".join(reports))


def execute(recipe: Any, out: Path, **options: Any) -> dict[str, Any]:
    """Run an experiment, write its report and return the results."""
    from phonoscope.experiments.frame import note_report
    from phonoscope.report import write_report
    from phonoscope.tasks.phones.run import run_experiment

    finished = run_experiment(recipe, out, say=say, **options)
    say("writing the report")
    return note_report(finished, write_report(finished.folder))
