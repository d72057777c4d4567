"""The defaults beside scikit-learn's: few columns, smooth functions, every schedule and solver."""

import numpy as np
import pytest
from estimator_cases import MINIBATCH_SOLVERS
from numpy.testing import assert_allclose
from sklearn.datasets import load_breast_cancer, load_digits, make_friedman1, make_moons
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier as TheirClassifier
from sklearn.neural_network import MLPRegressor as TheirRegressor
from sklearn.preprocessing import scale

from skdnn import MLPClassifier, MLPRegressor
from skdnn.engine.initializers import BIAS_INITIALIZERS, INITIALIZERS
from skdnn.engine.schedules import SCHEDULES

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def rng(seed=0):
    return np.random.default_rng(seed)


# Functions of few columns ------------------------------------------------------------------------


def one_column(low, high, function):
    X = rng().uniform(low, high, size=(500, 1))
    return X, function(X[:, 0])


FUNCTIONS = {
    "sine on [0, 10]": (*one_column(0, 10, np.sin), (100, 100)),
    "sine on [0, 1]": (*one_column(0, 1, lambda x: np.sin(2 * np.pi * x)), (100, 100)),
    "step": (*one_column(-1, 1, lambda x: (x > 0.2) * 1.0), (100,)),
    "hinge": (*one_column(0, 50, lambda x: np.maximum(x - 20, 0)), (64, 64)),
    "friedman": (*make_friedman1(800, noise=0.5, random_state=0), (64, 64, 64)),
}


def median_score(cls, X, y, sizes, **parameters):
    X, X_test, y, y_test = train_test_split(X, y, random_state=0)
    nets = [cls(hidden_layer_sizes=sizes, random_state=s, **parameters) for s in range(3)]
    return np.median([net.fit(X, y).score(X_test, y_test) for net in nets])


@pytest.mark.slow
@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_of_few_columns(name):
    ours, theirs = (median_score(cls, *FUNCTIONS[name]) for cls in (MLPRegressor, TheirRegressor))
    assert ours >= theirs - 0.03


@pytest.mark.slow
@pytest.mark.parametrize("sizes", [(100,), (64, 64, 64)])
def test_moons(sizes):
    X, y = make_moons(1000, noise=0.2, random_state=0)
    ours, theirs = (median_score(cls, X, y, sizes) for cls in (MLPClassifier, TheirClassifier))
    assert ours >= theirs - 0.01


# Stopping ----------------------------------------------------------------------------------------


def smooth(n=1500):
    X = rng(1).uniform(-1, 1, size=(n, 6))
    y = np.sin(2 * X[:, 0]) * X[:, 1] + np.exp(-(X[:, 2] ** 2)) + X[:, 3] * X[:, 4] / 2
    return X, y + 0.2 * X[:, 5]


@pytest.mark.slow
def test_data_without_noise_are_learned_to_the_end():
    X, y = smooth()
    X, X_test, y, y_test = train_test_split(X, y, random_state=0)
    theirs, ours = (
        cls(hidden_layer_sizes=(64, 64), random_state=0).fit(X, y)
        for cls in (TheirRegressor, MLPRegressor)
    )
    errors = [1 - net.score(X_test, y_test) for net in (theirs, ours)]
    assert errors[1] < errors[0] / 2


def test_the_unit_of_y_does_not_decide_when_training_stops():
    """Without standardisation the loss is in the squared unit of y, and may be tiny."""
    X, y = smooth(300)
    X, y = scale(X), y - y.mean()
    more = {"hidden_layer_sizes": (), "init": "zeros", "normalize_y": False, "max_iter": 500}
    n_iter = [
        MLPRegressor(**more, learning_rate_init=0.01 * unit, epsilon=1e-8 * unit, random_state=0)
        .fit(X, unit * y)
        .n_iter_
        for unit in (1.0, 1e-3, 1e-6)
    ]
    assert 20 < n_iter[0] == n_iter[1] == n_iter[2] < 500


def test_noise_is_not_learned_for_longer_than_before():
    """Far from a perfect fit improvements count as in scikit-learn, by `tol` itself."""
    X = rng().normal(size=(400, 5))
    y = X[:, 0] + 3 * rng(1).normal(size=400)
    more = {"hidden_layer_sizes": (5,), "learning_rate_init": 0.01, "random_state": 0}
    ours = MLPRegressor(**more, max_iter=2000).fit(X, y)
    theirs = TheirRegressor(**more, max_iter=2000).fit(X, scale(y))
    assert ours.n_iter_ <= 1.5 * theirs.n_iter_ + 50


# Initial weights and biases ----------------------------------------------------------------------


def initial(**parameters):
    X, y = scale(load_breast_cancer().data)[:100, :7], np.arange(100) % 3
    still = {"learning_rate_init": 1e-30, "max_iter": 1, "alpha": 0.0, "random_state": 0}
    return MLPClassifier((50, 40), **still | parameters).fit(X, y)


@pytest.mark.parametrize("activation", ["relu", "tanh", "silu", "identity"])
def test_weights_and_biases_start_where_scikit_learns_do(activation):
    net = initial(activation=activation)
    for W, b in zip(net.coefs_, net.intercepts_, strict=True):
        limit = np.sqrt(6 / sum(W.shape))
        assert 0.8 * limit < np.abs(W).max() <= limit
        assert 0.5 * limit < np.abs(b).max() <= limit
        assert len(np.unique(b)) == len(b)


@pytest.mark.slow
@pytest.mark.parametrize("init", INITIALIZERS)
def test_weights_do_not_depend_on_biases(init):
    nets = [initial(init=init, bias_init=b) for b in ["auto", *BIAS_INITIALIZERS]]
    for net in nets[1:]:
        for a, b in zip(nets[0].coefs_, net.coefs_, strict=True):
            assert_allclose(a, b, atol=1e-20)
    zeros = nets[1 + list(BIAS_INITIALIZERS).index("zeros")]
    assert max(np.abs(b).max() for b in zeros.intercepts_) < 1e-20
    assert (init == "zeros") == (np.abs(nets[0].intercepts_[0]).max() < 1e-20)


def test_an_unknown_initialiser_of_biases():
    with pytest.raises(ValueError, match=r"'bias_init' parameter .*'fan_in'.* Got 'best'"):
        initial(bias_init="best")


# Schedules ---------------------------------------------------------------------------------------


def table(n=2000):
    """Five classes that overlap, in enough rows for ten steps an epoch."""
    centres = 1.6 * rng(2).normal(size=(15, 8))
    labels = rng(3).integers(0, 15, n)
    return centres[labels] + rng(4).normal(size=(n, 8)), labels % 5


TABLES = {
    "digits": load_digits(return_X_y=True),
    "cancer": load_breast_cancer(return_X_y=True),
    "clusters": table(),
}
# Rates at which the constant schedule gets to its end in the default 200 epochs; that of the others
# is the default.
RATES = {"sgd": 0.05, "adagrad": 0.02, "adadelta": 10.0, "adamax": 0.01}
SCORES: dict = {}


def accuracy(name, solver, schedule):
    key = name, solver, schedule
    if key not in SCORES:
        X, X_test, y, y_test = train_test_split(*TABLES[name], random_state=0)
        rate = {"learning_rate_init": RATES.get(solver, 0.001)}
        net = MLPClassifier(solver=solver, learning_rate=schedule, random_state=0, **rate)
        SCORES[key] = net.fit(X, y).score(X_test, y_test)
    return SCORES[key]


@pytest.mark.slow
@pytest.mark.parametrize("name", TABLES)
@pytest.mark.parametrize("solver", MINIBATCH_SOLVERS)
def test_no_schedule_ruins_a_training(solver, name):
    constant = accuracy(name, solver, "constant")
    lost = {s: constant - accuracy(name, solver, s) for s in SCHEDULES}
    if solver == "sgd":  # counts samples, as scikit-learn does: see the tests of equal descent
        del lost["invscaling"]
    assert max(lost.values()) <= 0.02, lost
