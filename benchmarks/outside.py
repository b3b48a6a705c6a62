"""Cost of explaining a model from elsewhere: a wav2vec 2.0 encoder of base size with random weights, and captum.

Run: ``python -m benchmarks.outside [rounds]``.
"""

import warnings
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from benchmarks.measure import Bar, Measurement, alone, alternately, compared, require

SAMPLE_RATE = 16_000
LABELS = ["no", "yes", "up", "down"]
STEPS = 16  # the default of our method
BATCH = 4  # sounds of 1 s of a forward pass
EXPLAINED = f"integrated gradients, {STEPS} steps, wav2vec 2.0 base"
ADAPTED = f"forward pass through the adapter, {BATCH} × 1 s"
BARS = {
    EXPLAINED: Bar(1.1, at_least=False, peer="captum's IntegratedGradients"),
    ADAPTED: Bar(1.05, at_least=False, peer="the bare model's forward"),
}


def base_model() -> Any:
    """A sequence classifier of transformers in its usual size, 95 million weights drawn at random."""
    import torch
    from transformers import Wav2Vec2Config, Wav2Vec2ForSequenceClassification

    torch.manual_seed(0)
    return Wav2Vec2ForSequenceClassification(Wav2Vec2Config(num_labels=len(LABELS))).eval()


def sides(model: Any) -> tuple[dict[str, tuple[Callable[[], Any], Callable[[], Any]]], int]:
    """Ours and the peer's side of each comparison, and how many sounds go through the model in one pass of either.

    Parameters
    ----------
    model
        As of `base_model`.
    """
    import torch
    from captum.attr import IntegratedGradients

    import phonoscope as ps
    from phonoscope.attribution.method import Batch, Setting, prepare_method
    from phonoscope.attribution.method_spec import parse_method
    from phonoscope.reference import choose_reference

    classifier = ps.wrap(model, SAMPLE_RATE, LABELS, output="logits").eval()
    sounds = 0.1 * torch.randn(BATCH, SAMPLE_RATE)
    lengths = torch.full((BATCH,), SAMPLE_RATE)
    with torch.no_grad():
        inputs = classifier.inputs(sounds, lengths)
    clip = inputs[:1, 0]
    first_class = torch.nn.functional.one_hot(torch.tensor([0]), len(LABELS)).float()
    setting = Setting(classifier, choose_reference(classifier), samples=SAMPLE_RATE)
    at_a_time = setting.examples
    batch = Batch(sounds[:1], lengths[:1], 0, inputs[:1], (0,), lambda _logits: first_class)
    ours = prepare_method(parse_method(f"integrated-gradients(baseline=zero, steps={STEPS})"), setting)
    path = IntegratedGradients(lambda waveforms: model(waveforms).logits)
    peer = partial(path.attribute, clip, 0, 0, n_steps=STEPS, internal_batch_size=at_a_time)

    def forward(function: Callable[[], Any]) -> Callable[[], Any]:
        return torch.no_grad()(function)

    return {
        EXPLAINED: (lambda: ours.function(batch), peer),
        ADAPTED: (forward(lambda: classifier(sounds, lengths)), forward(lambda: model(inputs[:, 0]).logits)),
    }, at_a_time


def measure(rounds: int) -> Iterator[Measurement]:
    """One clip of 1 s a call; both sides end in a map, ours in Hz and s with the error of its sum."""
    require("captum", "captum")
    require("transformers", "hf")
    warnings.filterwarnings("ignore", module="captum")
    pairs, at_a_time = sides(base_model())
    explained = alternately(rounds, *pairs[EXPLAINED]).T
    note = f"ours / captum, one clip of 1 s, {at_a_time} at a time"
    yield compared(EXPLAINED, *explained, unit="s/clip", cost=True, note=note)
    # Differences of a few per cent need more rounds than the other.
    adapted = alternately(4 * rounds, *pairs[ADAPTED]).T
    yield compared(ADAPTED, *adapted, cost=True, note="ours / bare")


if __name__ == "__main__":
    alone(BARS, measure)
