"""How an experiment is executed: where, whether it goes on, whom it tells. None of it changes the result."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

Say = Callable[[str], None]


def silent(_line: str) -> None:
    """Tell nobody."""


@dataclass(frozen=True)
class Settings:
    """How an experiment is executed.

    Parameters
    ----------
    device
        ``auto``, ``cpu``, ``cuda`` …
    resume
        Go on with an interrupted run.
    strict
        Stop at the first recording that cannot be used, instead of leaving it out.
    trust_imports
        Allow a saved classifier to import the code of its network.
    say
        Called with lines about the progress.
    """

    device: str = "auto"
    resume: bool = False
    strict: bool = False
    trust_imports: bool = False
    say: Say = silent
