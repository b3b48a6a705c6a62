"""The command line itself: helps with examples, a start without heavy imports, interruptions, several processes."""

import os
import re
import signal
import subprocess
import sys

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from phonoscope import __version__
from phonoscope.cli import app, main

COMMANDS = sorted(command.name or command.callback.__name__ for command in app.registered_commands)
HEAVY = ["torch", "pandas", "scipy", "numpy", "matplotlib", "sklearn", "xarray", "transformers", "soundfile"]


def test_all_commands_are_there():
    assert {"tokens", "align", "train", "explain", "run", "report", "demo"} <= set(COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_an_example_of_itself(command):
    result = CliRunner().invoke(app, [command, "--help"], env={"COLUMNS": "200"})
    assert result.exit_code == 0
    example = re.search(r"Example:\s+phonoscope (\S+)", result.output)
    assert example, result.output
    assert example[1] == command
    for option in get_command(app).commands[command].params:
        assert option.help, option.name


@pytest.mark.parametrize("arguments", ["--help", "--version", "run --help", "tokens --help"])
def test_help_starts_without_heavy_imports(arguments):
    check = f"""
import sys
from phonoscope.cli import main
sys.argv = ["phonoscope", *{arguments.split()!r}]
try:
    main()
except SystemExit as end:
    assert not end.code
print("LOADED", [m for m in {HEAVY!r} if m in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    assert done.stdout.strip().splitlines()[-1] == "LOADED []"


def test_the_version_is_that_of_the_package():
    assert CliRunner().invoke(app, ["--version"]).output.strip() == f"phonoscope {__version__}"


INTERRUPT = "import os, signal, time; os.kill(os.getpid(), signal.SIGINT); time.sleep(0.2)"


def reading(code, cwd, sigint):
    """A process of `phonoscope tokens` that runs some code where it would read the corpus.

    It starts with this handling of SIGINT, whatever that of the tests is: a shell lets background jobs ignore it.
    """
    program = f"""
import sys
import phonoscope.corpora as corpora
def read_corpus(*args, **kwargs):
    {code}
    raise SystemExit(7)
corpora.read_corpus = read_corpus
from phonoscope.cli import main
sys.argv = ["phonoscope", "tokens", ".", "--out", "t.csv"]
main()
"""
    return subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        cwd=cwd,
        check=False,
        preexec_fn=lambda: signal.signal(signal.SIGINT, sigint),
    )


@pytest.mark.parametrize("code", ["raise KeyboardInterrupt", INTERRUPT])
def test_an_interruption_says_that_it_can_go_on(code, tmp_path):
    done = reading(code, tmp_path, signal.SIG_DFL)
    assert done.returncode == 128 + signal.SIGINT
    assert "--resume continues it" in done.stderr
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.iterdir())


def test_a_job_in_the_background_ignores_interruptions_as_its_shell_wants_it(tmp_path):
    done = reading(INTERRUPT, tmp_path, signal.SIG_IGN)
    assert done.returncode == 7
    assert "interrupted" not in done.stderr


def test_errors_of_the_file_system_are_one_line(tmp_path, monkeypatch, capsys):
    import phonoscope.corpora

    def full(*args, **kwargs):
        raise OSError(28, "No space left on device", "t.csv")

    monkeypatch.setattr(phonoscope.corpora, "read_corpus", full)
    monkeypatch.setattr(sys, "argv", ["phonoscope", "tokens", str(tmp_path), "--out", "t.csv"])
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code == 1
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert line.startswith("phonoscope: no space is left on the disk ([Errno 28] No space left on device: 't.csv')")
    assert "free some space" in line


def test_two_processes_write_one_classifier(tmp_path):
    from phonoscope.corpora import read_corpus, write_tokens
    from phonoscope.synthesis.corpus import write_corpus

    write_corpus(tmp_path / "corpus", talkers=8, vowels=("i", "ɑ"), consonants=(), repeats=2, sample_rate=16000)
    write_tokens(tmp_path / "tokens.parquet", read_corpus(tmp_path / "corpus", classes="i,aa"))
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m"]
    command += ["phonoscope", "train", "tokens.parquet", "--out", "out", "--epochs", "2", "--json"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run(
        command, capture_output=True, text=True, cwd=tmp_path, env=environment, timeout=200, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    printed = [line for line in done.stdout.splitlines() if line.startswith("{")]
    assert len(printed) == 1
    assert sum("accuracy" in line and not line.startswith("{") for line in done.stdout.splitlines()) == 1
    names = {p.name for p in (tmp_path / "out").iterdir()}
    assert {"classifier", "predictions.parquet", "tokens.parquet", "result.json"} <= names
