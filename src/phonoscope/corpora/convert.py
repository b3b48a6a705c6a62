"""Writes the alignments of a corpus in another format."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from phonoscope.audio import audio_info
from phonoscope.corpora.annotations.written import ctm_text, emu_text, table_text
from phonoscope.corpora.formats import AlignmentReader, chosen_readers, read_alignment
from phonoscope.corpora.layouts import find_recordings
from phonoscope.corpora.pairing import alignment_root, pair
from phonoscope.corpora.textgrid import TextGrid, write_textgrid
from phonoscope.errors import CorpusError, PhonoscopeError
from phonoscope.files import write_text
from phonoscope.left_out import LeftOut

FORMATS = ("textgrid", "ctm", "emu", "csv")


@dataclass
class Converted:
    """What was written: the `files`, how many `recordings` they hold, and what was `left_out` and why."""

    files: list[Path]
    recordings: int
    left_out: list[dict[str, Any]] = field(default_factory=list)


def convert_alignments(
    root: str | Path,
    out: str | Path,
    to: str = "textgrid",
    *,
    alignments: str | Path | None = None,
    layout: str = "auto",
    alignment_format: str | AlignmentReader | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Converted:
    """Write all tiers of all alignments of a corpus in one format.

    Parameters
    ----------
    root : path
        Folder of the corpus.
    out : path
        Folder to write into; its files are named as the recordings are. CTM gets one file a tier (``phones.ctm``), a
        table one file, ``alignments.csv``.
    to : str
        One of "textgrid", "ctm", "emu" (``_annot.json``) or "csv" (``recording,tier,start,end,label``).
    alignments, layout, alignment_format
        As in `read_corpus`.
    progress : callable, optional
        Called with (recordings read, recordings in all).

    Raises
    ------
    CorpusError
        If the format is not known, or no alignment could be read.
    """
    if to not in FORMATS:
        raise CorpusError(f"alignments cannot be written as {to!r}; use one of {', '.join(FORMATS)}")
    readers = chosen_readers(alignment_format)
    folder, _, recordings = find_recordings(root, layout)
    pairing = pair(recordings, folder, alignment_root(folder, alignments), readers)
    left_out, out = LeftOut(pairing.left_out), Path(out)
    grids: dict[str, TextGrid] = {}
    files: list[Path] = []
    for done, recording in enumerate(pairing.recordings, 1):
        name = recording.audio.relative_to(folder).with_suffix("").as_posix()
        name += f"_ch{recording.channel}" if recording.channel else ""
        try:
            if recording.alignment is None:
                left_out.add("recording", "no alignment", 1, [name])
                continue
            grid = read_alignment(recording.alignment, readers)
            if to == "textgrid":
                write_textgrid(out / f"{name}.TextGrid", grid)
                files.append(out / f"{name}.TextGrid")
            elif to == "emu":
                rate = audio_info(recording.audio).sample_rate
                text = emu_text(Path(name).name, grid, rate, recording.audio.name)
                files.append(write_text(out / f"{name}_annot.json", text))
            grids[name] = grid
        except PhonoscopeError as error:
            left_out.add("recording", "its alignment could not be read or written", 1, [str(error)])
        if progress is not None:
            progress(done, len(pairing.recordings))
    if not grids:
        found = "; ".join(f"{entry['count']} × {entry['reason']}" for entry in left_out.entries())
        raise CorpusError(f"no alignment of {folder} could be read: {found}")
    if to == "csv":
        files.append(write_text(out / "alignments.csv", table_text(grids)))
    if to == "ctm":
        for tier in dict.fromkeys(each.name for grid in grids.values() for each in grid.tiers):
            try:
                text = ctm_text(grids, tier)
            except CorpusError as error:
                left_out.add("tier", str(error), 1, [tier])
                continue
            name = re.sub(r"[^\w.-]+", "_", tier)
            files.append(write_text(out / f"{name}.ctm", text))
    if to in ("csv", "ctm"):
        points = [each.name for grid in grids.values() for each in grid.tiers if each.kind == "point"]
        left_out.add("tier", f"points, which {to.upper()} does not hold", len(points), points)
    return Converted(files, len(grids), left_out.entries())
