"""Full disks, folders that may not be written, and a corpus that changes: one clear line, and nothing half-written."""

import ctypes
import os
import resource
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import soundfile

from phonoscope import read_corpus
from phonoscope.errors import ExperimentError
from phonoscope.files import is_begun
from phonoscope.synthesis.corpus import write_corpus
from phonoscope.tasks import load_recipe
from phonoscope.tasks.phones.single import train_classifier
from phonoscope.work.folders import locked
from small import PHONES, recipe_text

EIGHT_ROWS = {"kind": "spectrogram", "rows": 8, "columns": 8}
RECIPE = recipe_text(PHONES | {"front_end": EIGHT_ROWS}, training={"epochs": 1})


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    folder = tmp_path_factory.mktemp("spoken") / "corpus"
    write_corpus(folder, talkers=9, repeats=1, consonants=(), vowels=("i", "u"), sample_rate=8000, seed=1)
    return folder


def phonoscope(*arguments, **how) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-m", "phonoscope", *map(str, arguments)], capture_output=True, text=True, check=False, **how
    )


def assert_one_line(done: subprocess.CompletedProcess, says: str) -> None:
    assert done.returncode == 1, done.stdout + done.stderr
    (line,) = done.stderr.strip().splitlines()
    assert line.startswith("phonoscope: ")
    assert says in line


def files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def test_a_full_disk_is_said_and_what_follows_completes(corpus, tmp_path):
    def full():
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, resource.RLIM_INFINITY))

    ask = ("tokens", corpus, "--classes", "i,u", "--sound", "--out", tmp_path / "t")
    assert_one_line(phonoscope(*ask, preexec_fn=full), "no space is left on the disk")
    assert [path for path in files(tmp_path) if is_begun(path)] == []
    assert phonoscope(*ask).returncode == 0


@pytest.mark.parametrize("kept", [5_000, 200_000], ids=["checkpoint", "classifier"])
def test_a_training_that_filled_the_disk_goes_on(corpus, tmp_path, kept):
    tokens = read_corpus(corpus, classes="i,u")
    (tmp_path / "mini.toml").write_text(RECIPE, encoding="utf-8")
    recipe = load_recipe(tmp_path / "mini.toml")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    out = tmp_path / "c"
    resource.setrlimit(resource.RLIMIT_FSIZE, (kept, before[1]))
    try:
        with pytest.raises(OSError, match=r"File too large|cannot be written"):
            train_classifier(recipe, tokens, out, device="cpu", say=lambda _line: None)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert [path for path in files(out) if is_begun(path)] == []
    result = train_classifier(recipe, tokens, out, device="cpu", resume=True, say=lambda _line: None)
    assert result["n_test"] > 0


def obey_modes():
    """Root may write anywhere: take that right from a process that is about to start."""
    if os.geteuid() == 0:
        change_bounds, write_anyway = 24, 1  # PR_CAPBSET_DROP, CAP_DAC_OVERRIDE
        assert ctypes.CDLL(None).prctl(change_bounds, write_anyway, 0, 0, 0) == 0


def test_a_folder_that_may_not_be_written_is_said(corpus, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    out.chmod(0o555)
    for ask in (("--sound", "--out", out / "t"), ("--sound", "--out", out), ("--out", out / "t.parquet")):
        done = phonoscope("tokens", corpus, "--classes", "i,u", *ask, preexec_fn=obey_modes)
        assert_one_line(done, "no permission to read or write")
        assert list(out.iterdir()) == []


def test_a_training_whose_corpus_changed_is_not_gone_on_with(corpus, tmp_path):
    root = tmp_path / "corpus"
    shutil.copytree(corpus, root)
    (tmp_path / "mini.toml").write_text(RECIPE, encoding="utf-8")
    recipe = load_recipe(tmp_path / "mini.toml")
    out = tmp_path / "c"
    tokens = read_corpus(root, classes="i,u")

    def train(table):
        return train_classifier(recipe, table, out, device="cpu", resume=True, say=lambda _line: None)

    first = train(tokens)
    made = {path: path.read_bytes() for path in files(out)}
    recording = root / tokens["recording"].iloc[0]
    samples, rate = soundfile.read(recording, dtype="int16")
    soundfile.write(recording, samples // 2, rate, subtype="PCM_16")
    with pytest.raises(ExperimentError, match=r"the corpus changed since .* the recordings sound different now"):
        train(tokens)
    shutil.rmtree(recording.parent)
    with pytest.raises(ExperimentError, match=r"the corpus changed since .*\(18 tokens then, 16 now\)"):
        train(read_corpus(root, classes="i,u"))
    assert {path: path.read_bytes() for path in files(out)} == made
    soundfile.write(recording.parent.mkdir() or recording, samples, rate, subtype="PCM_16")
    assert train(tokens) == first


def test_two_at_once_on_one_folder_are_refused(corpus, tmp_path):
    out = tmp_path / "t"
    with locked(out):
        ask = ("tokens", corpus, "--classes", "i,u", "--sound", "--out", out)
        assert_one_line(phonoscope(*ask), f"being written by another phonoscope (process {os.getpid()})")
    assert not out.exists()
