"""All methods of attribution by name, in the order in which they are offered: a new one is one line here."""

from __future__ import annotations

from phonoscope.attribution.cam import prepare_cam
from phonoscope.attribution.gradients import (
    prepare_expected_gradients,
    prepare_gradient,
    prepare_gradient_x_input,
    prepare_integrated_gradients,
)
from phonoscope.attribution.method import Method
from phonoscope.attribution.smoothing import prepare_smooth, prepare_var

METHODS: dict[str, Method] = {
    method.name: method
    for method in (
        Method("cam", "class activation map: exact, as coarse as the last layer", "layer", prepare_cam),
        Method("gradient", "slope of the logit per dB in every cell", "input", prepare_gradient),
        Method("gradient-x-input", "slope times distance from a baseline", "input", prepare_gradient_x_input),
        Method(
            "integrated-gradients",
            "slopes summed along the way from a baseline: sums to the difference of the logits",
            "input",
            prepare_integrated_gradients,
        ),
        Method("expected-gradients", "integrated gradients from random tokens", "input", prepare_expected_gradients),
        Method("smooth", "SmoothGrad around a method: its mean over noisy copies", "wrapper", prepare_smooth),
        Method("var", "VarGrad around a method: its variance over noisy copies", "wrapper", prepare_var),
    )
}
