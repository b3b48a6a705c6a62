"""``phonoscope export``: results of a run, and alignments, in the formats of other programs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from phonoscope.cli.options import AsJson, names_in
from phonoscope.cli.terminal import counter, print_json, say

export = typer.Typer(
    name="export", help="Write results or alignments for other programs.", no_args_is_help=True, rich_markup_mode=None
)


@export.callback()
def _export() -> None:
    """Write results or alignments for other programs."""


@export.command()
def praat(
    run_folder: Annotated[Path, typer.Argument(metavar="RUN", help="A finished run.")],
    out: Annotated[Path, typer.Option(help="Folder for the TextGrids and the matrices.")],
    method: Annotated[str | None, typer.Option(help="Method of the maps; the run's own by default.")] = None,
    tokens: Annotated[
        str, typer.Option(help="Maps to write as matrices: how many, or names of tokens, separated by commas.")
    ] = "10",
    as_json: AsJson = False,
) -> None:
    """Write TextGrids with importance beside phones and words, and maps as matrices that Praat draws in Hz and s.

    Example: phonoscope export praat runs/lj --out praat
    """
    from phonoscope.experiments.praat_export import export_praat

    wanted = int(tokens) if tokens.strip().lstrip("-").isdigit() else names_in(tokens)
    result = export_praat(run_folder, out, method=method, tokens=wanted, progress=counter("recordings"))
    if as_json:
        print_json(result.to_dict())
        return
    say(f"{result.tokens} tokens of {len(result.textgrids)} recordings, maps by {result.method}")
    for name in result.absent[:5]:
        say(f"recording not found: {name}; its TextGrid ends with its last token")
    if len(result.absent) > 5:
        say(f"… and {len(result.absent) - 5} more recordings not found")
    if result.left_out:
        say(f"left out: {len(result.left_out)} × token: map not finite; e.g. {', '.join(result.left_out[:3])}")
    say(f"read  {run_folder}\nwrote {out} ({len(result.textgrids)} TextGrids, {len(result.matrices)} matrices)")


@export.command()
def alignments(
    corpus: Annotated[Path, typer.Argument(metavar="CORPUS", help="A folder of recordings with alignments.")],
    out: Annotated[Path, typer.Option(help="Folder to write into.")],
    to: Annotated[str, typer.Option(help="Format to write: textgrid, ctm, emu or csv.")] = "textgrid",
    alignments: Annotated[
        Path | None, typer.Option(help="Folder of the alignments; found by itself otherwise.")
    ] = None,
    alignment_format: Annotated[str | None, typer.Option(help="Read only this format; by default all.")] = None,
    as_json: AsJson = False,
) -> None:
    """Write the alignments of a corpus in another format: all tiers of every recording.

    Example: phonoscope export alignments corpus --to ctm --out ctm
    """
    from phonoscope.corpora.convert import convert_alignments
    from phonoscope.left_out import left_out_line

    result = convert_alignments(
        corpus, out, to, alignments=alignments, alignment_format=alignment_format, progress=counter("recordings")
    )
    if as_json:
        files = [str(path) for path in result.files]
        print_json({"recordings": result.recordings, "left_out": result.left_out, "files": files})
        return
    say(f"{result.recordings} recordings in {len(result.files)} files")
    for entry in result.left_out:
        say(left_out_line(entry))
    say(f"read  {corpus}\nwrote {out} ({len(result.files)} files)")
