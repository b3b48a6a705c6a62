"""Times phonoscope and praatio on the TextGrids of a corpus: from the files to the counts of the papers' five vowels.

Usage: python benchmarks/textgrids.py all_13100_textgrids.tar.xz [--repeats 3]   (or a folder of TextGrids)
"""

import argparse
import gc
import tarfile
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from phonoscope.corpora.recording import Recording
from phonoscope.corpora.table import build_table
from phonoscope.phones import map_phones, paper_vowels


def count_with_phonoscope(files: list[Path], root: Path) -> Counter:
    """The token table of the five vowels, as `read_corpus` makes it, but without looking for the audio."""
    recordings = [Recording(audio=path.with_suffix(".wav"), alignment=path) for path in files]
    tokens = build_table(recordings, root, classes="vowels", min_duration=0, check_audio=False)
    return Counter(tokens["label"].value_counts().to_dict())


def count_with_praatio(files: list[Path], _root: Path) -> Counter:
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


def seconds(
    count: Callable[[list[Path], Path], Counter], files: list[Path], root: Path
) -> tuple[float, float, Counter]:
    gc.collect()
    start, start_cpu = time.perf_counter(), time.process_time()
    counts = count(files, root)
    return time.perf_counter() - start, time.process_time() - start_cpu, counts


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("textgrids", type=Path, help="archive (.tar.xz) or folder of TextGrids")
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = arguments.textgrids
        if root.is_file():
            with tarfile.open(root) as archive:
                archive.extractall(folder, filter="data")
            root = Path(folder)
        files = sorted(path for path in root.rglob("*.TextGrid"))
        readers = {"phonoscope": count_with_phonoscope, "praatio": count_with_praatio}
        best = dict.fromkeys(readers, float("inf"))
        best_cpu = dict.fromkeys(readers, float("inf"))
        counts: dict[str, Counter] = {}
        for repeat in range(arguments.repeats):
            for name, count in readers.items():
                elapsed, cpu, counts[name] = seconds(count, files, root)
                best[name], best_cpu[name] = min(best[name], elapsed), min(best_cpu[name], cpu)
                print(f"run {repeat + 1}: {name:<12}{elapsed:6.2f} s ({cpu:.2f} s of CPU)", flush=True)
        print(f"{len(files)} TextGrids")
        for name in readers:
            print(f"{name:<12}{best[name]:6.2f} s ({best_cpu[name]:.2f} s of CPU)", end="  ")
            print(f"{counts[name].total()} tokens  {dict(counts[name])}")
        ratio = best["phonoscope"] / best["praatio"]
        ratio_cpu = best_cpu["phonoscope"] / best_cpu["praatio"]
        print(f"phonoscope / praatio: {ratio:.3f} (of CPU time: {ratio_cpu:.3f})")


if __name__ == "__main__":
    main()
