"""When an encoder-decoder recogniser hears each token: its own cross-attention, aligned to the sound.

This is the recipe of the word timestamps of openai/whisper (``find_alignment`` in ``whisper/timing.py``, after
Radford et al. 2022, "Robust speech recognition via large-scale weak supervision"): the attention of some heads to the
frames of the encoder, standardised over the tokens, smoothed by a median over 7 frames, averaged over the heads; then
the path through tokens and frames along which it is largest (dynamic time warping).
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from phonoscope.errors import ClassifierError

MEDIAN_FRAMES = 7
_ATTENTION = "_attn_implementation_internal"  # where transformers' configurations keep it


@contextmanager
def eager_attention(model: nn.Module) -> Generator[None]:
    """Let a model of transformers compute its attention in the one way that also gives it out; then as before.

    Parameters
    ----------
    model
        Any module; only the configurations of its parts are changed, and restored.
    """
    configs = {id(c): c for m in model.modules() if hasattr(c := getattr(m, "config", None), _ATTENTION)}.values()
    before = [getattr(config, _ATTENTION) for config in configs]
    try:
        for config in configs:
            setattr(config, _ATTENTION, "eager")
        yield
    finally:
        for config, was in zip(configs, before, strict=True):
            setattr(config, _ATTENTION, was)


def cross_attentions(output: Any, name: str) -> Sequence[Tensor]:
    """Attention of each decoder layer to the encoder's frames, each of shape (batch, heads, tokens, frames).

    Parameters
    ----------
    output
        What the model gave when it was asked for its attentions.
    name
        Of the model, for the message.

    Raises
    ------
    ClassifierError
        If they are not among it.
    """
    layers = getattr(output, "cross_attentions", None) or ()
    if not layers or not all(isinstance(layer, Tensor) and layer.dim() == 4 for layer in layers):
        raise ClassifierError(
            f"{name} does not give its cross-attention (cross_attentions in what it returns), so where it hears a text "
            "cannot be told; its maps can still be made"
        )
    return layers


def chosen_heads(layers: Sequence[Tensor], known: Sequence[Sequence[int]] | None = None) -> Tensor:
    """Attention of the heads that follow the sound, shape (batch, heads, tokens, frames).

    Parameters
    ----------
    layers
        Of each layer.
    known
        Layer and head of those that are known to (``alignment_heads`` of Whisper's generation configuration); by
        default all heads of the upper half of the layers.
    """
    if known:
        return torch.stack([layers[layer][:, head] for layer, head in known], 1)
    return torch.cat(list(layers[len(layers) // 2 :]), 1)


def token_starts(weights: Tensor) -> np.ndarray:
    """First frame of each token of one sound, shape (tokens,): the first begins with the sound.

    Parameters
    ----------
    weights
        Attention of the heads, shape (heads, tokens, frames), frames that hold sound only.
    """
    weights = weights.double()
    weights = weights / weights.sum(2, keepdim=True).clamp_min(1e-12)
    sd, mean = torch.std_mean(weights, dim=1, keepdim=True, unbiased=False)
    scaled = (weights - mean) / sd.clamp_min(1e-12)
    half = MEDIAN_FRAMES // 2
    if scaled.shape[2] > half:
        scaled = functional.pad(scaled, (half, half), mode="reflect").unfold(2, MEDIAN_FRAMES, 1).median(3).values
    return _warped(-scaled.mean(0).cpu().numpy())


def _warped(cost: np.ndarray) -> np.ndarray:
    """First frame of each token along the cheapest monotonic path through costs (tokens, frames).

    Each step goes to the next frame, the next token, or both. Within a token's row the cheapest way to end at a frame
    is the cheapest frame to enter at, given the sum of costs in between: a running minimum.
    """
    tokens, frames = cost.shape
    entered = np.zeros((tokens, frames), dtype=int)
    from_last = np.zeros((tokens, frames), dtype=int)  # frame at which the token before ended, by the entered frame
    before = np.full(frames, np.inf)
    numbers = np.arange(frames)
    for token, row in enumerate(cost):
        diagonal = np.concatenate([[0.0 if token == 0 else np.inf], before[:-1]])
        from_last[token] = np.where(diagonal <= before, numbers - 1, numbers)
        sums = np.cumsum(row)
        at_entry = np.minimum(diagonal, before) - (sums - row)
        least = np.minimum.accumulate(at_entry)
        entered[token] = np.maximum.accumulate(np.where(at_entry <= least, numbers, 0))
        before = least + sums
    starts, frame = np.zeros(tokens, dtype=int), frames - 1
    for token in range(tokens - 1, -1, -1):
        starts[token] = entered[token, frame]
        frame = from_last[token, starts[token]]
    return starts
