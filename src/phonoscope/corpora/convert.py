"""Writes the alignments of a corpus in another format."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from phonoscope.audio import audio_info
from phonoscope.corpora.formats import chosen_readers, read_alignment
from phonoscope.corpora.labels import write_labels
from phonoscope.corpora.layouts import find_recordings
from phonoscope.corpora.pairing import alignment_root, pair, why_unaligned
from phonoscope.errors import CorpusError, PhonoscopeError
from phonoscope.left_out import LeftOut, left_out_line


def convert_labels(
    root: str | Path,
    out: str | Path,
    to: str,
    *,
    alignments: str | Path | None = None,
    layout: str = "auto",
    alignment_format: str | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, Any]:
    """Write all tiers of a corpus's alignments in another format.

    Parameters
    ----------
    root : path
        Folder of the corpus.
    out : path
        Folder to write to.
    to : str
        "textgrid", "ctm", "emu" or "csv" (see `phonoscope.corpora.labels.write_labels`).
    alignments : path, optional
        Folder or file of the alignments.
    layout, alignment_format : str, optional
        As in `read_corpus`.
    progress : callable, optional
        Called with (recordings read, recordings in all).

    Returns
    -------
    dict
        ``recordings`` (how many were converted), ``files`` (paths written), ``left_out`` and ``warnings``.

    Raises
    ------
    CorpusError
        If no recording has an alignment that can be read, or `to` is not known.
    """
    readers = chosen_readers(alignment_format)
    folder, _, recordings = find_recordings(root, layout)
    place = alignment_root(folder, alignments)
    pairing = pair(recordings, folder, place, readers)
    left_out, warnings, grids, rates = LeftOut(pairing.left_out), list(pairing.notes), {}, {}
    why = why_unaligned(pairing.recordings, folder, place, readers)
    for done, recording in enumerate(pairing.recordings, 1):
        name = recording.audio.relative_to(folder).as_posix()
        if recording.alignment is None:
            left_out.add("recording", why, 1, [name])
        else:
            try:
                grid = read_alignment(recording.alignment, readers, recording.entry)
                rate = audio_info(recording.audio).sample_rate
            except PhonoscopeError as error:
                left_out.add("recording", "alignment or audio unreadable", 1, [str(error)])
            else:
                stem = name.rpartition(".")[0]
                key = stem if recording.channel is None else f"{stem}_ch{recording.channel}"
                grids[key], rates[key] = grid, rate
                warnings += [f"{name}: {warning}" for warning in grid.warnings]
        if progress is not None:
            progress(done, len(pairing.recordings))
    if not grids:
        raise CorpusError(
            "\n".join([f"no alignment of {folder} could be read.", *map(left_out_line, left_out.entries())])
        )
    files = write_labels(out, grids, to, rates)
    return {"recordings": len(grids), "files": files, "left_out": left_out.entries(), "warnings": warnings}
