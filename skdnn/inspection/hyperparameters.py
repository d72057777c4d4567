"""The values of a hyperparameter, and the axis that shows them."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from numbers import Real
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from skdnn.engine.arrays import Array

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MAX_GRID_TICKS = 8  # if a logarithmic grid has more values, matplotlib chooses the ticks
MAX_CATEGORY_TICKS = 15  # if there are more categories, some have no tick
MAX_LABEL_CHARACTERS = 40  # of all tick labels; longer ones do not fit side by side


@dataclass(frozen=True)
class Hyperparameter:
    """The values of a hyperparameter, one for each candidate, and how an axis shows them.

    Parameters
    ----------
    name : str
        Label of the axis.
    values : sequence of length n_candidates
        Numbers, or any other values, which are then shown as categories.  nan stands for a
        candidate that does not have this hyperparameter.
    log : bool, default=False
        Whether the axis is logarithmic.  All numbers must then be positive.
    grid : sequence, default=()
        The values that the search had to choose from.  Categories are shown in this order.

    Examples
    --------
    >>> from skdnn.inspection import Hyperparameter
    >>> Hyperparameter("alpha", [0.1, 0.01], log=True).positions
    array([0.1 , 0.01])
    >>> solver = Hyperparameter("solver", ["sgd", "adam", "sgd"], grid=["adam", "nadam", "sgd"])
    >>> solver.categories, solver.positions
    (['adam', 'sgd'], array([1., 0., 1.]))
    """

    name: str
    values: Sequence[Any]
    log: bool = False
    grid: Sequence[Any] = ()

    @property
    def is_categorical(self) -> bool:
        """Whether any value is not a number."""
        return not all(map(is_number, self.values))

    @cached_property
    def categories(self) -> list[str]:
        """Names of the values that occur.

        Values of the grid come first, in its order.  The others are in the order of the candidates;
        if all of them are sizes of layers, they are sorted.
        """
        occurring = {category(value) for value in self.values if not is_missing(value)}
        sizes = all(isinstance(value, tuple | list) for value in self.values)
        values = (
            sorted(self.values, key=lambda value: (len(value), *value)) if sizes else self.values
        )
        names = dict.fromkeys(map(category, [*self.grid, *values]))
        return [name for name in names if name in occurring]

    @cached_property
    def positions(self) -> Array:
        """Positions of the candidates on the axis; nan if a candidate has no value."""
        if not self.is_categorical:
            return np.array(self.values, dtype=float)
        places = {name: i for i, name in enumerate(self.categories)}
        return np.array([places.get(category(value), math.nan) for value in self.values], float)

    @property
    def ticks(self) -> dict[float, str]:
        """Labels of the ticks by position; empty if matplotlib is to choose the ticks."""
        if self.is_categorical:
            every = math.ceil(len(self.categories) / MAX_CATEGORY_TICKS)
            return dict(list(enumerate(self.categories))[::every])
        numbers = sorted({number for number in self.values if not is_missing(number)})
        listed = set(numbers) <= {value for value in self.grid if is_number(value)}
        shown = self.log and listed and len(numbers) <= MAX_GRID_TICKS
        return {v: f"{v:g}" for v in numbers} if shown else {}

    def set_axis(self, ax: "Axes", side: Literal["x", "y"]) -> None:
        """Set the label, scale, ticks and limits of the "x" or "y" axis of `ax`."""
        axis, ticks = getattr(ax, f"{side}axis"), self.ticks
        ax.set(**{f"{side}label": self.name, f"{side}scale": "log" if self.log else "linear"})
        if ticks:
            slanted = side == "x" and sum(map(len, ticks.values())) > MAX_LABEL_CHARACTERS
            style = {"rotation": 30, "ha": "right", "rotation_mode": "anchor"} if slanted else {}
            axis.set_ticks(list(ticks), list(ticks.values()), **style)
            axis.set_ticks([], minor=True)
        if self.is_categorical:
            ax.set(**{f"{side}lim": (-0.5, len(self.categories) - 0.5)})


def is_missing(value: object) -> bool:
    """Whether a value is nan: the candidate does not have the hyperparameter."""
    return isinstance(value, float) and math.isnan(value)


def is_number(value: object) -> bool:
    """Whether a value can be shown on an axis of numbers, or is missing."""
    return isinstance(value, Real) and not isinstance(value, bool) and not math.isinf(value)


def category(value: object) -> str:
    """Return the name of a category: that of a function, or the value as text."""
    return getattr(value, "__name__", str(value))


def is_geometric(values: Iterable[Any]) -> bool:
    """Whether numbers are spaced as on a logarithmic axis.

    They are if their ratios are constant.  They also are if they span at least two decades, and
    their ratios vary no more than their differences.

    Examples
    --------
    >>> is_geometric([16, 32, 64]), is_geometric([0.001, 0.01, 0.03, 0.1])
    (True, True)
    >>> is_geometric([10, 20, 30]), is_geometric(range(1, 1001))
    (False, False)
    """
    values = list(values)
    if not all(map(is_number, values)) or len(set(values)) < 2 or min(values) <= 0:
        return False
    numbers = np.unique(np.array(values, dtype=float))
    ratios, differences = np.diff(np.log(numbers)), np.diff(numbers)
    if len(ratios) > 1 and np.allclose(ratios, ratios[0]):
        return True
    evener = ratios.max() / ratios.min() <= differences.max() / differences.min()
    return bool(evener and numbers[-1] >= 100 * numbers[0])


def is_logarithmic(distribution: Any) -> bool:
    """Whether a distribution, or a list of values, is spread evenly over orders of magnitude."""
    if getattr(distribution, "log", False) is True:
        return True
    if hasattr(distribution, "rvs"):
        name = getattr(getattr(distribution, "dist", None), "name", None)
        return name in ("loguniform", "reciprocal")
    return np.iterable(distribution) and is_geometric(distribution)
