"""Centre and scale of columns, over rows with weights: what numbers are standardised by.

Rows that have a whole number as weight are as good as repeated so many times.
"""

from collections.abc import Callable

import numpy as np

# A spread within the rounding of the numbers themselves is none.
ROUNDING = 10 * np.finfo(np.float64).eps
# Between the quartiles of a normal distribution of variance 1, and from its median to either.
INTERQUARTILE = 1.3489795003921634
QUARTILE = INTERQUARTILE / 2

Spread = tuple[np.ndarray, np.ndarray]


def moments(Y: np.ndarray, weight: np.ndarray | None) -> Spread:
    """Return mean and standard deviation of the columns; a constant column has scale 1.

    Examples
    --------
    >>> moments(np.array([[0.0, 5.0], [2.0, 5.0]]), None)
    (array([1., 5.]), array([1., 1.]))
    """
    mean = np.average(Y, axis=0, weights=weight)
    R = Y - mean
    size = np.abs(R).max(axis=0)  # so that no square is beyond the range of doubles
    size[size == 0] = 1.0
    scale = size * np.sqrt(np.average((R / size) ** 2, axis=0, weights=weight))
    return mean, np.where(scale <= ROUNDING * np.abs(mean), 1.0, scale)


def quartiles(Y: np.ndarray, weight: np.ndarray | None) -> Spread:
    """Return the medians, and the interquartile ranges over 1.349, of the columns.

    For normal numbers the latter is the standard deviation, whatever outliers there are.  If the
    quartiles coincide, because most numbers are the same, the scale is the median distance of the
    others from that number, over 0.674.  A constant column has scale 1.

    Examples
    --------
    >>> centre, scale = quartiles(np.array([[1.0, 0], [2, 0], [3, 0], [4, 0], [1e6, 7]]), None)
    >>> centre, scale.round(2)
    (array([3., 0.]), array([ 1.48, 10.38]))
    """
    lower, median, upper = quantiles(Y, [0.25, 0.5, 0.75], weight)
    scale = (upper - lower) / INTERQUARTILE
    for j in np.flatnonzero(scale <= ROUNDING * np.abs(median)):
        distance = np.abs(Y[:, j] - median[j])
        others = distance > ROUNDING * np.abs(median[j])
        if others.any():
            their_weight = None if weight is None else weight[others]
            scale[j] = quantiles(distance[others], [0.5], their_weight)[0] / QUARTILE
        else:
            scale[j] = 1.0
    return median, scale


def quantiles(Y: np.ndarray, q: list[float], weight: np.ndarray | None) -> np.ndarray:
    """Return quantiles of the columns, each a number that occurs."""
    return np.quantile(Y, q, axis=0, weights=weight, method="inverted_cdf")


SPREADS: dict[str, Callable[[np.ndarray, np.ndarray | None], Spread]] = {
    "moments": moments,
    "quartiles": quartiles,
}
