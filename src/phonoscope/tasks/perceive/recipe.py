"""Recipes of perception experiments: which cues are moved how far, and how many tokens are asked about."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Self

from phonoscope.errors import ExperimentError
from phonoscope.experiments.recipe import Recipe
from phonoscope.manipulate import CUES
from phonoscope.perception.grids import FormantGrid
from phonoscope.perception.presenting import Continuum
from phonoscope.registry import Registry


@dataclass(frozen=True)
class PerceiveRecipe(Recipe):
    """Everything that decides the result of a perception experiment, apart from the model and the tokens.

    Parameters
    ----------
    cues
        Names of the cues that are moved.
    steps
        How far, by cue, where that differs from the cue's usual steps.
    units
        Units of these steps, by cue.
    tokens
        How many tokens are asked about, over all classes.
    ceiling
        Highest frequency at which formants are sought, Hz.
    shams
        Whether changes of equal size that move no resonance are presented too.
    territory
        Pairs of formants, or of F0 and one, as ``f1,f2``: tokens are moved to every place of the plane of each pair.
    places, territory_tokens
        How many places along each formant; how many tokens are moved there, at most.
    bubbles
        How often the network is asked about random changes in bubbles of Hz and time (reverse correlation).
    """

    task: str = "perceive"
    cues: list[str] = field(default_factory=lambda: ["f1", "f2", "f3"])
    steps: dict[str, Any] = field(default_factory=dict)
    units: dict[str, Any] = field(default_factory=dict)
    tokens: int = 100
    ceiling: float = 5500.0
    shams: bool = True
    territory: list[str] = field(default_factory=list)
    places: int = 21
    territory_tokens: int = 50
    bubbles: int = 0

    @property
    def grids(self) -> tuple[FormantGrid, ...]:
        """The planes of two formants whose territories are sought."""
        return tuple(FormantGrid.of(_names(pair), self.places) for pair in self.territory)

    @property
    def continua(self) -> tuple[Continuum, ...]:
        """What is moved, and how far."""
        return tuple(
            Continuum(cue, tuple(map(float, self.steps.get(cue, ()))), str(self.units.get(cue, "")))
            for cue in self.cues
        )

    def imports(self) -> Iterator[tuple[Registry[Any], str]]:
        """Yield the names of the cues."""
        for cue in self.cues:
            yield CUES, cue

    def check(self) -> None:
        """Refuse entries that no part of the experiment would understand."""
        super().check()
        if not self.cues or len(set(self.cues)) < len(self.cues):
            raise ExperimentError(f"cues are {self.cues}; name at least one, each once")
        for name in ("tokens", "territory_tokens", "places"):
            if (count := getattr(self, name)) < 2:
                raise ExperimentError(f"{name} is {count}; an experiment asks about at least two")
        for entry in ("steps", "units"):
            if unknown := set(getattr(self, entry)) - set(self.cues):
                raise ExperimentError(f"[{entry}] names {', '.join(sorted(unknown))}, which is not among the cues")
        planes = [f"{grid.first},{grid.second}" for grid in self.grids]  # refuses what is no grid
        if len(set(planes)) < len(planes):
            raise ExperimentError(f"territory is {'; '.join(planes)}; name each pair once")
        if self.bubbles < 0:
            raise ExperimentError(f"bubbles is {self.bubbles}; it is a number of trials, 20000 for instance")

    def changed(
        self,
        *,
        seed: int | None = None,
        trainings: int | None = None,
        cues: str | None = None,
        steps: str | None = None,
        tokens: int | None = None,
        ceiling: float | None = None,
        territory: str | None = None,
        bubbles: int | None = None,
    ) -> Self:
        """Return the recipe with what is given here changed; None leaves the recipe's own value.

        Parameters
        ----------
        seed
            Of what is drawn.
        trainings
            Refused: nothing is trained.
        cues
            Names, separated by commas.
        steps
            ``f2=-600:600:200``, from, to and by how much, or ``f2=-600,0,600``; several cues are separated by
            semicolons.
        tokens
            How many tokens are asked about.
        ceiling
            Highest frequency at which formants are sought, Hz.
        territory
            Two formants, separated by a comma; several pairs by semicolons.
        bubbles
            How many random changes are asked about.
        """
        if trainings is not None:
            raise ExperimentError("--trainings means nothing here: the trainings of the run are asked")
        given = {"tokens": tokens, "ceiling": ceiling, "bubbles": bubbles}
        changes: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
        if cues is not None:
            changes["cues"] = _names(cues)
        if territory is not None:
            changes["territory"] = [",".join(_names(pair)) for pair in territory.split(";") if pair.strip()]
        if steps is not None:
            changes["steps"] = self.steps | dict(map(_steps_of, filter(str.strip, steps.split(";"))))
        changed = replace(super().changed(seed=seed), **changes)
        changed.check()
        return changed


def _names(text: str) -> list[str]:
    return [name.strip().lower() for name in text.split(",") if name.strip()]


def _steps_of(text: str) -> tuple[str, list[float]]:
    """Steps of one cue as they are typed."""
    cue, _, values = text.partition("=")
    try:
        if ":" in values:
            first, last, by = map(float, values.split(":"))
            count = round((last - first) / by) + 1
            numbers = [first + by * i for i in range(count)]
        else:
            numbers = [float(value) for value in values.split(",")]
        if len(numbers) < 2:
            raise ValueError
    except (ValueError, ZeroDivisionError):
        raise ExperimentError(
            f"steps are {text!r}; write cue=from:to:by, as f2=-600:600:200, or f2=-600,0,600"
        ) from None
    return cue.strip().lower(), numbers
