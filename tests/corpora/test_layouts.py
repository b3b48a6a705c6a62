"""Layouts, tier names and pairing: small fake corpora as each aligner would leave them."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from phonoscope.corpora import LAYOUTS, read_corpus
from phonoscope.corpora.pairing import pair_alignments, with_alignments
from phonoscope.corpora.textgrid import Interval, TextGrid, Tier, write_textgrid
from phonoscope.corpora.tiers import choose_tiers
from phonoscope.corpora.timit import read_phn
from phonoscope.errors import CorpusError

RATE = 16_000


def sound(path: Path, seconds: float = 1.0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, np.zeros(round(seconds * RATE)), RATE, format="WAV")
    return path


def tier(name: str, text: str, step: float = 0.1) -> Tier:
    """Tier of intervals of equal length; _ is an empty label."""
    labels = ["" if label == "_" else label for label in text.split()]
    return Tier(name, tuple(Interval(step * i, step * (i + 1), label) for i, label in enumerate(labels)))


def grid(path: Path, *tiers: Tier) -> Path:
    write_textgrid(path, TextGrid(0.0, 1.0, tiers), encoding="utf-16")
    return path


# "see a cat" in the notation of each aligner: tier names and phones.
ALIGNERS = {
    "mfa arpa": (("words", "phones"), "_ S IY1 AH0 K AE1 T sil"),
    "mfa ipa": (("words", "phones"), "_ s iː ə cʰ æ tʰ spn"),
    "fave": (("Anna - word", "Anna - phone"), "sp S IY1 AH0 K AE1 T sp"),
    "mfa two speakers": (("Anna - words", "Anna - phones"), "_ S IY1 AH0 K AE1 T _"),
    "webmaus": (("ORT-MAU", "MAU"), "<p:> s i: @ k { t <p:>"),
    "labb-cat": (("transcript - Anna", "segment - Anna"), "_ s i ə k æ t _"),
    "sppas": (("TokensAlign", "PhonAlign"), "# s i: @ k { t #"),
    "emur": (("Word", "Phonetic"), "_ s i ə k æ t _"),
    "common phone": (("ORT-MAU", "MAU"), "_ s iː ə k æ t (...)"),
}


@pytest.mark.parametrize("aligner", ALIGNERS)
def test_every_aligner_gives_the_same_tokens(tmp_path, aligner):
    (words, phones), text = ALIGNERS[aligner]
    sound(tmp_path / "corpus" / "bea" / "01.wav")
    kan = (tier("KAN-MAU", "si: @k{t"),) if aligner == "webmaus" else ()
    tiers = (tier(words, "_ see see a cat cat cat _"), *kan, tier(phones, text))
    grid(tmp_path / "corpus" / "bea" / "01.TextGrid", *tiers)
    tokens = read_corpus(tmp_path / "corpus")
    assert list(tokens["label"]) == ["s", "i", "k", "æ", "t"]
    assert list(tokens["word"]) == ["see", "see", "cat", "cat", "cat"]
    assert list(tokens["token"]) == [f"bea/01:{index:04d}" for index in (1, 2, 4, 5, 6)]
    np.testing.assert_allclose(tokens["start"], [0.1, 0.2, 0.4, 0.5, 0.6])
    np.testing.assert_allclose(tokens["end"], [0.2, 0.3, 0.5, 0.6, 0.7])
    assert set(tokens["speaker"]) == {"Anna" if "Anna" in phones else "bea"}
    assert list(tokens["next"])[3] == text.split()[6]


def test_two_speakers_in_one_recording(tmp_path):
    sound(tmp_path / "talk.wav")
    grid(
        tmp_path / "talk.TextGrid",
        tier("Bo - words", "two two _ _"),
        tier("Bo - phones", "T UW1 _ _"),
        tier("Al - phones", "_ _ P AA1"),
    )
    tokens = read_corpus(tmp_path)
    assert list(tokens["speaker"]) == ["Bo", "Bo", "Al", "Al"]
    assert list(tokens["label"]) == ["t", "u", "p", "ɑ"]
    assert tokens["word"].isna().tolist() == [False, False, True, True]
    assert tokens["token"].is_unique
    assert tokens["previous"].isna().tolist() == [True, False, True, False]


def test_a_missing_tier_is_named_with_those_there_are():
    only_maus = TextGrid(0.0, 1.0, (tier("words", "a"), tier("MAU", "a")))
    chosen, _ = choose_tiers(only_maus, Path("X.TextGrid"))
    assert (chosen[0].phones.name, chosen[0].words.name) == ("MAU", "words")
    with pytest.raises(CorpusError) as caught:
        choose_tiers(only_maus, Path("X.TextGrid"), phone_tier="phones")
    expected = "tier 'phones' not found in X.TextGrid; it has: words, MAU. Pass --phone-tier MAU"
    assert str(caught.value) == expected
    with pytest.raises(CorpusError, match=r"tier 'w' not found.*--word-tier words"):
        choose_tiers(only_maus, Path("X.TextGrid"), word_tier="w")


def test_named_tiers_and_doubles():
    both = TextGrid(0.0, 1.0, (tier("my phones (checked)", "a"), tier("Phones", "b"), tier("phones", "c")))
    chosen, warnings = choose_tiers(both, Path("x"))
    assert chosen[0].phones.name == "Phones"
    assert warnings == ["two tiers are called 'phones'; the first is used"]
    chosen, _ = choose_tiers(both, Path("x"), phone_tier="My Phones (checked)")
    assert chosen[0].phones.name == "my phones (checked)"
    chosen, _ = choose_tiers(TextGrid(0.0, 1.0, both.tiers[:1]), Path("x"))
    assert chosen[0].phones.name == "my phones (checked)"


def test_pairing_by_the_end_of_the_path(tmp_path):
    names = ["wav/anna/01.wav", "wav/anna/02.wav", "wav/bea/01.wav", "wav/x.wav"]
    audio = [sound(tmp_path / name) for name in names]
    for name in ["anna/01", "bea/01", "deep/er/x"]:
        grid(tmp_path / "textgrids" / f"{name}.TextGrid", tier("phones", "s"))
    found = pair_alignments(tmp_path, audio, None)
    relative = [path and path.relative_to(tmp_path / "textgrids").as_posix() for path in found]
    assert relative == ["anna/01.TextGrid", None, "bea/01.TextGrid", "deep/er/x.TextGrid"]


def test_an_ambiguous_name_is_not_paired(tmp_path):
    audio = [sound(tmp_path / "a" / "01.wav"), sound(tmp_path / "b" / "01.wav")]
    folder = tmp_path / "elsewhere"
    grid(folder / "01.TextGrid", tier("phones", "s"))
    assert pair_alignments(tmp_path, audio, folder) == [None, None]


def phn(path: Path, text: str) -> Path:
    """PHN or WRD file of intervals of 1600 samples, one per label."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [f"{1600 * i} {1600 * (i + 1)} {label}" for i, label in enumerate(text.split())]
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.mark.parametrize("upper", [True, False])
def test_timit(tmp_path, upper):
    case = str.upper if upper else str.lower
    for speaker in ("fcjf0", "mdab0"):
        home = tmp_path / case("train") / case("dr1") / case(speaker)
        phn(home / case("sa1.phn"), "h# sh iy tcl t ux kcl pcl p axr h#")
        phn(home / case("sa1.wrd"), "x she she two two two x per per per x")
        (home / case("sa1.txt")).write_text("0 17600 She two per.\n")
        soundfile.write(home / case("sa1.wav"), np.zeros(17_600), RATE, format="NIST", subtype="PCM_16")
    tokens = read_corpus(tmp_path)
    assert tokens.attrs["settings"]["layout"] == tokens.attrs["settings"]["phone_set"] == "timit"
    one = tokens[tokens["speaker"] == "FCJF0"]
    assert list(one["label"]) == ["ʃ", "i", "t", "u", "p", "ɝ"]
    # Closures belong to their stops: "tcl t" and "pcl p" last two intervals; "kcl" alone is no k.
    np.testing.assert_allclose(one["end"] - one["start"], [0.1, 0.1, 0.2, 0.1, 0.2, 0.1])
    assert list(one["word"]) == ["she", "she", "two", "two", "per", "per"]
    assert dict(zip(tokens["speaker"], tokens["sex"], strict=True)) == {"FCJF0": "f", "MDAB0": "m"}
    assert next(iter(LAYOUTS["timit"].recordings(tmp_path))).transcript == "She two per."


def test_a_closure_joins_only_the_release_that_follows_at_once(tmp_path):
    path = tmp_path / "a.phn"
    path.write_text("0 1600 tcl\n1600 3200 t\n3200 4800 pcl\n6400 8000 p\n8000 9600 kcl\n9600 11200 t\n")
    intervals = read_phn(path).tier("phones").intervals
    assert [(i.start, i.end, i.label) for i in intervals] == [
        (0.0, 0.2, "t"), (0.2, 0.3, "pcl"), (0.4, 0.5, "p"), (0.5, 0.6, "kcl"), (0.6, 0.7, "t"),
    ]  # fmt: skip


def test_timit_prefers_the_converted_recording(tmp_path):
    home = tmp_path / "DR1" / "FCJF0"
    phn(home / "SA1.PHN", "sh iy")
    (home / "SA1.WAV").write_bytes(b"NIST_1A compressed with shorten")
    sound(home / "SA1.WAV.wav")
    assert set(read_corpus(tmp_path)["recording"]) == {"DR1/FCJF0/SA1.WAV.wav"}


def test_timit_with_its_alignments_elsewhere(tmp_path):
    home = tmp_path / "corpus" / "DR1" / "FCJF0"
    sound(home / "SA1.WAV.wav")
    sound(home / "SA2.WAV")
    for name in ("SA1", "SA2"):
        phn(tmp_path / "phn" / "DR1" / "FCJF0" / f"{name}.PHN", "sh iy")
    tokens = read_corpus(tmp_path / "corpus", tmp_path / "phn", layout="timit")
    assert set(tokens["recording"]) == {"DR1/FCJF0/SA1.WAV.wav", "DR1/FCJF0/SA2.WAV"}
    assert set(tokens["sex"]) == {"f"}


def test_timit_names_a_recording_that_is_missing(tmp_path):
    home = tmp_path / "DR1" / "FCJF0"
    phn(home / "SA1.PHN", "sh iy")
    phn(home / "SA2.PHN", "sh iy")
    sound(home / "SA1.WAV")
    (entry,) = (e for e in read_corpus(tmp_path).attrs["left_out"] if e["what"] == "recording")
    assert (entry["reason"], entry["examples"]) == ("audio missing", ["DR1/FCJF0/SA2.WAV"])


@pytest.mark.parametrize(
    ("text", "words"), [("0 10\n", "line 1"), ("0 10 s\n20 15 t\n", "line 2: time runs backwards")]
)
def test_faulty_phn_is_named(tmp_path, text, words):
    (tmp_path / "a.phn").write_text(text)
    with pytest.raises(CorpusError, match=words):
        read_phn(tmp_path / "a.phn")


def test_ljspeech_layout_of_another_voice(tmp_path):
    (tmp_path / "metadata.csv").write_text("x1|Dr. See|doctor see\ngone|nothing|nothing\n", encoding="utf-8")
    for name in ("x1", "extra"):
        sound(tmp_path / "wavs" / f"{name}.wav")
        grid(tmp_path / "TextGrid" / f"{name}.TextGrid", tier("phones", "S IY1"))
    found = with_alignments(list(LAYOUTS["ljspeech"].recordings(tmp_path)), tmp_path)
    assert [(r.audio.stem, r.transcript, r.alignment is not None, r.speaker) for r in found] == [
        ("x1", "doctor see", True, None),
        ("gone", "nothing", False, None),
        ("extra", None, True, None),
    ]
    tokens = read_corpus(tmp_path)
    assert tokens["recording"].nunique() == 2
    assert tokens["speaker"].isna().all()
    assert tokens.attrs["settings"]["warnings"] == ["wavs/extra.wav: not listed in metadata.csv"]


def test_no_corpus_at_all(tmp_path):
    with pytest.raises(CorpusError, match="not found"):
        read_corpus(tmp_path / "nowhere")
    with pytest.raises(CorpusError, match="no recordings were found"):
        read_corpus(tmp_path)
    sound(tmp_path / "a.wav")
    with pytest.raises(CorpusError, match=r"1 recording .*phonoscope align.*a\.wav"):
        read_corpus(tmp_path)
    with pytest.raises(CorpusError, match=r"layout 'timti' is not known.*timit.*package.module:name"):
        read_corpus(tmp_path, layout="timti")
    with pytest.raises(CorpusError, match="folder of alignments grids was not found, neither as given"):
        read_corpus(tmp_path, alignments="grids")
