"""Quantiles and scales of one column, over rows with weights.

Rows that have a whole number as weight are as good as repeated so many times.
"""

from typing import Any

import numpy as np

ROUNDINGS = 10  # A spread of so many roundings of the numbers is none.
SLACK = 1e-12  # relative rounding of sums of weights
FAR = 1e100  # Multiples of the limit whose squares are finite.


def quantiles(x: np.ndarray, q: Any, weight: np.ndarray | None = None) -> np.ndarray:
    """Return quantiles: where the distribution function steps over q, or the middle of a flat.

    That is the method "averaged_inverted_cdf" of `numpy.quantile`, for weights too.

    Examples
    --------
    >>> quantiles(np.array([3.0, 1.0, 2.0, 10.0]), [0.25, 0.5])
    array([1.5, 2.5])
    >>> quantiles(np.array([3.0, 1.0, 2.0, 10.0]), [0.25, 0.5], np.array([1.0, 1, 1, 3]))
    array([2. , 6.5])
    """
    if weight is None:
        x, reached = np.sort(x), np.arange(1, len(x) + 1)
    else:
        order = np.argsort(x)
        x, reached = x[order], np.cumsum(weight[order])
    h, slack = np.asarray(q) * reached[-1], SLACK * reached[-1]
    below = np.searchsorted(reached, h - slack, side="left")
    above = np.searchsorted(reached, h + slack, side="right")
    last = len(x) - 1
    return x[np.minimum(below, last)] / 2 + x[np.minimum(above, last)] / 2


def present(x: np.ndarray, weight: np.ndarray | None) -> tuple[np.ndarray, np.ndarray | None]:
    """Return the numbers that are not missing, and their weights."""
    missing = np.isnan(x)
    if not missing.any():
        return x, weight
    return x[~missing], None if weight is None else weight[~missing]


def is_flat(low: float, high: float, dtype: np.dtype) -> bool:
    """Whether two numbers differ by no more than their rounding, or no inverse is finite."""
    info = np.finfo(dtype)
    size = max(abs(low), abs(high))
    return high / 2 - low / 2 <= max(ROUNDINGS * float(info.eps) * size, float(info.tiny)) / 2


def centre_and_scale(x: np.ndarray, weight: np.ndarray | None = None) -> tuple[float, float]:
    """Return the median and what differences from it are multiplied with.

    The factor is 1 / (q75 - q25), 2 / (max - min) if the quartiles coincide, and 0 for a constant.
    Missing numbers are left out; a column without numbers has (0, 0).

    Examples
    --------
    >>> centre_and_scale(np.array([0.0, 2.0, 3.0, 4.0, 6.0]))
    (3.0, 0.5)
    >>> centre_and_scale(np.array([0.0, 0.0, 0.0, 0.0, 4.0]))
    (0.0, 0.5)
    """
    x, weight = present(x, weight)
    if len(x) == 0:
        return 0.0, 0.0
    lower, median, upper = (float(a) for a in quantiles(x, [0.25, 0.5, 0.75], weight))
    low, high = float(x.min()), float(x.max())
    if is_flat(low, high, x.dtype):
        return median, 0.0
    if is_flat(lower, upper, x.dtype):
        return median, 1 / (high / 2 - low / 2)
    return median, 0.5 / (upper / 2 - lower / 2)


def smooth_clip(x: np.ndarray, limit: float) -> np.ndarray:
    """Return x / √(1 + (x / limit)²), which is within ±limit and about x for small x."""
    if np.isinf(limit):
        return x
    t = np.clip(x / limit, -FAR, FAR)
    return limit * (t / np.sqrt(1 + t * t))
