"""Tokens a second of `write_corpus`, everything included (sound, WAV, TextGrid, truth), and of its parts.

Run: ``python benchmarks/synthesis.py [talkers]``.
"""

import sys
import tempfile
import time
from pathlib import Path

from phonoscope.synthesis.corpus import synthesise_tokens, write_corpus


def main(talkers: int = 60) -> None:
    synthesise_tokens(1, repeats=1)  # imports are not counted
    with tempfile.TemporaryDirectory() as folder:
        begin = time.perf_counter()
        table = write_corpus(Path(folder) / "corpus", talkers=talkers)
        seconds = time.perf_counter() - begin
    audio = (table["end"] - table["start"]).sum()
    print(
        f"write_corpus: {len(table)} tokens ({audio:.0f} s of tokens) in {seconds:.2f} s = {len(table) / seconds:.0f}/s"
    )
    begin = time.perf_counter()
    sounds, _ = synthesise_tokens(talkers, repeats=4)
    seconds = time.perf_counter() - begin
    print(f"synthesise_tokens, vowels only: {len(sounds)} tokens in {seconds:.2f} s = {len(sounds) / seconds:.0f}/s")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
