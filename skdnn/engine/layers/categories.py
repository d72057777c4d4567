"""Embeddings of codes, by tables that are learned."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import sparse

from skdnn.engine.arrays import Array
from skdnn.engine.layers.base import buffer
from skdnn.engine.layers.embedding import Embedding
from skdnn.engine.parameters import Slot


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
