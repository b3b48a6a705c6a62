"""Texts under CTC outputs: the exact log probability of each, and the frames where its parts lie."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from phonoscope.errors import ClassifierError
from phonoscope.networks.outside.marked import MarkedTokens

_IMPOSSIBLE = -torch.inf


def ctc_text_scores(log_probs: Tensor, texts: Sequence[MarkedTokens], blank: int) -> Tensor:
    r"""Log probability of each text given the sound, or of its marked part given the sound and the rest of the text.

    A text's probability is the sum over all its alignments (Graves et al. 2006, "Connectionist temporal
    classification", eq. 5-8). That of a marked part is relative to everything else that might stand in its place,

    .. math:: \log P(before\ part\ after \mid sound) - \log P(before\ *\ after \mid sound),

    where ``*`` is any sequence of symbols, the empty one included, so that it is at most 0. This is the goodness of
    pronunciation without segmentation of Cao et al. (2025, arXiv:2507.16838), after Witt & Young (2000): the rest of
    the text says where the part is, no border is drawn, and parts of unequal length compare fairly. For two texts
    that differ in the marked part only, the difference of their scores is the log ratio of the texts' probabilities.

    Parameters
    ----------
    log_probs
        Log probabilities of the symbols at each frame, shape (batch, frames, symbols).
    texts
        Candidate texts.
    blank
        Position of the blank among the symbols.

    Returns
    -------
    Tensor
        Natural logarithms, shape (batch, texts), differentiable once.

    Raises
    ------
    ClassifierError
        If a token is not in the vocabulary or is the blank, or a text needs more frames than there are.
    """
    _check(log_probs, texts, blank)
    contexts = list(dict.fromkeys((text.before, text.after) for text in texts if text.before or text.after))
    symbols = log_probs.shape[2]
    acceptors = [_text_acceptor(text.tokens, blank) for text in texts]
    acceptors += [_open_acceptor(*context, blank, symbols + row) for row, context in enumerate(contexts)]
    others = [_log_sum_of_others(log_probs, {*before[-1:], *after[:1]}) for before, after in contexts]
    totals = _total(torch.cat([log_probs, *others], 2), acceptors)
    whole = totals.new_zeros((len(totals), 1))  # anything at all has probability 1
    open_totals = torch.cat([totals[:, len(texts) :], whole], 1)
    return totals[:, : len(texts)] - open_totals[:, [_position(contexts, text) for text in texts]]


@torch.no_grad()
def ctc_frames(log_probs: Tensor, texts: Sequence[MarkedTokens], blank: int) -> Tensor:
    """Find the frames of each text's marked part by forced alignment: the most probable path (Viterbi) of the text.

    The part begins with the first frame of its first symbol and ends with the last frame of its last; blanks between
    its symbols belong to it, blanks around it do not. CTC models are peaky, that is, they often give a symbol a single
    frame: the frames say where the model decides, not how long the sound lasts.

    Parameters
    ----------
    log_probs, texts, blank
        As for ``ctc_text_scores``.

    Returns
    -------
    Tensor
        First frame, and the one after the last: integers of shape (batch, texts, 2).

    Raises
    ------
    ClassifierError
        As ``ctc_text_scores``.
    """
    _check(log_probs, texts, blank)
    batched = _Batched.of([_text_acceptor(text.tokens, blank) for text in texts], log_probs.device)
    path = _best_path(batched, batched.emissions(log_probs))
    first, last = (
        torch.tensor([token(text.span) for text in texts], device=path.device)[:, None]
        for token in (lambda span: 2 * span[0] + 1, lambda span: 2 * span[1] - 1)
    )  # the state of token i is 2 i + 1
    return torch.stack([(path < first).sum(-1), (path <= last).sum(-1)], -1)


def ctc_best_tokens(log_probs: Tensor, blank: int) -> list[list[int]]:
    """Tokens that each sound is taken for: the best symbol of each frame, repetitions joined, blanks left out.

    ``log_probs`` has shape (batch, frames, symbols).
    """
    best = [torch.unique_consecutive(row).tolist() for row in log_probs.argmax(2)]
    return [[token for token in row if token != blank] for row in best]


def _check(log_probs: Tensor, texts: Sequence[MarkedTokens], blank: int) -> None:
    _, frames, symbols = log_probs.shape
    if not 0 <= blank < symbols:
        raise ClassifierError(f"the blank is symbol {blank}, but the recogniser's {symbols} symbols count from 0")
    for number, text in enumerate(texts, start=1):
        if max(text.tokens) >= symbols or blank in text.tokens:
            raise ClassifierError(
                f"text {number} has the tokens {list(text.tokens)}; a token must be below {symbols}, the number of the "
                f"recogniser's symbols, and must not be {blank}, its blank"
            )
        pairs = zip(text.tokens, text.tokens[1:], strict=False)
        needed = len(text.tokens) + sum(left == right for left, right in pairs)
        if needed > frames:
            raise ClassifierError(
                f"text {number} needs at least {needed} frames, and the recogniser makes {frames} of this sound; "
                f"give a longer sound or a shorter text"
            )


def _position(contexts: Sequence[tuple[tuple[int, ...], tuple[int, ...]]], text: MarkedTokens) -> int:
    """Position of what stands around a text's marked part; -1 where it is marked as a whole."""
    context = (text.before, text.after)
    return contexts.index(context) if context in contexts else -1


def _log_sum_of_others(log_probs: Tensor, excluded: set[int]) -> Tensor:
    """Log probability that a frame holds none of the excluded symbols, shape (batch, frames, 1)."""
    kept = [symbol for symbol in range(log_probs.shape[2]) if symbol not in excluded]
    return log_probs[:, :, kept].logsumexp(2, keepdim=True)


@dataclass
class _Acceptor:
    """Which sequences of symbols, one a frame, are accepted: states with a symbol each, and what may come before it.

    Each accepted sequence has exactly one path through the states, so that a sum over paths is one over sequences.
    ``first`` are the states in which the first frame, ``last`` those in which the last frame may be.
    """

    symbols: list[int] = field(default_factory=list)
    previous: list[list[int]] = field(default_factory=list)
    first: list[int] = field(default_factory=list)
    last: list[int] = field(default_factory=list)

    def add(self, symbol: int, previous: Sequence[int] = (), *, first: bool = False, last: bool = False) -> int:
        """Add a state that follows itself and the states ``previous``."""
        state = len(self.symbols)
        self.symbols.append(symbol)
        self.previous.append([state, *previous])
        self.first += [state] * first
        self.last += [state] * last
        return state

    def add_token(self, token: int, blank: int, before: int | None) -> int:
        """Add a blank and a token after the token of the state ``before``, or at the beginning of the text."""
        if before is None:
            between = self.add(blank, first=True)
            return self.add(token, [between], first=True)
        between = self.add(blank, [before])
        repeats = self.symbols[before] == token
        return self.add(token, [between] if repeats else [between, before])


def _text_acceptor(tokens: Sequence[int], blank: int) -> _Acceptor:
    """Accept the alignments of one text: states blank, token, blank, token, …, blank."""
    acceptor, state = _Acceptor(), None
    for token in tokens:
        state = acceptor.add_token(token, blank, state)
    assert state is not None
    acceptor.last = [state, acceptor.add(blank, [state])]
    return acceptor


def _open_acceptor(before: Sequence[int], after: Sequence[int], blank: int, others: int) -> _Acceptor:
    """Accept the alignments of every text that begins with ``before`` and goes on, at any point, with ``after``.

    Between the two any symbol may stand at any frame. Which state it counts for is decided by what it is, so that no
    sequence is counted twice: the token that ``after`` begins with, the token that ``before`` ends with, or one of
    the ``others`` (blank among them). A repetition of the last symbol is still that symbol.
    """
    acceptor, state = _Acceptor(), None
    for token in before:
        state = acceptor.add_token(token, blank, state)
    edge = [] if state is None else [state]
    start, end = not before, not after
    different = not before or not after or before[-1] != after[0]
    free = [acceptor.add(others, edge, first=start, last=end)]
    into_after = [*free]
    if before and different:
        free.append(acceptor.add(before[-1], last=end))
        into_after.append(free[-1])
    if after:
        free.append(acceptor.add(after[0], edge if different else [], first=start))
    for number in free:
        acceptor.previous[number] += [other for other in free if other != number]
    if end:
        acceptor.last += edge
        return acceptor
    state = acceptor.add(after[0], [*into_after, *(edge if different else [])], first=start)
    for token in after[1:]:
        state = acceptor.add_token(token, blank, state)
    acceptor.last = [state, acceptor.add(blank, [state])]
    return acceptor


@dataclass(frozen=True)
class _Batched:
    """Several acceptors as tensors; ``states`` is their largest number of states, and the index of a state of none.

    ``symbols`` (acceptors, states), ``previous`` and ``following`` (acceptors, states, most), ``first`` and ``last``
    (acceptors, states): 0 where a sequence may begin or end, else minus infinity.
    """

    symbols: Tensor
    previous: Tensor
    following: Tensor
    first: Tensor
    last: Tensor

    @classmethod
    def of(cls, acceptors: Sequence[_Acceptor], device: torch.device) -> _Batched:
        """Pad the acceptors to the same number of states."""
        states = max(len(acceptor.symbols) for acceptor in acceptors)

        def links(lists: list[list[list[int]]]) -> Tensor:
            most = max(len(states_linked) for rows in lists for states_linked in rows)
            result = torch.full((len(lists), states, most), states)
            for at, rows in enumerate(lists):
                for state, linked in enumerate(rows):
                    result[at, state, : len(linked)] = torch.tensor(linked)
            return result.to(device)

        def ends(lists: list[list[int]]) -> Tensor:
            result = torch.full((len(lists), states), _IMPOSSIBLE)
            for at, allowed in enumerate(lists):
                result[at, allowed] = 0.0
            return result.to(device)

        symbols = torch.zeros((len(acceptors), states), dtype=torch.long)
        for at, acceptor in enumerate(acceptors):
            symbols[at, : len(acceptor.symbols)] = torch.tensor(acceptor.symbols)
        following = [
            [[after for after, linked in enumerate(a.previous) if state in linked] for state in range(len(a.symbols))]
            for a in acceptors
        ]
        return cls(
            symbols.to(device),
            links([acceptor.previous for acceptor in acceptors]),
            links(following),
            ends([acceptor.first for acceptor in acceptors]),
            ends([acceptor.last for acceptor in acceptors]),
        )

    def emissions(self, log_probs: Tensor) -> Tensor:
        """Log probability of each state's symbol at each frame, shape (frames, batch, acceptors, states)."""
        chosen = log_probs.transpose(0, 1).index_select(2, self.symbols.reshape(-1))
        return chosen.unflatten(2, self.symbols.shape)


def _linked(values: Tensor, links: Tensor) -> Tensor:
    """Values (batch, acceptors, states) of the linked states, shape (batch, acceptors, states, links)."""
    padded = torch.nn.functional.pad(values, (0, 1), value=_IMPOSSIBLE)
    index = links.flatten(1).expand(len(values), -1, -1)
    return padded.gather(2, index).unflatten(2, links.shape[1:])


def _total(log_probs: Tensor, acceptors: Sequence[_Acceptor]) -> Tensor:
    """Log probability of all sequences that each acceptor accepts, shape (batch, acceptors)."""
    batched = _Batched.of(acceptors, log_probs.device)
    return _ForwardBackward.apply(batched.emissions(log_probs), batched)


class _ForwardBackward(torch.autograd.Function):
    """Sum over all accepted paths; the gradient is the probability of each state at each frame (Graves 2006)."""

    @staticmethod
    def forward(ctx: Any, emissions: Tensor, acceptors: _Batched) -> Tensor:
        alphas = [acceptors.first.to(emissions) + emissions[0]]
        for emission in emissions[1:]:
            alphas.append(_linked(alphas[-1], acceptors.previous).logsumexp(3) + emission)
        total = (alphas[-1] + acceptors.last.to(emissions)).logsumexp(2)
        ctx.acceptors = acceptors
        ctx.save_for_backward(emissions, torch.stack(alphas), total)
        return total

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        emissions, alphas, total = ctx.saved_tensors
        beta = ctx.acceptors.last.to(emissions).expand_as(alphas[0])
        occupied = torch.empty_like(alphas)
        occupied[-1] = alphas[-1] + beta
        for frame in range(len(emissions) - 2, -1, -1):
            beta = _linked(beta + emissions[frame + 1], ctx.acceptors.following).logsumexp(3)
            occupied[frame] = alphas[frame] + beta
        possible = torch.isfinite(total)[..., None]
        probability = torch.where(possible, (occupied - total[..., None]).exp(), 0.0)
        return probability * gradient[..., None], None


def _best_path(acceptors: _Batched, emissions: Tensor) -> Tensor:
    """State of the most probable path at each frame, shape (batch, acceptors, frames)."""
    score = acceptors.first.to(emissions) + emissions[0]
    came_from = []
    for emission in emissions[1:]:
        score, link = _linked(score, acceptors.previous).max(3)
        came_from.append(acceptors.previous.expand(*link.shape, -1).gather(3, link[..., None])[..., 0])
        score = score + emission
    state = (score + acceptors.last.to(emissions)).argmax(2, keepdim=True)
    path = [state]
    for links in reversed(came_from):
        path.append(links.gather(2, path[-1]))
    return torch.cat(path[::-1], 2)
