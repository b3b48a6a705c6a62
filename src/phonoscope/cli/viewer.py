"""The command that opens the viewer."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path
from typing import Annotated

import typer

from phonoscope.cli.options import Trust


def view(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN...", help="One finished run, or several to compare.")],
    port: Annotated[int, typer.Option(help="Port on this machine; 0 takes a free one.", min=0, max=65535)] = 0,
    browser: Annotated[bool, typer.Option("--browser/--no-browser", help="Open the page in the browser.")] = True,
    trust_imports: Trust = False,
) -> None:
    """Look at the tokens of a run, listen to them, and ask the network again: a page on this machine alone.

    Prints its address and serves until stopped with Ctrl-C.

    Example: phonoscope view runs/lj
    """
    from phonoscope.viewer.serve import serve

    def announce(address: str) -> None:
        typer.echo(address)
        sys.stdout.flush()

    with contextlib.suppress(KeyboardInterrupt):
        serve(runs, port=port, browser=browser, trust_imports=trust_imports, announce=announce)
