"""``python -m benchmarks [NAME ...]``: what ``phonoscope bench`` runs, and ``make bench``."""

import sys

from benchmarks.runner import main

sys.exit(main())
