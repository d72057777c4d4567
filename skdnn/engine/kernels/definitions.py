"""What the kernels compute, in numpy.

Outputs come last in every signature, after what a kernel may use as scratch; nothing else is
written to, unless its line says so.  All float arrays of one call have the same dtype, float32
or float64.

Conventions
-----------
==============  ==============================================================================
shape           arrays
==============  ==============================================================================
(m, n_in)       ``X``, ``dX``
(n_in, n_out)   ``W``, ``dW``
(m, n_out)      ``S``, ``Y``, ``dS``, ``dY``, ``D``, ``S_hat``, ``P``, ``mask``, targets ``T``
(n_out,)        ``b``, ``db``, ``gamma``, ``beta``, ``dgamma``, ``dbeta``, ``mean``, ``var``,
                ``sigma``
(m,)            ``weight`` (None is all ones), ``labels`` and ``rows`` (integers)
(p,)            ``theta``, ``g``, moments and ``work`` of the optimizers; ``W`` and ``g`` of
                `l2_penalty`
==============  ==============================================================================

Outputs are C-contiguous and overlap inputs only if a docstring says so.  Values are not checked.

Examples
--------
>>> import numpy as np
>>> S, Y = np.empty((1, 2)), np.empty((1, 2))
>>> X, W, b = np.array([[1.0, 2.0]]), np.array([[1.0, 0.0], [0.0, -1.0]]), np.array([0.5, 0.5])
>>> dense_forward(X, W, b, Identity(), S, Y)
>>> S, Y
(array([[ 1.5, -1.5]]), array([[ 1.5, -1.5]]))
"""

import math
from typing import Any

import numpy as np
from scipy.special import expit

from skdnn.engine.activations import Activation, Identity
from skdnn.engine.arrays import Array


def gather(A: Array, rows: Array, out: Array) -> None:
    """out = A[rows], converted to the type of out.

    A has shape (n, …), out (m, …).  The rows must exist: ``mode="clip"`` only spares numpy the
    checking.
    """
    if A.dtype == out.dtype:
        A.take(rows, 0, out, "clip")
    else:
        out[...] = A[rows]


def dense_forward(X: Array, W: Array, b: Array, activation: Activation, S: Array, Y: Array) -> None:
    """Y = σ(S), S = X W + b; if σ' is known from Y alone, S may be Y itself."""
    np.dot(X, W, out=S)
    S += b
    activation.forward(S, Y)


def dense_backward(
    X: Array,
    W: Array,
    activation: Activation,
    S: Array,
    Y: Array,
    dY: Array,
    D: Array,
    dW: Array,
    db: Array,
    dX: Array | None,
) -> None:
    """dS = dY ⊙ σ'(S), in place of dY; dW = Xᵀ dS, db = 1ᵀ dS, dX = dS Wᵀ (unless it is None).

    D is scratch of the shape of S.
    """
    dS = activation_backward(activation, S, Y, dY, D)
    np.dot(X.T, dS, out=dW)
    np.dot(np.ones(len(dS), dS.dtype), dS, out=db)  # several times faster than a sum over rows
    if dX is not None:
        np.dot(dS, W.T, out=dX)


def activation_backward(activation: Activation, S: Array, Y: Array, dY: Array, D: Array) -> Array:
    """dS = dY ⊙ σ'(S), in place of dY; D is scratch."""
    if activation != Identity():
        activation.derivative(S, Y, D)
        dY *= D
    return dY


def batch_norm_forward(
    S: Array,
    gamma: Array,
    beta: Array,
    epsilon: float,
    mean: Array,
    var: Array,
    sigma: Array,
    S_hat: Array,
    Y: Array,
) -> None:
    """Y = γ Ŝ + β, Ŝ = (S - μ) / σ, σ = √(var + ε), with mean μ and var of the rows of S.

    Ioffe and Szegedy (2015, Algorithm 1); var is the biased one, Σᵢ (sᵢ - μ)² / m.
    """
    m = len(S)
    ones = np.ones(m, S.dtype)
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
    dY: Array, S_hat: Array, sigma: Array, gamma: Array, dgamma: Array, dbeta: Array, dS: Array
) -> None:
    """dγ = 1ᵀ(dY ⊙ Ŝ), dβ = 1ᵀ dY, dS = (γ / σ) ⊙ (dY - dβ / m - Ŝ ⊙ dγ / m)."""
    m = len(dY)
    ones = np.ones(m, dY.dtype)
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
    """P = exp(S) / Σₖ exp(Sₖ); returns log Σₖ exp(Sₖ), shape (m,).

    Examples
    --------
    >>> S, P = np.array([[1000.0, 1000.0]]), np.empty((1, 2))
    >>> softmax(S, P), P
    (array([1000.69314718]), array([[0.5, 0.5]]))
    """
    peak = S.max(axis=1, keepdims=True)
    np.subtract(S, peak, out=P)
    np.exp(P, out=P)
    total = P.sum(axis=1, keepdims=True)
    P /= total
    np.log(total, out=total)
    total += peak
    return total[:, 0]


def mean_over_rows(loss: Array, weight: Array | None, dS: Array) -> float:
    """Return Σᵢ wᵢ ℓᵢ / Σᵢ wᵢ, and dS, the derivatives of the ℓᵢ, likewise weighted in place.

    ℓ has shape (m,), or (m, k) to be summed over k.
    """
    if weight is None:
        dS *= 1.0 / len(dS)
        return float(loss.sum(dtype=np.float64)) / len(dS)
    share = weight / float(weight.sum(dtype=np.float64))
    dS *= share[:, None]
    return float(np.dot(share, loss if loss.ndim == 1 else loss.sum(axis=1)))


def softmax_cross_entropy(
    S: Array, labels: Array, weight: Array | None, smoothing: float, dS: Array
) -> float:
    """Weighted mean of ℓ = log Σₖ exp(Sₖ) - Σₖ tₖ Sₖ, whose derivative is softmax(S) - t.

    t = (1 - ε) · onehot(label) + ε / K, with the smoothing ε.
    """
    rows = np.arange(len(S))
    loss = softmax(S, dS)
    loss -= (1.0 - smoothing) * S[rows, labels]
    dS[rows, labels] -= 1.0 - smoothing
    if smoothing:
        loss -= smoothing * S.mean(axis=1)
        dS -= smoothing / S.shape[1]
    return mean_over_rows(loss, weight, dS)


def logistic_cross_entropy(
    S: Array, T: Array, weight: Array | None, smoothing: float, dS: Array
) -> float:
    """Weighted mean of ℓ = Σₖ log(1 + exp(S)) - t S, whose derivative is 1 / (1 + exp(-S)) - t.

    t = (1 - ε) T + ε / 2, with the smoothing ε and T of zeros and ones.
    """
    if smoothing:
        T = (1.0 - smoothing) * T + 0.5 * smoothing
    loss = np.log1p(np.exp(-np.abs(S)))  # log(1 + exp(S)) - max(S, 0): nothing overflows
    loss += np.maximum(S, 0.0)
    loss -= T * S
    expit(S, out=dS)
    dS -= T
    return mean_over_rows(loss, weight, dS)


def l2_penalty(W: Array, decay: float, g: Array) -> float:
    """Return ½ decay ‖W‖² and add its derivative, decay · W, to g."""
    g += decay * W
    return 0.5 * decay * float(np.dot(W, W))


# Optimizer steps, in place on theta and the moments; `lr` is a number or one a parameter. -------


def sgd_step(
    theta: Array,
    g: Array,
    lr: Any,
    momentum: float,
    nesterov: bool,
    v: Array,
    work: Array,
) -> None:
    """v = μ v - lr g; theta += v, or with Nesterov's look-ahead theta += μ v - lr g.

    μ is the momentum.
    """
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

    m̂ = m / (1 - β₁ᵗ) and v̂ = v / (1 - β₂ᵗ) undo the bias of the start at zero.
    """
    _averages(g, beta_1, beta_2, m, v, work)
    _adaptive_step(theta, m, v, lr, 1.0 - beta_1**t, 1.0 - beta_2**t, epsilon, work)


def _adaptive_step(
    theta: Array, m: Array, v: Array, lr: Any, c_1: float, c_2: float, epsilon: float, work: Array
) -> None:
    """theta -= lr m̂ / (√v̂ + ε), m̂ = m / c₁, v̂ = v / c₂.

    Which is lr √c₂ / c₁ · m / (√v + √c₂ ε), a pass over the vector less.
    """
    c = math.sqrt(c_2)
    np.sqrt(v, out=work)
    work += c * epsilon
    np.divide(m, work, out=work)
    work *= lr * (c / c_1)
    theta -= work


def _mean_square(g: Array, decay: float, v: Array, work: Array) -> None:
    """v = decay · v + (1 - decay) g²."""
    v *= decay
    np.multiply(g, g, out=work)
    work *= 1.0 - decay
    v += work


def _averages(g: Array, beta_1: float, beta_2: float, m: Array, v: Array, work: Array) -> None:
    """m = β₁ m + (1 - β₁) g; v = β₂ v + (1 - β₂) g²."""
    m *= beta_1
    np.multiply(g, 1.0 - beta_1, out=work)
    m += work
    _mean_square(g, beta_2, v, work)


def amsgrad_step(
    theta: Array,
    g: Array,
    lr: Any,
    beta_1: float,
    beta_2: float,
    epsilon: float,
    t: int,
    m: Array,
    v: Array,
    v_max: Array,
    work: Array,
) -> None:
    """m and v as Adam's; v_max = max(v_max, v); theta -= lr m̂ / (√(v_max / (1 - β₂ᵗ)) + ε)."""
    _averages(g, beta_1, beta_2, m, v, work)
    np.maximum(v_max, v, out=v_max)
    _adaptive_step(theta, m, v_max, lr, 1.0 - beta_1**t, 1.0 - beta_2**t, epsilon, work)


def adamax_step(
    theta: Array,
    g: Array,
    lr: Any,
    beta_1: float,
    beta_2: float,
    epsilon: float,
    t: int,
    m: Array,
    u: Array,
    work: Array,
) -> None:
    """m = β₁ m + (1 - β₁) g; u = max(β₂ u, |g| + ε); theta -= lr m̂ / u, m̂ = m / (1 - β₁ᵗ)."""
    m *= beta_1
    np.multiply(g, 1.0 - beta_1, out=work)
    m += work
    np.abs(g, out=work)
    work += epsilon
    u *= beta_2
    np.maximum(u, work, out=u)
    np.divide(m, u, out=work)
    work *= lr / (1.0 - beta_1**t)
    theta -= work


def nadam_step(
    theta: Array,
    g: Array,
    lr: Any,
    beta_1: float,
    beta_2: float,
    epsilon: float,
    t: int,
    a: float,
    b: float,
    m: Array,
    v: Array,
    work: Array,
) -> None:
    """m and v as Adam's; theta -= lr (a m + b g) / (√v̂ + ε), v̂ = v / (1 - β₂ᵗ).

    a and b are the factors that `skdnn.engine.optimizers.Nadam` gives.
    """
    _averages(g, beta_1, beta_2, m, v, work)
    look_ahead = a * m
    look_ahead += b * g
    _adaptive_step(theta, look_ahead, v, lr, 1.0, 1.0 - beta_2**t, epsilon, work)


def adagrad_step(theta: Array, g: Array, lr: Any, epsilon: float, v: Array, work: Array) -> None:
    """v += g²; theta -= lr g / (√v + ε)."""
    np.multiply(g, g, out=work)
    v += work
    _adaptive_step(theta, g, v, lr, 1.0, 1.0, epsilon, work)


def rmsprop_step(
    theta: Array, g: Array, lr: Any, rho: float, epsilon: float, v: Array, work: Array
) -> None:
    """v = ρ v + (1 - ρ) g²; theta -= lr g / (√v + ε)."""
    _mean_square(g, rho, v, work)
    _adaptive_step(theta, g, v, lr, 1.0, 1.0, epsilon, work)


def adadelta_step(
    theta: Array, g: Array, lr: Any, rho: float, epsilon: float, v: Array, d: Array, work: Array
) -> None:
    """v = ρ v + (1 - ρ) g²; δ = g √((d + ε) / (v + ε)); d = ρ d + (1 - ρ) δ²; theta -= lr δ."""
    _mean_square(g, rho, v, work)
    np.add(d, epsilon, out=work)
    work /= v + epsilon
    np.sqrt(work, out=work)
    work *= g  # work is δ
    d *= rho
    d += (1.0 - rho) * work * work
    work *= lr
    theta -= work
