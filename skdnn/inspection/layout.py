"""Room for several panels in the box of one axes."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Corner:
    """A locator that keeps axes in a corner of the box they were given.

    Inset axes in what becomes free stay inside the box, and so clear of the other axes of the
    figure, whatever its layout is.

    Parameters
    ----------
    ax : matplotlib Axes
        The axes to place.
    width, height : float
        Shares of the box, in (0, 1].
    anchor : {"SW", "NW", "SE", "NE"}
        The corner.
    """

    ax: Any
    width: float
    height: float
    anchor: str

    def __call__(self, ax, renderer):
        box = self.ax.get_position(original=True)
        return box.shrunk(self.width, self.height).anchored(self.anchor, box)

    def get_subplotspec(self):
        """Return the place in the grid of the figure, for ``tight_layout``."""
        return self.ax.get_subplotspec()
