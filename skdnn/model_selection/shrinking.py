"""Search spaces, shrunk around the best candidates that were drawn from them.

The quantile function of a distribution takes numbers in [0, 1] to values, on whatever scale.  A
distribution is shrunk by drawing from a part of [0, 1] only.  So a range on a log scale shrinks in
the logarithm, and integers stay integers.
"""

from collections.abc import Iterable
from typing import Any, TypeAlias

import numpy as np
from scipy.stats import uniform

Space: TypeAlias = dict[str, Any]  # lists and distributions by the names of hyperparameters
Candidate: TypeAlias = dict[str, Any]  # values by the names of hyperparameters


class Shrunk:
    """A distribution between two of its quantiles.

    Parameters
    ----------
    distribution : object with ``ppf`` and ``cdf``
        A frozen distribution of `scipy.stats`, or `layers`, for example.
    low, high : float or ndarray, default=0.0 and 1.0
        The quantiles, 0 ≤ low < high ≤ 1.  If values have several dimensions, as those of `layers`
        have, they are arrays.

    Examples
    --------
    The middle third of three decades is one decade:

    >>> from scipy.stats import loguniform
    >>> Shrunk(loguniform(1e-4, 1e-1), 1 / 3, 2 / 3)
    <loguniform(0.0001, 0.1) from 0.001 to 0.01>
    """

    def __init__(self, distribution: Any, low: Any = 0.0, high: Any = 1.0) -> None:
        self.distribution, self.low, self.high = distribution, low, high

    def rvs(
        self, size: int | None = None, random_state: int | np.random.RandomState | None = None
    ) -> Any:
        """Draw a value, or `size` of them."""
        shape = np.shape(self.low) if size is None else (size, *np.shape(self.low))
        u = uniform.rvs(self.low, self._width(), size=shape, random_state=random_state)
        return self._values(u)

    def support(self) -> tuple[Any, Any]:
        """Return the smallest and the largest value."""
        return self._values(self.low), self._values(self.high)

    def shrunk(self, best: list[Any], factor: float) -> "Shrunk":
        """Return the part of this range, `factor` times as wide, around the best values.

        Parameters
        ----------
        best : list
            The best values so far, the best of all first.
        factor : float in (0, 1]
            Width of the new range, divided by the width of this one, both in quantiles.

        Returns
        -------
        Shrunk
            Centred on the mean quantile of `best`, shifted as little as possible to contain the
            best value and to stay inside this range.
        """
        places = np.array([self._place(value) for value in best])
        width = factor * self._width()
        low = np.clip(places.mean(axis=0) - width / 2, places[0] - width, places[0])
        low = np.clip(low, self.low, self.high - width)
        return Shrunk(self.distribution, low, low + width)

    def _width(self) -> Any:
        return np.subtract(self.high, self.low)

    @property
    def _is_discrete(self) -> bool:
        return hasattr(self.distribution, "pmf")

    def _values(self, u: Any) -> Any:
        """Return the values at the quantiles u."""
        if not self._is_discrete:
            return self.distribution.ppf(u)
        # Some distributions have no largest integer: the quantile just below 1 stands in for it.
        values = self.distribution.ppf(np.minimum(u, np.nextafter(1.0, 0.0)))
        smallest, _ = self.distribution.support()  # scipy's quantile at 0 is one below it
        return np.maximum(values, smallest).astype(int)

    def _place(self, value: Any) -> Any:
        """Return the quantile of a value.

        A discrete value covers a range of quantiles, and the middle of the range is returned.
        """
        place = self.distribution.cdf(value)
        return place - self.distribution.pmf(value) / 2 if self._is_discrete else place

    def __repr__(self) -> str:
        low, high = (str(end) if np.ndim(end) else f"{end:.3g}" for end in self.support())
        return f"<{describe(self.distribution)} from {low} to {high}>"


def describe(distribution: Any) -> str:
    """Return a distribution as text."""
    if not hasattr(distribution, "dist"):
        return repr(distribution)
    arguments = [str(value) for value in distribution.args]
    arguments += [f"{name}={value}" for name, value in distribution.kwds.items()]
    return f"{distribution.dist.name}({', '.join(arguments)})"


def shrink(values: Any, best: list[Any], factor: float) -> Any:
    """Return the values of a hyperparameter, a list or a distribution, shrunk around the best.

    A list keeps the values that are in `best`.  A distribution keeps the part around `best`.  A
    distribution without ``ppf`` and ``cdf`` stays as it is.
    """
    if not hasattr(values, "rvs"):
        return [value for value in values if is_in(value, best)]
    if isinstance(values, Shrunk):
        return values.shrunk(best, factor)
    if hasattr(values, "ppf") and hasattr(values, "cdf"):
        return Shrunk(values).shrunk(best, factor)
    return values


def shrink_spaces(spaces: list[Space], best: list[Candidate], factor: float) -> list[Space]:
    """Return the spaces, each shrunk around the best candidates that it could have drawn.

    A space that could have drawn none of them is left out.
    """
    parts = []
    for space in spaces:
        drawn = [candidate for candidate in best if could_draw(space, candidate)]
        if drawn:
            parts.append(
                {
                    name: shrink(values, [candidate[name] for candidate in drawn], factor)
                    for name, values in space.items()
                }
            )
    return parts


def could_draw(space: Space, candidate: Candidate) -> bool:
    """Whether a candidate has the names that a space has, and values from its lists."""
    return space.keys() == candidate.keys() and all(
        hasattr(values, "rvs") or is_in(candidate[name], values) for name, values in space.items()
    )


def is_in(value: object, values: Iterable[object]) -> bool:
    """Whether a value equals one of `values`."""
    return any(same(value, other) for other in values)


def same(a: Any, b: Any) -> bool:
    """Whether two values or candidates are equal; arrays are compared as a whole."""
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(same(a[name], b[name]) for name in a)
    if isinstance(a, np.ndarray) or isinstance(b, np.ndarray):
        return np.array_equal(a, b)
    return a is b or a == b
