"""What every runner does around its own work: claims the folder, says what was left out, writes tables and run.json."""

from __future__ import annotations

import hashlib
import json
import shutil
import tomllib
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from phonoscope.corpora.select import vowel_tokens
from phonoscope.errors import ExperimentError, PhonoscopeError
from phonoscope.experiments.folder import RUN_NAME, Run, provenance, token_hash, write_run, write_table
from phonoscope.experiments.recipe import Recipe, read_toml, without_words
from phonoscope.experiments.toml_text import to_toml
from phonoscope.files import sweep, write_json, write_text
from phonoscope.left_out import left_out_line
from phonoscope.training import choose_device
from phonoscope.work.folders import contents, open_again, refuse_altered, renew_checksum, write_checksums

if TYPE_CHECKING:
    from phonoscope.experiments.runner import Results

MATERIAL_NAME, RECIPE_NAME = "material.json", "recipe.toml"

_NUMBERS = tuple("no one two three four five six seven eight nine ten eleven twelve".split())  # noqa: SIM905


@contextmanager
def claimed_folder(out: Path, recipe: Recipe, resume: bool) -> Generator[None]:
    """Refuse a folder that holds something else; give a new one back when it turns out that nothing can be run.

    A folder that was begun goes on with the same recipe only, whatever it says of ``[explain]``: trainings do not
    depend on that. One that was finished must be as it was written. The folder is locked already (see
    `phonoscope.work.folders.locked`), for as long as the runner writes to it.

    Parameters
    ----------
    out
        Run folder.
    recipe
        Of the run; written to the folder.
    resume
        Whether a run that was begun may go on.

    Raises
    ------
    ExperimentError
        If the folder may not be written to.
    """
    written = out / RECIPE_NAME
    begun = bool(contents(out))
    if begun and not resume:
        raise ExperimentError(f"{out} is not empty. Choose a new folder, or go on with an interrupted run: --resume")
    if begun and not written.is_file():
        raise ExperimentError(f"{out} holds something other than an interrupted run; choose a new folder")
    if begun:
        if without_words(read_toml(written)) != without_words(tomllib.loads(to_toml(recipe.to_dict()))):
            raise ExperimentError(f"{out} was begun with another recipe or other settings; choose a new folder")
        refuse_altered(out)
    write_recipe(out, recipe)
    try:
        yield
    except PhonoscopeError:
        if not begun:
            for item in contents(out):
                shutil.rmtree(item) if item.is_dir() else item.unlink()
        raise
    open_again(out)


def write_recipe(out: Path, recipe: Recipe) -> None:
    """Write the recipe to the folder of its run."""
    write_text(out / RECIPE_NAME, to_toml(recipe.to_dict()))


def hold_to_material(out: Path, tokens: pd.DataFrame, waveforms: Iterable[np.ndarray]) -> None:
    """Note which tokens and sounds a run was begun with; refuse to go on with others.

    Parameters
    ----------
    out
        Run folder.
    tokens
        Token table of the run.
    waveforms
        1-D arrays; what the tokens sound like, in a fixed order.

    Raises
    ------
    ExperimentError
        If the folder was begun with other tokens, or the same tokens sound different now.
    """
    digest = hashlib.sha256()
    for waveform in waveforms:
        digest.update(np.asarray(waveform, dtype=np.float32).tobytes() + b"|")
    now = {"tokens": len(tokens), "tokens_sha256": token_hash(tokens), "sounds_sha256": digest.hexdigest()}
    path = out / MATERIAL_NAME
    if not path.is_file():
        write_json(path, now)
        return
    before = json.loads(path.read_text(encoding="utf-8"))
    if before == now:
        return
    if before["tokens_sha256"] != now["tokens_sha256"]:
        what = f"the list of tokens is another one now ({before['tokens']} tokens then, {now['tokens']} now)"
    else:
        what = "the recordings sound different now"
    raise ExperimentError(
        f"the corpus changed since {out} was begun, or is read by other rules: {what}. Going on would mix two corpora: "
        "give the corpus and the options of the first time, or begin anew in another folder"
    )


def left_out_lines(tokens: pd.DataFrame) -> list[str]:
    """What was left out of the run, each reason with its count and examples."""
    return [left_out_line(entry) for entry in tokens.attrs.get("left_out", [])]


def left_out_table(tokens: pd.DataFrame) -> pd.DataFrame:
    """The same as a table: ``what, reason, count, examples``."""
    entries = [{**entry, "examples": ", ".join(entry["examples"])} for entry in tokens.attrs.get("left_out", [])]
    return pd.DataFrame(entries, columns=["what", "reason", "count", "examples"])


def finish_run(recipe: Recipe, out: Path, found: Results, *, kind: str, device: str) -> Run:
    """Write the result tables, then ``run.json``, which makes the run a finished one, and the checksums of all files.

    Parameters
    ----------
    recipe
        Of the run.
    out
        Run folder.
    found
        What the experiment found; ``facts["corpus"]`` is what it says about its corpus beside the counts.
    kind
        Task of the run.
    device
        As asked for: ``auto``, ``cpu`` …
    """
    for name, table in found.tables.items():
        write_table(out, name, table)
    tokens, facts = found.tokens, found.facts
    counts = {
        "name": ", ".join(tokens["corpus"].dropna().unique()),
        "tokens": len(tokens),
        "recordings": int(tokens["recording"].nunique()),
        "speakers": int(tokens["speaker"].nunique()),
        "seconds": float((tokens["end"] - tokens["start"]).sum()),
        "settings": tokens.attrs.get("settings", {}),
    }
    title, question = (of_classes(text, tokens) for text in (recipe.title, recipe.question))
    words = {"kind": kind, "name": recipe.name, "title": title, "question": question}
    rest = {
        "corpus": counts | facts.get("corpus", {}),
        "recipe": recipe.to_dict(),
        "provenance": provenance(tokens, recipe.seed, str(choose_device(device))),
        "results": {"experiment": recipe.name, **found.results, "run": out.as_posix(), "report": None},
    }
    write_run(out, {**words, **facts, **rest})
    write_checksums(out)
    return Run(out)


def of_classes(text: str, tokens: pd.DataFrame) -> str:
    """A recipe's title or question with the number of vowels that its tokens have: "five vowels" is the recipe's."""
    if "class" not in tokens or "label" not in tokens or tokens.empty:
        return text
    count, noun = int(tokens["class"].nunique()), "vowels" if vowel_tokens(tokens).all() else "classes"
    number = _NUMBERS[count] if count < len(_NUMBERS) else str(count)
    return text.replace("Five vowels", f"{number.capitalize()} {noun}").replace("five vowels", f"{number} {noun}")


def sweep_report(run_folder: Path, out: Path | None = None) -> None:
    """Remove what killed processes left unfinished of a report (``report.html`` if not named) and its figures."""
    out = run_folder / "report.html" if out is None else out
    sweep(out.parent, stem=out.stem)
    sweep(out.parent / "figures")


def note_report(run: Run, report: Path) -> dict[str, Any]:
    """Note where the report of a run lies, in ``run.json`` too, and return the run's results."""
    run.facts["results"]["report"] = report.as_posix()
    write_run(run.folder, run.facts)
    renew_checksum(run.folder, RUN_NAME)
    return run.results
