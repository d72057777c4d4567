"""What hyperparameters must not be, what they must not contradict, and what has no effect."""

import functools
import inspect
import threading
import warnings
from collections import ChainMap
from collections.abc import Callable, Iterator, KeysView
from numbers import Integral, Real
from operator import is_
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
from sklearn import get_config
from sklearn.base import is_regressor
from sklearn.metrics import get_scorer_names
from sklearn.neural_network import MLPClassifier, MLPRegressor

from skdnn.engine.activations import ACTIVATIONS, get_activation
from skdnn.engine.activations import ALIASES as ACTIVATION_ALIASES
from skdnn.engine.initializers import ALIASES as INITIALIZER_ALIASES
from skdnn.engine.initializers import BIAS_INITIALIZERS, INITIALIZERS
from skdnn.engine.losses import REGRESSION_LOSSES, YES_NO_LOSSES, facts_of
from skdnn.engine.optimizers import OPTIMIZERS
from skdnn.engine.schedules import SCHEDULES, rises
from skdnn.estimators._sklearn import HasMethods, Hidden, Interval, Options, StrOptions
from skdnn.estimators.hyperparameters import (
    Hyperparameters,
    defaults_of,
    hidden_sizes,
    per_layer,
)
from skdnn.estimators.plan import GivenSchedule


class DtypeOptions(StrOptions):
    """Whatever numpy takes for one of some dtypes, which are listed by name."""

    def is_satisfied_by(self, val: Any) -> bool:
        if val is None:  # numpy's word for float64
            return False
        try:
            return np.dtype(val).name in self.options
        except (TypeError, ValueError):
            return False


def live_names(*tables: dict[str, Any]) -> KeysView[str]:
    """Return the names in some tables, as they are whenever they are looked at."""
    return ChainMap(*tables).keys()


# What scikit-learn's validation allows for the hyperparameters that both estimators have.  Names
# are looked up in the engine's tables when a value is validated, so what is added later counts.
CONSTRAINTS: dict[str, list[Any]] = {
    "hidden_layer_sizes": ["array-like", Interval(Integral, 1, None, closed="left")],
    "activation": [
        StrOptions(live_names(ACTIVATIONS, ACTIVATION_ALIASES)),
        HasMethods(["forward", "derivative"]),
        list,
        tuple,
    ],
    "solver": [StrOptions(live_names({"lbfgs": None}, OPTIMIZERS))],
    "alpha": [Interval(Real, 0, None, closed="left")],
    "batch_size": [StrOptions({"auto"}), Interval(Integral, 1, None, closed="left")],
    "learning_rate": [StrOptions(SCHEDULES.keys()), callable, Hidden(Real)],
    "learning_rate_init": [Interval(Real, 0, None, closed="neither")],
    "power_t": [Interval(Real, 0, None, closed="left")],
    "max_iter": [Interval(Integral, 1, None, closed="left")],
    "shuffle": ["boolean"],
    "random_state": ["random_state"],
    "tol": [Interval(Real, 0, None, closed="left")],
    "verbose": ["verbose"],
    "warm_start": ["boolean"],
    "momentum": [Interval(Real, 0, 1, closed="both")],
    "nesterovs_momentum": ["boolean"],
    "early_stopping": ["boolean"],
    "validation_fraction": [Interval(Real, 0, 1, closed="left")],
    "beta_1": [Interval(Real, 0, 1, closed="left")],
    "beta_2": [Interval(Real, 0, 1, closed="left")],
    "epsilon": [Interval(Real, 0, None, closed="neither")],
    "n_iter_no_change": [
        Interval(Integral, 1, None, closed="left"),
        Options(Real, {np.inf}),
    ],
    "max_fun": [Interval(Integral, 1, None, closed="left")],
    "weight_decay": [Interval(Real, 0, None, closed="left")],
    "dropout": [Interval(Real, 0, 1, closed="left"), "array-like"],
    "input_dropout": [Interval(Real, 0, 1, closed="left")],
    "batch_norm": ["boolean"],
    "batch_norm_momentum": [Interval(Real, 0, 1, closed="right")],
    "init": [StrOptions(live_names({"auto": None}, INITIALIZERS, INITIALIZER_ALIASES))],
    "bias_init": [StrOptions(live_names({"auto": None}, BIAS_INITIALIZERS))],
    "normalize_X": ["boolean"],
    "warmup": [Interval(Real, 0, 1, closed="left")],
    "clip_norm": [Interval(Real, 0, None, closed="neither"), None],
    "max_norm": [Interval(Real, 0, None, closed="neither"), None],
    "rho": [Interval(Real, 0, 1, closed="left")],
    "scoring": [StrOptions({*get_scorer_names(), "loss"}), callable, None],
    "dtype": [DtypeOptions({"float32", "float64"})],
}


# The values that were validated last, of every estimator; a note that is no part of its state.
_validated: WeakKeyDictionary[Any, list[Any]] = WeakKeyDictionary()


def validate_what_was_set(partial_fit: Callable[..., Any]) -> Callable[..., Any]:
    """Decorate `partial_fit` so that it validates the parameters that were set since its last call.

    `fit_context`, the decorator inside this one, does so in the first call only.
    """

    @functools.wraps(partial_fit)
    def wrapper(estimator: Any, *args: Any, **kwargs: Any) -> Any:
        if "_network" in vars(estimator) and not get_config()["skip_parameter_validation"]:
            values = [vars(estimator).get(name) for name in defaults_of(type(estimator))]
            before = _validated.get(estimator)
            if before is None or not all(map(is_, values, before)):
                estimator._validate_params()
                _validated[estimator] = values
        return partial_fit(estimator, *args, **kwargs)

    return wrapper


def check_combination(params: Hyperparameters) -> None:
    """Refuse hyperparameters that contradict each other."""
    if isinstance(params.learning_rate, Real):
        raise ValueError(
            "The 'learning_rate' parameter names a schedule; for the learning rate itself write "
            f"learning_rate_init={params.learning_rate!r} instead."
        )
    if isinstance(params.learning_rate, type):
        raise ValueError(
            "The 'learning_rate' parameter must be a schedule, not its class: write "
            f"{params.learning_rate.__name__}()."
        )
    if callable(params.learning_rate):
        check_schedule(params.learning_rate, params.max_iter)
    n_hidden = len(hidden_sizes(params))
    for activation in per_layer("activation", params.activation, n_hidden):
        if isinstance(activation, type):
            raise ValueError(
                f"activation must be an object, not its class: write {activation.__name__}()."
            )
        get_activation(activation)
    for rate in per_layer("dropout", params.dropout, n_hidden):
        if not (isinstance(rate, Real) and 0 <= float(rate) < 1):
            raise ValueError(f"dropout must be in [0, 1). Got {rate!r} instead.")
    if params.batch_norm and params.batch_size == 1 and params.solver != "lbfgs":
        raise ValueError(
            "batch_norm=True needs a batch_size of at least 2: one row has no variance."
        )


def check_schedule(schedule: Any, n_epochs: int) -> None:
    """Refuse a schedule that cannot be called as it will be, or returns no factor."""
    try:
        inspect.signature(schedule).bind(0.0, 0)
    except TypeError as error:
        raise ValueError(
            f"learning_rate={schedule!r} must take two arguments, the progress of training in "
            f"[0, 1] and the number of samples seen: {error}."
        ) from error
    except ValueError:  # a function in C that says nothing of its arguments
        pass
    for progress, n_samples_seen in ((0.0, 0), (1.0, n_epochs)):
        GivenSchedule(schedule)(progress, n_samples_seen)


# Without effect ---------------------------------------------------------------------------------

# The parameters of scikit-learn's estimators, and their values.  These estimators say nothing of a
# parameter that has no effect.
PEER = {*defaults_of(MLPClassifier), *defaults_of(MLPRegressor)}
PEER_VALUES = {
    "solver": ("adam", "sgd", "lbfgs"),
    "learning_rate": ("constant", "invscaling", "adaptive"),
    "activation": ("identity", "logistic", "tanh", "relu"),
}

HELD_OUT = "validation data given to fit"

_said: set[tuple[str, str]] = set()  # (condition, name), of this process
_said_lock = threading.Lock()


def warn_of_no_effect(params: Hyperparameters, has_validation_data: bool) -> None:
    """Warn of changed hyperparameters without effect, of each with each reason once a process.

    Code that was written for scikit-learn's estimators, which are silent, is not told.
    """
    for condition, names in idle(params, has_validation_data):
        names = [n for n in names if not as_in_scikit_learn(params, condition, n)]
        with _said_lock:
            new = {(condition, name) for name in names} - _said
            _said.update(new)
        if not new:
            continue
        try:
            warnings.warn(complaint(condition, sorted(name for _, name in new)), UserWarning)
        except UserWarning:  # made an error, which the next fit is to be as well
            forget(new)
            raise


def forget(reasons: set[tuple[str, str]] | None = None) -> None:
    """Warn again: of some reasons, or of all."""
    with _said_lock:
        _said.difference_update(_said.copy() if reasons is None else reasons)


def complaint(condition: str, names: list[str]) -> str:
    return f"{', '.join(names)}: no effect with {condition}."


def idle(params: Hyperparameters, has_validation_data: bool) -> Iterator[tuple[str, list[str]]]:
    """Yield conditions that hold, each with the changed hyperparameters that it makes idle."""
    n_hidden = len(hidden_sizes(params))
    defaults = defaults_of(type(params))
    for condition, names in without_effect(params, n_hidden, has_validation_data):
        changed = [n for n in names if n in defaults and differs(getattr(params, n), defaults[n])]
        if changed:
            yield condition, changed


def as_in_scikit_learn(params: Hyperparameters, condition: str, name: str) -> bool:
    """Whether scikit-learn's estimators have this parameter, with this value, and the condition."""
    if name not in PEER or condition == HELD_OUT:
        return False
    concerned = {name, condition.split("=")[0]} & PEER_VALUES.keys()
    return all(_is_one_of(getattr(params, n), PEER_VALUES[n]) for n in concerned)


def _is_one_of(value: Any, names: tuple[str, ...]) -> bool:
    return isinstance(value, str) and value in names


def differs(value: Any, default: Any) -> bool:
    """Whether a hyperparameter was changed; an empty list, one a layer of none, is no change."""
    if np.isscalar(value) or value is None:
        return value != default
    return value is not default and not (np.iterable(value) and len(list(value)) == 0)


def without_effect(
    params: Hyperparameters, n_hidden: int, has_validation_data: bool
) -> Iterator[tuple[str, list[str]]]:
    """Yield the conditions that hold and the hyperparameters that each leaves without effect."""
    solver, loss = params.solver, params.loss
    minibatch_only = {
        "learning_rate", "learning_rate_init", "power_t", "warmup", "momentum", "beta_1", "beta_2",
        "nesterovs_momentum", "epsilon", "rho", "weight_decay", "dropout", "input_dropout",
        "clip_norm", "max_norm", "batch_size", "batch_norm_momentum", "shuffle",
    }  # fmt: skip
    if solver == "lbfgs":
        own_rule = [] if params.early_stopping else ["n_iter_no_change"]
        yield "solver='lbfgs'", sorted(minibatch_only) + own_rule
    else:
        used = defaults_of(OPTIMIZERS[solver])
        names = ["beta_1", "beta_2", "epsilon", "rho"]
        unused = [n for n in names if n not in used]
        if solver != "sgd":
            unused += ["momentum", "nesterovs_momentum"]
        elif not params.momentum:
            yield "momentum=0", ["nesterovs_momentum"]
        yield f"solver={solver!r}", [*unused, "max_fun"]
        if rises(params.learning_rate):
            yield f"learning_rate={params.learning_rate!r}", ["warmup"]
        if params.learning_rate != "invscaling":
            yield f"learning_rate={params.learning_rate!r}", ["power_t"]
        if not params.batch_norm:
            yield "batch_norm=False", ["batch_norm_momentum"]
    if n_hidden == 0:
        yield "hidden_layer_sizes=()", ["activation", "dropout", "batch_norm"]
    if has_validation_data:
        yield HELD_OUT, ["validation_fraction"]
    elif not params.early_stopping:
        yield "early_stopping=False", ["validation_fraction", "scoring"]
    table = REGRESSION_LOSSES if is_regressor(params) else YES_NO_LOSSES
    of_losses = {name for each in table for name in facts_of(each, table).hyperparameters}
    yield f"loss={loss!r}", sorted(of_losses - facts_of(loss, table).hyperparameters.keys())
