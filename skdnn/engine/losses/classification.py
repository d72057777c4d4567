"""Losses of labels: of yes-or-no questions, a score each, and of K classes, a score a class."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from scipy.special import expit

from skdnn.engine import kernels
from skdnn.engine.arrays import Array
from skdnn.engine.kernels import mean_over_rows
from skdnn.engine.losses.base import Loss

SMOOTHING = {"label_smoothing": "smoothing"}

# Two classes, or many yes-or-no labels ------------------------------------------------------------


@dataclass(frozen=True)
class LogisticCrossEntropy(Loss):
    """ℓ = Σₖ log(1 + exp(s)) - t s, t = (1 - ε) y + ε / 2; dS = p - t, p = 1 / (1 + exp(-s)).

    Targets y are 0 or 1, or between them (Bishop, 2006, eq. 5.22).

    Parameters
    ----------
    smoothing : float, default=0.0
        Label smoothing ε, in [0, 1) (Szegedy et al., 2016, sec. 7).

    Examples
    --------
    >>> LogisticCrossEntropy().predict(np.array([[0.0], [1000.0]])).tolist()
    [[0.5], [1.0]]
    """

    smoothing: float = 0.0
    hyperparameters: ClassVar[Mapping[str, str]] = SMOOTHING
    out_activation: ClassVar[str] = "logistic"

    def value_and_gradient(self, S: Array, T: Array, weight: Array | None, dS: Array) -> float:
        return kernels.logistic_cross_entropy(S, T, weight, self.smoothing, dS)


@dataclass(frozen=True)
class LogisticSquaredError(Loss):
    """ℓ = Σₖ (p - t)², p = 1 / (1 + exp(-s)), t = (1 - ε) y + ε / 2; dS = 2 (p - t) p (1 - p).

    That is ½ Σ (output - target)² over the two outputs p and 1 - p of a yes-or-no question
    (Rumelhart, Hinton and Williams, 1986, eq. 3; for probabilities, Brier, 1950).

    Parameters
    ----------
    smoothing : float, default=0.0
        Label smoothing ε, in [0, 1) (Szegedy et al., 2016, sec. 7).
    """

    smoothing: float = 0.0
    hyperparameters: ClassVar[Mapping[str, str]] = SMOOTHING
    out_activation: ClassVar[str] = "logistic"

    def value_and_gradient(self, S: Array, T: Array, weight: Array | None, dS: Array) -> float:
        P = expit(S)
        R = P - ((1.0 - self.smoothing) * T + 0.5 * self.smoothing)
        np.multiply(2.0 * R, P * (1.0 - P), out=dS)
        return mean_over_rows(R * R, weight, dS)


@dataclass(frozen=True)
class Hinge(Loss):
    """ℓ = Σₖ max(0, margin - t s), t = 2 y - 1 = ±1; dS = -t where t s ≤ margin, else 0.

    With margin 1 the support vector machine's (Cortes and Vapnik, 1995), with margin 0 the
    perceptron's (Rosenblatt, 1958).

    Parameters
    ----------
    margin : float
        Score beyond which a row costs nothing; not negative.
    """

    margin: float

    def value_and_gradient(self, S: Array, T: Array, weight: Array | None, dS: Array) -> float:
        sign = 2.0 * T - 1.0
        short = self.margin - sign * S
        np.copyto(dS, np.where(short >= 0, -sign, 0.0))
        return mean_over_rows(np.maximum(short, 0.0, out=short), weight, dS)


# One of K classes ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class SoftmaxCrossEntropy(Loss):
    """ℓ = -Σₖ tₖ log pₖ, p = softmax(s), t = (1 - ε) onehot(y) + ε / K; dS = p - t.

    Bridle (1990); Bishop (2006, eq. 4.108 and 4.109).

    Parameters
    ----------
    smoothing : float, default=0.0
        Label smoothing ε, in [0, 1) (Szegedy et al., 2016, sec. 7).

    Examples
    --------
    >>> S, dS = np.log([[1.0, 3.0]]), np.empty((1, 2))
    >>> value = SoftmaxCrossEntropy().value_and_gradient(S, np.array([1]), None, dS)
    >>> print(f"{np.exp(-value):.2f} {dS.round(2)}")
    0.75 [[ 0.25 -0.25]]
    """

    smoothing: float = 0.0
    hyperparameters: ClassVar[Mapping[str, str]] = SMOOTHING
    out_activation: ClassVar[str] = "softmax"

    def value_and_gradient(self, S: Array, T: Array, weight: Array | None, dS: Array) -> float:
        return kernels.softmax_cross_entropy(S, T, weight, self.smoothing, dS)


@dataclass(frozen=True)
class SoftmaxSquaredError(Loss):
    """ℓ = ½ Σₖ (pₖ - tₖ)², p = softmax(s); dS = p ⊙ (r - Σₖ rₖ pₖ), r = p - t.

    t = (1 - ε) onehot(y) + ε / K; half the score of Brier (1950).

    Parameters
    ----------
    smoothing : float, default=0.0
        Label smoothing ε, in [0, 1) (Szegedy et al., 2016, sec. 7).
    """

    smoothing: float = 0.0
    hyperparameters: ClassVar[Mapping[str, str]] = SMOOTHING
    out_activation: ClassVar[str] = "softmax"

    def value_and_gradient(self, S: Array, T: Array, weight: Array | None, dS: Array) -> float:
        P = self.predict(S)
        R = P - self.smoothing / S.shape[1]
        R[np.arange(len(S)), T] -= 1.0 - self.smoothing
        np.multiply(P, R - np.einsum("ik,ik->i", R, P)[:, None], out=dS)
        return mean_over_rows(0.5 * R * R, weight, dS)


@dataclass(frozen=True)
class MulticlassHinge(Loss):
    """ℓ = max(0, margin + s_j - s_y), j = argmaxₖ≠y sₖ (Crammer and Singer, 2001).

    dS = onehot(j) - onehot(y) where margin + s_j ≥ s_y, else 0.  With margin 0 the perceptron's.
    A class without rivals costs nothing.

    Parameters
    ----------
    margin : float
        Lead of s_y over its rivals beyond which a row costs nothing; not negative.
    """

    margin: float

    def value_and_gradient(self, S: Array, T: Array, weight: Array | None, dS: Array) -> float:
        if S.shape[1] == 1:
            dS.fill(0.0)
            return 0.0
        rows = np.arange(len(S))
        np.copyto(dS, S)
        dS[rows, T] = -np.inf
        rival = dS.argmax(axis=1)
        short = self.margin + S[rows, rival] - S[rows, T]
        dS.fill(0.0)
        wrong = (short >= 0).astype(S.dtype)
        dS[rows, rival] = wrong
        dS[rows, T] = -wrong
        return mean_over_rows(np.maximum(short, 0.0), weight, dS)


# Each name has a loss for yes-or-no questions and one for K classes.
YES_NO_LOSSES: dict[str, Loss] = {
    "log_loss": LogisticCrossEntropy(),
    "squared_error": LogisticSquaredError(),
    "hinge": Hinge(1.0),
    "perceptron": Hinge(0.0),
}
ONE_OF_K_LOSSES: dict[str, Loss] = {
    "log_loss": SoftmaxCrossEntropy(),
    "squared_error": SoftmaxSquaredError(),
    "hinge": MulticlassHinge(1.0),
    "perceptron": MulticlassHinge(0.0),
}
