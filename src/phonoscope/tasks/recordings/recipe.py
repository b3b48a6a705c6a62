"""Recipes of the second paper's tasks: what is told apart in whole recordings, by which networks, with which seeds."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Self

from phonoscope.errors import ExperimentError
from phonoscope.experiments.recipe import Recipe, refuse_unknown
from phonoscope.training.recipe import TrainingRecipe

TASKS = ("words", "speakers")
FRONT_ENDS = ("sub-segmental", "multi-resolution", "segmental")
SPLITS = ("speaker", "recording", "official")


@dataclass(frozen=True)
class RecordingsRecipe(Recipe):
    """Everything that decides the result of a task on whole recordings, apart from the corpus.

    Parameters
    ----------
    task
        ``words``: the class is the word of the recording; ``speakers``: it is who speaks.
    classes
        The words (or speakers) to tell apart; all when empty.
    sample_rate, seconds
        Of the networks' input, Hz and s: the stretch around the middle of each recording's energy.
    networks
        Names among ``FRONT_ENDS``.
    head, dropout
        As of ``RawWaveform``.
    training
        Settings of the training.
    split
        ``by``: ``speaker``, ``recording`` (the paper's random split), or ``official`` (the lists of Speech Commands);
        ``shares`` of training, validation and test.
    curve, curve_networks
        Shares of the training recordings for the learning curve, beside all of them; and whose it is.
    streamed
        Keep the recordings on disk instead of in memory; the results are the same.
    null_seeds
        Layers with random weights that stand beside each response spectrum.
    clips_per_class
        Most tested recordings of a class whose response spectra are taken.
    """

    task: str = "words"
    classes: list[str] = field(default_factory=list)
    sample_rate: int = 16_000
    seconds: float = 1.0
    networks: list[str] = field(default_factory=lambda: list(FRONT_ENDS))
    head: str = "pooled"
    dropout: float = 0.4
    training: TrainingRecipe = field(default_factory=TrainingRecipe)
    split: dict[str, Any] = field(default_factory=dict)
    curve: list[float] = field(default_factory=lambda: [0.25, 0.5])
    curve_networks: list[str] = field(default_factory=lambda: list(FRONT_ENDS[:2]))
    streamed: bool = False
    null_seeds: int = 20
    clips_per_class: int = 20

    def __post_init__(self) -> None:
        _choose("task", [self.task], TASKS)
        _choose("networks", self.networks, FRONT_ENDS)
        _choose("curve_networks", self.curve_networks, FRONT_ENDS)
        refuse_unknown("the recipe's [split]", self.split, ("by", "shares"))
        _choose("split by", [self.split_by], SPLITS)
        if self.task == "speakers" and self.split.get("by") != "recording":
            raise ExperimentError("speakers can only be told apart when each one is trained on: split by recording")
        if self.null_seeds < 3 or self.clips_per_class < 1:
            raise ExperimentError("clips_per_class is at least 1, null_seeds at least 3")
        if not all(0 < share < 1 for share in self.curve):
            raise ExperimentError(f"curve is {self.curve}; expected shares between 0 and 1, e.g. 0.25 and 0.5")

    @property
    def split_by(self) -> str:
        """What is kept together in the split."""
        return self.split.get("by", "speaker")

    def changed(
        self,
        *,
        seed: int | None = None,
        network: str | None = None,
        epochs: int | None = None,
        split_by: str | None = None,
        classes: str | None = None,
        sample_rate: int | None = None,
        trainings: int | None = None,
    ) -> Self:
        """Return the recipe with what is given here changed; None leaves the recipe's own value.

        Parameters
        ----------
        network
            The only network that is trained.
        epochs
            Passes over the training recordings.
        split_by
            As in ``split``.
        classes
            Words or speakers, separated by commas.
        sample_rate
            Hz, of the networks' input.
        """
        recipe = super().changed(seed=seed, trainings=trainings)
        changes: dict[str, Any] = {} if sample_rate is None else {"sample_rate": sample_rate}
        if network is not None:
            changes |= {"networks": [network], "curve_networks": [network]}
        if epochs is not None:
            changes["training"] = recipe.training.changed(epochs=epochs)
        if split_by not in (None, "auto"):
            changes["split"] = {**recipe.split, "by": split_by}
        if classes is not None:
            changes["classes"] = [name.strip() for name in classes.split(",") if name.strip()]
        return replace(recipe, **changes)


def _choose(what: str, names: list[str], known: tuple[str, ...]) -> None:
    unknown = [name for name in names if name not in known]
    if unknown:
        raise ExperimentError(f"{what}: {', '.join(map(str, unknown))} is not known; choose among {', '.join(known)}")
