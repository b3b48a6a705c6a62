"""Attention followed through a transformer, back to where its tokens lie in Hz and s.

Maps start at the tokens that the logits are read from (a class token, or all where their mean is taken) and go back
layer by layer. In networks with an encoder and a decoder, only the encoder's self-attention is followed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from phonoscope.attribution.attending import Tokens, attentions_of, find_tokens, gradients_of, over_heads
from phonoscope.attribution.located import Located, as_long
from phonoscope.attribution.method import Attributed, Batch, Prepared, Setting, unpromised
from phonoscope.attribution.passes import network_logits, portions

_COPIES = 3  # of all probabilities that live at a time: themselves, their gradients, and their products


def attention_rollout(attentions: Sequence[Tensor], read: Tensor) -> Tensor:
    """Attention rollout (Abnar & Zuidema 2020, ACL, section 3): shares handed back along attention and shortcuts.

    With the mean A of a layer's heads, Â = (A + I) / 2 stands for the layer and its shortcut; the product of all Â says
    which share of each last token comes from each first one.

    Parameters
    ----------
    attentions
        Of each layer, the mean over its heads, shape (batch, tokens, tokens), rows summing to 1; the first layer first.
    read
        What share of the answer is read from each token at the end, shape (tokens,).

    Returns
    -------
    Tensor
        Shares of the tokens, shape (batch, tokens), not negative, with sum 1.
    """
    shares = read.expand(len(attentions[0]), 1, -1)
    for layer in reversed(attentions):
        shares = (shares + shares @ layer) / 2
    return shares[:, 0]


def gradient_attention(attentions: Sequence[Tensor], read: Tensor) -> Tensor:
    """Relevance along gradient-weighted attention (Chefer et al. 2021, ICCV, eq. 5 and 6, for self-attention).

    With the mean Ā over a layer's heads of (∇A ⊙ A)⁺, relevance R, I at first, grows by Ā R in each layer. What each
    token has of itself from the start, I, is left out of the result.

    Parameters
    ----------
    attentions
        Ā of each layer, shape (batch, tokens, tokens), the first layer first.
    read
        As of ``attention_rollout``.

    Returns
    -------
    Tensor
        Relevance of the tokens, shape (batch, tokens), not negative.
    """
    rows = start = read.expand(len(attentions[0]), 1, -1)
    for layer in reversed(attentions):
        rows = rows + rows @ layer
    return (rows - start)[:, 0]


def prepare_attention_rollout(setting: Setting) -> Prepared:
    """Attention rollout: where attention comes from, whatever the target is.

    Raises
    ------
    AttributionError
        If the network is no transformer, or its tokens have no known places.
    """

    def shares(inputs: Tensor, _weights: Tensor, tokens: Tokens) -> Tensor:
        def mean(probabilities: Tensor) -> Tensor:
            return over_heads(probabilities, len(inputs))

        with torch.no_grad():
            _, layers = attentions_of(setting.classifier.network, inputs, tokens.calls, mean)
        return attention_rollout(layers, tokens.read)

    return _prepare(setting, shares, "share of attention, whatever the target")


def prepare_gradient_attention(setting: Setting) -> Prepared:
    """Gradient-weighted attention: where the attention that raises the target comes from.

    Raises
    ------
    AttributionError
        As of ``prepare_attention_rollout``.
    """

    def relevance(inputs: Tensor, weights: Tensor, tokens: Tokens) -> Tensor:
        with torch.enable_grad():
            leaf = inputs.detach().requires_grad_()
            logits, layers = attentions_of(setting.classifier.network, leaf, tokens.calls)
            slopes = gradients_of((logits * weights).sum(), layers)
        raised = [(a.detach() * g).clamp_min(0) for a, g in zip(layers, slopes, strict=True)]
        return gradient_attention([over_heads(layer, len(inputs)) for layer in raised], tokens.read)

    return _prepare(setting, relevance, "relevance, unsigned")


def _prepare(setting: Setting, relevance: Callable[[Tensor, Tensor, Tokens], Tensor], units: str) -> Prepared:
    """Maps of the relevance (batch, tokens) of tokens, from inputs, weights over the classes and the tokens."""
    network = setting.classifier.network

    def tokens_of(inputs: Tensor) -> Tokens:
        shape = tuple(inputs.shape[1:])
        return setting.once(("tokens", shape), lambda: find_tokens(network, as_long(setting.probe, inputs)))

    located = Located(setting, [tokens_of(setting.probe).layer])

    def function(batch: Batch) -> Attributed:
        tokens = tokens_of(batch.inputs)
        most = min(setting.examples, max(1, setting.memory // (_COPIES * 4 * tokens.values)))
        logits = network_logits(network, batch.inputs, setting.examples)
        weights, maps = batch.weigh(logits), []
        for part in portions(len(logits), most):
            values = relevance(batch.inputs[part], weights[part], tokens)
            maps.append(located.brought([tokens.grid.arranged(values)[:, 0]], batch.inputs))
        return Attributed(torch.cat(maps), logits, unpromised(logits))

    return Prepared(function, located.placement, units=units)
