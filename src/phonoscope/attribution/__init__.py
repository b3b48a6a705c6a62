"""Attribution: taps on layers, one pure function a method, and ``explain`` that batches, places and labels."""

from phonoscope.attribution.explain import explain, explain_batches, methods
from phonoscope.attribution.means import SUBSETS, ClassMeans, StreamingMean
from phonoscope.attribution.registry import METHODS, RECOMMENDED
from phonoscope.attribution.store import read_maps, write_maps
from phonoscope.attribution.targets import Contrast, contrast

__all__ = [
    "METHODS",
    "RECOMMENDED",
    "SUBSETS",
    "ClassMeans",
    "Contrast",
    "StreamingMean",
    "contrast",
    "explain",
    "explain_batches",
    "methods",
    "read_maps",
    "write_maps",
]
