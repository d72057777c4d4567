"""Weighted sums and activations."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from skdnn.engine import kernels
from skdnn.engine.activations import Activation, Identity
from skdnn.engine.arrays import Array
from skdnn.engine.initializers import (
    BiasInitializer,
    Initializer,
    ZeroBias,
    from_preactivations,
)
from skdnn.engine.layers.base import Affine, Layer, buffer
from skdnn.engine.parameters import Slot


@dataclass
class Dense(Affine):
    """Y = σ(S), S = X W + b.

    Backwards dS = dY ⊙ σ'(S), dW = Xᵀ dS, db = 1ᵀ dS, dX = dS Wᵀ (Rumelhart, Hinton and Williams,
    1986; Bishop, 2006, eq. 5.53 and 5.56).

    Parameters
    ----------
    n_in, n_out : int
        Columns of X and of Y, at least 1.
    init : Initializer
        Draws W.
    activation : Activation, default=Identity()
        σ.
    bias_init : BiasInitializer, default=ZeroBias()
        Draws b, from a stream of its own: W does not depend on it.
    weight_rate, bias_rate : float, default=1.0
        Factors of the learning rates of W and of b.

    Notes
    -----
    Takes a sparse CSR batch as the first layer of a network.

    The "neural tangent" parametrisation S = X V / √n_in + b, V ~ N(0, 1) (Jacot, Gabriel and
    Hongler, 2018) is W = V / √n_in: ``init`` "lecun_normal", and a ``weight_rate`` of 1 / √n_in
    with solvers that divide by the size of the gradients, such as Adam, or 1 / n_in with "sgd".
    Weight decay, which goes with the learning rate, then has to be √n_in (n_in) times as large.

    Examples
    --------
    >>> from skdnn.engine.initializers import Zeros
    >>> layer = Dense(2, 1, Zeros())
    >>> layer.bind([np.array([[2.0], [3.0]]), np.array([1.0])])
    >>> layer.infer(np.array([[1.0, 10.0]]))
    array([[33.]])
    """

    n_in: int
    n_out: int
    init: Initializer
    activation: Activation = Identity()
    bias_init: BiasInitializer = ZeroBias()
    weight_rate: float = 1.0
    bias_rate: float = 1.0
    W: Array = buffer()
    b: Array = buffer()
    dW: Array = buffer()
    db: Array = buffer()
    X: Any = buffer()
    S: Array = buffer()
    Y: Array = buffer()
    D: Array = buffer()
    dX: Array | None = buffer()
    propagate: bool = buffer()

    @property
    def slots(self) -> tuple[Slot, ...]:
        weights = Slot((self.n_in, self.n_out), "weights", self.weight_rate)
        return weights, Slot((self.n_out,), "others", self.bias_rate)

    @property
    def work(self) -> int:
        return self.n_in * self.n_out

    @property
    def in_place(self) -> bool:
        """Whether Y takes the place of S."""
        return self.activation.from_output

    def bind(self, values: list[Any]) -> None:
        self.W, self.b = values

    def initialize(self, rng: np.random.Generator) -> None:
        weights, biases = rng.spawn(2)
        self.W[:] = self.init(weights, self.n_in, self.n_out)
        self.b[:] = self.bias_init(biases, self.n_in, self.n_out)

    def initialize_from_data(self, X: Any, rng: np.random.Generator) -> None:
        factor, self.b[:] = from_preactivations(X @ self.W, rng)
        self.W *= factor

    def bind_gradient(self, gradients: list[Any], propagate: bool) -> None:
        self.dW, self.db = gradients
        self.propagate = propagate

    def allocate(self, m: int, dtype: Any, rng: np.random.Generator) -> None:
        self.Y = np.empty((m, self.n_out), dtype)
        self.S = self.Y if self.in_place else np.empty_like(self.Y)
        self.D = np.empty_like(self.Y)
        self.dX = np.empty((m, self.n_in), dtype) if self.propagate else None

    def infer(self, X: Any, out: Array | None = None) -> Array:
        Y = np.empty((X.shape[0], self.n_out), self.W.dtype) if out is None else out
        S = Y if self.in_place else np.empty_like(Y)
        self._forward(X, S, Y)
        return Y

    def preactivation(self, X: Any) -> Array:
        return X @ self.W + self.b

    def forward(self, X: Any) -> Array:
        self.X = X
        self._forward(X, self.S, self.Y)
        return self.Y

    def _forward(self, X: Any, S: Array, Y: Array) -> None:
        if isinstance(X, np.ndarray):
            kernels.dense_forward(X, self.W, self.b, self.activation, S, Y)
        else:
            np.add(X @ self.W, self.b, out=S)
            self.activation.forward(S, Y)

    def backward(self, dY: Array) -> Array | None:
        X, W, activation, S, Y, D = self.X, self.W, self.activation, self.S, self.Y, self.D
        if isinstance(X, np.ndarray):
            kernels.dense_backward(X, W, activation, S, Y, dY, D, self.dW, self.db, self.dX)
        else:
            dS = kernels.activation_backward(activation, S, Y, dY, D)
            self.dW[:] = X.T @ dS
            dS.sum(axis=0, out=self.db)
            if self.dX is not None:
                np.dot(dS, W.T, out=self.dX)
        return self.dX


@dataclass
class Activate(Layer):
    """Y = σ(S), elementwise; dS = dY ⊙ σ'(S).  A Dense layer has an activation of its own.

    Parameters
    ----------
    n_out : int
        Columns of S and of Y.
    activation : Activation
        σ.
    """

    n_out: int
    activation: Activation
    S: Array = buffer()
    Y: Array = buffer()
    D: Array = buffer()

    def allocate(self, m: int, dtype: Any, rng: np.random.Generator) -> None:
        self.Y = np.empty((m, self.n_out), dtype)
        self.D = np.empty_like(self.Y)

    def infer(self, S: Array, out: Array | None = None) -> Array:
        Y = np.empty_like(S) if out is None else out
        self.activation.forward(S, Y)
        return Y

    def preactivation(self, S: Array) -> Array:
        return S

    def forward(self, S: Array) -> Array:
        self.S = S
        self.activation.forward(S, self.Y)
        return self.Y

    def backward(self, dY: Array) -> Array:
        return kernels.activation_backward(self.activation, self.S, self.Y, dY, self.D)
