"""What a classifier carries of its training tokens: measured once, saved, loaded, used; and what stands in for it."""

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from small_networks import CONTEXT_SECONDS, LABELS, SAMPLE_RATE, Plain, build, kinds_for, waves
from test_every_method import CHEAP, NAMES, REFUSED, skip_without_extra
from torch import nn

from phonoscope import Classifier, Spectrogram, Waveform, explain
from phonoscope.attribution.maximise import maximise
from phonoscope.errors import AttributionError, ClassifierError, IncompleteMapWarning
from phonoscope.reference import measured_reference, training_reference

DRAWS_TOKENS = {"expected-gradients", "captum:gradient-shap"}
NEUTRAL = "none: silence in pictures, a flat spectrum in sounds"
TRAINING = waves(40, seed=7, context_seconds=0)
CLASSES = [LABELS[i % 2] for i in range(40)]  # there is no training token of the third


def classifier_that(carries, dimensions=2, method=""):
    classifier = build(kinds_for(method)["plain"], dimensions)
    if carries:
        classifier.keep_reference(TRAINING, CLASSES)
    return classifier


@pytest.mark.filterwarnings("ignore::phonoscope.errors.IncompleteMapWarning")
@pytest.mark.parametrize("carries", [True, False])
@pytest.mark.parametrize("dimensions", [1, 2])
@pytest.mark.parametrize("name", NAMES)
def test_a_token_alone_gets_the_map_that_it_gets_among_fifty(name, dimensions, carries):
    skip_without_extra(name)
    if (name, dimensions) in REFUSED:
        pytest.skip("the method does not work on waveforms")
    classifier, sounds = classifier_that(carries, dimensions, name), waves(50, seed=3)
    method, options = CHEAP.get(name, name), {"context_seconds": CONTEXT_SECONDS}
    if name in DRAWS_TOKENS and dimensions == 2 and not carries:
        with pytest.raises(AttributionError, match=r"carries none; pass reference=, or .*keep_reference"):
            explain(classifier, sounds[:1], "i", method, **options)
        return
    among = explain(classifier, sounds, "i", method, **options)
    for token in (0, 31):
        alone = explain(classifier, sounds[token], "i", method, **options)
        assert np.abs(alone.values).max() > 0
        scale = float(np.abs(among.values[token]).max())
        assert alone.values[0] == pytest.approx(among.values[token], abs=2e-5 * scale)
        assert alone.attrs == among.attrs  # the measured resolution too
    assert among.attrs["reference"] == ("training tokens" if carries else NEUTRAL)


def test_given_tokens_go_before_what_is_carried():
    classifier, others = classifier_that(True), waves(6, seed=5, context_seconds=0)
    carried = explain(classifier, TRAINING[:2], "i")
    given = explain(classifier, TRAINING[:2], "i", reference=others)
    assert given.attrs["reference"] == "given tokens"
    assert np.abs(given.values - carried.values).max() > 1e-3
    xr_same = explain(classifier_that(False), TRAINING[:2], "i", reference=others)
    assert xr_same.values == pytest.approx(given.values, abs=1e-6)


def test_means_are_those_of_the_true_classes_each_weighing_the_same():
    classifier = classifier_that(True)
    inputs = torch.cat([x for _, x in classifier.batches(TRAINING)])
    means = [inputs[[c == label for c in CLASSES]].mean(0) for label in LABELS[:2]]
    kept = classifier.reference
    assert kept.counts.tolist() == [20, 20, 0]
    assert torch.allclose(kept.class_mean_input(1)[0], means[1], atol=1e-5)
    assert torch.allclose(kept.mean_input[0], (means[0] + means[1]) / 2, atol=1e-5)
    assert torch.allclose(kept.inputs, inputs, atol=1e-6)
    assert kept.logits == pytest.approx(classifier.logits(TRAINING), abs=1e-5)
    assert kept.spectrum().sum() == pytest.approx(1)
    with pytest.raises(AttributionError, match="none of the 40 reference tokens is of the class 'u'"):
        explain(classifier, TRAINING[:1], "i", "gradient-x-input(baseline=class:u)")
    by_guess = training_reference(classifier, TRAINING)
    assert by_guess.counts.tolist() == np.bincount(classifier.logits(TRAINING).argmax(1), minlength=3).tolist()


def test_what_needs_a_class_needs_tokens():
    for method in ("gradient-x-input(baseline=class:i)", "band-stop(fill=mean:i)", "occlusion(fill=shuffled)"):
        with pytest.raises(AttributionError, match="carries none"):
            explain(classifier_that(False), TRAINING[:1], "i", method)
    with pytest.raises(AttributionError, match="carries nothing of its training tokens"):
        maximise(classifier_that(False), "i")
    assert maximise(classifier_that(True), "i", steps=2).attrs["target"] == "i"


@pytest.mark.parametrize("dimensions", [1, 2])
def test_it_is_saved_and_loaded_with_the_classifier(tmp_path, dimensions):
    classifier = classifier_that(True, dimensions)
    expected = explain(classifier, TRAINING[:3], "i", "integrated-gradients")
    folder = classifier.save_pretrained(tmp_path)
    again = Classifier.from_pretrained(folder, network=build(Plain, dimensions).network)
    found = explain(again, TRAINING[:3], "i", "integrated-gradients")
    assert np.array_equal(found.values, expected.values)
    assert found.attrs == expected.attrs
    again.reference = None
    again.save_pretrained(folder)  # nothing of another training stays behind
    assert not (folder / "reference.safetensors").exists()
    assert Classifier.from_pretrained(folder, network=again.network).reference is None


def test_voices_are_not_in_what_is_kept_of_waveforms(tmp_path):
    folder = classifier_that(True, 1).save_pretrained(tmp_path)
    assert sorted(load_file(folder / "reference.safetensors")) == ["counts", "logits", "spectra", "typical"]


def test_it_is_small_and_measured_on_some_of_many_tokens(tmp_path):
    torch.manual_seed(0)
    labels = [f"c{i}" for i in range(12)]
    classifier = Classifier.build(Spectrogram(8000), "compact", labels)
    tokens = [w[:400] for w in waves(5000, context_seconds=0)]
    classifier.keep_reference(tokens, [labels[i % 12] for i in range(5000)])
    assert classifier.reference.counts.sum() == 2048
    assert np.ptp(classifier.reference.counts) <= 2
    assert len(classifier.reference.inputs) == 64
    classifier.save_pretrained(tmp_path)
    assert (tmp_path / "reference.safetensors").stat().st_size < 1_000_000
    large = Classifier.build(Spectrogram(8000, rows=224, columns=224), "compact", labels)
    large.keep_reference(tokens[:30])
    assert len(large.reference.inputs) == 20


@pytest.mark.parametrize(
    "damage",
    [
        lambda t: t.pop("counts"),
        lambda t: t.update(counts=t["counts"][:2]),
        lambda t: t.update(spectra=t["spectra"] * float("nan")),
        lambda t: t.update(pictures=t["pictures"][:, :, :3].contiguous()),
        lambda t: t.pop("drawn"),
        lambda t: t.update(typical=torch.zeros(2)),
    ],
)
def test_a_damaged_reference_is_refused_in_words(tmp_path, damage):
    classifier = classifier_that(True)
    folder = classifier.save_pretrained(tmp_path)
    tensors = load_file(folder / "reference.safetensors")
    damage(tensors)
    save_file(tensors, folder / "reference.safetensors")
    with pytest.raises(ClassifierError, match=r"reference.safetensors does not fit .*remove it to do without"):
        classifier.load_state(folder)


def test_a_map_that_misses_its_sum_says_so_once():
    classifier = classifier_that(True)
    with pytest.warns(IncompleteMapWarning, match=r"token \d misses its sum .*% of the range") as caught:
        explain(classifier, waves(20, context_seconds=0), "i", "expected-gradients(samples=1)", batch_size=5)
    assert len(caught) == 1


def test_complete_maps_do_not_warn(recwarn):
    explain(classifier_that(True), TRAINING[:5], "i", "integrated-gradients(steps=64)")
    explain(classifier_that(True), TRAINING[:5], "i", "cam")
    assert not [w for w in recwarn if issubclass(w.category, IncompleteMapWarning)]


def test_the_reference_of_silent_tokens_is_refused():
    with pytest.raises(AttributionError, match="sounds at all"):
        measured_reference(classifier_that(False), [np.zeros(400, np.float32)] * 3)
    with pytest.raises(AttributionError, match="no reference token"):
        explain(classifier_that(False), TRAINING[:1], reference=[])


def test_without_tokens_the_baseline_is_what_the_front_end_makes_of_silence():
    classifier = classifier_that(False)
    silent = explain(classifier, TRAINING[:2], "i", "gradient-x-input(baseline=silence)")
    assert np.array_equal(explain(classifier, TRAINING[:2], "i", "gradient-x-input").values, silent.values)
    on_waveforms = Classifier(Waveform(SAMPLE_RATE, 0.05), nn.Sequential(nn.Flatten(), nn.Linear(400, 3)), LABELS)
    maps = explain(on_waveforms, TRAINING[0], "i", "gradient-x-input")
    assert np.abs(maps.values).max() > 0
