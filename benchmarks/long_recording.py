"""Formants of a recording of 90 minutes, stereo at 44.1 kHz, with its TextGrid: CPU time and peak memory, and Praat's.

Run: ``python -m benchmarks.long_recording``. The recording is made first: synthetic talkers, one after the other, and
again. Praat (extra ``praat``) reads the file whole and analyses each vowel cut out of it.
"""

import sys
import tempfile
from collections.abc import Iterator
from importlib.util import find_spec
from itertools import cycle
from pathlib import Path

import numpy as np
import soundfile

from benchmarks.cost import ROOT, cost_of
from benchmarks.measure import Bar, Measurement, alone

MINUTES, SAMPLE_RATE = 90, 44_100
LIMITS = {"CPU time": (60.0, "s"), "peak memory": (600.0, "MB")}
BARS = {
    f"formants of {MINUTES} minutes, {what}": Bar(1.0, at_least=False, peer=f"{limit:g} {unit}", absolute=True)
    for what, (limit, unit) in LIMITS.items()
}
_ENVIRONMENT = {"OMP_NUM_THREADS": "1", "PYTHONPATH": f"{ROOT / 'src'}:{ROOT}"}
_MB_PER_MIB = 2**20 / 1e6
_CONTEXT = 0.05  # s


def write_recording(folder: Path, minutes: float = MINUTES) -> int:
    """Write ``long.wav`` and ``long.TextGrid`` into a folder; returns the number of intervals of phones."""
    from phonoscope.synthesis.corpus import synthesise_tokens
    from phonoscope.synthesis.vowels import ARPABET

    sounds, table = synthesise_tokens(
        6, vowels=tuple(ARPABET), consonants=("s", "t", "k", "f", "p"), repeats=4, sample_rate=SAMPLE_RATE, seed=3
    )
    folder.mkdir(parents=True, exist_ok=True)
    entries, place, frames = [], 0, round(minutes * 60 * SAMPLE_RATE)
    with soundfile.SoundFile(folder / "long.wav", "w", SAMPLE_RATE, 2, "PCM_16") as recording:
        for sound, phone in cycle(zip(sounds, table["phone"], strict=True)):
            if place + len(sound) > frames:
                sound, phone = np.zeros(frames - place, dtype=np.float32), "sil"
            recording.write(np.stack([sound, sound], axis=1))
            entries.append((place / SAMPLE_RATE, (place + len(sound)) / SAMPLE_RATE, phone))
            place += len(sound)
            if phone == "sil":
                break
    _write_grid(folder / "long.TextGrid", entries)
    return len(entries)


def _write_grid(path: Path, entries: list[tuple[float, float, str]]) -> None:
    """Write one tier, in the long format of Praat."""
    end = entries[-1][1]
    head = ['File type = "ooTextFile"', 'Object class = "TextGrid"', "", "xmin = 0", f"xmax = {end}"]
    tier = ["tiers? <exists>", "size = 1", "item []:", "    item [1]:", '        class = "IntervalTier"']
    tier += ['        name = "phones"', "        xmin = 0", f"        xmax = {end}"]
    lines = [*head, *tier, f"        intervals: size = {len(entries)}"]
    for number, (first, last, phone) in enumerate(entries, 1):
        lines += [f"        intervals [{number}]:", f"            xmin = {first}", f"            xmax = {last}"]
        lines += [f'            text = "{phone}"']
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def praat_whole(recording: str, tokens: str) -> None:
    """Measure the same vowels with Praat: the file in memory, one Burg and one pitch analysis a vowel."""
    import pandas as pd
    import parselmouth

    from benchmarks.formants import praat

    whole = parselmouth.Sound(recording).convert_to_mono()
    table = pd.read_parquet(tokens, columns=["start", "end"])
    for start, end in table.itertuples(index=False):
        first, last = round((start - _CONTEXT) * SAMPLE_RATE), round((end + _CONTEXT) * SAMPLE_RATE)
        samples = whole.values[0, max(first, 0) : last]
        praat([samples], np.array([5500.0]), SAMPLE_RATE, _CONTEXT)


def measure(rounds: int) -> Iterator[Measurement]:
    """One round of a command that takes a minute, with its imports, in one process."""
    del rounds
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        count = write_recording(folder / "corpus")
        command, log = (sys.executable, "-m", "phonoscope"), folder / "log"
        tokens, out = str(folder / "tokens.parquet"), str(folder / "formants.parquet")
        read = ("tokens", str(folder / "corpus"), "--classes", "any-vowel", "--out", tokens)
        cost_of([*command, *read], log, _ENVIRONMENT)
        cost = cost_of([*command, "formants", tokens, "--out", out], log, _ENVIRONMENT)
        said = log.read_text(encoding="utf-8").split("formants of ")[-1].split("\n")[0]
        note = f"{said} of {count} phones"
        if find_spec("parselmouth"):
            recording = str(folder / "corpus" / "long.wav")
            call = f"from benchmarks.long_recording import praat_whole; praat_whole({recording!r}"
            peer = cost_of([sys.executable, "-c", f"{call}, {tokens!r})"], log, _ENVIRONMENT)
            note += f"; Praat {peer.cpu_seconds:.0f} s, {peer.peak_mib * _MB_PER_MIB:.0f} MB"
    figures = (cost.cpu_seconds, cost.peak_mib * _MB_PER_MIB)
    for (what, (limit, unit)), figure in zip(LIMITS.items(), figures, strict=True):
        yield Measurement(f"formants of {MINUTES} minutes, {what}", figure, limit, unit, (figure / limit,), note)


if __name__ == "__main__":
    alone(BARS, measure)
