"""What a figure is: one object that says what it shows, draws it from arrays or a run, and tells how to read it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from phonoscope.errors import PhonoscopeError
from phonoscope.report.plates import Panel, Plate
from phonoscope.report.printed import print_figure
from phonoscope.tasks import task_of_run

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas

    from phonoscope.tasks.content import Content


@dataclass(frozen=True)
class FigureRequest:
    """What is wanted of a figure of a run; None leaves the choice to the figure.

    Attributes
    ----------
    content : Content
        The run.
    label, token, method : str, optional
        Class, name of a token, and method of the maps.
    scale, sign : str
        Of the vowel chart and of a map, see `figure_of_run`.
    columns : int
        Width in columns of a journal.
    width_mm : float, optional
        Width, instead of columns.
    trust_imports : bool
        Whether the run's model may import the code that it names.
    """

    content: Content
    label: str | None = None
    token: str | None = None
    method: str | None = None
    scale: str = "hz"
    sign: str = "signed"
    columns: int = 1
    width_mm: float | None = None
    trust_imports: bool = False

    @property
    def labels(self) -> list[str]:
        """The class that is wanted, or all."""
        return self.content.labels if self.label is None else [self.label]

    def canvas(self, height_mm: float) -> Canvas:
        """Return an empty figure of the width that is wanted."""
        return print_figure(height_mm, columns=self.columns, width_mm=self.width_mm)

    def drawn(self, height_mm: float, draw: Callable[..., Any], *data: Any, **options: Any) -> Canvas:
        """Return a figure of the width that is wanted, drawn by ``draw(axes, *data, **options)``."""
        figure = self.canvas(height_mm)
        draw(figure.subplots(), *data, **options)
        return figure


@dataclass(frozen=True, kw_only=True)
class Figure:
    """A figure: everything that phonoscope needs to draw, print, explain and list it.

    Declare one beside the function that draws, and add a line to `phonoscope.tasks.figures.FIGURES` (or an entry point
    ``phonoscope.figures``; or give ``package.module:name`` wherever a figure is named).

    Attributes
    ----------
    name : str
        As on the command line and in `FIGURES`.
    says : str
        What it shows, in a line that goes on after "a figure of a run: ".
    needs : str
        The data that `draw` takes, in words.
    draw : function
        ``draw(axes, *data, **options)`` draws labelled arrays or tables on a matplotlib `Axes`.
    of_run : function
        ``of_run(request)`` draws it of a run at the width of a journal's column: takes a `FigureRequest`, returns a
        matplotlib figure (begin with ``request.canvas(height_mm)``). Raises PhonoscopeError, in words, if the run lacks
        what it takes.
    example : function
        ``example(axes)`` draws made-up data for the gallery; its body is printed there.
    title, caption, reading : str
        Of the plate on a page: what stands above and below the panels, and how to read them. Braces in title and
        caption are filled in by `plate`.
    choices : tuple of {"class", "token", "method", "scale", "sign"}
        Options of the command line that mean something for it; ``scale`` and ``sign`` are ignored elsewhere.
    tasks : tuple of str
        The tasks whose runs it can be drawn of; empty for all.
    height_mm : float
        Of the example.
    projection : str, optional
        Of the example's axes: ``3d``.
    """

    name: str
    says: str
    needs: str
    draw: Callable[..., Any]
    of_run: Callable[[FigureRequest], Canvas]
    example: Callable[[Axes], Any]
    title: str = ""
    caption: str = ""
    reading: str = ""
    choices: tuple[str, ...] = ()
    tasks: tuple[str, ...] = ()
    height_mm: float = 60.0
    projection: str | None = None

    def plate(
        self,
        panels: list[Panel],
        data: pd.DataFrame,
        *,
        key: str = "",
        missing: str = "",
        legend: Panel | None = None,
        width: str = "small",
        **facts: object,
    ) -> Plate:
        """Panels of this figure as a plate of a page, with its caption and reading help.

        Parameters
        ----------
        panels : list of Panel
        data : DataFrame
            What the panels show.
        key : str
            Name of the plate; the figure's own by default.
        missing : str
            Which panels there should be and are not, in words.
        legend : Panel, optional
        width : {"small", "medium", "half", "wide", "full"}
        **facts
            Words for the braces in title and caption.
        """
        title, caption = self.title.format(**facts), self.caption.format(**facts)
        return Plate(key or self.name, title, caption, self.reading, panels, data, missing, legend, width)


def figure_of_run(
    run_folder: str | Path,
    name: str,
    *,
    label: str | None = None,
    token: str | None = None,
    method: str | None = None,
    scale: str = "hz",
    sign: str = "signed",
    columns: int = 1,
    width_mm: float | None = None,
    trust_imports: bool = False,
) -> Canvas:
    """Draw a figure of a finished run at the width of one or two columns of a journal.

    Parameters
    ----------
    run_folder : path
    name : str
        One of `FIGURES`, or ``package.module:name`` of a `Figure`.
    label : str, optional
        Class; the first one, or all where the figure has room for them.
    token : str, optional
        Name of a token; a typical one of the class by default.
    method : str, optional
        Of the maps; the run's own by default. Maps that the run does not hold are computed for the token.
    scale : {"hz", "bark", "lobanov"}
        Of the vowel chart.
    sign : {"signed", "positive"}
        Of the map.
    columns : {1, 2}
        85 or 175 mm.
    width_mm : float, optional
        Width, instead of columns.
    trust_imports : bool
        Allow the run's model to import the code that it names.

    Raises
    ------
    PhonoscopeError
        If the run has no such class or token, or lacks what the figure needs; `save_figure` writes the result.
    """
    from phonoscope.tasks.content import read_content
    from phonoscope.tasks.figures import FIGURES, find_figure

    figure = find_figure(name)
    for choice, value in {"class": label, "token": token, "method": method}.items():
        if value is not None and choice not in figure.choices:
            raise PhonoscopeError(f"--{choice} means nothing for the figure {name}, which shows {figure.says}")
    content = read_content(run_folder)
    task = task_of_run(content.run).name
    if figure.tasks and task not in figure.tasks:
        others = ", ".join(other.name for other in FIGURES.values() if not other.tasks or task in other.tasks)
        raise PhonoscopeError(
            f"the figure {name} is drawn of runs of the task {' or '.join(figure.tasks)}, and this run is of the task "
            f"{task}; "
            f"of it can be drawn: {others}"
        )
    if label is not None and label not in content.labels:
        raise PhonoscopeError(f"the run has no class {label!r}; it has {', '.join(content.labels)}")
    return figure.of_run(FigureRequest(content, label, token, method, scale, sign, columns, width_mm, trust_imports))
