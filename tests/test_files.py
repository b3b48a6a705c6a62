"""Files are whole or absent; JSON is what every program reads."""

import hashlib
import json
import os

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from phonoscope.files import sha256, sweep, to_json, write_bytes, write_json, write_text, write_with


def test_a_writer_that_fails_leaves_the_old_file_and_nothing_else(tmp_path):
    write_text(tmp_path / "a" / "table.csv", "old")

    def broken(path):
        assert path.suffix == ".csv"
        path.write_text("half")
        raise RuntimeError("disk full")

    with pytest.raises(RuntimeError, match="disk full"):
        write_with(tmp_path / "a" / "table.csv", broken)
    assert (tmp_path / "a" / "table.csv").read_text() == "old"
    assert [p.name for p in (tmp_path / "a").iterdir()] == ["table.csv"]
    with pytest.raises(RuntimeError):
        write_with(tmp_path / "new.csv", broken)
    assert not (tmp_path / "new.csv").exists()


def test_written_files_may_be_read_by_others(tmp_path):
    path = write_bytes(tmp_path / "x.bin", b"\x00\x01")
    assert path.read_bytes() == b"\x00\x01"
    assert path.stat().st_mode & 0o777 == 0o644


@pytest.mark.skipif(os.name != "posix", reason="elsewhere nobody can be asked whether a process lives")
@pytest.mark.parametrize(("error", "stays"), [(None, True), (PermissionError, True), (ProcessLookupError, False)])
def test_what_a_living_process_writes_is_left_whoever_started_it(tmp_path, monkeypatch, error, stays):
    def kill(process, signal):
        assert signal == 0, "is only asked"
        if error is not None:
            raise error

    def halfway(path):
        path.write_text("half")
        monkeypatch.setattr(os, "kill", kill)
        sweep(tmp_path)
        assert path.exists() == stays
        path.touch()

    write_with(tmp_path / "table.csv", halfway)


def test_json_has_no_nan_and_keeps_ipa(tmp_path):
    value = {
        "share": float("nan"),
        "top": np.float32("inf"),
        "list": (1, np.int64(2), [float("-inf"), 0.5]),
        "array": np.array([1.0, np.nan]),
        "path": tmp_path,
        "flag": np.bool_(True),
        "none": None,
        "label": "ɝ",
    }
    path = write_json(tmp_path / "x.json", value)

    def refuse(constant):
        raise AssertionError(constant)

    read = json.loads(path.read_text(encoding="utf-8"), parse_constant=refuse)
    assert read == {
        "share": None,
        "top": None,
        "list": [1, 2, [None, 0.5]],
        "array": [1.0, None],
        "path": tmp_path.as_posix(),
        "flag": True,
        "none": None,
        "label": "ɝ",
    }
    assert "ɝ" in path.read_text(encoding="utf-8")
    with pytest.raises(TypeError):
        to_json({"set": {1}})


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
def test_plain_values_come_back_from_json(value):
    assert json.loads(to_json(value)) == value


@given(st.binary(max_size=100))
def test_the_hash_is_that_of_the_content(tmp_path_factory, content):
    path = write_bytes(tmp_path_factory.mktemp("hash") / "x", content)
    assert sha256(path) == hashlib.sha256(content).hexdigest()
