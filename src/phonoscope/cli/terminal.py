"""Talking to the person at the terminal, or to the program that reads the output."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from typing import Any

import typer


def say(line: str) -> None:
    """Print a line, once however many processes run under torchrun."""
    if os.environ.get("RANK", "0") == "0":
        typer.echo(line)


def counter(what: str) -> Callable[[int, int], None]:
    """Progress on one line of a terminal, with an estimate of the time left; silent when output goes to a file."""
    started = time.monotonic()
    shown = 0.0

    def progress(done: int, total: int) -> None:
        nonlocal shown
        now = time.monotonic()
        if not sys.stderr.isatty() or (now - shown < 0.2 and done < total):
            return
        shown = now
        left = (now - started) / max(done, 1) * (total - done)
        end = "\n" if done >= total else ""
        sys.stderr.write(f"\r{done} of {total} {what}, {left:.0f} s left   {end}")
        sys.stderr.flush()

    return progress


def print_json(value: dict[str, Any] | list[dict[str, Any]]) -> None:
    """Print one JSON value on one line, the last thing a command says."""
    from phonoscope.files import to_json

    typer.echo(to_json(value))
