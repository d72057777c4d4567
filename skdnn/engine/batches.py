"""Batches of rows, gathered into reused buffers."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from scipy import sparse

from skdnn.engine import kernels
from skdnn.engine.arrays import Array

# Numbers that are gathered at once: small batches are cut from a block, which spares them calls.
BLOCK_NUMBERS = 2**14


@dataclass(frozen=True)
class Scaling:
    """X̃ = (X - shift) / scale, column by column.

    Parameters
    ----------
    shift : ndarray of shape (n_in,)
        What is subtracted from every column.  If it is zero, as for columns measured on a
        csr_array, a csr_array stays one, and only what it stores is scaled.
    scale : ndarray of shape (n_in,)
        What every column is divided by; positive.

    Examples
    --------
    >>> import numpy as np
    >>> scaling = Scaling(shift=np.array([10.0]), scale=np.array([2.0]))
    >>> scaling.apply(np.array([[10.0], [14.0]]))
    array([[0.],
           [2.]])
    """

    shift: Array
    scale: Array

    def apply(self, X: Any, out: Array | None = None) -> Any:
        """Return X̃ for some rows of X, in ``out``, which may be X itself, or new.

        A csr_array that has to be shifted, because the columns were measured on an array, is sparse
        no more.
        """
        if sparse.issparse(X) and self.shift.any():
            X = X.toarray()
        if sparse.issparse(X):
            data = X.data / self.scale.astype(X.dtype)[X.indices]
            return sparse.csr_array((data, X.indices, X.indptr), shape=X.shape)
        out = np.subtract(X, self.shift.astype(X.dtype), out=out)
        out /= self.scale.astype(out.dtype)
        return out


class Batch(NamedTuple):
    """Some rows that a step learns from; a NamedTuple, because there is one a step.

    Attributes
    ----------
    X : ndarray or csr_array of shape (m, n_in)
        Inputs.
    T : ndarray of shape (m,) or (m, k)
        Targets, as the loss wants them.
    weight : ndarray of shape (m,) or None
        Weights of the rows, positive in sum; None is all ones.
    total : float
        Σᵢ wᵢ, summed in float64 whatever the dtype of the weights is.

    Examples
    --------
    >>> import numpy as np
    >>> batch = Batch.of(np.eye(3), np.arange(3), np.array([1.0, 2.0, 0.5]))
    >>> batch.total
    3.5
    >>> batch.part(slice(1, 3)).total
    2.5
    """

    X: Any
    T: Array
    weight: Array | None
    total: float

    @classmethod
    def of(cls, X: Any, T: Array, weight: Array | None = None) -> "Batch":
        """Return these rows as a batch, their weights summed."""
        total = float(len(T)) if weight is None else float(weight.sum(dtype=np.float64))
        return cls(X, T, weight, total)

    def part(self, rows: slice) -> "Batch":
        """Return some of the rows as a batch, views of this one."""
        weight = None if self.weight is None else self.weight[rows]
        return Batch.of(self.X[rows], self.T[rows], weight)


class Batches:
    """The rows of a data set, some at a time.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_in), C-contiguous, or csr_array
        Inputs; never copied as a whole, never written to.
    T : ndarray of shape (n,) or (n, k), n ≥ 1
        Targets of the rows in use.
    weight : ndarray of shape (n,) or None
        Weights of the rows in use.
    batch_size : int
        Rows of a batch, at least 1, cut to n; the last one of an epoch may have fewer.
    rows : ndarray of int of shape (n,) or None, default=None
        The rows of X in use; None is all of them.
    dtype : dtype, default=None
        Dtype of the network, and so of the batches of X; None is the dtype of X.  A csr_array must
        have it already.
    scaling : Scaling or None, default=None
        What the columns of X go through; None leaves them as they are.

    Examples
    --------
    >>> import numpy as np
    >>> batches = Batches(np.eye(5), np.arange(4), None, 3, rows=np.array([0, 1, 2, 4]))
    >>> [(batch.X.argmax(axis=1).tolist(), batch.T.tolist()) for batch in batches.epoch()]
    [([0, 1, 2], [0, 1, 2]), ([4], [3])]

    The columns of X in units of their own:

    >>> scaling = Scaling(shift=np.array([10.0, 0.0]), scale=np.array([2.0, 1.0]))
    >>> batches = Batches(np.array([[10.0, 3.0], [14.0, 4.0]]), np.arange(2), None, 2, None, None,
    ...                   scaling)
    >>> next(batches.epoch()).X
    array([[0., 3.],
           [2., 4.]])
    """

    def __init__(
        self,
        X: Any,
        T: Array,
        weight: Array | None,
        batch_size: int,
        rows: Array | None = None,
        dtype: Any = None,
        scaling: Scaling | None = None,
    ):
        self.X, self.T, self.weight, self.rows, self.scaling = X, T, weight, rows, scaling
        self.n = len(T)
        self.batch_size = min(batch_size, self.n)
        width = max(1, *(math.prod(A.shape[1:]) for A in (X, T)))
        n_batches = 1 if sparse.issparse(X) else BLOCK_NUMBERS // (self.batch_size * width)
        self._block = self.batch_size * min(max(n_batches, 1), len(self))
        self._buffers = [self._buffer(X, dtype), self._buffer(T), self._buffer(weight)]

    def _buffer(self, A: Any, dtype: Any = None) -> Array | None:
        """Return a place for some rows of A, or None if A is sparse and makes its own."""
        if A is None or sparse.issparse(A):
            return None
        return np.empty((self._block, *A.shape[1:]), dtype or A.dtype)

    def __len__(self) -> int:
        return -(-self.n // self.batch_size)

    def epoch(self, rng: np.random.Generator | None = None) -> Iterator[Batch]:
        """Yield batch by batch, in the order of the rows or shuffled by `rng`.

        A batch is valid until the next one is asked for.  It may be a view of the data: only read
        it.

        Parameters
        ----------
        rng : Generator or None, default=None
            Where the order is drawn from; None is the order of the rows.

        Yields
        ------
        Batch
            m rows, m = ``batch_size`` but for the last ones.
        """
        order, full = None if rng is None else rng.permutation(self.n), float(self.batch_size)
        for start in range(0, self.n, self._block):
            some = slice(start, min(start + self._block, self.n))
            X, T, weight = self._take(some if order is None else order[some])
            if len(T) <= self.batch_size:
                yield Batch.of(X, T, weight)
                continue
            for first in range(0, len(T), self.batch_size):
                rows = slice(first, first + self.batch_size)
                if weight is None and rows.stop <= len(T):  # nothing to sum, and a call less
                    yield Batch(X[rows], T[rows], None, full)
                else:
                    yield Batch.of(X[rows], T[rows], None if weight is None else weight[rows])

    def _take(self, some: slice | Array) -> tuple[Any, Any, Any]:
        X_buffer, T_buffer, weight_buffer = self._buffers
        X = _rows_of(self.X, some if self.rows is None else self.rows[some], X_buffer)
        if self.scaling is not None:
            X = self.scaling.apply(X, None if X_buffer is None else X_buffer[: X.shape[0]])
        return (
            X,
            _rows_of(self.T, some, T_buffer),
            None if self.weight is None else _rows_of(self.weight, some, weight_buffer),
        )

    def weight_sum(self) -> float:
        """Return Σᵢ wᵢ over the rows in use."""
        return Batch.of(self.X, self.T, self.weight).total


def _rows_of(A: Any, rows: slice | Array, buffer: Array | None) -> Any:
    """Return some rows of A: a view if that will do, else gathered into the buffer."""
    if buffer is None:
        return A[rows]
    if isinstance(rows, slice):
        if A.dtype == buffer.dtype:
            return A[rows]
        out = buffer[: rows.stop - rows.start]
        out[...] = A[rows]
        return out
    out = buffer[: len(rows)]
    kernels.gather(A, rows, out)
    return out
