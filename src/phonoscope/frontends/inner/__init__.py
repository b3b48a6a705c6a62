"""Pictures that arise inside a model: made by it, measured by clicks and tones, and put back in their place."""

from phonoscope.frontends.inner.axes import Layout, PictureAxes, axes_of, measure_axes
from phonoscope.frontends.inner.inside import answer_to, find_picture, picture_of
from phonoscope.frontends.inner.picture import InnerPicture

__all__ = [
    "InnerPicture",
    "Layout",
    "PictureAxes",
    "answer_to",
    "axes_of",
    "find_picture",
    "measure_axes",
    "picture_of",
]
