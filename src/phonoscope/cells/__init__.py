"""Where the cells of a layer look: followed through every operation from the input on, and measured.

A cell of a feature map belongs at the centre of its receptive field. For a ResNet's last stage this is 15.5 input rows
away from where resizing the map as an image would draw it.
"""

from phonoscope.cells.fields import (
    CellTracker,
    EffectiveField,
    effective_field,
    grid_of,
    layer_grids,
    receptive_field,
)
from phonoscope.cells.grid import BATCH, Cells, Grid

__all__ = [
    "BATCH",
    "CellTracker",
    "Cells",
    "EffectiveField",
    "Grid",
    "effective_field",
    "grid_of",
    "layer_grids",
    "receptive_field",
]
