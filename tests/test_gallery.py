"""The page of the documentation that shows every figure: current, and its code draws."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from tools import gallery

ROOT = Path(__file__).resolve().parents[1]


def test_the_page_is_current():
    committed = (ROOT / "docs" / gallery.PAGE).read_text(encoding="utf-8")
    assert committed == gallery.gallery_page(), "run: python -m tools.gallery docs"


@pytest.mark.parametrize("name", ["profile", "vowels", "confusions", "map", "methods", "wigner"])
def test_the_code_that_is_shown_draws(name):
    from phonoscope.report.printed import print_figure

    axes = print_figure(60).subplots()
    exec(gallery.example_code(gallery.FIGURES[name].example), {"axes": axes})
    assert axes.has_data()


def test_every_figure_has_a_picture_and_code():
    page = (ROOT / "docs" / gallery.PAGE).read_text(encoding="utf-8")
    assert re.findall(r"^## (.+)$", page, flags=re.MULTILINE) == list(gallery.FIGURES)
    assert page.count("```python") == page.count('loading="lazy"') == len(gallery.FIGURES)


def test_an_example_on_three_axes_is_drawn_on_them():
    figure = gallery.draw_example(gallery.FIGURES["strs-surface"])
    assert figure.axes[0].name == "3d"
