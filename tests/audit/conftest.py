"""Anatomies of recordings whose properties are known."""

import pytest
from tests.audit.audit_recordings import RATE, recording

from phonoscope.audit.anatomy import Anatomy


@pytest.fixture(scope="session")
def heard():
    """Make the anatomy of a recording; see `recording`."""

    def make(seed=0, **given):
        return Anatomy(recording(seed, **given), RATE)

    return make
