"""``phonoscope export``: results of a run in the formats of other programs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from phonoscope.cli.options import AsJson, names_in
from phonoscope.cli.terminal import counter, print_json, say

export = typer.Typer(
    name="export", help="Write a run's results for other programs.", no_args_is_help=True, rich_markup_mode=None
)


@export.callback()
def _export() -> None:
    """Write a run's results for other programs."""


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
