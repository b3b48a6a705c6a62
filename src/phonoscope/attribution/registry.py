"""All methods of attribution by name: a new one is one line here.

They are offered in the order in which they find planted cues (`phonoscope bench truth`, docs/rooms/evidence.md);
those that need an extra, or another method, come last. Integrated gradients stand before expected gradients, which
score .012 more: they draw nothing at random, cost half, and suit networks on the waveform.
"""

from __future__ import annotations

from phonoscope.attribution.audible import (
    prepare_band_pass,
    prepare_band_stop,
    prepare_high_pass,
    prepare_low_pass,
    prepare_notch,
)
from phonoscope.attribution.bridge import prepare_deep_lift, prepare_gradient_shap, prepare_kernel_shap
from phonoscope.attribution.cam import prepare_cam
from phonoscope.attribution.gradients import (
    prepare_expected_gradients,
    prepare_gradient,
    prepare_gradient_x_input,
    prepare_integrated_gradients,
)
from phonoscope.attribution.layers import (
    prepare_grad_cam,
    prepare_grad_cam_plus_plus,
    prepare_hires_cam,
    prepare_layer_cam,
    prepare_score_cam,
)
from phonoscope.attribution.method import Method
from phonoscope.attribution.occlusion import prepare_band_occlusion, prepare_occlusion
from phonoscope.attribution.rise import prepare_rise
from phonoscope.attribution.smoothing import prepare_smooth, prepare_var

RECOMMENDED = "integrated-gradients"

METHODS: dict[str, Method] = {
    method.name: method
    for method in (
        Method(
            "integrated-gradients",
            "slopes summed along the way from a baseline: sums to the difference of the logits",
            "input",
            prepare_integrated_gradients,
        ),
        Method("expected-gradients", "integrated gradients from random tokens", "input", prepare_expected_gradients),
        Method("band-occlusion", "what the logit loses without each band", "perturbation", prepare_band_occlusion),
        Method(
            "band-stop", "what the logit loses when a band is filtered out of the sound", "audio", prepare_band_stop
        ),
        Method("occlusion", "what the logit loses without each rectangle of Hz × s", "perturbation", prepare_occlusion),
        Method("gradient-x-input", "slope times distance from a baseline", "input", prepare_gradient_x_input),
        Method("notch", "band-stop with narrow bands, swept over the sound", "audio", prepare_notch),
        Method("gradient", "slope of the logit per dB in every cell", "input", prepare_gradient),
        Method("low-pass", "what the logit gains as a low-pass opens, band by band", "audio", prepare_low_pass),
        Method("score-cam", "channels weighted by what the input says through them", "layer", prepare_score_cam),
        Method("layer-cam", "activations of any layer times their positive gradients", "layer", prepare_layer_cam),
        Method(
            "grad-cam++",
            "Grad-CAM with weights for several places in one map",
            "layer",
            prepare_grad_cam_plus_plus,
        ),
        Method("cam", "class activation map: exact, as coarse as the last layer", "layer", prepare_cam),
        Method("grad-cam", "channels of any layer weighted by their mean gradient", "layer", prepare_grad_cam),
        Method("hires-cam", "activations of any layer times their gradients, cell by cell", "layer", prepare_hires_cam),
        Method("rise", "which cells, under random masks, go along with a higher logit", "perturbation", prepare_rise),
        Method("high-pass", "what the logit loses as a high-pass closes, band by band", "audio", prepare_high_pass),
        Method("band-pass", "what each band brings when it is heard alone", "audio", prepare_band_pass),
        Method("captum:deep-lift", "DeepLIFT by captum: differences from a baseline", "input", prepare_deep_lift),
        Method("captum:gradient-shap", "GradientSHAP by captum: random baselines", "input", prepare_gradient_shap),
        Method("captum:kernel-shap", "Shapley values of patches by captum", "perturbation", prepare_kernel_shap),
        Method("smooth", "SmoothGrad around a method: its mean over noisy copies", "wrapper", prepare_smooth),
        Method("var", "VarGrad around a method: its variance over noisy copies", "wrapper", prepare_var),
    )
}
