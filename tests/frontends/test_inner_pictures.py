"""Pictures inside models: where their rows and columns lie is measured, and compared with what is true by design."""

import numpy as np
import pytest
import torch
from inner_models import (
    RATE,
    ConstantQ,
    Filters,
    Mel,
    Pair,
    Past,
    Reads,
    Recurrent,
    Spectrum,
    Twice,
    Unused,
    mel_corners,
)
from torch import nn

import phonoscope as ps
from phonoscope import Classifier
from phonoscope.errors import ClassifierError
from phonoscope.frontends import InnerPicture, KaldiFilterBank, Recording, WhisperLogMel
from phonoscope.frontends.inner import answer_to, find_picture, measure_axes, picture_of
from phonoscope.modules import evaluation_mode

SHUFFLED = [3200.0, 700.0, 5200.0, 1500.0, 2300.0, 6400.0]


class After(nn.Module):
    """What follows a picture in a model."""

    def __init__(self, model, picture, layout):
        super().__init__()
        self.model, self.picture, self.layout = model, picture, layout

    def forward(self, pictures):
        return answer_to(self.model, self.picture, self.layout, lambda x: self.model(x[:, 0]), pictures)


def split_at_picture(model, picture, rate, seconds=1.0):
    """The model up to its picture, and from there on."""

    def run(inputs):
        return model(inputs[:, 0])

    of = Recording(rate)
    axes = find_picture(model, picture, of, run, seconds)
    before = InnerPicture(of, picture, axes, lambda inputs: picture_of(model, picture, run, inputs))
    return before, After(model, picture, axes.layout)


def off_by_rows(axis, hertz):
    """How far measured centres are off, in rows."""
    return np.abs(axis.centres - hertz) / np.gradient(np.asarray(hertz))


def test_rows_and_columns_of_a_mel_picture_are_measured():
    before, _ = split_at_picture(Recurrent(), "front.mel", RATE)
    corners = np.array(mel_corners(24))
    assert off_by_rows(before.frequency_axis, corners[1:-1]).max() < 0.1
    wide = corners[2:] - corners[:-2] > 600  # whose triangles are wider than the window's own band
    assert before.axes.widths[wide] == pytest.approx((corners[2:] - corners[:-2])[wide] / 2, rel=0.12)
    assert (before.axes.layout.hop, before.natural, before.time_axis.stretched) == (160.0, True, True)
    assert before.time_axis.edge_seconds == pytest.approx(0, abs=0.001)
    assert (before.unit, before.db_per_unit) == ("log power", pytest.approx(10 / np.log(10), rel=0.01))


@pytest.mark.parametrize("reference", ["token", "full-scale"])
def test_a_picture_whose_axes_are_known_is_measured_right(reference):
    front_end = ps.Spectrogram(
        RATE, window_seconds=0.016, rows=40, columns=48, reference=reference, preemphasis_hz=0
    )  # a pre-emphasis makes the upper half of a row louder
    axes = measure_axes(front_end, RATE)
    inner = slice(1, -1)  # the outermost rows reach beyond 0 Hz and half the sample rate, where there are no tones
    assert off_by_rows(axes.frequency_axis, front_end.frequency_axis.centres)[inner].max() < 0.1
    assert axes.db_per_unit == pytest.approx(1.0, rel=0.02)
    assert (axes.time_axis.stretched, axes.layout.natural, axes.time_axis.columns) == (True, False, 48)
    assert axes.time_axis.edge_seconds == pytest.approx(0.008, abs=0.002)


@pytest.mark.parametrize(
    "front_end",
    [KaldiFilterBank(RATE, 40), KaldiFilterBank(RATE, 40, 150, full_scale=1.0), WhisperLogMel(RATE, 40, 2.0)],
)
def test_mel_filters_of_others_are_measured_right(front_end):
    axes = measure_axes(front_end, RATE)
    height = np.diff(front_end.frequency_axis.edges)
    off = off_by_rows(axes.frequency_axis, front_end.frequency_axis.centres)
    assert off[height > 120].max() < 0.1
    assert off.max() < 0.5  # narrower ones hear the bins of the transform that happen to lie in them
    assert axes.db_per_unit == pytest.approx(front_end.db_per_unit, rel=0.01)
    assert axes.layout.hop == 160
    if front_end.natural:
        assert axes.time_axis.edge_seconds == pytest.approx(front_end.time_axis.edge_seconds, abs=0.001)
    else:
        assert axes.time_axis.start_seconds == pytest.approx(front_end.time_axis.start_seconds, abs=0.001)
        assert axes.time_axis.seconds == pytest.approx(front_end.time_axis.seconds)


def test_a_constant_q_transform_has_narrow_rows_low_down():
    module = ConstantQ()
    axes = measure_axes(module, RATE)
    assert off_by_rows(axes.frequency_axis, module.hertz).max() < 0.1
    assert axes.widths == pytest.approx(1.44 * np.array(module.hertz) / 12, rel=0.1)
    assert axes.unit == "magnitude"


def test_an_axis_around_the_middle_of_the_sound_is_known():
    front_end = ps.Spectrogram(RATE, rows=16, columns=60, time="fixed", seconds=0.6)
    axes = measure_axes(front_end, RATE, seconds=0.6)
    assert (axes.time_axis.seconds, axes.time_axis.start_seconds) == (pytest.approx(0.6, rel=0.01), None)


@pytest.mark.parametrize(("exponent", "unit"), [(1.0, "magnitude"), (2.0, "power"), (0.5, "units of the module")])
def test_a_picture_that_is_no_logarithm_has_no_dB(exponent, unit):
    axes = measure_axes(Spectrum(exponent), RATE, seconds=0.5)
    assert (axes.unit, axes.db_per_unit) == (unit, None)
    assert off_by_rows(axes.frequency_axis, np.arange(65) * 125.0)[1:-1].max() < 0.1


@pytest.mark.parametrize("layout", ["rows, frames", "frames, rows", "1, rows, frames", "frames, 1, rows", "falling"])
def test_the_layout_is_found_and_undone(layout):
    module = Spectrum(2.0, layout)
    axes = measure_axes(module, RATE, seconds=0.5)
    output = module(torch.randn(2, 8000, generator=torch.Generator().manual_seed(0)))
    picture = axes.layout.arranged(output)
    assert torch.equal(picture[:, 0], Spectrum(2.0)(torch.randn(2, 8000, generator=torch.Generator().manual_seed(0))))
    assert torch.equal(axes.layout.as_output(picture), output)


def test_filters_in_no_order_are_put_in_order():
    axes = measure_axes(Filters(SHUFFLED), RATE, seconds=0.5)
    assert axes.layout.order == tuple(np.argsort(SHUFFLED).tolist())
    assert axes.frequency_axis.centres == pytest.approx(np.sort(SHUFFLED), abs=5)
    assert (axes.unit, axes.layout.hop) == ("magnitude", 4.0)


@pytest.mark.parametrize(
    ("model", "picture", "seconds"),
    [
        (Recurrent(), "front.mel", 1.0),
        (Reads(Filters(SHUFFLED)), "picture", 0.5),
        (Reads(Spectrum(1.0, "frames, rows"), dim=2), "picture", 0.5),
        (Reads(WhisperLogMel(RATE, 20, 1.0), dim=2), "picture", 0.5),
    ],
)
def test_what_follows_the_picture_answers_as_the_model_does_and_gradients_reach_the_sound(model, picture, seconds):
    model.eval()
    before, after = split_at_picture(model, picture, RATE, seconds)
    for samples in (7000, 12345):  # another length than was measured with
        sound = (torch.randn(3, samples, generator=torch.Generator().manual_seed(4)) * 0.1).requires_grad_(True)
        wanted, given = model(sound), after(before(sound))
        assert before(sound).shape[1:3] == (1, before.frequency_axis.rows)
        for w, g in zip(*(v.values() if isinstance(v, dict) else [v] for v in (wanted, given)), strict=True):
            assert torch.allclose(w, g, atol=1e-5)
        answers = given["logits"] if isinstance(given, dict) else given
        (gradient,) = torch.autograd.grad(answers[:, 0].sum(), sound)
        assert gradient.isfinite().all()
        assert gradient.abs().sum() > 0


def test_sounds_of_different_length_go_through_without_padding():
    before, _ = split_at_picture(Reads(WhisperLogMel(RATE, 20, 1.0), dim=2), "picture", RATE, 0.5)
    sounds = torch.randn(2, 8000, generator=torch.Generator().manual_seed(0)) * 0.1
    sounds[1, 5000:] = 0
    together = before(sounds, torch.tensor([8000, 5000]))
    assert torch.equal(together[1:], before(sounds[1:, :5000]))
    natural, _ = split_at_picture(Reads(Mel()), "picture", RATE, 0.5)
    with pytest.raises(ClassifierError, match="sounds of one length at a time"):
        natural(sounds, torch.tensor([8000, 5000]))


def test_maps_start_at_the_picture_and_stand_in_hertz():
    picture = WhisperLogMel(RATE, 40, 1.0)
    centres = picture.frequency_axis.centres
    low, high = (int(np.abs(centres - hz).argmin()) for hz in (1000, 2000))
    before, after = split_at_picture(Reads(picture, slice(low, high + 1), dim=2), "picture", RATE)
    random = np.random.default_rng(0)
    maps = ps.explain(
        Classifier(before, after, ["a", "b"]), [random.normal(0, 0.1, 12000).astype(np.float32)], "a", "gradient"
    )
    rows = np.abs(maps.values[0]).sum(1)
    hertz = maps["frequency"].values[rows > 0]
    assert (hertz.min(), hertz.max()) == (pytest.approx(centres[low], rel=0.02), pytest.approx(centres[high], rel=0.02))
    assert maps.attrs["units"] == "logit/dB"


@pytest.mark.parametrize(
    ("model", "picture", "message"),
    [
        (
            Reads(Mel(cepstra=13)),
            "picture",
            r"13 of 13 rows have no place in hertz: .*\(MFCC\)\. Name the module before",
        ),
        (Reads(Mel(40, cepstra=40)), "picture", r"of 40 rows have no place in hertz"),
        (Reads(KaldiFilterBank(RATE, 40, per_row="sample"), dim=2), "picture", "it standardises each sound"),
        (Past(), "picture", "sound reaches the answer past module 'picture'"),
        (Twice(), "picture", "runs 2 times for one sound"),
        (Unused(), "picture", "does not run when the model hears a sound"),
        (Past(), "mel", "has no module 'mel'; it has: picture"),
        (nn.Sequential(Pair()), "0", "gives a tuple; a picture is one tensor"),
        (
            nn.Sequential(nn.Identity()),
            "0",
            r"gives \(1, 8000\); a picture has one dimension of rows",
        ),
        (nn.Sequential(nn.Unflatten(1, (8, -1))), "0", "do not follow time"),
    ],
)
def test_what_is_no_picture_is_refused_in_words(model, picture, message):
    with pytest.raises(ClassifierError, match=message):
        split_at_picture(model, picture, RATE, seconds=0.5)


@pytest.mark.filterwarnings("ignore:.*jit:DeprecationWarning")
def test_a_module_in_torchscript_is_refused_in_words():
    model = nn.Sequential(torch.jit.script(nn.Sequential(nn.Unflatten(1, (8, -1)))))
    with pytest.raises(ClassifierError, match="TorchScript"):
        split_at_picture(model, "0", RATE, seconds=0.5)


def state_of(model):
    return (
        [len(m._forward_hooks) + len(m._forward_pre_hooks) for m in model.modules()],
        [m.training for m in model.modules()],
        [p.grad is None for p in model.parameters()],
        {key: value.clone() for key, value in model.state_dict().items()},
        torch.get_rng_state(),
        torch.get_num_threads(),
        torch.is_grad_enabled(),
    )


@pytest.mark.parametrize(("model", "picture"), [(Recurrent(), "front.mel"), (Past(), "picture"), (Unused(), "picture")])
def test_the_model_is_left_as_it_was(model, picture):
    model.train()
    next(model.children()).eval()  # each module goes back into its own mode
    before = state_of(model)
    if picture == "picture":
        with pytest.raises(ClassifierError):
            split_at_picture(model, picture, RATE, seconds=0.5)
    else:
        front_end, rest = split_at_picture(model, picture, RATE, seconds=0.5)
        with evaluation_mode(model):
            rest(front_end(torch.zeros(1, 8000)))
    after = state_of(model)
    assert before[:3] == after[:3]
    assert before[5:] == after[5:]
    assert torch.equal(before[4], after[4])
    assert all(torch.equal(before[3][key], after[3][key]) for key in before[3])
