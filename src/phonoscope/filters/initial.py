"""The weights from which a network was trained: the nearest null of all, for networks that say with which seed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from phonoscope.errors import PhonoscopeError
from phonoscope.filters.bank import FilterBank, bank_of

if TYPE_CHECKING:
    from torch import nn

    from phonoscope.classifier import Classifier

NOTE = "initial"  # where a classifier's notes say how it began: {"seed": …, "sha256": …}


def initial_note(network: nn.Module, seed: int) -> dict[str, int | str]:
    """Note of an untrained network's weights, to be kept with the classifier: its seed and a hash to check them by."""

    from phonoscope.modules import weights_hash

    return {"seed": seed, "sha256": weights_hash(network)}


def initial_bank(classifier: Classifier, layer: str | None = None) -> FilterBank:
    """First layer of a classifier as it was before its training.

    Parameters
    ----------
    classifier : Classifier
        With a note of how it began, as trainings on whole recordings leave it (``notes["initial"]``).
    layer : str, optional
        As of `bank_of`.

    Raises
    ------
    PhonoscopeError
        If the classifier does not say how it began, or this version of PyTorch draws other weights from the seed.
    """
    import torch

    from phonoscope.modules import weights_hash
    from phonoscope.networks import build_network

    note = classifier.notes.get(NOTE)
    if not note or classifier.network_name is None:
        raise PhonoscopeError(
            "the classifier does not say from which weights it was trained (no note of its seed), so only random "
            "weights can be compared with"
        )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(note["seed"])
        network = build_network(classifier.network_name, len(classifier.labels), **classifier.network_options)

    if weights_hash(network) != note["sha256"]:
        raise PhonoscopeError(
            f"seed {note['seed']} gives other weights here than those that the classifier was trained from: use the "
            "version of PyTorch that it was trained with"
        )
    return bank_of(network, classifier.sample_rate, layer)
