"""Small runs to look at: a real one, one whose texts are hostile, one of many tokens made by writing tables."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from starlette.testclient import TestClient
from viewer_browser import CHROMIUM, DESK, FLAGS, Viewed
from viewer_runs import EVIL, EVIL_CLASS, MANY, client_of, write_many

from phonoscope.experiments.recipe import recipe_from
from phonoscope.tasks import load_recipe, run_experiment
from phonoscope.tasks.phones.recipe import PhonesRecipe


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a run of synthetic talkers with a network that still errs; not to be changed."""
    demo = load_recipe("vowels-4k").changed(epochs=3)
    small = {**demo.to_dict(), "synthetic": {**demo.synthetic, "talkers": 12, "repeats": 2}}
    folder = tmp_path_factory.mktemp("viewer") / "small"
    run_experiment(recipe_from(PhonesRecipe, small), folder, device="cpu")
    assert not (pd.read_parquet(folder / "predictions.parquet").eval("predicted == `class`")).all(), "no error to see"
    return folder


@pytest.fixture
def run_folder(made: Path, tmp_path: Path) -> Path:
    """A copy of it that a test may write notes to."""
    return shutil.copytree(made, tmp_path / "small", ignore=shutil.ignore_patterns("corpus"))


@pytest.fixture(scope="session")
def evil(made: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same run with markup for a class, words, speakers and titles."""
    folder = tmp_path_factory.mktemp("viewer") / "evil"
    shutil.copytree(made, folder, ignore=shutil.ignore_patterns("corpus", "report.html", "figures"))

    def renamed(value: Any) -> Any:
        return EVIL_CLASS if value == "u" else value

    for name in ("tokens", "predictions"):
        table = pd.read_parquet(folder / f"{name}.parquet")
        attrs = table.attrs
        for column in {"class", "predicted"} & set(table):
            table[column] = table[column].map(renamed)
        if name == "tokens":
            table["word"], table["speaker"], table["phone"] = EVIL, EVIL + table["speaker"].astype(str), EVIL
            table["previous"] = table["next"] = EVIL
        table = table.rename(columns={"p_u": f"p_{EVIL_CLASS}"})
        table.attrs = attrs
        table.to_parquet(folder / f"{name}.parquet", index=False)
    facts = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    facts["labels"] = [renamed(label) for label in facts["labels"]]
    facts["title"] = facts["question"] = EVIL
    (folder / "run.json").write_text(json.dumps(facts), encoding="utf-8")
    for config in folder.rglob("classifier/config.json"):
        settings = json.loads(config.read_text(encoding="utf-8"))
        settings["labels"] = [renamed(label) for label in settings["labels"]]
        config.write_text(json.dumps(settings), encoding="utf-8")
    return folder


@pytest.fixture(scope="session")
def many(made: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of 100 000 tokens: its tables and maps are written, its recordings and classifier are the small run's."""
    folder = tmp_path_factory.mktemp("viewer") / "many"
    write_many(made, folder, MANY)
    return folder


@pytest.fixture
def client(made: Path) -> Iterator[TestClient]:
    """A page's requests to the viewer of the small run."""
    with client_of(made) as one:
        yield one


@contextmanager
def starting() -> Iterator[Callable[..., tuple[str, subprocess.Popen[str]]]]:
    """Starts the real command; all that was started ends with the block."""
    running = []

    def start(*folders: Path, more: tuple[str, ...] = ()) -> tuple[str, subprocess.Popen[str]]:
        process = subprocess.Popen(
            [sys.executable, "-m", "phonoscope", "view", *map(str, folders), "--port", "0", "--no-browser", *more],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )
        running.append(process)
        assert process.stdout is not None
        return process.stdout.readline().strip(), process

    yield start
    for process in running:
        if process.poll() is None:
            process.terminate()
        process.communicate(timeout=30)


@pytest.fixture
def started() -> Iterator[Callable[..., tuple[str, subprocess.Popen[str]]]]:
    """Starts the real command: ``started(folder, …)`` gives the address that it prints, and the process."""
    with starting() as start:
        yield start


@pytest.fixture(scope="session")
def served(made: Path) -> Iterator[str]:
    """Address of one viewer of the small run, for tests that leave nothing behind in it."""
    with starting() as start:
        yield start(made)[0]


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Chromium without a window; tests that need it are skipped where it or playwright is missing."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: no browser tests")
    if not CHROMIUM.is_file():
        pytest.skip(f"no browser at {CHROMIUM}: install Chromium, or set PHONOSCOPE_CHROMIUM")
    with sync_api.sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS)
        yield launched
        launched.close()


@pytest.fixture
def look(browser: Any) -> Iterator[Callable[..., Viewed]]:
    """Opens a page at an address that a viewer printed: ``look(address, dark=…, size=…)``."""
    contexts = []

    def open_page(address: str, *, dark: bool = False, size: dict[str, int] = DESK) -> Viewed:
        context = browser.new_context(viewport=size, color_scheme="dark" if dark else "light", accept_downloads=True)
        contexts.append(context)
        return Viewed(context, address)

    yield open_page
    for context in contexts:
        context.close()


@pytest.fixture
def view(look: Any, started: Any) -> Callable[..., Viewed]:
    """Opens the page of a viewer of its own: ``view(folder, …, dark=…, size=…)``."""
    return lambda *folders, **how: look(started(*folders)[0], **how)
