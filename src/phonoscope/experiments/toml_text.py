"""Writing plain values as TOML: the standard library reads it but does not write it."""

from __future__ import annotations

import json
from typing import Any

from phonoscope.errors import ExperimentError


def to_toml(values: dict[str, Any]) -> str:
    """Write nested dicts of strings, numbers, booleans and lists as TOML; None is left out, as TOML has none."""
    return "\n".join(_table(values, ())) + "\n"


def _table(values: dict[str, Any], path: tuple[str, ...]) -> list[str]:
    lines = [f"{_key(k)} = {_value(v)}" for k, v in values.items() if v is not None and not isinstance(v, dict)]
    for key, value in values.items():
        if isinstance(value, dict):
            inner = (*path, _key(key))
            lines += ["", f"[{'.'.join(inner)}]", *_table(value, inner)]
    return lines


def _key(key: str) -> str:
    plain = key.replace("_", "").replace("-", "")
    return key if plain.isascii() and plain.isalnum() else _quoted(key)


def _quoted(text: str) -> str:
    """Quote as JSON does; TOML wants the delete character escaped too."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return _quoted(value)
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(_value(item) for item in value) + "]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_key(k)} = {_value(v)}" for k, v in value.items() if v is not None) + "}"
    if isinstance(value, (int, float)):
        return repr(int(value) if isinstance(value, int) else float(value))
    raise ExperimentError(f"{value!r} cannot be written in a recipe; use text, numbers, lists and tables")
