"""Sounds changed in one property, and measured afterwards.

The room bears the name of its main function: ``phonoscope.manipulate(...)`` calls it, ``phonoscope.manipulate.stimuli``
and the like are found in it.
"""

import sys
from types import ModuleType

from phonoscope.manipulate.continua import Stimuli, manipulate, stimuli
from phonoscope.manipulate.cue import Asked, Cue, Scale
from phonoscope.manipulate.registry import CUES, cues, find_cue
from phonoscope.manipulate.sounds import Sounds

__all__ = ["CUES", "Asked", "Cue", "Scale", "Sounds", "Stimuli", "cues", "find_cue", "manipulate", "stimuli"]


class _Room(ModuleType):
    __call__ = staticmethod(manipulate)


sys.modules[__name__].__class__ = _Room
