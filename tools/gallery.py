"""The gallery: a page of the documentation that shows every figure with the code that drew it.

``python -m tools.gallery docs`` writes ``docs/gallery.md`` and its pictures from the examples of the figures.
"""

from __future__ import annotations

import inspect
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from types import CodeType, ModuleType
from typing import TYPE_CHECKING, Any

from phonoscope.files import write_text
from phonoscope.report.printed import print_figure, save_figure
from phonoscope.tasks.figures import FIGURES, Figure, made_up

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas

PAGE, PICTURES = "gallery.md", "images/gallery"
_DOTS_PER_INCH = 110

_HEAD = """# Gallery

*Every figure, drawn by its own example. This page is made by `python -m tools.gallery docs`.*

Each figure is one function that draws labelled arrays on a matplotlib `Axes`; of a finished run it can be had by its
name at the width of a journal's column. Sounds are those of synthetic talkers, maps and tables are made up: they
show the figures, not findings. `axes` are those of an empty figure of one column,
`phonoscope.report.printed.print_figure(60).subplots()`. [How to read the figures](figures.md) tells the rest, and
[a figure of your own](figures.md#a-figure-of-your-own) how to add one.
"""


def gallery_page() -> str:
    """Text of the page: what each figure shows and needs, its picture, and the code that drew it."""
    parts = [_HEAD]
    for name, figure in FIGURES.items():
        says = f"{figure.says[0].upper()}{figure.says[1:]}"
        picture = f'<img src="{PICTURES}/{name}.png" alt="{says}" width="420" loading="lazy">'
        parts.append(
            f"## {name}\n\n{says}. Needs {figure.needs}.\n\n{picture}\n\n"
            f"<!-- shown: an example of the gallery, drawn when the pages are built -->\n"
            f"```python\n{example_code(figure.example)}\n```\n"
        )
    return "\n".join(parts)


def example_code(example: Callable[..., Any]) -> str:
    """Return the body of an example after the imports that it needs."""
    body = textwrap.dedent("".join(inspect.getsource(example).splitlines(keepends=True)[1:])).strip()
    rest, modules, names = body.splitlines(), [], {}
    while rest and (not rest[0] or rest[0].startswith("from ")):
        if line := rest.pop(0):
            _, module, _, imported = line.split(maxsplit=3)
            names.setdefault(module, set()).update(imported.split(", "))
    for name in sorted(names_of(example.__code__) & example.__globals__.keys()):
        value = example.__globals__[name]
        if isinstance(value, ModuleType):
            modules.append(f"import {value.__name__} as {name}")
        else:  # constants are those of the made-up data
            names.setdefault(getattr(value, "__module__", made_up.__name__), set()).add(name)
    ours = [f"from {module} import {', '.join(sorted(imported))}" for module, imported in sorted(names.items())]
    return "\n".join([*modules, "", *ours, "", *rest]).strip()


def names_of(code: CodeType) -> set[str]:
    """Names that a piece of code looks up, functions inside it included."""
    inner = [names_of(part) for part in code.co_consts if isinstance(part, CodeType)]
    return set(code.co_names).union(*inner)


def draw_example(figure: Figure) -> Canvas:
    """Draw the example of a figure at the width of a column."""
    canvas = print_figure(figure.height_mm)
    if figure.projection is None:
        figure.example(canvas.subplots())
    else:
        canvas.set_layout_engine("none")
        figure.example(canvas.add_axes((0.02, 0.1, 0.82, 0.85), projection=figure.projection))
    return canvas


def write_gallery(docs: str | Path) -> list[Path]:
    """Write the page and its pictures into the folder of the documentation; returns the paths."""
    docs = Path(docs)
    written = [write_text(docs / PAGE, gallery_page())]
    for name, figure in FIGURES.items():
        path = docs / PICTURES / f"{name}.png"
        written.append(save_figure(draw_example(figure), path, dots_per_inch=_DOTS_PER_INCH))
    return written


if __name__ == "__main__":
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path("docs")
    print(f"wrote {len(write_gallery(folder))} files into {folder}")
