"""Embeddings of numbers by waves, whose frequencies are learned.

All arrays have the columns that are embedded as their first axis and the rows of the batch as their
last: what is done column by column is one product of c matrices, and sine and cosine, which take
half of the time, run over long rows.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from skdnn.engine.arrays import Array
from skdnn.engine.layers.base import buffer
from skdnn.engine.layers.embedding import Embedding
from skdnn.engine.parameters import Slot


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
