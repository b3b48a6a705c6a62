"""Runs made by writing tables, and a page's requests to the viewer, for several test files."""

import json
import shutil
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from starlette.testclient import TestClient

from phonoscope.viewer.app import build_app
from phonoscope.viewer.session import Session

TOKEN = "the-token-of-these-tests"
PORT = 8123
HOST = f"127.0.0.1:{PORT}"
EVIL = "<img src=x onerror=window.evil=1>"
EVIL_CLASS = "<script>window.evil=1</script>"
MANY = 100_000


def write_many(source: Path, folder: Path, count: int) -> None:
    """Write a run of `count` tokens that repeats the tested tokens of another."""
    tokens = pd.read_parquet(source / "tokens.parquet")
    predictions = pd.read_parquet(source / "predictions.parquet")
    tested = tokens[tokens["token"].isin(predictions["token"])].reset_index(drop=True)
    own = predictions.set_index("token").loc[tested["token"]].reset_index()
    which = np.arange(count) % len(tested)
    names = np.array([f"{name}#{n:06d}" for n, name in enumerate(tested["token"].to_numpy()[which])], dtype=object)
    folder.mkdir()
    table = tested.iloc[which].assign(token=names).reset_index(drop=True)
    table.attrs = tokens.attrs
    table.to_parquet(folder / "tokens.parquet", index=False)
    own.iloc[which].assign(token=names).to_parquet(folder / "predictions.parquet", index=False)
    for name in ("run.json", "formants.parquet"):
        shutil.copy(source / name, folder / name)
    for part in ("classifier", "folds"):
        if (source / part).is_dir():
            shutil.copytree(source / part, folder / part)
    store, maps = source / "maps" / "cam", folder / "maps" / "cam"
    maps.mkdir(parents=True)
    shutil.copy(store / "coordinates.json", maps)
    kept = pd.read_parquet(store / "tokens.parquet").set_index("token")
    places = pd.Index(kept.index).get_indexer(pd.Index(tested["token"]))[which]
    np.save(maps / "values.npy", np.load(store / "values.npy")[places])
    kept.iloc[places].assign(token=names).to_parquet(maps / "tokens.parquet", index=False)


def client_of(*folders: Path) -> TestClient:
    app = build_app(Session(folders), token=TOKEN, port=PORT)
    headers = {"X-Phonoscope-Token": TOKEN, "Origin": f"http://{HOST}"}
    return TestClient(app, base_url=f"http://{HOST}", headers=headers)


def unpacked(content: bytes) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Facts and arrays of a packed message, read as its format is described."""
    length, zeros = struct.unpack_from("<II", content)
    assert zeros == 0
    header = json.loads(content[8 : 8 + length])
    arrays = {}
    for entry in header.pop("arrays"):
        dtype = np.dtype(entry["dtype"]).newbyteorder("<")
        count = int(np.prod(entry["shape"]))
        found = np.frombuffer(content, dtype, count, 8 + length + entry["offset"])
        arrays[entry["name"]] = found.reshape(entry["shape"])
    return header, arrays
