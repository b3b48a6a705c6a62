"""Candidate texts with a marked part: ``"the [bad] dog"`` asks about *bad* where it stands in *the bad dog*."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from phonoscope.errors import ClassifierError


@dataclass(frozen=True)
class MarkedTokens:
    """A text as a recogniser's tokens, and which of them are asked about.

    Parameters
    ----------
    tokens
        Positions in the recogniser's vocabulary.
    span
        First marked token, and the one after the last; by default the whole text is marked.

    Raises
    ------
    ClassifierError
        If there is no token, or the marked part is empty or reaches beyond the text.
    """

    tokens: tuple[int, ...]
    span: tuple[int, int] = (0, -1)

    def __post_init__(self) -> None:
        object.__setattr__(self, "tokens", tuple(int(token) for token in self.tokens))
        start, stop = (0, len(self.tokens)) if tuple(self.span) == (0, -1) else (int(at) for at in self.span)
        object.__setattr__(self, "span", (start, stop))
        if not self.tokens or min(self.tokens) < 0:
            raise ClassifierError(f"a text needs at least one token, counted from 0; got {list(self.tokens)}")
        if not 0 <= start < stop <= len(self.tokens):
            raise ClassifierError(
                f"the marked part must lie within the {len(self.tokens)} tokens of the text, at least one of them; "
                f"got tokens {start} to {stop}"
            )

    @property
    def before(self) -> tuple[int, ...]:
        """Tokens before the marked part."""
        return self.tokens[: self.span[0]]

    @property
    def after(self) -> tuple[int, ...]:
        """Tokens after the marked part."""
        return self.tokens[self.span[1] :]

    def config(self) -> dict[str, list[int]]:
        """JSON values from which ``marked_tokens`` makes it again."""
        return {"tokens": list(self.tokens), "span": list(self.span)}


def marked_tokens(text: MarkedTokens | Mapping[str, Any] | Sequence[int]) -> MarkedTokens:
    """Read marked tokens: as they are, from their ``config()``, or a plain list of tokens, all of them marked."""
    if isinstance(text, MarkedTokens):
        return text
    if isinstance(text, Mapping):
        return MarkedTokens(tuple(text["tokens"]), tuple(text.get("span", (0, -1))))
    return MarkedTokens(tuple(text))


def parse_marked(text: str) -> tuple[str, tuple[int, int]]:
    """Take the brackets out of a text and say which characters they marked.

    Returns
    -------
    tuple
        The text without brackets, and the first marked character with the one after the last; the whole text where
        nothing is in brackets.

    Raises
    ------
    ClassifierError
        If the text is empty, or its brackets do not match, are empty, or are more than one pair.

    Examples
    --------
    >>> parse_marked("the [bad] dog")
    ('the bad dog', (4, 7))
    """
    opened, closed = text.count("["), text.count("]")
    plain = text.replace("[", "").replace("]", "")
    if not plain.strip():
        raise ClassifierError(f"the text {text!r} is empty; write what the recogniser may have heard")
    if opened == closed == 0:
        return plain, (0, len(plain))
    start, stop = text.find("["), text.find("]") - 1
    if opened != closed or stop < start:
        raise ClassifierError(f"the brackets in {text!r} do not match; mark one part as in 'the [bad] dog'")
    if opened > 1:
        raise ClassifierError(f"{text!r} has {opened} pairs of brackets; mark one part as in 'the [bad] dog'")
    if not plain[start:stop].strip():
        raise ClassifierError(f"the brackets in {text!r} are empty; put the part in question between them")
    return plain, (start, stop)
