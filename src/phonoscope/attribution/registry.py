"""All methods of attribution by name, and what a method is: a new one is one line here, or a name of your own module.

The default comes first, then roughly who tells more where the truth was planted (`phonoscope bench truth`,
docs/rooms/evidence.md); those that need an extra, or another method, come last. The benchmark puts no method above all
others. Integrated gradients are the default because they answer in Hz and in s, draw nothing at random, and suit every
network.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

from phonoscope.attribution.filtering import Filtering
from phonoscope.attribution.method_spec import MethodSpec, parse_method
from phonoscope.errors import AttributionError
from phonoscope.registry import Registry

if TYPE_CHECKING:
    from phonoscope.attribution.method import Prepared

WRAPPER = "wrapper"


@dataclass(frozen=True)
class Method:
    """One way to make maps: a name, and a function that makes it ready for a classifier.

    ``prepare(setting, **options) -> Prepared`` is called once; that of a wrapper, ``prepare(setting, inner,
    **options)``, gets the wrapped method made ready. It may look at ``setting.classifier``, at a few network inputs
    (``setting.probe``) and at the speech that the classifier knows (``setting.reference``), and raises
    AttributionError for what it cannot do. It returns `Prepared`: a function from a `Batch` of tokens to `Attributed`
    (maps, logits and what is left over of a promised sum), where the cells of the maps lie (``input_placement`` and
    ``layer_placement`` in ``maps.py``, or the ``placement`` of a space), and what the maps promise. Four rules hold:

    - the network is left as it was, on success and on failure;
    - a token's map depends on the token alone: not on the others of the batch, nor on its size;
    - what is drawn at random for a token follows from its ``batch.seeds`` and ``setting.seed``;
    - passes through the network take at most ``setting.examples`` inputs at a time.

    There are three ways to add one: a line in this file; an entry point of the group ``phonoscope.methods``; or its
    import path wherever a method is named, ``package.module:name`` with ``name`` an object of this class. Typing an
    import path is consent to run that module; one that stands in a file is refused, see ``refuse_method_import``.

    Parameters
    ----------
    name, summary
        What it is called, and one line about it.
    family
        ``layer``, ``input``, ``perturbation``, ``audio`` or ``wrapper``.
    prepare
        The function, or ``module:function`` to import it from when it is first used.
    defaults
        Names and defaults of the options; those of the function's keyword arguments if they are not given here. An
        option's kind (text, number, yes or no) is that of its default.
    """

    name: str
    summary: str
    family: str
    prepare: Callable[..., Prepared] | str
    defaults: Mapping[str, Any] | None = None

    @property
    def function(self) -> Callable[..., Prepared]:
        """The function ``prepare``, imported if need be."""
        if not isinstance(self.prepare, str):
            return self.prepare
        module, _, name = self.prepare.partition(":")
        return getattr(import_module(module), name)

    @property
    def options(self) -> dict[str, Any]:
        """Names and defaults of the options."""
        if self.defaults is not None:
            return dict(self.defaults)
        parameters = inspect.signature(self.function).parameters.values()
        return {p.name: p.default for p in parameters if p.kind is p.KEYWORD_ONLY}


RECOMMENDED = "integrated-gradients"
WITHOUT_GRADIENTS = "band-stop"  # recommended where no gradient reaches the sound

_SPACE, _BASELINE, _OF_LAYER = {"space": "auto"}, {"baseline": "mean"}, {"layer": "auto", "relu": False}
_CURVE = {"bands": "hz", "width": 0.0}
_BANDS = {**_CURVE, "step": 0.0}
# A band in silence would be heard through the skirts of the front end's window in all others: the fill covers them.
_STOP, _PASS = asdict(Filtering()), asdict(Filtering(depth_db=-80.0, fill="mean"))
_PATCH, _FILL = {"height_hz": 500.0, "width": 0.25}, {"fill": "mean", **_SPACE}
_SHAP = {"baseline": "tokens", "samples": 32, "noise": 0.0, **_SPACE}
_PATCHES = {**_BASELINE, "samples": 256, "rows": 8, "columns": 4, **_SPACE}
_COPIES = {"samples": 16, "noise": 0.15}

# Name, family, function in this room, options with their defaults, and what it shows.
_LINES: tuple[tuple[str, str, str, dict[str, Any], str], ...] = (
    ("integrated-gradients", "input", "gradients:prepare_integrated_gradients", {**_BASELINE, "steps": 16, **_SPACE},
     "slopes summed along the way from a baseline: sums to the difference of the logits"),
    ("expected-gradients", "input", "gradients:prepare_expected_gradients", {"samples": 32, **_SPACE},
     "integrated gradients from random tokens"),
    ("band-occlusion", "perturbation", "occlusion:prepare_band_occlusion", {**_BANDS, **_FILL},
     "what the logit loses without each band"),
    ("band-stop", "audio", "audible:prepare_band_stop", {**_BANDS, **_STOP},
     "what the logit loses when a band is filtered out of the sound"),
    ("occlusion", "perturbation", "occlusion:prepare_occlusion", {**_PATCH, "step_hz": 0.0, "step": 0.0, **_FILL},
     "what the logit loses without each rectangle of Hz × s"),
    ("gradient-x-input", "input", "gradients:prepare_gradient_x_input", {**_BASELINE, **_SPACE},
     "slope times distance from a baseline"),
    ("notch", "audio", "audible:prepare_band_stop", {**_BANDS, "width": 100.0, **_STOP, "edge_hz": 50.0},
     "band-stop with narrow bands, swept over the sound"),
    ("gradient", "input", "gradients:prepare_gradient", _SPACE, "slope of the logit per dB in every cell"),
    ("low-pass", "audio", "audible:prepare_low_pass", {**_CURVE, **_PASS},
     "what the logit gains as a low-pass opens, band by band"),
    ("score-cam", "layer", "layers:prepare_score_cam", {**_OF_LAYER, "channels": 0},
     "channels weighted by what the input says through them"),
    ("layer-cam", "layer", "layers:prepare_layer_cam", _OF_LAYER,
     "activations of any layer times their positive gradients"),
    ("grad-cam++", "layer", "layers:prepare_grad_cam_plus_plus", _OF_LAYER,
     "Grad-CAM with weights for several places in one map"),
    ("cam", "layer", "cam:prepare_cam", {"layer": "auto"}, "class activation map: exact, as coarse as the last layer"),
    ("grad-cam", "layer", "layers:prepare_grad_cam", _OF_LAYER,
     "channels of any layer weighted by their mean gradient"),
    ("hires-cam", "layer", "layers:prepare_hires_cam", _OF_LAYER,
     "activations of any layer times their gradients, cell by cell"),
    ("gradient-attention", "layer", "attention:prepare_gradient_attention", {},
     "transformers: where the attention that raises the target comes from; unsigned"),
    ("attention-rollout", "layer", "attention:prepare_attention_rollout", {},
     "transformers: where attention comes from, whatever the target; unsigned"),
    ("rise", "perturbation", "rise:prepare_rise", {"masks": 256, **_PATCH, "keep": 0.5, **_FILL},
     "which cells, under random masks, go along with a higher logit"),
    ("high-pass", "audio", "audible:prepare_high_pass", {**_CURVE, **_PASS},
     "what the logit loses as a high-pass closes, band by band"),
    ("band-pass", "audio", "audible:prepare_band_pass", {**_BANDS, **_PASS},
     "what each band brings when it is heard alone, in noise like average speech"),
    ("captum:deep-lift", "input", "bridge:prepare_deep_lift", {**_BASELINE, "tolerance": 0.02, **_SPACE},
     "DeepLIFT by captum: differences from a baseline"),
    ("captum:gradient-shap", "input", "bridge:prepare_gradient_shap", _SHAP,
     "GradientSHAP by captum: random baselines"),
    ("captum:kernel-shap", "perturbation", "bridge:prepare_kernel_shap", _PATCHES,
     "Shapley values of patches by captum"),
    ("smooth", WRAPPER, "smoothing:prepare_smooth", _COPIES, "SmoothGrad around a method: its mean over noisy copies"),
    ("var", WRAPPER, "smoothing:prepare_var", _COPIES, "VarGrad around a method: its variance over noisy copies"),
    ("joined", WRAPPER, "joining:prepare_joined", {**_PATCH, "fill": "mean"},
     "a method around which occlusion is asked too: evidence counts where both find some"),
)  # fmt: skip
METHODS: Registry[Method] = Registry(
    "method",
    {
        name: Method(name, summary, family, f"phonoscope.attribution.{function}", defaults)
        for name, family, function, defaults, summary in _LINES
    },
    error=AttributionError,
)


def methods() -> dict[str, str]:
    """Names of the methods with one line about each, the default first."""
    return {name: method.summary for name, method in METHODS.items()}


def find_method(spec: MethodSpec, methods: Mapping[str, Method] = METHODS) -> Method:
    """Return a method by name or import path, and see whether it wraps another where it should.

    Parameters
    ----------
    methods
        By name.

    Raises
    ------
    AttributionError
        If there is none, what was imported is no method, or a wrapper has nothing to wrap.
    """
    known = methods if isinstance(methods, Registry) else Registry("method", methods, error=AttributionError)
    method = known.find(spec.name)
    if not isinstance(method, Method):
        raise AttributionError(
            f"{spec.name} is {type(method).__name__}, no method; expected a phonoscope.attribution.Method"
        )
    if (method.family == WRAPPER) != (spec.inner is not None):
        if spec.inner is None:
            raise AttributionError(f"{spec.name} needs a method to work on: write {spec.name}(gradient), for example")
        raise AttributionError(f"{spec.name} does not take another method; found {spec}")
    return method


def refuse_method_import(text: str, origin: object, *, trust_imports: bool) -> None:
    """Refuse a method of a file, or of a request, that would be imported by its path; see `Registry.refuse_import`.

    Parameters
    ----------
    text
        The method in words.
    origin
        Which file says it.
    trust_imports
        Whether the file is trusted; then nothing is refused.
    """
    for name in parse_method(text).names():
        METHODS.refuse_import(name, origin, trust_imports=trust_imports)
