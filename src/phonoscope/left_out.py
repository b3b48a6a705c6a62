"""The report of everything that was left out of a table and why; it travels in ``tokens.attrs["left_out"]``."""

from collections.abc import Iterable
from itertools import islice
from typing import Any

EXAMPLES_KEPT = 5


class LeftOut:
    """Counts what was left out, by kind and reason, in the order in which the reasons first appear.

    Parameters
    ----------
    entries : list of dict, optional
        Entries of an earlier report (``tokens.attrs["left_out"]``) to continue.
    """

    def __init__(self, entries: Iterable[dict[str, Any]] = ()) -> None:
        self._entries: dict[tuple[str, str], dict[str, Any]] = {
            (entry["what"], entry["reason"]): {**entry, "examples": list(entry["examples"])} for entry in entries
        }

    def add(self, what: str, reason: str, count: int = 1, examples: Iterable[str] = ()) -> None:
        """Count more things that were left out.

        Parameters
        ----------
        what, reason : str
            Kind of thing ("recording", "token", "label" …), and why it was left out.
        count : int
            How many more; nothing happens below 1.
        examples : iterable of str
            Their names; the first five of a reason are kept.
        """
        if count <= 0:
            return
        entry = self._entries.setdefault((what, reason), {"what": what, "reason": reason, "count": 0, "examples": []})
        entry["count"] += int(count)
        entry["examples"] += map(str, islice(examples, EXAMPLES_KEPT - len(entry["examples"])))

    def entries(self) -> list[dict[str, Any]]:
        """List of ``{"what", "reason", "count", "examples"}``, ready for JSON."""
        return [{**entry, "examples": list(entry["examples"])} for entry in self._entries.values()]


def left_out_line(entry: dict[str, Any]) -> str:
    """Say in one line what was left out for one reason."""
    return f"left out: {entry['count']} × {entry['what']}: {entry['reason']}; e.g. {', '.join(entry['examples'][:3])}"
