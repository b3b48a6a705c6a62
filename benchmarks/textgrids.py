"""Times phonoscope and praatio on the TextGrids of a corpus: from the files to the counts of the papers' five vowels.

Run: ``python -m benchmarks.textgrids [rounds]``; needs praatio and the alignments of all of LJSpeech, as an archive
beside the repository or where ``PHONOSCOPE_TEXTGRIDS`` says (an archive or a folder).
"""

import os
import tarfile
import tempfile
import warnings
from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from benchmarks.measure import SHARED, Bar, LackingError, Measurement, alone, alternately, compared, require
from phonoscope.corpora.recording import Recording
from phonoscope.corpora.rules import TokenRules
from phonoscope.corpora.table import build_table
from phonoscope.phones import map_phones, paper_vowels

WHAT = "13 100 TextGrids to vowel counts"
BARS = {WHAT: Bar(2.0, peer="praatio")}


def count_with_phonoscope(files: list[Path], root: Path) -> Counter:
    """The token table of the five vowels, as `read_corpus` makes it, but without looking for the audio."""
    recordings = [Recording(audio=path.with_suffix(".wav"), alignment=path) for path in files]
    tokens = build_table(recordings, root, TokenRules(classes="vowels", min_duration=0), check_audio=False)
    return Counter(tokens["label"].value_counts().to_dict())


def count_with_praatio(files: list[Path]) -> Counter:
    """Parse with praatio, then count the labels of the phone tier: no table is made, which is to its advantage."""
    from praatio import textgrid

    written: Counter = Counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for path in files:
            grid = textgrid.openTextgrid(str(path), includeEmptyIntervals=True)
            written.update(entry.label for entry in grid.getTier("phones").entries)
    labels, _ = map_phones(list(written), "arpabet")
    counts: Counter = Counter()
    for label, number in zip(labels, written.values(), strict=True):
        if label in paper_vowels():
            counts[label] += number
    return counts


def measure(rounds: int) -> Iterator[Measurement]:
    """Reading and counting, files in the cache of the system."""
    root = Path(os.environ.get("PHONOSCOPE_TEXTGRIDS", SHARED / "ljspeech" / "all_13100_textgrids.tar.xz"))
    if not root.exists():
        raise LackingError(f"{root.name} is not there; set PHONOSCOPE_TEXTGRIDS to an archive or folder of TextGrids")
    require("praatio", "bench")
    with tempfile.TemporaryDirectory() as folder:
        if root.is_file():
            with tarfile.open(root) as archive:
                archive.extractall(folder, filter="data")
            root = Path(folder)
        files = sorted(root.rglob("*.TextGrid"))
        if not files:
            raise LackingError(f"no TextGrid lies in {root.name}")
        ours, theirs = partial(count_with_phonoscope, files, root), partial(count_with_praatio, files)
        spent = alternately(rounds, ours, theirs).T
        counts = ours()
        same = "the same as praatio" if counts == theirs() else "NOT the same as praatio"
        yield compared(WHAT, *spent, note=f"{len(files)} files, {counts.total()} tokens, {same}")


if __name__ == "__main__":
    alone(BARS, measure)
