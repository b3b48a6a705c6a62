"""Recognisers as classifiers of texts: how probable each text is, or its marked part, given the sound."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from phonoscope.errors import ClassifierError
from phonoscope.networks.outside.attending import chosen_heads, cross_attentions, eager_attention, token_starts
from phonoscope.networks.outside.ctc import ctc_best_tokens, ctc_frames, ctc_text_scores
from phonoscope.networks.outside.marked import MarkedTokens, marked_tokens

MAX_TOKENS = 64
Texts = Sequence[MarkedTokens | Mapping[str, Any] | Sequence[int]]


class CtcTexts(nn.Module):
    """A recogniser with CTC outputs, asked for the log probabilities of texts; see ``ctc_text_scores``.

    Parameters
    ----------
    model
        Module from sounds or features to logits or log probabilities (batch, frames, symbols): a tensor, the first of
        a tuple, or what has ``logits``. It keeps its mode.
    texts
        Candidates, as tokens: ``MarkedTokens``, their ``config()`` or plain lists of tokens.
    blank
        Position of the blank among the symbols; in transformers' recognisers the padding token.
    """

    def __init__(self, model: nn.Module, texts: Texts, *, blank: int = 0) -> None:
        super().__init__()
        self.model, self.blank = model, int(blank)
        self.texts = _read_texts(texts)

    def config(self) -> dict[str, Any]:
        """Everything but the model, as JSON values: ``build_texts(model, config)`` makes it again."""
        return {"texts": [text.config() for text in self.texts], "blank": self.blank}

    def log_probs(self, inputs: Tensor) -> Tensor:
        """Log probabilities of the symbols at each frame, shape (batch, frames, symbols)."""
        return _log_probs(self.model(inputs))

    def forward(self, inputs: Tensor) -> Tensor:
        """Scores (batch, texts) of what the model takes."""
        return ctc_text_scores(self.log_probs(inputs), self.texts, self.blank)

    @torch.no_grad()
    def places(self, inputs: Tensor, seconds: float, heard: Sequence[float] | None = None) -> Tensor:
        """Where each text's marked part lies by forced alignment, in s, shape (batch, texts, 2); see ``ctc_frames``.

        Parameters
        ----------
        inputs
            What the model takes.
        seconds
            Duration of the inputs, over which the model's frames are taken to be spread evenly.
        heard
            Not used: as in the scores, a text is aligned to all frames.
        """
        del heard
        log_probs = self.log_probs(inputs)
        frames = ctc_frames(log_probs, self.texts, self.blank)
        return frames * (seconds / log_probs.shape[1])

    @torch.no_grad()
    def transcribe(self, inputs: Tensor) -> list[list[int]]:
        """Tokens that each sound is taken for (best symbol of each frame)."""
        return ctc_best_tokens(self.log_probs(inputs), self.blank)


def sequence_text_scores(logits: Tensor, text: MarkedTokens) -> Tensor:
    """Log probability of the marked tokens of a text, each given the sound and all tokens before it.

    Parameters
    ----------
    logits
        At each token's position the decoder's logits for that token, shape (batch, tokens, symbols).
    text
        The text.

    Returns
    -------
    Tensor
        Sum over the marked tokens, natural logarithm, shape (batch,).

    Raises
    ------
    ClassifierError
        If a token is not in the vocabulary, or there are not as many positions as tokens.
    """
    _, positions, symbols = logits.shape
    if positions != len(text.tokens) or max(text.tokens) >= symbols:
        raise ClassifierError(
            f"the text has {len(text.tokens)} tokens up to number {max(text.tokens)}; the decoder's output has "
            f"{positions} positions and {symbols} symbols. Use the tokenizer that belongs to the recogniser"
        )
    start, stop = text.span
    marked = torch.tensor(text.tokens[start:stop], device=logits.device)
    log_probs = logits[:, start:stop].log_softmax(2)
    return log_probs.gather(2, marked.expand(len(logits), -1)[..., None]).sum((1, 2))


class SequenceTexts(nn.Module):
    """An encoder-decoder recogniser (Whisper, Speech2Text …), asked for the log probabilities of texts.

    The encoder runs once, the decoder once a text, with the text's tokens as its input (teacher forcing). A marked
    part is scored given the sound and the text before it; what comes after it plays no part.

    Parameters
    ----------
    model
        As transformers has them: ``get_encoder()`` gives the encoder, and ``model(encoder_outputs=,
        decoder_input_ids=)`` the logits. It keeps its mode.
    texts
        Candidates, as for ``CtcTexts``. A text that is asked about as a whole should end with the token ``end``.
    prompt
        Tokens that the decoder is given before the text: its start token, language, task …
    end
        Token that ends a text.
    """

    def __init__(self, model: nn.Module, texts: Texts, *, prompt: Sequence[int], end: int) -> None:
        super().__init__()
        if not callable(getattr(model, "get_encoder", None)):
            raise ClassifierError(
                f"{type(model).__name__} has no get_encoder(); an encoder-decoder recogniser needs it, as "
                f"transformers' WhisperForConditionalGeneration has it"
            )
        if not prompt:
            raise ClassifierError("the decoder's prompt is empty; it needs at least the decoder's start token")
        self.model, self.prompt, self.end = model, [int(token) for token in prompt], int(end)
        self.texts = _read_texts(texts)
        positions = self._positions()
        for number, text in enumerate(self.texts, start=1):
            if len(self.prompt) + len(text.tokens) > positions + 1:  # the last token is not fed back
                raise ClassifierError(
                    f"text {number} has {len(text.tokens)} tokens after a prompt of {len(self.prompt)}; the decoder "
                    f"has {positions} positions. Give a shorter text"
                )

    def _positions(self) -> int | float:
        """How many tokens the decoder can take; unlimited where the configuration does not say."""
        config = getattr(self.model, "config", None)
        known = (
            getattr(config, "max_target_positions", None),
            getattr(getattr(config, "decoder", None), "max_position_embeddings", None),
        )
        return next((positions for positions in known if isinstance(positions, int)), math.inf)

    def config(self) -> dict[str, Any]:
        """Everything but the model, as JSON values: ``build_texts(model, config)`` makes it again."""
        return {"texts": [text.config() for text in self.texts], "prompt": self.prompt, "end": self.end}

    def encode(self, inputs: Tensor) -> Any:
        """What the encoder makes of the sounds."""
        return self.model.get_encoder()(inputs, return_dict=True)  # ty: ignore[not-callable]

    def decode(self, encoded: Any, tokens: Tensor) -> Tensor:
        """Logits after each token of the decoder's input (batch, tokens), shape (batch, tokens, symbols)."""
        return _precise(_logits(self._decoded(encoded, tokens)))

    def _decoded(self, encoded: Any, tokens: Tensor, attentions: bool = False) -> Any:
        """What the model gives for tokens; with its attentions where it is asked for them."""
        asked: dict[str, Any] = {"output_attentions": True} if attentions else {}
        return self.model(encoder_outputs=encoded, decoder_input_ids=tokens, use_cache=False, return_dict=True, **asked)

    def forward(self, inputs: Tensor) -> Tensor:
        """Scores (batch, texts) of what the model's encoder takes."""
        encoded = self.encode(inputs)
        return torch.stack([self._score(encoded, text, inputs) for text in self.texts], 1)

    def _score(self, encoded: Any, text: MarkedTokens, inputs: Tensor) -> Tensor:
        given = torch.tensor([*self.prompt, *text.tokens[:-1]], device=inputs.device).expand(len(inputs), -1)
        return sequence_text_scores(self.decode(encoded, given)[:, len(self.prompt) - 1 :], text)

    @torch.no_grad()
    def places(self, inputs: Tensor, seconds: float, heard: Sequence[float] | None = None) -> Tensor:
        """Where each text's marked part lies by the decoder's cross-attention, in s, shape (batch, texts, 2).

        See ``attending``. A part ends where the token after it begins, and lasts a frame at least. The first token
        begins with the sound, silence before it included; the token that ends a text is no part of its place.

        Parameters
        ----------
        inputs
            What the model's encoder takes.
        seconds
            Duration of the inputs, over which the encoder's frames are taken to be spread evenly.
        heard
            Where the sound in each of the inputs ends, s, shape (batch,): what follows is padding, and holds no token.

        Raises
        ------
        ClassifierError
            If the model does not give its cross-attention.
        """
        encoded = self.encode(inputs)
        ends = [seconds] * len(inputs) if heard is None else [float(end) for end in heard]
        places = [self._places(encoded, text, inputs, [end / seconds for end in ends]) for text in self.texts]
        return torch.stack(places, 1) * seconds

    def _places(self, encoded: Any, text: MarkedTokens, inputs: Tensor, shares: Sequence[float]) -> Tensor:
        """Start and end of a text's marked part, shares of the inputs, shape (batch, 2)."""
        spoken = text.tokens[:-1] if text.tokens[-1] == self.end else text.tokens
        given = [*self.prompt, *spoken]
        if len(given) > self._positions():
            given = given[:-1]
        with eager_attention(self.model):
            output = self._decoded(encoded, torch.tensor(given, device=inputs.device).expand(len(inputs), -1), True)
        known = getattr(getattr(self.model, "generation_config", None), "alignment_heads", None)
        layers = cross_attentions(output, type(self.model).__name__)
        # A token's row is that of the position which predicts it; the last is that of the token after the text.
        heads = chosen_heads(layers, known)[:, :, len(self.prompt) - 1 :]
        frames = heads.shape[-1]
        start, stop = text.span[0], min(text.span[1], max(len(spoken), 1))
        places = []
        for weights, share in zip(heads, shares, strict=True):
            hearing = min(max(math.ceil(share * frames), 1), frames)
            borders = [*token_starts(weights[..., :hearing]).tolist(), hearing]
            first, last = (borders[min(at, len(borders) - 1)] for at in (min(start, stop), stop))
            places.append([first / frames, max(first + 1, last) / frames])
        return torch.tensor(places, device=inputs.device)

    @torch.no_grad()
    def transcribe(self, inputs: Tensor, max_tokens: int = MAX_TOKENS) -> list[list[int]]:
        """Tokens that each sound is taken for: the best next token, until the end or ``max_tokens``.

        No token is suppressed or forced, unlike in transformers' ``generate``.
        """
        encoded = self.encode(inputs)
        tokens = torch.tensor(self.prompt, device=inputs.device).expand(len(inputs), -1)
        ended = torch.zeros(len(inputs), dtype=torch.bool, device=inputs.device)
        for _ in range(int(min(max_tokens, self._positions() + 1 - len(self.prompt)))):
            best = self.decode(encoded, tokens)[:, -1].argmax(1)
            tokens = torch.cat([tokens, best[:, None]], 1)
            ended |= best == self.end
            if ended.all():
                break
        rows = tokens[:, len(self.prompt) :].tolist()
        return [row[: row.index(self.end)] if self.end in row else row for row in rows]


def build_texts(model: nn.Module, config: Mapping[str, Any]) -> CtcTexts | SequenceTexts:
    """Make again what gave this ``config()``, around its model."""
    return CtcTexts(model, **config) if "blank" in config else SequenceTexts(model, **config)


def _read_texts(texts: Texts) -> list[MarkedTokens]:
    if not len(texts):
        raise ClassifierError("no texts were given; give the candidates that are to be compared, two at least")
    return [marked_tokens(text) for text in texts]


def _logits(output: Any) -> Tensor:
    """Logits (batch, positions, symbols) among a recogniser's output."""
    logits = getattr(output, "logits", None)
    if logits is None and isinstance(output, Mapping):
        logits = output.get("logits")
    if logits is None:
        logits = output[0] if isinstance(output, (tuple, list)) and output else output
    if not isinstance(logits, Tensor) or logits.dim() != 3:
        shape = f"shape {tuple(logits.shape)}" if isinstance(logits, Tensor) else f"type {type(logits).__name__}"
        raise ClassifierError(
            f"the recogniser gives an output of {shape}; texts need logits of shape (batch, positions, symbols)"
        )
    return logits


def _precise(logits: Tensor) -> Tensor:
    """Logits in single precision at least: sums over hundreds of frames need it."""
    return logits if logits.dtype == torch.float64 else logits.float()


def _log_probs(output: Any) -> Tensor:
    return _precise(_logits(output)).log_softmax(2)
