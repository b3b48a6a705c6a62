"""Front ends that scale each token by its own sound: what is held still while the sound is changed.

Decibels below the loudest cell, or unit standard deviation, make a change anywhere a change everywhere. Methods that
change the sound therefore let the front end scale what they made of a token as it scaled the token itself.
"""

from __future__ import annotations

import warnings

import torch
from torch import Tensor

from phonoscope.attribution.method import Batch
from phonoscope.classifier import Classifier
from phonoscope.errors import ScalingWarning

NO_SCALING, HELD, NOT_HELD = "none", "held", "not held"
_SECONDS, _LEVEL, _GAIN = 0.25, 0.05, 2.0
# A picture of a sound at twice the level that differs by less than this, in its own standard deviations, is the same.
_SAME = 0.05


@torch.no_grad()
def reference_level(classifier: Classifier, batch: Batch) -> Tensor | None:
    """What the front end scales the tokens of a batch by, shape (batch,).

    None where it scales nothing, or offers no way to hold it (see `scaling_of`).
    """
    return classifier.front_end.reference_level(batch.tokens, batch.token_lengths)


@torch.no_grad()
def scaling_of(classifier: Classifier) -> str:
    """Whether the front end scales each token by its own sound: ``none``, ``held``, or ``not held``.

    ``held``: it offers `FrontEnd.reference_level`, so methods that change the sound hold its scaling still. ``not
    held``: noise at twice the level gives the same input, yet the front end offers no such way.
    """
    samples = round(_SECONDS * classifier.sample_rate)
    noise = torch.randn(1, samples, generator=torch.Generator().manual_seed(0)) * _LEVEL
    noise = noise.to(classifier.device)
    if classifier.front_end.reference_level(noise) is not None:
        return HELD
    soft, loud = classifier.front_end(noise), classifier.front_end(_GAIN * noise)
    change, spread = (loud - soft).square().mean().sqrt(), soft.std()
    return NOT_HELD if bool(change <= _SAME * spread) else NO_SCALING


def checked_scaling(classifier: Classifier, method: str) -> str:
    """Return what `scaling_of` says, and warn where a method that changes the sound cannot have the scaling held."""
    scaling = scaling_of(classifier)
    if scaling == NOT_HELD:
        warnings.warn(
            f"{method} changes the sound, and the front end {classifier.front_end.kind!r} scales each token by its own "
            "sound: what is taken away at one place changes all others too. Give it reference_level() and let "
            "forward() take level=, see phonoscope.frontends.FrontEnd",
            ScalingWarning,
            stacklevel=4,
        )
    return scaling
