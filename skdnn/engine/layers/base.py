"""What a layer has to be, and what it inherits."""

from dataclasses import field
from typing import Any, ClassVar, Protocol

import numpy as np

from skdnn.engine.arrays import Array
from skdnn.engine.parameters import Slot


class Layer(Protocol):
    """A differentiable function of a batch of rows.

    A class that names it as its base inherits what is said here of `slots`, `work`, `couples_rows`,
    `masks` and `preactivation`, which holds for most layers.

    Attributes
    ----------
    n_out : int
        Columns of what it returns.
    slots : tuple of Slot
        The arrays it wants in the parameter vector; a layer that wants any is `Parametric`.
    work : int
        Multiplications a row in its matrix products.  They decide about threads, so what is done
        once an entry does not count.
    couples_rows : bool
        Whether in training a row of Y depends on the other rows of X, so that a batch cannot be
        split over threads.
    masks : bool
        Whether it multiplies X by random masks in training and is the identity at prediction, as
        `Dropout` does and with the same attributes.
    """

    n_out: int
    couples_rows: ClassVar[bool] = False
    masks: ClassVar[bool] = False

    @property
    def slots(self) -> tuple[Slot, ...]:
        return ()

    @property
    def work(self) -> int:
        return 0

    def allocate(self, m: int, dtype: Any, rng: np.random.Generator) -> None:
        """Make the buffers for batches of m rows; `rng` is where random layers draw from.

        Before the first `forward`, and whenever m changes.
        """

    def infer(self, X: Any, out: Array | None = None) -> Any:
        """Return Y as at prediction, in ``out`` of shape (m, n_out) or new (or X itself)."""

    def preactivation(self, X: Any) -> Array | None:
        """Return S, what its activation is applied to, in a new array, or X if that is S.

        None if it has no activation.
        """
        return None

    def forward(self, X: Any) -> Any:
        """Return Y as in training, and remember what `backward` needs."""

    def backward(self, dY: Any) -> Any:
        """Write the gradient of the parameters, if any, and return dX, for the last `forward`."""


class Parametric(Layer, Protocol):
    """A layer with parameters."""

    def bind(self, values: list[Any]) -> None:
        """Take the views of the parameters, one a slot."""

    def initialize(self, rng: np.random.Generator) -> None:
        """Set the parameters to where training starts."""

    def initialize_from_data(self, X: Any, rng: np.random.Generator) -> None:
        """Move the parameters, after `initialize`, to where training on such rows starts best."""
        return

    def bind_gradient(self, gradients: list[Any], propagate: bool) -> None:
        """Take the views of the gradient, one a slot (None for a statistic).

        Without `propagate` no layer below has parameters, and `backward` may return None.
        """

    def limit_norms(self, max_norm: float) -> None:
        """Make the weights into a unit no longer than `max_norm`, if it has units."""
        return


class Affine(Parametric, Protocol):
    """A layer with S = X W + b, which can take over units: the first and the last of a network.

    ``scale`` and ``shift`` have shape (n_in,) for inputs, (n_out,) for outputs.  The methods change
    the parameters in place, in pairs of inverses.  W may be several matrices, (…, n_in, n_out) with
    b (…, n_out), that all are in the same units.
    """

    W: Array
    b: Array

    def limit_norms(self, max_norm: float) -> None:
        """W[:, j] *= max_norm / ‖W[:, j]‖₂ for every unit j for which that is below 1.

        Srivastava et al. (2014, sec. 5.1).
        """
        norms = np.sqrt(np.einsum("...ij,...ij->...j", self.W, self.W))
        self.W *= (max_norm / np.maximum(norms, max_norm))[..., None, :]

    def rescale_inputs(self, scale: Array, shift: Array) -> None:
        """Take from now on x instead of (x - shift) / scale."""
        self.W /= scale[:, None]
        self.b -= shift @ self.W

    def unscale_inputs(self, scale: Array, shift: Array) -> None:
        """Undo `rescale_inputs`."""
        self.b += shift @ self.W
        self.W *= scale[:, None]

    def rescale_outputs(self, scale: Array, shift: Array) -> None:
        """Return from now on y scale + shift instead of y; without an activation only."""
        self.W *= scale
        self.b *= scale
        self.b += shift

    def unscale_outputs(self, scale: Array, shift: Array) -> None:
        """Undo `rescale_outputs`."""
        self.W /= scale
        self.b -= shift
        self.b /= scale


def buffer() -> Any:
    """A field that is no part of a layer's specification: a view or a buffer."""
    return field(init=False, repr=False, compare=False)
