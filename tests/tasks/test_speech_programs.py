"""Programs that make speech: stand-ins on PATH that write a sound, fail, hang or write nonsense; absent ones."""

import shutil
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.signal import welch

from phonoscope.audio import write_audio
from phonoscope.errors import ExperimentError
from phonoscope.tasks.spoof import speech_programs
from phonoscope.tasks.spoof.material import spoof_material
from phonoscope.tasks.spoof.recipe import SpoofRecipe
from phonoscope.tasks.spoof.speech_programs import PROGRAMS, Voice, through_band

RATE = 8000
RECIPE = SpoofRecipe("x", sample_rate=RATE, seconds=0.25, recordings=20, attacks=["espeak-ng", "flite"])
VOICE = Voice("en-us+m1", 1.0, 1.0)

# Writes a tone whose length is that of the text, at 16 kHz, to the file named after -w or -o.
SPEAKS = """
import sys, wave, math, struct
given = sys.argv[1:]
if given == ["-lv"]:
    print("Voices available: kal awb_time slt rms")
    sys.exit()
text = open(given[given.index("-f") + 1], encoding="utf-8").read().strip()
target = given[given.index("-w" if "-w" in given else "-o") + 1]
with wave.open(target, "wb") as out:
    out.setnchannels(1), out.setsampwidth(2), out.setframerate(16000)
    samples = [int(9000 * math.sin(i * 0.3)) for i in range(1600 * len(text))]
    out.writeframes(struct.pack(f"<{len(samples)}h", *samples))
"""
LISTS = "import sys\nif sys.argv[1:] == ['-lv']:\n    sys.exit()\n"
FAILS = LISTS + "print('mbrola voice missing', file=sys.stderr)\nsys.exit(3)\n"
SILENT = SPEAKS.replace("9000 *", "0 *")
NOTHING = LISTS
HANGS = LISTS + "import time\ntime.sleep(60)\n"


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Put stand-ins for programs on a PATH that holds nothing else."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", folder.as_posix())

    def put(name: str, source: str) -> None:
        path = folder / name
        path.write_text(f"#!{sys.executable}\n{source}")
        path.chmod(0o755)

    return put


@pytest.fixture(scope="module")
def words(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("said") / "words"
    random = np.random.default_rng(0)
    for word in ("left", "right", "go"):
        for speaker in range(5):
            wave = 0.1 * random.standard_normal(RATE // 2).astype(np.float32)
            write_audio(root / word / f"s{speaker}_nohash_0.wav", wave, RATE)
    return root


def taken(words, **changes):
    material = spoof_material(words, replace(RECIPE, **changes))
    clips = list(material.clips)
    reasons = {(entry["what"], entry["reason"]): entry for entry in material.left_out.entries()}
    return clips, reasons


@pytest.mark.parametrize("name", ["espeak-ng", "flite"])
def test_a_program_is_given_the_words_and_its_sound_is_read(install, name):
    install(name, SPEAKS)
    waveform, rate = PROGRAMS[name].speak("left; rm -rf $HOME", VOICE)
    assert rate == 16000
    assert len(waveform) == 1600 * len("left; rm -rf $HOME")


def test_each_speaker_has_a_voice_of_their_own_and_flites_narrow_voice_is_not_taken(install):
    install("flite", SPEAKS)
    voices = PROGRAMS["flite"].draw_voices(40, np.random.default_rng(0))
    assert {voice.name for voice in voices} == {"slt", "rms"}
    assert len(set(voices)) == 40
    assert voices == PROGRAMS["flite"].draw_voices(40, np.random.default_rng(0))
    install("flite", NOTHING)
    assert {voice.name for voice in PROGRAMS["flite"].draw_voices(5, np.random.default_rng(0))} == {""}
    command = PROGRAMS["flite"].command("flite", Voice("", 1.0, 1.25), Path("a"), Path("b"))
    assert "-voice" not in command
    assert "duration_stretch=0.800" in command


def test_what_goes_wrong_is_said(install, monkeypatch):
    program = PROGRAMS["espeak-ng"]
    with pytest.raises(ExperimentError, match="not installed"):
        program.speak("left", VOICE)
    for source, said in ((FAILS, "exit status 3: mbrola voice missing"), (SILENT, "silence"), (NOTHING, "no sound")):
        install("espeak-ng", source)
        with pytest.raises(ExperimentError, match=said):
            program.speak("left", VOICE)
    monkeypatch.setattr(speech_programs, "TIMEOUT_SECONDS", 0.3)
    install("espeak-ng", HANGS)
    with pytest.raises(ExperimentError, match=r"did not end within 0\.3 s"):
        program.speak("left", VOICE)


def test_words_of_a_corpus_are_said_and_an_absent_program_is_reported(install, words):
    install("espeak-ng", SPEAKS)
    clips, reasons = taken(words)
    attacks = [str(clip.row["attack"]) for clip in clips]
    assert attacks.count("espeak-ng") == 15
    assert len(attacks) == 30
    absent = reasons["attack", "flite is not installed: no program of that name is on PATH"]
    assert absent["examples"] == ["flite"]
    for clip in clips:
        assert len(clip.waveform) == RATE // 4
        assert clip.waveform.dtype == np.float32
    # A spoof belongs to the recording whose words it says; the same words in the same voice are the same sound.
    said = [clip.row for clip in clips if str(clip.row["attack"]) == "espeak-ng"]
    assert {row["kind"] for row in said} == {"TTS"}
    assert len({row["recording"] for row in said}) == 15
    assert len({row["audio_sha256"] for row in said}) <= 3


def test_a_program_that_fails_is_given_up_and_counted(install, words):
    install("espeak-ng", FAILS)
    install("flite", SPEAKS)
    clips, reasons = taken(words)
    attacks = [str(clip.row["attack"]) for clip in clips]
    assert attacks.count("flite") == 15
    assert attacks.count("espeak-ng") == 0
    failed = reasons["spoofed recording", "espeak-ng failed (exit status 3: mbrola voice missing)"]
    assert failed["count"] == 3
    assert ("attack", "failed 3 times before it made anything") in reasons


def test_single_failures_end_nothing(install, words):
    install("espeak-ng", SPEAKS.replace("target =", "assert text != 'right'\ntarget ="))
    clips, reasons = taken(words, attacks=["espeak-ng"])
    made = [clip for clip in clips if str(clip.row["attack"]) == "espeak-ng"]
    told = [entry for (what, _), entry in reasons.items() if what == "spoofed recording"]
    # The seed puts another word among the first three recordings, so the program is not given up.
    assert len(made) == 10
    assert sum(entry["count"] for entry in told) == 5


def test_a_corpus_without_words_has_no_speech_programs(install, tmp_path):
    install("flite", SPEAKS)
    for number in range(3):
        write_audio(tmp_path / "plain" / f"{number}.wav", np.random.default_rng(number).standard_normal(RATE) / 9, RATE)
    clips, reasons = taken(tmp_path / "plain", attacks=["flite"])
    assert len(clips) == 3
    assert ("attack", "the corpus does not say which words are spoken") in reasons


def test_made_speech_holds_no_more_band_than_the_recording_did():
    noise = np.random.default_rng(0).standard_normal(22050).astype(np.float32)
    narrow = through_band(noise, 22050, 8000, 16000)
    assert len(narrow) == pytest.approx(16000, abs=2)
    frequency, power = welch(narrow, 16000, nperseg=512)
    assert power[frequency > 4300].sum() < 1e-4 * power[frequency < 3700].sum()
    wide = through_band(noise, 22050, 44100, 16000)
    power = welch(wide, 16000, nperseg=512)[1]
    assert power[(frequency > 4300) & (frequency < 7000)].sum() > 0.2 * power[frequency < 3700].sum()


@pytest.mark.parametrize("name", sorted(PROGRAMS))
def test_the_real_program_speaks_where_it_is_installed(name):
    if shutil.which(name) is None:
        pytest.skip(f"{name} is not installed")
    program = PROGRAMS[name]
    first, second = program.draw_voices(2, np.random.default_rng(3))
    slow = Voice(first.name, first.pitch, 0.7)
    waveform, rate = program.speak("left", first)
    assert 0.2 < len(waveform) / rate < 2
    assert len(program.speak("left", slow)[0]) > 1.1 * len(waveform)
    assert len(program.speak("the whole of the left side", second)[0]) > 1.5 * len(waveform)
