"""Layers: forward and backward side by side.

A layer is a specification (its fields), views of the parameter vector (after `bind`) and
buffers for one batch (after `allocate`).  *A layer may overwrite the gradient it is given,
never the input it is given.*  What `forward` and `backward` return is the layer's own
buffer, valid until its next call.  `infer` touches no buffer, so threads may share a layer.

Conventions
-----------
A batch has m rows, in every layer.  The members of an ensemble lie in the columns: k members of n
columns each are an array of shape (m, k · n), C-contiguous, so that what is shared by the members
sees (m · k, n) without a copy, and all that works by column or by entry works as it is.

What a layer is given (``X`` or ``S``) has shape (m, n_in), what it returns
(``Y``) shape (m, n_out), and each derivative the shape of what it is named after; n_in = n_out but
for `Dense`.  All are arrays of the network's dtype, float32 or float64; the first layer, if it is
`Dense` or `Dropout`, may be given a csr_array.  Fields are not checked.

Examples
--------
>>> import numpy as np
>>> from skdnn.engine.activations import Tanh
>>> layer = Activate(2, Tanh())
>>> layer.allocate(1, "float64", np.random.default_rng(0))
>>> layer.forward(np.array([[0.0, 1.0]])).round(3)
array([[0.   , 0.762]])
>>> layer.backward(np.array([[1.0, 1.0]])).round(3)
array([[1.  , 0.42]])
"""

from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol

import numpy as np
from scipy import sparse

from skdnn.engine import kernels
from skdnn.engine.activations import Activation, Identity
from skdnn.engine.arrays import Array
from skdnn.engine.initializers import BiasInitializer, Initializer, ZeroBias
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
        shared out over threads.
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

    def bind(self, values: list) -> None:
        """Take the views of the parameters, one a slot."""

    def initialize(self, rng: np.random.Generator) -> None:
        """Set the parameters to where training starts."""

    def bind_gradient(self, gradients: list, propagate: bool) -> None:
        """Take the views of the gradient, one a slot (None for a statistic).

        Without `propagate` no layer below has parameters, and `backward` may return None.
        """

    def limit_norms(self, max_norm: float) -> None:
        """Make the weights into a unit no longer than `max_norm`, if it has units."""
        return


class Affine(Parametric, Protocol):
    """A layer that can take over units of measurement: the first and the last of a network.

    ``scale`` and ``shift`` have shape (n_in,) for inputs, (n_out,) for outputs.  The methods change
    the parameters in place, in pairs of inverses.
    """

    def rescale_inputs(self, scale: Array, shift: Array) -> None:
        """Take from now on x instead of (x - shift) / scale."""

    def unscale_inputs(self, scale: Array, shift: Array) -> None:
        """Undo `rescale_inputs`."""

    def rescale_outputs(self, scale: Array, shift: Array) -> None:
        """Return from now on y scale + shift instead of y; without an activation only."""

    def unscale_outputs(self, scale: Array, shift: Array) -> None:
        """Undo `rescale_outputs`."""


def buffer() -> Any:
    """A field that is no part of a layer's specification: a view or a buffer."""
    return field(init=False, repr=False, compare=False)


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

    Notes
    -----
    Takes a sparse CSR batch as the first layer of a network.

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
        return Slot((self.n_in, self.n_out), "weights"), Slot((self.n_out,), "others")

    @property
    def work(self) -> int:
        return self.n_in * self.n_out

    @property
    def in_place(self) -> bool:
        """Whether Y takes the place of S."""
        return self.activation.from_output

    def bind(self, values: list) -> None:
        self.W, self.b = values

    def initialize(self, rng: np.random.Generator) -> None:
        weights, biases = rng.spawn(2)
        self.W[:] = self.init(weights, self.n_in, self.n_out)
        self.b[:] = self.bias_init(biases, self.n_in, self.n_out)

    def bind_gradient(self, gradients: list, propagate: bool) -> None:
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
        return self.dX

    def limit_norms(self, max_norm: float) -> None:
        """W[:, j] *= max_norm / ‖W[:, j]‖₂ for every unit j for which that is below 1.

        Srivastava et al. (2014, sec. 5.1).
        """
        norms = np.sqrt(np.einsum("ij,ij->j", self.W, self.W))
        self.W *= max_norm / np.maximum(norms, max_norm)

    def rescale_inputs(self, scale: Array, shift: Array) -> None:
        self.W /= scale[:, None]
        self.b -= shift @ self.W

    def unscale_inputs(self, scale: Array, shift: Array) -> None:
        self.b += shift @ self.W
        self.W *= scale[:, None]

    def rescale_outputs(self, scale: Array, shift: Array) -> None:
        self.W *= scale
        self.b *= scale
        self.b += shift

    def unscale_outputs(self, scale: Array, shift: Array) -> None:
        self.W /= scale
        self.b -= shift
        self.b /= scale


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


@dataclass
class BatchNorm(Parametric):
    """Y = γ Ŝ + β, Ŝ = (S - μ) / √(var + ε), μ and var of the batch (Ioffe and Szegedy, 2015).

    A batch of one row has no variance: Ŝ is 0, and the running statistics stay as they were.
    At prediction μ and var are the running statistics,
    ``running = (1 - momentum) running + momentum batch``, with the unbiased variance (Algorithms 1
    and 2 there; γ and running var start at 1, β and running μ at 0).

    Parameters
    ----------
    n_out : int
        Columns of S and of Y.
    momentum : float
        Weight of the newest batch in the running statistics, in (0, 1].
    epsilon : float, default=1e-5
        ε, keeps the division finite where a column is constant; positive.

    Examples
    --------
    >>> layer = BatchNorm(1, momentum=0.1)
    >>> layer.bind([np.empty(1) for slot in layer.slots])
    >>> layer.initialize(np.random.default_rng(0))
    >>> layer.allocate(2, "float64", np.random.default_rng(0))
    >>> layer.forward(np.array([[1.0], [3.0]])).round(3)
    array([[-1.],
           [ 1.]])
    >>> print(f"{layer.mean[0]:.2f} {layer.var[0]:.2f}")
    0.20 1.10
    """

    n_out: int
    momentum: float
    epsilon: float = 1e-5
    gamma: Array = buffer()
    beta: Array = buffer()
    mean: Array = buffer()
    var: Array = buffer()
    dgamma: Array = buffer()
    dbeta: Array = buffer()
    batch_mean: Array = buffer()
    batch_var: Array = buffer()
    sigma: Array = buffer()
    S_hat: Array = buffer()
    Y: Array = buffer()
    dS: Array = buffer()
    couples_rows: ClassVar[bool] = True

    @property
    def slots(self) -> tuple[Slot, ...]:
        shape = (self.n_out,)
        offset, statistic = Slot(shape, "others"), Slot(shape, "statistics")
        return offset, offset, statistic, statistic

    def bind(self, values: list) -> None:
        self.gamma, self.beta, self.mean, self.var = values

    def initialize(self, rng: np.random.Generator) -> None:
        self.gamma[:], self.beta[:] = 1.0, 0.0
        self.mean[:], self.var[:] = 0.0, 1.0

    def bind_gradient(self, gradients: list, propagate: bool) -> None:
        self.dgamma, self.dbeta, _, _ = gradients

    def allocate(self, m: int, dtype: Any, rng: np.random.Generator) -> None:
        self.S_hat = np.empty((m, self.n_out), dtype)
        self.Y, self.dS = np.empty_like(self.S_hat), np.empty_like(self.S_hat)
        self.batch_mean, self.batch_var = np.empty_like(self.gamma), np.empty_like(self.gamma)
        self.sigma = np.empty_like(self.gamma)

    def infer(self, S: Array, out: Array | None = None) -> Array:
        scale = self.gamma / np.sqrt(self.var + self.epsilon)
        Y = np.multiply(S, scale, out=out)
        Y += self.beta - self.mean * scale
        return Y

    def forward(self, S: Array) -> Array:
        kernels.batch_norm_forward(
            S, self.gamma, self.beta, self.epsilon,
            self.batch_mean, self.batch_var, self.sigma, self.S_hat, self.Y,
        )  # fmt: skip
        m = len(S)
        if m > 1:  # one row has no variance to learn from
            self.mean += self.momentum * (self.batch_mean - self.mean)
            self.var += self.momentum * (self.batch_var * (m / (m - 1)) - self.var)
        return self.Y

    def backward(self, dY: Array) -> Array:
        kernels.batch_norm_backward(
            dY, self.S_hat, self.sigma, self.gamma, self.dgamma, self.dbeta, self.dS
        )
        return self.dS


@dataclass
class Dropout(Layer):
    """Y = X ⊙ M, M = 1 / (1 - rate) with probability 1 - rate, else 0 (Srivastava et al., 2014).

    The identity at prediction; dX = dY ⊙ M.  The probability is rounded to 16 bits, away from 0
    and 1, and M is the inverse of the rounded one.  Of a csr_array only what is stored can be
    dropped.  In training `factor`, which is 1 at first and no part of the specification,
    multiplies the rate (see `Network.set_dropout_factor`).

    Parameters
    ----------
    n_out : int
        Columns of X and of Y.
    rate : float
        Share of the entries that are dropped, in [0, 1).

    Examples
    --------
    >>> layer = Dropout(4, rate=0.5)
    >>> layer.allocate(100, "float64", np.random.default_rng(0))
    >>> np.unique(layer.forward(np.ones((100, 4))))
    array([0., 2.])
    >>> layer.infer(np.ones((1, 4)))
    array([[1., 1., 1., 1.]])
    """

    n_out: int
    rate: float
    factor: float = buffer()
    rng: np.random.Generator = buffer()
    drawn_mask: Array = buffer()
    next_mask: Array | None = buffer()
    mask: Array = buffer()
    Y: Array = buffer()
    masks: ClassVar[bool] = True

    def __post_init__(self) -> None:
        self.factor = 1.0
        self.drawn_mask, self.next_mask = np.empty(0, np.float32), None

    @property
    def keep(self) -> int:
        """How many of the 2¹⁶ values of a draw keep an entry."""
        return min(max(round((1.0 - self.factor * self.rate) * 65536), 1), 65535)

    def allocate(self, m: int, dtype: Any, rng: np.random.Generator) -> None:
        self.rng = rng
        self.Y = np.empty((0, self.n_out), dtype)  # sparse input will need none

    def draw(self, m: int, dtype: Any, rng: np.random.Generator) -> Array:
        """Return a new mask of shape (m, n_out); valid until the next is drawn."""
        if len(self.drawn_mask) != m:
            self.drawn_mask = np.empty((m, self.n_out), dtype)
        kernels.dropout_mask(rng, self.keep, self.drawn_mask)
        return self.drawn_mask

    def infer(self, X: Any, out: Array | None = None) -> Any:
        return X

    def forward(self, X: Any) -> Any:
        if sparse.issparse(X):  # input dropout: only what is stored can be dropped
            mask = np.empty_like(X.data)
            kernels.dropout_mask(self.rng, self.keep, mask)
            return sparse.csr_array((X.data * mask, X.indices, X.indptr), shape=X.shape)
        if len(self.Y) != len(X):
            self.Y = np.empty((len(X), self.n_out), X.dtype)
        self.mask = (
            self.draw(len(X), X.dtype, self.rng) if self.next_mask is None else self.next_mask
        )
        self.next_mask = None
        np.multiply(X, self.mask, out=self.Y)
        return self.Y

    def backward(self, dY: Array) -> Array:
        dY *= self.mask
        return dY
