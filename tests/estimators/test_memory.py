"""What a fitted estimator holds on to, and how much room training and prediction take."""

import gc
import pickle
import tracemalloc
import warnings
import weakref
from contextlib import contextmanager
from functools import partial

import numpy as np
import pytest
from estimator_cases import small_network
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from scipy.special import softmax

from skdnn import MLPClassifier, MLPRegressor
from skdnn.engine.layers import Dense
from skdnn.estimators import data

FITS = {
    "default": {},
    "lbfgs": {"solver": "lbfgs"},
    "no shuffling": {"shuffle": False},
    "one batch": {"shuffle": False, "batch_size": 300},
    "warm start": {"warm_start": True},
    "warm start, no shuffling": {"warm_start": True, "shuffle": False},
    "warm start, lbfgs": {"warm_start": True, "solver": "lbfgs"},
    "early stopping": {"warm_start": True, "early_stopping": True, "shuffle": False},
    "own scoring": {"early_stopping": True, "scoring": "neg_mean_squared_error"},
    "batch norm": {"batch_norm": True, "dropout": 0.2, "input_dropout": 0.1, "shuffle": False},
}

small = partial(small_network, max_iter=3)


def data_for(parameters, rng, m=300):
    """Return data in the dtype of the computations, which are not copied."""
    dtype = "float64" if parameters.get("solver") == "lbfgs" else "float32"
    X = rng.normal(size=(m, 5)).astype(dtype)
    return X, (X[:, 0] > 0).astype(int)


def arrays_in(thing, seen=None):
    """Yield every array that can be reached through attributes, lists, tuples and dicts."""
    seen = {} if seen is None else seen
    if id(thing) in seen:
        return
    seen[id(thing)] = thing
    if isinstance(thing, np.ndarray):
        yield thing
        yield from arrays_in(thing.base, seen)
    elif isinstance(thing, dict):
        for value in thing.values():
            yield from arrays_in(value, seen)
    elif isinstance(thing, list | tuple):
        for value in thing:
            yield from arrays_in(value, seen)
    elif hasattr(thing, "__dict__") and not isinstance(thing, type):
        yield from arrays_in(vars(thing), seen)


def fit(model, X, y, **more):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", category=UserWarning)  # that there are more epochs to run
        return model.fit(X, y, **more)


@contextmanager
def peak():
    """Measure the most memory that was taken inside, in bytes."""
    found = {}
    gc.collect()
    tracemalloc.start()
    try:
        yield found
        found["bytes"] = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


# Nothing of the data stays ----------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("parameters", FITS.values(), ids=FITS)
def test_a_fitted_model_lets_go_of_the_data(cls, parameters, rng):
    X, y = data_for(parameters, rng)
    model = fit(small(cls, **parameters), X, y)
    kept = list(arrays_in(model))
    assert any(np.shares_memory(A, model.coefs_[0]) for A in kept)  # the search finds something
    assert not any(np.shares_memory(A, X) or np.shares_memory(A, y) for A in kept)
    alive = weakref.ref(X)
    del X, kept
    gc.collect()
    assert alive() is None


@pytest.mark.slow
def test_a_model_in_partial_fit_lets_go_of_the_data(cls, rng):
    model = small(cls, shuffle=False, dropout=0.2)
    more = {"classes": [0, 1]} if cls is MLPClassifier else {}
    for _ in range(2):
        X, y = data_for({}, rng)
        model.partial_fit(X, y, **more)
        alive = weakref.ref(X)
        assert not any(np.shares_memory(A, X) for A in arrays_in(model))
        del X
        gc.collect()
        assert alive() is None


@pytest.mark.slow
def test_validation_data_are_let_go(cls, rng):
    X, y = data_for({}, rng)
    X_val, y_val = data_for({}, rng, 50)
    model = small(cls, warm_start=True, early_stopping=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", category=UserWarning)
        model.fit(X, y, X_val=X_val, y_val=y_val)
    alive = weakref.ref(X_val)
    del X_val
    gc.collect()
    assert alive() is None


@pytest.mark.parametrize("parameters", FITS.values(), ids=FITS)
def test_no_buffer_of_a_batch_stays(cls, parameters, rng):
    """The longest array is as long after batches of 300 rows as after batches of 20."""
    lengths = []
    for batch_size in (20, 300):
        more = parameters if "solver" in parameters else parameters | {"batch_size": batch_size}
        X, y = data_for(parameters, rng)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", category=UserWarning)  # of a batch that is clipped
            model = fit(small(cls, **more), X, y)
        lengths.append(max(A.size for A in arrays_in(model)))
        assert max(len(A) for A in arrays_in(model) if A.ndim > 1) <= 8
    assert lengths[0] == lengths[1]
    assert max(lengths) <= model._network.parameters.values.size
    assert len(pickle.dumps(model)) < 300 * 8 * 4  # the smallest buffer of 300 rows


# Wide sparse input ------------------------------------------------------------------------------


def test_sparse_rows_are_chunked_by_the_widest_layer(rng, monkeypatch):
    wide = sparse.random_array(
        (90, 5000), density=0.002, random_state=rng, dtype=np.float32
    ).tocsr()
    model = fit(small(MLPRegressor, hidden_layer_sizes=(10, 4)), wide, np.arange(90) % 7)
    expected, lengths, infer = model.predict(wide), [], Dense.infer

    def noting(self, X, out=None):
        lengths.append(X.shape[0])
        return infer(self, X, out)

    monkeypatch.setattr(Dense, "infer", noting)
    monkeypatch.setattr("skdnn.engine.network.CHUNK_NUMBERS", 300)
    assert_allclose(model.predict(wide), expected, rtol=1e-5, atol=1e-6)
    assert lengths == 3 * [30, 30, 30]  # of three layers; 10 numbers a row, not 5,000
    lengths.clear()
    dense = wide[:3].toarray()
    assert_allclose(model.predict(dense), expected[:3], rtol=1e-5, atol=1e-6)
    assert lengths == 3 * [1, 1, 1]


def test_input_dropout_of_sparse_rows_stays_sparse(rng):
    n_in, batch_size = 2**17, 32
    wide = sparse.random_array(
        (128, n_in), density=1e-4, random_state=rng, dtype=np.float32
    ).tocsr()
    model = small(
        MLPRegressor, hidden_layer_sizes=(1,), solver="sgd", momentum=0.0,
        batch_size=batch_size, input_dropout=0.3, max_iter=1,
    )  # fmt: skip
    with peak() as found:
        fit(model, wide, np.arange(128.0))
    assert found["bytes"] < batch_size * n_in * 4  # one such buffer is 16 MB


LARGE_FITS = {
    "shuffled": {},
    "in order": {"shuffle": False},
    "early stopping": {"early_stopping": True},
    "sgd": {"solver": "sgd", "dropout": 0.2, "input_dropout": 0.1},
}


@pytest.mark.slow
@pytest.mark.parametrize("parameters", LARGE_FITS.values(), ids=LARGE_FITS)
def test_large_doubles_are_not_copied_and_give_the_same(cls, parameters, rng, monkeypatch):
    X = rng.normal(size=(50_000, 40))
    y = (X[:, 0] > 0).astype(float)
    kept_back = {"X_val": X[:500], "y_val": y[:500]} if "early_stopping" not in parameters else {}
    parameters = {"max_iter": 2, "batch_size": 100, "random_state": 0} | parameters
    expected = fit(small(cls, **parameters), X, y, **kept_back)
    monkeypatch.setattr(data, "LARGE_NUMBERS", 1000)
    with peak() as found:
        model = fit(small(cls, **parameters), X, y, **kept_back)
    assert found["bytes"] < X.nbytes / 2  # what a copy would take
    for a, b in zip(model.coefs_, expected.coefs_, strict=True):
        assert_array_equal(a, b)


@pytest.mark.parametrize("value", [np.inf, -1e39, np.nan])
def test_large_doubles_beyond_float32_are_refused(cls, value, rng, monkeypatch):
    monkeypatch.setattr(data, "LARGE_NUMBERS", 1000)
    X = rng.normal(size=(1000, 2))
    X[500, 1] = value
    with pytest.raises(ValueError, match=r"Input X contains"):
        small(cls).fit(X, X[:, 0] > 0)


# Prediction -------------------------------------------------------------------------------------


@pytest.mark.slow
def test_probabilities_take_little_more_room_than_the_result(rng):
    X = rng.normal(size=(300_000, 4)).astype(np.float32)
    model = fit(small(MLPClassifier, max_iter=1), X[:1000], np.arange(1000) % 10)
    with peak() as found:
        P = model.predict_proba(X)
    assert P.shape == (300_000, 10)
    assert found["bytes"] < P.nbytes + 20e6
    some = slice(2**14 - 5, 2**14 + 5)  # where one block of rows ends
    expected = softmax(model.decision_function(X[some]).astype(np.float64), axis=1)
    assert_allclose(P[some], expected, rtol=1e-5)
    with peak() as found:
        L = model.predict_log_proba(X)
    assert found["bytes"] < P.nbytes + 20e6
    assert_array_equal(L, np.log(P))
