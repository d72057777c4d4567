"""Activation functions Y = σ(S) and their derivatives.

A new activation is one class below and one line in `ACTIVATIONS`.  ``forward`` writes
σ(S) into ``Y``; ``derivative`` writes σ'(S) into ``D`` and may look at the input ``S``
and at the output ``Y``, whichever makes the formula shorter.  The pull-back of a gradient
is then ``dS = dY * D``.

Conventions
-----------
``S``, ``Y`` and ``D`` are float arrays of one shape, (m, n) in a network, and one dtype, float32
or float64; what comes out is written, nothing is returned.  Brackets are one if the condition
in them holds, else zero.  At a kink in 0, σ' is the derivative from the left.

Examples
--------
>>> import numpy as np
>>> S = np.array([-1.0, 0.0, 1.0])
>>> Y, D = np.empty_like(S), np.empty_like(S)
>>> sigma = get_activation("tanh")
>>> sigma.forward(S, Y)
>>> sigma.derivative(S, Y, D)
>>> bool(np.allclose(D, 1 - np.tanh(S) ** 2))
True

σ(-1) and σ(1) of all:

>>> for name, sigma in ACTIVATIONS.items():
...     sigma.forward(S, Y)
...     print(f"{name:10} {Y[0]:6.3f} {Y[2]:6.3f}")
relu        0.000  1.000
identity   -1.000  1.000
logistic    0.269  0.731
tanh       -0.762  0.762
leaky_relu -0.010  1.000
elu        -0.632  1.000
selu       -1.111  1.051
softplus    0.313  1.313
gelu       -0.159  0.841
silu       -0.269  0.731
mish       -0.303  0.865
step        0.000  1.000
"""

import math
from dataclasses import dataclass, is_dataclass
from typing import Any, ClassVar, Protocol

import numpy as np
from scipy.special import expit, ndtr

from skdnn.engine.arrays import Array
from skdnn.engine.registry import choose


class Activation(Protocol):
    """An elementwise function with its derivative.

    Attributes
    ----------
    init : str, default="glorot_uniform"
        Name of the initialiser that suits weights in front of this activation.
    from_output : bool, default=False
        Whether σ' is computed from Y alone, so that Y may take the place of S in memory.
    """

    init: ClassVar[str] = "glorot_uniform"
    from_output: ClassVar[bool] = False

    def forward(self, S: Array, Y: Array) -> None:
        """Write σ(S) into Y."""

    def derivative(self, S: Array, Y: Array, D: Array) -> None:
        """Write σ'(S) into D, where Y = σ(S)."""


@dataclass(frozen=True)
class Identity:
    """σ(s) = s; σ' = 1."""

    init: ClassVar[str] = "glorot_uniform"
    from_output: ClassVar[bool] = True

    def forward(self, S: Array, Y: Array) -> None:
        np.copyto(Y, S)

    def derivative(self, S: Array, Y: Array, D: Array) -> None:
        D.fill(1.0)


@dataclass(frozen=True)
class Logistic:
    """σ(s) = 1 / (1 + exp(-s)); σ' = σ (1 - σ).

    Rumelhart, Hinton and Williams (1986, eq. 2).
    """

    init: ClassVar[str] = "glorot_uniform"
    from_output: ClassVar[bool] = True

    def forward(self, S: Array, Y: Array) -> None:
        expit(S, out=Y)

    def derivative(self, S: Array, Y: Array, D: Array) -> None:
        np.subtract(1.0, Y, out=D)
        D *= Y


@dataclass(frozen=True)
class Tanh:
    """σ(s) = tanh(s); σ' = 1 - σ² (LeCun et al., 1998, "Efficient BackProp", sec. 4.4)."""

    init: ClassVar[str] = "glorot_uniform"
    from_output: ClassVar[bool] = True

    def forward(self, S: Array, Y: Array) -> None:
        np.tanh(S, out=Y)

    def derivative(self, S: Array, Y: Array, D: Array) -> None:
        np.multiply(Y, Y, out=D)
        np.subtract(1.0, D, out=D)


@dataclass(frozen=True)
class ReLU:
    """σ(s) = max(0, s); σ' = [s > 0] (Nair and Hinton, 2010)."""

    init: ClassVar[str] = "glorot_uniform"
    from_output: ClassVar[bool] = True

    def forward(self, S: Array, Y: Array) -> None:
        # numpy is faster at the maximum with a row than with a number
        np.maximum(S, np.zeros(S.shape[-1], S.dtype), out=Y)

    def derivative(self, S: Array, Y: Array, D: Array) -> None:
        np.greater(Y, 0.0, out=D)


@dataclass(frozen=True)
class LeakyReLU:
    """σ(s) = max(slope s, s); σ' = 1 where s > 0, else slope (Maas et al., 2013).

    Parameters
    ----------
    slope : float, default=0.01
        Slope on the negative side, in [0, 1).

    Raises
    ------
    ValueError
        If slope is out of its range.

    Examples
    --------
    >>> import numpy as np
    >>> Y = np.empty(3)
    >>> LeakyReLU(0.2).forward(np.array([-1.0, 0.0, 2.0]), Y)
    >>> Y
    array([-0.2,  0. ,  2. ])
    """

    init: ClassVar[str] = "glorot_uniform"
    from_output: ClassVar[bool] = True
    slope: float = 0.01

    def __post_init__(self) -> None:
        if not 0 <= self.slope < 1:
            raise ValueError(f"slope of LeakyReLU must be in [0, 1). Got {self.slope!r} instead.")

    def forward(self, S: Array, Y: Array) -> None:
        np.maximum(S, self.slope * S, out=Y)

    def derivative(self, S: Array, Y: Array, D: Array) -> None:
        np.greater(Y, 0.0, out=D)
        D *= 1.0 - self.slope
        D += self.slope


@dataclass(frozen=True)
class ELU:
    """σ(s) = s where s > 0, else alpha (exp(s) - 1); σ' = 1, else σ + alpha.

    Clevert, Unterthiner and Hochreiter (2016).

    Parameters
    ----------
    alpha : float, default=1.0
        The function tends to -alpha far on the negative side; positive.

    Raises
    ------
    ValueError
        If alpha is not positive.

    Examples
    --------
    >>> import numpy as np
    >>> Y = np.empty(3)
    >>> ELU(alpha=2.0).forward(np.array([-100.0, 0.0, 2.0]), Y)
    >>> Y
    array([-2.,  0.,  2.])
    """

    init: ClassVar[str] = "glorot_uniform"
    from_output: ClassVar[bool] = False
    alpha: float = 1.0

    def __post_init__(self) -> None:
        if not self.alpha > 0:
            raise ValueError(f"alpha of ELU must be positive. Got {self.alpha!r} instead.")

    def forward(self, S: Array, Y: Array) -> None:
        np.minimum(S, 0.0, out=Y)
        np.expm1(Y, out=Y)
        Y *= self.alpha
        Y += np.maximum(S, 0.0)

    def derivative(self, S: Array, Y: Array, D: Array) -> None:
        np.minimum(Y, 0.0, out=D)
        D += self.alpha
        D += (1.0 - self.alpha) * (S > 0).astype(D.dtype)


@dataclass(frozen=True)
class SELU:
    """σ(s) = λ s where s > 0, else λ α (exp(s) - 1); σ' = λ, else σ + λ α.

    λ (``scale``) and α make zero mean and unit variance a fixed point (Klambauer et al., 2017,
    eq. 2), for weights as ``init`` draws them.
    """

    init: ClassVar[str] = "lecun_normal"
    from_output: ClassVar[bool] = False
    scale: ClassVar[float] = 1.0507009873554805
    alpha: ClassVar[float] = 1.6732632423543772

    def forward(self, S: Array, Y: Array) -> None:
        np.minimum(S, 0.0, out=Y)
        np.expm1(Y, out=Y)
        Y *= self.alpha
        Y += np.maximum(S, 0.0)
        Y *= self.scale

    def derivative(self, S: Array, Y: Array, D: Array) -> None:
        np.minimum(Y, 0.0, out=D)
        D += self.scale * self.alpha
        D += self.scale * (1.0 - self.alpha) * (S > 0).astype(D.dtype)


@dataclass(frozen=True)
class Softplus:
    """σ(s) = log(1 + exp(s)); σ' = 1 / (1 + exp(-s)) = 1 - exp(-σ) (Dugas et al., 2001)."""

    init: ClassVar[str] = "glorot_uniform"
    from_output: ClassVar[bool] = False

    def forward(self, S: Array, Y: Array) -> None:
        np.abs(S, out=Y)
        np.negative(Y, out=Y)
        np.exp(Y, out=Y)
        np.log1p(Y, out=Y)
        Y += np.maximum(S, 0.0)

    def derivative(self, S: Array, Y: Array, D: Array) -> None:
        expit(S, out=D)


@dataclass(frozen=True)
class GELU:
    """σ(s) = s Φ(s); σ' = Φ(s) + s φ(s), with the normal Φ and φ (Hendrycks and Gimpel, 2016)."""

    init: ClassVar[str] = "glorot_uniform"
    from_output: ClassVar[bool] = False

    def forward(self, S: Array, Y: Array) -> None:
        ndtr(S, out=Y)
        Y *= S

    def derivative(self, S: Array, Y: Array, D: Array) -> None:
        phi = np.exp(-0.5 * S * S)
        phi *= 1 / math.sqrt(2 * math.pi)
        phi *= S
        ndtr(S, out=D)
        D += phi


@dataclass(frozen=True)
class SiLU:
    """σ(s) = s ς(s), ς the logistic function; σ' = ς + σ (1 - ς) (Elfwing et al., 2018)."""

    init: ClassVar[str] = "glorot_uniform"
    from_output: ClassVar[bool] = False

    def forward(self, S: Array, Y: Array) -> None:
        expit(S, out=Y)
        Y *= S

    def derivative(self, S: Array, Y: Array, D: Array) -> None:
        expit(S, out=D)
        D *= 1.0 - Y
        D += Y


@dataclass(frozen=True)
class Mish:
    """σ(s) = s τ, τ = tanh(log(1 + exp(s))); σ' = τ + s τ' (Misra, 2019).

    With e = exp(s) and n = e² + 2 e, τ = n / (n + 2) and τ' = 4 e (1 + e) / (n + 2)²: one
    exponential, and nothing cancels.
    """

    init: ClassVar[str] = "glorot_uniform"
    from_output: ClassVar[bool] = False
    most: ClassVar[float] = 20.0  # beyond it τ is 1 in double precision

    def forward(self, S: Array, Y: Array) -> None:
        np.minimum(S, self.most, out=Y)
        np.exp(Y, out=Y)
        Y *= Y + 2.0
        Y /= Y + 2.0
        Y *= S

    def derivative(self, S: Array, Y: Array, D: Array) -> None:
        e = np.exp(np.minimum(S, self.most))
        n = e * (e + 2.0)
        np.divide(n, n + 2.0, out=D)
        e *= 4.0 + 4.0 * e
        n += 2.0
        n *= n
        e /= n
        e *= S
        D += e


@dataclass(frozen=True)
class Step:
    """σ(s) = [s > 0], the threshold unit of the perceptron (Rosenblatt, 1958).

    Its derivative is zero wherever it exists, so training goes straight through: the
    gradient passes as if σ' were 1 where |s| ≤ 1 and 0 elsewhere (Bengio, Léonard and
    Courville, 2013; Hubara et al., 2016, eq. 4).
    """

    init: ClassVar[str] = "glorot_uniform"
    from_output: ClassVar[bool] = False

    def forward(self, S: Array, Y: Array) -> None:
        np.greater(S, 0.0, out=Y)

    def derivative(self, S: Array, Y: Array, D: Array) -> None:
        np.abs(S, out=D)
        np.less_equal(D, 1.0, out=D)


@dataclass(frozen=True, repr=False)
class Custom:
    """An activation that the user made, with the defaults of `Activation` for what it lacks.

    Parameters
    ----------
    activation : object
        Has ``forward`` and ``derivative``, and may have ``init`` and ``from_output``.
    """

    activation: Any

    def __repr__(self) -> str:
        made = self.activation
        return repr(made) if is_dataclass(made) else type(made).__name__

    @property
    def init(self) -> str:
        return getattr(self.activation, "init", Activation.init)

    @property
    def from_output(self) -> bool:
        return getattr(self.activation, "from_output", Activation.from_output)

    def forward(self, S: Array, Y: Array) -> None:
        self.activation.forward(S, Y)

    def derivative(self, S: Array, Y: Array, D: Array) -> None:
        self.activation.derivative(S, Y, D)


ACTIVATIONS: dict[str, Activation] = {
    "relu": ReLU(),
    "identity": Identity(),
    "logistic": Logistic(),
    "tanh": Tanh(),
    "leaky_relu": LeakyReLU(),
    "elu": ELU(),
    "selu": SELU(),
    "softplus": Softplus(),
    "gelu": GELU(),
    "silu": SiLU(),
    "mish": Mish(),
    "step": Step(),
}
ALIASES = {"sigmoid": "logistic", "linear": "identity", "swish": "silu"}


def get_activation(activation: str | Activation) -> Activation:
    """Return the activation of this name (or alias), or the object, with what it may lack.

    Parameters
    ----------
    activation : str or Activation
        A key of ``ACTIVATIONS`` or ``ALIASES``, or any object with ``forward`` and ``derivative``:
        it is returned itself if it has all that an `Activation` has, and as a `Custom` otherwise.

    Raises
    ------
    ValueError
        If there is no activation of this name.

    Examples
    --------
    >>> get_activation("sigmoid")
    Logistic()
    """
    if not all(callable(getattr(activation, name, None)) for name in ("forward", "derivative")):
        names = ACTIVATIONS | {alias: ACTIVATIONS[name] for alias, name in ALIASES.items()}
        activation = choose("activation", names, activation)  # type: ignore[arg-type]
    is_whole = hasattr(activation, "init") and hasattr(activation, "from_output")
    return activation if is_whole else Custom(activation)  # type: ignore[return-value]
