"""Commands on corpora: ``phones``, ``tokens`` and ``align``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from phonoscope.cli.options import (
    AsJson,
    Corpus,
    Engine,
    Jobs,
    Layout,
    Seed,
    Strict,
    chosen_engine,
    corpus_options,
    sharing,
    typed,
)
from phonoscope.cli.terminal import counter, print_json
from phonoscope.errors import PhonoscopeError
from phonoscope.left_out import left_out_line


def phones(
    corpus: Corpus,
    alignments: Annotated[Path | None, typer.Option(help="Folder of the alignments, if not beside the sound.")] = None,
    layout: Layout = "auto",
    phone_tier: Annotated[str | None, typer.Option(help="Name of the phone tier.")] = None,
    phone_set: Annotated[str, typer.Option(help="How phones are written: auto, arpabet, ipa, none …")] = "auto",
    mapping: Annotated[Path | None, typer.Option(help="Table with columns phone,label and maybe kind.")] = None,
    mapping_out: Annotated[Path | None, typer.Option(help="Write a mapping of these phones, to edit (CSV).")] = None,
    as_json: AsJson = False,
) -> None:
    """List the labels of a corpus by tier: how many, how long, and what each would be called.

    Example: phonoscope phones my-corpus --mapping-out mapping.csv
    """
    from phonoscope.corpora.listing import list_phones, write_mapping

    listed = list_phones(
        corpus,
        alignments,
        layout=layout,
        progress=counter("recordings"),
        phone_tier=phone_tier,
        phone_set=phone_set,
        mapping=mapping,
    )
    tier = None
    for each in listed["labels"]:
        if each["tier"] != tier:
            tier = each["tier"]
            typer.echo(f"tier {tier}\n  {'label':<10}{'count':>7}{'mean ms':>9}  class")
        label, length = each["label"].strip() or "(empty)", 1000 * each["seconds"]
        named = f"{each['class'] or '–'}  {each['kind'] or ''}".rstrip()
        typer.echo(f"  {label:<10}{each['count']:>7}{length:>9.0f}  {named}")
    shares = sorted(((share, name) for name, share in listed["sets"].items() if share), reverse=True)
    typer.echo("known by: " + ", ".join(f"{name} {100 * share:.0f} %" for share, name in shares))
    typer.echo(f"phone set: {listed['phone_set'] or 'cannot be told'}")
    if listed["problem"]:
        typer.echo(listed["problem"])
    typer.echo(f"{listed['paired']} recordings with an alignment")
    for reason, count in listed["unpaired"].items():
        typer.echo(f"{count:>8} left out: {reason}")
    typer.echo(f"\nread  {corpus}")
    if mapping_out is not None:
        typer.echo(f"wrote {write_mapping(mapping_out, listed)}")
    if as_json:
        print_json(listed)


@sharing(corpus_options, before="sound")
def tokens(
    ctx: typer.Context,
    corpus: Corpus,
    out: Annotated[Path, typer.Option(help="Table to write: .parquet or .csv; with --sound a folder.")],
    sound: Annotated[
        bool, typer.Option("--sound", help="Cut the tokens' sound too, into Parquet files that any program reads.")
    ] = False,
    context: Annotated[float, typer.Option(help="Sound before and after each token, s (--sound).")] = 0.05,
    sample_rate: Annotated[int | None, typer.Option(help="Resample to this rate, Hz (--sound).")] = None,
    shard_tokens: Annotated[int, typer.Option(help="Tokens in each file (--sound).")] = 8192,
    engine: Engine = "local",
    jobs: Jobs = None,
    seed: Seed = 0,
    strict: Strict = False,
    as_json: AsJson = False,
    **_options: Any,
) -> None:
    """Turn a corpus and its alignments into a token table, one row a phone; say what was left out and why.

    Example: phonoscope tokens LJSpeech-1.1 --alignments textgrids --out lj.parquet

    Several speakers: phonoscope tokens talks --speaker-tier "{speaker}_phones" --without-overlap --out t.parquet

    Speakers in file names: phonoscope tokens readings --speaker-from "{speaker}_*" --out r.parquet
    """
    from phonoscope.corpora import TokenRules, read_corpus, summary, write_tokens
    from phonoscope.files import sweep

    about_sound = typed(ctx, ("context", "sample_rate", "shard_tokens", "engine", "jobs"))
    if about_sound and not sound:
        written = ", ".join(f"--{name.replace('_', '-')}" for name in about_sound)
        raise PhonoscopeError(f"{written} applies only to the tokens' sound: add --sound, and give a folder as --out")
    if sound and out.suffix in (".parquet", ".csv"):
        raise PhonoscopeError(f"--sound writes a folder, not a file; choose a name other than {out}")
    table = read_corpus(
        corpus,
        seed=seed,
        strict=strict,
        progress=counter("recordings"),
        **typed(ctx, ("alignments", "layout", "alignment_format", *TokenRules.names())),
    )
    if sound:
        from phonoscope.corpora.shards import write_shards
        from phonoscope.corpora.sounds import TokenSounds

        manifest = write_shards(
            table,
            out,
            sample_rate=sample_rate,
            context_seconds=context,
            tokens_per_shard=shard_tokens,
            executor=chosen_engine(engine, jobs),
            strict=strict,
            progress=counter("tokens"),
        )
        del table  # two of them at a time would be the most memory that the command takes
        table = TokenSounds(out).tokens
    else:
        sweep(out.parent, stem=out.stem)
        write_tokens(out, table)
    typer.echo(summary(table))
    if sound:
        typer.echo(
            f"{manifest['cut']} sounds at {manifest['sample_rate']} Hz with {context:g} s on either side, in "
            f"{len(manifest['shards'])} files; {manifest['clipped']} louder than full scale and clipped"
        )
    typer.echo(f"\nread  {corpus}\nwrote {out}")
    if as_json:
        counts = {str(k): int(v) for k, v in table["label"].value_counts().items()}
        warned = table.attrs["settings"]["warnings"]
        left_out = table.attrs["left_out"]
        print_json({"tokens": out.as_posix(), "counts": counts, "left_out": left_out, "warnings": warned})


def align(
    corpus: Corpus,
    out: Annotated[Path, typer.Option(help="Folder for the TextGrids.")],
    words: Annotated[
        str,
        typer.Option(help="auto, from-folder (word/…), transcripts (.txt, .lab), or a CSV recording,text."),
    ] = "auto",
    layout: Layout = "auto",
    dictionary: Annotated[Path | None, typer.Option(help="Pronouncing dictionary (CMU format) for more words.")] = None,
    language: Annotated[
        str,
        typer.Option(
            help="en (pocketsphinx); de, es, fr, cmn and others: MFA if it is installed and has models, else "
            "roughly by espeak-ng."
        ),
    ] = "en",
    jobs: Annotated[int, typer.Option(help="Processes; the result does not depend on it.")] = 1,
    resume: Annotated[bool, typer.Option("--resume/--fresh", help="Keep TextGrids that already exist.")] = True,
    strict: Strict = False,
    as_json: AsJson = False,
) -> None:
    """Find the phones of recordings whose words are known (English needs phonoscope[align]).

    Example: phonoscope align speech_commands --words from-folder --out textgrids
    Example: phonoscope align my-corpus --language de --out textgrids
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
        progress=counter("recordings"),
        language=language,
    )
    typer.echo("\n".join(report.summary()))
    typer.echo(f"\nread  {corpus}\nwrote {report.out}")
    if as_json:
        print_json({"textgrids": report.out.as_posix(), **report.counts})


def unpack(
    table: Annotated[Path, typer.Argument(help="Parquet file with a column of sound, or a folder of them.")],
    out: Annotated[Path, typer.Option(help="Folder for the recordings.")],
    as_json: AsJson = False,
) -> None:
    """Write the recordings of Parquet tables (datasets, model hub) as files, with their texts and labels.

    Example: phonoscope unpack minds14.parquet --out minds14
    """
    from phonoscope.corpora.unpack import unpack as write_recordings

    done = write_recordings(table, out, progress=counter("recordings"))
    typer.echo(f"{done['recordings']} recordings; recordings.csv has {', '.join(done['columns'])}")
    for entry in done["left_out"]:
        typer.echo(left_out_line(entry))
    typer.echo(f"\nread  {table}\nwrote {out}")
    if as_json:
        print_json(done)
