"""Losses on raw scores.

Conventions
-----------
A network ends in raw scores S of shape (m, k); a loss owns the output activation (the
inverse link) that turns them into predictions.  ``value_and_gradient(S, T, weight, dS)``
returns L = Σᵢ wᵢ ℓᵢ / Σᵢ wᵢ, the weighted mean over the rows of what the docstring of each loss
calls ℓ, and writes ∂L/∂S into ``dS``; a weight of None is all ones.

Targets ``T`` are numbers of shape (m, k), or labels 0 … K-1 of shape (m,) if the outputs
of a row compete (softmax).  Everything is computed by log-sum-exp, nothing by clipping
probabilities.

S, dS, and T if it has shape (m, k), are of one dtype, float32 or float64; weight has shape
(m,), no negative entry and a positive sum.  Each docstring gives ℓ of a row and its derivative
``dS`` before the mean is taken; sums are over the k columns, y is an entry of T, ``r = s - y``.
Targets and parameters are not checked: outside the ranges given the numbers mean nothing.

Examples
--------
>>> import numpy as np
>>> S, T = np.array([[0.0], [4.0]]), np.array([[1.0], [1.0]])
>>> dS = np.empty_like(S)
>>> SquaredError().value_and_gradient(S, T, None, dS)
2.5
>>> dS
array([[-0.5],
       [ 1.5]])

All losses on numbers, on the same scores and targets:

>>> for loss in (
...     SquaredError(), AbsoluteError(), Huber(1.0), Quantile(0.9), Poisson(), Gamma(),
...     LogisticCrossEntropy(), LogisticSquaredError(), Hinge(1.0),
... ):
...     value = loss.value_and_gradient(S, T, None, dS)
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

from skdnn.engine.kernels import mean_over_rows
from skdnn.engine.losses.base import Loss, Range
from skdnn.engine.losses.classification import (
    ONE_OF_K_LOSSES,
    YES_NO_LOSSES,
    Hinge,
    LogisticCrossEntropy,
    LogisticSquaredError,
    MulticlassHinge,
    SoftmaxCrossEntropy,
    SoftmaxSquaredError,
)
from skdnn.engine.losses.given import Given, facts_of, get_loss
from skdnn.engine.losses.links import INVERSE_LINKS
from skdnn.engine.losses.regression import (
    REGRESSION_LOSSES,
    AbsoluteError,
    Gamma,
    Huber,
    Poisson,
    Quantile,
    SquaredError,
)
from skdnn.engine.losses.several import MeanOverMembers, PerOutput

__all__ = [
    "INVERSE_LINKS", "ONE_OF_K_LOSSES", "REGRESSION_LOSSES", "YES_NO_LOSSES",
    "AbsoluteError", "Gamma", "Given", "Hinge", "Huber", "LogisticCrossEntropy",
    "LogisticSquaredError", "Loss", "MeanOverMembers", "MulticlassHinge", "PerOutput", "Poisson",
    "Quantile", "Range", "SoftmaxCrossEntropy", "SoftmaxSquaredError", "SquaredError",
    "facts_of", "get_loss", "mean_over_rows",
]  # fmt: skip
