"""Layers with one learned number a column: input scaling, and activations that are mixed in.

Conventions are those of `skdnn.engine.layers`.

Examples
--------
>>> import numpy as np
>>> layer = Scale(2)
>>> layer.bind([np.array([2.0, 0.5])])
>>> layer.infer(np.array([[1.0, 10.0]]))
array([[2., 5.]])
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import sparse

from skdnn.engine.activations import Activation
from skdnn.engine.arrays import Array
from skdnn.engine.layers.base import Parametric, buffer
from skdnn.engine.parameters import Slot


@dataclass
class Scale(Parametric):
    """Y = X ⊙ s, one learned factor a column: useless columns can be turned down.

    Backwards ds = 1ᵀ(dY ⊙ X), dX = dY ⊙ s.  s starts at 1; a penalty does not shrink it
    (Holzmüller, Grinsztajn and Steinwart, 2024, sec. 3).

    Parameters
    ----------
    n_out : int
        Columns of X and of Y.
    rate : float, default=1.0
        Factor of the learning rate of s; 6 there.

    Notes
    -----
    Takes a sparse CSR batch as the first layer of a network.  The `Dense` after it then has to
    return the derivative of all entries, those that are not stored too.
    """

    n_out: int
    rate: float = 1.0
    s: Array = buffer()
    ds: Array = buffer()
    X: Any = buffer()
    Y: Array = buffer()
    dX: Array = buffer()
    ones: Array = buffer()
    propagate: bool = buffer()

    @property
    def slots(self) -> tuple[Slot, ...]:
        return (Slot((self.n_out,), "others", self.rate),)

    def bind(self, values: list[Any]) -> None:
        (self.s,) = values

    def initialize(self, rng: np.random.Generator) -> None:
        self.s.fill(1.0)

    def bind_gradient(self, gradients: list[Any], propagate: bool) -> None:
        (self.ds,) = gradients
        self.propagate = propagate

    def allocate(self, m: int, dtype: Any, rng: np.random.Generator) -> None:
        self.Y = self.dX = np.empty((0, self.n_out), dtype)  # sparse input will need none
        self.ones = np.ones(m, dtype)

    def infer(self, X: Any, out: Array | None = None) -> Any:
        if sparse.issparse(X):
            return sparse.csr_array(
                (X.data * self.s[X.indices], X.indices, X.indptr), shape=X.shape
            )
        return np.multiply(X, self.s, out=out)

    def forward(self, X: Any) -> Any:
        self.X = X
        if sparse.issparse(X):
            return self.infer(X)
        if len(self.Y) != len(X):
            self.Y, self.dX = np.empty_like(X), np.empty_like(X)
        return self.infer(X, self.Y)

    def backward(self, dY: Array) -> Array | None:
        if sparse.issparse(self.X):
            self.ds[:] = self.X.multiply(dY).sum(axis=0)
            return None
        if self.propagate:
            np.multiply(dY, self.s, out=self.dX)
        dY *= self.X
        np.dot(self.ones, dY, out=self.ds)  # several times faster than a sum over rows
        return self.dX if self.propagate else None


@dataclass
class ParametricActivate(Parametric):
    """Y = S + a ⊙ (σ(S) - S), a learned share a of the activation in every unit.

    Backwards dS = dY ⊙ (1 + a ⊙ (σ'(S) - 1)), da = 1ᵀ(dY ⊙ (σ(S) - S)).  a starts at 1, which is
    σ itself; a penalty does not shrink it (Holzmüller, Grinsztajn and Steinwart, 2024, sec. 3; with
    σ = ReLU the unit of He et al., 2015, eq. 1, whose slope is 1 - a).

    Parameters
    ----------
    n_out : int
        Columns of S and of Y.
    activation : Activation
        σ.
    rate : float, default=0.1
        Factor of the learning rate of a.

    Examples
    --------
    >>> from skdnn.engine.activations import ReLU
    >>> layer = ParametricActivate(2, ReLU())
    >>> layer.bind([np.array([1.0, 0.75])])
    >>> layer.infer(np.array([[-4.0, -4.0]]))
    array([[ 0., -1.]])
    """

    n_out: int
    activation: Activation
    rate: float = 0.1
    a: Array = buffer()
    da: Array = buffer()
    S: Array = buffer()
    A: Array = buffer()
    Y: Array = buffer()
    D: Array = buffer()
    ones: Array = buffer()

    @property
    def slots(self) -> tuple[Slot, ...]:
        return (Slot((self.n_out,), "others", self.rate),)

    def bind(self, values: list[Any]) -> None:
        (self.a,) = values

    def initialize(self, rng: np.random.Generator) -> None:
        self.a.fill(1.0)

    def bind_gradient(self, gradients: list[Any], propagate: bool) -> None:
        (self.da,) = gradients

    def allocate(self, m: int, dtype: Any, rng: np.random.Generator) -> None:
        self.A = np.empty((m, self.n_out), dtype)
        self.Y, self.D = np.empty_like(self.A), np.empty_like(self.A)
        self.ones = np.ones(m, dtype)

    def preactivation(self, S: Array) -> Array:
        return S

    def infer(self, S: Array, out: Array | None = None) -> Array:
        Y = np.empty_like(S) if out is None else out
        self.activation.forward(S, Y)
        return self._mix(S, Y, Y)

    def _mix(self, S: Array, A: Array, Y: Array) -> Array:
        np.subtract(A, S, out=Y)
        Y *= self.a
        Y += S
        return Y

    def forward(self, S: Array) -> Array:
        self.S = S
        self.activation.forward(S, self.A)
        return self._mix(S, self.A, self.Y)

    def backward(self, dY: Array) -> Array:
        D = self.D
        np.subtract(self.A, self.S, out=D)
        D *= dY
        np.dot(self.ones, D, out=self.da)
        self.activation.derivative(self.S, self.A, D)
        D -= 1.0
        D *= self.a
        D += 1.0
        dY *= D
        return dY
