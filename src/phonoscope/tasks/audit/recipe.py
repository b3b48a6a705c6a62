"""Recipes of audits: which shortcuts are looked for, in how many recordings."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Self

from phonoscope.audit.reactions import REACTIONS
from phonoscope.audit.shortcuts import SHORTCUTS
from phonoscope.errors import ExperimentError
from phonoscope.experiments.recipe import Recipe
from phonoscope.registry import Registry


@dataclass(frozen=True)
class AuditRecipe(Recipe):
    """Everything that decides the result of an audit, apart from the model and the recordings.

    Parameters
    ----------
    shortcuts
        Names of what is looked for; all when empty.
    reactions
        Names of the changes that every recording gets alike; all when empty.
    by
        Columns of the recordings' table from which the class is told too: ``speaker``, ``device``, ``sex``, ``date`` …
    tokens
        Most recordings, over all classes.
    pairs
        Exchanges of each shortcut, at least one a recording.
    changed_alike
        Most recordings, over all classes, to which all the changes are made that every recording gets alike.
    """

    task: str = "audit"
    shortcuts: list[str] = field(default_factory=list)
    reactions: list[str] = field(default_factory=list)
    by: list[str] = field(default_factory=list)
    tokens: int = 500
    pairs: int = 500
    changed_alike: int = 200

    def imports(self) -> Iterator[tuple[Registry[Any], str]]:
        """Yield the names of shortcuts and reactions."""
        yield from ((SHORTCUTS, name) for name in self.shortcuts)
        yield from ((REACTIONS, name) for name in self.reactions)

    def check(self) -> None:
        """Refuse entries that no part of the audit would understand."""
        super().check()
        for kind, names, known in (("shortcuts", self.shortcuts, SHORTCUTS), ("reactions", self.reactions, REACTIONS)):
            for name in names:
                known.find(name)
            if len(set(names)) < len(names):
                raise ExperimentError(f"{kind} are {names}; name each once")
        if self.tokens < 2:
            raise ExperimentError(f"tokens is {self.tokens}; an audit needs recordings of at least two classes")

    def changed(
        self,
        *,
        seed: int | None = None,
        trainings: int | None = None,
        shortcuts: str | None = None,
        by: str | None = None,
        tokens: int | None = None,
    ) -> Self:
        """Return the recipe with what is given here changed; None leaves the recipe's own value.

        Parameters
        ----------
        seed
            Of what is drawn.
        trainings
            Refused: nothing is trained.
        shortcuts
            Names, separated by commas.
        by
            Names of columns, separated by commas.
        tokens
            Most recordings.
        """
        if trainings is not None:
            raise ExperimentError("--trainings means nothing here: the trainings of the run are asked")
        changes: dict[str, Any] = {} if tokens is None else {"tokens": tokens}
        for name, text in (("shortcuts", shortcuts), ("by", by)):
            if text is not None:
                changes[name] = [each.strip().lower() for each in text.split(",") if each.strip()]
        found = replace(super().changed(seed=seed), **changes)
        found.check()
        return found
