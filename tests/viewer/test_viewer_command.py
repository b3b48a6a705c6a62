"""The command: prints its address alone, listens on this machine only, stops when told to."""

import builtins
import re
import shutil
import signal
import socket
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from typer.testing import CliRunner

from phonoscope.cli import app
from phonoscope.errors import ExperimentError, MissingExtraError
from phonoscope.viewer.serve import serve


@pytest.mark.parametrize("way", [signal.SIGINT, signal.SIGTERM])
def test_prints_its_address_serves_and_stops(started, made: Path, way: signal.Signals) -> None:
    address, process = started(made)
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+/\?token=[\w-]{43}", address)
    with urllib.request.urlopen(address) as answer:
        assert answer.status == 200
        assert b"<title>phonoscope</title>" in answer.read()
    bare = address.split("?")[0]
    with pytest.raises(urllib.error.HTTPError, match="403"):
        urllib.request.urlopen(bare)
    process.send_signal(way)
    out, err = process.communicate(timeout=30)
    assert out == "", "the address is all that it prints"
    assert "Traceback" not in err
    assert process.returncode in (0, -way)


def test_other_addresses_of_this_machine_are_not_listened_on(started, made: Path) -> None:
    address, _ = started(made)
    port = int(re.search(r":(\d+)/", address)[1])
    for host in ("127.0.0.2", "::1"):
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        with socket.socket(family) as other:
            other.settimeout(2)
            assert other.connect_ex((host, port)) != 0


def test_every_start_has_its_own_token(started, made: Path) -> None:
    tokens = {started(made)[0].split("token=")[1] for _ in range(2)}
    assert len(tokens) == 2


def test_what_is_no_run_is_said_before_anything_is_served(tmp_path: Path) -> None:
    with pytest.raises(ExperimentError, match="holds no finished run"):
        serve([tmp_path], browser=False)


def test_a_run_without_maps_is_sent_to_its_report(run_folder: Path) -> None:
    shutil.rmtree(run_folder / "maps")
    with pytest.raises(ExperimentError, match="without maps"):
        serve([run_folder], browser=False)


def test_a_port_that_is_taken_is_said(made: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(ExperimentError, match="--port 0"):
            serve([made], port=taken.getsockname()[1], browser=False)


def test_without_the_extra_it_says_which_one_is_missing(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def lacking(name, *rest, **more):
        if name == "uvicorn":
            raise ModuleNotFoundError("No module named 'uvicorn'", name="uvicorn")
        return real(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", lacking)
    with pytest.raises(MissingExtraError, match=r"phonoscope\[web\]"):
        serve([made], browser=False)


def test_help_shows_an_example() -> None:
    shown = CliRunner().invoke(app, ["view", "--help"]).output
    assert "Example: phonoscope view" in shown
    assert "--no-browser" in shown
