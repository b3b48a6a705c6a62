"""How bands are filtered out of a sound: the options that all methods of the family ``audio`` share."""

from __future__ import annotations

from dataclasses import dataclass

from phonoscope.errors import AttributionError

FILLS = "none, noise, mean, or mean:CLASS"


@dataclass(frozen=True)
class Filtering:
    """How sounds are filtered.

    Parameters
    ----------
    depth_db
        Level of what is taken away, dB.
    edge_hz
        Width of the raised-cosine edges of the zero-phase filters, Hz.
    match
        Whether the token is then brought back to its level, which raises all that is left of it.
    fill
        What is put in its place: ``none``; ``noise`` at the level of the band's neighbours; ``mean`` (or
        ``mean:CLASS``) at the level that the band has on average, which also shows evidence that lies in the
        *absence* of sound.

    Raises
    ------
    AttributionError
        If a value makes no sense.
    """

    depth_db: float = -40.0
    edge_hz: float = 100.0
    match: bool = False
    fill: str = "none"

    def __post_init__(self) -> None:
        if not self.depth_db <= 0 or not self.edge_hz > 0:
            raise AttributionError(
                f"depth_db={self.depth_db:g}, edge_hz={self.edge_hz:g}: expected a depth of 0 dB or below, e.g. -40, "
                "and edges wider than 0 Hz"
            )
        kind, _, label = self.fill.partition(":")
        if self.fill not in ("none", "noise", "mean") and not (kind == "mean" and label):
            raise AttributionError(f"fill={self.fill} is not known; choose {FILLS}")

    @property
    def fill_class(self) -> str | None:
        """Class whose mean spectrum fills, or None for that of all."""
        return self.fill.partition(":")[2] or None

    def without_neighbours(self, method: str) -> Filtering:
        """Return it for a method that takes more than a band away: there are no neighbours to take a level from."""
        if self.fill == "noise":
            raise AttributionError(f"{method}(fill=noise): what is taken away has no neighbours; choose none or mean")
        return self
