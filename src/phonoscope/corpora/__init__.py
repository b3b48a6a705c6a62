"""Corpora: one small module per layout or alignment format, and the token table that all of them become.

A new layout is an object with ``detect`` and ``recordings`` (see `Layout`), a new alignment format an
`AlignmentReader`; each is a line in `LAYOUTS` or `READERS`, an entry point, or an import path.
"""

from phonoscope.corpora.formats import READERS, AlignmentReader
from phonoscope.corpora.layouts import LAYOUTS, find_recordings
from phonoscope.corpora.pairing import pairing_report
from phonoscope.corpora.recording import Layout, Recording
from phonoscope.corpora.rules import TokenRules
from phonoscope.corpora.storage import read_tokens, write_tokens
from phonoscope.corpora.table import read_corpus, summary

__all__ = [
    "LAYOUTS", "READERS", "AlignmentReader", "Layout", "Recording", "TokenRules", "find_recordings", "pairing_report",
    "read_corpus", "read_tokens", "summary", "write_tokens",
]  # fmt: skip
