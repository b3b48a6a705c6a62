"""Options that several commands share, and what they mean for the rooms."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from inspect import Signature, signature
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

Command = TypeVar("Command", bound=Callable[..., Any])

Corpus = Annotated[Path, typer.Argument(help="Root folder of the corpus.")]
Layout = Annotated[str, typer.Option(help="Layout of the corpus: auto, or a name (ljspeech, timit, folder …).")]
Strict = Annotated[bool, typer.Option("--strict", help="Stop at the first file that cannot be used.")]
Seed = Annotated[int, typer.Option(help="Seed of everything random.")]
RecipeSeed = Annotated[int | None, typer.Option(help="Seed of everything random, instead of the recipe's.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object last, for programs.")]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda …")]
Trust = Annotated[
    bool, typer.Option("--trust-imports", help="Allow a recipe, classifier or run to import the code it names.")
]
Key = Annotated[
    str | None, typer.Option(help="Where in a checkpoint the weights lie, e.g. model_state; found if there is one set.")
]
ModelName = Annotated[
    str,
    typer.Argument(
        metavar="MODEL",
        help="Folder of a checkpoint or saved classifier, owner/name on the model hub, .onnx or TorchScript file, or "
        "package.module:name (with --trust-imports).",
    ),
]
Resume = Annotated[bool, typer.Option("--resume", help="Continue where an interrupted run stopped.")]
Engine = Annotated[str, typer.Option(help="local (this machine), or ray (a cluster; needs phonoscope[ray]).")]
Jobs = Annotated[
    int | None, typer.Option(help="Processes; 1 locally, all free cores with ray. The result does not depend on it.")
]
Gpus = Annotated[float, typer.Option(help="GPUs of each process, e.g. 0.5: two share one (--engine ray).")]


def corpus_options(
    alignments: Annotated[
        Path | None, typer.Option(help="Folder of the alignments, if not found beside the recordings.")
    ] = None,
    layout: Layout = "auto",
    alignment_format: Annotated[
        str | None,
        typer.Option(
            help="Only this format (.textgrid, ctm, htk, eaf ...), or a reader of your own: package.module:NAME."
        ),
    ] = None,
    phone_tier: Annotated[
        str | None, typer.Option(help="Name of the phone tier, if not found by aligner conventions.")
    ] = None,
    word_tier: Annotated[str | None, typer.Option(help="Name of the word tier.")] = None,
    speaker_tier: Annotated[
        str | None, typer.Option(help='Phone tiers of several speakers, if not found: "{speaker}_phones".')
    ] = None,
    speaker_from: Annotated[
        str | None, typer.Option(help='Speaker from the file name, "{speaker}_*", or a folder, "{speaker}/*".')
    ] = None,
    phone_set: Annotated[str, typer.Option(help="How phones are written: auto, arpabet, ipa, none …")] = "auto",
    mapping: Annotated[
        Path | None, typer.Option(help="Table with columns phone,label and maybe kind: goes before the phone set.")
    ] = None,
    speakers: Annotated[
        Path | None, typer.Option(help="Table with column speaker or recording, and sex, channel, dialect …")
    ] = None,
    classes: Annotated[
        str | None, typer.Option(help="paper, vowels, voiceless, any-vowel, all, vowels:4, mine, as-written, i,ae …")
    ] = None,
    stressed_only: Annotated[bool, typer.Option("--stressed-only", help="Leave out unstressed vowels.")] = False,
    min_duration: Annotated[float | None, typer.Option(help="Shortest token in s; 0.05 unless said otherwise.")] = None,
    max_per_class: Annotated[
        int | None, typer.Option(help="At most this many tokens per class, drawn at random.")
    ] = None,
    balanced: Annotated[
        bool, typer.Option("--balanced", help="As many tokens of each class as the smallest has.")
    ] = False,
    without_overlap: Annotated[
        bool, typer.Option("--without-overlap", help="Leave out tokens during which another speaker speaks.")
    ] = False,
    exclude_words: Annotated[str, typer.Option(help="Words whose phones are left out, separated by commas.")] = "",
    fold: Annotated[str, typer.Option(help="Leave out of IPA phones: nasal, voiceless, syllabic, long (commas).")] = "",
) -> None:
    """How a corpus is read, and which of its phones become tokens."""


def training_options(
    network: Annotated[
        str | None, typer.Option(help="compact, compact-local, resnet18/50/101, or package.module:name.")
    ] = None,
    preset: Annotated[
        str | None, typer.Option(help="Training preset: default, or paper (224 × 224, Adam, by token).")
    ] = None,
    init: Annotated[str | None, typer.Option(help="Initial weights: random, imagenet, or a weights file.")] = None,
    epochs: Annotated[int | None, typer.Option(help="Passes over the training tokens.")] = None,
    split_by: Annotated[str | None, typer.Option(help="auto, speaker, recording or token.")] = None,
) -> None:
    """How a network is trained."""


def model_options(
    sample_rate: Annotated[int | None, typer.Option(help="Rate at which the model takes sounds, Hz.")] = None,
    labels: Annotated[str | None, typer.Option(help="Names of its scores in their order, separated by commas.")] = None,
) -> None:
    """What the model does not say of itself: its rate and its labels."""


def output_options(
    output: Annotated[
        str | None, typer.Option(help="Part of the model's output that holds the scores: a key, a position, 0.logits.")
    ] = None,
    kind: Annotated[
        str | None, typer.Option(help="What the scores are: classes, labels, 'one logit', numbers, embedding.")
    ] = None,
    activation: Annotated[
        str | None, typer.Option(help="Last activation of the model: softmax or sigmoid (which is undone), or none.")
    ] = None,
    frames: Annotated[
        str | None, typer.Option(help="Of scores over time: mean (the default), max, a time in s, or from-to in s.")
    ] = None,
    picture: Annotated[
        str | None, typer.Option(help="Module in the model whose output is a picture: maps begin there, in Hz and s.")
    ] = None,
) -> None:
    """How the model's output is read, and where maps of it begin."""


def formant_options(
    ceiling: Annotated[
        str | None,
        typer.Option(
            help="Highest frequency of formants: Hz; auto (by speaker: columns ceiling, age, sex of the table of "
            "speakers); per-token or per-speaker (the smoothest tracks on a ladder of 12 ceilings)."
        ),
    ] = None,
    formants: Annotated[int | None, typer.Option(help="Formants expected below the ceiling; 5 by default.")] = None,
    positions: Annotated[
        str | None, typer.Option(help="Where in the vowel formants are measured; 0.2,0.5,0.8 by default.")
    ] = None,
    corrections: Annotated[
        str | None,
        typer.Option(help="CSV of corrected formants: token, and ceiling, candidate, or values such as f2_50."),
    ] = None,
) -> None:
    """How formants are measured."""


FORMANT_OPTIONS = tuple(signature(formant_options).parameters)
SAID = (*signature(model_options).parameters, *signature(output_options).parameters)


def sharing(options: Callable[..., None], *, before: str) -> Callable[[Command], Command]:
    """Give a command the options of ``options``, before the parameter named; the command takes them as ``**``."""

    def extended(command: Command) -> Command:
        own, shared = (list(signature(each, eval_str=True).parameters.values()) for each in (command, options))
        own = [parameter for parameter in own if parameter.kind != parameter.VAR_KEYWORD]
        at = [parameter.name for parameter in own].index(before)
        command.__signature__ = Signature([*own[:at], *shared, *own[at:]])  # ty: ignore[missing-attribute]
        return command

    return extended


def taking_a_model(*, before: str) -> Callable[[Command], Command]:
    """Give a command all that can be said of a model, before the parameter named; see `said_of`."""

    def extended(command: Command) -> Command:
        return sharing(output_options, before=before)(sharing(model_options, before=before)(command))

    return extended


def said_of(options: Mapping[str, Any]) -> dict[str, Any]:
    """What was said of a model, as `phonoscope.load` takes it: those options that were given."""
    said = {name: options[name] for name in SAID if options.get(name) is not None}
    return said | ({"labels": names_in(said["labels"])} if "labels" in said else {})


def chosen_engine(name: str, jobs: int | None, gpus: float = 0.0) -> Any:
    """How work is spread: over processes of this machine, or over a cluster."""
    from phonoscope.errors import PhonoscopeError

    if name == "ray":
        from phonoscope.work.cluster import on_ray

        return on_ray(workers=jobs, gpus=gpus)
    if name != "local":
        raise PhonoscopeError(f"--engine is {name!r}; choose local or ray")
    if gpus:
        raise PhonoscopeError(
            "--gpus shares GPUs among the processes of --engine ray; locally, choose the device with --device"
        )
    from phonoscope.work.executor import spread_over

    return spread_over(1 if jobs is None else jobs)


def names_in(text: str | None) -> list[str]:
    """Names that are separated by commas."""
    return [name.strip() for name in (text or "").split(",") if name.strip()]


def typed(ctx: typer.Context, names: Collection[str]) -> dict[str, Any]:
    """Those of the named options that were typed; the others are left to the recipe and to the functions called."""
    return {
        name: ctx.params[name]
        for name in ctx.params
        if name in names and getattr(ctx.get_parameter_source(name), "name", "") == "COMMANDLINE"
    }
