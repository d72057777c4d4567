"""Embeddings: some columns of X become several columns each, with parameters of their own.

The columns that are not embedded pass through unchanged and come first, in their order, then what
becomes of the embedded ones, in the order in which they are named.

Conventions are those of `skdnn.engine.layers`.  Here c is the number of columns that are embedded,
x of shape (c, m) has one of them in every row, and all that is done once a column is a product of
c matrices at once.

Examples
--------
>>> import numpy as np
>>> layer = PBLD(3, columns=(2, 0), n_frequencies=16, width=4)
>>> layer.n_out, layer.origins.tolist()
(9, [1, 2, 2, 2, 2, 0, 0, 0, 0])
"""

import math
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from scipy import sparse

from skdnn.engine.arrays import Array
from skdnn.engine.layers.base import Parametric, buffer
from skdnn.engine.parameters import Slot


def selector(columns: Array) -> Any:
    """Return what selects these columns: a slice, which makes no copy, if there is one.

    Examples
    --------
    >>> selector(np.array([2, 3, 4])), selector(np.array([0, 2]))
    (slice(2, 5, None), array([0, 2]))
    """
    if len(columns) and (np.diff(columns) == 1).all():
        return slice(int(columns[0]), int(columns[-1]) + 1)
    return columns


class Embedding(Parametric, Protocol):
    """Y = [X[:, others], e(X[:, columns])]: what all embeddings have in common.

    Attributes
    ----------
    n_in : int
        Columns of X.
    columns : tuple of int
        Those that are embedded, each once; at least one.
    width : int
        How many columns each of them becomes.
    n_passed : int
        How many columns pass through.
    """

    n_in: int
    columns: tuple[int, ...]
    width: int
    n_passed: int
    taken: Any
    passed: Any
    scratch: tuple[Array, ...]
    Y: Array
    dX: Array | None
    propagate: bool

    def __post_init__(self) -> None:
        others = np.setdiff1d(np.arange(self.n_in), self.columns)
        self.n_passed = len(others)
        self.passed, self.taken = selector(others), selector(np.array(self.columns, np.intp))

    @property
    def n_out(self) -> int:  # type: ignore[override]
        return self.n_passed + self.width * len(self.columns)

    @property
    def origins(self) -> Array:
        """The column of X that each column of Y comes from, shape (n_out,)."""
        others = np.setdiff1d(np.arange(self.n_in), self.columns)
        return np.concatenate([others, np.repeat(self.columns, self.width)]).astype(np.intp)

    def buffers(self, m: int, dtype: Any) -> tuple[Array, ...]:
        """Return new arrays that `embed` may write to, and `embed_backward` read."""

    def embed(self, x: Array, E: Array, *buffers: Array) -> None:
        """Write the embedded columns of m rows into E, x of shape (m, c)."""

    def embed_backward(self, dE: Array) -> Array | None:
        """Write the gradient of the parameters and return dx, (m, c), if it is asked for.

        May overwrite dE.
        """

    def allocate(self, m: int, dtype: Any, rng: np.random.Generator) -> None:
        self.Y = np.empty((m, self.n_out), dtype)
        self.dX = np.empty((m, self.n_in), dtype) if self.propagate else None
        self.scratch = self.buffers(m, dtype)

    def infer(self, X: Array, out: Array | None = None) -> Array:
        Y = np.empty((len(X), self.n_out), X.dtype) if out is None else out
        return self._assemble(X, Y, self.buffers(len(X), X.dtype))

    def forward(self, X: Array) -> Array:
        return self._assemble(X, self.Y, self.scratch)

    def _assemble(self, X: Array, Y: Array, buffers: tuple[Array, ...]) -> Array:
        Y[:, : self.n_passed] = X[:, self.passed]
        self.embed(X[:, self.taken], Y[:, self.n_passed :], *buffers)
        return Y

    def backward(self, dY: Array) -> Array | None:
        dx = self.embed_backward(dY[:, self.n_passed :])
        if self.dX is not None:
            self.dX[:, self.passed] = dY[:, : self.n_passed]
            self.dX[:, self.taken] = dx
        return self.dX


def by_column(E: Array, c: int) -> Array:
    """Return what each of c columns has become, as a view of shape (c, m, d) of E, (m, c · d)."""
    return E.reshape(len(E), c, E.shape[1] // c).transpose(1, 0, 2)


def column_sums(A: Array) -> Array:
    """Return 1ᵀ A, shape (n,), by a product, which is several times faster than a sum."""
    return np.dot(np.ones(len(A), A.dtype), A)


@dataclass
class PBLD(Embedding):
    """e(x) = [x, cos(2π w₁ x + b₁) W₂ + b₂], every column x with its own w₁, b₁, W₂ and b₂.

    "Periodic bias linear densenet" (Holzmüller, Grinsztajn and Steinwart, 2024, sec. 3, after
    Gorishniy, Rubachev and Babenko, 2022): so smooth a function of x with waves of its own lets a
    network fit what is irregular in single columns.

    Backwards, with φ = cos u, u = 2π w₁ x + b₁: dW₂ = φᵀ dz, db₂ = 1ᵀ dz, du = -(dz W₂ᵀ) ⊙ sin u,
    dw₁ = 2π xᵀ du, db₁ = 1ᵀ du, dx = 2π du w₁ᵀ + dY[x].  At first w₁ ~ N(0, std²), b₁ ~ U(-π, π),
    W₂ and b₂ ~ U(±1 / √n_frequencies).  A penalty shrinks W₂.

    Parameters
    ----------
    n_in : int
        Columns of X.
    columns : tuple of int
        Those that are embedded, each once; at least one.
    n_frequencies : int, default=16
        Length h of w₁.
    width : int, default=4
        Columns that each becomes, itself included; at least 2.
    std : float, default=0.1
        Standard deviation of the first frequencies, for columns of a spread of about 1.
    rate : float, default=0.1
        Factor of the learning rate of all its parameters.

    Notes
    -----
    w₁ and b₁ have shape (c, h), W₂ (c, h, width - 1), b₂ (c, width - 1).

    Examples
    --------
    >>> layer = PBLD(2, columns=(0,), n_frequencies=1, width=2)
    >>> layer.bind([np.array([[0.5]]), np.zeros((1, 1)), np.full((1, 1, 1), 3.0), np.zeros((1, 1))])
    >>> layer.infer(np.array([[1.0, 7.0]]))  # 3 cos(π)
    array([[ 7.,  1., -3.]])
    """

    n_in: int
    columns: tuple[int, ...]
    n_frequencies: int = 16
    width: int = 4
    std: float = 0.1
    rate: float = 0.1
    n_passed: int = buffer()
    taken: Any = buffer()
    passed: Any = buffer()
    propagate: bool = buffer()
    w1: Array = buffer()
    b1: Array = buffer()
    W2: Array = buffer()
    b2: Array = buffer()
    dw1: Array = buffer()
    db1: Array = buffer()
    dW2: Array = buffer()
    db2: Array = buffer()
    scratch: tuple[Array, ...] = buffer()
    Y: Array = buffer()
    dX: Array | None = buffer()

    @property
    def slots(self) -> tuple[Slot, ...]:
        c, h, d = len(self.columns), self.n_frequencies, self.width - 1
        wave, offset = Slot((c, h), "others", self.rate), Slot((c, d), "others", self.rate)
        return wave, wave, Slot((c, h, d), "weights", self.rate), offset

    @property
    def work(self) -> int:
        return len(self.columns) * self.n_frequencies * (self.width - 1)

    def bind(self, values: list[Any]) -> None:
        self.w1, self.b1, self.W2, self.b2 = values

    def initialize(self, rng: np.random.Generator) -> None:
        limit = 1.0 / math.sqrt(self.n_frequencies)
        self.w1[:] = rng.normal(0.0, self.std, self.w1.shape)
        self.b1[:] = rng.uniform(-math.pi, math.pi, self.b1.shape)
        self.W2[:] = rng.uniform(-limit, limit, self.W2.shape)
        self.b2[:] = rng.uniform(-limit, limit, self.b2.shape)

    def bind_gradient(self, gradients: list[Any], propagate: bool) -> None:
        self.dw1, self.db1, self.dW2, self.db2 = gradients
        self.propagate = propagate

    def buffers(self, m: int, dtype: Any) -> tuple[Array, ...]:
        """Return x and ones, (c, 2, m); u and φ, (c, h, m)."""
        c = len(self.columns)
        x_and_1 = np.ones((c, 2, m), dtype)
        u, phi = np.empty((2, c, self.n_frequencies, m), dtype)
        return x_and_1, u, phi

    def embed(self, x: Array, E: Array, *buffers: Array) -> None:
        x_and_1, u, phi = buffers
        x_and_1[:, 0] = x.T
        np.matmul(np.stack([2.0 * math.pi * self.w1, self.b1], axis=2), x_and_1, out=u)
        np.cos(u, out=phi)
        columns = by_column(E, len(self.columns))
        np.matmul(phi.transpose(0, 2, 1), self.W2, out=columns[:, :, 1:])
        columns[:, :, 0] = x.T
        offset = np.zeros((len(self.columns), self.width), E.dtype)
        offset[:, 1:] = self.b2
        E += offset.ravel()  # whole rows at once

    def embed_backward(self, dE: Array) -> Array | None:
        x_and_1, u, phi = self.scratch
        columns = by_column(dE, len(self.columns))
        dz = columns[:, :, 1:]
        np.matmul(phi, dz, out=self.dW2)
        self.db2[:] = column_sums(dE).reshape(-1, self.width)[:, 1:]
        minus_du = np.matmul(self.W2, dz.transpose(0, 2, 1), out=phi)
        minus_du *= np.sin(u, out=u)
        products = minus_du @ x_and_1.transpose(0, 2, 1)
        np.multiply(products[:, :, 0], -2.0 * math.pi, out=self.dw1)
        np.negative(products[:, :, 1], out=self.db1)
        if not self.propagate:
            return None
        dx = -2.0 * math.pi * self.w1[:, None, :] @ minus_du
        return (columns[:, :, 0] + dx[:, 0]).T


@dataclass
class PeriodicEmbedding(Embedding):
    """e(x) = σ([sin 2π w x, cos 2π w x] W + b), every column x with its own w, W and b.

    σ is ReLU or nothing ("PLR" and "PL" of Gorishniy, Rubachev and Babenko, 2022, sec. 3.3).

    Backwards, with φ = [sin u, cos u], u = 2π w x: dz = dY ⊙ [Y > 0], dW = φᵀ dz, db = 1ᵀ dz,
    [p, q] = dz Wᵀ, du = p ⊙ cos u - q ⊙ sin u, dw = 2π xᵀ du, dx = 2π du wᵀ.
    At first w ~ N(0, std²), W and b ~ U(±1 / √(2 n_frequencies)).  A penalty shrinks W.

    Parameters
    ----------
    n_in : int
        Columns of X.
    columns : tuple of int
        Those that are embedded, each once; at least one.
    n_frequencies : int, default=16
        Length h of w.
    width : int, default=8
        Columns that each becomes.
    std : float, default=0.1
        Standard deviation of the first frequencies, for columns of a spread of about 1.
    rate : float, default=1.0
        Factor of the learning rate of all its parameters.
    rectify : bool, default=True
        Whether σ is ReLU.

    Notes
    -----
    w has shape (c, h), W (c, 2 h, width), b (c, width).

    Examples
    --------
    >>> layer = PeriodicEmbedding(1, columns=(0,), n_frequencies=1, width=1)
    >>> layer.bind([np.array([[0.25]]), np.array([[[3.0], [5.0]]]), np.array([[0.5]])])
    >>> layer.infer(np.array([[1.0], [-1.0]]))  # 3 sin(±π/2) + 5 cos(±π/2) + 0.5
    array([[3.5],
           [0. ]])
    """

    n_in: int
    columns: tuple[int, ...]
    n_frequencies: int = 16
    width: int = 8
    std: float = 0.1
    rate: float = 1.0
    rectify: bool = True
    n_passed: int = buffer()
    taken: Any = buffer()
    passed: Any = buffer()
    propagate: bool = buffer()
    w: Array = buffer()
    W: Array = buffer()
    b: Array = buffer()
    dw: Array = buffer()
    dW: Array = buffer()
    db: Array = buffer()
    scratch: tuple[Array, ...] = buffer()
    Y: Array = buffer()
    dX: Array | None = buffer()

    @property
    def slots(self) -> tuple[Slot, ...]:
        c, h, d = len(self.columns), self.n_frequencies, self.width
        wave, offset = Slot((c, h), "others", self.rate), Slot((c, d), "others", self.rate)
        return wave, Slot((c, 2 * h, d), "weights", self.rate), offset

    @property
    def work(self) -> int:
        return len(self.columns) * 2 * self.n_frequencies * self.width

    def bind(self, values: list[Any]) -> None:
        self.w, self.W, self.b = values

    def initialize(self, rng: np.random.Generator) -> None:
        limit = 1.0 / math.sqrt(2 * self.n_frequencies)
        self.w[:] = rng.normal(0.0, self.std, self.w.shape)
        self.W[:] = rng.uniform(-limit, limit, self.W.shape)
        self.b[:] = rng.uniform(-limit, limit, self.b.shape)

    def bind_gradient(self, gradients: list[Any], propagate: bool) -> None:
        self.dw, self.dW, self.db = gradients
        self.propagate = propagate

    def buffers(self, m: int, dtype: Any) -> tuple[Array, ...]:
        """Return x, (c, 1, m); φ and [p, q], (c, 2 h, m)."""
        c = len(self.columns)
        phi, pq = np.empty((2, c, 2 * self.n_frequencies, m), dtype)
        return np.empty((c, 1, m), dtype), phi, pq

    def embed(self, x: Array, E: Array, *buffers: Array) -> None:
        x_row, phi, _ = buffers
        sin, cos = np.split(phi, 2, axis=1)
        x_row[:, 0] = x.T
        u = np.multiply(2.0 * math.pi * self.w[:, :, None], x_row, out=cos)
        np.sin(u, out=sin)
        np.cos(u, out=cos)
        np.matmul(phi.transpose(0, 2, 1), self.W, out=by_column(E, len(self.columns)))
        E += self.b.ravel()
        if self.rectify:
            np.maximum(E, 0.0, out=E)

    def embed_backward(self, dE: Array) -> Array | None:
        x_row, phi, pq = self.scratch
        if self.rectify:
            dE *= self.Y[:, self.n_passed :] > 0.0
        dz = by_column(dE, len(self.columns))
        np.matmul(phi, dz, out=self.dW)
        self.db[:] = column_sums(dE).reshape(self.db.shape)
        np.matmul(self.W, dz.transpose(0, 2, 1), out=pq)
        (sin, cos), (p, q) = np.split(phi, 2, axis=1), np.split(pq, 2, axis=1)
        p *= cos
        q *= sin
        du = np.subtract(p, q, out=p)
        np.multiply((du @ x_row.transpose(0, 2, 1))[:, :, 0], 2.0 * math.pi, out=self.dw)
        return (2.0 * math.pi * self.w[:, None, :] @ du)[:, 0].T if self.propagate else None


@dataclass
class CategoryEmbedding(Embedding):
    """e(x) = T[x], a learned vector for each code x of a column, from a table of its own.

    Backwards dT = Hᵀ dY, H the one-hot matrix of the codes: the sum of dY over the rows with a code
    (Guo and Berkhahn, 2016).  Codes have no derivative.  At first T ~ N(0, std²).  A penalty does
    not shrink T, which would forget what is rare.

    Parameters
    ----------
    n_in : int
        Columns of X.
    columns : tuple of int
        Those that hold codes, each once; at least one.
    n_codes : tuple of int
        Number of codes of every such column: whole numbers from 0 to n_codes[j] - 1, as floats,
        which a float32 holds up to 2²⁴.  Values are not checked.
    width : int, default=8
        Length of the vectors.  For columns with vectors of other lengths there may be another such
        layer after this one.
    zero : bool, default=True
        Whether the vector of code 0, which stands for a missing or an unknown value, is and stays
        zero.
    std : float, default=1.0
        Standard deviation of the first vectors.
    rate : float, default=1.0
        Factor of the learning rate of the tables.

    Notes
    -----
    T, of shape (Σ n_codes, width), holds one table below the other.

    Examples
    --------
    >>> layer = CategoryEmbedding(2, columns=(1,), n_codes=(3,), width=2)
    >>> layer.bind([np.array([[0.0, 0.0], [1.0, 2.0], [3.0, 4.0]])])
    >>> layer.infer(np.array([[7.0, 2.0], [8.0, 0.0]]))
    array([[7., 3., 4.],
           [8., 0., 0.]])
    """

    n_in: int
    columns: tuple[int, ...]
    n_codes: tuple[int, ...]
    width: int = 8
    zero: bool = True
    std: float = 1.0
    rate: float = 1.0
    n_passed: int = buffer()
    taken: Any = buffer()
    passed: Any = buffer()
    first: Array = buffer()
    propagate: bool = buffer()
    T: Array = buffer()
    dT: Array = buffer()
    scratch: tuple[Array, ...] = buffer()
    Y: Array = buffer()
    dX: Array | None = buffer()

    def __post_init__(self) -> None:
        super().__post_init__()
        self.first = np.cumsum([0, *self.n_codes[:-1]])  # row of T that code 0 of a column has

    @property
    def tables(self) -> list[Array]:
        """The tables, views of shape (n_codes[j], width)."""
        return np.split(self.T, self.first[1:])

    @property
    def slots(self) -> tuple[Slot, ...]:
        return (Slot((sum(self.n_codes), self.width), "others", self.rate),)

    def bind(self, values: list[Any]) -> None:
        (self.T,) = values

    def initialize(self, rng: np.random.Generator) -> None:
        self.T[:] = rng.normal(0.0, self.std, self.T.shape)
        if self.zero:
            self.T[self.first] = 0.0

    def bind_gradient(self, gradients: list[Any], propagate: bool) -> None:
        (self.dT,) = gradients
        self.propagate = propagate

    def buffers(self, m: int, dtype: Any) -> tuple[Array, ...]:
        """Return the rows of T that each row of X wants, (m, c)."""
        return (np.empty((m, len(self.columns)), np.intp),)

    def embed(self, x: Array, E: Array, *buffers: Array) -> None:
        (rows,) = buffers
        np.copyto(rows, x, casting="unsafe")
        rows += self.first
        # "clip" only spares numpy the checking
        np.take(self.T, rows, axis=0, out=E.reshape(*rows.shape, self.width), mode="clip")

    def embed_backward(self, dE: Array) -> Array | None:
        (rows,) = self.scratch
        ends = np.arange(rows.size + 1)
        shape = rows.size, len(self.T)
        H = sparse.csr_array((np.ones(rows.size, dE.dtype), rows.ravel(), ends), shape=shape)
        self.dT[:] = H.T @ dE.reshape(rows.size, self.width)
        if self.zero:
            self.dT[self.first] = 0.0
        return np.zeros(rows.shape, dE.dtype) if self.propagate else None
