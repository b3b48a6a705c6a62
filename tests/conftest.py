"""Fixtures that several rooms share: real recordings, a small corpus of synthetic talkers, the command line."""

import io
import json
import os
import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path

import hypothesis
import pytest
import torch

from phonoscope.synthesis.corpus import write_corpus
from small import VOWELS, recipe_text

# A busy machine is no fault of the code; in CI every run tries the same examples.
hypothesis.settings.register_profile("phonoscope", deadline=None, derandomize=bool(os.environ.get("CI")))
hypothesis.settings.load_profile("phonoscope")

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"


@dataclass
class Answer:
    """What a command left: exit status, and the texts it printed."""

    status: int
    out: str
    err: str

    @property
    def json(self):
        def refuse(constant):
            raise AssertionError(f"{constant} is not JSON")

        return json.loads(self.out.strip().splitlines()[-1], parse_constant=refuse)


def command(*arguments) -> Answer:
    """Run a command as `phonoscope …` does, in this process."""
    from phonoscope.cli import main

    out, err, before, status = io.StringIO(), io.StringIO(), sys.argv, 0
    sys.argv = ["phonoscope", *map(str, arguments)]
    try:
        with redirect_stdout(out), redirect_stderr(err):
            main()
    except SystemExit as end:
        status = end.code or 0
    finally:
        sys.argv = before
    return Answer(status, out.getvalue(), err.getvalue())


@pytest.fixture(scope="session")
def phonoscope():
    return command


@pytest.fixture(scope="session", autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def talkers(tmp_path_factory) -> Path:
    """Folder of a corpus of twelve talkers; not to be changed."""
    folder = tmp_path_factory.mktemp("talkers") / "corpus"
    write_corpus(folder, talkers=12, repeats=2, consonants=(), sample_rate=16000, seed=1)
    return folder


@pytest.fixture(scope="session")
def recipe_file(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("recipe") / "mini.toml"
    path.write_text(recipe_text(VOWELS), encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def finished(talkers, recipe_file, tmp_path_factory) -> tuple[Path, Answer]:
    """Folder of a finished run and what the command printed; not to be changed."""
    out = tmp_path_factory.mktemp("runs") / "mini"
    return out, command("run", recipe_file, "--corpus", talkers, "--out", out, "--seed", 2, "--json")


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of real recordings beside the repository; the test is skipped where it is absent."""
    if not SHARED.is_dir():
        pytest.skip(f"real data not found at {SHARED}: this test runs only where the shared recordings lie there")
    return SHARED
