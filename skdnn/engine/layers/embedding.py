"""Embeddings: some columns of X become several columns each, with parameters of their own.

The columns that are not embedded pass through unchanged and come first, in their order, then what
becomes of the embedded ones, in the order in which they are named.

Conventions are those of `skdnn.engine.layers`.  Here c is the number of columns that are embedded,
each into d = ``width`` columns; x of shape (m, c) are those of X, E of shape (m, c · d) those of Y.

Examples
--------
>>> from skdnn.engine.layers import PBLD
>>> layer = PBLD(3, columns=(2, 0), n_frequencies=16, width=4)
>>> layer.n_out, layer.origins.tolist()
(9, [1, 2, 2, 2, 2, 0, 0, 0, 0])
"""

from typing import Any, Protocol

import numpy as np

from skdnn.engine.arrays import Array
from skdnn.engine.layers.base import Parametric


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
