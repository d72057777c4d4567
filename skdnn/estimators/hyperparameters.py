"""The hyperparameters that both estimators have, and values read from them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from inspect import signature
from numbers import Integral, Real
from typing import Any

import numpy as np

from skdnn.engine.activations import Activation
from skdnn.engine.losses import Loss
from skdnn.engine.schedules import Schedule

# Rows whose activations are held at once in an L-BFGS evaluation.
LBFGS_BATCH_ROWS = 4096

LayerSizes = int | Sequence[int]
Activations = str | Activation | Sequence[str | Activation]


@dataclass(eq=False, repr=False, kw_only=True)
class Hyperparameters:
    """What both estimators are asked for; the docstring of each says what a value means.

    The generated ``__init__`` does nothing but assign, as scikit-learn wants it.  A subclass
    declares again what it takes by position, or with another default, and adds its own.
    """

    loss: str | Loss = ""
    hidden_layer_sizes: LayerSizes = (100,)
    activation: Activations = "relu"
    solver: str = "adam"
    alpha: float = 0.0001
    batch_size: int | str = "auto"
    learning_rate: str | Schedule = "constant"
    learning_rate_init: float = 0.001
    power_t: float = 0.5
    max_iter: int = 200
    shuffle: bool = True
    random_state: int | np.random.RandomState | None = None
    tol: float = 1e-4
    verbose: bool | int = False
    warm_start: bool = False
    momentum: float = 0.9
    nesterovs_momentum: bool = True
    early_stopping: bool = False
    validation_fraction: float = 0.1
    beta_1: float = 0.9
    beta_2: float = 0.999
    epsilon: float = 1e-8
    n_iter_no_change: float = 10
    max_fun: int = 15000
    weight_decay: float = 0.0
    dropout: float | Sequence[float] = 0.0
    input_dropout: float = 0.0
    batch_norm: bool = False
    batch_norm_momentum: float = 0.1
    init: str = "auto"
    bias_init: str = "auto"
    normalize_X: bool = True
    warmup: float = 0.0
    clip_norm: float | None = None
    max_norm: float | None = None
    rho: float = 0.9
    scoring: str | Callable[..., float] | None = None
    dtype: Any = "float32"


@cache
def _defaults(made_from: Any) -> dict[str, Any]:
    return {name: p.default for name, p in signature(made_from).parameters.items()}


def defaults_of(made_from: Any) -> dict[str, Any]:
    """Return the names and the defaults of what an estimator or a specification is made from."""
    return _defaults(made_from)


def hidden_sizes(params: Hyperparameters) -> list[int]:
    """Return the sizes of the hidden layers as a list, or say what is wrong with them."""
    given: Any = params.hidden_layer_sizes
    sizes = [given] if np.ndim(given) == 0 and not np.iterable(given) else list(given)
    sizes = [n.item() if isinstance(n, np.ndarray) and n.ndim == 0 else n for n in sizes]
    if not all(isinstance(n, Integral) and not isinstance(n, bool) for n in sizes):
        raise ValueError(f"hidden_layer_sizes must be integers, got {sizes}.")
    if any(n <= 0 for n in sizes):
        raise ValueError(f"hidden_layer_sizes must be > 0, got {sizes}.")
    return [int(n) for n in sizes]


def per_layer(name: str, value: Any, n_hidden: int) -> list[Any]:
    """Return one value a hidden layer, from one for all or a list of them."""
    if isinstance(value, (str, Real)) or not np.iterable(value):
        return [value] * n_hidden
    values = list(value)
    if len(values) != n_hidden:
        raise ValueError(
            f"{name} has {len(values)} entries, but hidden_layer_sizes has {n_hidden} hidden "
            f"layers: give one value for all, or one a hidden layer."
        )
    return values


def compute_dtype(params: Hyperparameters) -> str:
    """Return the dtype of the computations; L-BFGS's line search needs double precision."""
    return "float64" if params.solver == "lbfgs" else np.dtype(params.dtype).name


def batch_rows(params: Hyperparameters, n: int) -> int:
    """Return how many of n rows a batch has."""
    if params.solver == "lbfgs":  # batch norm wants the statistics of all rows at once
        return n if params.batch_norm else min(n, LBFGS_BATCH_ROWS)
    size = 200 if isinstance(params.batch_size, str) else params.batch_size
    return min(size, n)
