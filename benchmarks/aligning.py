"""How far the aligners' boundaries lie from those of the Montreal Forced Aligner, on recordings of LJSpeech.

Run: ``python -m benchmarks.aligning [FOLDER]``, stored in ``benchmarks/results/aligning.csv``; FOLDER holds LJSpeech
and MFA's ``textgrids``, by default the copy beside the repository. Both aligners get the same recordings and texts.
Phones are paired with MFA's by their IPA classes (longest common runs); the error is that of a phone's start. The
settings of the rough alignment were chosen on the first half of the recordings, so the second half stands apart.
"""

from __future__ import annotations

import sys
from difflib import SequenceMatcher
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.measure import SHARED
from benchmarks.stored import RESULTS
from phonoscope.audio import read_audio
from phonoscope.corpora import ljspeech
from phonoscope.corpora.aligner import SAMPLE_RATE_HZ, Alignment, align_waveform, load_decoder
from phonoscope.corpora.pronunciations import spoken_words
from phonoscope.corpora.rough import align_rough
from phonoscope.corpora.textgrid import Interval, read_textgrid
from phonoscope.phones import map_phones

WITHIN_MS = (10, 25, 50)
SILENCE = {"", "sil", "sp", "spn"}
TEXTGRIDS = "textgrids"


def _by_pocketsphinx(decoder: object, waveform: np.ndarray, text: str) -> Alignment:
    words, unknown = spoken_words(text, lambda word: decoder.lookup_word(word) is not None)  # type: ignore
    if unknown:
        return Alignment("failed", f"not in the dictionary: {', '.join(unknown)}")
    return align_waveform(decoder, waveform, words)


def _classes(phones: list[Interval], phone_set: str) -> list[str]:
    labels = [phone.label for phone in phones]
    return [found or label for found, label in zip(map_phones(labels, phone_set)[0], labels, strict=True)]


def errors(reference: list[Interval], found: list[Interval], phone_set: str) -> np.ndarray:
    """Start of each phone that both have minus the reference's, s.

    Parameters
    ----------
    reference
        MFA's phones, in ARPABET.
    found
        Those to be judged.
    phone_set
        How `found` is written.
    """
    names = _classes(reference, "arpabet"), _classes(found, phone_set)
    runs = SequenceMatcher(None, *names, autojunk=False).get_matching_blocks()
    pairs = [(run.a + n, run.b + n) for run in runs for n in range(run.size)]
    return np.array([found[b].start - reference[a].start for a, b in pairs])


def measure(root: Path) -> pd.DataFrame:
    """Errors of both aligners, a row for each and each half of the recordings.

    Parameters
    ----------
    root
        Of the corpus.
    """
    decoder = load_decoder()
    ways = {
        "pocketsphinx": ("arpabet", lambda waveform, text: _by_pocketsphinx(decoder, waveform, text)),
        "espeak-ng and time warping (rough)": ("ipa", lambda waveform, text: align_rough(waveform, text, "en-us")),
    }
    grids = {path.stem: path for path in (root / TEXTGRIDS).rglob("*.TextGrid")}
    listed = [each for each in ljspeech.recordings(root) if each.audio.stem in grids and each.audio.is_file()]
    halves = {"first": listed[: len(listed) // 2], "second": listed[len(listed) // 2 :]}
    rows = []
    for aligner, (phone_set, align) in ways.items():
        for half, recordings in halves.items():
            found, phones, aligned = [], 0, 0
            for recording in recordings:
                tier = read_textgrid(grids[recording.audio.stem]).tier("phones")
                reference = [phone for phone in tier.intervals if phone.label not in SILENCE]
                alignment = align(read_audio(recording.audio, SAMPLE_RATE_HZ)[0], recording.transcript or "")
                if not alignment.phones:
                    continue
                aligned, phones = aligned + 1, phones + len(reference)
                found.append(errors(reference, list(alignment.phones), phone_set))
            off = 1000 * np.concatenate(found)
            within = {f"within_{limit}_ms": np.mean(np.abs(off) <= limit) for limit in WITHIN_MS}
            row = {"aligner": aligner, "half": half, "recordings": len(recordings), "aligned": aligned}
            row |= {"phones": phones, "paired": len(off), "median_ms": np.median(np.abs(off))}
            rows.append(row | {"bias_ms": np.median(off)} | within)
    return pd.DataFrame(rows)


def main(arguments: list[str]) -> None:
    """Measure, print and store.

    Parameters
    ----------
    arguments
        Folder of LJSpeech, or nothing.
    """
    table = measure(Path(arguments[0]) if arguments else SHARED / "ljspeech")
    table.to_csv(RESULTS / "aligning.csv", index=False, float_format="%.4g", lineterminator="\n")
    print(table.to_string(index=False))


if __name__ == "__main__":
    main(sys.argv[1:])
