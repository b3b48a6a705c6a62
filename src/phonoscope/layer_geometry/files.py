"""From checkpoint files to a table, and from a table to files and programs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from phonoscope.errors import ClassifierError
from phonoscope.files import to_json, write_with
from phonoscope.layer_geometry.table import compare_geometry, geometry, read_source


def measure_checkpoints(
    paths: Sequence[str | Path],
    *,
    key: str | None = None,
    trust_imports: bool = False,
    said: Mapping[str, Any] | None = None,
    **options: Any,
) -> pd.DataFrame:
    """Table of one checkpoint (``geometry``), or of several side by side (``compare_geometry``), named by their files.

    Files of the same name are told apart by their folders.

    Parameters
    ----------
    paths
        Files of weights, and models as of `phonoscope.load`.
    key, trust_imports, said
        As of `read_source`.
    options
        As of ``geometry``.
    """
    sources = [read_source(path, options.get("network"), key, trust_imports, said) for path in paths]
    if len(paths) == 1:
        return geometry(sources[0], **options)
    stems = [Path(path).stem for path in paths]
    names = stems if len(set(stems)) == len(stems) else [str(path) for path in paths]
    if len(set(names)) < len(names):
        raise ClassifierError("the same checkpoint was given twice; nothing to compare")
    return compare_geometry(dict(zip(names, sources, strict=True)), **options)


def records(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows of a table of ``geometry`` as plain values: numbers, text, lists, None where missing."""

    def plain(value: Any) -> Any:
        return list(value) if isinstance(value, (tuple, list)) else None if pd.isna(value) else value

    return [{str(key): plain(value) for key, value in row.items()} for row in table.to_dict("records")]


def write_table(path: str | Path, table: pd.DataFrame) -> Path:
    """Write a table of ``geometry`` as ``.csv`` or ``.parquet``, whole or not at all.

    In a CSV the babel function is a JSON list in one cell.

    Raises
    ------
    ClassifierError
        If the suffix is neither.
    """
    path = Path(path)
    if path.suffix == ".parquet":
        return write_with(path, lambda part: table.to_parquet(part, index=False))
    if path.suffix == ".csv":
        flat = table.assign(babel=[to_json(list(values)) for values in table["babel"]])
        return write_with(path, lambda part: flat.to_csv(part, index=False))
    raise ClassifierError(f"cannot write {path}: the suffix of a table must be .csv or .parquet")
