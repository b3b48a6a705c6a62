"""Corpora: one small module per layout or alignment format, and the token table that all of them become.

A new layout is a module with ``detect`` and ``recordings`` (see `recording.Layout`) and a line below.
"""

from phonoscope.corpora import asvspoof, folder, librispeech, ljspeech, speech_commands, spoken_digits, timit
from phonoscope.corpora.recording import Layout, Recording

# Tried in this order; the general folder comes last.
LAYOUTS: dict[str, Layout] = {
    "ljspeech": ljspeech,
    "timit": timit,
    "speech_commands": speech_commands,
    "spoken_digits": spoken_digits,
    "asvspoof": asvspoof,
    "librispeech": librispeech,
    "folder": folder,
}

__all__ = ["LAYOUTS", "Layout", "Recording", "read_corpus", "read_tokens", "summary", "write_tokens"]

# At the end, because the table looks the layouts up here.
from phonoscope.corpora.storage import read_tokens, write_tokens  # noqa: E402
from phonoscope.corpora.table import read_corpus, summary  # noqa: E402
