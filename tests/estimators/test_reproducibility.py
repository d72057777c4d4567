"""The same random_state gives the same numbers, however the training is cut into pieces."""

import io
import pickle

import joblib
import numpy as np
import pytest
from estimator_cases import ANNEALING, LEARNING_RATES, MINIBATCH_SOLVERS, RISING
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from sklearn.base import clone
from sklearn.datasets import make_classification

from skdnn import MLPClassifier, MLPRegressor
from skdnn.engine.schedules import SCHEDULES

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

X, Y = make_classification(70, 8, n_informative=5, n_classes=3, random_state=0)
SPARSE = sparse.random_array(
    (70, 8), density=0.3, format="csr", random_state=np.random.default_rng(0)
)
NUMBERS = 1e3 + 50 * X[:, 0] * X[:, 1] + 10 * X[:, 2]
WEIGHT = np.random.default_rng(0).integers(0, 4, size=70) / 2

K = 6  # epochs

# What goes on between the epochs: estimator, hyperparameters, X, y, sample_weight.
LIVES = {
    "plain": (MLPClassifier, {}, X, Y, None),
    "two classes": (MLPClassifier, {}, X, Y > 0, None),
    "random layers": (
        MLPClassifier,
        {"dropout": 0.3, "input_dropout": 0.1, "batch_norm": True},
        X, Y, None,
    ),
    "limits": (
        MLPClassifier,
        {"clip_norm": 0.1, "max_norm": 1.0, "weight_decay": 0.1},
        X, Y, None,
    ),
    "sparse": (MLPClassifier, {"input_dropout": 0.2}, SPARSE, Y, None),
    "normalize_y": (MLPRegressor, {"batch_norm": True}, X, NUMBERS, None),
    "several numbers": (MLPRegressor, {}, X, np.column_stack([NUMBERS, Y]), None),
    "weights": (MLPClassifier, {"dropout": 0.2}, X, Y, WEIGHT),
    "weighted numbers": (MLPRegressor, {"loss": "huber"}, X, NUMBERS, WEIGHT),
}  # fmt: skip
LIVES |= {
    name: (
        *(MLPClassifier, {"learning_rate": name, "warmup": 0.0 if name in RISING else 0.25}),
        *(X, Y, None),
    )
    for name in SCHEDULES
}
# Patience ends in every second epoch, so that the rate is cut between two calls.
LIVES["adaptive"][1].update(tol=1e3, n_iter_no_change=1)


def make(life, solver, **parameters):
    """Return an unfitted network and the data that it is to be trained on."""
    estimator, own, X, y, weight = LIVES[life]
    start = {
        "hidden_layer_sizes": (9, 5),
        "batch_size": 16,
        "max_iter": K,
        "n_iter_no_change": np.inf,
        "random_state": 3,
    }
    rate = {"learning_rate_init": LEARNING_RATES[solver]} if solver in LEARNING_RATES else {}
    return estimator(**start | rate | own | parameters, solver=solver), (
        X,
        y,
        weight,
    )


def in_steps(net, X, y, weight, n=K):
    """Call partial_fit n times."""
    first = {"classes": np.unique(y)} if isinstance(net, MLPClassifier) else {}
    for call in range(n):
        net.partial_fit(X, y, weight, **(first if call == 0 and not hasattr(net, "coefs_") else {}))
    return net


def assert_same(a, b, X=X):
    """Compare parameters and histories bit for bit, and what is predicted."""
    for one, other in zip(a.coefs_ + a.intercepts_, b.coefs_ + b.intercepts_, strict=True):
        np.testing.assert_array_equal(one, other)
    assert a.history_.keys() == b.history_.keys()
    for name in a.history_.keys() - {"seconds"}:
        np.testing.assert_array_equal(a.history_[name], b.history_[name], err_msg=name)
    assert (a.t_, a.best_loss_, a.best_iter_, a.loss_) == (
        b.t_,
        b.best_loss_,
        b.best_iter_,
        b.loss_,
    )
    assert a.best_validation_score_ == b.best_validation_score_
    predictions = (
        net.predict_proba if hasattr(net, "predict_proba") else net.predict for net in (a, b)
    )
    np.testing.assert_array_equal(*(predict(X) for predict in predictions))


def differ(a, b):
    return any(not np.array_equal(*pair) for pair in zip(a.coefs_, b.coefs_, strict=True))


# Pieces of a training ----------------------------------------------------------------------------

# The solver's state and the rest of a training are kept apart: each with one of the other.
RUNS = [
    *[("adam", life) for life in LIVES],
    *[(solver, "random layers") for solver in MINIBATCH_SOLVERS if solver != "adam"],
]


@pytest.mark.parametrize(("solver", "life"), RUNS)
def test_calls_of_partial_fit_equal_one_fit(solver, life):
    net, data = make(life, solver)
    whole = clone(net).fit(*data)
    assert whole.n_iter_ == len(whole.loss_curve_) == K
    assert_same(whole, in_steps(net, *data), data[0])


@pytest.mark.parametrize(("solver", "life"), RUNS)
def test_a_pickled_training_goes_on(solver, life):
    net, data = make(life, solver)
    whole = clone(net).fit(*data)
    cut = pickle.loads(pickle.dumps(in_steps(net, *data, n=2)))
    assert differ(whole, cut)
    assert_same(whole, in_steps(cut, *data, n=K - 2), data[0])


def without_max_iter(life):
    """Whether the schedule does not depend on max_iter, which a warm start cuts into pieces."""
    return life not in ANNEALING


@pytest.mark.parametrize("pickled", [False, True])
@pytest.mark.parametrize(("solver", "life"), [run for run in RUNS if without_max_iter(run[1])])
def test_warm_start_equals_one_fit(solver, life, pickled):
    net, data = make(life, solver, warmup=0.0)
    whole = clone(net).fit(*data)
    net.set_params(warm_start=True, max_iter=K // 2).fit(*data)
    if pickled:
        net = pickle.loads(pickle.dumps(net))
    assert_same(whole, net.fit(*data), data[0])


@pytest.mark.parametrize("pickled", [False, True])
@pytest.mark.parametrize("life", ["plain", "random layers", "sparse", "normalize_y", "weights"])
@pytest.mark.parametrize("solver", ["sgd", "adam"])
def test_warm_start_with_early_stopping_goes_on_from_the_best_epoch(solver, life, pickled):
    """Where the next call learns nothing, each of its epochs scores like the best before."""
    start = {"early_stopping": True, "validation_fraction": 0.3, "warm_start": True}
    rate = {
        "learning_rate_init": 0.3 if solver == "sgd" and life == "normalize_y" else 0.1,
        "scoring": "loss",
        "max_iter": 20,
    }
    net, data = make(life, solver, **start, **rate)
    assert net.fit(*data).best_iter_ < 20 or life == "random layers"
    shown = [W.copy() for W in net.coefs_]
    if pickled:
        net = pickle.loads(pickle.dumps(net))
    still = {"learning_rate_init": 1e-30, "max_iter": 2, "alpha": 0.0}
    still |= {"momentum": 0.0} if solver == "sgd" else {}  # the last step would go on
    if net.batch_norm:
        still["batch_norm_momentum"] = 1e-30
    net.set_params(**still).fit(*data)
    expected = [net.best_validation_score_] * 2
    np.testing.assert_allclose(net.history_["validation_score"][20:], expected, rtol=1e-6)
    for W, expected in zip(net.coefs_, shown, strict=True):
        np.testing.assert_array_equal(W, expected)


def test_a_schedule_goes_on_after_a_longer_fit():
    """A warm start with twice the epochs continues the same schedule from half way."""
    net, data = make("cosine", "adam", warmup=0.0)
    whole = clone(net).fit(*data)
    in_steps(net, *data, n=K // 2)
    net.set_params(warm_start=True).fit(*data)  # K more epochs: beyond the end the rate is 0
    rates = net.history_["learning_rate"]
    assert rates[:K] == whole.history_["learning_rate"]
    assert rates[K:] == [0.0] * (K // 2)
    assert not differ(net, whole)


@pytest.mark.parametrize("way", ["fit", "partial_fit"])
@pytest.mark.parametrize("solver", MINIBATCH_SOLVERS)
def test_progress_counts_steps(solver, way):
    """An epoch's last step is all but one step further than the epoch before."""
    net, data = make("cosine", solver, warmup=0.0)
    net = net.fit(*data) if way == "fit" else in_steps(net, *data)
    n_steps = -(-len(X) // net.batch_size)
    progress = (np.arange(K) + (n_steps - 1) / n_steps) / K
    expected = net.learning_rate_init * 0.5 * (1 + np.cos(np.pi * progress))
    np.testing.assert_allclose(net.history_["learning_rate"], expected, rtol=1e-12)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**31), pieces=st.lists(st.integers(1, 3), min_size=1, max_size=4))
def test_any_pieces(seed, pieces):
    """fit and partial_fit, pickled in between, in any order of lengths."""
    net, data = make("random layers", "adam", random_state=seed, max_iter=sum(pieces))
    whole = clone(net).fit(*data)
    net.set_params(warm_start=True)
    for i, n in enumerate(pieces):
        if i % 2:
            in_steps(net, *data, n=n)
        else:
            net.set_params(max_iter=n).fit(*data)
        net = pickle.loads(pickle.dumps(net))
    assert_same(whole, net)


# The same again ----------------------------------------------------------------------------------

AGAIN = {
    "fit again": lambda net, data: net.fit(*data),
    "clone": lambda net, data: clone(net).fit(*data),
    "pickled before": lambda net, data: pickle.loads(pickle.dumps(clone(net))).fit(*data),
}


def through_joblib(net):
    file = io.BytesIO()
    joblib.dump(net, file)
    file.seek(0)
    return joblib.load(file)


@pytest.mark.slow
@pytest.mark.parametrize("again", AGAIN)
@pytest.mark.parametrize(("solver", "life"), [*RUNS, ("lbfgs", "plain"), ("lbfgs", "normalize_y")])
@pytest.mark.filterwarnings("ignore:.*no effect with solver='lbfgs'")
def test_same_random_state_same_numbers(solver, life, again):
    net, data = make(life, solver)
    first = pickle.loads(pickle.dumps(net.fit(*data)))
    assert_same(first, AGAIN[again](net, data), data[0])


@pytest.mark.parametrize("keep", [lambda net: pickle.loads(pickle.dumps(net)), through_joblib])
@pytest.mark.parametrize("life", ["plain", "normalize_y", "sparse"])
def test_a_kept_model_is_the_same(life, keep):
    net, data = make(life, "adam")
    net.fit(*data)
    kept = keep(net)
    assert_same(net, kept, data[0])
    in_steps(net, *data, n=2), in_steps(kept, *data, n=2)
    assert_same(net, kept, data[0])


def test_same_in_a_worker_process():
    net, data = make("random layers", "adam")
    fitted = joblib.Parallel(n_jobs=2)(joblib.delayed(clone(net).fit)(*data) for _ in range(2))
    net.fit(*data)
    for other in fitted:
        assert_same(net, other)


def test_random_state_instances():
    """An instance is drawn from: the same one gives other numbers the next time."""
    net, data = make("random layers", "adam", random_state=np.random.RandomState(5))
    twin = clone(net)
    assert_same(net.fit(*data), twin.fit(*data))
    once = [W.copy() for W in net.coefs_]
    net.fit(*data)
    assert not np.array_equal(net.coefs_[0], once[0])
    assert_same(net, twin.fit(*data))


def test_seeds_differ():
    nets = [make("plain", "adam", random_state=seed)[0].fit(X, Y) for seed in (0, 1)]
    assert differ(*nets)


# Streams of their own ----------------------------------------------------------------------------


@pytest.mark.parametrize("random", [{"dropout": 0.5}, {"input_dropout": 0.5}, {"shuffle": False}])
def test_dropout_and_shuffling_leave_the_initial_weights(random):
    """After one step of almost no length, the weights are the initial ones."""
    tiny = {"learning_rate_init": 1e-30, "alpha": 0, "max_iter": 1}
    with_it, without = (make("plain", "sgd", **tiny, **p)[0].fit(X, Y) for p in (random, {}))
    assert not differ(with_it, without)
    longer = make("plain", "sgd", **random)[0].fit(X, Y), make("plain", "sgd")[0].fit(X, Y)
    assert differ(*longer)


def test_dropout_leaves_the_order_of_the_rows():
    """With a rate that drops next to nothing, training goes as without dropout."""
    parameters = {}, {"dropout": 1e-12}, {"shuffle": False}
    without, never, ordered = (make("plain", "sgd", **p)[0].fit(X, Y).coefs_[0] for p in parameters)
    assert np.abs(without - never).max() < 1e-3 < 1e-2 < np.abs(without - ordered).max()


def test_without_shuffling_the_rows_keep_their_order():
    """Batches in the order of the rows: one fit equals partial_fit batch by batch."""
    net, _ = make("plain", "adam", shuffle=False, max_iter=1, alpha=0.1)
    whole, by_batch = clone(net).fit(X, Y), clone(net)
    for start in range(0, len(X), 16):
        rows = slice(start, start + 16)
        by_batch.set_params(batch_size=len(X[rows])).partial_fit(
            X[rows], Y[rows], classes=[0, 1, 2]
        )
    assert not differ(whole, by_batch)
    assert differ(whole, clone(net).set_params(shuffle=True).fit(X, Y))


def test_shuffling_draws_a_new_order_every_epoch():
    """Where each epoch drew the same order, every epoch would be the first."""
    frozen = {"learning_rate_init": 1e-30, "alpha": 0, "batch_norm": True}
    shuffled, ordered = (
        make("plain", "sgd", **frozen, shuffle=shuffle)[0].fit(X, Y) for shuffle in (True, False)
    )
    assert len(set(shuffled.loss_curve_)) == K
    assert len(set(ordered.loss_curve_)) == 1
