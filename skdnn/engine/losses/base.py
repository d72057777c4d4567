"""What a loss has to be, and what it inherits."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Protocol

import numpy as np

from skdnn.engine.arrays import Array
from skdnn.engine.losses.links import INVERSE_LINKS

BLOCK_ROWS = 2**14  # rows whose loss is evaluated at once


@dataclass(frozen=True)
class Range:
    """An interval of numbers; infinity is never in it.

    Parameters
    ----------
    low, high : float, default=-inf and inf
        Its ends.
    includes_low, includes_high : bool, default=True
        Whether they are in it.

    Examples
    --------
    >>> str(Range(low=0.0)), str(Range(low=0.0, high=1.0, includes_low=False)), str(Range())
    ('≥ 0', '> 0 and ≤ 1', 'any number')
    >>> Range(low=0.0, includes_low=False).holds(np.array([0.0, 1.0])).tolist()
    [False, True]
    """

    low: float = -math.inf
    high: float = math.inf
    includes_low: bool = True
    includes_high: bool = True

    def holds(self, y: Array) -> Array:
        """Return which numbers are in it."""
        above = y >= self.low if self.includes_low else y > self.low
        below = y <= self.high if self.includes_high else y < self.high
        return above & below & np.isfinite(y)

    def __str__(self) -> str:
        ends = [
            (self.low, "≥" if self.includes_low else ">"),
            (self.high, "≤" if self.includes_high else "<"),
        ]
        said = [f"{sign} {end:g}" for end, sign in ends if math.isfinite(end)]
        return " and ".join(said) or "any number"


class Loss(Protocol):
    """What a network is trained to make small.

    A class that names it as its base needs `value_and_gradient` only, and states what differs from
    the defaults.

    Attributes
    ----------
    out_activation : {"identity", "logistic", "softmax", "exp"}, default="identity"
        Name of the inverse link, a key of ``INVERSE_LINKS``.
    relative : bool, default=False
        Whether an improvement counts as a share of the loss, which is in the units of y or of their
        square and 0 at best, or by itself.
    standardised_by : {"moments", "quartiles"} or None, default=None
        Which centre and scale of y a network may be trained in units of: those that weigh outliers
        as the loss does.  None if there are no such units, or the minimum does not move with y when
        y is shifted and scaled.
    y_range : Range, default=Range()
        Numbers that y may be.
    hyperparameters : mapping of str to str, default={}
        Names of hyperparameters of the estimators and of the fields that they set.
    """

    out_activation: ClassVar[str] = "identity"
    relative: ClassVar[bool] = False
    standardised_by: ClassVar[str | None] = None
    y_range: ClassVar[Range] = Range()
    hyperparameters: ClassVar[Mapping[str, str]] = {}

    def value_and_gradient(self, S: Array, T: Array, weight: Array | None, dS: Array) -> float:
        """Return the weighted mean of ℓ over the rows and write its derivative into dS."""

    def value(self, S: Array, T: Array, weight: Array | None) -> float:
        """Return the weighted mean of ℓ over the rows.

        Some rows at a time, so that what is needed besides S is small, however many rows there are.
        """
        starts = range(0, len(S), BLOCK_ROWS)
        blocks = [slice(start, start + BLOCK_ROWS) for start in starts]
        dS = np.empty_like(S[:BLOCK_ROWS])
        if len(blocks) == 1:
            return self.value_and_gradient(S, T, weight, dS)
        value = total = 0.0
        for rows in blocks:
            w = None if weight is None else weight[rows]
            block_total = float(len(S[rows]) if w is None else w.sum(dtype=np.float64))
            if block_total:
                each = self.value_and_gradient(S[rows], T[rows], w, dS[: len(S[rows])])
                value, total = value + block_total * each, total + block_total
        return value / total

    def predict(self, S: Array, out: Array | None = None) -> Array:
        """Return the prediction that belongs to the raw scores: in ``out``, or new, or S itself."""
        return INVERSE_LINKS[self.out_activation](S, out)

    def complement(self, S: Array, out: Array | None = None) -> Array:
        """Return 1 - predict(S), for the logistic link without cancellation: 1 / (1 + exp(s))."""
        if self.out_activation == "logistic":
            return INVERSE_LINKS["logistic"](-S, out)
        return np.subtract(1.0, self.predict(S), out=out)
