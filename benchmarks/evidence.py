"""CPU time and peak memory of `phonoscope evidence` on the vowels of LJSpeech: a run is made first, and not counted.

Run: ``python -m benchmarks.evidence``.
"""

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks.cost import ROOT, cost_of
from benchmarks.measure import SHARED, Bar, LackingError, Measurement, alone

METHODS = "cam; integrated-gradients; band-occlusion; band-stop"
TOKENS = 80
LIMITS = {"CPU time": (60.0, "s"), "peak memory": (600.0, "MB")}
BARS = {
    f"evidence, four methods, {what}": Bar(1.0, at_least=False, peer=f"{limit:g} {unit}", absolute=True)
    for what, (limit, unit) in LIMITS.items()
}
_ENVIRONMENT = {"OMP_NUM_THREADS": "1", "PYTHONPATH": f"{ROOT / 'src'}:{ROOT}"}
_MB_PER_MIB = 2**20 / 1e6


def measure(rounds: int) -> Iterator[Measurement]:
    """One round of a command that takes a minute, with its imports and the report, in one process."""
    del rounds
    corpus = SHARED / "ljspeech"
    if not corpus.is_dir():
        raise LackingError(f"the recordings of LJSpeech are not in {corpus}")
    with tempfile.TemporaryDirectory() as folder:
        run, log = Path(folder) / "run", Path(folder) / "log"
        command = (sys.executable, "-m", "phonoscope")
        made = ("run", "vowels-4k", "--corpus", corpus, "--alignments", corpus / "textgrids", "--out", run)
        cost_of([*command, *map(str, made)], log, _ENVIRONMENT)
        judged = ("evidence", run, "--methods", METHODS, "--tokens", TOKENS)
        cost = cost_of([*command, *map(str, judged)], log, _ENVIRONMENT)
    figures = (cost.cpu_seconds, cost.peak_mib * _MB_PER_MIB)
    for (what, (limit, unit)), figure in zip(LIMITS.items(), figures, strict=True):
        note = f"{TOKENS} tokens in five folds, the usual measures"
        yield Measurement(f"evidence, four methods, {what}", figure, limit, unit, (figure / limit,), note)


if __name__ == "__main__":
    alone(BARS, measure)
