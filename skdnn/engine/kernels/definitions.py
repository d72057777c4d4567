"""What the kernels compute, in numpy.

Outputs come last in every signature and are overwritten; nothing else is.  All float
arrays of one call have the same dtype, float32 or float64, and are C-contiguous.
"""

import math
from typing import Any

import numpy as np
from scipy.special import expit

from skdnn.engine.tables import Array


def gather(A: Array, rows: Array, out: Array) -> None:
    """out = A[rows].  The rows must exist: ``mode="clip"`` only spares numpy the checking."""
    A.take(rows, 0, out, "clip")


def dense_forward(X: Array, W: Array, b: Array, S: Array) -> None:
    """S = X W + b."""
    np.dot(X, W, out=S)
    S += b


def dense_backward(
    X: Array,
    W: Array,
    dS: Array,
    ones: Array,
    dW: Array,
    db: Array,
    dX: Array | None,
) -> None:
    """dW = Xᵀ dS, db = 1ᵀ dS, dX = dS Wᵀ (left out where ``dX`` is None)."""
    np.dot(X.T, dS, out=dW)
    np.dot(ones, dS, out=db)  # a product is several times faster than a sum over the rows
    if dX is not None:
        np.dot(dS, W.T, out=dX)


def batch_norm_forward(
    S: Array,
    gamma: Array,
    beta: Array,
    epsilon: float,
    ones: Array,
    mean: Array,
    var: Array,
    sigma: Array,
    S_hat: Array,
    Y: Array,
) -> None:
    """Y = γ Ŝ + β, Ŝ = (S - μ) / σ, σ = √(var + ε), with μ and var of the rows of S."""
    m = len(S)
    np.dot(ones, S, out=mean)
    mean /= m
    np.subtract(S, mean, out=S_hat)
    np.multiply(S_hat, S_hat, out=Y)
    np.dot(ones, Y, out=var)
    var /= m
    np.add(var, epsilon, out=sigma)
    np.sqrt(sigma, out=sigma)
    S_hat /= sigma
    np.multiply(S_hat, gamma, out=Y)
    Y += beta


def batch_norm_backward(
    dY: Array,
    S_hat: Array,
    sigma: Array,
    gamma: Array,
    ones: Array,
    dgamma: Array,
    dbeta: Array,
    dS: Array,
) -> None:
    """dγ = 1ᵀ(dY ⊙ Ŝ), dβ = 1ᵀ dY, dS = (γ / σ) ⊙ (dY - dβ / m - Ŝ ⊙ dγ / m)."""
    m = len(dY)
    np.dot(ones, dY, out=dbeta)
    np.multiply(dY, S_hat, out=dS)
    np.dot(ones, dS, out=dgamma)
    np.multiply(S_hat, dgamma / -m, out=dS)
    dS += dY
    dS -= dbeta / m
    dS *= gamma / sigma


def dropout_mask(rng: np.random.Generator, keep: int, mask: Array) -> None:
    """mask = 2¹⁶ / keep with probability keep / 2¹⁶, else 0, independently.

    Sixteen random bits an element cost a third of what uniform floats do.
    """
    words = rng.integers(0, 2**64 - 1, -(-mask.size // 4), np.uint64, endpoint=True)
    draws = words.view(np.uint16)
    np.less(draws[: mask.size].reshape(mask.shape), np.uint16(keep), out=mask)
    mask *= 65536 / keep


def softmax(S: Array, P: Array) -> Array:
    """P = exp(S) / Σₖ exp(Sₖ); returns log Σₖ exp(Sₖ), shape (m,)."""
    peak = S.max(axis=1, keepdims=True)
    np.subtract(S, peak, out=P)
    np.exp(P, out=P)
    total = P.sum(axis=1, keepdims=True)
    P /= total
    np.log(total, out=total)
    total += peak
    return total[:, 0]


def softmax_cross_entropy(
    S: Array,
    labels: Array,
    smoothing: float,
    dS: Array,
) -> Array:
    """ℓ = log Σₖ exp(Sₖ) - Σₖ tₖ Sₖ and dS = softmax(S) - t; returns ℓ, shape (m,).

    t = (1 - ε) · onehot(label) + ε / K, with the smoothing ε.
    """
    rows = np.arange(len(S))
    loss = softmax(S, dS)
    loss -= (1.0 - smoothing) * S[rows, labels]
    dS[rows, labels] -= 1.0 - smoothing
    if smoothing:
        loss -= smoothing * S.mean(axis=1)
        dS -= smoothing / S.shape[1]
    return loss


def logistic_cross_entropy(
    S: Array,
    T: Array,
    smoothing: float,
    dS: Array,
) -> Array:
    """ℓ = log(1 + exp(S)) - t S and dS = 1 / (1 + exp(-S)) - t; returns ℓ, shape of S.

    t = (1 - ε) T + ε / 2, with the smoothing ε and T of zeros and ones.
    """
    if smoothing:
        T = (1.0 - smoothing) * T + 0.5 * smoothing
    loss = np.log1p(np.exp(-np.abs(S)))  # log(1 + exp(S)) - max(S, 0): nothing overflows
    loss += np.maximum(S, 0.0)
    loss -= T * S
    expit(S, out=dS)
    dS -= T
    return loss


def sgd_step(
    theta: Array,
    g: Array,
    lr: Any,
    momentum: float,
    nesterov: bool,
    v: Array,
    work: Array,
) -> None:
    """v = μ v - lr g; theta += v, or with Nesterov's look-ahead theta += μ v - lr g."""
    np.multiply(g, lr, out=work)
    v *= momentum
    v -= work
    if nesterov:
        theta -= work
        np.multiply(v, momentum, out=work)
        theta += work
    else:
        theta += v


def adam_step(
    theta: Array,
    g: Array,
    lr: Any,
    beta_1: float,
    beta_2: float,
    epsilon: float,
    t: int,
    m: Array,
    v: Array,
    work: Array,
) -> None:
    """m = β₁ m + (1 - β₁) g; v = β₂ v + (1 - β₂) g²; theta -= lr m̂ / (√v̂ + ε).

    m̂ = m / (1 - β₁ᵗ) and v̂ = v / (1 - β₂ᵗ) undo the bias of the start at zero.  With
    c = √(1 - β₂ᵗ) the step is lr c / (1 - β₁ᵗ) · m / (√v + c ε), a pass over the vector less.
    """
    c = math.sqrt(1.0 - beta_2**t)
    m *= beta_1
    np.multiply(g, 1.0 - beta_1, out=work)
    m += work
    v *= beta_2
    np.multiply(g, g, out=work)
    work *= 1.0 - beta_2
    v += work
    np.sqrt(v, out=work)
    work += c * epsilon
    np.divide(m, work, out=work)
    work *= lr * (c / (1.0 - beta_1**t))
    theta -= work
