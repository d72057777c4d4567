"""Eight threads that fit and predict at once get the numbers of one thread, bit for bit."""

import sys
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import numpy as np
import pytest
from scipy import sparse
from threadpoolctl import threadpool_info, threadpool_limits

from skdnn import MLPClassifier, MLPRegressor

N_THREADS = 8
X = np.random.default_rng(0).normal(size=(200, 6))
Y = X[:, :2] ** 2 + X[:, 2:4]
LABELS = np.digitize(Y[:, 0], [0.5, 1.5])
LAYERS = {"hidden_layer_sizes": (16, 8), "max_iter": 6}
SETTINGS = LAYERS | {"batch_size": 20, "learning_rate": "cosine", "learning_rate_init": 0.01}
# Different ones, so that numbers of one thread in the buffers of another would be noticed.
ESTIMATORS = {
    "adam": MLPClassifier(**SETTINGS),
    "dropout": MLPClassifier(**SETTINGS, dropout=0.3, input_dropout=0.1),
    "batch norm": MLPClassifier(**SETTINGS, batch_norm=True, solver="sgd"),
    "early stopping": MLPClassifier(**SETTINGS, early_stopping=True, solver="nadam"),
    "several outputs": MLPRegressor(**SETTINGS, solver="rmsprop", activation="tanh"),
    "gamma": MLPRegressor(**SETTINGS, loss="gamma", solver="adadelta", weight_decay=0.01),
    "huber": MLPRegressor(**SETTINGS, loss="huber", solver="amsgrad", activation="gelu"),
    "lbfgs": MLPRegressor(**LAYERS, solver="lbfgs"),
}
TARGETS = {"several outputs": Y, "gamma": Y[:, 0] ** 2 + 0.1, "huber": Y[:, 0], "lbfgs": Y[:, 1]}


@pytest.fixture(autouse=True)
def impatient():
    """Let the interpreter change threads a thousand times more often than usual."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(5e-6)
    yield
    sys.setswitchinterval(before)


def at_once(functions):
    """Call the functions on a thread each, which start together; return their results."""
    barrier = Barrier(len(functions), timeout=60)

    def call(function):
        barrier.wait()
        return function()

    with ThreadPoolExecutor(len(functions)) as pool:
        return list(pool.map(call, functions))


def fitted(name, seed=0):
    """Return all numbers of a new estimator, fitted, and its predictions."""
    model = type(ESTIMATORS[name])(**ESTIMATORS[name].get_params()).set_params(random_state=seed)
    model.fit(X, TARGETS.get(name, LABELS))
    return [*model.coefs_, *model.intercepts_, np.array(model.loss_curve_), model.predict(X)]


def assert_equal_numbers(results, expected):
    for arrays, others in zip(results, expected, strict=True):
        for A, B in zip(arrays, others, strict=True):
            np.testing.assert_array_equal(A, B)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_separate_estimators_fit_and_predict():
    assert len(ESTIMATORS) == N_THREADS
    expected = [fitted(name) for name in ESTIMATORS]
    for _ in range(3):
        results = at_once([lambda name=name: fitted(name) for name in ESTIMATORS])
        assert_equal_numbers(results, expected)


@pytest.mark.parametrize("name", ["adam", "dropout", "batch norm"])
def test_separate_estimators_of_the_same_settings_fit(name):
    seeds = range(N_THREADS)
    expected = [fitted(name, seed) for seed in seeds]
    assert not np.array_equal(expected[0][0], expected[1][0])
    results = at_once([lambda seed=seed: fitted(name, seed) for seed in seeds])
    assert_equal_numbers(results, expected)


@pytest.mark.parametrize("name", ["dropout", "batch norm"])
@pytest.mark.parametrize("arrange", [np.asarray, sparse.csr_array])
def test_one_estimator_predicts(name, arrange):
    model = MLPClassifier(**ESTIMATORS[name].get_params()).set_params(random_state=0)
    model.fit(X, LABELS)
    parts = [arrange(X[i :: i + 1]) for i in range(N_THREADS)]  # of different lengths
    expected = [model.predict_proba(part) for part in parts]
    for _ in range(5):
        results = at_once([lambda part=part: model.predict_proba(part) for part in parts])
        assert_equal_numbers([[P] for P in results], [[P] for P in expected])


def blas_threads():
    return [lib["num_threads"] for lib in threadpool_info() if lib["user_api"] == "blas"]


def test_blas_has_its_threads_back_afterwards():
    with threadpool_limits(2, user_api="blas"):
        before = blas_threads()
        at_once([lambda seed=seed: fitted("adam", seed) for seed in range(N_THREADS)])
        assert blas_threads() == before


class Meeting:
    """The identity, except that its first call waits until eight threads have made theirs."""

    barrier = Barrier(N_THREADS, timeout=60)

    def __init__(self):
        self.has_met = False

    def forward(self, S, Y):
        if not self.has_met:
            self.barrier.wait()
            self.has_met = True
        np.copyto(Y, S)

    def derivative(self, S, Y, D):
        D.fill(1.0)


def test_the_threads_are_in_fit_at_the_same_time():
    # The other tests would prove nothing if one fit had to wait for the end of another.
    models = [
        MLPRegressor(**SETTINGS | {"activation": Meeting()}, random_state=seed)
        for seed in range(N_THREADS)
    ]
    results = at_once([lambda model=model: model.fit(X, Y).loss_ for model in models])
    assert len(set(results)) == N_THREADS
