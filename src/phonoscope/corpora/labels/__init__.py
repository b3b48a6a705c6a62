"""Time-aligned labels in the formats of the field: read by content, written where users need them."""

from phonoscope.corpora.labels.kinds import KINDS, LABEL_SUFFIXES, Kind, entries_of, kind_of, kind_of_text, read_labels
from phonoscope.corpora.labels.write import WRITTEN, write_labels

__all__ = [
    "KINDS",
    "LABEL_SUFFIXES",
    "WRITTEN",
    "Kind",
    "entries_of",
    "kind_of",
    "kind_of_text",
    "read_labels",
    "write_labels",
]
