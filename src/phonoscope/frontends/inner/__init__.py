"""Pictures that arise inside a model: the model divided there, and the picture's axes measured by clicks and tones."""

from phonoscope.frontends.inner.axes import PictureAxes, measure_axes
from phonoscope.frontends.inner.picture import AfterPicture, InnerPicture, split_at_picture

__all__ = ["AfterPicture", "InnerPicture", "PictureAxes", "measure_axes", "split_at_picture"]
