"""Losses of numbers: r = s - y is what a score is off by."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from scipy.special import xlogy

from skdnn.engine.arrays import Array
from skdnn.engine.kernels import mean_over_rows
from skdnn.engine.losses.base import Loss, Range


@dataclass(frozen=True)
class SquaredError(Loss):
    """ℓ = ½ Σₖ rₖ²; dS = r (Bishop, 2006, eq. 5.14)."""

    relative: ClassVar[bool] = True
    standardised_by: ClassVar[str | None] = "moments"

    def value_and_gradient(self, S: Array, T: Array, weight: Array | None, dS: Array) -> float:
        np.subtract(S, T, out=dS)
        return mean_over_rows(0.5 * dS * dS, weight, dS)


@dataclass(frozen=True)
class AbsoluteError(Loss):
    """ℓ = Σₖ |rₖ|; dS = sign(r): its minimum is the median (Koenker and Bassett, 1978)."""

    relative: ClassVar[bool] = True
    standardised_by: ClassVar[str | None] = "quartiles"

    def value_and_gradient(self, S: Array, T: Array, weight: Array | None, dS: Array) -> float:
        R = S - T
        np.sign(R, out=dS)
        return mean_over_rows(np.abs(R, out=R), weight, dS)


@dataclass(frozen=True)
class Huber(Loss):
    """ℓ = Σₖ ½ rₖ² where |rₖ| ≤ δ, else δ (|rₖ| - ½ δ); dS = clip(r, -δ, δ) (Huber, 1964).

    Parameters
    ----------
    delta : float, default=1.35
        δ, the |r| at which the parabola becomes a line, in the units of y; positive.

    Examples
    --------
    >>> dS = np.empty((1, 1))
    >>> Huber(delta=2.0).value_and_gradient(np.array([[5.0]]), np.array([[0.0]]), None, dS)
    8.0
    """

    delta: float = 1.35
    hyperparameters: ClassVar[Mapping[str, str]] = {"huber_delta": "delta"}
    relative: ClassVar[bool] = True
    standardised_by: ClassVar[str | None] = "quartiles"

    def value_and_gradient(self, S: Array, T: Array, weight: Array | None, dS: Array) -> float:
        R = S - T
        np.clip(R, -self.delta, self.delta, out=dS)
        return mean_over_rows(dS * (R - 0.5 * dS), weight, dS)  # both pieces in one: dS is r, or ±δ


@dataclass(frozen=True)
class Quantile(Loss):
    """ℓ = Σₖ q (y - s)₊ + (1 - q) (s - y)₊: its minimum is the q-quantile.

    dS = 1 - q where s > y, -q where s < y, else 0 (Koenker and Bassett, 1978).

    Parameters
    ----------
    q : float, default=0.5
        In (0, 1).

    Examples
    --------
    >>> dS = np.empty((1, 1))
    >>> Quantile(0.75).value_and_gradient(np.array([[0.0]]), np.array([[2.0]]), None, dS)
    1.5
    """

    q: float = 0.5
    hyperparameters: ClassVar[Mapping[str, str]] = {"quantile": "q"}
    relative: ClassVar[bool] = True
    standardised_by: ClassVar[str | None] = "quartiles"

    def value_and_gradient(self, S: Array, T: Array, weight: Array | None, dS: Array) -> float:
        R = S - T
        np.copyto(dS, np.where(R > 0, 1.0 - self.q, np.where(R < 0, -self.q, 0.0)))
        R *= dS
        return mean_over_rows(R, weight, dS)


@dataclass(frozen=True)
class Poisson(Loss):
    """ℓ = Σₖ exp(s) - y s + y log y - y, half the Poisson deviance of μ = exp(s), y ≥ 0.

    dS = μ - y (McCullagh and Nelder, 1989, sec. 2.3); 0 log 0 = 0.
    """

    out_activation: ClassVar[str] = "exp"
    relative: ClassVar[bool] = True
    y_range: ClassVar[Range] = Range(low=0.0)

    def value_and_gradient(self, S: Array, T: Array, weight: Array | None, dS: Array) -> float:
        np.exp(S, out=dS)
        each = dS - T * S + (xlogy(T, T) - T)
        dS -= T
        return mean_over_rows(each, weight, dS)


@dataclass(frozen=True)
class Gamma(Loss):
    """ℓ = Σₖ y exp(-s) + s - log y - 1, half the gamma deviance of μ = exp(s), y > 0.

    dS = 1 - y / μ (McCullagh and Nelder, 1989, sec. 2.3).
    """

    out_activation: ClassVar[str] = "exp"
    relative: ClassVar[bool] = True
    y_range: ClassVar[Range] = Range(low=0.0, includes_low=False)

    def value_and_gradient(self, S: Array, T: Array, weight: Array | None, dS: Array) -> float:
        ratio = T * np.exp(-S)
        np.subtract(1.0, ratio, out=dS)
        return mean_over_rows(ratio + S - np.log(T) - 1.0, weight, dS)


REGRESSION_LOSSES: dict[str, Loss] = {
    "squared_error": SquaredError(),
    "absolute_error": AbsoluteError(),
    "huber": Huber(),
    "quantile": Quantile(),
    "poisson": Poisson(),
    "gamma": Gamma(),
}
