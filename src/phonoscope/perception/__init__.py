"""Perception experiments: the science of asking a model as one asks a listener, on stimuli and answers."""

from phonoscope.perception.answers import read_answers
from phonoscope.perception.boundaries import boundaries
from phonoscope.perception.curves import identification_curves
from phonoscope.perception.listening_tests import listening_stimuli, write_for_praat, write_for_web
from phonoscope.perception.logistic import Psychometric, fit_psychometric
from phonoscope.perception.people import beside_listeners, listener_curves, listener_shares
from phonoscope.perception.presenting import Continuum, Presented, present
from phonoscope.perception.slopes import slopes
from phonoscope.perception.trials import Trials, ask, asked_of_each
from phonoscope.perception.weights import cue_weights

__all__ = [
    "Continuum",
    "Presented",
    "Psychometric",
    "Trials",
    "ask",
    "asked_of_each",
    "beside_listeners",
    "boundaries",
    "cue_weights",
    "fit_psychometric",
    "identification_curves",
    "listener_curves",
    "listener_shares",
    "listening_stimuli",
    "present",
    "read_answers",
    "slopes",
    "write_for_praat",
    "write_for_web",
]
