"""What a classifier takes and gives, in words: the same wherever a model is described."""

from __future__ import annotations

from phonoscope.classifier import Classifier
from phonoscope.frontends import InnerPicture
from phonoscope.networks.outside import Gives, Outside
from phonoscope.networks.outside.reading import KINDS


def takes_in_words(classifier: Classifier) -> str:
    """Which sounds a classifier takes, as what picture its network sees them, and how the network is called."""
    network, front_end = classifier.network, classifier.front_end
    seconds, picture = front_end.time_axis.seconds, front_end.frequency_axis
    length = "recordings at their natural length" if front_end.natural or seconds is None else f"{seconds:g} s of sound"
    seen = "" if picture is None else f", as a picture of {picture.rows} rows up to {picture.max_hz:g} Hz"
    if isinstance(front_end, InnerPicture):
        seen = f", as the picture {front_end.picture!r} inside it: {front_end.axes.words(classifier.sample_rate)}"
    size = ", ".join(map(str, front_end.shape))
    called = network.takes if isinstance(network, Outside) else f"(batch, {size}) from the front end {front_end.kind!r}"
    return f"{length} at {classifier.sample_rate} Hz{seen}, called with {called}"


def gives_in_words(classifier: Classifier) -> str:
    """What a classifier's scores are."""
    network = classifier.network
    if not isinstance(network, Outside):
        return str(Gives(classifier.scores)) if classifier.scores in KINDS else classifier.scores
    return network.words
