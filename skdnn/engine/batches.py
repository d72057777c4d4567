"""Batches of rows, gathered into reused buffers."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from scipy import sparse

from skdnn.engine import kernels
from skdnn.engine.tables import Array


class Batches:
    """The rows of a data set, some at a time.

    Parameters
    ----------
    X : ndarray of shape (n, n_in), C-contiguous, or csr_array
        Inputs in the network's dtype; never copied as a whole, never written to.
    Y : ndarray of shape (n,) or (n, k)
        Targets.
    weight : ndarray of shape (n,) or None
        Weights of the rows.
    batch_size : int
        Rows of a batch; the last one of an epoch may have fewer.
    rows : ndarray of int or None, default=None
        The rows of X to use; None is all of them.

    Examples
    --------
    >>> import numpy as np
    >>> batches = Batches(np.eye(5), np.arange(5), None, 2)
    >>> [Y.tolist() for X, Y, weight in batches.epoch()]
    [[0, 1], [2, 3], [4]]
    """

    def __init__(
        self, X: Any, Y: Array, weight: Array | None, batch_size: int, rows: Array | None = None
    ):
        self.X, self.Y, self.weight, self.rows = X, Y, weight, rows
        self.n = X.shape[0] if rows is None else len(rows)
        self.batch_size = min(batch_size, self.n)
        self._buffers = [None if A is None else self._buffer(A) for A in (X, Y, weight)]

    def _buffer(self, A: Any) -> Array | None:
        """Return a place for the rows of A, or None where A is sparse and makes its own."""
        return None if sparse.issparse(A) else np.empty((self.batch_size, *A.shape[1:]), A.dtype)

    def __len__(self) -> int:
        return -(-self.n // self.batch_size)

    def epoch(self, rng: np.random.Generator | None = None) -> Iterator[tuple[Any, Any, Any]]:
        """Yield (X, Y, weight) batch by batch, in the order of the rows or shuffled by `rng`.

        A batch is valid until the next one is asked for.
        """
        order = self.rows
        if rng is not None:
            order = rng.permutation(self.n) if order is None else order[rng.permutation(self.n)]
        for start in range(0, self.n, self.batch_size):
            stop = min(start + self.batch_size, self.n)
            yield self._take(slice(start, stop) if order is None else order[start:stop])

    def _take(self, rows: Any) -> tuple[Any, Any, Any]:
        if isinstance(rows, slice):
            return self.X[rows], self.Y[rows], None if self.weight is None else self.weight[rows]
        m = len(rows)
        parts = []
        for A, out in zip((self.X, self.Y, self.weight), self._buffers, strict=True):
            if out is None:
                parts.append(None if A is None else A[rows])
            else:
                out = out if m == self.batch_size else out[:m]
                kernels.gather(A, rows, out)
                parts.append(out)
        return tuple(parts)  # type: ignore[return-value]

    def weight_sum(self) -> float:
        """Return Σᵢ wᵢ over the rows in use."""
        if self.weight is None:
            return float(self.n)
        weight = self.weight if self.rows is None else self.weight[self.rows]
        return float(weight.sum(dtype=np.float64))
