"""A cluster gives what one machine gives, file by file; killed workers and drivers lose nothing that was written."""

import os
import subprocess
import sys
import time
from pathlib import Path

import cluster_tasks
import pytest
from typer.testing import CliRunner

import phonoscope
from phonoscope import Classifier
from phonoscope.cli import app
from phonoscope.errors import ExperimentError, MissingExtraError, PhonoscopeError
from phonoscope.experiments.explaining import explain_tokens
from phonoscope.frontends import Spectrogram
from phonoscope.synthesis.corpus import write_corpus
from phonoscope.work.executor import in_this_process
from small import THREE_VOWELS, recipe_text

ray = pytest.importorskip("ray", reason="needs the extra ray")
from phonoscope.work.cluster import on_ray  # noqa: E402

pytestmark = pytest.mark.timeout(600)

RECIPE = recipe_text(THREE_VOWELS, training={"epochs": 2}, split={"folds": 2})


@pytest.fixture(scope="module", autouse=True)
def cluster():
    """One small cluster for all tests of this file; none of them starts its own."""
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")
    folders = (Path(__file__).parent, Path(phonoscope.__file__).parents[1])  # workers import the code under test
    here = {"env_vars": {"PYTHONPATH": os.pathsep.join(map(str, folders))}}
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, runtime_env=here)
    yield
    ray.shutdown()


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A corpus of nine talkers, its tokens with sound in several files, and a run."""
    place = tmp_path_factory.mktemp("cluster")
    write_corpus(place / "corpus", talkers=9, repeats=1, consonants=(), vowels=("i", "æ", "u"), sample_rate=8000)
    (place / "mini.toml").write_text(RECIPE, encoding="utf-8")
    command("tokens", place / "corpus", "--classes", "i,ae,u", "--sound", "--shard-tokens", "6", "--out", place / "cut")
    command("run", place / "mini.toml", "--corpus", place / "corpus", "--device", "cpu", "--out", place / "run")
    return place


def command(*words):
    done = CliRunner().invoke(app, [str(word) for word in words])
    assert done.exit_code == 0, (done.output, done.exception)
    return done.output


def same(a, b):
    """Whether two folders, or files, hold the same, byte by byte."""
    if a.is_file():
        return a.read_bytes() == b.read_bytes()
    names = [sorted(path.relative_to(x).as_posix() for path in x.rglob("*") if path.is_file()) for x in (a, b)]
    return names[0] == names[1] and all((a / name).read_bytes() == (b / name).read_bytes() for name in names[0])


STAGES = {
    "tokens": (["tokens", "corpus", "--classes", "i,ae,u", "--sound", "--shard-tokens", "6"], "made"),
    "formants": (["formants", "cut"], "made.parquet"),
    "spectra": (["spectra", "cut", "--recipe", "mini.toml"], "made"),
    "maps of a run": (["explain", "run", "--method", "integrated-gradients", "--device", "cpu"], "made"),
    "maps of tokens": (["explain", "run/classifier", "--tokens", "cut", "--method", "cam", "--device", "cpu"], "made"),
}


@pytest.mark.parametrize("stage", STAGES)
def test_a_cluster_writes_the_same_files(stage, place, tmp_path, monkeypatch):
    monkeypatch.chdir(place)
    words, name = STAGES[stage]
    for engine in ("local", "ray"):
        # Where the workers of a cluster are, relative paths mean something else.
        command(*words, "--engine", engine, "--out", os.path.relpath(tmp_path / engine / name))
    assert same(tmp_path / "local" / name, tmp_path / "ray" / name)


def test_a_cluster_finds_the_same_evidence(place, tmp_path):
    found = []
    for engine in ("local", "ray"):
        run = tmp_path / engine
        subprocess.run(["cp", "-r", place / "run", run], check=True)
        command("evidence", run, "--methods", "cam", "--tokens", "6", "--engine", engine)
        found.append(run / "evidence")
    assert same(*found)


def test_results_come_in_the_order_of_the_tasks():
    tasks = list(range(7))
    assert (
        list(on_ray(workers=2)(cluster_tasks.square, tasks))
        == list(in_this_process(cluster_tasks.square, tasks))
        == [t**2 for t in tasks]
    )
    assert list(on_ray()(cluster_tasks.square, [])) == []


def test_a_killed_worker_loses_nothing(tmp_path):
    tasks = [(number, str(tmp_path / "mark")) for number in range(5)]
    assert list(on_ray(workers=2)(cluster_tasks.kills_its_process, tasks)) == list(range(5))
    assert (tmp_path / "mark").exists()


def test_a_task_that_kills_every_worker_is_given_up():
    with pytest.raises(PhonoscopeError, match=r"gave up .*fewer --jobs: what is finished is kept"):
        list(on_ray(workers=1)(cluster_tasks.always_kills_its_process, [0, 1]))


def test_what_a_task_raises_is_raised_where_the_command_was_given():
    with pytest.raises(ExperimentError, match="the second one cannot be done"):
        list(on_ray()(cluster_tasks.refuses, [0, 1, 2]))
    with pytest.raises(ZeroDivisionError) as caught:
        list(on_ray()(cluster_tasks.fails, [0, 1]))
    assert any("in fails" in note for note in caught.value.__notes__)


@pytest.mark.parametrize(("given", "says"), [({"workers": 0}, "--jobs is 0"), ({"gpus": -1.0}, "--gpus -1")])
def test_numbers_that_make_no_sense_are_refused(given, says):
    with pytest.raises(PhonoscopeError, match=says):
        on_ray(**given)


def test_without_ray_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray.data", None)
    with pytest.raises(MissingExtraError, match=r"phonoscope\[ray\]"):
        on_ray()


def test_gpus_that_are_not_there_are_refused():
    if ray.cluster_resources().get("GPU"):
        pytest.skip("there is a GPU")
    with pytest.raises(PhonoscopeError, match=r"--gpus 0\.5 was requested, but the cluster has 0 GPUs"):
        list(on_ray(gpus=0.5)(cluster_tasks.square, [1]))


def test_a_killed_driver_loses_no_finished_part(place, tmp_path):
    """What the second command makes is only what the first had not written, and the whole is as if undisturbed."""
    classifier = tmp_path / "classifier"
    Classifier.build(Spectrogram(8000, rows=8, columns=8), "compact", ["i", "æ", "u"]).save_pretrained(classifier)
    method = "smooth(integrated-gradients, samples=40)"
    out, words = tmp_path / "maps", ["--tokens", str(place / "cut"), "--method", method, "--device", "cpu"]
    driver = subprocess.Popen(
        [sys.executable, "-m", "phonoscope", "explain", classifier, *words, "--engine", "ray", "--out", out],
        env={key: value for key, value in os.environ.items() if key != "RAY_ADDRESS"} | {"OMP_NUM_THREADS": "1"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    parts = out / "_parts"
    while not list(parts.glob("part-*.parquet")):
        assert driver.poll() is None, "the command ended before it could be killed"
        time.sleep(0.01)
    driver.kill()
    driver.wait()
    time.sleep(2)  # workers that had no time to notice
    finished = {path.name: path.stat().st_mtime_ns for path in parts.glob("part-*.parquet")}
    every = len(list((place / "cut").glob("part-*.parquet")))
    assert 0 < len(finished) < every
    done = []

    def counting(function, tasks):
        done.extend(task.path.name for task in tasks)
        yield from map(function, tasks)

    explain_tokens(classifier, place / "cut", out, method=method, target="true", executor=counting)
    assert len(done) == every - len(finished)
    assert not set(done) & finished.keys()
    explain_tokens(classifier, place / "cut", tmp_path / "undisturbed", method=method, target="true")
    assert same(out, tmp_path / "undisturbed")
