"""Classes as reports write them: in running text, in file names, and in which order."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any

from phonoscope.phones import phones


@cache
def aliases() -> dict[str, str]:
    """Plain ASCII alias of every phone that the phone table knows."""
    return {phone.label: phone.alias for phone in phones()}


def class_name(label: Any) -> str:
    """A class as it is written in running text: IPA between slashes, other names as they are."""
    return f"/{label}/" if label in aliases() else str(label)


def file_slug(label: str) -> str:
    """A class in plain ASCII for file names: the phone table's alias, else its letters and digits; may be empty."""
    return "".join(letter for letter in aliases().get(label, label) if letter.isascii() and letter.isalnum())


def in_order(labels: Iterable[Any], first: Sequence[str]) -> list[Any]:
    """Each label once: those of `first` in its order, then phones in the phone table's, then the rest."""
    present = dict.fromkeys(labels)
    known = dict.fromkeys([*first, *aliases()])
    return [*(label for label in known if label in present), *(label for label in present if label not in known)]
