"""What the README and the documentation say is tried: code runs, commands parse, links lead somewhere, tables agree."""

import csv
import re
import shlex
import tomllib
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import typer.main

import phonoscope
from phonoscope.cli import app
from phonoscope.experiments.recipe import recipe_from
from phonoscope.tasks import load_recipe, run_experiment
from phonoscope.tasks.phones.recipe import PhonesRecipe

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(DOCS.rglob("*.md"))]
NAMES = [page.relative_to(ROOT).as_posix() for page in PAGES]
BLOCK = re.compile(
    r"(?:<!-- (?P<marker>[^>]*) -->\n)?^```(?P<language>\w*)\n(?P<code>.*?)^```$", re.MULTILINE | re.DOTALL
)
COMMANDS = typer.main.get_command(app).commands  # ty: ignore[missing-attribute]


def blocks(page: Path, language: str) -> list[tuple[str | None, str]]:
    """Marker and code of each block of a language."""
    found = BLOCK.finditer(page.read_text(encoding="utf-8"))
    return [(match["marker"], match["code"]) for match in found if match["language"] == language]


def prose(page: Path) -> str:
    return BLOCK.sub("", page.read_text(encoding="utf-8"))


def inline_code(text: str) -> list[str]:
    """Contents of single and double backticks."""
    return [match[2].strip() for match in re.finditer(r"(?<!`)(`+)(.+?)(?<!`)\1(?!`)", text)]


def parse_command(line: str) -> None:
    """Parse a line as the shell and phonoscope would, without running it."""
    name, *arguments = shlex.split(line.split(" #")[0])[1:]
    if name != "--version":
        COMMANDS[name].make_context(name, arguments)


# The README's lines run in the test of its figure, those of models from elsewhere where there are checkpoints for them.
ELSEWHERE = DOCS / "tutorials" / "models-from-elsewhere.md"
WITH_CODE = [
    page for page in PAGES[1:] if page != ELSEWHERE and any(marker == "runs" for marker, _ in blocks(page, "python"))
]


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with a small run where `make demo` leaves its own."""
    folder = tmp_path_factory.mktemp("documentation")
    demo = load_recipe("vowels-4k").changed(epochs=2)
    small = recipe_from(PhonesRecipe, {**demo.to_dict(), "synthetic": {**demo.synthetic, "talkers": 9, "repeats": 2}})
    run_experiment(small, folder / "runs" / "demo" / "vowels-4k", device="cpu")
    return folder


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_python_blocks_say_whether_they_run(page: Path) -> None:
    for marker, code in blocks(page, "python"):
        assert marker == "runs" or (marker or "").startswith("shown: "), f"unmarked block:\n{code}"


@pytest.mark.parametrize("page", WITH_CODE, ids=lambda page: page.name)
def test_python_blocks_run(page: Path, workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import matplotlib

    matplotlib.use("Agg")
    monkeypatch.chdir(workspace)
    names: dict[str, Any] = {}
    for marker, code in blocks(page, "python"):
        if marker == "runs":
            exec(compile(code, str(page), "exec"), names)
    assert len(names) > 1, f"the code of {page.name} that runs names nothing"


def test_figure_of_the_readme_is_what_its_lines_make(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import matplotlib

    matplotlib.use("Agg")
    monkeypatch.chdir(workspace)
    names: dict[str, Any] = {}
    exec(blocks(ROOT / "README.md", "python")[0][1], names)
    maps, grid = names["maps"], names["grid"]
    assert sorted(maps["token"].values) == sorted("iæɝɑu")
    assert maps.attrs["units"] == "logit"
    assert maps["frequency"].attrs["units"] == "Hz"
    assert len(grid.axs.flat) == 5
    assert (workspace / "maps.png").stat().st_size > 10_000
    images = {path.name: path.stat().st_size for path in (DOCS / "images").iterdir()}
    assert images["maps.png"] <= 300_000
    assert sum(images.values()) <= 1_500_000


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_console_lines_parse(page: Path) -> None:
    targets = re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    for _, code in blocks(page, "console"):
        for line in code.splitlines():
            assert line.startswith("$ "), line
            program, argument = line[2:].split(" ")[:2]
            if program == "phonoscope":
                parse_command(line[2:])
            elif program == "make":
                assert argument in targets
            else:
                assert program == "pip"


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_options_in_running_text_exist(page: Path) -> None:
    every = [part for command in COMMANDS.values() for part in (command, *getattr(command, "commands", {}).values())]
    known = {option for command in every for p in command.params for option in (*p.opts, *p.secondary_opts)}
    for code in inline_code(prose(page)):
        words = code.split()
        if words[0] == "phonoscope" and len(words) > 1 and not words[1].startswith("--"):
            assert words[1] in COMMANDS, code
        if words[0] in ("phonoscope", "align") or words[0].startswith("--"):
            for word in words:
                if word.startswith("--") and word != "--help":
                    assert word in known, code


def test_wrong_command_lines_are_noticed() -> None:
    with pytest.raises(Exception, match="No such option"):
        parse_command("phonoscope tokens my-corpus --out t.csv --colour red")
    with pytest.raises(Exception, match=r"[Mm]issing"):
        parse_command("phonoscope tokens my-corpus")


def test_recipes_in_the_documentation_are_valid(tmp_path: Path) -> None:
    recipes = [code for page in PAGES for _, code in blocks(page, "toml")]
    assert recipes
    for code in recipes:
        (tmp_path / "recipe.toml").write_text(code, encoding="utf-8")
        assert load_recipe(tmp_path / "recipe.toml", trust_imports=True).name


def anchors(page: Path) -> set[str]:
    """Anchors of the headings of a page, and of the names that its API directives insert."""
    text = page.read_text(encoding="utf-8")
    slugs = {
        re.sub(r"[^\w\- ]", "", title.lower()).strip().replace(" ", "-")
        for title in re.findall(r"^#+ (.*)$", text, re.M)
    }
    return slugs | set(re.findall(r"^::: (\S+)$", text, re.MULTILINE))


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
        if "://" in target:
            continue
        file, _, anchor = target.partition("#")
        there = (page.parent / file).resolve() if file else page
        assert there.is_file(), f"{target} in {page.name}"
        if page.is_relative_to(DOCS):
            assert there.is_relative_to(DOCS), f"{target} is not part of the built pages"
        if anchor:
            assert anchor in anchors(there), f"no heading {anchor} in {there.name}"


def test_every_page_is_in_the_contents() -> None:
    settings = tomllib.loads((ROOT / "zensical.toml").read_text(encoding="utf-8"))["project"]

    def listed(entries: Any) -> list[str]:
        if isinstance(entries, str):
            return [entries]
        values = entries.values() if isinstance(entries, dict) else entries
        return [name for entry in values for name in listed(entry)]

    assert sorted(listed(settings["nav"])) == sorted(p.relative_to(DOCS).as_posix() for p in DOCS.rglob("*.md"))
    assert settings["theme"]["font"] is False  # fonts from elsewhere would be fetched by every reader


def test_phone_table_of_the_documentation_is_the_one_used() -> None:
    text = (DOCS / "formats.md").read_text(encoding="utf-8").partition("<!-- phones.csv -->")[2].partition("\n## ")[0]
    shown = [[cell.strip() for cell in line.strip("| ").split(" | ")] for line in text.strip().splitlines()[2:]]
    with (ROOT / "src/phonoscope/data/phones.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(shown) == len(rows)
    for cells, row in zip(shown, rows, strict=True):
        assert cells[0] == row["label"] + (" *" if row["paper"] == "true" else "")
        assert cells[1:3] == [f"`{row['alias']}`", row["kind"]]
        for cell, column in zip(cells[3:], ("arpabet", "timit", "sampa", "mfa"), strict=True):
            assert inline_code(cell) == row[column].split()


def test_names_and_commands_are_complete() -> None:
    api = (DOCS / "api.md").read_text(encoding="utf-8")
    assert set(re.findall(r"`ps\.(\w+)`", api)) == set(phonoscope.__all__) - {"__version__"}
    for path in re.findall(r"^::: (\S+)$", api, re.MULTILINE):
        module, _, name = path.rpartition(".")
        assert hasattr(import_module(module), name), path
    commands = (DOCS / "rooms/commands.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^\| `(\w+)` \|", commands, re.MULTILINE)) == set(COMMANDS)


def test_versions_agree() -> None:
    assert f"## [{phonoscope.__version__}]" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert f"version: {phonoscope.__version__}\n" in (ROOT / "CITATION.cff").read_text(encoding="utf-8")
