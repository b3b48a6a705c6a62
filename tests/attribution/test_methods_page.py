"""The page about attribution lists the methods that exist, with their families, options and promises."""

import re
from pathlib import Path

import pytest
from small_networks import build, kinds_for, waves

from phonoscope import explain, methods
from phonoscope.attribution import METHODS

PAGE = Path(__file__).resolve().parents[2] / "docs" / "rooms" / "attribution.md"


def rows():
    """Cells of the table of methods, by name."""
    found = {}
    for line in PAGE.read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if line.startswith("| `") and len(cells) == 5:
            found[cells[0].strip("`")] = cells[1:]
    return found


def as_written(value):
    return {True: "yes", False: "no"}.get(value, value) if isinstance(value, bool) else value


def test_every_method_has_its_line_in_the_order_of_the_product():
    assert list(rows()) == list(METHODS) == list(methods())


@pytest.mark.parametrize("name", METHODS)
def test_families_and_options_are_the_real_ones(name):
    family, options, *_ = rows()[name]
    assert family == METHODS[name].family
    expected = [f"{option}={as_written(value)}" for option, value in METHODS[name].options.items()]
    assert re.findall(r"`([^`]+)`", options) == expected


@pytest.mark.parametrize("name", [name for name, method in METHODS.items() if method.family != "wrapper"])
def test_what_the_page_promises_is_what_maps_promise(name):
    if name.startswith("captum:"):
        pytest.importorskip("captum", reason="this method needs the extra captum")
    classifier = build(kinds_for(name)["plain"], 2)
    classifier.keep_reference(waves(5, seed=9))
    maps = explain(classifier, waves(2), "i", name, context_seconds=0.01)
    assert bool(maps.attrs["completeness"]) == (rows()[name][-1] != "–")
