"""Recipes for models that were trained elsewhere: by which method they are explained, and how many recordings."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Self

from phonoscope.attribution.registry import METHODS
from phonoscope.errors import ExperimentError
from phonoscope.experiments.recipe import Recipe, refuse_unknown
from phonoscope.registry import Registry


@dataclass(frozen=True)
class OutsideRecipe(Recipe):
    """Everything that decides the result of such a run, apart from the model and the recordings.

    Parameters
    ----------
    explain
        ``method`` and ``target`` of the maps. Without a method the recommended one that suits the model; without a
        target the true class where the recordings have labels, else the predicted one.
    classes
        Labels to use; all when empty.
    max_per_class
        Most recordings of a label, drawn at random; 0 for all.
    """

    task: str = "outside"
    explain: dict[str, Any] = field(default_factory=dict)
    classes: list[str] = field(default_factory=list)
    max_per_class: int = 0

    @property
    def method(self) -> str | None:
        """Method of the maps; None leaves it to the model."""
        return self.explain.get("method")

    @property
    def target(self) -> str | None:
        """Target of the maps; None leaves it to the labels."""
        return self.explain.get("target")

    def imports(self) -> Iterator[tuple[Registry[Any], str]]:
        """Yield the names of the methods."""
        from phonoscope.attribution.method_spec import parse_method

        if self.method is not None:
            yield from ((METHODS, name) for name in parse_method(self.method).names())

    def check(self) -> None:
        """Refuse entries that no part of the experiment would understand."""
        super().check()
        refuse_unknown("the recipe's [explain]", self.explain, ("method", "target"))

    def explained_by(self, method: str | None, target: str | None) -> Self:
        """Return the recipe with another method or target of the maps; None leaves the recipe's own."""
        chosen = {name: value for name, value in {"method": method, "target": target}.items() if value is not None}
        return replace(self, explain={**self.explain, **chosen})

    def changed(
        self,
        *,
        seed: int | None = None,
        trainings: int | None = None,
        method: str | None = None,
        target: str | None = None,
        classes: str | None = None,
        max_per_class: int | None = None,
    ) -> Self:
        """Return the recipe with what is given here changed; None leaves the recipe's own value.

        Parameters
        ----------
        seed
            Of what is drawn.
        trainings
            Refused: nothing is trained.
        method, target
            Of the maps.
        classes
            Labels, separated by commas.
        max_per_class
            Most recordings of a label.
        """
        if trainings is not None:
            raise ExperimentError("--trainings means nothing for a model that was trained elsewhere")
        recipe = super().changed(seed=seed).explained_by(method, target)
        changes: dict[str, Any] = {}
        if classes is not None:
            changes["classes"] = [name.strip() for name in classes.split(",") if name.strip()]
        if max_per_class is not None:
            if max_per_class < 1:
                raise ExperimentError(f"max_per_class is {max_per_class}; give a number from 1")
            changes["max_per_class"] = max_per_class
        return replace(recipe, **changes)
