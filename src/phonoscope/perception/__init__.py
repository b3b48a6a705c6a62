"""Perception experiments: the science of asking a model as one asks a listener, on stimuli and answers."""

from phonoscope.perception.answers import read_answers
from phonoscope.perception.boundaries import boundaries
from phonoscope.perception.bubbles import Bubbles, perturbations
from phonoscope.perception.curves import identification_curves
from phonoscope.perception.grids import FormantGrid, grid_stimuli, grid_trials
from phonoscope.perception.listening_tests import listening_stimuli, write_for_praat, write_for_web
from phonoscope.perception.logistic import Psychometric, fit_psychometric
from phonoscope.perception.people import beside_listeners, listener_curves, listener_shares
from phonoscope.perception.planes import normalisation, trading_relation
from phonoscope.perception.presenting import Continuum, Presented, present
from phonoscope.perception.reverse import (
    BubbleTrials,
    bubble_block,
    image_of,
    read_classification_trials,
    reverse_correlation,
)
from phonoscope.perception.slopes import slopes
from phonoscope.perception.territories import agreement, boundary_lines, published_territory, territory
from phonoscope.perception.trials import Trials, ask
from phonoscope.perception.weights import cue_weights

__all__ = [
    "BubbleTrials",
    "Bubbles",
    "Continuum",
    "FormantGrid",
    "Presented",
    "Psychometric",
    "Trials",
    "agreement",
    "ask",
    "beside_listeners",
    "boundaries",
    "boundary_lines",
    "bubble_block",
    "cue_weights",
    "fit_psychometric",
    "grid_stimuli",
    "grid_trials",
    "identification_curves",
    "image_of",
    "listener_curves",
    "listener_shares",
    "listening_stimuli",
    "normalisation",
    "perturbations",
    "present",
    "published_territory",
    "read_answers",
    "read_classification_trials",
    "reverse_correlation",
    "slopes",
    "territory",
    "trading_relation",
    "write_for_praat",
    "write_for_web",
]
