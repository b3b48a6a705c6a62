"""All cues by name: a new one is one file and one line here, or a name of your own module."""

from __future__ import annotations

import pandas as pd

from phonoscope.errors import AudioError
from phonoscope.manipulate.cue import Cue
from phonoscope.registry import Registry

CUES: Registry[Cue] = Registry(
    "cue",
    {
        **{f"f{k}": f"phonoscope.manipulate.formants:F{k}" for k in (1, 2, 3, 4)},
        **{f"b{k}": f"phonoscope.manipulate.formants:B{k}" for k in (1, 2, 3)},
        "tract": "phonoscope.manipulate.formants:TRACT",
        "level": "phonoscope.manipulate.shape:LEVEL",
        "tilt": "phonoscope.manipulate.shape:TILT",
        "high_band": "phonoscope.manipulate.bands:HIGH",
        "voicing_bar": "phonoscope.manipulate.bands:VOICING",
        "centre": "phonoscope.manipulate.bands:CENTRE",
        "noise": "phonoscope.manipulate.noise:NOISE",
        "hnr": "phonoscope.manipulate.noise:BREATH",
        "f0": "phonoscope.manipulate.voice:F0",
        "duration": "phonoscope.manipulate.voice:DURATION",
        "vot": "phonoscope.manipulate.timing:VOT",
        "silence": "phonoscope.manipulate.timing:SILENCE",
    },
    error=AudioError,
)


def find_cue(cue: str | Cue) -> Cue:
    """Return a cue by name or import path; AudioError if there is none."""
    found = cue if isinstance(cue, Cue) else CUES.find(cue)
    if not isinstance(found, Cue):
        raise AudioError(f"{cue} is {type(found).__name__}, no cue; expected a phonoscope.manipulate.Cue")
    return found


def cues() -> pd.DataFrame:
    """All cues: name, what it changes, unit, units of steps, usual steps, options with defaults, what it needs."""
    rows = [
        {
            "cue": name,
            "changes": cue.summary,
            "unit": cue.unit,
            "steps_in": ", ".join(dict.fromkeys((cue.step_unit or cue.unit, cue.unit, *cue.units))),
            "steps": cue.steps,
            "options": cue.options,
            "needs": cue.needs,
        }
        for name, cue in CUES.items()
    ]
    return pd.DataFrame(rows)
