"""Attribution: taps on layers, one pure function a method, and ``explain`` that batches, places and labels.

The names below are imported on first use: the list of methods needs no torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from phonoscope.attribution.explainer import Explainer, explain
    from phonoscope.attribution.means import SUBSETS, ClassMeans, StreamingMean
    from phonoscope.attribution.registry import METHODS, RECOMMENDED, Method, methods
    from phonoscope.attribution.store import read_maps, write_maps
    from phonoscope.attribution.targets import Contrast, contrast

__all__ = [
    "METHODS",
    "RECOMMENDED",
    "SUBSETS",
    "ClassMeans",
    "Contrast",
    "Explainer",
    "Method",
    "StreamingMean",
    "contrast",
    "explain",
    "methods",
    "read_maps",
    "write_maps",
]

_HOME = {
    **dict.fromkeys(("METHODS", "RECOMMENDED", "Method", "methods"), "registry"),
    **dict.fromkeys(("SUBSETS", "ClassMeans", "StreamingMean"), "means"),
    **dict.fromkeys(("Contrast", "contrast"), "targets"),
    **dict.fromkeys(("read_maps", "write_maps"), "store"),
    **dict.fromkeys(("Explainer", "explain"), "explainer"),
}


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(f"phonoscope.attribution.{_HOME[name]}"), name)
    raise AttributeError(f"module 'phonoscope.attribution' has no attribute {name!r}")
