"""Networks from elsewhere: called as they want to be called, read as what they give."""

from phonoscope.networks.outside.calling import Takes
from phonoscope.networks.outside.network import Outside, outside
from phonoscope.networks.outside.reading import Gives

__all__ = ["Gives", "Outside", "Takes", "outside"]
