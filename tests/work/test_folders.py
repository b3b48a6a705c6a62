"""Locks keep others out and end with their process; checksums name every file that changed."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from phonoscope.errors import ExperimentError
from phonoscope.files import is_begun, sweep, write_text, write_with
from phonoscope.work.folders import LOCK_NAME, contents, locked, renew_checksum, verify, write_checksums

HOLD = """
import sys, time
from pathlib import Path
from phonoscope.files import write_with
from phonoscope.work.folders import locked

def never_ends(path):
    path.write_text("half")
    print("begun", flush=True)
    time.sleep(60)

with locked(sys.argv[1]):
    write_with(Path(sys.argv[1]) / "table.csv", never_ends)
"""


@pytest.fixture
def holder(tmp_path):
    """A process that has the lock of a folder and is in the middle of a file."""
    process = subprocess.Popen([sys.executable, "-c", HOLD, tmp_path / "run"], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "begun\n"
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


def test_a_second_writer_is_refused_until_the_first_is_dead(holder, tmp_path):
    folder = tmp_path / "run"
    with (
        pytest.raises(ExperimentError, match=rf"being written by another phonoscope \(process {holder.pid}\)"),
        locked(folder),
    ):
        pass
    assert [p for p in folder.iterdir() if is_begun(p)], "a living writer's file was swept away"
    sweep(folder)
    assert [p for p in folder.iterdir() if is_begun(p)], "a living writer's file was swept away"
    holder.kill()
    holder.wait()
    assert (folder / LOCK_NAME).exists(), "a killed process leaves its lock file"
    assert contents(folder) == []
    with locked(folder):
        assert [p.name for p in folder.iterdir()] == [LOCK_NAME]
        assert (folder / LOCK_NAME).read_text() == f"{os.getpid()}\n"
    assert list(folder.iterdir()) == []


def test_leftovers_beside_a_single_file_go_when_their_process_is_dead(tmp_path):
    holder = subprocess.Popen([sys.executable, "-c", HOLD, tmp_path], stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None
    holder.stdout.readline()
    (left,) = (p for p in tmp_path.iterdir() if is_begun(p))
    assert left.suffix == ".csv"
    sweep(tmp_path, stem="table")
    assert left.exists()
    holder.kill()
    holder.wait()
    holder.stdout.close()
    sweep(tmp_path, stem="other")
    assert left.exists()
    sweep(tmp_path, stem="table")
    assert not left.exists()


def test_leftovers_of_another_machine_go_after_a_day(tmp_path):
    left = tmp_path / ".table.00000000-1-abc.begun.parquet"
    left.write_bytes(b"half")
    sweep(tmp_path)
    assert left.exists()
    yesterday = time.time() - 25 * 3600
    os.utime(left, (yesterday, yesterday))
    sweep(tmp_path)
    assert not left.exists()


@pytest.mark.parametrize(
    "name", [".hidden", ".table.parquet", "begun.csv", ".a.begun.csv", "x.00000000-1-abc.begun.csv"]
)
def test_files_of_others_are_not_taken_for_leftovers(tmp_path, name):
    (tmp_path / name).write_text("mine")
    sweep(tmp_path, alone=True)
    assert (tmp_path / name).read_text() == "mine"


def test_a_folder_that_was_not_there_and_stays_empty_is_given_back(tmp_path):
    with pytest.raises(RuntimeError), locked(tmp_path / "a"):
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "file").write_text("mine")
    with pytest.raises(ExperimentError, match="is a file"), locked(tmp_path / "file"):
        pass


def finished(folder: Path) -> Path:
    for name in ("run.json", "tables/a.csv", "tables/a.parquet", "classifier/config.json"):
        write_text(folder / name, name)
    write_text(folder / "evidence" / "table.csv", "evidence")
    write_checksums(folder / "evidence")
    write_checksums(folder)
    return folder


def test_a_folder_is_as_written_until_something_changes(tmp_path):
    folder = finished(tmp_path / "run")
    assert verify(folder).as_written
    assert verify(folder).files == 5
    # what is drawn from a run, and what its reader notes, may change
    for name in ("report.html", "figures/a.svg", "notes.json"):
        write_text(folder / name, "new")
    assert verify(folder).as_written
    (folder / "tables" / "a.csv").write_text("tables/b.csv")
    (folder / "run.json").unlink()
    (folder / "classifier" / "figures").mkdir()
    for name in ("extra.txt", "classifier/report.html", "classifier/figures/a.svg"):
        (folder / name).write_text("new")
    (folder / "evidence" / "table.csv").write_text("Evidence")
    found = verify(folder)
    assert not found.as_written
    assert sorted(found.altered) == ["evidence/table.csv", "tables/a.csv"]
    assert found.missing == ["run.json"]
    assert found.new == ["classifier/figures/a.svg", "classifier/report.html", "extra.txt"]


def test_a_part_without_checksums_of_its_own_is_compared_with_those_around_it(tmp_path):
    folder = finished(tmp_path / "run")
    assert verify(folder / "classifier").files == 1
    (folder / "run.json").write_text("changed")
    assert verify(folder / "classifier").as_written
    (folder / "classifier" / "config.json").write_text("changed")
    assert verify(folder / "classifier").altered == ["config.json"]


def test_one_file_may_be_written_again(tmp_path):
    folder = finished(tmp_path / "run")
    write_text(folder / "run.json", "with the report")
    assert verify(folder).altered == ["run.json"]
    renew_checksum(folder, "run.json")
    assert verify(folder).as_written


def test_folders_without_readable_checksums_are_refused(tmp_path):
    with pytest.raises(ExperimentError, match="carries no checksums"):
        verify(tmp_path)
    with pytest.raises(ExperimentError, match="no folder"):
        verify(tmp_path / "none")
    folder = finished(tmp_path / "run")
    (folder / "checksums.json").write_text("{")
    with pytest.raises(ExperimentError, match="was altered"):
        verify(folder)


@settings(max_examples=30, deadline=None)
@given(
    content=st.binary(min_size=1, max_size=50),
    place=st.integers(0, 49),
    flip=st.integers(1, 255),
)
def test_any_changed_byte_is_noticed(tmp_path_factory, content, place, flip):
    folder = tmp_path_factory.mktemp("bytes")
    (folder / "f.bin").write_bytes(content)
    write_checksums(folder)
    changed = bytearray(content)
    changed[place % len(content)] ^= flip
    (folder / "f.bin").write_bytes(bytes(changed))
    assert verify(folder).altered == ["f.bin"]


def test_the_command_says_which_files_changed_and_fails(tmp_path, capsys, monkeypatch):
    from phonoscope.cli import main

    def run(*options):
        monkeypatch.setattr(sys, "argv", ["phonoscope", "verify", str(tmp_path / "run"), *options])
        try:
            main()
        except SystemExit as end:
            return end.code or 0, capsys.readouterr()
        return 0, capsys.readouterr()

    finished(tmp_path / "run")
    assert run()[0] == 0
    (tmp_path / "run" / "tables" / "a.csv").write_text("x")
    status, said = run()
    assert status == 1
    assert "altered tables/a.csv" in said.out
    assert "1 altered" in said.err
    import json

    status, said = run("--json")
    assert status == 1
    assert json.loads(said.out.splitlines()[-1])["altered"] == ["tables/a.csv"]


def test_a_write_that_fails_leaves_what_was_there(tmp_path):
    write_text(tmp_path / "a.txt", "old")

    def full(path):
        path.write_text("ne")
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        write_with(tmp_path / "a.txt", full)
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]
    assert (tmp_path / "a.txt").read_text() == "old"
