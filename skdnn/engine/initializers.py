"""Initial weights and biases.

Glorot (Xavier), He (Kaiming) and LeCun initialisation are one formula: independent
weights of mean 0 and variance ``scale / fan``.

Conventions
-----------
An initialiser is called with a generator, n_in and n_out, and returns W of shape (n_in, n_out), or
b of shape (n_out,), in float64; the layer casts it.  Parameters are not checked.

Examples
--------
>>> import numpy as np
>>> for name, init in INITIALIZERS.items():
...     W = init(np.random.default_rng(0), 400, 200)
...     print(f"{name:14} {1e3 * W.var():.1f}")
glorot_uniform 3.3
glorot_normal  3.3
he_uniform     5.0
he_normal      5.0
lecun_uniform  2.5
lecun_normal   2.5
orthogonal     2.5
normal         0.1
zeros          0.0
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from skdnn.engine.arrays import Array
from skdnn.engine.registry import choose


class Initializer(Protocol):
    """Draws a weight matrix."""

    def __call__(self, rng: np.random.Generator, n_in: int, n_out: int) -> Array:
        """Return W of shape (n_in, n_out) in float64."""


class BiasInitializer(Protocol):
    """Draws a bias vector."""

    def __call__(self, rng: np.random.Generator, n_in: int, n_out: int) -> Array:
        """Return b of shape (n_out,) in float64."""


@dataclass(frozen=True)
class VarianceScaling:
    """Var W = scale / fan, with fan = n_in or (n_in + n_out) / 2.

    Parameters
    ----------
    scale : float
        2 for He, 1 for Glorot and LeCun; positive.
    fan : {"in", "avg"}
        n_in for He and LeCun, (n_in + n_out) / 2 for Glorot.
    distribution : {"uniform", "normal"}
        Uniform on [-√(3 Var W), √(3 Var W)), or normal.

    References
    ----------
    LeCun et al. (1998), "Efficient BackProp", sec. 4.6; Glorot and Bengio (2010), eq. 12 and 16;
    He et al. (2015), eq. 10.

    Examples
    --------
    >>> W = VarianceScaling(2, "in", "normal")(np.random.default_rng(0), 1000, 500)
    >>> print(f"{W.std():.3f} {np.sqrt(2 / 1000):.3f}")
    0.045 0.045
    """

    scale: float
    fan: str
    distribution: str

    def __call__(self, rng: np.random.Generator, n_in: int, n_out: int) -> Array:
        fan = n_in if self.fan == "in" else (n_in + n_out) / 2
        variance = self.scale / fan
        if self.distribution == "normal":
            return rng.normal(0.0, np.sqrt(variance), (n_in, n_out))
        limit = np.sqrt(3 * variance)
        return rng.uniform(-limit, limit, (n_in, n_out))


@dataclass(frozen=True)
class Orthogonal:
    """WᵀW = I where n_in ≥ n_out, else W Wᵀ = I (Saxe, McClelland and Ganguli, 2014).

    W is uniform over the matrices with that property (Mezzadri, 2007).

    Examples
    --------
    >>> W = Orthogonal()(np.random.default_rng(0), 5, 3)
    >>> bool(np.allclose(W.T @ W, np.eye(3)))
    True
    """

    def __call__(self, rng: np.random.Generator, n_in: int, n_out: int) -> Array:
        A = rng.normal(size=(max(n_in, n_out), min(n_in, n_out)))
        Q, R = np.linalg.qr(A)
        Q *= np.sign(np.diag(R))  # makes Q uniform over the orthogonal matrices
        return Q if n_in >= n_out else Q.T


@dataclass(frozen=True)
class Normal:
    """W ~ N(0, std²), the same for every layer (Krizhevsky, Sutskever and Hinton, 2012, sec. 5).

    Parameters
    ----------
    std : float, default=0.01
        Standard deviation; not negative.

    Examples
    --------
    >>> print(f"{Normal(0.5)(np.random.default_rng(0), 1000, 500).std():.2f}")
    0.50
    """

    std: float = 0.01

    def __call__(self, rng: np.random.Generator, n_in: int, n_out: int) -> Array:
        return rng.normal(0.0, self.std, (n_in, n_out))


@dataclass(frozen=True)
class Zeros:
    """W = 0: right for a linear model; hidden units would all stay alike.

    Examples
    --------
    >>> Zeros()(np.random.default_rng(0), 1, 2)
    array([[0., 0.]])
    """

    def __call__(self, rng: np.random.Generator, n_in: int, n_out: int) -> Array:
        return np.zeros((n_in, n_out))


# Biases -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class ZeroBias:
    """b = 0: the kinks of rectified units all go through the origin.

    Examples
    --------
    >>> ZeroBias()(np.random.default_rng(0), 1, 2)
    array([0., 0.])
    """

    def __call__(self, rng: np.random.Generator, n_in: int, n_out: int) -> Array:
        return np.zeros(n_out)


@dataclass(frozen=True)
class UniformBias:
    """b ~ U(-limit, limit), the same for every layer.

    Parameters
    ----------
    limit : float, default=1.0
        Positive.

    Examples
    --------
    >>> b = UniformBias(0.5)(np.random.default_rng(0), 5, 1000)
    >>> print(f"{b.min():.2f} {b.max():.2f}")
    -0.50 0.50
    """

    limit: float = 1.0

    def __call__(self, rng: np.random.Generator, n_in: int, n_out: int) -> Array:
        return rng.uniform(-self.limit, self.limit, n_out)


@dataclass(frozen=True)
class ScaledBias:
    """b ~ U(-√(scale / fan), √(scale / fan)), with fan = n_in or (n_in + n_out) / 2.

    Parameters
    ----------
    scale : float
        3 with the fan "avg" is the range of Glorot's uniform weights, which scikit-learn's
        multilayer perceptrons use; 1 with the fan "in" is what PyTorch's linear layer uses.
    fan : {"in", "avg"}
        n_in or (n_in + n_out) / 2.

    Examples
    --------
    >>> b = ScaledBias(1, "in")(np.random.default_rng(0), 100, 1000)
    >>> print(f"{abs(b).max():.2f}")
    0.10
    """

    scale: float
    fan: str

    def __call__(self, rng: np.random.Generator, n_in: int, n_out: int) -> Array:
        fan = n_in if self.fan == "in" else (n_in + n_out) / 2
        return UniformBias(np.sqrt(self.scale / fan))(rng, n_in, n_out)


# From data ----------------------------------------------------------------------------------


def from_preactivations(S: Array, rng: np.random.Generator) -> tuple[Array, Array]:
    """Return what makes the weighted sums of some rows vary by 1 and be zero among the rows.

    The factor of the weights is 1 / std(s), of every unit by itself (Mishkin and Matas, 2016, and
    Krähenbühl et al., 2016), and the bias is minus a random convex combination of the sums of five
    rows, all combinations being equally likely (Holzmüller, Grinsztajn and Steinwart, 2024): so the
    kink of every unit lies where there are data.

    Parameters
    ----------
    S : ndarray of shape (m, n_out)
        X W, without biases.
    rng : Generator
        Draws the rows and the combinations.

    Returns
    -------
    factor : ndarray of shape (n_out,)
        What to multiply the columns of W by; 1 for a unit whose sum does not vary.
    bias : ndarray of shape (n_out,)
        The biases that belong to the multiplied weights.

    Examples
    --------
    >>> S = np.array([[10.0, 5.0], [14.0, 5.0]])
    >>> factor, bias = from_preactivations(S, np.random.default_rng(0))
    >>> factor
    array([0.5, 1. ])
    >>> bool(-7.0 < bias[0] < -5.0), bool(np.isclose(bias[1], -5.0))
    (True, True)
    """
    m, n_out = S.shape
    spread = S.std(axis=0, dtype=np.float64)
    varies = spread > 1e-6 * np.abs(S).max(axis=0, initial=0.0)
    factor = 1.0 / np.where(varies, spread, 1.0)
    five = np.take_along_axis(S, rng.integers(0, m, (5, n_out)), axis=0)
    shares = rng.dirichlet(np.ones(5), n_out).T
    return factor, -factor * (shares * five).sum(axis=0)


INITIALIZERS: dict[str, Initializer] = {
    "glorot_uniform": VarianceScaling(1, "avg", "uniform"),
    "glorot_normal": VarianceScaling(1, "avg", "normal"),
    "he_uniform": VarianceScaling(2, "in", "uniform"),
    "he_normal": VarianceScaling(2, "in", "normal"),
    "lecun_uniform": VarianceScaling(1, "in", "uniform"),
    "lecun_normal": VarianceScaling(1, "in", "normal"),
    "orthogonal": Orthogonal(),
    "normal": Normal(),
    "zeros": Zeros(),
}
ALIASES = {
    "xavier_uniform": "glorot_uniform",
    "xavier_normal": "glorot_normal",
    "kaiming_uniform": "he_uniform",
    "kaiming_normal": "he_normal",
}


BIAS_INITIALIZERS: dict[str, BiasInitializer] = {
    "zeros": ZeroBias(),
    "glorot_uniform": ScaledBias(3, "avg"),
    "fan_in": ScaledBias(1, "in"),
    "uniform": UniformBias(),
}


def get_initializer(name: str) -> Initializer:
    """Return the initialiser of this name or alias.

    Raises
    ------
    ValueError
        If there is none.

    Examples
    --------
    >>> get_initializer("kaiming_normal")
    VarianceScaling(scale=2, fan='in', distribution='normal')
    """
    names = INITIALIZERS | {alias: INITIALIZERS[name] for alias, name in ALIASES.items()}
    return choose("init", names, name)


def get_bias_initializer(name: str) -> BiasInitializer:
    """Return the initialiser of biases of this name.

    Raises
    ------
    ValueError
        If there is none.

    Examples
    --------
    >>> get_bias_initializer("fan_in")
    ScaledBias(scale=1, fan='in')
    """
    return choose("bias_init", BIAS_INITIALIZERS, name)
