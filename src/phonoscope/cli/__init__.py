"""The command line: parses, calls the rooms, prints. Heavy imports happen inside the commands."""

from __future__ import annotations

import errno
import sys
import warnings
from typing import Annotated, Any

import typer

from phonoscope import __version__
from phonoscope.cli.audit import audit
from phonoscope.cli.bench import bench
from phonoscope.cli.corpus import align, phones, tokens, unpack
from phonoscope.cli.evidence import evidence
from phonoscope.cli.experiment import demo, report, run, train
from phonoscope.cli.export import export
from phonoscope.cli.figure import figure
from phonoscope.cli.maps import explain, methods
from phonoscope.cli.maximise import maximise
from phonoscope.cli.measures import formants, spectra
from phonoscope.cli.models import check
from phonoscope.cli.perceive import perceive
from phonoscope.cli.verify import verify
from phonoscope.cli.viewer import view
from phonoscope.cli.weights import filters, geometry
from phonoscope.errors import EmptyMapWarning, IncompleteMapWarning, PhonoscopeError

_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_NO_RIGHT = (errno.EACCES, errno.EPERM, errno.EROFS)
_INTERRUPTED = 130  # exit status after Ctrl-C, as shells expect it

app = typer.Typer(
    name="phonoscope",
    help="See what a neural network listens to in speech: in hertz and seconds, beside formants, with chance levels.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


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


_COMMANDS = (
    phones,
    tokens,
    align,
    unpack,
    formants,
    spectra,
    train,
    check,
    explain,
    methods,
    evidence,
    maximise,
    perceive,
    audit,
    run,
    report,
    figure,
    verify,
    view,
    filters,
    geometry,
    demo,
)
for _command in _COMMANDS:
    app.command()(_command)
app.add_typer(bench)
app.add_typer(export)


def _trouble(error: OSError) -> str:
    """Say what the file system refused, and what to do."""
    if error.errno in _NO_ROOM:
        return (
            f"no space is left on the disk ({error}). Finished files are complete; free some space and run the command "
            "again (with --resume, if it has that option)"
        )
    if error.errno in _NO_RIGHT:
        return (
            f"there is no permission to read or write a file or folder ({error}). Choose another one, or ask for access"
        )
    return str(error)


_format_warning = warnings.formatwarning


def _warning_line(message: Warning | str, category: type[Warning], *where: Any, **more: Any) -> str:
    """Our own warnings are one line without the place in the code; those of others stay as they are."""
    if issubclass(category, (EmptyMapWarning, IncompleteMapWarning)):
        return f"phonoscope: {message}\n"
    return _format_warning(message, category, *where, **more)


def main() -> None:
    """Run the command line; errors that phonoscope raises on purpose are one line on stderr and exit status 1.

    So are those of the file system: a full disk, a folder without permission to write.
    """
    warnings.formatwarning = _warning_line  # ty: ignore[invalid-assignment]
    try:
        app()
    except PhonoscopeError as error:
        typer.echo(f"phonoscope: {error}", err=True)
        sys.exit(1)
    except OSError as error:
        typer.echo(f"phonoscope: {_trouble(error)}", err=True)
        sys.exit(1)
    except (KeyboardInterrupt, SystemExit) as end:
        if isinstance(end, SystemExit) and end.code != _INTERRUPTED:
            raise
        typer.echo("\nphonoscope: interrupted; finished work is kept, and --resume continues it", err=True)
        sys.exit(_INTERRUPTED)
