"""A front end that phonoscope does not know, in one file: trained, saved, loaded, explained, run as an experiment."""

import json
import math
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from own_front_end import Resonances
from phonoscope import Classifier, explain
from phonoscope.attribution.maps import input_placement
from phonoscope.axes import FrequencyAxis
from phonoscope.errors import ClassifierError
from phonoscope.experiments.folder import Run
from phonoscope.frontends import FRONT_ENDS, FrontEnd, Spectrogram, Waveform, build_front_end
from phonoscope.tasks import load_recipe, run_experiment
from phonoscope.tasks.content import read_content
from phonoscope.training import TrainingRecipe, train

RATE = 16000
PATH = "own_front_end:Resonances"
OWN = {"centres_hz": [180, 420, 930, 1600, 2700, 4300], "frames": 10, "frame_ms": 12.0, "deep": 5.0}
LABELS = ["low", "high"]


def tones(count=12, seed=0):
    """Noisy tones at 400 Hz and at 2700 Hz in turn, and their classes."""
    random, classes = np.random.default_rng(seed), np.arange(count) % 2
    times = [np.arange(random.integers(900, 2400)) / RATE for _ in classes]
    sounds = [
        np.sin(2 * np.pi * (400, 2700)[label] * time) * 0.3 + random.normal(0, 0.02, len(time))
        for label, time in zip(classes, times, strict=True)
    ]
    return sounds, classes


@pytest.fixture(scope="module")
def trained():
    torch.manual_seed(0)
    classifier = Classifier.build(build_front_end(PATH, sample_rate=RATE, **OWN), "compact", LABELS)
    sounds, classes = tones()
    recipe = TrainingRecipe(epochs=20, min_steps=0, batch_size=6)
    train_index, validation_index = np.arange(8), np.arange(8, 12)
    labels = [LABELS[k] for k in classes]
    train(classifier, sounds, labels, train_index=train_index, validation_index=validation_index, recipe=recipe)
    return classifier.eval()


def test_it_is_built_by_import_path_and_saved_with_its_kind_and_all_its_options(trained, tmp_path):
    trained.save_pretrained(tmp_path)
    written = json.loads((tmp_path / "config.json").read_text(encoding="utf-8"))["front_end"]
    assert written == {"kind": PATH, "sample_rate": RATE, **OWN}
    sounds, _ = tones(seed=5)
    loaded = Classifier.from_pretrained(tmp_path, trust_imports=True)
    assert np.array_equal(loaded.logits(sounds), trained.logits(sounds))
    assert loaded.front_end.config() == trained.front_end.config()


def test_a_saved_classifier_imports_nothing_unless_it_is_trusted(trained, tmp_path):
    trained.save_pretrained(tmp_path)
    with pytest.raises(ClassifierError, match=r"own_front_end:Resonances.*trust_imports=True"):
        Classifier.from_pretrained(tmp_path)


def test_it_learns(trained):
    sounds, classes = tones(seed=3)
    assert (trained.logits(sounds).argmax(1) == classes).all()


@pytest.mark.parametrize(
    ("method", "units"),
    [
        ("cam", "logit"),
        ("grad-cam", "logit"),
        ("gradient", "logit/dB"),
        ("integrated-gradients(steps=5)", "logit"),
        ("occlusion(height_hz=1500)", "logit"),
        ("band-occlusion(width=1500)", "logit"),
        ("band-stop(width=1500)", "logit"),
        ("gradient(space=sound)", "logit/dB"),
        ("rise(masks=6)", "logit"),
    ],
)
def test_it_is_explained_in_hertz_and_in_its_own_unit(trained, method, units):
    sounds, _ = tones(4)
    maps = explain(trained, sounds, target="predicted", method=method)
    assert maps.attrs["units"] == units
    assert np.isfinite(maps.values).all()
    assert np.abs(maps.values).max() > 0
    hertz = maps["frequency"].values
    assert (np.diff(hertz) > 0).all()
    assert 0 <= hertz[0] < hertz[-1] <= maps.attrs["max_hz"]
    if method == "gradient":
        assert hertz == pytest.approx(OWN["centres_hz"])
        assert maps.attrs["max_hz"] == pytest.approx(4300 + 800)
        assert maps.attrs["resolution_hz"] == pytest.approx((5100 - 60) / 6)  # rows are higher than 1.44 / 12 ms


def test_the_tone_lights_up_at_its_own_frequency(trained):
    sounds, classes = tones(6)
    maps = explain(trained, sounds, target=[LABELS[k] for k in classes], method="integrated-gradients(baseline=floor)")
    loudest = maps["frequency"].values[np.abs(maps.sum("time").values).argmax(1)]
    # what speaks for a class is the tone itself, or that the other's row is empty
    assert set(loudest) <= {420.0, 2700.0}


def test_a_slope_is_what_one_dB_more_brings(trained):
    sounds, _ = tones(1)
    maps = explain(trained, sounds, target="low", method="gradient")
    inputs = trained.front_end(*_padded(sounds))
    more = inputs.clone()
    more[0, 0, 1, 4] += 0.01
    with torch.no_grad():
        before, after = (trained.network(trained.standardise(x))[0, 0] for x in (inputs, more))
    decibels = 0.01 * 20 / math.log(10)  # of so many nepers
    assert float(after - before) / decibels == pytest.approx(float(maps.values[0, 1, 4]), rel=0.02, abs=1e-4)


class Rescaled(FrontEnd):
    """A spectrogram in another unit."""

    def __init__(self, unit, db_per_unit, divisor):
        decibels = Spectrogram(RATE, rows=8, columns=6)
        super().__init__(RATE, decibels.time_axis, decibels.frequency_axis, unit=unit, db_per_unit=db_per_unit)
        self.decibels, self.divisor = decibels, divisor

    def config(self):
        return {"sample_rate": RATE}

    def forward(self, waveforms, lengths=None):
        return self.decibels(waveforms, lengths) / self.divisor


class MeanLevel(nn.Module):
    """Two logits that follow the mean of a picture in dB, whatever its unit."""

    def __init__(self, db_per_unit, mean, sd):
        super().__init__()
        self.db_per_unit, self.mean, self.sd = db_per_unit, mean, sd

    def forward(self, x):
        level = ((x * self.sd + self.mean) * self.db_per_unit).mean((1, 2, 3))
        return torch.stack([level, -level], dim=1)


@pytest.mark.parametrize(
    ("unit", "db_per_unit", "given"),
    [
        ("dB", 1.0, None),
        ("neper", 20 / math.log(10), None),
        ("log power", 10 / math.log(10), True),
        ("forties", 40.0, True),
    ],
)
@pytest.mark.parametrize("sd", [1.0, 7.0])
def test_the_same_function_of_the_sound_has_the_same_slope_in_every_logarithmic_unit(unit, db_per_unit, given, sd):
    front_end = Rescaled(unit, db_per_unit if given else None, db_per_unit)
    network = MeanLevel(db_per_unit, -3.0, sd)
    classifier = Classifier(front_end, network, LABELS, input_mean=-3.0, input_sd=sd)
    maps = explain(classifier, tones(2)[0], LABELS[0], "gradient")
    assert maps.attrs["units"] == "logit/dB"
    assert maps.values.sum((1, 2)) == pytest.approx(np.ones(2), rel=1e-4)


def test_slopes_in_a_picture_that_is_not_logarithmic_are_per_unit():
    front_end = Rescaled("sone", None, 2.0)
    maps = explain(Classifier(front_end, MeanLevel(2.0, 0.0, 1.0), LABELS), tones(1)[0], LABELS[0], "gradient")
    assert maps.attrs["units"] == "logit/sone"
    assert float(maps.sum()) == pytest.approx(2.0, rel=1e-4)


def _padded(sounds):
    return torch.tensor(np.stack(sounds), dtype=torch.float32), torch.tensor([len(sound) for sound in sounds])


@pytest.fixture(scope="module")
def experiment(talkers, recipe_file, tmp_path_factory):
    recipe = replace(load_recipe(recipe_file), front_end={"kind": PATH, **OWN})
    out = tmp_path_factory.mktemp("own") / "run"
    return run_experiment(recipe, out, corpus=talkers, device="cpu"), out


def test_an_experiment_runs_from_end_to_end_with_it(experiment):
    _, out = experiment
    run = Run(out)
    assert run.facts["front_end"] == {"kind": PATH, "sample_rate": RATE, **OWN}
    assert run.facts["max_hz"] == pytest.approx(5100.0)
    profiles = run.table("profiles")
    assert set(np.round(profiles.loc[profiles["source"] == "energy", "frequency"])) == set(OWN["centres_hz"])
    energy = profiles.loc[profiles["source"] == "energy", "mean"]
    assert (energy >= 0).all()
    assert energy.max() > 0.5  # nepers above the floor
    content = read_content(out)
    assert (content.max_hz, content.last_time) == (pytest.approx(5100.0), 1.0)


def test_a_report_knows_how_long_the_axis_of_an_unknown_front_end_is(experiment, tmp_path):
    _, out = experiment
    copy = tmp_path / "copy"
    shutil.copytree(out, copy)
    facts = json.loads((copy / "run.json").read_text(encoding="utf-8")) | {"time_seconds": 0.2}
    (copy / "run.json").write_text(json.dumps(facts), encoding="utf-8")
    content = read_content(copy)
    assert (content.last_time, content.time_label) == (0.2, "Time (s)")


def test_a_report_imports_nothing_that_only_a_file_names(experiment):
    from phonoscope.report import write_report

    _, out = experiment
    page = write_report(out, out / "again.html").read_text(encoding="utf-8")
    assert "own_front_end:Resonances" in page  # said why the network’s own input is not shown
    assert "trust_imports=True" in page


@pytest.mark.parametrize(
    ("kind", "settings", "message"),
    [
        ("own_front_end:not_a_front_end", {}, "gave a Identity; derive it from phonoscope.frontends.FrontEnd"),
        ("own_front_end:Unfinished", {}, "config"),
        ("own_front_end:Missing", {}, "cannot be imported"),
        (PATH, {"colour": "red"}, "colour"),
        (PATH, {"centres_hz": [500, 400]}, "rising"),
        ("nothing", {}, "'nothing' is not known; choose one of spectrogram, waveform, .*, or give package.module:name"),
    ],
)
def test_what_does_not_keep_the_contract_is_refused_in_words(kind, settings, message):
    with pytest.raises(ClassifierError, match=message):
        build_front_end(kind, sample_rate=RATE, **settings)


def test_every_front_end_says_what_the_contract_asks():
    fronts = [Spectrogram(RATE, range_db=50.0, window_seconds=0.01), Waveform(RATE, 0.5), Resonances(RATE)]
    assert [front.kind for front in fronts] == ["spectrogram", "waveform", PATH]
    assert [front.unit for front in fronts] == ["dB", "standard deviations", "neper"]
    assert [front.floor for front in fronts] == [-50.0, None, -6.0]
    assert [front.window_seconds for front in fronts] == [0.01, None, 0.01]
    for front in fronts:
        again = build_front_end(front.kind, **json.loads(json.dumps(front.config())))
        sounds = torch.randn(2, 1600) * 0.1
        assert torch.equal(again(sounds), front(sounds))
        assert front(sounds).shape == (2, *front.shape)
        assert again.kind == front.kind


def test_a_row_resolves_no_more_than_the_window_does_and_no_more_than_it_is_high():
    fine, coarse = Resonances(RATE, (500, 520, 540), frame_ms=20.0), Resonances(RATE, (500, 1500, 2500), frame_ms=20.0)
    assert input_placement(fine).resolution_hz == pytest.approx(1.44 / 0.02)
    assert input_placement(coarse).resolution_hz == pytest.approx(1000)
    fine.window_seconds = None
    assert input_placement(fine).resolution_hz == pytest.approx(20)
    assert input_placement(Spectrogram(RATE, rows=200)).resolution_hz == pytest.approx(1.44 / 0.008)


def test_the_name_it_was_built_by_is_the_one_it_keeps(monkeypatch):
    monkeypatch.setitem(FRONT_ENDS._own, "resonances", Resonances)
    assert build_front_end("resonances", sample_rate=RATE).kind == "resonances"


def test_rows_lie_where_they_are_put_in_hertz():
    axis = FrequencyAxis.at_rows([100, 300, 900], [50, 250, 350, 1000])
    assert axis.centres.tolist() == [100, 300, 900]
    assert axis.edges.tolist() == [50, 250, 350, 1000]
    assert (axis.min_hz, axis.max_hz, axis.rows) == (50, 1000, 3)
    assert axis.at([-9, 0.25, 9]).tolist() == [50, 175, 1000]  # half-way from the centre to the edge
    halfway = FrequencyAxis.at_rows([100, 300, 900])
    assert halfway.edges.tolist() == [0, 200, 600, 1200]


@pytest.mark.parametrize(
    ("centres", "edges"),
    [([], []), ([100], []), ([300, 100], []), ([100, 300], [0, 350, 400]), ([100], [-5, 200]), ([np.nan, 2], [])],
)
def test_rows_that_make_no_axis_are_refused(centres, edges):
    with pytest.raises(ClassifierError, match="rising"):
        FrequencyAxis.at_rows(centres, edges)
