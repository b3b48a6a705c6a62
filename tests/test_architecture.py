"""The house: no arrow between rooms runs up, files and signatures stay small, parameters are described.

What does not keep a rule yet is listed; the lists may only shrink (an entry that keeps the rule fails the test).
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import phonoscope

PACKAGE = Path(phonoscope.__file__).parent
REPOSITORY = Path(__file__).resolve().parents[1]
SOURCES = sorted([*PACKAGE.rglob("*.py"), *(REPOSITORY / "benchmarks").rglob("*.py")])

# Lowest floor first: a room imports only from those before it, so there is no circle either.
ROOMS = [
    *("data", "errors", "files", "left_out", "registry", "scales", "modules", "tracing"),
    *("axes", "cells", "phones", "band_filters", "audio", "work", "judgement", "corpora", "synthesis"),
    *("frontends", "networks", "reference", "classifier", "models", "training"),
    *(
        "attribution",
        "filters",
        "layer_geometry",
        "phonetics",
        "evidence",
        "manipulate",
        "perception",
        "audit",
        "layers",
    ),
    *("report", "experiments", "tasks", "viewer", "benchmarks", "cli", "__main__"),
]

ARROWS_UP = {("reference", "classifier"), ("report", "tasks")}
LONG_FILES = {"corpora/test_align.py", "phones/test_named_figures.py"}
LONG_SIGNATURES = {"attribution.effects.band_effects", "training.loop.train"}
MAX_LINES = 450
MAX_PARAMETERS = 10
DOTTED = re.compile(r"(?:phonoscope|benchmarks)(?:\.\w+)+(?::\w+)?")


def room_of(path: Path) -> str:
    """Room of a source file: the first name below the package."""
    if not path.is_relative_to(PACKAGE):
        return "benchmarks"
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def modules_named(tree: ast.Module) -> Iterator[str]:
    """Dotted names of modules that a file imports: at the top, in functions, for types, and by a name in a text."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.module is not None, "imports are absolute"
            if node.module == "phonoscope":
                yield from (f"phonoscope.{alias.name}" for alias in node.names)
            else:
                yield node.module
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and DOTTED.fullmatch(node.value):
            yield node.value


def arrows() -> dict[tuple[str, str], list[str]]:
    """Files in which one room imports from another, by the two rooms."""
    found: dict[tuple[str, str], list[str]] = {}
    for path in SOURCES:
        room = room_of(path)
        if room == "__init__":  # the public face
            continue
        for name in modules_named(ast.parse(path.read_text(encoding="utf-8"))):
            top, _, rest = name.partition(".")
            other = {"benchmarks": "benchmarks", "phonoscope": rest.partition(".")[0].partition(":")[0]}.get(top, "")
            if other and other != room and not _is_public(other):
                found.setdefault((room, other), []).append(path.name)
    return found


def _is_public(name: str) -> bool:
    return name in phonoscope.__all__ and not (PACKAGE / name).is_dir()


def test_no_arrow_between_rooms_runs_up():
    found = arrows()
    assert {room for pair in found for room in pair} - set(ROOMS) == set(), "give each room its floor in ROOMS"
    up = {pair: files for pair, files in found.items() if ROOMS.index(pair[0]) < ROOMS.index(pair[1])}
    assert set(up) == ARROWS_UP, up


def test_arrows_are_found_wherever_they_stand():
    source = """
from typing import TYPE_CHECKING
if TYPE_CHECKING:
    from phonoscope.report import style
HOME = {"page": "phonoscope.tasks.phones.page:write"}
def late():
    import phonoscope.viewer
    from phonoscope import axes
"""
    rooms = {name.split(".")[1] for name in modules_named(ast.parse(source)) if "." in name}
    assert rooms == {"report", "tasks", "viewer", "axes"}


def test_files_fit_in_the_head():
    written = [*SOURCES, *PACKAGE.rglob("*.js"), *PACKAGE.rglob("*.css"), *(REPOSITORY / "tests").rglob("*.py")]
    lines = {
        path.relative_to(path.parents[1]).as_posix(): len(path.read_text("utf-8").splitlines()) for path in written
    }
    assert {name for name, number in lines.items() if number > MAX_LINES} == LONG_FILES


def public_functions(path: Path) -> Iterator[tuple[str, ast.FunctionDef]]:
    """Public functions of a module with their dotted names."""
    module = path.relative_to(PACKAGE).with_suffix("").as_posix().replace("/", ".").removesuffix(".__init__")
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
            yield f"{module}.{node.name}", node


def parameters_of(function: ast.FunctionDef) -> list[str]:
    given = function.args
    return [a.arg for a in (*given.posonlyargs, *given.args, given.vararg, *given.kwonlyargs, given.kwarg) if a]


def described(docstring: str) -> set[str]:
    """Names in the section Parameters of a NumPy-style docstring."""
    section = re.search(r"^Parameters\n-{10}\n(.*?)(?=^\w[\w ]*\n-{3,}$|\Z)", docstring, re.DOTALL | re.MULTILINE)
    if section is None:
        return set()
    heads = re.findall(r"^(\S[^:\n]*)", section[1], re.MULTILINE)
    return {name.strip(" *") for head in heads for name in head.split(",")}


LIBRARY = [path for path in SOURCES if room_of(path) not in ("benchmarks", "cli", "__init__", "__main__")]


def test_signatures_stay_short():
    functions = [pair for path in LIBRARY for pair in public_functions(path)]
    assert {name for name, node in functions if len(parameters_of(node)) > MAX_PARAMETERS} == LONG_SIGNATURES


@pytest.mark.parametrize("room", sorted({room_of(path) for path in LIBRARY}))
def test_parameters_are_described(room):
    missing = {
        name: sorted(lacking)
        for path in LIBRARY
        if room_of(path) == room
        for name, node in public_functions(path)
        if len(parameters_of(node)) >= 3
        and (lacking := set(parameters_of(node)) - described(ast.get_docstring(node) or ""))
    }
    assert missing == {}
