"""Parquet tables with sound become a folder of recordings."""

import io
import json

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import soundfile
from typer.testing import CliRunner

from phonoscope.audio import read_audio
from phonoscope.cli import app
from phonoscope.corpora.layouts import find_recordings
from phonoscope.corpora.unpack import tables_with_sound, unpack
from phonoscope.errors import CorpusError

RATE = 8000


def sound(number: int, kind: str = "WAV") -> bytes:
    stream = io.BytesIO()
    soundfile.write(stream, np.sin(np.arange(400) * (0.1 + 0.1 * number)), RATE, format=kind)
    return stream.getvalue()


@pytest.fixture
def table(tmp_path):
    """As ``datasets`` writes it: sound with its path, a class by number, a speaker, a text."""
    rows = {
        "audio": [
            {"bytes": sound(0), "path": "a/one.wav"},
            {"bytes": sound(1, "FLAC"), "path": None},
            {"bytes": None, "path": "beside.wav"},
            {"bytes": None, "path": "nowhere.wav"},
            {"bytes": sound(4), "path": "../../one.wav"},
        ],
        "label": [0, 1, 0, 1, 1],
        "speaker_id": [7, 7, 8, 8, 7],
        "sentence": ["yes", "no", "Größe", "x", ""],
    }
    features = {"label": {"names": ["left", "right"], "_type": "ClassLabel"}, "audio": {"_type": "Audio"}}
    made = pa.table(rows).replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "beside.wav").write_bytes(sound(2))
    pq.write_table(made, tmp_path / "data" / "train-0.parquet", row_group_size=2)
    return tmp_path / "data" / "train-0.parquet"


def test_recordings_texts_and_the_other_columns_are_written(table, tmp_path):
    out = tmp_path / "corpus"
    done = unpack(table, out)
    assert done["recordings"] == 4
    (lost,) = done["left_out"]
    assert (lost["count"], lost["examples"]) == (1, ["train-0.parquet, row 3"])
    listed = pd.read_csv(out / "recordings.csv", dtype=str)
    assert listed["recording"].tolist() == ["7/one.wav", "7/train-0-000001.flac", "8/beside.wav", "7/one-2.wav"]
    assert listed["label"].tolist() == ["left", "right", "left", "right"]
    assert (out / "8" / "beside.txt").read_text(encoding="utf-8") == "Größe\n"
    np.testing.assert_allclose(
        read_audio(out / "7" / "train-0-000001.flac")[0], np.sin(np.arange(400) * 0.2), atol=1e-3
    )
    _, layout, recordings = find_recordings(out)
    assert (layout, [each.speaker for each in recordings]) == ("folder", ["7", "7", "7", "8"])


def test_a_table_is_not_passed_over_and_the_command_does_what_the_message_says(table, tmp_path):
    for place in (table, table.parent):
        if place.is_dir():
            (place / "beside.wav").unlink()
        with pytest.raises(CorpusError, match="phonoscope unpack"):
            find_recordings(place)
    result = CliRunner().invoke(app, ["unpack", str(table.parent), "--out", str(tmp_path / "out")])
    assert result.exit_code == 0, result.output
    assert "3 recordings; recordings.csv has recording, label, speaker_id, sentence" in result.output
    assert "left out: 2 × recording" in result.output


def test_other_tables_are_no_recordings(tmp_path):
    pq.write_table(pa.table({"audio": ["a.wav"], "x": [1]}), tmp_path / "tokens.parquet")
    (tmp_path / "broken.parquet").write_bytes(b"PAR1 and no more")
    assert tables_with_sound(tmp_path) == []
    with pytest.raises(CorpusError, match="no Parquet table with a column of sound"):
        unpack(tmp_path, tmp_path / "out")
