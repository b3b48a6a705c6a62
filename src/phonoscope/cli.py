"""The command line: parses, calls the rooms, prints. Heavy imports happen inside the commands."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from phonoscope import __version__
from phonoscope.errors import PhonoscopeError

_INTERRUPTED = 130  # exit status after Ctrl-C, as shells expect it

app = typer.Typer(
    name="phonoscope",
    help="See what a neural network listens to in speech: in hertz and seconds, beside formants, with chance levels.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)

Corpus = Annotated[Path, typer.Argument(help="Root folder of the corpus.")]
Alignments = Annotated[Path | None, typer.Option(help="Folder of the TextGrids, if not found beside the recordings.")]
Layout = Annotated[str, typer.Option(help="Layout of the corpus: auto, or a name (ljspeech, timit, folder …).")]
PhoneTier = Annotated[str | None, typer.Option(help="Name of the phone tier, if not found by aligner conventions.")]
WordTier = Annotated[str | None, typer.Option(help="Name of the word tier.")]
PhoneSet = Annotated[str, typer.Option(help="How phones are written: auto, arpabet, timit, sampa, ipa.")]
Mapping = Annotated[Path | None, typer.Option(help="CSV with columns phone,label: goes before the phone table.")]
Speakers = Annotated[Path | None, typer.Option(help="CSV with column speaker or recording, and sex, dialect …")]
Classes = Annotated[str | None, typer.Option(help="paper, vowels, voiceless, all, vowels:4 (best filled), or i,ae,u …")]
Stressed = Annotated[bool, typer.Option("--stressed-only", help="Leave out unstressed vowels.")]
MinDuration = Annotated[float | None, typer.Option(help="Shortest token in s; 0.05 unless said otherwise.")]
MaxPerClass = Annotated[int | None, typer.Option(help="At most so many tokens a class, drawn at random.")]
Balanced = Annotated[bool, typer.Option("--balanced", help="As many tokens of each class as the smallest has.")]
ExcludeWords = Annotated[str, typer.Option(help="Words whose phones are left out, separated by commas.")]
Strict = Annotated[bool, typer.Option("--strict", help="Stop at the first file that cannot be used.")]
Seed = Annotated[int, typer.Option(help="Seed of everything random.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object last, for programs.")]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda …")]
Trust = Annotated[bool, typer.Option("--trust-imports", help="Allow a saved classifier to import its network's code.")]
Network = Annotated[str | None, typer.Option(help="compact, compact-local, resnet18/50/101, or package.module:name.")]
Preset = Annotated[str | None, typer.Option(help="Training preset: default, or paper (224 × 224, Adam, by token).")]
Init = Annotated[str | None, typer.Option(help="Initial weights: random, imagenet, or a weights file.")]
Epochs = Annotated[int | None, typer.Option(help="Passes over the training tokens.")]
Resume = Annotated[bool, typer.Option("--resume", help="Go on where an interrupted run stopped.")]


def _version(value: bool) -> None:
    if value:
        typer.echo(f"phonoscope {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print it.")] = False,
) -> None:
    """See what a neural network listens to in speech."""
    del version


@app.command()
def tokens(
    corpus: Corpus,
    out: Annotated[Path, typer.Option(help="Table to write: .parquet or .csv.")],
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
    seed: Seed = 0,
    strict: Strict = False,
    as_json: AsJson = False,
) -> None:
    """Turn a corpus and its alignments into a token table, one row a phone; say what was left out and why.

    Example: phonoscope tokens LJSpeech-1.1 --alignments textgrids --out lj.parquet
    """
    from phonoscope.corpora import read_corpus, summary, write_tokens

    rules = _corpus_rules(locals())
    table = read_corpus(
        corpus, alignments=alignments, seed=seed, strict=strict, progress=_counter("recordings"), **rules
    )
    write_tokens(out, table)
    typer.echo(summary(table))
    typer.echo(f"\nread  {corpus}\nwrote {out}")
    if as_json:
        counts = {str(k): int(v) for k, v in table["label"].value_counts().items()}
        _print_json({"tokens": out.as_posix(), "counts": counts, "left_out": table.attrs["left_out"]})


@app.command()
def align(
    corpus: Corpus,
    out: Annotated[Path, typer.Option(help="Folder for the TextGrids.")],
    words: Annotated[
        str,
        typer.Option(help="auto, from-folder (word/…), transcripts (.txt, .lab), or a CSV recording,text."),
    ] = "auto",
    layout: Layout = "auto",
    dictionary: Annotated[Path | None, typer.Option(help="Pronouncing dictionary (CMU format) for more words.")] = None,
    jobs: Annotated[int, typer.Option(help="Processes; the result does not depend on it.")] = 1,
    resume: Annotated[bool, typer.Option("--resume/--fresh", help="Keep TextGrids that are there.")] = True,
    strict: Strict = False,
    as_json: AsJson = False,
) -> None:
    """Find the phones of English recordings whose words are known (needs phonoscope[align]).

    Example: phonoscope align speech_commands --words from-folder --out textgrids
    """
    from phonoscope.corpora.align import align_corpus

    report = align_corpus(
        corpus,
        out,
        words=words,
        layout=layout,
        dictionary=dictionary,
        jobs=jobs,
        resume=resume,
        strict=strict,
        progress=_counter("recordings"),
    )
    typer.echo("\n".join(report.summary()))
    typer.echo(f"\nread  {corpus}\nwrote {report.out}")
    if as_json:
        _print_json({"textgrids": report.out.as_posix(), **report.counts})


@app.command()
def train(
    table: Annotated[Path, typer.Argument(help="Token table made by phonoscope tokens.")],
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
    from phonoscope.corpora import read_tokens
    from phonoscope.experiments.single import train_classifier
    from phonoscope.training.processes import leave_processes

    chosen = _recipe(recipe, network=network, preset=preset, init=init, epochs=epochs, seed=seed, split_by=split_by)
    result = train_classifier(chosen, read_tokens(table), out, device=device, resume=resume, say=_say)
    low, high = result["accuracy_interval"]
    _say(
        f"accuracy {result['accuracy']:.1%} ({low:.1%}–{high:.1%}), balanced {result['balanced_accuracy']:.1%} "
        f"on {result['n_test']} test tokens\n\nread  {table}\nwrote {out}"
    )
    leave_processes()
    if as_json and os.environ.get("RANK", "0") == "0":
        _print_json(result)


@app.command()
def explain(
    source: Annotated[Path, typer.Argument(help="A run folder, or a classifier folder (then --tokens is needed).")],
    out: Annotated[Path, typer.Option(help="Folder for the maps.")],
    method: Annotated[str, typer.Option(help="Method that makes the maps, e.g. cam.")] = "cam",
    target: Annotated[str, typer.Option(help="true, predicted, a class (i, er …), or a contrast (i-er).")] = "true",
    table: Annotated[Path | None, typer.Option("--tokens", help="Token table to explain with a classifier.")] = None,
    trust_imports: Trust = False,
    as_json: AsJson = False,
) -> None:
    """Make maps in Hz and s of what a classifier listens to, and store them with their coordinates.

    Example: phonoscope explain runs/lj --target i-er --out maps
    """
    from phonoscope.attribution import contrast, read_maps
    from phonoscope.experiments.single import explain_run, explain_tokens

    left, dash, right = target.partition("-")
    aim = contrast(left, right) if dash else target
    options: dict[str, Any] = {"method": method, "target": aim, "trust_imports": trust_imports}
    head = explain_run(source, out, **options) if table is None else explain_tokens(source, table, out, **options)
    maps = read_maps(out)
    worst = float(abs(maps["incompleteness"]).max())
    typer.echo(
        f"{maps.sizes['token']} maps of {maps.sizes['frequency']} × {maps.sizes['time']} cells of layer "
        f"{head.attrs['layer']}: one every {head.attrs['cell_hz']:.0f} Hz, each seeing {head.attrs['field_hz']:.0f} Hz "
        f"in theory and {head.attrs['resolution_hz']:.0f} Hz in effect"
    )
    typer.echo(f"{head.attrs['completeness']}: to {worst:.1e}\n\nread  {source}\nwrote {out}")
    if as_json:
        _print_json({"maps": out.as_posix(), "tokens": maps.sizes["token"], **head.attrs, "max_incompleteness": worst})


@app.command()
def geometry(
    checkpoints: Annotated[
        list[Path], typer.Argument(help="Weights file, or folder of a classifier; several to compare.")
    ],
    network: Annotated[
        str | None, typer.Option(help="Network of the weights: inc_tssdnet, sub-segmental … Without it, plain weights.")
    ] = None,
    layers: Annotated[
        str | None, typer.Option(help="Layers, separated by commas, or all; else those that the network declares.")
    ] = None,
    alignment: Annotated[str, typer.Option(help="Branches of a block: left (as in the paper) or centre.")] = "left",
    null_draws: Annotated[int, typer.Option(help="Draws of random weights to compare with; 0 for none.")] = 20,
    out: Annotated[Path | None, typer.Option(help="Table to write: .csv or .parquet.")] = None,
    figure: Annotated[Path | None, typer.Option(help="Figure to write (.png, .pdf, .svg): layer after layer.")] = None,
    seed: Seed = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print one list of rows, and nothing else.")] = False,
) -> None:
    """Measure the weights of every layer as a dictionary, beside random weights: learned, or just wide?

    Example: phonoscope geometry inc_tssdnet.pth --network inc_tssdnet
    """
    from phonoscope.geometry import describe, measure_checkpoints, records, write_table

    options: dict[str, Any] = {"network": network, "alignment": alignment, "null_draws": null_draws, "seed": seed}
    if layers is not None:
        options["layers"] = "all" if layers == "all" else [name.strip() for name in layers.split(",")]
    table = measure_checkpoints(checkpoints, **options)
    written = [] if out is None else [write_table(out, table)]
    if figure is not None:
        from phonoscope.files import write_with
        from phonoscope.report.geometry import layer_figure

        drawn = layer_figure(table)
        written.append(write_with(figure, lambda part: drawn.savefig(part, dpi=160, facecolor="white")))
    if as_json:
        _print_json(records(table))
        return
    typer.echo(describe(table) + "\n")
    typer.echo("\n".join([*(f"read  {path}" for path in checkpoints), *(f"wrote {path}" for path in written)]))


@app.command()
def run(
    recipe: Annotated[str, typer.Argument(help="vowels, vowels-4k, voicing, or a TOML file.")],
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
    seed: Seed = 0,
    device: Device = "auto",
    resume: Resume = False,
    trust_imports: Trust = False,
    strict: Strict = False,
    as_json: AsJson = False,
) -> None:
    """Execute an experiment end to end: tokens, formants, training, maps, chance levels, report.

    Example: phonoscope run vowels-4k --corpus LJSpeech-1.1 --alignments textgrids --out runs/lj
    """
    if (corpus is None) != synthetic:
        raise PhonoscopeError("say what to run on: --corpus FOLDER, or --synthetic")
    rules = _corpus_rules(locals())
    chosen = _recipe(
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
    results = _execute(
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
        _print_json(results)


@app.command()
def report(
    run_folder: Annotated[Path, typer.Argument(help="A finished run.")],
    out: Annotated[Path | None, typer.Option(help="File to write; report.html in the run folder by default.")] = None,
) -> None:
    """Write the report of a run: one HTML file that opens offline.

    Example: phonoscope report runs/lj
    """
    from phonoscope.report import write_report

    path = write_report(run_folder, out)
    typer.echo(f"read  {run_folder}\nwrote {path}")


@app.command()
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
        reports.append(_execute(_recipe(name, seed=seed), folder, resume=True)["report"])
    typer.echo("\nopen  " + "\nopen  ".join(reports))


def _execute(recipe: Any, out: Path, **options: Any) -> dict[str, Any]:
    """Run an experiment, write its report and return the results."""
    from phonoscope.experiments.run import finish_results, run_experiment
    from phonoscope.report import write_report

    finished = run_experiment(recipe, out, say=_say, **options)
    _say("writing the report")
    return finish_results(finished, write_report(finished.folder))


def _recipe(
    name: str,
    *,
    seed: int,
    network: str | None = None,
    preset: str | None = None,
    init: str | None = None,
    epochs: int | None = None,
    split_by: str | None = None,
    folds: str | None = None,
    sample_rate: int | None = None,
) -> Any:
    """Load a recipe and change what the command line asks for."""
    from phonoscope.experiments.recipe import load_recipe

    recipe = load_recipe(name).seeded(seed)
    if preset is not None:
        recipe = recipe.with_preset(preset)
    return recipe.changed(
        network=network, init=init, epochs=epochs, split_by=split_by, folds=folds, sample_rate=sample_rate
    )


def _corpus_rules(given: dict[str, Any]) -> dict[str, Any]:
    """Rules of the token table that were given on the command line; those that were not stay the recipe's."""
    names = ("layout", "phone_tier", "word_tier", "phone_set", "mapping", "speakers", "max_per_class")
    rules = {name: given[name] for name in names if given[name] not in (None, "auto")}
    rules |= {name: True for name in ("stressed_only", "balanced") if given[name]}
    rules |= {name: given[name] for name in ("classes", "min_duration") if given[name] is not None}
    words = [word.strip() for word in given["exclude_words"].split(",") if word.strip()]
    return {**rules, "exclude_words": words} if words else rules


def _say(line: str) -> None:
    if os.environ.get("RANK", "0") == "0":
        typer.echo(line)


def _counter(what: str) -> Callable[[int, int], None]:
    """Progress on one line of a terminal, with an estimate of the time left; silent when output goes to a file."""
    started = time.monotonic()
    shown = 0.0

    def progress(done: int, total: int) -> None:
        nonlocal shown
        now = time.monotonic()
        if not sys.stderr.isatty() or (now - shown < 0.2 and done < total):
            return
        shown = now
        left = (now - started) / max(done, 1) * (total - done)
        end = "\n" if done >= total else ""
        sys.stderr.write(f"\r{done} of {total} {what}, {left:.0f} s left   {end}")
        sys.stderr.flush()

    return progress


def _print_json(value: dict[str, Any] | list[dict[str, Any]]) -> None:
    from phonoscope.files import to_json

    typer.echo(to_json(value))


def main() -> None:
    """Run the command line; errors that phonoscope raises on purpose are one line on stderr and exit status 1.

    So are those of the file system: a full disk, a folder that may not be written.
    """
    try:
        app()
    except (PhonoscopeError, OSError) as error:
        typer.echo(f"phonoscope: {error}", err=True)
        sys.exit(1)
    except (KeyboardInterrupt, SystemExit) as end:
        if isinstance(end, SystemExit) and end.code != _INTERRUPTED:
            raise
        typer.echo("\nphonoscope: interrupted; what was finished is kept, --resume goes on", err=True)
        sys.exit(_INTERRUPTED)
