"""Models from elsewhere: loaded from where they lie, or wrapped as they are, they become classifiers of ours."""

from phonoscope.models.loading import load
from phonoscope.models.places import text_places
from phonoscope.models.similarity import similarity
from phonoscope.models.wrapping import wrap

__all__ = ["load", "similarity", "text_places", "wrap"]
