"""Room for several panels in the box of one axes."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.gridspec import SubplotSpec
    from matplotlib.transforms import Bbox


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

    ax: "Axes"
    width: float
    height: float
    anchor: Literal["SW", "NW", "SE", "NE"]

    def __call__(self, ax: object, renderer: object) -> "Bbox":
        box = self.ax.get_position(original=True)
        return box.shrunk(self.width, self.height).anchored(self.anchor, box)

    def get_subplotspec(self) -> "SubplotSpec | None":
        """Return the place in the grid of the figure, for ``tight_layout``."""
        return self.ax.get_subplotspec()
