"""Methods of captum under our promises: complete, seeded by token, without a trace, and with errors that help."""

import builtins

import numpy as np
import pytest
import torch
from small_networks import InPlace, Plain, Reused, assert_untouched, build, linear, snapshot, waves
from torch.nn import functional

from phonoscope import explain
from phonoscope.attribution.bridge import left_as_it_was
from phonoscope.errors import AttributionError

pytest.importorskip("captum", reason="needs the extra captum")
SOUNDS, OTHERS = waves(3, context_seconds=0), waves(5, seed=5, context_seconds=0)
METHODS = ["captum:deep-lift", "captum:gradient-shap", "captum:kernel-shap"]


def maps(classifier, method, **settings):
    return explain(classifier, SOUNDS, "i", method, **{"reference": OTHERS} | settings)


def test_on_linear_networks_all_give_weights_times_distance():
    classifier = linear()
    exact = maps(classifier, "gradient-x-input").values
    assert maps(classifier, "captum:deep-lift").values == pytest.approx(exact, abs=1e-5)
    assert maps(classifier, "captum:gradient-shap(baseline=mean)").values == pytest.approx(exact, abs=1e-5)
    patches = maps(classifier, "captum:kernel-shap(rows=4, columns=2, samples=60)").values
    sums = exact.reshape(3, 4, 4, 2, 4).sum((2, 4))
    assert patches.reshape(3, 4, 4, 2, 4).sum((2, 4)) == pytest.approx(sums, abs=1e-3)
    assert patches[:, :4, :4].std((1, 2)).max() < 1e-7  # a patch shares its value evenly


@pytest.mark.parametrize("network", [Plain, InPlace])
def test_deep_lift_is_complete_and_differs_from_gradients(network):
    classifier = build(network, 2)
    found = maps(classifier, "captum:deep-lift")
    assert np.abs(found["incompleteness"].values).max() < 1e-5
    assert np.abs(found.values - maps(classifier, "gradient-x-input").values).max() > 1e-4


@pytest.mark.parametrize("method", METHODS[1:])
def test_what_is_drawn_depends_on_token_and_seed_alone(method):
    classifier = build(Plain, 2)
    cheap = {"captum:gradient-shap": "(samples=3)", "captum:kernel-shap": "(samples=12, rows=4, columns=2)"}
    one = maps(classifier, method + cheap[method], seed=1).values
    np.random.seed(7)  # noqa: NPY002
    torch.manual_seed(7)
    assert np.array_equal(maps(classifier, method + cheap[method], seed=1).values, one)
    other = maps(classifier, method + cheap[method], seed=2).values
    assert np.abs(other - one).max() > 1e-6


def test_the_sums_of_shap_are_checked():
    classifier = build(Plain, 2)
    found = maps(classifier, "captum:kernel-shap(samples=40, rows=3, columns=2)")
    assert np.abs(found["incompleteness"].values).max() < 1e-4 * np.abs(found.values).sum((1, 2)).max() + 1e-6
    drawn = maps(classifier, "captum:gradient-shap(samples=8)")["incompleteness"].values
    assert np.isfinite(drawn).all()
    assert np.abs(drawn).max() > 1e-6  # true on average only


class Functional(Plain):
    """Its ReLUs are plain functions: DeepLIFT's rules cannot be attached to them."""

    def features(self, x):
        return functional.relu(self.conv2(functional.relu(self.conv1(x - 0.1))))


def test_a_deep_lift_that_does_not_add_up_is_refused():
    with pytest.raises(AttributionError, match=r"off by .* choose integrated-gradients"):
        maps(build(Functional, 2), "captum:deep-lift")
    assert np.isfinite(maps(build(Functional, 2), "captum:deep-lift(tolerance=100)").values).all()


class NotANumber(Plain):
    def features(self, x):
        return super().features(x) * torch.nan


@pytest.mark.parametrize("method", METHODS)
def test_what_fails_is_said_and_leaves_no_trace(method):
    networks = {Reused: "each used once"} if method == METHODS[0] else {}
    for network, says in {**networks, NotANumber: "captum:|not finite"}.items():
        classifier = build(network, 2).train()
        before = snapshot(classifier)
        with pytest.raises(AttributionError, match=says):
            maps(classifier, method)
        assert_untouched(before, snapshot(classifier))


def test_hooks_and_attributes_that_were_there_before_stay():
    network = build(Plain, 2).network
    mine = network.conv1.register_forward_hook(lambda *_: None)
    network.conv1.note = "mine"
    # Networks keep what they like under names that look like torch's own.
    network.use_hooks_for_debug, network.n_hooks, network.my_hooks = False, 0, ["mine"]

    def leave_things():
        with left_as_it_was(network):
            network.conv1.register_forward_hook(lambda *_: None)
            network.conv2.register_full_backward_hook(lambda *_: None)
            network.conv2.leftover, network.conv1.note = torch.ones(3), "theirs"
            raise RuntimeError("out of memory")

    with pytest.raises(RuntimeError):
        leave_things()
    assert list(network.conv1._forward_hooks) == [mine.id]
    assert not network.conv2._backward_hooks
    assert not hasattr(network.conv2, "leftover")
    assert network.conv1.note == "mine"
    assert (network.use_hooks_for_debug, network.n_hooks, network.my_hooks) == (False, 0, ["mine"])
    mine.remove()
    assert not network.conv1._forward_hooks


@pytest.mark.parametrize(
    ("method", "says"),
    [
        ("captum:gradient-shap(samples=0)", "samples=0"),
        ("captum:kernel-shap(rows=0)", "rows=0"),
        ("captum:deep-lift(baseline=quiet)", "baseline=quiet"),
    ],
)
def test_impossible_settings_are_answered(method, says):
    with pytest.raises(AttributionError, match=says):
        maps(linear(), method)


def test_without_captum_it_is_said_what_to_install(monkeypatch):
    plain_import = builtins.__import__

    def no_captum(name, *args, **kwargs):
        if name.startswith("captum"):
            raise ImportError(name)
        return plain_import(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", no_captum)
    with pytest.raises(AttributionError, match=r"install phonoscope\[captum\]"):
        maps(linear(), "captum:deep-lift")
