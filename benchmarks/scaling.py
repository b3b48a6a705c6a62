"""How time and memory grow with tokens, their length, frequency rows, classes and methods: fitted exponents.

Run: ``python -m benchmarks.scaling [rounds]``; for up to a million tokens: ``python -m benchmarks.million``.
"""

import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.cost import cost_of
from benchmarks.measure import Bar, Measurement, alone, alternately

SAMPLE_RATE = 16_000
TOKENS = (3000, 10_000, 25_000, 35_000, 50_000)
FULL = 25_000  # tokens that fill the reader's buffers; memory is judged from here on
TALKERS, REPEATS = 200, 20  # of 13 phones: enough tokens
WARM_UP = 100  # tokens; what happens once is not counted as time
STEPS = {
    "cutting to shards": "shards",
    "front end, from shards": "inputs",
    "CAM and class means, from shards": "maps",
}
SECONDS = (0.1, 0.2, 0.4, 0.8, 1.6)
ROWS = (32, 64, 128, 256, 512)
CLASSES = (2, 8, 32, 128, 512)
METHODS = (1, 2, 4, 8)
LINEAR = Bar(1.1, at_least=False, peer="")
FLAT = Bar(0.1, at_least=False, peer="")  # twice the tokens, 7 % more; peaks repeat to about 2 %
WITH_LENGTH, WITH_ROWS = "time, seconds a token", "time, frequency rows"
WITH_CLASSES, WITH_METHODS = "time, classes", "time, methods"
READY_WITH_ROWS = "time, frequency rows: method made ready"
BARS = {
    **{f"time, tokens: {step}": LINEAR for step in STEPS},
    **{f"memory, tokens: {step}": FLAT for step in STEPS},
    WITH_LENGTH: LINEAR,
    WITH_ROWS: LINEAR,
    WITH_CLASSES: Bar(0.5, at_least=False, peer=""),
    # The resolution is measured by a backward pass for every row of cells.
    READY_WITH_ROWS: Bar(2.0, at_least=False, peer=""),
    WITH_METHODS: LINEAR,
}


def exponent(sizes: Sequence[float], values: np.ndarray) -> tuple[float, float, float]:
    """Fit a power law by least squares of logarithms; values (round, size), at least three in all.

    Returns the lower end of the 95 % interval of the exponent, the exponent, and the upper end.
    """
    from scipy.stats import linregress, t

    x, y = np.log(sizes), np.log(values)
    fit = linregress(np.tile(x, len(y)), y.ravel())
    half = float(t.ppf(0.975, y.size - 2) * fit.stderr)
    return float(fit.slope - half), float(fit.slope), float(fit.slope + half)


def grown(what: str, sizes: Sequence[float], values: np.ndarray, unit: str) -> Measurement:
    """One line of the table: the largest value beside the smallest, and as ratio the exponent with its interval."""
    middle = np.median(values, axis=0)
    curve = tuple(zip(map(float, sizes), middle.tolist(), strict=True))
    note = f"exponent; {unit} at {sizes[-1]:g} and {sizes[0]:g}"
    return Measurement(what, curve[-1][1], curve[0][1], unit, exponent(sizes, values), note, curve)


def measure(rounds: int) -> Iterator[Measurement]:
    """Exponents of CPU time, and of the peak memory of a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        make_tokens(Path(folder))
        for step in STEPS:
            seconds, mib = np.array([in_a_process(step, Path(folder), count) for count in TOKENS]).T
            full = TOKENS.index(FULL)
            yield grown(f"time, tokens: {step}", TOKENS, seconds[None], "s")
            yield grown(f"memory, tokens: {step}", TOKENS[full:], mib[None, full:], "MiB")
    for what, sizes, works in growing():
        yield grown(what, sizes, alternately(rounds, *works), "s")


def growing() -> Iterator[tuple[str, Sequence[float], list[Callable[[], Any]]]]:
    """What grows beside the tokens: its sizes, and the work at each."""
    for what, sizes, cases in (
        (WITH_LENGTH, SECONDS, [Explaining(seconds=seconds) for seconds in SECONDS]),
        (WITH_ROWS, ROWS, [Explaining(rows=rows) for rows in ROWS]),
        (WITH_CLASSES, CLASSES, [Explaining(classes=classes) for classes in CLASSES]),
    ):
        yield what, sizes, [partial(case.means, case.ready()) for case in cases]
    yield READY_WITH_ROWS, ROWS, [Explaining(rows=rows).ready for rows in ROWS]
    case = Explaining()
    yield WITH_METHODS, METHODS, [partial(case.by_methods, count) for count in METHODS]


def make_tokens(folder: Path) -> None:
    """Write the token tables, shards and classifier that `one_step` reads."""
    from phonoscope.classifier import Classifier
    from phonoscope.corpora import read_corpus, write_tokens
    from phonoscope.corpora.shards import write_shards
    from phonoscope.frontends import Spectrogram
    from phonoscope.synthesis.corpus import write_corpus

    write_corpus(folder / "corpus", talkers=TALKERS, repeats=REPEATS, sample_rate=SAMPLE_RATE)
    every = read_corpus(folder / "corpus")
    for count in (WARM_UP, *TOKENS):
        tokens = every.iloc[:count].copy()
        tokens.attrs = every.attrs
        write_tokens(folder / f"{count}.parquet", tokens)
        write_shards(tokens, folder / str(count))
    labels = sorted(every["label"].unique())
    Classifier.build(Spectrogram(SAMPLE_RATE), "compact", labels).save_pretrained(folder / "classifier")


def in_a_process(step: str, folder: Path, count: int) -> tuple[float, float]:
    """CPU seconds of a step on so many tokens, and the peak memory (MiB) of the process that did nothing else."""
    log = folder / "said.json"
    call = f"one_step({STEPS[step]!r}, {str(folder)!r}, {count})"
    root = str(Path(__file__).resolve().parents[1])
    cost = cost_of([sys.executable, "-c", f"from benchmarks.scaling import *; {call}"], log, {"PYTHONPATH": root})
    return json.loads(log.read_text(encoding="utf-8").splitlines()[-1]), cost.peak_mib


def one_step(step: str, folder: str, count: int) -> None:
    """Do one step on a few tokens, then on `count`, and print the CPU seconds of the second time."""
    work = {"shards": _cut, "inputs": _inputs, "maps": _maps}[step]
    work(Path(folder), WARM_UP)
    begin = time.process_time()
    work(Path(folder), count)
    print(json.dumps(time.process_time() - begin))


def _cut(folder: Path, count: int) -> None:
    from phonoscope.corpora import read_tokens
    from phonoscope.corpora.shards import write_shards

    with tempfile.TemporaryDirectory(dir=folder) as out:
        write_shards(read_tokens(folder / f"{count}.parquet"), Path(out) / "shards")


def _inputs(folder: Path, count: int) -> None:
    from phonoscope.classifier import Classifier
    from phonoscope.corpora.sounds import TokenSounds

    classifier = Classifier.from_pretrained(folder / "classifier")
    for _ in classifier.batches(TokenSounds(folder / str(count)).without_context()):
        pass


def _maps(folder: Path, count: int) -> None:
    from phonoscope.experiments.explaining import explain_tokens

    with tempfile.TemporaryDirectory(dir=folder) as out:
        source, shards = folder / "classifier", folder / str(count)
        explain_tokens(source, shards, Path(out) / "maps", method="cam", target="true")


class Explaining:
    """CAM of noise by a compact network, with class means."""

    def __init__(self, *, tokens: int = 256, seconds: float = 0.15, rows: int = 64, classes: int = 13) -> None:
        from phonoscope.attribution.targets import resolve_targets
        from phonoscope.classifier import Classifier
        from phonoscope.frontends import Spectrogram

        rng = np.random.default_rng(0)
        self.labels = [str(number) for number in range(classes)]
        self.true = [self.labels[number] for number in rng.integers(classes, size=tokens)]
        self.sounds = list(rng.standard_normal((tokens, round(seconds * SAMPLE_RATE)), dtype=np.float32))
        self.classifier = Classifier.build(Spectrogram(SAMPLE_RATE, rows=rows), "compact", self.labels)
        self.targets = resolve_targets(self.classifier, "true", tokens, self.true)

    def ready(self) -> Any:
        """Make the method ready: once a classifier, whatever the number of tokens."""
        from phonoscope.attribution.explainer import Explainer

        return Explainer(self.classifier, "cam")

    def means(self, explainer: Any) -> Any:
        """Class means of the maps of all tokens."""
        from phonoscope.attribution.explainer import BATCH_SIZE
        from phonoscope.attribution.means import ClassMeans

        means = ClassMeans(self.labels)
        for begin in range(0, len(self.sounds), BATCH_SIZE):
            part = slice(begin, begin + BATCH_SIZE)
            maps = explainer(self.sounds[part], self.targets.of(part), self.true[part])
            means.update(maps, self.true[part], maps["predicted"].values)
        return means.result()

    def by_methods(self, count: int) -> None:
        """Do all of it several times, as for several methods."""
        for _ in range(count):
            self.means(self.ready())


if __name__ == "__main__":
    alone(BARS, measure)
