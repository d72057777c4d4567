"""An ensemble in one network: k members that share their hidden layers (TabM-mini).

The members lie side by side in the columns, (m, k · n), as `skdnn.engine.layers` says.
`MemberScale` makes k versions of every row, `SharedDense` treats the members alike, as activations
and dropout do anyway, `MemberDense` gives each a head of its own, and the loss is
`skdnn.engine.losses.MeanOverMembers` (Gorishniy, Kotelnikov and Babenko, 2025, sec. 3).  Batch norm
has statistics of its own for every member.

Examples
--------
Eight members of two hidden layers, for a score each:

>>> import numpy as np
>>> from skdnn.engine.activations import ReLU
>>> from skdnn.engine.initializers import get_initializer
>>> from skdnn.engine.network import Network
>>> init = get_initializer("he_uniform")
>>> layers = [
...     MemberScale(5, k=8),
...     SharedDense(8, 5, 16, init, ReLU()),
...     SharedDense(8, 16, 16, init, ReLU()),
...     MemberDense(8, 16, 1, init),
... ]
>>> network = Network(layers, "float32")
>>> network.initialize(np.random.default_rng(0))
>>> network.infer(np.ones((3, 5), "float32")).shape
(3, 8)
>>> network.parameters.values.size == 8 * 5 + (5 + 1) * 16 + (16 + 1) * 16 + 8 * (16 + 1)
True
"""

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
from skdnn.engine.layers.base import Affine, Parametric, buffer
from skdnn.engine.layers.dense import Dense
from skdnn.engine.parameters import Slot


@dataclass
class MemberScale(Parametric):
    """Y⁽ʲ⁾ = X ⊙ rⱼ: every member sees the row scaled by factors of its own.

    Backwards drⱼ = 1ᵀ(dY⁽ʲ⁾ ⊙ X), dX = Σⱼ dY⁽ʲ⁾ ⊙ rⱼ.  At first every factor is 1 or -1 at random,
    which is what makes the members differ.  A penalty does not shrink them.

    Parameters
    ----------
    n_in : int
        Columns n of X; Y has k · n.
    k : int
        Number of members.
    groups : tuple of int or None, default=None
        A label for every column; columns with the same label, such as all that a feature has been
        encoded to (`Embedding.origins`), start with the same sign.  None is a sign a column.
    rate : float, default=1.0
        Factor of the learning rate of r.

    Examples
    --------
    >>> layer = MemberScale(2, k=2)
    >>> layer.bind([np.array([[1.0, 1.0], [1.0, -1.0]])])
    >>> layer.infer(np.array([[3.0, 5.0]]))
    array([[ 3.,  5.,  3., -5.]])
    """

    n_in: int
    k: int
    groups: tuple[int, ...] | None = None
    rate: float = 1.0
    r: Array = buffer()
    dr: Array = buffer()
    X: Array = buffer()
    Y: Array = buffer()
    D: Array = buffer()
    dX: Array | None = buffer()
    ones: Array = buffer()
    propagate: bool = buffer()

    @property
    def n_out(self) -> int:  # type: ignore[override]
        return self.k * self.n_in

    @property
    def slots(self) -> tuple[Slot, ...]:
        return (Slot((self.k, self.n_in), "others", self.rate),)

    def bind(self, values: list[Any]) -> None:
        (self.r,) = values

    def initialize(self, rng: np.random.Generator) -> None:
        groups = np.arange(self.n_in) if self.groups is None else self.groups
        labels, of_column = np.unique(groups, return_inverse=True)
        self.r[:] = rng.choice([-1.0, 1.0], (self.k, len(labels)))[:, of_column]

    def bind_gradient(self, gradients: list[Any], propagate: bool) -> None:
        (self.dr,) = gradients
        self.propagate = propagate

    def allocate(self, m: int, dtype: Any, rng: np.random.Generator) -> None:
        self.Y = np.empty((m, self.n_out), dtype)
        self.D, self.ones = np.empty_like(self.Y), np.ones(m, dtype)
        self.dX = np.empty((m, self.n_in), dtype) if self.propagate else None

    def infer(self, X: Array, out: Array | None = None) -> Array:
        Y = np.empty((len(X), self.n_out), X.dtype) if out is None else out
        np.multiply(X[:, None, :], self.r, out=self._by_member(Y))
        return Y

    def _by_member(self, A: Array) -> Array:
        return A.reshape(len(A), self.k, self.n_in)

    def forward(self, X: Array) -> Array:
        self.X = X
        return self.infer(X, self.Y)

    def backward(self, dY: Array) -> Array | None:
        if self.dX is not None:
            np.multiply(dY, self.r.ravel(), out=self.D)
            self._by_member(self.D).sum(axis=1, out=self.dX)
        by_member = self._by_member(dY)
        by_member *= self.X[:, None, :]
        np.dot(self.ones, dY, out=self.dr.reshape(-1))  # faster than a sum over rows
        return self.dX


@dataclass
class SharedDense(Parametric):
    """Y⁽ʲ⁾ = σ(X⁽ʲ⁾ W + b): the same dense layer for all members.

    To `Dense`, whose equations these are, the members of m rows are m · k rows.

    Parameters
    ----------
    k : int
        Number of members.
    n_in, n_units : int
        Columns of X⁽ʲ⁾ and of Y⁽ʲ⁾.
    init : Initializer
        Draws W.
    activation : Activation, default=Identity()
        σ.
    bias_init : BiasInitializer, default=ZeroBias()
        Draws b.
    weight_rate, bias_rate : float, default=1.0
        Factors of the learning rates of W and of b.

    Examples
    --------
    >>> from skdnn.engine.initializers import Zeros
    >>> layer = SharedDense(2, 2, 1, Zeros())
    >>> layer.bind([np.array([[2.0], [3.0]]), np.array([1.0])])
    >>> layer.infer(np.array([[1.0, 10.0, 0.0, 0.0]]))
    array([[33.,  1.]])
    """

    k: int
    n_in: int
    n_units: int
    init: Initializer
    activation: Activation = Identity()
    bias_init: BiasInitializer = ZeroBias()
    weight_rate: float = 1.0
    bias_rate: float = 1.0
    dense: Dense = buffer()

    def __post_init__(self) -> None:
        self.dense = Dense(
            self.n_in, self.n_units, self.init, self.activation, self.bias_init,
            self.weight_rate, self.bias_rate,
        )  # fmt: skip

    @property
    def n_out(self) -> int:  # type: ignore[override]
        return self.k * self.n_units

    @property
    def slots(self) -> tuple[Slot, ...]:
        return self.dense.slots

    @property
    def work(self) -> int:
        return self.k * self.dense.work

    def bind(self, values: list[Any]) -> None:
        self.dense.bind(values)

    def initialize(self, rng: np.random.Generator) -> None:
        self.dense.initialize(rng)

    def initialize_from_data(self, X: Array, rng: np.random.Generator) -> None:
        self.dense.initialize_from_data(self._as_rows(X), rng)

    def bind_gradient(self, gradients: list[Any], propagate: bool) -> None:
        self.dense.bind_gradient(gradients, propagate)

    def limit_norms(self, max_norm: float) -> None:
        self.dense.limit_norms(max_norm)

    def allocate(self, m: int, dtype: Any, rng: np.random.Generator) -> None:
        self.dense.allocate(m * self.k, dtype, rng)

    def _as_rows(self, A: Array) -> Array:
        """Return the members of every row as rows."""
        return A.reshape(len(A) * self.k, A.shape[1] // self.k)

    def _as_members(self, A: Array) -> Array:
        """Return the members of every row side by side again."""
        return A.reshape(len(A) // self.k, self.k * A.shape[1])

    def infer(self, X: Array, out: Array | None = None) -> Array:
        Y = self.dense.infer(self._as_rows(X), None if out is None else self._as_rows(out))
        return self._as_members(Y)

    def preactivation(self, X: Array) -> Array:
        return self._as_members(self.dense.preactivation(self._as_rows(X)))

    def forward(self, X: Array) -> Array:
        return self._as_members(self.dense.forward(self._as_rows(X)))

    def backward(self, dY: Array) -> Array | None:
        dX = self.dense.backward(self._as_rows(dY))
        return None if dX is None else self._as_members(dX)


@dataclass
class MemberDense(Affine):
    """Y⁽ʲ⁾ = σ(S⁽ʲ⁾), S⁽ʲ⁾ = X⁽ʲ⁾ Wⱼ + bⱼ: a dense layer of its own for every member.

    Backwards `Dense`'s equations, member by member, in a product of k matrices at once.

    Parameters
    ----------
    k : int
        Number of members.
    n_in, n_units : int
        Columns of X⁽ʲ⁾ and of Y⁽ʲ⁾.
    init : Initializer
        Draws each Wⱼ.
    activation : Activation, default=Identity()
        σ.
    bias_init : BiasInitializer, default=ZeroBias()
        Draws each bⱼ.
    weight_rate, bias_rate : float, default=1.0
        Factors of the learning rates of W and of b.

    Notes
    -----
    W has shape (k, n_in, n_units), b (k, n_units).  Units of measurement, of shape (n_in,) and
    (n_units,), are those of every member.

    Examples
    --------
    >>> from skdnn.engine.initializers import Zeros
    >>> layer = MemberDense(2, 1, 1, Zeros())
    >>> layer.bind([np.array([[[2.0]], [[3.0]]]), np.array([[0.0], [1.0]])])
    >>> layer.infer(np.array([[10.0, 10.0]]))
    array([[20., 31.]])
    """

    k: int
    n_in: int
    n_units: int
    init: Initializer
    activation: Activation = Identity()
    bias_init: BiasInitializer = ZeroBias()
    weight_rate: float = 1.0
    bias_rate: float = 1.0
    W: Array = buffer()
    b: Array = buffer()
    dW: Array = buffer()
    db: Array = buffer()
    X: Array = buffer()
    S: Array = buffer()
    Y: Array = buffer()
    D: Array = buffer()
    dX: Array | None = buffer()
    ones: Array = buffer()
    propagate: bool = buffer()

    @property
    def n_out(self) -> int:  # type: ignore[override]
        return self.k * self.n_units

    @property
    def slots(self) -> tuple[Slot, ...]:
        weights = Slot((self.k, self.n_in, self.n_units), "weights", self.weight_rate)
        return weights, Slot((self.k, self.n_units), "others", self.bias_rate)

    @property
    def work(self) -> int:
        return self.k * self.n_in * self.n_units

    def bind(self, values: list[Any]) -> None:
        self.W, self.b = values

    def initialize(self, rng: np.random.Generator) -> None:
        for W, b, stream in zip(self.W, self.b, rng.spawn(self.k), strict=True):
            weights, biases = stream.spawn(2)
            W[:] = self.init(weights, self.n_in, self.n_units)
            b[:] = self.bias_init(biases, self.n_in, self.n_units)

    def initialize_from_data(self, X: Array, rng: np.random.Generator) -> None:
        for W, b, X_j in zip(self.W, self.b, self._members(X), strict=True):
            factor, b[:] = from_preactivations(X_j @ W, rng)
            W *= factor

    def bind_gradient(self, gradients: list[Any], propagate: bool) -> None:
        self.dW, self.db = gradients
        self.propagate = propagate

    def allocate(self, m: int, dtype: Any, rng: np.random.Generator) -> None:
        self.Y, self.S, self.D = np.empty((3, m, self.n_out), dtype)
        self.dX = np.empty((m, self.k * self.n_in), dtype) if self.propagate else None
        self.ones = np.ones(m, dtype)

    def _members(self, A: Array) -> Array:
        """Return the members one after the other, a view of shape (k, m, n)."""
        return A.reshape(len(A), self.k, A.shape[1] // self.k).transpose(1, 0, 2)

    def preactivation(self, X: Array) -> Array:
        return self._sums(X, np.empty((len(X), self.n_out), self.W.dtype))

    def _sums(self, X: Array, S: Array) -> Array:
        np.matmul(self._members(X), self.W, out=self._members(S))
        S += self.b.ravel()
        return S

    def infer(self, X: Array, out: Array | None = None) -> Array:
        S = self.preactivation(X)
        Y = np.empty_like(S) if out is None else out
        self.activation.forward(S, Y)
        return Y

    def forward(self, X: Array) -> Array:
        self.X = X
        self.activation.forward(self._sums(X, self.S), self.Y)
        return self.Y

    def backward(self, dY: Array) -> Array | None:
        dS = kernels.activation_backward(self.activation, self.S, self.Y, dY, self.D)
        np.matmul(self._members(self.X).transpose(0, 2, 1), self._members(dS), out=self.dW)
        np.dot(self.ones, dS, out=self.db.reshape(-1))  # faster than a sum over rows
        if self.dX is not None:
            self._pull_back(dS, self._members(self.dX))
        return self.dX

    def _pull_back(self, dS: Array, dX: Array) -> None:
        """dX⁽ʲ⁾ = dS⁽ʲ⁾ Wⱼᵀ; the product of a column and a row is a slow one in numpy."""
        if self.n_units == 1:
            np.multiply(dS.T[:, :, None], self.W.transpose(0, 2, 1), out=dX)
        else:
            np.matmul(self._members(dS), self.W.transpose(0, 2, 1).copy(), out=dX)
