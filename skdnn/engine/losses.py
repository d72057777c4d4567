"""Losses on raw scores.

Conventions
-----------
A network ends in raw scores S of shape (m, k); a loss owns the output activation (the
inverse link) that turns them into predictions.  ``value_and_gradient(S, Y, weight, dS)``
returns L = Σᵢ wᵢ ℓᵢ / Σᵢ wᵢ, the weighted mean over the rows of what the docstring of each loss
calls ℓ, and writes ∂L/∂S into ``dS``; a weight of None is all ones.

Targets ``Y`` are numbers of shape (m, k), or labels 0 … K-1 of shape (m,) where the outputs
of a row compete (softmax).  Everything is computed by log-sum-exp, nothing by clipping
probabilities.

S, dS, and Y where it has shape (m, k), are of one dtype, float32 or float64; weight has shape
(m,), no negative entry and a positive sum.  Each docstring gives ℓ of a row and its derivative
``dS`` before the mean is taken; sums are over the k columns, ``r = s - y``.  Targets and
parameters are not checked: outside the ranges given the numbers mean nothing.

Examples
--------
>>> import numpy as np
>>> S, Y = np.array([[0.0], [4.0]]), np.array([[1.0], [1.0]])
>>> dS = np.empty_like(S)
>>> SquaredError().value_and_gradient(S, Y, None, dS)
2.5
>>> dS
array([[-0.5],
       [ 1.5]])

All losses on numbers, on the same scores and targets:

>>> for loss in (
...     SquaredError(), AbsoluteError(), Huber(1.0), Quantile(0.9), Poisson(), Gamma(),
...     LogisticCrossEntropy(), LogisticSquaredError(), Hinge(1.0),
... ):
...     value = loss.value_and_gradient(S, Y, None, dS)
...     print(f"{type(loss).__name__:20} {value:7.4f} {dS[0, 0]:7.4f} {dS[1, 0]:7.4f}")
SquaredError          2.5000 -0.5000  1.5000
AbsoluteError         2.0000 -0.5000  0.5000
Huber                 1.5000 -0.5000  0.5000
Quantile              0.6000 -0.4500  0.0500
Poisson              24.7991  0.0000 26.7991
Gamma                 1.5092  0.0000  0.4908
LogisticCrossEntropy  0.3556 -0.2500 -0.0090
LogisticSquaredError  0.1252 -0.1250 -0.0003
Hinge                 0.5000 -0.5000  0.0000

And on labels:

>>> S, y = np.array([[2.0, 0.0, 1.0], [0.0, 1.0, 0.0]]), np.array([0, 2])
>>> dS = np.empty_like(S)
>>> for loss in (SoftmaxCrossEntropy(), SoftmaxSquaredError(), MulticlassHinge(1.0)):
...     value = loss.value_and_gradient(S, y, None, dS)
...     print(f"{type(loss).__name__:20} {value:7.4f} {dS[1].round(2)}")
SoftmaxCrossEntropy   0.9795 [ 0.11  0.29 -0.39]
SoftmaxSquaredError   0.2945 [ 0.    0.11 -0.11]
MulticlassHinge       1.0000 [ 0.   0.5 -0.5]
"""

from dataclasses import dataclass
from typing import ClassVar, Protocol

import numpy as np
from scipy.special import expit, xlogy

from skdnn.engine import kernels
from skdnn.engine.arrays import Array
from skdnn.engine.kernels import mean_over_rows


class Loss(Protocol):
    """What a network is trained to make small.

    Attributes
    ----------
    out_activation : {"identity", "logistic", "softmax", "exp"}
        Name of the inverse link.
    relative : bool
        Whether an improvement counts as a share of the loss, which is in the units of y or of their
        square and 0 at best, or by itself.
    standardised_by : {"moments", "quartiles"} or None
        Which centre and scale of y a network may be trained in units of: those that weigh outliers
        as the loss does.  None if there are no such units, or the minimum does not move with y.
    """

    out_activation: ClassVar[str]
    relative: ClassVar[bool]
    standardised_by: ClassVar[str | None]

    def predict(self, S: Array) -> Array:
        """Return the prediction that belongs to the raw scores, in a new array or S itself."""

    def value_and_gradient(self, S: Array, Y: Array, weight: Array | None, dS: Array) -> float:
        """Return the weighted mean of ℓ over the rows and write its derivative into dS."""


# Regression ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class SquaredError:
    """ℓ = ½ Σₖ rₖ²; dS = r (Bishop, 2006, eq. 5.14)."""

    out_activation: ClassVar[str] = "identity"
    relative: ClassVar[bool] = True
    standardised_by: ClassVar[str | None] = "moments"

    def predict(self, S: Array) -> Array:
        return S

    def value_and_gradient(self, S: Array, Y: Array, weight: Array | None, dS: Array) -> float:
        np.subtract(S, Y, out=dS)
        return mean_over_rows(0.5 * dS * dS, weight, dS)


@dataclass(frozen=True)
class AbsoluteError:
    """ℓ = Σₖ |rₖ|; dS = sign(r): its minimum is the median (Koenker and Bassett, 1978)."""

    out_activation: ClassVar[str] = "identity"
    relative: ClassVar[bool] = True
    standardised_by: ClassVar[str | None] = "quartiles"

    def predict(self, S: Array) -> Array:
        return S

    def value_and_gradient(self, S: Array, Y: Array, weight: Array | None, dS: Array) -> float:
        R = S - Y
        np.sign(R, out=dS)
        return mean_over_rows(np.abs(R, out=R), weight, dS)


@dataclass(frozen=True)
class Huber:
    """ℓ = Σₖ ½ rₖ² where |rₖ| ≤ δ, else δ (|rₖ| - ½ δ); dS = clip(r, -δ, δ) (Huber, 1964).

    Parameters
    ----------
    delta : float
        δ, where the parabola goes over into a line, in the units of y; positive.

    Examples
    --------
    >>> dS = np.empty((1, 1))
    >>> Huber(delta=2.0).value_and_gradient(np.array([[5.0]]), np.array([[0.0]]), None, dS)
    8.0
    """

    delta: float
    out_activation: ClassVar[str] = "identity"
    relative: ClassVar[bool] = True
    standardised_by: ClassVar[str | None] = "quartiles"

    def predict(self, S: Array) -> Array:
        return S

    def value_and_gradient(self, S: Array, Y: Array, weight: Array | None, dS: Array) -> float:
        R = S - Y
        np.clip(R, -self.delta, self.delta, out=dS)
        return mean_over_rows(dS * (R - 0.5 * dS), weight, dS)  # both pieces in one: dS is r, or ±δ


@dataclass(frozen=True)
class Quantile:
    """ℓ = Σₖ q (y - s)₊ + (1 - q) (s - y)₊: its minimum is the q-quantile.

    dS = 1 - q where s > y, -q where s < y, else 0 (Koenker and Bassett, 1978).

    Parameters
    ----------
    q : float
        In (0, 1).

    Examples
    --------
    >>> dS = np.empty((1, 1))
    >>> Quantile(0.75).value_and_gradient(np.array([[0.0]]), np.array([[2.0]]), None, dS)
    1.5
    """

    q: float
    out_activation: ClassVar[str] = "identity"
    relative: ClassVar[bool] = True
    standardised_by: ClassVar[str | None] = "quartiles"

    def predict(self, S: Array) -> Array:
        return S

    def value_and_gradient(self, S: Array, Y: Array, weight: Array | None, dS: Array) -> float:
        R = S - Y
        np.copyto(dS, np.where(R > 0, 1.0 - self.q, np.where(R < 0, -self.q, 0.0)))
        R *= dS
        return mean_over_rows(R, weight, dS)


@dataclass(frozen=True)
class Poisson:
    """ℓ = Σₖ exp(s) - y s + y log y - y, half the Poisson deviance of μ = exp(s), y ≥ 0.

    dS = μ - y (McCullagh and Nelder, 1989, sec. 2.3); 0 log 0 = 0.
    """

    out_activation: ClassVar[str] = "exp"
    relative: ClassVar[bool] = True
    standardised_by: ClassVar[str | None] = None

    def predict(self, S: Array) -> Array:
        return np.exp(S)

    def value_and_gradient(self, S: Array, Y: Array, weight: Array | None, dS: Array) -> float:
        np.exp(S, out=dS)
        each = dS - Y * S + (xlogy(Y, Y) - Y)
        dS -= Y
        return mean_over_rows(each, weight, dS)


@dataclass(frozen=True)
class Gamma:
    """ℓ = Σₖ y exp(-s) + s - log y - 1, half the gamma deviance of μ = exp(s), y > 0.

    dS = 1 - y / μ (McCullagh and Nelder, 1989, sec. 2.3).
    """

    out_activation: ClassVar[str] = "exp"
    relative: ClassVar[bool] = True
    standardised_by: ClassVar[str | None] = None

    def predict(self, S: Array) -> Array:
        return np.exp(S)

    def value_and_gradient(self, S: Array, Y: Array, weight: Array | None, dS: Array) -> float:
        ratio = Y * np.exp(-S)
        np.subtract(1.0, ratio, out=dS)
        return mean_over_rows(ratio + S - np.log(Y) - 1.0, weight, dS)


# Classification: two classes, or many yes-or-no labels ----------------------------------------


@dataclass(frozen=True)
class LogisticCrossEntropy:
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
    out_activation: ClassVar[str] = "logistic"
    relative: ClassVar[bool] = False
    standardised_by: ClassVar[str | None] = None

    def predict(self, S: Array) -> Array:
        return expit(S)

    def value_and_gradient(self, S: Array, Y: Array, weight: Array | None, dS: Array) -> float:
        return kernels.logistic_cross_entropy(S, Y, weight, self.smoothing, dS)


@dataclass(frozen=True)
class LogisticSquaredError:
    """ℓ = Σₖ (p - t)², p = 1 / (1 + exp(-s)), t = (1 - ε) y + ε / 2; dS = 2 (p - t) p (1 - p).

    That is ½ Σ (output - target)² over the two outputs p and 1 - p of a yes-or-no question
    (Rumelhart, Hinton and Williams, 1986, eq. 3; for probabilities, Brier, 1950).

    Parameters
    ----------
    smoothing : float, default=0.0
        Label smoothing ε, in [0, 1) (Szegedy et al., 2016, sec. 7).
    """

    smoothing: float = 0.0
    out_activation: ClassVar[str] = "logistic"
    relative: ClassVar[bool] = False
    standardised_by: ClassVar[str | None] = None

    def predict(self, S: Array) -> Array:
        return expit(S)

    def value_and_gradient(self, S: Array, Y: Array, weight: Array | None, dS: Array) -> float:
        P = expit(S)
        R = P - ((1.0 - self.smoothing) * Y + 0.5 * self.smoothing)
        np.multiply(2.0 * R, P * (1.0 - P), out=dS)
        return mean_over_rows(R * R, weight, dS)


@dataclass(frozen=True)
class Hinge:
    """ℓ = Σₖ max(0, margin - t s), t = 2 y - 1 = ±1; dS = -t where t s ≤ margin, else 0.

    With margin 1 the support vector machine's (Cortes and Vapnik, 1995), with margin 0 the
    perceptron's (Rosenblatt, 1958).

    Parameters
    ----------
    margin : float
        Score beyond which a row costs nothing; not negative.
    """

    margin: float
    out_activation: ClassVar[str] = "identity"
    relative: ClassVar[bool] = False
    standardised_by: ClassVar[str | None] = None

    def predict(self, S: Array) -> Array:
        return S

    def value_and_gradient(self, S: Array, Y: Array, weight: Array | None, dS: Array) -> float:
        T = 2.0 * Y - 1.0
        short = self.margin - T * S
        np.copyto(dS, np.where(short >= 0, -T, 0.0))
        return mean_over_rows(np.maximum(short, 0.0, out=short), weight, dS)


# Classification: one of K classes ---------------------------------------------------------------


@dataclass(frozen=True)
class SoftmaxCrossEntropy:
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
    out_activation: ClassVar[str] = "softmax"
    relative: ClassVar[bool] = False
    standardised_by: ClassVar[str | None] = None

    def predict(self, S: Array) -> Array:
        P = np.empty_like(S)
        kernels.softmax(S, P)
        return P

    def value_and_gradient(self, S: Array, Y: Array, weight: Array | None, dS: Array) -> float:
        return kernels.softmax_cross_entropy(S, Y, weight, self.smoothing, dS)


@dataclass(frozen=True)
class SoftmaxSquaredError:
    """ℓ = ½ Σₖ (pₖ - tₖ)², p = softmax(s); dS = p ⊙ (r - Σₖ rₖ pₖ), r = p - t.

    t = (1 - ε) onehot(y) + ε / K; half the score of Brier (1950).

    Parameters
    ----------
    smoothing : float, default=0.0
        Label smoothing ε, in [0, 1) (Szegedy et al., 2016, sec. 7).
    """

    smoothing: float = 0.0
    out_activation: ClassVar[str] = "softmax"
    relative: ClassVar[bool] = False
    standardised_by: ClassVar[str | None] = None

    def predict(self, S: Array) -> Array:
        P = np.empty_like(S)
        kernels.softmax(S, P)
        return P

    def value_and_gradient(self, S: Array, Y: Array, weight: Array | None, dS: Array) -> float:
        P = self.predict(S)
        R = P - self.smoothing / S.shape[1]
        R[np.arange(len(S)), Y] -= 1.0 - self.smoothing
        np.multiply(P, R - np.einsum("ik,ik->i", R, P)[:, None], out=dS)
        return mean_over_rows(0.5 * R * R, weight, dS)


@dataclass(frozen=True)
class MulticlassHinge:
    """ℓ = max(0, margin + s_j - s_y), j = argmaxₖ≠y sₖ (Crammer and Singer, 2001).

    dS = onehot(j) - onehot(y) where margin + s_j ≥ s_y, else 0.  With margin 0 the perceptron's.
    A class without rivals costs nothing.

    Parameters
    ----------
    margin : float
        Lead of s_y over its rivals beyond which a row costs nothing; not negative.
    """

    margin: float
    out_activation: ClassVar[str] = "identity"
    relative: ClassVar[bool] = False
    standardised_by: ClassVar[str | None] = None

    def predict(self, S: Array) -> Array:
        return S

    def value_and_gradient(self, S: Array, Y: Array, weight: Array | None, dS: Array) -> float:
        if S.shape[1] == 1:
            dS.fill(0.0)
            return 0.0
        rows = np.arange(len(S))
        np.copyto(dS, S)
        dS[rows, Y] = -np.inf
        rival = dS.argmax(axis=1)
        short = self.margin + S[rows, rival] - S[rows, Y]
        dS.fill(0.0)
        wrong = (short >= 0).astype(S.dtype)
        dS[rows, rival] = wrong
        dS[rows, Y] = -wrong
        return mean_over_rows(np.maximum(short, 0.0), weight, dS)


# Several questions at once ------------------------------------------------------------------------


@dataclass(frozen=True)
class PerOutput:
    """ℓ = Σⱼ ℓ(s⁽ʲ⁾, y⁽ʲ⁾): the same loss for several labels, each with columns of its own.

    Parameters
    ----------
    loss : Loss
        A loss on labels 0 … K-1.
    sizes : tuple of int
        K of every label; S is of shape (m, sum(sizes)), Y of shape (m, len(sizes)).

    Examples
    --------
    >>> loss = PerOutput(SoftmaxCrossEntropy(), (2, 3))
    >>> loss.predict(np.zeros((1, 5))).round(2)
    array([[0.5 , 0.5 , 0.33, 0.33, 0.33]])
    >>> value = loss.value_and_gradient(
    ...     np.zeros((1, 5)), np.array([[0, 2]]), None, np.empty((1, 5))
    ... )
    >>> print(f"{np.exp(value):.2f}")
    6.00
    """

    loss: Loss
    sizes: tuple[int, ...]
    relative: ClassVar[bool] = False
    standardised_by: ClassVar[str | None] = None

    @property
    def out_activation(self) -> str:  # type: ignore[override]
        return self.loss.out_activation

    def split(self, S: Array) -> list[Array]:
        """Cut the columns of S into one view a label."""
        return np.split(S, np.cumsum(self.sizes)[:-1], axis=1)

    def predict(self, S: Array) -> Array:
        return np.hstack([self.loss.predict(part) for part in self.split(S)])

    def value_and_gradient(self, S: Array, Y: Array, weight: Array | None, dS: Array) -> float:
        value = 0.0
        for S_j, y_j, dS_j in zip(self.split(S), Y.T, self.split(dS), strict=True):
            value += self.loss.value_and_gradient(S_j, y_j, weight, dS_j)
        return value


@dataclass(frozen=True)
class MeanOverMembers:
    """ℓ = Σⱼ ℓ(s⁽ʲ⁾, y) / k: the members of an ensemble, each with scores for the same targets.

    The members lie side by side in the columns of S.  What they predict together is the mean of
    their predictions, for example of their probabilities.

    Parameters
    ----------
    loss : Loss
        That of every member.
    k : int
        Number of members, at least 1; S is of shape (m, k · n), n the columns that `loss` wants.

    Examples
    --------
    >>> loss = MeanOverMembers(LogisticCrossEntropy(), 2)
    >>> S, dS = np.array([[0.0, 1000.0]]), np.empty((1, 2))
    >>> loss.predict(S).tolist()
    [[0.75]]
    >>> value = loss.value_and_gradient(S, np.array([[1.0]]), None, dS)
    >>> f"{value:.4f}", dS.tolist()
    ('0.3466', [[-0.25, 0.0]])
    """

    loss: Loss
    k: int

    @property
    def out_activation(self) -> str:  # type: ignore[override]
        return self.loss.out_activation

    @property
    def relative(self) -> bool:  # type: ignore[override]
        return self.loss.relative

    @property
    def standardised_by(self) -> str | None:  # type: ignore[override]
        return self.loss.standardised_by

    def split(self, S: Array) -> list[Array]:
        """Cut the columns of S into one view a member."""
        return np.split(S, self.k, axis=1)

    def predict(self, S: Array) -> Array:
        return np.mean([self.loss.predict(member) for member in self.split(S)], axis=0)

    def value_and_gradient(self, S: Array, Y: Array, weight: Array | None, dS: Array) -> float:
        value = 0.0
        for S_j, dS_j in zip(self.split(S), self.split(dS), strict=True):
            value += self.loss.value_and_gradient(S_j, Y, weight, dS_j)
        dS /= self.k
        return value / self.k
