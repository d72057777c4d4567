"""From flat hyperparameters to the engine's specifications."""

import inspect
import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from numbers import Integral, Real

import numpy as np

from skdnn.engine.activations import Identity, get_activation
from skdnn.engine.initializers import get_bias_initializer, get_initializer
from skdnn.engine.layers import Activate, BatchNorm, Dense, Dropout, Layer
from skdnn.engine.network import Network
from skdnn.engine.optimizers import SGD, get_optimizer
from skdnn.engine.schedules import InverseScaling, Schedule, WarmUp, get_schedule, rises
from skdnn.engine.training import Descent

MANY_SAMPLES = 10_000.0  # what "invscaling" counts as one with an adaptive solver


def hidden_sizes(estimator) -> list[int]:
    """Return the sizes of the hidden layers as a list, or say what is wrong with them."""
    sizes = estimator.hidden_layer_sizes
    sizes = [sizes] if np.ndim(sizes) == 0 and not np.iterable(sizes) else list(sizes)
    sizes = [n.item() if isinstance(n, np.ndarray) and n.ndim == 0 else n for n in sizes]
    if not all(isinstance(n, Integral) and not isinstance(n, bool) for n in sizes):
        raise ValueError(f"hidden_layer_sizes must be integers, got {sizes}.")
    if any(n <= 0 for n in sizes):
        raise ValueError(f"hidden_layer_sizes must be > 0, got {sizes}.")
    return [int(n) for n in sizes]


def per_layer(name: str, value, n_hidden: int) -> list:
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


def build_layers(estimator, n_in: int, n_out: int) -> list[Layer]:
    """Return the chain: input dropout, then Dense → batch norm → activation → dropout …, Dense."""
    sizes = hidden_sizes(estimator)
    activations = [
        get_activation(a) for a in per_layer("activation", estimator.activation, len(sizes))
    ]
    rates = per_layer("dropout", estimator.dropout, len(sizes))
    momentum = 1.0 if estimator.solver == "lbfgs" else estimator.batch_norm_momentum

    def dense(n_in, n_out, activation, suited_to):
        # an activation of the user's own need not say what suits it
        suited = getattr(suited_to, "init", "glorot_uniform")
        init = get_initializer(suited if estimator.init == "auto" else estimator.init)
        return Dense(n_in, n_out, init, activation, bias_init)

    bias_init = get_bias_initializer(bias_init_name(estimator))
    use_dropout = estimator.solver != "lbfgs"
    layers: list[Layer] = []
    if estimator.input_dropout and use_dropout:
        layers.append(Dropout(n_in, estimator.input_dropout))
    for size, activation, rate in zip(sizes, activations, rates, strict=True):
        if estimator.batch_norm:
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


def bias_init_name(estimator) -> str:
    """Return the name of the initialiser of biases; "auto" starts at zero if the weights do."""
    if estimator.bias_init != "auto":
        return estimator.bias_init
    return "zeros" if estimator.init == "zeros" else "glorot_uniform"


def compute_dtype(estimator) -> str:
    """Return the dtype of the computations; L-BFGS's line search needs double precision."""
    return "float64" if estimator.solver == "lbfgs" else np.dtype(estimator.dtype).name


def build_network(estimator, n_in: int, n_out: int) -> Network:
    """Return the network, without numbers yet."""
    return Network(build_layers(estimator, n_in, n_out), compute_dtype(estimator))


def build_optimizer(estimator):
    """Return the optimizer with those hyperparameters that it has."""
    if estimator.solver in ("sgd", "lbfgs"):
        return SGD(estimator.momentum, bool(estimator.nesterovs_momentum and estimator.momentum))
    optimizer = get_optimizer(estimator.solver)
    return optimizer(**{name: getattr(estimator, name) for name in defaults_of(optimizer)})


@cache
def defaults_of(made_from: type) -> dict:
    """Return the names and the defaults of what an estimator or a specification is made from."""
    return {name: p.default for name, p in inspect.signature(made_from).parameters.items()}


@dataclass(frozen=True)
class GivenSchedule:
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


def build_schedule(estimator) -> Schedule:
    """Return the schedule, behind its warm-up."""
    schedule = estimator.learning_rate
    if isinstance(schedule, str):
        schedule = get_schedule(schedule)
        if schedule is InverseScaling:
            unit = 1.0 if estimator.solver == "sgd" else MANY_SAMPLES
            schedule = InverseScaling(estimator.power_t, unit)
        else:
            schedule = schedule()
    else:
        schedule = GivenSchedule(schedule)
    warms_up = estimator.warmup and not rises(estimator.learning_rate)
    return WarmUp(estimator.warmup, schedule) if warms_up else schedule


def build_descent(estimator) -> Descent:
    """Return how the network is to be trained."""
    return Descent(
        optimizer=build_optimizer(estimator),
        learning_rate=estimator.learning_rate_init,
        schedule=build_schedule(estimator),
        n_epochs=estimator.max_iter,
        alpha=estimator.alpha,
        weight_decay=estimator.weight_decay,
        clip_norm=estimator.clip_norm,
        max_norm=estimator.max_norm,
        shuffle=bool(estimator.shuffle),
    )
