"""Corpora: one small module per layout or alignment format, and the token table that all of them become.

A new layout is a module with ``detect`` and ``recordings`` (see `recording.Layout`) and a line below.
"""

from phonoscope.corpora import folder, ljspeech, timit
from phonoscope.corpora.recording import Layout, Recording

# Tried in this order; the general folder comes last.
LAYOUTS: dict[str, Layout] = {
    "ljspeech": ljspeech,
    "timit": timit,
    "folder": folder,
}

__all__ = ["LAYOUTS", "Layout", "Recording"]
