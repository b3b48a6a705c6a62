"""What every method promises, tried on every method: {waveform, picture} × {plain, in-place, residual, re-used}."""

import functools
from functools import partial
from importlib import import_module

import numpy as np
import pytest
import torch
from small_networks import (
    CONTEXT_SECONDS,
    LABELS,
    NETWORKS,
    SAMPLE_RATE,
    assert_untouched,
    build,
    kinds_for,
    snapshot,
    waves,
)

from phonoscope import contrast, explain
from phonoscope.attribution import METHODS
from phonoscope.attribution.method import Setting
from phonoscope.attribution.method_spec import parse_method
from phonoscope.errors import AttributionError
from precision import tolerance

# Few steps and draws leave much of a sum over.
pytestmark = pytest.mark.filterwarnings("ignore::phonoscope.errors.IncompleteMapWarning")

# Small settings, so that all methods together take seconds.
CHEAP = {
    "integrated-gradients": "integrated-gradients(steps=3)",
    "expected-gradients": "expected-gradients(samples=4)",
    "smooth": "smooth(gradient-x-input, samples=2)",
    "var": "var(cam, samples=2)",
    "captum:deep-lift": "captum:deep-lift(tolerance=100)",
    "captum:gradient-shap": "captum:gradient-shap(samples=3)",
    "captum:kernel-shap": "captum:kernel-shap(samples=20, rows=3, columns=2)",
    "joined": "joined(gradient-x-input, height_hz=2000, width=0.5)",
    "rise": "rise(masks=8)",
    "occlusion": "occlusion(height_hz=2000, width=0.5)",
    "band-occlusion": "band-occlusion(width=1000)",
    "band-stop": "band-stop(width=1000)",
    "band-pass": "band-pass(width=1000)",
    "notch": "notch(width=1000)",
    "low-pass": "low-pass(width=1000)",
    "high-pass": "high-pass(width=1000)",
}
LINEAR = {  # in the target, for fixed draws
    *("cam", "grad-cam", "hires-cam", "gradient", "gradient-x-input", "integrated-gradients", "expected-gradients"),
    *("occlusion", "band-occlusion", "rise", "band-stop", "band-pass", "notch", "low-pass", "high-pass"),
    *("captum:gradient-shap", "captum:kernel-shap", "smooth"),
}
SQUARED = {"var"}  # the contrast the other way round gives the same
NAMES = sorted(METHODS)
CASES = [(name, dimensions, network) for name in NAMES for dimensions in (1, 2) for network in NETWORKS]
TOKENS = ["a", "b", "c"]
# What a method cannot do, by (method, dimensions) or (method, network): it says so.
REFUSED = {
    ("expected-gradients", 1): "fill the same picture",
    ("captum:deep-lift", "re-used"): "each used once",
}


def ask(name):
    return CHEAP.get(name, name)


def refusal(name, dimensions, network):
    return REFUSED.get((name, dimensions)) or REFUSED.get((name, network))


def skip_without_extra(name):
    if name.startswith("captum:"):
        pytest.importorskip("captum", reason="this method needs the extra captum")


def explained(name, dimensions, network, *, order=slice(None), classifier=None, **settings):
    settings = {"target": "i", "batch_size": 3} | settings
    return explain(
        classifier or build(kinds_for(name)[network], dimensions),
        waves()[order],
        method=ask(name),
        tokens=TOKENS[order],
        reference=waves(5, seed=9, context_seconds=0),
        context_seconds=CONTEXT_SECONDS,
        **settings,
    )


@functools.cache
def watched(name, dimensions, network):
    """Maps, how the user's classifier was before and after, and the forward passes that they took."""
    classifier = build(kinds_for(name)[network], dimensions).train()
    classifier.network.act1.eval()
    first, second, *_ = classifier.network.parameters()
    first.requires_grad_(False)
    second.grad = torch.ones_like(second)
    before = snapshot(classifier)
    maps = explained(name, dimensions, network, classifier=classifier)
    return maps, before, snapshot(classifier), -1 - classifier.network.calls_left


def maps_of(name, dimensions, network):
    return watched(name, dimensions, network)[0]


def accepted(cases):
    return [case for case in cases if not refusal(*case)]


def rounding(name, dimensions, maps):
    """How far maps of a method may be apart by rounding.

    Behind a logit of a picture lie 128 cells of spectra of 256 samples each, and some 10 000 products of the network;
    of a waveform, some 4000. Methods that change the sound or the picture subtract logits: where a map is little of
    the logit, few digits are left of it.
    """
    operations = 128 * 256 + 10_000 if dimensions == 2 else 4000
    lost = 0.0
    if METHODS[name].family in ("perturbation", "audio"):
        lost = float(np.abs(maps["logit"]).max() / np.abs(maps).sum(("frequency", "time")).max())
    return tolerance(maps.values, operations) * (1 + lost)


def assert_close(found, expected, name, dimensions):
    assert found.shape == expected.shape
    assert found.values == pytest.approx(expected.values, abs=rounding(name, dimensions, expected))


@pytest.mark.parametrize(("name", "dimensions", "network"), accepted(CASES))
def test_maps_are_finite_signed_numbers_at_labelled_places(name, dimensions, network):
    skip_without_extra(name)
    maps = maps_of(name, dimensions, network)
    assert maps.dims == ("token", "frequency", "time")
    assert np.isfinite(maps.values).all()
    assert maps.values.std() > 0
    assert maps["token"].values.tolist() == TOKENS
    assert maps["target"].values.tolist() == ["i"] * 3
    context = round(CONTEXT_SECONDS * SAMPLE_RATE)
    tokens = [wave[context : len(wave) - context] for wave in waves()]
    logits = build(kinds_for(name)[network], dimensions).logits(tokens)
    assert maps["logit"].values == pytest.approx(logits[:, 0], abs=1e-5)
    assert maps["predicted"].values.tolist() == [LABELS[c] for c in logits.argmax(1)]
    assert maps["duration"].values == pytest.approx([len(t) / SAMPLE_RATE for t in tokens])
    hertz = maps["frequency"].values
    assert (np.diff(hertz) > 0).all()
    assert hertz[0] >= 0
    assert hertz[-1] <= maps.attrs["max_hz"] * (1 + 1e-6) <= SAMPLE_RATE / 2 * (1 + 1e-6)
    assert (np.diff(maps["time"].values) > 0).all()
    assert maps["seconds"].shape == (3, maps.sizes["time"])
    assert maps.attrs["method"] == str(parse_method(ask(name)))
    assert maps.attrs["units"]
    assert maps.attrs["resolution_hz"] > 0
    assert np.isfinite(maps["incompleteness"].values).all() == bool(maps.attrs["completeness"])


@pytest.mark.parametrize(("name", "dimensions", "network"), accepted(CASES))
def test_neither_batches_nor_passes_nor_order_make_a_difference(name, dimensions, network, monkeypatch):
    skip_without_extra(name)
    maps = maps_of(name, dimensions, network)
    module = import_module("phonoscope.attribution.explainer")
    monkeypatch.setattr(module, "Setting", partial(Setting, memory_bytes=1))  # one example a pass
    backwards = explained(name, dimensions, network, order=slice(None, None, -1), batch_size=2)
    assert_close(backwards.sel(token=TOKENS), maps, name, dimensions)
    if network == "plain":
        one_by_one = explained(name, dimensions, network, batch_size=1)
        assert_close(one_by_one, maps, name, dimensions)
        assert one_by_one.attrs == pytest.approx(maps.attrs)


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("name", [name for name in NAMES if METHODS[name].family == "perturbation"])
def test_large_batches_may_be_quicker_but_not_different(name, network):
    skip_without_extra(name)
    sounds, classifier = waves(10, seed=4), build(kinds_for(name)[network], 2)
    before = snapshot(classifier)
    together, apart = (
        explain(classifier, sounds, "i", ask(name), context_seconds=CONTEXT_SECONDS, batch_size=size)
        for size in (10, 3)
    )
    assert_untouched(before, snapshot(classifier))
    assert_close(together, apart, name, 2)


@pytest.mark.parametrize(("name", "dimensions", "network"), accepted(CASES))
def test_the_users_classifier_is_left_as_it_was(name, dimensions, network):
    skip_without_extra(name)
    _, before, after, calls = watched(name, dimensions, network)
    assert_untouched(before, after)
    assert calls > 1


@pytest.mark.parametrize("dimensions", [1, 2])
@pytest.mark.parametrize("name", NAMES)
def test_it_is_left_as_it_was_when_the_network_fails(name, dimensions):
    skip_without_extra(name)
    if refusal(name, dimensions, "in-place"):
        pytest.skip("the method does not work on waveforms")
    calls, sounds = watched(name, dimensions, "in-place")[3], waves()
    error = AttributionError if name.startswith("captum:") else RuntimeError
    for fails_at in (0, calls // 2, calls - 1):
        classifier = build(kinds_for(name)["in-place"], dimensions).train()
        classifier.network.calls_left = fails_at
        before = snapshot(classifier)
        with pytest.raises((RuntimeError, error), match="out of memory"):
            explained(name, dimensions, "in-place", classifier=classifier)
        assert_untouched(before, snapshot(classifier))
    assert all(np.array_equal(a, b) for a, b in zip(sounds, waves(), strict=True))


@pytest.mark.parametrize(("name", "dimensions", "network"), [case for case in CASES if refusal(*case)])
def test_what_a_method_cannot_do_it_says(name, dimensions, network):
    skip_without_extra(name)
    classifier = build(kinds_for(name)[network], dimensions)
    before = snapshot(classifier)
    with pytest.raises(AttributionError, match=refusal(name, dimensions, network)):
        explained(name, dimensions, network, classifier=classifier)
    assert_untouched(before, snapshot(classifier))


@pytest.mark.parametrize("dimensions", [1, 2])
@pytest.mark.parametrize("name", sorted(LINEAR & set(NAMES)))
def test_maps_are_linear_in_the_target(name, dimensions):
    skip_without_extra(name)
    if refusal(name, dimensions, "residual"):
        pytest.skip("the method does not work on waveforms")
    one, other = maps_of(name, dimensions, "residual"), explained(name, dimensions, "residual", target="u")
    difference = explained(name, dimensions, "residual", target=contrast("i", "u"))
    apart = max(rounding(name, dimensions, maps) for maps in (one, other))
    assert difference.values == pytest.approx(one.values - other.values, abs=apart)


@pytest.mark.parametrize("name", sorted(SQUARED & set(NAMES)))
def test_a_variance_does_not_know_the_sign_of_a_target(name):
    there = explained(name, 2, "plain", target=contrast("i", "u"))
    assert_close(explained(name, 2, "plain", target=contrast("u", "i")), there, name, 2)
    assert (there >= 0).all()


@pytest.mark.parametrize("dimensions", [1, 2])
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("twin", ["in-place", "re-used"])
def test_networks_that_compute_the_same_get_the_same_maps(name, twin, dimensions):
    skip_without_extra(name)
    if refusal(name, dimensions, twin):
        pytest.skip("the method says that it cannot")
    assert_close(maps_of(name, dimensions, twin), maps_of(name, dimensions, "plain"), name, dimensions)


@pytest.mark.parametrize("dimensions", [1, 2])
@pytest.mark.parametrize("name", NAMES)
def test_predicted_and_contrasting_targets_are_those_of_the_untouched_token(name, dimensions):
    skip_without_extra(name)
    if refusal(name, dimensions, "plain"):
        pytest.skip("the method does not work on waveforms")
    predicted = explained(name, dimensions, "plain", target="predicted")
    named = explained(name, dimensions, "plain", target=predicted["predicted"].values.tolist())
    assert_close(predicted, named, name, dimensions)


def test_the_lists_above_name_methods_that_exist_or_are_known():
    assert {"cam", "grad-cam", "gradient", "smooth"} <= set(NAMES)
    assert all(METHODS[name].family == "wrapper" for name in ("smooth", "var", "joined"))
    assert all(CHEAP.get(n, "(").partition("(")[0] == n for n in CHEAP)
