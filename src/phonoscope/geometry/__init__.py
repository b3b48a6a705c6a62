"""Geometry: the weights of a layer as a dictionary of filters, measured against random weights of the same shape."""

import sys
from types import ModuleType
from typing import Any

from phonoscope.geometry.files import measure_checkpoints, records, write_table
from phonoscope.geometry.measures import dictionary_measures, marchenko_pastur_edges, welch_bound
from phonoscope.geometry.table import compare_geometry, geometry
from phonoscope.geometry.words import describe

__all__ = [
    "compare_geometry",
    "describe",
    "dictionary_measures",
    "geometry",
    "marchenko_pastur_edges",
    "measure_checkpoints",
    "records",
    "welch_bound",
    "write_table",
]


class _Room(ModuleType):
    """The room bears the name of its one public function: ``phonoscope.geometry(network)`` calls it.

    Importing a submodule binds it in its package, so that ``ps.geometry`` would be the function or the module
    depending on what was imported before; as a callable module it is both.
    """

    def __call__(self, *args: Any, **options: Any) -> Any:
        return geometry(*args, **options)


sys.modules[__name__].__class__ = _Room
