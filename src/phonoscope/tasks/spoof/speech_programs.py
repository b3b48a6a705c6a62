"""Speech made from text by programs that are installed beside phonoscope: espeak-ng and flite."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soxr

from phonoscope.audio import read_audio
from phonoscope.errors import AudioError, ExperimentError

TIMEOUT_SECONDS = 30.0
_LONGEST_TEXT = 2000
# Voices of 16 kHz: the default voice of flite is stored at 8 kHz and would be known by its band alone.
_FLITE_VOICES = ("slt", "rms", "awb", "kal16")
_ESPEAK_VOICES = ("en-us+m1", "en-us+m3", "en-us+m7", "en-us+f2", "en-us+f3", "en-us+f4", "en-gb+m2", "en-gb+f1")


@dataclass(frozen=True)
class Voice:
    """How a program is to speak: the name of its voice, and pitch and tempo relative to that voice's own."""

    name: str
    pitch: float
    tempo: float


@dataclass(frozen=True)
class SpeechProgram:
    """A program that speaks a text file into a WAV file.

    ``voices`` lists the voices of the program at that path; ``command`` turns the program, a voice, the text file and
    the WAV file into the command line.
    """

    name: str
    voices: Callable[[str], tuple[str, ...]]
    command: Callable[[str, Voice, Path, Path], list[str]]

    def find(self) -> str:
        """Path of the program; ExperimentError if it is not installed."""
        found = shutil.which(self.name)
        if found is None:
            raise ExperimentError(f"{self.name} is not installed: no program of that name is on PATH")
        return found

    def speak(self, text: str, voice: Voice) -> tuple[np.ndarray, int]:
        """Let the program say a text.

        Returns
        -------
        waveform : ndarray, float32, shape (sample,)
        sample_rate : int
            Hz, as the program writes it.

        Raises
        ------
        ExperimentError
            If the program is not installed, fails, takes more than half a minute or writes no sound.
        """
        program = self.find()
        with tempfile.TemporaryDirectory() as folder:
            said, sound = Path(folder) / "text.txt", Path(folder) / "speech.wav"
            said.write_text(text[:_LONGEST_TEXT] + "\n", encoding="utf-8")
            _run(self.command(program, voice, said, sound), self.name)
            try:
                waveform, sample_rate = read_audio(sound)
            except AudioError as error:
                raise ExperimentError(f"{self.name} wrote no sound that can be read") from error
        if len(waveform) == 0 or np.ptp(waveform) == 0:
            raise ExperimentError(f"{self.name} wrote silence")
        return waveform, sample_rate

    def draw_voices(self, count: int, random: np.random.Generator) -> list[Voice]:
        """Draw voices for so many speakers, each with a pitch and a tempo of its own (within 15 %)."""
        names = self.voices(self.find())
        return [
            Voice(str(random.choice(names)), float(random.uniform(0.85, 1.15)), float(random.uniform(0.85, 1.15)))
            for _ in range(count)
        ]


def through_band(waveform: np.ndarray, sample_rate: int, native_rate: int, wanted_rate: int) -> np.ndarray:
    """Resample made speech as a recording is that was stored at `native_rate` and read at `wanted_rate`, all in Hz.

    A recording stored at 8 kHz holds nothing above 4 kHz; speech that is made beside it must not hold more.

    Parameters
    ----------
    waveform : ndarray (sample,)
    sample_rate : int
        Of the waveform.
    native_rate : int
        Of the recording as stored: limits the band.
    wanted_rate : int
        Of the result.
    """
    narrow = soxr.resample(waveform, sample_rate, min(sample_rate, native_rate))
    return soxr.resample(narrow, min(sample_rate, native_rate), wanted_rate).astype(np.float32)


def _run(command: list[str], name: str) -> str:
    """Run a program without a shell and return what it printed; ExperimentError says what went wrong."""
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=TIMEOUT_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise ExperimentError(f"{name} did not end within {TIMEOUT_SECONDS:g} s") from error
    except OSError as error:
        raise ExperimentError(f"{name} cannot be started ({error.strerror})") from error
    if done.returncode != 0:
        said = done.stderr.decode("utf-8", errors="replace").strip().splitlines()
        raise ExperimentError(f"{name} failed (exit status {done.returncode}{': ' + said[-1] if said else ''})")
    return done.stdout.decode("utf-8", errors="replace")


def _flite_voices(program: str) -> tuple[str, ...]:
    """Voices of flite that are stored at 16 kHz; the one it takes by itself ("") if it names none of them."""
    there = _run([program, "-lv"], "flite").partition(":")[2].split()
    return tuple(name for name in _FLITE_VOICES if name in there) or ("",)


def _flite(program: str, voice: Voice, text: Path, sound: Path) -> list[str]:
    named = ["-voice", voice.name] if voice.name else []
    pitch, stretch = f"f0_shift={voice.pitch:.3f}", f"duration_stretch={1 / voice.tempo:.3f}"
    return [program, *named, "--setf", pitch, "--setf", stretch, "-f", str(text), "-o", str(sound)]


def _espeak(program: str, voice: Voice, text: Path, sound: Path) -> list[str]:
    # 50 and 175 words a minute are what espeak-ng takes by itself; pitch goes from 0 to 99.
    pitch, tempo = round(50 * voice.pitch), round(175 * voice.tempo)
    return [program, "-v", voice.name, "-p", str(pitch), "-s", str(tempo), "-w", str(sound), "-f", str(text)]


PROGRAMS = {
    "espeak-ng": SpeechProgram("espeak-ng", lambda _program: _ESPEAK_VOICES, _espeak),
    "flite": SpeechProgram("flite", _flite_voices, _flite),
}
