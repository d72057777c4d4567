"""One loss for several outputs, or for several members of an ensemble."""

from dataclasses import dataclass

import numpy as np

from skdnn.engine.arrays import Array
from skdnn.engine.losses.base import Loss


@dataclass(frozen=True)
class PerOutput(Loss):
    """ℓ = Σⱼ ℓ(s⁽ʲ⁾, y⁽ʲ⁾): the same loss for several labels, each with columns of its own.

    Parameters
    ----------
    loss : Loss
        A loss on labels 0 … K-1.
    sizes : tuple of int
        K of every label; S is of shape (m, sum(sizes)), T of shape (m, len(sizes)).

    Examples
    --------
    >>> from skdnn.engine.losses import SoftmaxCrossEntropy
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

    @property
    def out_activation(self) -> str:  # type: ignore[override]
        return self.loss.out_activation

    def split(self, S: Array) -> list[Array]:
        """Cut the columns of S into one view a label."""
        return np.split(S, np.cumsum(self.sizes)[:-1], axis=1)

    def predict(self, S: Array, out: Array | None = None) -> Array:
        out = np.empty_like(S) if out is None else out
        for part, place in zip(self.split(S), self.split(out), strict=True):
            place[...] = self.loss.predict(part)
        return out

    def value_and_gradient(self, S: Array, T: Array, weight: Array | None, dS: Array) -> float:
        value = 0.0
        for S_j, y_j, dS_j in zip(self.split(S), T.T, self.split(dS), strict=True):
            value += self.loss.value_and_gradient(S_j, y_j, weight, dS_j)
        return value


@dataclass(frozen=True)
class MeanOverMembers(Loss):
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
    >>> from skdnn.engine.losses import LogisticCrossEntropy
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

    def predict(self, S: Array, out: Array | None = None) -> Array:
        return np.mean([self.loss.predict(member) for member in self.split(S)], axis=0, out=out)

    def value_and_gradient(self, S: Array, T: Array, weight: Array | None, dS: Array) -> float:
        value = 0.0
        for S_j, dS_j in zip(self.split(S), self.split(dS), strict=True):
            value += self.loss.value_and_gradient(S_j, T, weight, dS_j)
        dS /= self.k
        return value / self.k
