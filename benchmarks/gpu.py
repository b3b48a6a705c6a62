"""Training steps and CAM on a GPU beside the bare steps and passes of the same network on inputs that are made up.

Run: ``python -m benchmarks.gpu [rounds]``; seconds of the clock, because a GPU works beside the processor. The whole
first experiment of the paper: ``python -m benchmarks.paper_scale``.
"""

import copy
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.measure import Bar, LackingError, Measurement, alone, alternately, compared
from benchmarks.training import epochs_in_turn, material

KEPT, MADE, CAM = "step, inputs on the GPU", "step, inputs made on the way", "CAM and class means"
BARS = {
    KEPT: Bar(0.9, peer="synthetic step"),
    MADE: Bar(0.9, peer="synthetic step"),
    CAM: Bar(0.9, peer="forward pass"),
}
# Dense bfloat16 operations a second with sums in single precision, 10^12, from the makers' data sheets.
PEAK_TFLOPS = {
    "B200": 2250.0,
    "H200": 989.0,
    "H100 PCIe": 756.0,
    "H100": 989.0,
    "A100": 312.0,
    "L40S": 362.0,
    "RTX 4090": 165.2,
    "RTX 3090": 71.0,
}


@dataclass(frozen=True)
class Size:
    """What is measured: network, picture, tokens a step and an epoch, and epochs."""

    network: str = "resnet101"
    rows: int = 224
    columns: int = 224
    batch: int = 32
    tokens: int = 4096
    epochs: int = 4


# For a machine without a GPU: everything runs, and nothing is learnt about speed.
TOY = Size("compact", 32, 32, 8, 24, 3)


def measure(rounds: int) -> Iterator[Measurement]:
    """The paper's network at the paper's size."""
    import torch

    if not torch.cuda.is_available():
        raise LackingError("there is no GPU; at toy size without one: python -m benchmarks.paper_scale FOLDER")
    yield from measured(rounds, Size(), "cuda", peak_tflops(torch.cuda.get_device_name()))


def peak_tflops(name: str) -> float | None:
    """Peak of a GPU from the table; None if it is not there."""
    return next((peak for part, peak in PEAK_TFLOPS.items() if part in name), None)


def measured(
    rounds: int, size: Size, device: str, peak: float | None, settings: dict[str, Any] | None = None
) -> Iterator[Measurement]:
    """All comparisons on a device; `settings` change the training recipe."""
    flops = flops_per_token(size)
    for what, cache_bytes in ((KEPT, None), (MADE, 0)):
        spent = np.array([one_training(size, device, cache_bytes, settings or {}) for _ in range(rounds)])
        rate = size.tokens / np.median(spent[:, 0])
        note = f"{rate:.0f} tokens/s{utilisation(rate, flops, peak)}"
        yield compared(what, *spent.T, per=size.tokens, unit="µs/token", note=note)
    spent = passes_in_turn(rounds, size, device)
    note = f"{size.tokens / np.median(spent[:, 0]):.0f} tokens/s"
    yield compared(CAM, *spent.T, per=size.tokens, unit="µs/token", note=note)


def flops_per_token(size: Size) -> float:
    """Operations of one token forward and backward; a multiplication with its addition is two."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    from phonoscope.networks import build_network

    # The meta device counts without computing.
    network = build_network(size.network, 5).to("meta")
    with FlopCounterMode(display=False) as counter:
        network(torch.empty(2, 1, size.rows, size.columns, device="meta")).sum().backward()
    return counter.get_total_flops() / 2


def utilisation(tokens_per_second: float, flops: float, peak: float | None) -> str:
    """Model-FLOPs utilisation in words: what the network needs, over what the GPU can do."""
    done = tokens_per_second * flops / 1e12
    return f", {done:.3g} TFLOP/s" + (f", {done / peak:.1%} of {peak:g}" if peak else ", peak not known")


def clock_of(device: str) -> Callable[[], float]:
    """Seconds at which the device has done all that it was given."""
    import torch

    def clock() -> float:
        if device == "cuda":
            torch.cuda.synchronize()
        return time.perf_counter()

    return clock


def one_training(size: Size, device: str, cache_bytes: int | None, settings: dict[str, Any]) -> np.ndarray:
    """Median seconds of our epochs, and of as many steps on one made-up batch, array (2,)."""
    from phonoscope.training import PRESETS, TokenInputs

    classifier, waveforms, labels = material(size.network, size.rows, size.columns, size.tokens)
    inputs = TokenInputs(classifier.front_end, waveforms, device=device, cache_bytes=cache_bytes)
    recipe = PRESETS["paper"].changed(epochs=size.epochs, batch_size=size.batch, choose="last", **settings)
    synthetic = synthetic_epoch(copy.deepcopy(classifier.network), recipe, size, device)
    return epochs_in_turn(classifier, waveforms, labels, recipe, inputs, synthetic, device, clock_of(device))


def synthetic_epoch(network: Any, recipe: Any, size: Size, device: str) -> Callable[[], None]:
    """Steps in the same precision, with the same optimiser, on inputs that are there."""
    import torch

    from phonoscope.training.devices import autocast_on

    network = network.to(device, memory_format=torch.channels_last).train()
    step_network = torch.compile(network) if recipe.compile else network
    inputs = torch.randn(size.batch, 1, size.rows, size.columns, device=device)
    truth = torch.zeros(size.batch, dtype=torch.long, device=device)
    optimizer = torch.optim.Adam(network.parameters(), lr=recipe.learning_rate, fused=True)
    autocast = autocast_on(torch.device(device))

    def epoch() -> None:
        for _ in range(size.tokens // size.batch):
            with autocast():
                logits = step_network(inputs)
            loss = torch.nn.functional.cross_entropy(logits.float(), truth)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()

    return epoch


def passes_in_turn(rounds: int, size: Size, device: str, batch: int = 256) -> np.ndarray:
    """Seconds of explaining all tokens with class means, and of bare forward passes, array (round, 2)."""
    import torch

    from phonoscope.attribution import ClassMeans, Explainer

    classifier, waveforms, labels = material(size.network, size.rows, size.columns, size.tokens)
    classifier.to(device).eval()
    inputs = torch.randn(min(batch, size.tokens), 1, size.rows, size.columns, device=device)
    true = np.array(labels, dtype=object)

    def explained() -> None:
        means, first = ClassMeans(classifier.labels), 0
        for maps in Explainer(classifier, "cam").batches(waveforms, batch_size=batch):
            last = first + maps.sizes["token"]
            means.update(maps, true[first:last], maps["predicted"].values)
            first = last

    @torch.no_grad()
    def forward() -> None:
        for start in range(0, size.tokens, batch):
            classifier.network(inputs[: size.tokens - start])

    return alternately(rounds, explained, forward, clock=clock_of(device))


if __name__ == "__main__":
    alone(BARS, measure)
