"""Writes labels for other programs: TextGrid, CTM, EMU-SDMS, CSV."""

import csv
import io
from collections.abc import Mapping
from pathlib import Path

from phonoscope.corpora.textgrid import write_textgrid
from phonoscope.corpora.textgrid_types import TextGrid, Tier
from phonoscope.corpora.tiers import PHONE_TIERS, WORD_TIERS
from phonoscope.errors import CorpusError
from phonoscope.files import write_json, write_text

WRITTEN = ("textgrid", "ctm", "emu", "csv")


def write_labels(folder: str | Path, grids: Mapping[str, TextGrid], to: str, sample_rate: int = 16000) -> list[Path]:
    """Write the labels of recordings.

    Parameters
    ----------
    folder : path
        Where; made if it is not there.
    grids : mapping
        Path of a recording below the corpus, without suffix → its labels.
    to : str
        "textgrid" (a file a recording), "emu" (``_annot.json``, a file a recording), "ctm" (``phones.ctm`` and
        ``words.ctm``; white space in a label becomes ``_``, empty labels are left out), "csv" (``labels.csv`` with the
        columns ``recording, tier, start, end, label``).
    sample_rate : int
        Hz; of the samples in which EMU-SDMS counts.

    Returns
    -------
    list of path
        What was written.

    Raises
    ------
    CorpusError
        If the format is not one of these.
    """
    folder = Path(folder)
    if to == "textgrid":
        paths = {name: _below(folder, name, ".TextGrid") for name in grids}
        for name, path in paths.items():
            write_textgrid(path, grids[name])
        return list(paths.values())
    if to == "emu":
        return [
            write_json(_below(folder, name, "_annot.json"), _annotation(Path(name).name, grid, sample_rate))
            for name, grid in grids.items()
        ]
    if to == "ctm":
        return _write_ctm(folder, grids)
    if to == "csv":
        return [_write_csv(folder / "labels.csv", grids)]
    raise CorpusError(f"labels can be written to {', '.join(WRITTEN)}, not {to!r}")


def _below(folder: Path, name: str, suffix: str) -> Path:
    path = folder / f"{name}{suffix}"
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def _annotation(name: str, grid: TextGrid, rate: int) -> dict:
    number = iter(range(1, 1 << 62))
    levels = []
    for tier in grid.tiers:
        items = [
            {
                "id": next(number),
                "samplePoint": round(point.time * rate),
                "labels": [{"name": tier.name, "value": point.label}],
            }
            for point in tier.points
        ]
        for start, end, label in tier.intervals:
            first = round(start * rate)
            span = {"sampleStart": first, "sampleDur": max(0, round(end * rate) - first - 1)}
            items.append({"id": next(number), **span, "labels": [{"name": tier.name, "value": label}]})
        levels.append({"name": tier.name, "type": "EVENT" if tier.kind == "point" else "SEGMENT", "items": items})
    return {"name": name, "annotates": f"{name}.wav", "sampleRate": rate, "levels": levels, "links": []}


def _write_ctm(folder: Path, grids: Mapping[str, TextGrid]) -> list[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for kind, usual in (("phones", PHONE_TIERS), ("words", WORD_TIERS)):
        lines = []
        for name, grid in grids.items():
            tier = _of_kind(grid, kind, usual)
            for start, end, label in tier.intervals if tier else ():
                if label.strip():
                    lines.append(
                        f"{'_'.join(name.split())} 1 {start:.6f} {end - start:.6f} {'_'.join(label.split())}\n"
                    )
        if lines:
            written.append(write_text(folder / f"{kind}.ctm", "".join(lines)))
    return written


def _of_kind(grid: TextGrid, kind: str, usual: tuple[str, ...]) -> Tier | None:
    tiers = [tier for tier in grid.tiers if tier.kind == "interval"]
    ranked = [tier for name in (kind, *usual) for tier in tiers if tier.name.casefold() == name]
    return next(iter(ranked), None)


def _write_csv(path: Path, grids: Mapping[str, TextGrid]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(["recording", "tier", "start", "end", "label"])
    for name, grid in grids.items():
        for tier in grid.tiers:
            rows.writerows([name, tier.name, start, end, label] for start, end, label in tier.intervals)
    return write_text(path, text.getvalue())
