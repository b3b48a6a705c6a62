"""What the first layer of a raw-waveform network hears: response spectra, an atlas of filters, Wigner–Ville contours.

Nothing here knows of corpora: waveforms go in, labelled arrays in Hz and s come out.
"""

from phonoscope.filters.atlas import filter_atlas, spacing
from phonoscope.filters.bank import Branch, FilterBank, as_published, bank_of
from phonoscope.filters.crs import cumulative_response, mean_response
from phonoscope.filters.initial import initial_bank
from phonoscope.filters.nulls import learned_minus_null, null_responses, random_bank, spectrum_bank
from phonoscope.filters.peaks import band_shares, spectral_peaks
from phonoscope.filters.response import response_spectrum, to_decibel
from phonoscope.filters.scaling import scaling_effect
from phonoscope.filters.significance import band_test, null_test
from phonoscope.filters.sounds import read_recordings
from phonoscope.filters.wigner import contours, coverage, wigner_plane, wigner_ville

__all__ = [
    "Branch",
    "FilterBank",
    "as_published",
    "band_shares",
    "band_test",
    "bank_of",
    "contours",
    "coverage",
    "cumulative_response",
    "filter_atlas",
    "initial_bank",
    "learned_minus_null",
    "mean_response",
    "null_responses",
    "null_test",
    "random_bank",
    "read_recordings",
    "response_spectrum",
    "scaling_effect",
    "spacing",
    "spectral_peaks",
    "spectrum_bank",
    "to_decibel",
    "wigner_plane",
    "wigner_ville",
]
