"""Phonoscope beside its peers, one file a subject, against stated bars; `python -m benchmarks` runs them all."""

import os

# One core for everyone, before any numerical library starts its threads: ratios then mean the same everywhere.
for _variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_variable, "1")
