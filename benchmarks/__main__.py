"""``python -m benchmarks [NAME ...]`` is ``phonoscope bench [NAME ...]``."""

import sys

from phonoscope.cli import main

sys.argv = ["phonoscope", "bench", "ratios", *sys.argv[1:]]
main()
