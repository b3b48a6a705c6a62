"""The command that draws one figure of a run for print."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from phonoscope.cli.options import Trust
from phonoscope.errors import PhonoscopeError


def figure(
    run_folder: Annotated[Path | None, typer.Argument(metavar="RUN", help="A finished run.")] = None,
    name: Annotated[
        str | None, typer.Argument(help="Which figure (--list prints the names), or your own: package.module:name.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="File to write: .pdf, .svg or .png.")] = None,
    label: Annotated[str | None, typer.Option("--class", help="Class, as the run names it, such as i.")] = None,
    token: Annotated[str | None, typer.Option(help="Token; a typical one of the class by default.")] = None,
    method: Annotated[str | None, typer.Option(help="Method of the map; the run's own by default.")] = None,
    scale: Annotated[str, typer.Option(help="Scale of the vowel chart: hz, bark or lobanov.")] = "hz",
    sign: Annotated[str, typer.Option(help="Of a map: signed, or positive (what speaks for the class).")] = "signed",
    columns: Annotated[int, typer.Option(help="Width: 1 column (85 mm) or 2 (175 mm).")] = 1,
    width: Annotated[float | None, typer.Option(help="Width in mm, instead of columns.")] = None,
    dpi: Annotated[int, typer.Option(help="Dots per inch of PNG and of pictures in PDF and SVG.")] = 300,
    trust_imports: Trust = False,
    listed: Annotated[bool, typer.Option("--list", help="Print the names of all figures and what they show.")] = False,
) -> None:
    """Draw one figure of a run at the width of a journal's column, with its letters inside.

    Example: phonoscope figure runs/lj profile --class i --out profile.pdf
    """
    from phonoscope.report.printed import save_figure, undrawable
    from phonoscope.tasks.figures import FIGURES, figure_of_run

    if listed:
        wide = max(map(len, FIGURES))
        typer.echo("\n".join(f"{key:<{wide}}  {figure.says}" for key, figure in FIGURES.items()))
        return
    if run_folder is None or name is None or out is None:
        raise PhonoscopeError("a run, a figure and a file are needed: phonoscope figure RUN NAME --out fig.pdf")
    drawn = figure_of_run(
        run_folder, name, label=label, token=token, method=method, scale=scale, sign=sign, columns=columns,
        width_mm=width, trust_imports=trust_imports,
    )  # fmt: skip
    if missing := undrawable(drawn):
        typer.echo(f"phonoscope: no installed font has {' '.join(sorted(missing))}: drawn as empty boxes", err=True)
    typer.echo(f"read  {run_folder}\nwrote {save_figure(drawn, out, dots_per_inch=dpi)}")
