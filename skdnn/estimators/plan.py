"""What the hyperparameters of a call ask of the engine: a `Plan`, made once and handed down."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from numbers import Real
from typing import Any

import numpy as np

from skdnn.engine.activations import Activation, Identity, get_activation
from skdnn.engine.initializers import get_bias_initializer, get_initializer
from skdnn.engine.layers import Activate, BatchNorm, Dense, Dropout, Layer
from skdnn.engine.losses import Loss
from skdnn.engine.network import Network
from skdnn.engine.optimizers import SGD, Optimizer, get_optimizer
from skdnn.engine.schedules import (
    InverseScaling,
    Schedule,
    WarmUp,
    anneals,
    get_schedule,
    rises,
)
from skdnn.engine.stopping import Patience
from skdnn.engine.training import Descent
from skdnn.estimators.hyperparameters import (
    Hyperparameters,
    compute_dtype,
    defaults_of,
    hidden_sizes,
    per_layer,
)

MANY_SAMPLES = 10_000.0  # what "invscaling" counts as one with an adaptive solver


@dataclass(frozen=True)
class Stopping:
    """When a training stops by itself, and what it goes by.

    Attributes
    ----------
    tol : float
        Smallest improvement that counts.
    n_iter_no_change : int or inf
        So many epochs without one are allowed.  With "lbfgs", which has a rule of its own, it
        counts only if a validation score decides.
    early_stopping : bool
        Whether the validation score decides, not the training loss.
    scoring : str, callable or None
        What the validation score is; None without early stopping.
    adaptive : bool
        Whether impatience first divides the learning rate by 5.
    """

    tol: float
    n_iter_no_change: float
    early_stopping: bool
    scoring: Any
    adaptive: bool


@dataclass(frozen=True)
class Plan:
    """What one call of ``fit`` or ``partial_fit`` asks of the engine.

    Attributes
    ----------
    layers : tuple of Layer
        Specifications of the layers, without numbers and buffers.
    dtype : {"float32", "float64"}
        Type of all numbers of the network.
    loss : Loss
        What is made small.
    descent : Descent
        How.
    stopping : Stopping
        Until when.
    max_iter : int
        Largest number of epochs of a call of ``fit``.
    lbfgs : dict of str to float, or None
        Options of `scipy.optimize.minimize` for "lbfgs"; None is minibatches.
    anneals : bool
        Whether the schedule brings training to its end at `max_iter`.
    """

    layers: tuple[Layer, ...]
    dtype: str
    loss: Loss
    descent: Descent
    stopping: Stopping
    max_iter: int
    lbfgs: dict[str, float] | None
    anneals: bool

    def new_network(self) -> Network:
        """Return a network of these layers; all its numbers are zero."""
        return Network([replace(layer) for layer in self.layers], self.dtype)  # type: ignore[type-var]

    def new_patience(self) -> Patience:
        return Patience(self.stopping.tol, self.stopping.n_iter_no_change)

    def is_comparable(self, other: "Plan") -> bool:
        """Whether the scores of both are of one kind, so that the better one can be told."""
        return self._scored == other._scored

    @property
    def _scored(self) -> tuple[Any, ...]:
        return self.stopping.early_stopping, self.stopping.scoring, self.loss, self.dtype


def make_plan(params: Hyperparameters, n_in: int, n_out: int, loss: Loss) -> Plan:
    """Return the plan for a network from `n_in` columns to `n_out` scores."""
    return Plan(
        layers=tuple(build_layers(params, n_in, n_out)),
        dtype=compute_dtype(params),
        loss=loss,
        descent=build_descent(params),
        stopping=build_stopping(params),
        max_iter=params.max_iter,
        lbfgs=lbfgs_options(params, loss) if params.solver == "lbfgs" else None,
        anneals=anneals(params.learning_rate),
    )


def build_layers(params: Hyperparameters, n_in: int, n_out: int) -> list[Layer]:
    """Return the chain: input dropout, then Dense → batch norm → activation → dropout …, Dense."""
    sizes = hidden_sizes(params)
    activations = [
        get_activation(a) for a in per_layer("activation", params.activation, len(sizes))
    ]
    rates = per_layer("dropout", params.dropout, len(sizes))
    momentum = 1.0 if params.solver == "lbfgs" else params.batch_norm_momentum
    bias_init = get_bias_initializer(bias_init_name(params))

    def dense(n_in: int, n_out: int, activation: Activation, suited_to: Activation) -> Dense:
        init = get_initializer(suited_to.init if params.init == "auto" else params.init)
        return Dense(n_in, n_out, init, activation, bias_init)

    use_dropout = params.solver != "lbfgs"
    layers: list[Layer] = []
    if params.input_dropout and use_dropout:
        layers.append(Dropout(n_in, params.input_dropout))
    for size, activation, rate in zip(sizes, activations, rates, strict=True):
        if params.batch_norm:
            layers.append(dense(n_in, size, Identity(), activation))
            layers.append(BatchNorm(size, momentum))
            layers.append(Activate(size, activation))
        else:
            layers.append(dense(n_in, size, activation, activation))
        if rate and use_dropout:
            layers.append(Dropout(size, rate))
        n_in = size
    layers.append(dense(n_in, n_out, Identity(), Identity()))
    return layers


def bias_init_name(params: Hyperparameters) -> str:
    """Return the name of the initialiser of biases; "auto" starts at zero if the weights do."""
    if params.bias_init != "auto":
        return params.bias_init
    return "zeros" if params.init == "zeros" else "glorot_uniform"


def build_descent(params: Hyperparameters) -> Descent:
    """Return how the network is to be trained."""
    return Descent(
        optimizer=build_optimizer(params),
        learning_rate=params.learning_rate_init,
        schedule=build_schedule(params),
        n_epochs=params.max_iter,
        alpha=params.alpha,
        weight_decay=params.weight_decay,
        clip_norm=params.clip_norm,
        max_norm=params.max_norm,
        shuffle=bool(params.shuffle),
    )


def build_optimizer(params: Hyperparameters) -> Optimizer:
    """Return the optimizer with those hyperparameters that it has."""
    if params.solver in ("sgd", "lbfgs"):
        return SGD(params.momentum, bool(params.nesterovs_momentum and params.momentum))
    optimizer = get_optimizer(params.solver)
    return optimizer(**{name: getattr(params, name) for name in defaults_of(optimizer)})


def build_schedule(params: Hyperparameters) -> Schedule:
    """Return the schedule, behind its warm-up."""
    schedule: Schedule
    if isinstance(params.learning_rate, str):
        found = get_schedule(params.learning_rate)
        if found is InverseScaling:
            unit = 1.0 if params.solver == "sgd" else MANY_SAMPLES
            schedule = InverseScaling(params.power_t, unit)
        else:
            schedule = found()
    else:
        schedule = GivenSchedule(params.learning_rate)
    warms_up = params.warmup and not rises(params.learning_rate)
    return WarmUp(params.warmup, schedule) if warms_up else schedule


def build_stopping(params: Hyperparameters) -> Stopping:
    """Return when training stops by itself."""
    early_stopping = bool(params.early_stopping)
    own_rule = params.solver == "lbfgs" and not early_stopping
    return Stopping(
        tol=params.tol,
        n_iter_no_change=math.inf if own_rule else params.n_iter_no_change,
        early_stopping=early_stopping,
        scoring=params.scoring if early_stopping else None,
        adaptive=params.learning_rate == "adaptive",
    )


def lbfgs_options(params: Hyperparameters, loss: Loss) -> dict[str, float]:
    """Return the options of L-BFGS, but for the number of iterations."""
    # Outliers may be nearly all of the value of a robust loss, so shares of it say little.
    tol = 0.0 if loss.standardised_by == "quartiles" else params.tol
    return {"maxfun": params.max_fun, "gtol": params.tol, "ftol": smallest_fall(tol)}


def smallest_fall(tol: float) -> float:
    """Return the relative fall of the loss that ends L-BFGS: scipy's, less for a smaller tol."""
    eps = float(np.finfo(float).eps)
    return max(1e7 * eps * min(tol / 1e-4, 1.0), 64 * eps)


@dataclass(frozen=True)
class GivenSchedule(Schedule):
    """A schedule that the user made, whose factors are checked one by one."""

    schedule: Callable[[float, int], float]

    def __call__(self, progress: float, n_samples_seen: int) -> float:
        factor = self.schedule(progress, n_samples_seen)
        is_number = isinstance(factor, Real) or (
            isinstance(factor, np.ndarray) and factor.ndim == 0
        )
        if not (is_number and 0 <= float(factor) < math.inf):
            raise ValueError(
                f"learning_rate={self.schedule!r} must return the factor of learning_rate_init, a "
                f"finite number from 0 on. Got {factor!r} at a progress of {progress:.3g}."
            )
        return float(factor)
