"""Cost of class activation maps over a bare forward pass of the same batch.

Run: ``python -m benchmarks.cam [rounds]``.
"""

from collections.abc import Iterator
from functools import partial

from benchmarks.measure import Bar, Measurement, alone, alternately, compared

BATCH = 32
REPEATS = {"compact": 20, "resnet18": 2}  # calls a round: enough milliseconds for the clock
BARS = {f"CAM, {name}, {BATCH} × 64 × 64": Bar(1.1, at_least=False, peer="forward pass") for name in REPEATS}


def measure(rounds: int) -> Iterator[Measurement]:
    """CAM of the predicted class; the method is made ready once, as `explain` does, and runs on batches."""
    import torch

    from benchmarks.attribution import prepared_setting
    from phonoscope.attribution.method import prepare_method
    from phonoscope.attribution.method_spec import parse_method

    for (name, repeats), what in zip(REPEATS.items(), BARS, strict=True):
        setting, batch = prepared_setting(name)
        with torch.no_grad():
            prepared = prepare_method(parse_method("cam"), setting)

            explained, forward = partial(prepared.function, batch), partial(setting.classifier.network, batch.inputs)
            # Differences of a few per cent need more rounds than the others.
            spent = alternately(4 * rounds, explained, forward, repeats=repeats)
            difference = (explained().logits - forward()).abs().max().item()
        yield compared(what, *spent.T, cost=True, note=f"ours / forward; logits differ by {difference:.0e}")


if __name__ == "__main__":
    alone(BARS, measure)
