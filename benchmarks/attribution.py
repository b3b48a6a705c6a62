"""Cost of methods of attribution over captum's for the same tokens, steps and windows.

Run: ``python -m benchmarks.attribution [rounds]``.
"""

import math
import warnings
from collections.abc import Callable, Iterator
from typing import Any

from benchmarks.measure import Bar, Measurement, alone, alternately, compared, require

BATCH = 32
ROWS, COLUMNS = 64, 64
STEPS = 16
LABELS = ["i", "æ", "ɝ", "ɑ", "u"]
SAMPLE_RATE = 16_000
WINDOW = (4, 16)  # rows and columns of an occluded rectangle; they lie side by side
BAND = 4  # rows of an occluded band
HZ_PER_ROW = SAMPLE_RATE / 2 / ROWS

GRADIENTS = {
    "gradient": "Saliency",
    "gradient × input": "InputXGradient",
    f"integrated gradients, {STEPS} steps": "IntegratedGradients",
    "Grad-CAM": "LayerGradCam",
}
WINDOWS = {
    f"occlusion, {WINDOW[0]} × {WINDOW[1]}": "Occlusion",
    f"band occlusion, {BAND} rows": "Occlusion",
}
# Hundreds of passes a token: the small network is enough to tell what they cost.
MEASURED = {"compact": {**GRADIENTS, **WINDOWS}, "resnet18": GRADIENTS}
BARS = {
    f"{what}, {network}": Bar(1.15 if what in GRADIENTS else 0.5, at_least=False, peer=f"captum's {peer}")
    for network, methods in MEASURED.items()
    for what, peer in methods.items()
}


Function = Callable[[], Any]


def pairs(network: str) -> Iterator[tuple[str, Function, Function, Callable[[Any], Any]]]:
    """All comparisons on one network, on the same batch.

    What is measured, in BARS' words, our method, captum's, and what turns captum's map into ours.
    """
    import torch
    from captum import attr

    from phonoscope.attribution.method import prepare_method
    from phonoscope.attribution.method_spec import parse_method

    setting, batch = prepared_setting(network)
    module, inputs = setting.classifier.network, batch.inputs
    layer = {"compact": "features", "resnet18": "layer4"}[network]
    grad_cam = attr.LayerGradCam(module, module.get_submodule(layer))
    occlusion = attr.Occlusion(module)
    fills = max(1, setting.examples // BATCH)

    def ours(method: str) -> Callable[[], Any]:
        prepared = prepare_method(parse_method(method), setting)
        return lambda: prepared.function(batch).maps

    def windows(rows: int, columns: int) -> Callable[[], Any]:
        shape = (1, rows, columns)
        # As many windows a pass as ours: the peer's default of one is slower.
        return lambda: occlusion.attribute(inputs, shape, shape, 0, target=0, perturbations_per_eval=fills)[:, 0]

    def saliency() -> Any:
        return attr.Saliency(module).attribute(inputs, 0, abs=False)[:, 0]

    def integrated() -> Any:
        path = attr.IntegratedGradients(module)
        return path.attribute(inputs, 0, 0, n_steps=STEPS, internal_batch_size=setting.examples)[:, 0]

    def as_it_is(peer: Any) -> Any:
        return peer

    height, width, band = WINDOW[0] * HZ_PER_ROW, WINDOW[1] / COLUMNS, BAND * HZ_PER_ROW
    peers = (
        ("gradient", saliency, lambda peer: peer / setting.classifier.input_sd),
        ("gradient-x-input(baseline=zero)", lambda: attr.InputXGradient(module).attribute(inputs, 0)[:, 0], as_it_is),
        (f"integrated-gradients(baseline=zero, steps={STEPS})", integrated, as_it_is),
        ("grad-cam", lambda: grad_cam.attribute(inputs, 0)[:, 0], as_it_is),
        (
            f"occlusion(height_hz={height}, width={width}, step_hz={height}, step={width}, fill=zero)",
            windows(*WINDOW),
            lambda peer: peer / math.prod(WINDOW),
        ),
        (f"band-occlusion(width={band}, step={band}, fill=zero)", windows(BAND, COLUMNS), lambda p: p[:, ::BAND, :1]),
    )
    with torch.no_grad():
        for what, (method, peer, same) in zip((*GRADIENTS, *WINDOWS), peers, strict=True):
            if what in MEASURED[network]:
                yield f"{what}, {network}", ours(method), peer, same


def prepared_setting(network: str) -> tuple[Any, Any]:
    """An untrained classifier, ready to be explained, and a batch of noise whose target is the first class."""
    import torch

    from phonoscope.attribution.method import Batch, Setting
    from phonoscope.classifier import Classifier
    from phonoscope.frontends import Spectrogram
    from phonoscope.reference import choose_reference

    torch.manual_seed(0)
    classifier = Classifier.build(Spectrogram(SAMPLE_RATE, rows=ROWS, columns=COLUMNS), network, LABELS).eval()
    classifier.input_mean, classifier.input_sd = -30.0, 15.0
    sounds = 0.1 * torch.randn(BATCH, SAMPLE_RATE // 10)
    lengths = torch.full((BATCH,), sounds.shape[1])
    with torch.no_grad():
        inputs = classifier.inputs(sounds, lengths)
    first_class = torch.nn.functional.one_hot(torch.zeros(BATCH, dtype=torch.long), len(LABELS)).float()
    batch = Batch(sounds, lengths, 0, inputs, tuple(range(BATCH)), lambda _logits: first_class)
    return Setting(classifier, choose_reference(classifier, list(sounds.numpy())), 0), batch


def measure(rounds: int) -> Iterator[Measurement]:
    """Methods are made ready once, as `explain` does, and run on batches."""
    require("captum", "captum")
    warnings.filterwarnings("ignore", module="captum")
    for network in MEASURED:
        for what, ours, peer, same in pairs(network):
            spent = alternately(rounds, ours, peer).T
            expected = same(peer())
            difference = float((ours() - expected).abs().max() / expected.abs().max())
            note = f"ours / captum; maps differ by {difference:.0e} of the largest value"
            yield compared(what, *spent, cost=True, note=note)


if __name__ == "__main__":
    alone(BARS, measure)
