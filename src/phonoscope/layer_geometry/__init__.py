"""Geometry: the weights of a layer as a dictionary of filters, measured against random weights of the same shape."""

from phonoscope.layer_geometry.files import measure_checkpoints, records, write_table
from phonoscope.layer_geometry.measures import dictionary_measures, marchenko_pastur_edges, welch_bound
from phonoscope.layer_geometry.table import compare_geometry, geometry
from phonoscope.layer_geometry.words import describe

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
