"""Several panels in the box of one axes."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.gridspec import SubplotSpec
    from matplotlib.transforms import Bbox


@dataclass(frozen=True)
class Corner:
    """A locator that shrinks axes into a corner of their box.

    The rest of the box is then free for inset axes.  They stay inside the box, so they do not
    overlap with other axes of the figure, whatever its layout is.

    Parameters
    ----------
    ax : matplotlib Axes
        The axes to place.
    width, height : float
        Fractions of the box, in (0, 1].
    anchor : {"SW", "NW", "SE", "NE"}
        The corner, as a point of the compass.
    """

    ax: "Axes"
    width: float
    height: float
    anchor: Literal["SW", "NW", "SE", "NE"]

    def __call__(self, ax: object, renderer: object) -> "Bbox":
        box = self.ax.get_position(original=True)
        return box.shrunk(self.width, self.height).anchored(self.anchor, box)

    def get_subplotspec(self) -> "SubplotSpec | None":
        """Return the axes' place in the grid of the figure, which ``tight_layout`` asks for."""
        return self.ax.get_subplotspec()
