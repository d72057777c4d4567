"""Batch normalisation."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from skdnn.engine import kernels
from skdnn.engine.arrays import Array
from skdnn.engine.layers.base import Parametric, buffer
from skdnn.engine.parameters import Slot


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
        ε, keeps the division finite if a column is constant; positive.

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

    def bind(self, values: list[Any]) -> None:
        self.gamma, self.beta, self.mean, self.var = values

    def initialize(self, rng: np.random.Generator) -> None:
        self.gamma[:], self.beta[:] = 1.0, 0.0
        self.mean[:], self.var[:] = 0.0, 1.0

    def bind_gradient(self, gradients: list[Any], propagate: bool) -> None:
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
