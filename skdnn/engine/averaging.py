"""Moving average of the parameters: predictions that the last few steps do not shake."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from skdnn.engine.arrays import Array, own


@dataclass(eq=False)
class MovingAverage:
    """v̄ += (1 - β) / (1 - βᵗ) (v - v̄) after step t: the average of v with weights that fall by β.

    That is m / (1 - βᵗ) for m = β m + (1 - β) v from m = 0, the average without the bias of its
    start (Kingma and Ba, 2015, sec. 3), kept in one vector (Polyak and Juditsky, 1992, for the
    plain average of all steps, to which a β of 1 tends).

    Parameters
    ----------
    decay : float
        β, in (0, 1): about 1 / (1 - β) steps count.
    t : int, default=0
        Steps seen so far.
    values : ndarray of shape (n,) or None, default=None
        v̄; None before the first step.

    Examples
    --------
    >>> average = MovingAverage(decay=0.5)
    >>> for value in (1.0, 4.0):
    ...     average.update(np.array([value]))
    >>> average.values  # (½ · 1 + 1 · 4) / (½ + 1)
    array([3.])
    """

    decay: float
    t: int = 0
    values: Array | None = None
    work: Array | None = field(init=False, default=None, repr=False)

    def update(self, values: Array) -> None:
        """Count the values, shape (n,), after another step."""
        self.t += 1
        if self.values is None:
            self.values = values.copy()
            return
        if self.work is None:
            self.work = np.empty_like(self.values)
        np.subtract(values, self.values, out=self.work)
        self.work *= (1.0 - self.decay) / (1.0 - self.decay**self.t)
        self.values += self.work

    def restart(self) -> None:
        """Forget what has been seen."""
        self.t, self.values = 0, None

    def cast(self, dtype: Any) -> None:
        """Have numbers of this type, which may be written to."""
        if self.values is not None:
            self.values = own(self.values.astype(dtype, copy=False))
        self.work = None

    def copy(self) -> "MovingAverage":
        """Return an independent average with the same numbers."""
        return MovingAverage(
            self.decay, self.t, None if self.values is None else self.values.copy()
        )

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "work": None}
