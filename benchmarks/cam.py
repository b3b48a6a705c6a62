"""Cost of class activation maps over a bare forward pass of the same batch.

Run: ``python -m benchmarks.cam [rounds]``.
"""

from collections.abc import Iterator

import numpy as np

from benchmarks.measure import Bar, Measurement, alone, alternately

BATCH = 32
LABELS = ["i", "æ", "ɝ", "ɑ", "u"]
SAMPLE_RATE = 16_000
REPEATS = {"compact": 20, "resnet18": 2}  # calls a round: enough milliseconds for the clock
BARS = {f"CAM, {name}, {BATCH} × 64 × 64": Bar(1.1, at_least=False, peer="forward pass") for name in REPEATS}


def measure(rounds: int) -> Iterator[Measurement]:
    """CAM of the predicted class; the method is made ready once, as `explain` does, and runs on batches."""
    import torch

    from phonoscope.attribution.explain import METHODS
    from phonoscope.attribution.targets import resolve_targets
    from phonoscope.classifier import Classifier
    from phonoscope.frontends import Spectrogram
    from phonoscope.modules import evaluation_mode

    for (name, repeats), what in zip(REPEATS.items(), BARS, strict=True):
        torch.manual_seed(0)
        classifier = Classifier.build(Spectrogram(SAMPLE_RATE, rows=64, columns=64), name, LABELS)
        inputs = torch.randn(BATCH, *classifier.front_end.shape)
        targets = resolve_targets(classifier, "predicted", BATCH, None)
        with evaluation_mode(classifier), torch.no_grad():
            prepared = METHODS["cam"].prepare(classifier, inputs[:8], None)

            def explained(prepared=prepared, inputs=inputs, targets=targets):
                return prepared.function(inputs, lambda logits: targets.weights(logits, slice(0, BATCH)))

            def forward(network=classifier.network, inputs=inputs):
                return network(inputs)

            # Differences of a few per cent need more rounds than the others.
            spent = alternately(4 * rounds, explained, forward, repeats=repeats)
            difference = (explained()[1] - forward()).abs().max().item()
        ours, bare = spent.T
        ratios = tuple((ours / bare).tolist())
        note = f"ours / forward; logits differ by {difference:.0e}"
        yield Measurement(what, 1e3 * float(np.median(ours)), 1e3 * float(np.median(bare)), "ms", ratios, note)


if __name__ == "__main__":
    alone(BARS, measure)
