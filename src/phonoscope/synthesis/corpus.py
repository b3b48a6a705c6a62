"""Whole corpora of synthetic talkers, on disk (recordings, TextGrids, planted truth) or in memory."""

import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from phonoscope.audio import write_audio
from phonoscope.corpora.select import TEXT
from phonoscope.corpora.storage import COLUMNS
from phonoscope.corpora.textgrid import Interval, TextGrid, Tier, write_textgrid
from phonoscope.errors import CorpusError
from phonoscope.files import write_text, write_with
from phonoscope.synthesis import consonants as consonant_room
from phonoscope.synthesis import vowels as vowel_room
from phonoscope.synthesis.source_filter import cascade, equalise, shaped_noise, unit_level
from phonoscope.synthesis.talkers import Talker, draw_talkers

VOWELS = ("i", "æ", "ɝ", "ɑ", "u")
CONSONANTS = consonant_room.CONSONANTS
IN_MEMORY_NAME = "synthetic"
PAUSE = "sil"
STRESS = "1"  # primary, in ARPABET
VOWEL_LEVEL = 0.06  # root mean square of an average vowel, full scale 1
LEVEL_RANGE_DB = 4.0  # a token is up to this much louder or softer than it should be
EQ_SD_DB = 1.5  # of each of the three ripples of a token's equaliser
GAP_SECONDS = (0.06, 0.10)
EDGE_SECONDS = 0.2
CONTEXT_SECONDS = 0.03
_TALKERS_PER_BATCH = 8  # their vowels go through the resonators together


@dataclass(frozen=True)
class _Spoken:
    """What one talker says: the plan (one row a token, in the order of the recording) and its sounds."""

    talker: Talker
    plan: pd.DataFrame
    sounds: list[np.ndarray]
    rng: np.random.Generator


def write_corpus(
    out: str | Path,
    *,
    talkers: int = 60,
    vowels: Sequence[str] = VOWELS,
    consonants: Sequence[str] = CONSONANTS,
    repeats: int = 4,
    sample_rate: int = 22050,
    seed: int = 0,
    room: bool = True,
    progress: Callable[[int, int], object] | None = None,
) -> pd.DataFrame:
    """Write a corpus of synthetic talkers with known formants.

    One recording a talker, ``<speaker>/<speaker>.wav`` (16 bit), in which the tokens stand in random order with pauses
    of background between them; a TextGrid beside it (tiers `words` and `phones`, ARPABET); `speakers.csv` (speaker,
    sex); and `truth.parquet` with what was planted, by token.

    Parameters
    ----------
    out : path
        Folder to make; it must not exist or be empty.
    talkers : int
        Men, women and children in turn.
    vowels, consonants : sequence of str
        In IPA, any of the twelve vowels of Hillenbrand et al. (1995) and of the eight voiceless consonants.
    repeats : int
        Tokens of each phone and talker.
    sample_rate : int
        In Hz.
    seed : int
        The same seed gives the same bytes.
    room : bool
        Background noise, random level and a random gentle equaliser for each token, so that no class can be told by
        them. Without: dead silence between clean tokens.
    progress : callable, optional
        Called with the number of talkers done and their total.

    Returns
    -------
    DataFrame
        The token table as `read_corpus` reads it from `out`, with the planted ``true_f0_20 … true_b4_80`` (Hz; NaN for
        consonants).

    Raises
    ------
    CorpusError
        If `out` holds something already, or a phone or number asked for is impossible. Nothing is left behind.
    """
    out = Path(out)
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise CorpusError(f"{out} exists and is not an empty folder; expected a new one. Choose another or remove it.")
    existed = out.exists()
    tables: dict[str, pd.DataFrame] = {}
    speakers = []
    try:
        for spoken in _speak(talkers, vowels, consonants, repeats, sample_rate, seed, room):
            talker = spoken.talker
            samples, starts = _record(spoken, sample_rate, room)
            recording = f"{talker.name}/{talker.name}.wav"
            write_audio(out / recording, samples, sample_rate, "PCM_16")
            table = _token_table(spoken, recording, starts, sample_rate, out.resolve().name)
            _write_alignment(out / talker.name / f"{talker.name}.TextGrid", table, samples.size / sample_rate)
            tables[recording] = table
            speakers.append(f"{talker.name},{talker.sex}\n")
            if progress is not None:
                progress(len(tables), talkers)
        # In the order in which a reader lists the recordings.
        tokens = pd.concat([tables[name] for name in sorted(tables)], ignore_index=True)
        write_text(out / "speakers.csv", "speaker,sex\n" + "".join(speakers))
        write_with(out / "truth.parquet", tokens[["token", *vowel_room.TRUTH]].to_parquet)
    except BaseException:
        shutil.rmtree(out, ignore_errors=True)
        if existed:
            out.mkdir(parents=True)
        raise
    settings = {
        "talkers": talkers, "vowels": list(vowels), "consonants": list(consonants), "repeats": repeats,
        "sample_rate": sample_rate, "seed": seed, "room": room,
    }  # fmt: skip
    roots = {out.resolve().name: str(out.resolve())}
    tokens.attrs = {"roots": roots, "left_out": [], "settings": {"synthesis": settings}}
    return tokens


def synthesise_tokens(
    talkers: int = 6,
    *,
    vowels: Sequence[str] = VOWELS,
    consonants: Sequence[str] = (),
    repeats: int = 2,
    sample_rate: int = 22050,
    seed: int = 0,
    room: bool = True,
) -> tuple[list[np.ndarray], pd.DataFrame]:
    """Tokens in memory, without files: sounds and table, in the order talker, then random as in a recording.

    Parameters
    ----------
    talkers, vowels, consonants, repeats, sample_rate, seed, room
        As of `write_corpus`.

    Returns
    -------
    list of arrays (sample,)
        float32, one a token, with no context.
    DataFrame
        The token table with the planted truth; `start` and `end` are those that the token would have in the recording.
    """
    sounds, tables = [], []
    for spoken in _speak(talkers, vowels, consonants, repeats, sample_rate, seed, room):
        samples, starts = _record(spoken, sample_rate, room)
        name = spoken.talker.name
        tables.append(_token_table(spoken, f"{name}/{name}.wav", starts, sample_rate, IN_MEMORY_NAME))
        ends = starts + np.array([sound.size for sound in spoken.sounds])
        sounds += [samples[start:end].astype(np.float32) for start, end in zip(starts, ends, strict=True)]
    return sounds, pd.concat(tables, ignore_index=True)


def _speak(
    n_talkers: int,
    vowels: Sequence[str],
    consonants: Sequence[str],
    repeats: int,
    sample_rate: int,
    seed: int,
    room: bool,
) -> Iterator[_Spoken]:
    """All talkers in turn; what one says does not depend on the others, though their vowels are filtered together."""
    if not (len(vowels) or len(consonants)) or sample_rate < 8000:
        raise CorpusError(
            f"found {len(vowels)} vowels, {len(consonants)} consonants and a sample rate of {sample_rate} Hz; expected "
            f"at least one phone and 8000 Hz."
        )
    people = draw_talkers(n_talkers, seed)
    for begin in range(0, n_talkers, _TALKERS_PER_BATCH):
        batch = []
        for number, talker in enumerate(people[begin : begin + _TALKERS_PER_BATCH], start=begin):
            rng = np.random.default_rng([seed, number, 1])
            plans = [vowel_room.draw_vowels(talker, vowels, repeats, rng)] if len(vowels) else []
            sources = vowel_room.vowel_sources(plans[0], talker, sample_rate, rng) if plans else []
            noises: list[np.ndarray] = []
            if len(consonants):
                plans.append(consonant_room.draw_consonants(talker, consonants, repeats, rng))
                noises = consonant_room.speak_consonants(plans[-1], talker, sample_rate, rng)
            batch.append((talker, plans, sources, noises, rng))
        voiced = iter(_filter_together(batch, sample_rate))
        for talker, plans, sources, noises, rng in batch:
            sounds = [unit_level(next(voiced)) for _ in sources] + noises
            if room:
                sounds = [_placed_in_room(sound, sample_rate, rng) for sound in sounds]
            plan = pd.concat(plans, ignore_index=True).reindex(columns=["label", "duration", *vowel_room.TRUTH])
            order = rng.permutation(len(plan))
            yield _Spoken(talker, plan.iloc[order].reset_index(drop=True), [sounds[k] for k in order], rng)


def _filter_together(batch: list[tuple], sample_rate: int) -> list[np.ndarray]:
    sources = [source for _, _, sources, _, _ in batch for source in sources]
    if not sources:
        return []
    resonances = [vowel_room.resonances(plans[0], talker) for talker, plans, *_ in batch]
    frequencies, bandwidths = (np.concatenate(part) for part in zip(*resonances, strict=True))
    return cascade(sources, frequencies, bandwidths, sample_rate)


def _placed_in_room(sound: np.ndarray, sample_rate: int, rng: np.random.Generator) -> np.ndarray:
    """Random level and gentle equaliser: tilt and three slow ripples over log frequency."""
    hertz = np.geomspace(60, sample_rate / 2, 40)
    position = np.linspace(0, 1, hertz.size)
    waves = np.cos(np.pi * (np.outer(position, [1, 2, 3]) + rng.uniform(0, 2, 3)))
    gain_db = waves @ (EQ_SD_DB * rng.standard_normal(3)) + rng.uniform(-LEVEL_RANGE_DB, LEVEL_RANGE_DB)
    return equalise(sound, sample_rate, hertz, gain_db)


def _record(spoken: _Spoken, sample_rate: int, room: bool) -> tuple[np.ndarray, np.ndarray]:
    """One recording (sample,) within ±1 and the first sample of each token in it."""
    rng = spoken.rng
    lengths = np.array([sound.size for sound in spoken.sounds])
    gaps = np.round(rng.uniform(*GAP_SECONDS, lengths.size) * sample_rate).astype(int)
    gaps[0] = round(EDGE_SECONDS * sample_rate)
    starts = np.cumsum(gaps) + np.concatenate([[0], np.cumsum(lengths)[:-1]])
    samples = np.zeros(starts[-1] + lengths[-1] + round(EDGE_SECONDS * sample_rate))
    for start, sound in zip(starts, spoken.sounds, strict=True):
        samples[start : start + sound.size] = sound
    if room:
        # Rooms hum more than they hiss: density falls by 3 to 9 dB per octave above 100 Hz.
        hertz = np.geomspace(50, sample_rate / 2, 30)
        density_db = -rng.uniform(3, 9) * np.log2(np.maximum(hertz, 100) / 100)
        background = unit_level(shaped_noise(samples.size, sample_rate, hertz, density_db, rng))
        samples += 10 ** (-spoken.talker.snr_db / 20) * background
    samples *= VOWEL_LEVEL
    peak = np.abs(samples).max()
    return samples * min(1.0, 0.98 / max(peak, 1e-12)), starts


def _token_table(spoken: _Spoken, recording: str, starts: np.ndarray, sample_rate: int, corpus: str) -> pd.DataFrame:
    plan, talker = spoken.plan, spoken.talker
    lengths = np.array([sound.size for sound in spoken.sounds])
    labels = [str(label) for label in plan["label"]]
    is_vowel = np.array([label in vowel_room.ARPABET for label in labels])
    names = vowel_room.ARPABET | consonant_room.ARPABET
    # Token k is interval 2k + 1 of the phones tier: a pause stands before each and after the last.
    base = recording.removesuffix(".wav")
    table = pd.DataFrame(
        {
            "token": [f"{base}:{2 * k + 1:04d}" for k in range(len(plan))],
            "recording": recording,
            "start": starts / sample_rate,
            "end": (starts + lengths) / sample_rate,
            "phone": [names[label] + STRESS * (label in vowel_room.ARPABET) for label in labels],
            "label": labels,
            "stress": pd.Series(int(STRESS), plan.index, dtype="Int8").where(is_vowel),
            "word": [names[label].lower() for label in labels],
            "previous": PAUSE,
            "next": PAUSE,
            "speaker": talker.name,
            "sex": talker.sex,
            "corpus": corpus,
            "split": pd.Series(pd.NA, plan.index, dtype=TEXT),
        }
    )[list(COLUMNS)]
    return pd.concat([table, plan[vowel_room.TRUTH]], axis=1)


def _write_alignment(path: Path, table: pd.DataFrame, duration: float) -> None:
    starts, ends = table["start"].tolist(), table["end"].tolist()
    tiers = []
    for name, column in (("words", "word"), ("phones", "phone")):
        spoken = [Interval(*row) for row in zip(starts, ends, table[column], strict=True)]
        pauses = [Interval(*row, PAUSE) for row in zip([0.0, *ends], [*starts, duration], strict=True)]
        tiers.append(Tier(name, tuple(sorted(spoken + pauses))))
    write_textgrid(path, TextGrid(0.0, duration, tuple(tiers)))
