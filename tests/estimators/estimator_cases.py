"""What the tests of the estimators and of their callbacks share."""

import numpy as np
from sklearn.neural_network import MLPClassifier as SklearnClassifier
from sklearn.neural_network import MLPRegressor as SklearnRegressor

from skdnn import MLPClassifier, MLPRegressor
from skdnn.engine.losses import REGRESSION_LOSSES
from skdnn.engine.optimizers import OPTIMIZERS
from skdnn.engine.schedules import SCHEDULES
from skdnn.estimators._sklearn import StrOptions

# The fixture `cls` of conftest.py goes over these, too.
BOTH = [MLPClassifier, MLPRegressor]
PEER = {MLPClassifier: SklearnClassifier, MLPRegressor: SklearnRegressor}


# Tables, taken from the package: what is added to it is tested at once ----------------------------

MINIBATCH_SOLVERS = sorted(OPTIMIZERS)
SOLVERS = [*MINIBATCH_SOLVERS, "lbfgs"]
# Rates at which a small network learns within some ten epochs.
LEARNING_RATES = dict.fromkeys(OPTIMIZERS, 0.01) | {"sgd": 0.05, "adagrad": 0.05, "adadelta": 1.0}


def factors(schedule):
    """Return the factors of a schedule of this name over the whole of a training."""
    return np.array([SCHEDULES[schedule]()(progress, 0) for progress in np.linspace(0, 1, 101)])


# Schedules that have brought a training to its end at max_iter, and those that begin with a rise.
ANNEALING = [name for name in sorted(SCHEDULES) if factors(name)[-1] < 0.1]
RISING = [name for name in ANNEALING if factors(name)[0] < 0.1]


def losses_of(cls):
    """Return the names of the losses of a class of estimators."""
    (names,) = (c.options for c in cls._parameter_constraints["loss"] if isinstance(c, StrOptions))
    return sorted(names)


# Losses that are trained on probabilities; what the others call a score is none.
PROBABILISTIC = [name for name in losses_of(MLPClassifier) if name not in ("hinge", "perceptron")]
# Losses whose minimum moves with y when y is shifted and scaled.
EQUIVARIANT = [
    name for name, loss in sorted(REGRESSION_LOSSES.items()) if loss.standardised_by is not None
]


# Small networks -----------------------------------------------------------------------------------


def small_network(cls, **parameters):
    """Return a network that trains in milliseconds, in the same way every time."""
    return cls(**{"hidden_layer_sizes": (8,), "max_iter": 6, "random_state": 0} | parameters)


def by_class(labels, numbers):
    """Return the function from a class of estimators to the y that it is to learn."""
    return {MLPClassifier: labels, MLPRegressor: numbers}.__getitem__


def values(model):
    """Return all numbers of the network in one vector."""
    return model._network.parameters.values


# Data: columns, a y of two classes and a y of numbers, both of which can be learned in part.
_RNG = np.random.default_rng(0)
X = _RNG.normal(size=(120, 5))
LABELS = (X[:, 0] + 0.5 * _RNG.normal(size=120) > 0).astype(int)
NUMBERS = np.tanh(X[:, 0]) * 3 + X[:, 1]
y_for = by_class(LABELS, NUMBERS)


# Callbacks ----------------------------------------------------------------------------------------


class Callback:
    """A callback that looks on; subclasses say what they do."""

    def setup(self, estimator, context):
        pass

    def teardown(self, estimator, context):
        pass

    def on_fit_task_begin(self, estimator, context):
        pass

    def on_fit_task_end(self, estimator, context):
        return False


def interrupt():
    """Press Ctrl-C."""
    raise KeyboardInterrupt
