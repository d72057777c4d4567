"""Optimizers: they see vectors only.

A frozen dataclass holds the hyperparameters, a `State` what training accumulates.
``init(theta)`` makes the state, ``step(theta, g, state, lr)`` moves ``theta`` in place.
The learning rate ``lr`` is a float or a vector of one rate an element.

Conventions
-----------
``theta``, ``g`` and what a state holds are contiguous vectors of shape (p,) and one dtype,
float32 or float64.  Squares, roots, quotients and maxima are elementwise; t counts the steps from
1, and everything accumulated starts at 0.  Hyperparameters are not checked.

Examples
--------
Any vector will do, such as the valley f(x, y) = x² / 20 + y²:

>>> import numpy as np
>>> theta = np.array([-7.0, 2.0])
>>> optimizer = SGD(momentum=0.9)
>>> state = optimizer.init(theta)
>>> for _ in range(200):
...     x, y = theta
...     optimizer.step(theta, np.array([x / 10, 2 * y]), state, lr=0.1)
>>> bool(np.abs(theta).max() < 1e-2)
True

The first step of each from (1, -4), where the gradient is (1, -4) too:

>>> for name in OPTIMIZERS:
...     theta, optimizer = np.array([1.0, -4.0]), get_optimizer(name)()
...     optimizer.step(theta, theta.copy(), optimizer.init(theta), lr=0.5)
...     print(f"{name:8} {theta[0]:7.4f} {theta[1]:7.4f}")
adam      0.5000 -3.5000
sgd       0.5000 -2.0000
adagrad   0.5000 -3.5000
rmsprop  -0.5811 -2.4189
adadelta  0.9998 -3.9998
adamax    0.5000 -3.5000
nadam     0.4718 -3.4718
amsgrad   0.5000 -3.5000
"""

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from skdnn.engine import kernels
from skdnn.engine.arrays import Array
from skdnn.engine.registry import choose


class State:
    """What an optimizer accumulates.

    Parameters
    ----------
    theta : ndarray of shape (p,)
        The parameters, for their number and dtype.
    n_moments : int
        Number of vectors to keep.
    **scalars : float
        Initial values of ``scalars``.

    Attributes
    ----------
    t : int
        Number of steps so far; stays 0 if the optimizer does not need it.
    moments : list of ndarray of shape (p,)
        Velocity, running means, sums or maxima, as the optimizer has them.
    work : ndarray
        Scratch of the shape of theta; not pickled.
    scalars : dict of float
        Whatever an optimizer keeps besides.
    """

    def __init__(self, theta: Array, n_moments: int, **scalars: float):
        self.t = 0
        self.moments = [np.zeros_like(theta) for _ in range(n_moments)]
        self.work = np.empty_like(theta)
        self.scalars = scalars

    def copy(self) -> "State":
        """Return an independent state with the same numbers."""
        other = State(self.work, 0, **self.scalars)
        other.t, other.moments = self.t, [np.array(moment) for moment in self.moments]
        return other

    def __getstate__(self) -> tuple[Any, ...]:
        return self.t, self.moments, self.work.size, self.work.dtype.name, self.scalars

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self.t, self.moments, size, dtype, self.scalars = state
        self.work = np.empty(size, dtype)


class Optimizer(Protocol):
    """A rule that turns gradients into steps."""

    def init(self, theta: Array) -> State:
        """Return the state before the first step."""

    def step(self, theta: Array, g: Array, state: State, lr: Any) -> None:
        """Move theta in place, one step.

        Parameters
        ----------
        theta, g : ndarray of shape (p,)
            Parameters and the gradient there; g is only read.
        state : State
            From `init`, updated in place.
        lr : float or ndarray of shape (p,)
            Learning rate.
        """


@dataclass(frozen=True)
class SGD:
    """v = μ v - lr g; θ += v, or with Nesterov's look-ahead θ += μ v - lr g.

    Polyak (1964); Nesterov (1983) in the form of Sutskever et al. (2013, eq. 3 and 4), where θ is
    the point looked ahead to.  Plain gradient descent if momentum is 0.

    Parameters
    ----------
    momentum : float, default=0.0
        μ in [0, 1].
    nesterov : bool, default=False
        Whether to look ahead.
    """

    momentum: float = 0.0
    nesterov: bool = False

    def init(self, theta: Array) -> State:
        return State(theta, 1 if self.momentum else 0)

    def step(self, theta: Array, g: Array, state: State, lr: Any) -> None:
        if self.momentum:
            kernels.sgd_step(theta, g, lr, self.momentum, self.nesterov, *state.moments, state.work)
        else:
            np.multiply(g, lr, out=state.work)
            theta -= state.work


@dataclass(frozen=True)
class Adam:
    """Adam: θ -= lr m̂ / (√v̂ + ε) (Kingma and Ba, 2015, Algorithm 1).

    m = β₁ m + (1 - β₁) g, m̂ = m / (1 - β₁ᵗ); v = β₂ v + (1 - β₂) g², v̂ = v / (1 - β₂ᵗ).

    Parameters
    ----------
    beta_1 : float, default=0.9
        Decay β₁ of the running mean m of g, in [0, 1).
    beta_2 : float, default=0.999
        Decay β₂ of the running mean v of g², in [0, 1).
    epsilon : float, default=1e-8
        ε, keeps the quotient finite; positive.

    Examples
    --------
    The first step is lr · sign(g), whatever the scale of g:

    >>> theta, adam = np.zeros(2), Adam()
    >>> adam.step(theta, np.array([1e-3, -1e3]), adam.init(theta), lr=0.1)
    >>> theta.round(3)
    array([-0.1,  0.1])
    """

    beta_1: float = 0.9
    beta_2: float = 0.999
    epsilon: float = 1e-8

    def init(self, theta: Array) -> State:
        return State(theta, 2)

    def step(self, theta: Array, g: Array, state: State, lr: Any) -> None:
        state.t += 1
        kernels.adam_step(
            theta,
            g,
            lr,
            self.beta_1,
            self.beta_2,
            self.epsilon,
            state.t,
            *state.moments,
            state.work,
        )


@dataclass(frozen=True)
class AMSGrad:
    """Adam with the largest v so far: v_max = max(v_max, v); θ -= lr m̂ / (√v̂_max + ε).

    m, v and m̂ as Adam's, v̂_max = v_max / (1 - β₂ᵗ).  Reddi, Kale and Kumar (2018, Algorithm 2)
    correct no bias and have no ε; with both, as here, it is the common form, PyTorch's for one.

    Parameters
    ----------
    beta_1 : float, default=0.9
        Decay β₁ of the running mean m of g, in [0, 1).
    beta_2 : float, default=0.999
        Decay β₂ of the running mean v of g², in [0, 1).
    epsilon : float, default=1e-8
        ε, keeps the quotient finite; positive.
    """

    beta_1: float = 0.9
    beta_2: float = 0.999
    epsilon: float = 1e-8

    def init(self, theta: Array) -> State:
        return State(theta, 3)

    def step(self, theta: Array, g: Array, state: State, lr: Any) -> None:
        state.t += 1
        kernels.amsgrad_step(
            theta,
            g,
            lr,
            self.beta_1,
            self.beta_2,
            self.epsilon,
            state.t,
            *state.moments,
            state.work,
        )


@dataclass(frozen=True)
class Adamax:
    """u = max(β₂ u, |g| + ε); θ -= lr m̂ / u (Kingma and Ba, 2015, Algorithm 2).

    m̂ as Adam's; the ε, which keeps u from zero, is not in the paper, but in PyTorch.

    Parameters
    ----------
    beta_1 : float, default=0.9
        Decay β₁ of the running mean m of g, in [0, 1).
    beta_2 : float, default=0.999
        Decay β₂ of the running maximum u of |g|, in [0, 1).
    epsilon : float, default=1e-8
        ε; positive.
    """

    beta_1: float = 0.9
    beta_2: float = 0.999
    epsilon: float = 1e-8

    def init(self, theta: Array) -> State:
        return State(theta, 2)

    def step(self, theta: Array, g: Array, state: State, lr: Any) -> None:
        state.t += 1
        kernels.adamax_step(
            theta,
            g,
            lr,
            self.beta_1,
            self.beta_2,
            self.epsilon,
            state.t,
            *state.moments,
            state.work,
        )


@dataclass(frozen=True)
class Nadam:
    """Adam with Nesterov's look-ahead (Dozat, 2016).

    θ -= lr (μₜ₊₁ m / (1 - ∏ᵢ₌₁ᵗ⁺¹ μᵢ) + (1 - μₜ) g / (1 - ∏ᵢ₌₁ᵗ μᵢ)) / (√v̂ + ε), with the
    momentum schedule μₜ = β₁ (1 - ½ · 0.96^(0.004 t)); m, of the constant decay β₁, and v̂ as
    Adam's.  The same as PyTorch's.

    Parameters
    ----------
    beta_1 : float, default=0.9
        Decay β₁ of the running mean m of g, and what μₜ tends to, in [0, 1).
    beta_2 : float, default=0.999
        Decay β₂ of the running mean v of g², in [0, 1).
    epsilon : float, default=1e-8
        ε, keeps the quotient finite; positive.
    """

    beta_1: float = 0.9
    beta_2: float = 0.999
    epsilon: float = 1e-8

    def init(self, theta: Array) -> State:
        return State(theta, 2, mu_product=1.0)

    def _mu(self, t: int) -> float:
        return self.beta_1 * (1.0 - 0.5 * 0.96 ** (0.004 * t))

    def step(self, theta: Array, g: Array, state: State, lr: Any) -> None:
        state.t += 1
        mu, mu_next = self._mu(state.t), self._mu(state.t + 1)
        product = state.scalars["mu_product"] = state.scalars["mu_product"] * mu
        a, b = mu_next / (1.0 - product * mu_next), (1.0 - mu) / (1.0 - product)
        kernels.nadam_step(
            theta,
            g,
            lr,
            self.beta_1,
            self.beta_2,
            self.epsilon,
            state.t,
            a,
            b,
            *state.moments,
            state.work,
        )


@dataclass(frozen=True)
class AdaGrad:
    """v += g²; θ -= lr g / (√v + ε) (Duchi, Hazan and Singer, 2011, fig. 1, diagonal).

    Parameters
    ----------
    epsilon : float, default=1e-8
        ε, keeps the quotient finite; positive.
    """

    epsilon: float = 1e-8

    def init(self, theta: Array) -> State:
        return State(theta, 1)

    def step(self, theta: Array, g: Array, state: State, lr: Any) -> None:
        kernels.adagrad_step(theta, g, lr, self.epsilon, *state.moments, state.work)


@dataclass(frozen=True)
class RMSprop:
    """v = ρ v + (1 - ρ) g²; θ -= lr g / (√v + ε) (Tieleman and Hinton, 2012, lecture 6.5).

    Parameters
    ----------
    rho : float, default=0.9
        Decay ρ of the running mean v of g², in [0, 1).
    epsilon : float, default=1e-8
        ε, keeps the quotient finite; positive.
    """

    rho: float = 0.9
    epsilon: float = 1e-8

    def init(self, theta: Array) -> State:
        return State(theta, 1)

    def step(self, theta: Array, g: Array, state: State, lr: Any) -> None:
        kernels.rmsprop_step(theta, g, lr, self.rho, self.epsilon, *state.moments, state.work)


@dataclass(frozen=True)
class Adadelta:
    """v = ρ v + (1 - ρ) g²; δ = g √(d + ε) / √(v + ε); d = ρ d + (1 - ρ) δ²; θ -= lr δ.

    Zeiler (2012, Algorithm 1), where lr is 1.

    Parameters
    ----------
    rho : float, default=0.9
        Decay ρ of the running means v of g² and d of δ², in [0, 1).
    epsilon : float, default=1e-8
        ε, which also sets the size of the first step, √(ε / (1 - ρ)) lr; positive.
    """

    rho: float = 0.9
    epsilon: float = 1e-8

    def init(self, theta: Array) -> State:
        return State(theta, 2)

    def step(self, theta: Array, g: Array, state: State, lr: Any) -> None:
        kernels.adadelta_step(theta, g, lr, self.rho, self.epsilon, *state.moments, state.work)


OPTIMIZERS: dict[str, type] = {
    "adam": Adam,
    "sgd": SGD,
    "adagrad": AdaGrad,
    "rmsprop": RMSprop,
    "adadelta": Adadelta,
    "adamax": Adamax,
    "nadam": Nadam,
    "amsgrad": AMSGrad,
}


def get_optimizer(name: str) -> type:
    """Return the optimizer class of this name.

    Raises
    ------
    ValueError
        If there is none.

    Examples
    --------
    >>> get_optimizer("rmsprop")(rho=0.99)
    RMSprop(rho=0.99, epsilon=1e-08)
    """
    return choose("solver", OPTIMIZERS, name)
