"""Dropout."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from scipy import sparse

from skdnn.engine import kernels
from skdnn.engine.arrays import Array
from skdnn.engine.layers.base import Layer, buffer


@dataclass
class Dropout(Layer):
    """Y = X ⊙ M, M = 1 / (1 - rate) with probability 1 - rate, else 0 (Srivastava et al., 2014).

    The identity at prediction; dX = dY ⊙ M.  The probability of keeping an entry is
    rounded to a multiple of 2⁻¹⁶, never to 0 or 1, and what is kept is multiplied by its inverse.
    Of a csr_array only stored entries can be dropped.  In training the rate is multiplied by
    `factor`, which is 1 at first and no part of the specification (see
    `Network.set_dropout_factor`).

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
