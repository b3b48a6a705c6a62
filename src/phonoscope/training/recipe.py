"""Settings of a training, with phonoscope's own defaults and the paper's values as a named preset."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from phonoscope.errors import ExperimentError

_EPOCHS = 8
_MIN_STEPS = 400


@dataclass(frozen=True)
class TrainingRecipe:
    """How a network is trained.

    Parameters
    ----------
    optimizer
        ``adamw`` or ``adam``.
    learning_rate
        Peak learning rate.
    schedule
        ``one-cycle`` (warm-up over the first tenth of the steps, then annealing) or ``constant``.
    batch_size
        Tokens a step, over all processes together; at least two for each.
    epochs
        Passes over the training tokens. Not given: eight, or more on a small corpus (see ``min_steps``).
    min_steps
        Epochs are added until so many steps are taken. Not given: 400 where the epochs are not given either, else
        none, so that given epochs are what is trained.
    weight_decay
        Decoupled (AdamW) or L2 (Adam).
    balanced
        Weight the loss so that every class counts the same.
    noise
        Gaussian noise added to the standardised network input in training, in its standard deviations.
    time_jitter
        Largest random shift in time in training, as a share of the time axis. Frequency is never moved.
    choose
        ``best``: keep the latest epoch whose balanced accuracy on the validation tokens is within one standard error
        of the best one (Breiman et al. 1984): on few tokens, an early epoch is easily the best by luck;
        ``last``: keep the last epoch.
    compile
        Let ``torch.compile`` fuse the network's operations: for long trainings on a GPU. On a CPU, compiling takes
        longer than it saves.
    seed
        Seed of initialisation, order and everything else.
    """

    optimizer: str = "adamw"
    learning_rate: float = 3e-3
    schedule: str = "one-cycle"
    batch_size: int = 16
    epochs: int | None = None
    min_steps: int | None = None
    weight_decay: float = 0.01
    balanced: bool = True
    noise: float = 0.5
    time_jitter: float = 0.07
    choose: str = "best"
    compile: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        epochs = _EPOCHS if self.epochs is None else self.epochs
        if self.min_steps is None:
            object.__setattr__(self, "min_steps", _MIN_STEPS if self.epochs is None else 0)
        object.__setattr__(self, "epochs", epochs)  # what was not given is settled: a written recipe says it
        choices = {
            "optimizer": ("adamw", "adam"),
            "schedule": ("one-cycle", "constant"),
            "choose": ("best", "last"),
        }
        for name, allowed in choices.items():
            if getattr(self, name) not in allowed:
                raise ExperimentError(f"{name} is {getattr(self, name)!r}; choose one of {', '.join(allowed)}")
        if self.noise < 0 or not 0 <= self.time_jitter <= 0.2:
            raise ExperimentError("noise must not be negative, and time_jitter lies between 0 and 0.2")
        if self.batch_size < 2 or epochs < 1 or not self.learning_rate > 0:
            raise ExperimentError("batch_size must be at least 2, epochs at least 1, and learning_rate positive")

    def epochs_over(self, n_tokens: int) -> int:
        """Return the number of passes over so many training tokens, with those that ``min_steps`` adds."""
        assert self.epochs is not None
        assert self.min_steps is not None
        steps_per_epoch = math.ceil(n_tokens / self.batch_size)
        return max(self.epochs, math.ceil(self.min_steps / steps_per_epoch))

    def changed(self, **values: Any) -> TrainingRecipe:
        """Return a copy with some settings changed; epochs without ``min_steps`` are exactly so many.

        Raises
        ------
        ExperimentError
            When a name is not known.
        """
        known = {field.name for field in fields(self)}
        unknown = sorted(set(values) - known)
        if unknown:
            raise ExperimentError(
                f"unknown training setting {', '.join(unknown)}; known are {', '.join(sorted(known))}"
            )
        if "epochs" in values:
            values = {"min_steps": None, **values}
        return replace(self, **values)

    def to_dict(self) -> dict[str, Any]:
        """Return the settings as plain values."""
        return asdict(self)


# Section 3.3 of the paper names optimiser, learning rate and batch; the epochs are those of its published code.
PRESETS: dict[str, TrainingRecipe] = {
    "default": TrainingRecipe(),
    "paper": TrainingRecipe(
        optimizer="adam",
        learning_rate=1e-4,
        schedule="constant",
        batch_size=32,
        epochs=20,
        min_steps=0,
        weight_decay=0.0,
        balanced=False,
        noise=0.0,
        time_jitter=0.0,
    ),
}
