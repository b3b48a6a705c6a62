"""Commands on corpora: ``tokens`` and ``align``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from phonoscope.cli.options import (
    Alignments,
    AsJson,
    Balanced,
    Classes,
    Corpus,
    ExcludeWords,
    Layout,
    Mapping,
    MaxPerClass,
    MinDuration,
    PhoneSet,
    PhoneTier,
    Seed,
    Speakers,
    Stressed,
    Strict,
    WordTier,
    corpus_rules,
)
from phonoscope.cli.terminal import counter, print_json


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

    rules = corpus_rules(locals())
    table = read_corpus(
        corpus, alignments=alignments, seed=seed, strict=strict, progress=counter("recordings"), **rules
    )
    write_tokens(out, table)
    typer.echo(summary(table))
    typer.echo(f"\nread  {corpus}\nwrote {out}")
    if as_json:
        counts = {str(k): int(v) for k, v in table["label"].value_counts().items()}
        print_json({"tokens": out.as_posix(), "counts": counts, "left_out": table.attrs["left_out"]})


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
        progress=counter("recordings"),
    )
    typer.echo("\n".join(report.summary()))
    typer.echo(f"\nread  {corpus}\nwrote {report.out}")
    if as_json:
        print_json({"textgrids": report.out.as_posix(), **report.counts})
