"""The command that says whether a folder still is as it was written."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from phonoscope.cli.options import AsJson
from phonoscope.cli.terminal import print_json
from phonoscope.errors import PhonoscopeError


def verify(
    folder: Annotated[Path, typer.Argument(help="A run, a trained classifier, a folder of maps or of tokens.")],
    as_json: AsJson = False,
) -> None:
    """Check whether any file of a finished folder was altered, is missing, or is new: exit status 1 if so.

    Example: phonoscope verify runs/lj
    """
    from phonoscope.work.folders import verify as compare

    verified = compare(folder)
    kinds = {"altered": verified.altered, "missing": verified.missing, "new": verified.new}
    for kind, names in kinds.items():
        for name in names:
            typer.echo(f"{kind:<8}{name}")
    if as_json:
        print_json({"folder": folder.as_posix(), "files": verified.files, "as_written": verified.as_written, **kinds})
    if not verified.as_written:
        counts = ", ".join(f"{len(names)} {kind}" for kind, names in kinds.items() if names)
        raise PhonoscopeError(f"{folder} is not as it was written: {counts}")
    if not as_json:
        typer.echo(f"{verified.files} files, all as they were written\n\nread  {folder}")
