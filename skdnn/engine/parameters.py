"""One vector, many views.

All numbers of a network lie in one contiguous vector cut into three zones::

    values = [ weights | others | statistics ]
             `----- theta -----'

A penalty shrinks ``weights``; an optimizer moves ``theta``; what is saved and restored is
``values``.  The gradient has the cut of ``theta``.  Every W, b, gamma, beta is a view.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from skdnn.engine.arrays import Array, own

ZONES = ("weights", "others", "statistics")


@dataclass(frozen=True, eq=False)
class Slot:
    """A place for one array in the vector.

    Parameters
    ----------
    shape : tuple of int
        Shape of the array.
    zone : {"weights", "others", "statistics"}
        Where in the vector it lies.
    rate : float or array-like, default=1.0
        Factor of the learning rate for this array, or for each of its numbers, of a shape that
        broadcasts to that of the array; not negative, and 0 keeps a number as it is.

    Examples
    --------
    >>> Slot((2, 3), "weights").size
    6
    """

    shape: tuple[int, ...]
    zone: str
    rate: Any = 1.0

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Slot):
            return NotImplemented
        same_place = (self.shape, self.zone) == (other.shape, other.zone)
        return same_place and np.array_equal(self.rate, other.rate)

    def __hash__(self) -> int:
        return hash((self.shape, self.zone))

    @property
    def size(self) -> int:
        return prod(self.shape)


class ParameterVector:
    """The vector and its cut.

    Parameters
    ----------
    slots : sequence of Slot
        The arrays, in the order in which `cut` returns them.
    dtype : {"float32", "float64"}
        Type of the numbers.

    Attributes
    ----------
    slots : tuple of Slot
        As given.
    values : ndarray of shape (n,)
        The whole vector; zeros at first.
    theta : ndarray of shape (p,)
        What training moves, a view of the first p ≤ n numbers.
    weights : ndarray of shape (q,)
        What a penalty shrinks, a view of the first q ≤ p numbers.

    Examples
    --------
    >>> parameters = ParameterVector([Slot((2, 3), "weights"), Slot((3,), "others")], "float32")
    >>> W, b = parameters.cut(parameters.values)
    >>> W[:] = 1
    >>> parameters.theta
    array([1., 1., 1., 1., 1., 1., 0., 0., 0.], dtype=float32)
    """

    def __init__(self, slots: Sequence[Slot], dtype: Any):
        self.slots = tuple(slots)
        sizes = {zone: sum(s.size for s in self.slots if s.zone == zone) for zone in ZONES}
        self.values = np.zeros(sum(sizes.values()), dtype)
        self._name_zones(sizes["weights"], sizes["weights"] + sizes["others"])

    def _name_zones(self, n_weights: int, n_theta: int) -> None:
        self.weights = self.values[:n_weights]
        self.theta = self.values[:n_theta]

    def own(self) -> "ParameterVector":
        """Return this vector if it may be written to, else a copy (see `arrays.own`).

        Examples
        --------
        >>> parameters = ParameterVector([Slot((2,), "weights")], "float32")
        >>> parameters.own() is parameters
        True
        >>> parameters.values.flags.writeable = False
        >>> parameters.own() is parameters
        False
        """
        if own(self.values) is self.values:
            return self
        other = ParameterVector(self.slots, self.values.dtype)
        other.values[:] = self.values
        return other

    def cut(self, vector: Array) -> list[Array | None]:
        """Cut `vector`, of the length of ``values`` or ``theta``, into one view a slot.

        A slot that lies beyond the end (a statistic, for a gradient) gets None.

        Parameters
        ----------
        vector : ndarray of shape (n,) or (p,)
            Contiguous: ``values`` or ``theta`` of this or another vector with the same slots, or
            a gradient.

        Returns
        -------
        list of ndarray or None
            In the order of ``slots``, each of its slot's shape.
        """
        views: list[Array | None] = [None] * len(self.slots)
        start = 0
        for zone in ZONES:
            for i, slot in enumerate(self.slots):
                if slot.zone == zone:
                    end = start + slot.size
                    views[i] = vector[start:end].reshape(slot.shape) if end <= len(vector) else None
                    start = end
        return views

    def learning_rate_factors(self) -> Array | None:
        """Return the factor of every element of theta, shape (p,), or None if all are 1.

        Examples
        --------
        >>> slots = [Slot((2,), "weights"), Slot((1,), "others", rate=0.5)]
        >>> ParameterVector(slots, "float64").learning_rate_factors()
        array([1. , 1. , 0.5])
        """
        if all(np.all(np.equal(slot.rate, 1.0)) for slot in self.slots):
            return None
        factors = np.empty_like(self.theta)
        for slot, view in zip(self.slots, self.cut(factors), strict=True):
            if view is not None:
                view[...] = slot.rate
        return factors

    def __getstate__(self) -> tuple[Any, ...]:
        # A pickled view would be a view no more: keep the vector, and cut again on load.
        return self.slots, self.values, len(self.weights), len(self.theta)

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self.slots, self.values, n_weights, n_theta = state
        self._name_zones(n_weights, n_theta)
