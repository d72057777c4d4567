"""From flat hyperparameters to the engine's specifications, and what they must not contradict."""

import inspect
import warnings
from functools import cache
from numbers import Integral, Real

import numpy as np

from skdnn.engine.activations import Identity, get_activation
from skdnn.engine.initializers import get_initializer
from skdnn.engine.layers import Activate, BatchNorm, Dense, Dropout, Layer
from skdnn.engine.network import Network
from skdnn.engine.optimizers import OPTIMIZERS, SGD, get_optimizer
from skdnn.engine.schedules import SCHEDULES, InverseScaling, Schedule, WarmUp, get_schedule
from skdnn.engine.training import Descent

# Schedules that bring training to its end at max_iter: getting there is no lack of convergence.
ANNEALING = ("exponential", "step", "cosine", "one_cycle", "coslog4")
# Those with a rise of their own.
RISING = ("one_cycle", "coslog4")


def hidden_sizes(estimator) -> list[int]:
    """Return the sizes of the hidden layers as a list, or say what is wrong with them."""
    sizes = estimator.hidden_layer_sizes
    sizes = [sizes] if isinstance(sizes, Integral) else list(sizes)
    if not all(isinstance(n, Integral) for n in sizes):
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

    def init(activation):
        # an activation of the user's own need not say what suits it
        suited = getattr(activation, "init", "glorot_uniform")
        return get_initializer(suited if estimator.init == "auto" else estimator.init)

    use_dropout = estimator.solver != "lbfgs"
    layers: list[Layer] = []
    if estimator.input_dropout and use_dropout:
        layers.append(Dropout(n_in, estimator.input_dropout))
    for size, activation, rate in zip(sizes, activations, rates, strict=True):
        if estimator.batch_norm:
            layers.append(Dense(n_in, size, init(activation)))
            layers.append(BatchNorm(size, momentum))
            layers.append(Activate(size, activation))
        else:
            layers.append(Dense(n_in, size, init(activation), activation))
        if rate and use_dropout:
            layers.append(Dropout(size, rate))
        n_in = size
    layers.append(Dense(n_in, n_out, init(Identity())))
    return layers


def compute_dtype(estimator) -> str:
    """Return the dtype of the computations; L-BFGS's line search needs double precision."""
    return "float64" if estimator.solver == "lbfgs" else estimator.dtype


def build_network(estimator, n_in: int, n_out: int) -> Network:
    """Return the network, without numbers yet."""
    return Network(build_layers(estimator, n_in, n_out), compute_dtype(estimator))


def build_optimizer(estimator):
    """Return the optimizer with those hyperparameters that it has."""
    if estimator.solver in ("sgd", "lbfgs"):
        return SGD(estimator.momentum, bool(estimator.nesterovs_momentum and estimator.momentum))
    optimizer = get_optimizer(estimator.solver)
    return optimizer(**{name: getattr(estimator, name) for name in defaults_of(optimizer)})


def anneals(schedule) -> bool:
    """Whether a schedule, by name or as an object, brings training to its end at max_iter."""
    if isinstance(schedule, WarmUp):
        return anneals(schedule.schedule)
    return schedule in ANNEALING or type(schedule) in [SCHEDULES[name] for name in ANNEALING]


@cache
def defaults_of(made_from: type) -> dict:
    """Return the names and the defaults of what an estimator or a specification is made from."""
    return {name: p.default for name, p in inspect.signature(made_from).parameters.items()}


def build_schedule(estimator) -> Schedule:
    """Return the schedule, behind its warm-up."""
    schedule = estimator.learning_rate
    if isinstance(schedule, str):
        schedule = get_schedule(schedule)
        schedule = schedule(estimator.power_t) if schedule is InverseScaling else schedule()
    warms_up = estimator.warmup and estimator.learning_rate not in RISING
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


def check_combination(estimator) -> None:
    """Refuse hyperparameters that contradict each other."""
    if isinstance(estimator.learning_rate, Real):
        raise ValueError(
            "The 'learning_rate' parameter names a schedule; for the learning rate itself write "
            f"learning_rate_init={estimator.learning_rate!r} instead."
        )
    if isinstance(estimator.learning_rate, type):
        raise ValueError(
            "The 'learning_rate' parameter must be a schedule, not its class: write "
            f"{estimator.learning_rate.__name__}()."
        )
    n_hidden = len(hidden_sizes(estimator))
    for activation in per_layer("activation", estimator.activation, n_hidden):
        if isinstance(activation, type):
            raise ValueError(
                f"activation must be an object, not its class: write {activation.__name__}()."
            )
        get_activation(activation)
    for rate in per_layer("dropout", estimator.dropout, n_hidden):
        if not (isinstance(rate, Real) and 0 <= float(rate) < 1):
            raise ValueError(f"dropout must be in [0, 1). Got {rate!r} instead.")
    if estimator.batch_norm and estimator.batch_size == 1 and estimator.solver != "lbfgs":
        raise ValueError(
            "batch_norm=True needs a batch_size of at least 2: one row has no variance."
        )


def warn_of_no_effect(estimator, has_validation_data: bool) -> None:
    """Warn of hyperparameters that were changed and have no effect beside the others."""
    n_hidden = len(hidden_sizes(estimator))
    defaults = defaults_of(type(estimator))
    for condition, names in without_effect(estimator, n_hidden, has_validation_data):
        changed = [
            n for n in names if n in defaults and differs(getattr(estimator, n), defaults[n])
        ]
        if changed:
            warnings.warn(f"{', '.join(changed)}: no effect with {condition}.", UserWarning)


def differs(value, default) -> bool:
    """Whether a hyperparameter was changed; an empty list, one a layer of none, is no change."""
    if np.isscalar(value) or value is None:
        return value != default
    return value is not default and not (np.iterable(value) and len(list(value)) == 0)


def without_effect(estimator, n_hidden: int, has_validation_data: bool):
    """Yield the conditions that hold and the hyperparameters that each leaves without effect."""
    solver, loss = estimator.solver, estimator.loss
    minibatch_only = {
        "learning_rate", "learning_rate_init", "power_t", "warmup", "momentum", "beta_1", "beta_2",
        "nesterovs_momentum", "epsilon", "rho", "weight_decay", "dropout", "input_dropout",
        "clip_norm", "max_norm", "batch_size", "batch_norm_momentum", "shuffle",
    }  # fmt: skip
    if solver == "lbfgs":
        own_rule = [] if estimator.early_stopping else ["n_iter_no_change"]
        yield "solver='lbfgs'", sorted(minibatch_only) + own_rule
    else:
        used = defaults_of(OPTIMIZERS[solver])
        names = ["beta_1", "beta_2", "epsilon", "rho"]
        unused = [n for n in names if n not in used]
        if solver != "sgd":
            unused += ["momentum", "nesterovs_momentum"]
        elif not estimator.momentum:
            yield "momentum=0", ["nesterovs_momentum"]
        yield f"solver={solver!r}", [*unused, "max_fun"]
        if estimator.learning_rate in RISING:
            yield f"learning_rate={estimator.learning_rate!r}", ["warmup"]
        if estimator.learning_rate != "invscaling":
            yield f"learning_rate={estimator.learning_rate!r}", ["power_t"]
        if not estimator.batch_norm:
            yield "batch_norm=False", ["batch_norm_momentum"]
    if n_hidden == 0:
        yield "hidden_layer_sizes=()", ["activation", "dropout", "batch_norm"]
    if has_validation_data:
        yield "validation data given to fit", ["validation_fraction"]
    elif not estimator.early_stopping:
        yield "early_stopping=False", ["validation_fraction", "scoring"]
    if loss in ("hinge", "perceptron"):
        yield f"loss={loss!r}", ["label_smoothing"]
    if loss != "huber":
        yield f"loss={loss!r}", ["huber_delta"]
    if loss != "quantile":
        yield f"loss={loss!r}", ["quantile"]
