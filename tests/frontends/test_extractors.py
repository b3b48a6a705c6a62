"""Pictures of others: equal to the extractors of transformers and to Kaldi, differentiable, and placed in Hz and s."""

import json

import numpy as np
import pytest
import torch
from torch import nn

import phonoscope as ps
from phonoscope import Classifier
from phonoscope.errors import ClassifierError, CutSoundWarning
from phonoscope.frontends import KaldiFilterBank, WhisperLogMel, build_front_end, front_end_of, pad_waveforms
from phonoscope.models.hub import ways_of
from phonoscope.scales import hz_to_mel, hz_to_slaney_mel, slaney_mel_to_hz

RATE = 16000
# As they stand in files on the hub.
AST = {"feature_extractor_type": "ASTFeatureExtractor", "max_length": 200, "num_mel_bins": 128, "sampling_rate": RATE}
WHISPER = {"feature_extractor_type": "WhisperFeatureExtractor", "feature_size": 80, "chunk_length": 4, "n_fft": 400}
SEAMLESS = {"feature_extractor_type": "SeamlessM4TFeatureExtractor", "num_mel_bins": 80, "stride": 2}
SPEECH2TEXT = {"feature_extractor_type": "Speech2TextFeatureExtractor", "num_mel_bins": 80}
CONFIGS = {
    "ast": AST,
    "ast-plain": AST | {"do_normalize": False, "num_mel_bins": 64},
    "whisper": WHISPER,
    "whisper-128": WHISPER | {"feature_size": 128, "chunk_length": 2},
    "seamless": SEAMLESS,
    "speech2text": SPEECH2TEXT,
    "speech2text-plain": SPEECH2TEXT | {"do_ceptral_normalize": False},
}


def noises():
    random = np.random.default_rng(0)
    loud, soft, long = random.normal(0, 0.1, 13000), random.normal(0, 1e-4, 9000), random.normal(0, 0.1, 3 * RATE)
    return [part.astype(np.float32) for part in (loud, soft, long)]


@pytest.fixture(scope="module")
def recordings(shared_data):
    paths = sorted((shared_data / "speech_commands").glob("*/*.flac"))[:4]
    return [ps.read_audio(path, RATE)[0].astype(np.float32) for path in paths]


def extracted(config, sound):
    transformers = pytest.importorskip("transformers", reason="the extractors are those of transformers")
    kind = getattr(transformers, config["feature_extractor_type"])
    given = kind(**{key: value for key, value in config.items() if key != "feature_extractor_type"})
    out = given(sound, sampling_rate=RATE, return_tensors="np")
    return (out["input_values"] if "input_values" in out else out["input_features"])[0]


def made(front_end, sound):
    (way,) = ways_of(front_end)
    return way.arranged(front_end(torch.from_numpy(sound)[None]))[0].numpy()


def assert_equal_to_the_extractor(config, sounds):
    front_end = front_end_of(config)
    for sound in sounds:
        expected, given = extracted(config, sound), made(front_end, sound)
        if front_end.natural and len(given) < len(expected):  # half a pair of frames, which the extractor masks
            expected = expected[: len(given)]
        assert given.shape == expected.shape
        assert np.abs(given - expected).max() < 1e-4


@pytest.mark.parametrize("name", CONFIGS)
def test_they_equal_the_extractors_on_noise(name):
    assert_equal_to_the_extractor(CONFIGS[name], noises())


@pytest.mark.parametrize("name", CONFIGS)
def test_they_equal_the_extractors_on_recordings(name, recordings):
    assert_equal_to_the_extractor(CONFIGS[name], recordings)


def test_whisper_s_own_computation_in_numpy_gives_the_same():
    transformers = pytest.importorskip("transformers", reason="the extractors are those of transformers")
    extractor, front_end = transformers.WhisperFeatureExtractor(chunk_length=2), WhisperLogMel(RATE, 80, 2.0)
    sound = noises()[0]
    padded = np.pad(sound, (0, 2 * RATE - len(sound)))
    expected = extractor._np_extract_fbank_features(padded[None], "cpu")[0]
    assert np.abs(made(front_end, sound) - expected).max() < 1e-5


def kaldi(sound, window, full_scale, rows, **options):
    native = pytest.importorskip("kaldi_native_fbank", reason="Kaldi's filter bank is that of kaldi_native_fbank")
    settings = native.FbankOptions()
    settings.frame_opts.dither, settings.frame_opts.window_type = 0, window
    settings.mel_opts.num_bins = rows
    for name, value in options.items():
        setattr(settings.mel_opts, name, value)
    bank = native.OnlineFbank(settings)
    bank.accept_waveform(RATE, (sound * full_scale).tolist())
    bank.input_finished()
    return np.stack([bank.get_frame(frame) for frame in range(bank.num_frames_ready)])


@pytest.mark.parametrize("window", ["povey", "hanning", "hamming"])
@pytest.mark.parametrize("full_scale", [1.0, 32768.0])
def test_the_filter_bank_equals_kaldi_s(window, full_scale, recordings):
    front_end = KaldiFilterBank(RATE, 80, window=window, full_scale=full_scale)
    for sound in [*noises(), *recordings]:
        expected, given = kaldi(sound, window, full_scale, 80), made(front_end, sound)
        assert given.shape == expected.shape
        # Kaldi computes in single precision: what lies far below the loudest row of its frame is rounded there.
        near = expected > expected.max(axis=1, keepdims=True) - np.log(1e4)
        assert np.abs(given - expected)[near].max() < 1e-4
        assert np.abs(given - expected).max() < 5e-3


def test_low_and_high_end_of_the_filters_are_kaldi_s():
    sound = noises()[0]
    expected = kaldi(sound, "povey", 32768.0, 40, low_freq=80, high_freq=7600)
    given = made(KaldiFilterBank(RATE, 40, low_hz=80, high_hz=7600), sound)
    assert np.abs(given - expected).max() < 1e-3


def test_ast_s_picture_equals_kaldi_s_where_torchaudio_computes_it(recordings):
    """AST's extractor takes torchaudio's copy of Kaldi where it is installed: the picture must be the same."""
    front_end = front_end_of(AST | {"num_mel_bins": 80})  # kaldi_native_fbank refuses rows without a bin
    for sound in [*noises(), *recordings]:
        frames = kaldi(sound, "hanning", 1.0, 80)[:200]
        picture = (np.pad(frames, ((0, 200 - len(frames)), (0, 0))) + 4.2677393) / (2 * 4.5689974)
        assert np.abs(made(front_end, sound) - picture).max() < 1e-4


def test_extractors_without_a_picture_or_unknown_ones_have_no_twin():
    assert front_end_of({"feature_extractor_type": "Wav2Vec2FeatureExtractor", "do_normalize": True}) is None
    assert front_end_of({"feature_extractor_type": "ClapFeatureExtractor"}) is None
    assert front_end_of({}) is None
    assert front_end_of(SPEECH2TEXT | {"normalize_vars": False}) is None


@pytest.mark.parametrize("name", CONFIGS)
def test_they_are_rebuilt_from_their_settings(name):
    front_end = front_end_of(CONFIGS[name])
    again = build_front_end(front_end.kind, **json.loads(json.dumps(front_end.config())))
    sound = torch.from_numpy(noises()[0])[None]
    assert torch.equal(again(sound), front_end(sound))
    assert front_end.natural or front_end(sound).shape == (1, *front_end.shape)


@pytest.mark.parametrize("name", [name for name in CONFIGS if not front_end_of(CONFIGS[name]).natural])
def test_neighbours_in_the_batch_and_padding_change_nothing(name):
    front_end, sounds = front_end_of(CONFIGS[name]), noises()
    together = front_end(*pad_waveforms(sounds))
    for picture, sound in zip(together, sounds, strict=True):
        assert torch.allclose(picture, front_end(torch.from_numpy(sound)[None])[0], atol=1e-5)


@pytest.mark.parametrize("name", CONFIGS)
@pytest.mark.parametrize("what", ["noise", "silence", "click", "nearly nothing"])
def test_gradients_reach_the_sound_and_are_finite(name, what):
    sound = torch.zeros(1, 8000)
    if what == "noise":
        sound = torch.randn(1, 8000, generator=torch.Generator().manual_seed(0)) * 0.1
    elif what == "click":
        sound[0, 4000] = 1.0
    elif what == "nearly nothing":
        sound[0, :100] = 1e-20
    sound.requires_grad_(True)
    (gradient,) = torch.autograd.grad(front_end_of(CONFIGS[name])(sound).square().sum(), sound)
    assert gradient.isfinite().all()
    assert what in ("silence", "nearly nothing") or gradient.abs().sum() > 0


@pytest.mark.parametrize("name", ["whisper", "seamless", "speech2text"])
def test_a_held_scaling_shows_the_change_alone(name):
    front_end = front_end_of(CONFIGS[name])
    before = torch.randn(1, 16000, generator=torch.Generator().manual_seed(1)) * 5e-5
    after = before.clone()
    after[:, 8000:] *= 1e4
    level = front_end.reference_level(before)
    assert torch.equal(front_end(before, level=level), front_end(before))
    held, scaled, untouched = (
        picture[0, 0, :, :45] for picture in (front_end(after, level=level), front_end(after), front_end(before))
    )
    assert (held - untouched).abs().max() < 1e-4
    assert (scaled - untouched).abs().mean() > 0.1
    assert front_end_of(AST).reference_level(before) is None


@pytest.mark.parametrize("name", CONFIGS)
def test_a_tone_lights_up_the_row_in_which_it_lies(name):
    front_end = front_end_of(CONFIGS[name])
    axis, time = front_end.frequency_axis, torch.arange(16000) / RATE
    noise = torch.randn(1, 16000, generator=torch.Generator().manual_seed(1)) * 1e-5
    level = front_end.reference_level(noise)
    for hertz in (640.0, 1500.0, 3300.0, 6100.0):
        sound = 0.3 * torch.sin(2 * np.pi * hertz * time)[None] + noise
        held = {} if level is None else {"level": level}
        picture = front_end(sound, **held)[0, 0]
        row = int(picture[:, 20:60].mean(1).argmax())
        assert axis.edges[row] - 16 <= hertz <= axis.edges[row + 1] + 16  # half a bin of the transform


def test_rows_lie_at_the_peaks_of_their_triangles_and_end_at_half_their_height():
    for front_end, scale in ((front_end_of(AST), hz_to_mel), (front_end_of(WHISPER), hz_to_slaney_mel)):
        axis = front_end.frequency_axis
        steps = np.diff(scale(axis.centres))
        assert steps == pytest.approx(np.full(len(steps), steps[0]), rel=1e-6)
        bins = np.arange(front_end.weights.shape[1]) * RATE / front_end.fft_samples
        for row in range(axis.rows * 3 // 4, axis.rows):  # wide enough to hold several bins
            weights = front_end.weights[row].numpy()
            low, high = (np.interp(hz, bins, weights) / weights.max() for hz in axis.edges[row : row + 2])
            assert (low, high) == pytest.approx((0.5, 0.5), abs=0.2)
            assert abs(bins[weights.argmax()] - axis.centres[row]) <= bins[1]


def test_slaney_s_mel_scale_is_linear_below_one_kilohertz_and_inverted():
    hertz = np.array([0.0, 200.0, 1000.0, 6400.0, 8000.0])
    assert hz_to_slaney_mel(hertz)[:4] == pytest.approx([0.0, 3.0, 15.0, 42.0])
    assert slaney_mel_to_hz(hz_to_slaney_mel(hertz)) == pytest.approx(hertz)


@pytest.mark.parametrize("name", [name for name in CONFIGS if not front_end_of(CONFIGS[name]).natural])
def test_a_click_lies_in_the_column_whose_time_is_its_own(name):
    front_end = front_end_of(CONFIGS[name])
    sound = torch.zeros(1, 12000)
    sound[0, 6400] = 0.5
    level = front_end.reference_level(sound)
    held = {} if level is None else {"level": level}
    change = (front_end(sound, **held) - front_end(torch.zeros(1, 12000), **held))[0, 0].abs().sum(0).double().numpy()
    column = float((change * np.arange(len(change))).sum() / change.sum())
    axis = front_end.time_axis
    assert float(axis.in_token(axis.at([column]), np.array([0.75]))[0, 0]) == pytest.approx(0.4, abs=0.003)


class AtTime(nn.Module):
    """Two logits that follow the picture's columns around one place alone."""

    def __init__(self, column):
        super().__init__()
        self.column = column

    def forward(self, x):
        level = x[..., self.column - 1 : self.column + 2].mean((1, 2, 3))
        return torch.stack([level, -level], dim=1)


@pytest.mark.parametrize("space", ["picture", "sound"])
@pytest.mark.parametrize("name", ["ast", "whisper"])
def test_maps_stand_at_the_seconds_of_the_sound_and_are_stored_so(name, space, tmp_path):
    from phonoscope.attribution.store import read_maps, write_maps

    classifier = Classifier(front_end_of(CONFIGS[name]), AtTime(50), ["a", "b"])
    maps = ps.explain(classifier, [noises()[0]], "a", f"gradient(space={space})")
    weight = np.abs(maps.values[0]).sum(0)
    assert float((weight * maps["seconds"].values[0]).sum() / weight.sum()) == pytest.approx(0.505, abs=0.012)
    assert maps.attrs["units"] == "logit/dB"
    again = read_maps(write_maps(tmp_path, [maps], 1))
    assert np.array_equal(again["seconds"], maps["seconds"])


def test_sounds_that_are_cut_are_said_so_once():
    classifier = Classifier(ps.Waveform(RATE, 0.5), nn.Sequential(nn.Flatten(), nn.Linear(8000, 2)), ["a", "b"])
    with pytest.warns(CutSoundWarning, match=r"1 of 2 sounds is longer than the 0.50 s .* 'waveform' takes: 0.50 s of"):
        classifier.predict([np.ones(16000, np.float32), np.ones(4000, np.float32)])
    whisper = Classifier(WhisperLogMel(RATE, 8, 0.5), AtTime(5), ["a", "b"])
    with pytest.warns(
        CutSoundWarning, match=r"2 of 2 sounds are .* 1.00 s of 2.00 s, at their end, are not heard"
    ) as warned:
        ps.explain(whisper, [np.ones(16000, np.float32)] * 2, "a", "gradient", batch_size=1)
    assert len(warned) == 1


def test_sounds_that_fit_are_passed_over_in_silence(recwarn):
    classifier = Classifier(ps.Waveform(RATE, 0.5), nn.Sequential(nn.Flatten(), nn.Linear(8000, 2)), ["a", "b"])
    classifier.predict([np.ones(8000, np.float32), np.ones(80, np.float32)])
    ps.explain(classifier, [np.ones(8200, np.float32)], "a", "gradient", context_seconds=0.00625)
    assert not [w for w in recwarn if w.category is CutSoundWarning]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: KaldiFilterBank(RATE, window="kaiser"), "choose one of povey, hanning, hamming"),
        (lambda: KaldiFilterBank(RATE, per_row="all"), "choose one of none, population, sample"),
        (lambda: KaldiFilterBank(RATE, sd=0.0), "above 0"),
        (lambda: KaldiFilterBank(RATE, low_hz=9000.0), "rising limits"),
        (lambda: WhisperLogMel(RATE, chunk_seconds=0.01), "longer than a frame"),
    ],
)
def test_settings_that_make_no_picture_are_refused(make, message):
    with pytest.raises(ClassifierError, match=message):
        make()
