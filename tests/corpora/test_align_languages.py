"""Alignment of other languages: MFA by a stand-in for its program, the rough one by espeak-ng itself if it is here."""

import os
import sys
from pathlib import Path

import numpy as np
import pytest
import soxr

from phonoscope.audio import read_audio, write_audio
from phonoscope.corpora import align, espeak
from phonoscope.corpora.align import align_corpus
from phonoscope.corpora.rough import align_rough, warp
from phonoscope.corpora.table import read_corpus
from phonoscope.corpora.textgrid import read_textgrid
from phonoscope.corpora.transcripts import kind_of_labels, text_beside
from phonoscope.errors import CorpusError

SPANISH = Path(__file__).resolve().parents[3] / "shared" / "data" / "asterisk_prompts" / "es"
SAID = {
    "digits_9": "nueve", "digits_700": "setecientos", "digits_60": "sesenta", "digits_200": "doscientos",
    "digits_300": "trescientos", "seconds": "segundos", "hours": "horas", "digits_day-4": "jueves",
}  # fmt: skip


def _speaks() -> bool:
    try:
        espeak.require_voice("de")
    except CorpusError:
        return False
    return True


needs_espeak = pytest.mark.skipif(not _speaks(), reason="espeak-ng is not installed")

# Writes one word and one phone over the middle of every recording, as MFA lays out its long TextGrids; and fails as it.
FAKE_MFA = '''#!{python}
import sys, wave
from pathlib import Path
TIER = """    item [{{n}}]:
        class = "IntervalTier"
        name = "{{name}}"
        xmin = 0
        xmax = {{end}}
        intervals: size = 3
        intervals [1]:
            xmin = 0
            xmax = 0.2
            text = ""
        intervals [2]:
            xmin = 0.2
            xmax = 0.4
            text = "{{label}}"
        intervals [3]:
            xmin = 0.4
            xmax = {{end}}
            text = ""
"""
if sys.argv[1:3] == ["model", "list"]:
    print(" INFO     Available local models: ['english_us_arpa', {models}]")
    sys.exit(0)
corpus, dictionary, acoustic, out = sys.argv[-4:]
assert (dictionary, acoustic) == ("german_mfa", "german_mfa"), sys.argv
for lab in sorted(Path(corpus).rglob("*.lab")):
    word = lab.read_text(encoding="utf-8").strip()
    if word == "kaputt":
        sys.exit("no alignments were found")
    if word == "unmöglich":
        continue
    with wave.open(str(lab.with_suffix(".wav"))) as sound:
        end = sound.getnframes() / sound.getframerate()
    target = Path(out) / lab.relative_to(corpus).with_suffix(".TextGrid")
    target.parent.mkdir(parents=True, exist_ok=True)
    tiers = TIER.format(n=1, name="words", end=end, label=word) + TIER.format(n=2, name="phones", end=end, label="aː")
    head = 'File type = "ooTextFile"\\nObject class = "TextGrid"\\n\\nxmin = 0\\nxmax = %s\\n'
    head += 'tiers? <exists>\\nsize = 2\\nitem []:\\n'
    target.write_text(head % end + tiers, encoding="utf-8")
'''


def fake_mfa(folder: Path, monkeypatch: pytest.MonkeyPatch, models: str = "'german_mfa'") -> None:
    folder.mkdir()
    program = folder / "mfa"
    program.write_text(FAKE_MFA.format(python=sys.executable, models=models), encoding="utf-8")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")


def record(root: Path, **texts: str) -> Path:
    root.mkdir()
    for name, text in texts.items():
        waveform = np.random.default_rng(0).normal(size=8000).clip(-4, 4).astype(np.float32) * 0.1
        write_audio(root / f"{name}.wav", waveform, 8000)
        (root / f"{name}.txt").write_text(text, encoding="utf-8")
    return root


@pytest.mark.skipif(os.name == "nt", reason="the stand-in for MFA is a script with a shebang")
def test_mfa_is_run_where_it_has_models_and_its_textgrids_are_read(tmp_path, monkeypatch):
    fake_mfa(tmp_path / "bin", monkeypatch)
    root = record(tmp_path / "c", a="Tag", b="unmöglich", c="...")
    report = align_corpus(root, tmp_path / "out", language="de")
    rows = report.table.set_index("recording")
    assert rows["status"].to_dict() == {"a.wav": "aligned", "b.wav": "failed", "c.wav": "silent"}
    assert "MFA wrote no TextGrid" in rows.loc["b.wav", "reason"]
    grid = read_textgrid(tmp_path / "out" / "a.TextGrid")
    assert [each.label for each in grid.tier("phones").intervals] == ["", "aː", ""]
    assert [each.label for each in grid.tier("words").intervals] == ["", "Tag", ""]
    again = align_corpus(root, tmp_path / "out", language="de")
    assert align.KEPT in again.table.set_index("recording").loc["a.wav", "reason"]
    (root / "b.txt").write_text("kaputt", encoding="utf-8")
    with pytest.raises(CorpusError, match=r"mfa align.*failed.*no alignments were found"):
        align_corpus(root, tmp_path / "out", language="de")


@needs_espeak
@pytest.mark.skipif(os.name == "nt", reason="the stand-in for MFA is a script with a shebang")
def test_without_models_of_mfa_the_alignment_is_rough(tmp_path, monkeypatch):
    fake_mfa(tmp_path / "bin", monkeypatch, models="'french_mfa'")
    assert align._choose("de", None, False).rough
    assert not align._choose("fr", None, False).rough


@needs_espeak
def test_rough_alignment_finds_the_phones_of_another_voice(tmp_path):
    spoken = espeak.speak("Guten Tag, zwei Äpfel für dich", "de")
    assert spoken.words == ("Guten", "Tag", "zwei", "Äpfel", "für", "dich")
    # Slower, and with silence before: where the phones went is known.
    other = soxr.resample(spoken.waveform, 16_000, 20_000)
    waveform = soxr.resample(other, spoken.sample_rate, 16_000)
    stretch, before = 20 / 16, 0.3
    silence = np.random.default_rng(0).normal(size=round(before * 16_000)) * 1e-4
    (tmp_path / "c").mkdir()
    write_audio(tmp_path / "c" / "a.wav", np.concatenate([silence, waveform, silence]).astype(np.float32), 16_000)
    (tmp_path / "c" / "a.lab").write_text("Guten Tag, zwei Äpfel für dich", encoding="utf-8")
    report = align_corpus(tmp_path / "c", tmp_path / "out", language="de")
    assert report.counts["rough"] == 1
    assert "rough alignments find" in "\n".join(report.summary())
    grid = read_textgrid(tmp_path / "out" / "a.TextGrid")
    assert grid.tier_names == ["words (rough)", "phones (rough)"]
    found = [each for each in grid.tier("phones (rough)").intervals if each.label]
    assert [each.label for each in found] == [each.label for each in spoken.phones]
    off = [each.start - before - stretch * its.start for each, its in zip(found, spoken.phones, strict=True)]
    assert np.median(np.abs(off)) < 0.025
    again = align_corpus(tmp_path / "c", tmp_path / "out", language="de")
    assert again.table["reason"].tolist() == [align.KEPT]
    assert again.counts["rough"] == 1
    # The token table finds the phones and their words.
    tokens = read_corpus(tmp_path / "c", alignments=tmp_path / "out", phone_set="ipa", min_duration=0)
    assert {"Guten", "Äpfel"} <= set(tokens["word"])


@needs_espeak
def test_what_espeak_cannot_speak_is_refused():
    with pytest.raises(CorpusError, match=r"another language.*pinyin"):
        espeak.speak("你好 世界，我是学生", "cmn")
    noise = np.random.default_rng(0).normal(size=16_000) * 0.1
    assert align_rough(noise[:4000], "eine ganze Menge vieler Wörter, die nicht passen", "de").status == "failed"
    assert align_rough(np.zeros(16_000), "ja", "de").status == "silent"


def test_a_language_that_nothing_aligns_says_what_to_install(tmp_path, monkeypatch):
    root = record(tmp_path / "c", a="ja")
    with pytest.raises(CorpusError, match=r"'qqq'.*espeak-ng"):
        align_corpus(root, tmp_path / "out", language="qqq")

    def lacking():
        raise CorpusError(f"espeak-ng is not installed; {espeak.INSTALL}")

    monkeypatch.setattr(espeak, "_library", lacking)
    monkeypatch.setattr(align, "find_models", lambda language: None)
    with pytest.raises(CorpusError, match=r"apt install espeak-ng.*mfa model download acoustic german_mfa"):
        align_corpus(root, tmp_path / "out", language="de")
    with pytest.raises(CorpusError, match="code of a language"):
        align_corpus(root, tmp_path / "out", language="Deutsch!")


def test_warping_finds_a_known_stretch():
    series = np.cumsum(np.random.default_rng(0).normal(size=(40, 3)), axis=0)
    slow = np.repeat(series, 2, axis=0)
    assert np.array_equal(warp(slow, series), 2 * np.arange(40))
    assert np.array_equal(warp(series, series), np.arange(40))


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("0 2500000 sil\n2500000 5000000 aa\n", "times"),
        ("0 2500000 sil", "times"),
        ("0.000000\t0.250000\tyes\n", "times"),
        ("signal a\nnfields 1\n#\n 0.25 121 h#\n 0.5 121 sh\n", "times"),
        ("0.25 h#\n0.5 sh\n", "times"),
        ('File type = "ooTextFile"\nObject class = "TextGrid"\n\nxmin = 0\n', "TextGrid"),
        ('"ooTextFile"\n"TextGrid"\n0\n1\n', "TextGrid"),
        ("<?xml version='1.0'?>\n<ANNOTATION_DOCUMENT/>", "ELAN"),
        ("<?xml version='1.0'?>\n<Trans/>", "XML"),
        ("She had your dark suit", ""),
        ("1 2 3\n4 5 6\n", ""),
        ("one 2 three", ""),
        ("", ""),
    ],
)
def test_times_and_labels_are_no_transcript(text, kind, tmp_path):
    assert (kind in kind_of_labels(text)) if kind else (kind_of_labels(text) == "")
    (tmp_path / "a.lab").write_text(text, encoding="utf-8")
    words, reason = text_beside(tmp_path / "a.wav")
    assert words == (None if kind else text)
    assert ("a.lab holds" in reason) == bool(kind)
    (tmp_path / "a.txt").write_text("the words", encoding="utf-8")
    assert text_beside(tmp_path / "a.wav") == ("the words", "")


@needs_espeak
@pytest.mark.skipif(not SPANISH.is_dir(), reason="Asterisk's Spanish prompts are not there")
def test_spanish_vowels_and_sibilants_are_where_they_should_be():
    """The spectrum of [s] has its centre far above that of any vowel."""
    centroids: dict[str, list[float]] = {"s": [], "vowel": []}
    for name, text in SAID.items():
        waveform, _ = read_audio(SPANISH / f"{name}.flac", 16_000)
        alignment = align_rough(waveform, text, "es")
        assert alignment.status == "rough"
        for phone in alignment.phones:
            kind = "s" if phone.label == "s" else "vowel" if phone.label in "aeiouɛ" else None
            if kind is not None:
                middle = round((phone.start + phone.end) / 2 * 16_000)
                power = np.abs(np.fft.rfft(waveform[middle - 200 : middle + 200] * np.hanning(400))) ** 2
                centroids[kind].append(np.sum(np.fft.rfftfreq(400, 1 / 16_000) * power) / power.sum())
    assert np.mean(np.array(centroids["s"]) > 2500) > 0.8
    assert np.mean(np.array(centroids["vowel"]) < 1500) > 0.9
