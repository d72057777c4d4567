"""Estimators and data for sequences of calls, and traps that raise in the midst of a call."""

from dataclasses import dataclass

import numpy as np
from scipy import sparse
from sklearn.base import is_classifier

from skdnn import MLPClassifier, MLPRegressor

RNG = np.random.default_rng(0)
N = 30
X = RNG.normal(size=(N, 3)) * [1.0, 50.0, 1.0] + [0.0, 200.0, 0.0]
CLASSES = np.array(["amber", "blue", "cyan"])[np.arange(N) % 3]
FLAGS = (X > [0, 200, 0]).astype(int)
NUMBERS = 100 * np.tanh(X[:, 0]) + X[:, 1]
TABLES = {
    "float64": X, "float32": X.astype(np.float32), "csr": sparse.csr_array(X),
    "float32 csr": sparse.csr_array(X.astype(np.float32)),
}  # fmt: skip
WEIGHT = RNG.uniform(0.5, 2.0, N)


class TrapError(Exception):
    """What only these tests raise."""


@dataclass
class Trap:
    """A schedule, a scorer or a callback that raises when it is called for the k-th time."""

    left: int
    error: type
    __name__ = "trap"

    def __call__(self, *_):
        self.left -= 1
        if self.left == 0:
            raise self.error
        return 1.0

    def setup(self, estimator, context):
        pass

    def teardown(self, estimator, context):
        pass

    def on_fit_task_begin(self, estimator, context):
        self()

    def on_fit_task_end(self, estimator, context):
        return not self()


@dataclass(frozen=True)
class Kind:
    """An estimator of some kind, and what it learns."""

    cls: type
    y: np.ndarray
    parameters: dict
    table: str = "float64"

    def made(self):
        parameters = {"hidden_layer_sizes": (4,), "max_iter": 3, "random_state": 0, "batch_size": 8}
        return self.cls(**parameters | self.parameters)

    @property
    def learns_bit_by_bit(self):
        net = self.made()
        whole = net.solver == "lbfgs" or net.early_stopping
        return not (whole or getattr(net, "class_weight", None) == "balanced")

    @property
    def inputs(self):
        return TABLES[self.table]


KINDS = {
    "classifier": Kind(MLPClassifier, CLASSES, {}),
    "binary": Kind(MLPClassifier, CLASSES == "blue", {"solver": "sgd"}, "float32"),
    "balanced": Kind(MLPClassifier, CLASSES, {"class_weight": "balanced", "normalize_X": False}),
    "multilabel": Kind(MLPClassifier, FLAGS, {"hidden_layer_sizes": (3, 2)}),
    "early stopping": Kind(MLPClassifier, CLASSES, {"early_stopping": True, "max_iter": 5}),
    "scoring": Kind(
        MLPRegressor, NUMBERS, {"early_stopping": True, "scoring": "neg_mean_absolute_error"}
    ),
    "regressor": Kind(MLPRegressor, NUMBERS, {}),
    "plain regressor": Kind(MLPRegressor, NUMBERS, {"normalize_X": False, "normalize_y": False}),
    "two outputs": Kind(MLPRegressor, X[:, :2], {"learning_rate": "adaptive", "solver": "sgd"}),
    "poisson": Kind(MLPRegressor, np.abs(np.rint(X[:, 0] * 3)), {"loss": "poisson"}, "csr"),
    "robust": Kind(MLPRegressor, NUMBERS, {"loss": "huber", "shuffle": False}, "float32 csr"),
    "linear": Kind(MLPRegressor, NUMBERS, {"hidden_layer_sizes": (), "dtype": "float64"}),
    "dropout": Kind(MLPClassifier, CLASSES, {"dropout": 0.3, "input_dropout": 0.1}, "float32"),
    "batch norm": Kind(MLPRegressor, NUMBERS, {"batch_norm": True, "learning_rate": "cosine"}),
    "both": Kind(MLPClassifier, CLASSES, {"batch_norm": True, "dropout": 0.2}, "csr"),
    "lbfgs": Kind(MLPRegressor, NUMBERS, {"solver": "lbfgs"}),
    "lbfgs of classes": Kind(MLPClassifier, CLASSES, {"solver": "lbfgs"}, "csr"),
    "lbfgs, stopped": Kind(MLPRegressor, NUMBERS, {"solver": "lbfgs", "early_stopping": True}),
}  # fmt: skip

# What may be set between two calls, …
SETTINGS = {
    "learning_rate_init": (0.001, 0.01, 0.1), "alpha": (0.0, 0.01, 1.0), "max_iter": (1, 2, 4),
    "tol": (1e-4, 0.1), "n_iter_no_change": (1, 10), "shuffle": (True, False),
    "random_state": (0, 1), "momentum": (0.5, 0.9), "hidden_layer_sizes": (3, (4,)),
    "learning_rate": ("constant", "cosine", "invscaling", "adaptive"),
    "activation": ("tanh", "relu"), "dropout": (0.0, 0.5), "dtype": ("float32", "float64"),
    "normalize_X": (True, False), "loss": ("squared_error", None), "normalize_y": (True, False),
    "solver": ("adam", "sgd", "nadam"),
}  # fmt: skip
# … and what may not.
WRONG = [
    ("alpha", -1.0), ("solver", "none"), ("max_iter", 0), ("hidden_layer_sizes", (0,)),
    ("batch_size", 0.5), ("learning_rate_init", 0.0), ("dropout", 1.5), ("loss", "none"),
    ("activation", ["relu"] * 7), ("dropout", [0.1] * 7), ("learning_rate", 0.1),
]  # fmt: skip


def settings_of(net):
    """Return what may be set, as a list of names and values."""
    own_loss = "hinge" if is_classifier(net) else "huber"
    names = [name for name in SETTINGS if hasattr(net, name)]
    if net.solver == "lbfgs":
        names.remove("solver")
    return [(name, own_loss if v is None else v) for name in names for v in SETTINGS[name]]


def other_targets(y):
    """Return targets that are not what an estimator has been fitted to."""
    if y.dtype.kind in "Ub":
        return np.array(["none of them"] * len(y))
    return np.column_stack([y, y, y, y])


def with_parameter(net, name, value, method, *arguments, **options):
    """Call a method with a parameter that is set back afterwards."""
    before = getattr(net, name)
    net.set_params(**{name: value})
    try:
        getattr(net, method)(*arguments, **options)
    finally:
        net.set_params(**{name: before})


def with_trap(net, where, trap, method, *arguments, **options):
    """Call a method with a trap that is taken away afterwards."""
    if where != "callback":
        with_parameter(net, where, trap, method, *arguments, **options)
        return
    net.set_callbacks(trap)
    try:
        getattr(net, method)(*arguments, **options)
    finally:
        del net._skl_callbacks
