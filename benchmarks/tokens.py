"""From recordings to spectrograms, token by token and in batches: the paper's pictures in files, and librosa.

Run: ``python -m benchmarks.tokens [rounds]``; needs librosa, and pocketsphinx for Speech Commands. The tokens are those
of the tables that ``PHONOSCOPE_TOKENS`` names (written by ``phonoscope tokens``, separated as paths are), else vowels
of the shared recordings, else of synthetic talkers.
"""

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.measure import SHARED, Bar, Measurement, alone, alternately, compared, require

PICTURES = ((224, 224), (64, 32))
PAPERS = PICTURES[0]
BATCH = 64
WINDOW_SECONDS = 0.008
PER = 10_000  # tokens
FEW = 120  # tokens that the paper's way is measured on
FROM = ("cut", "shards")  # out of the recordings, or out of what `phonoscope tokens --sound` wrote
JPEG, LOAD, STFT = "JPEG files", "librosa's loop, resized", "librosa.stft"
BARE = "librosa's loop"  # as LOAD, but of as many columns as it happens to have
CASES = [
    *((source, picture, peer) for peer in (JPEG, LOAD) for picture in PICTURES for source in FROM),
    *(("in memory", picture, STFT) for picture in PICTURES),
]


def _what(source: str, picture: tuple[int, int], peer: str) -> str:
    return f"{source}, {picture[0]} × {picture[1]}, {peer}"


PAPERS_WAY, ONE_BY_ONE = Bar(50.0, peer="the paper's way"), Bar(3.0, peer="librosa, one by one")
BARS = {_what(*case): PAPERS_WAY if case[-1] == JPEG else ONE_BY_ONE for case in CASES}


@dataclass(frozen=True)
class Corpus:
    """Tokens, their sounds and what both are called."""

    name: str
    tokens: pd.DataFrame
    sounds: list[np.ndarray]
    sample_rate: int
    shards: Path


def real_tokens(folder: Path) -> dict[str, pd.DataFrame]:
    """Vowels of real recordings by the name of their corpus; of synthetic talkers where there are no real ones.

    The shared Speech Commands are stored as FLAC and have no alignment: every fourth is turned into WAV, as it was
    published, and aligned, in `folder`; without pocketsphinx they are left out.
    """
    from phonoscope.corpora import read_corpus, read_tokens
    from phonoscope.errors import MissingExtraError
    from phonoscope.synthesis.corpus import write_corpus

    named = os.environ.get("PHONOSCOPE_TOKENS")
    if named:
        return {Path(path).stem: read_tokens(path) for path in named.split(os.pathsep)}
    tables = {}
    speech = SHARED / "ljspeech"
    if speech.is_dir():
        tables["LJSpeech"] = read_corpus(speech, alignments=speech / "textgrids", classes="any-vowel")
    if (SHARED / "speech_commands").is_dir():
        with suppress(MissingExtraError):
            tables["Speech Commands"] = _aligned_commands(SHARED / "speech_commands", folder)
    if not tables:
        write_corpus(folder / "synthetic", talkers=12)
        tables["synthetic talkers, for want of real recordings"] = read_corpus(
            folder / "synthetic", classes="any-vowel"
        )
    return tables


def _aligned_commands(source: Path, folder: Path) -> pd.DataFrame:
    from phonoscope.audio import read_audio, write_audio
    from phonoscope.corpora import read_corpus
    from phonoscope.corpora.align import align_corpus

    for path in sorted(source.glob("*/*.flac"))[::4]:
        write_audio(folder / "commands" / path.parent.name / f"{path.stem}.wav", *read_audio(path), subtype="PCM_16")
    align_corpus(folder / "commands", folder / "textgrids", words="from-folder")
    return read_corpus(folder / "commands", alignments=folder / "textgrids", classes="any-vowel")


def _prepared(folder: Path) -> list[Corpus]:
    from phonoscope.audio import cut
    from phonoscope.corpora.shards import write_shards
    from phonoscope.corpora.sounds import TokenSounds

    corpora = []
    for number, (name, table) in enumerate(real_tokens(folder).items()):
        write_shards(table, folder / f"shards-{number}")
        sounds, tokens = cut(table)
        rate = TokenSounds(folder / f"shards-{number}").sample_rate
        corpora.append(Corpus(name, tokens, sounds, rate, folder / f"shards-{number}"))
    return corpora


def ours(corpora: list[Corpus], picture: tuple[int, int], source: str) -> None:
    """Spectrograms in batches, each let go as if a network had had it."""
    import torch

    from phonoscope.audio import cut
    from phonoscope.corpora.sounds import TokenSounds
    from phonoscope.frontends import Spectrogram, pad_waveforms

    for corpus in corpora:
        front_end = Spectrogram(corpus.sample_rate, rows=picture[0], columns=picture[1])
        sounds = corpus.sounds
        if source == "cut":
            sounds, _ = cut(corpus.tokens)
        elif source == "shards":
            sounds = TokenSounds(corpus.shards).without_context()
        with torch.no_grad():
            for start in range(0, len(sounds), BATCH):
                front_end(*pad_waveforms(sounds[start : start + BATCH]))


def papers_way(corpora: list[Corpus], folder: Path) -> None:
    """A figure a token, written as JPEG, read back and resized to a tensor of 3 × 224 × 224.

    The figure has neither axes nor margins to be drawn, which is to its advantage.
    """
    import soundfile
    import torch
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from PIL import Image

    for path, start, end in _few(corpora):
        with soundfile.SoundFile(path) as recording:
            rate = recording.samplerate
            recording.seek(round(start * rate))
            sound = recording.read(round(end * rate) - round(start * rate), dtype="float32")
        figure = Figure()
        FigureCanvasAgg(figure)
        axes = figure.add_axes((0, 0, 1, 1))
        axes.set_axis_off()
        window = round(WINDOW_SECONDS * rate)
        axes.specgram(sound, NFFT=window, Fs=rate, noverlap=window // 2)
        figure.savefig(folder / "picture.jpg")
        with Image.open(folder / "picture.jpg") as image:
            pixels = np.asarray(image.convert("RGB").resize(PAPERS), dtype=np.float32) / 255
        torch.from_numpy(pixels).permute(2, 0, 1)


def librosa_loop(corpora: list[Corpus], picture: tuple[int, int], peer: str) -> float:
    """Power in dB token by token; returns the mean number of columns of the transforms.

    Rows and columns are as near to the picture's as a transform allows. `STFT`: of sounds in memory. `BARE`: each token
    is loaded. `LOAD`: and its spectrogram resized to the picture, without which no batch could be made of them. Nothing
    is pre-emphasised, which is to librosa's advantage.
    """
    import librosa
    import torch
    from torch.nn.functional import interpolate

    columns = []
    for corpus in corpora:
        window = round(WINDOW_SECONDS * corpus.sample_rate)
        for (path, start, end), sound in zip(_places(corpus), corpus.sounds, strict=True):
            if peer != STFT:
                sound, _ = librosa.load(path, sr=None, offset=start, duration=end - start)
            n_fft = max(window, min(2 * picture[0], len(sound)))
            hop = max(1, round((len(sound) - n_fft) / (picture[1] - 1)))
            complex_ = librosa.stft(sound, n_fft=n_fft, hop_length=hop, win_length=window, center=False)
            decibels = librosa.power_to_db(np.abs(complex_) ** 2, ref=np.max, top_db=60)
            columns.append(decibels.shape[1])
            if peer == LOAD:
                interpolate(torch.from_numpy(decibels)[None, None], size=picture, mode="bilinear")
    return float(np.mean(columns))


def _places(corpus: Corpus) -> Iterator[tuple[Path, float, float]]:
    """Recording, start and end (s) of each token."""
    roots = corpus.tokens.attrs["roots"]
    for row in corpus.tokens.itertuples():
        yield Path(roots[row.corpus]) / row.recording, row.start, row.end


def _few(corpora: list[Corpus]) -> list[tuple[Path, float, float]]:
    """Some tokens of all corpora, at equal distances."""
    every = [place for corpus in corpora for place in _places(corpus)]
    return [every[k] for k in np.linspace(0, len(every) - 1, min(FEW, len(every))).astype(int)]


def measure(rounds: int) -> Iterator[Measurement]:
    """CPU seconds for 10 000 tokens; the paper's way is measured on some of them."""
    require("librosa", "bench")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        corpora = _prepared(folder)
        sizes = [len(corpus.tokens) for corpus in corpora]
        told = " and ".join(f"{size} tokens of {corpus.name}" for size, corpus in zip(sizes, corpora, strict=True))
        sides: dict[object, Callable[[], object]] = {JPEG: partial(papers_way, corpora, folder)}
        for picture in PICTURES:
            for source in (*FROM, "in memory"):
                sides[source, picture] = partial(ours, corpora, picture, source)
            for peer in (LOAD, BARE, STFT):
                sides[peer, picture] = partial(librosa_loop, corpora, picture, peer)
        spent = dict(zip(sides, alternately(rounds, *sides.values()).T * PER / sum(sizes), strict=True))
        spent[JPEG] *= sum(sizes) / len(_few(corpora))
        wide = {picture: librosa_loop(corpora, picture, STFT) for picture in PICTURES}
    for source, picture, peer in CASES:
        mine, theirs = spent[source, picture], spent[JPEG] if peer == JPEG else spent[peer, picture]
        note = told if peer == JPEG else f"librosa: {wide[picture]:.0f} columns on average"
        if peer == LOAD:
            note += f"; {np.median(spent[BARE, picture] / mine):.1f} if it need not resize them"
        yield compared(_what(source, picture, peer), mine, theirs, unit=f"s/{PER}", note=note)


if __name__ == "__main__":
    alone(BARS, measure)
