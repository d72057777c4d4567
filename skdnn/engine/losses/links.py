"""Inverse links: from raw scores to predictions, by the name of the output activation."""

from collections.abc import Callable

import numpy as np
from scipy.special import expit

from skdnn.engine import kernels
from skdnn.engine.arrays import Array


def identity(S: Array, out: Array | None = None) -> Array:
    """Return S itself, or write it into ``out``."""
    if out is None:
        return S
    np.copyto(out, S)
    return out


def exp(S: Array, out: Array | None = None) -> Array:
    """μ = exp(s)."""
    return np.exp(S, out=out)


def logistic(S: Array, out: Array | None = None) -> Array:
    """p = 1 / (1 + exp(-s))."""
    return expit(S, out=out)


def softmax(S: Array, out: Array | None = None) -> Array:
    """pₖ = exp(sₖ) / Σⱼ exp(sⱼ), row by row."""
    out = np.empty_like(S) if out is None else out
    kernels.softmax(S, out)
    return out


INVERSE_LINKS: dict[str, Callable[..., Array]] = {
    "identity": identity,
    "logistic": logistic,
    "softmax": softmax,
    "exp": exp,
}
