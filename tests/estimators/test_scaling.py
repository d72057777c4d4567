"""Columns of X in any units: as good as scaled ones, and the weights belong to X itself."""

import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.datasets import load_diabetes, load_digits, load_iris, load_wine, make_friedman1
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier as TheirClassifier
from sklearn.neural_network import MLPRegressor as TheirRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, OneHotEncoder, StandardScaler, scale

from skdnn import MLPClassifier, MLPRegressor, load_checkpoint
from skdnn.callback import Checkpoint
from skdnn.estimators.scaling import measure

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def rng(seed=0):
    return np.random.default_rng(seed)


def linear():
    X = rng().uniform(0, 100, size=(500, 4))
    return X, X @ [1.0, 2.0, -1.0, 0.5]


def mixed():
    """Years, counts, shares, prices and a flag."""
    g, n = rng(1), 1500
    year, count = g.integers(1990, 2020, n), g.poisson(300, n)
    share, price = g.uniform(0, 0.01, n), np.exp(g.normal(8, 1, n))
    flag = g.integers(0, 2, n)
    y = (year - 2000) ** 2 / 50 + count / 40 + 300 * share * flag + np.log(price)
    return np.column_stack([year, count, share, price, flag]).astype(float), y


def tiny():
    X = 1e-6 * rng(2).normal(size=(600, 3)) + [1e-6, 0, 0]
    return X, np.sin(1e6 * X[:, 0]) + 1e6 * X[:, 1]


def friedman():
    X, y = make_friedman1(1200, noise=0.3, random_state=0)
    return X * [1, 10, 100, 1000, 1e4, 1, 1, 1, 1, 1] + [0, -50, 500, 0, 0, 0, 1e3, 0, 0, 0], y


REGRESSIONS = {
    "linear": linear,
    "mixed": mixed,
    "tiny": tiny,
    "friedman": friedman,
    "diabetes": lambda: load_diabetes(return_X_y=True, scaled=False),
}


def r_squared(model, X, y):
    X, X_test, y, y_test = train_test_split(X, y, random_state=0)
    return model.fit(X, y).score(X_test, y_test)


@pytest.mark.slow
@pytest.mark.parametrize("name", REGRESSIONS)
@pytest.mark.parametrize("parameters", [{}, {"dtype": "float64"}, {"batch_norm": True}], ids=str)
def test_raw_columns_are_as_good_as_scaled_ones(name, parameters):
    X, y = REGRESSIONS[name]()
    rate = 0.001 if name == "diabetes" else 0.01  # so few rows are overfitted at the higher rate
    net = MLPRegressor(hidden_layer_sizes=(50,), learning_rate_init=rate, random_state=0)
    net.set_params(**parameters)
    theirs = TheirRegressor(hidden_layer_sizes=(50,), learning_rate_init=rate, random_state=0)
    behind_a_scaler = r_squared(make_pipeline(StandardScaler(), net), X, y)
    raw = r_squared(net, X, y)
    assert raw >= behind_a_scaler - 0.05
    assert raw >= r_squared(theirs, X, y) - 0.02


@pytest.mark.parametrize("seed", range(3))
def test_raw_columns_of_classes(seed):
    X, X_test, y, y_test = train_test_split(*load_wine(return_X_y=True), random_state=seed)
    ours = MLPClassifier(random_state=seed).fit(X, y).score(X_test, y_test)
    theirs = TheirClassifier(random_state=seed).fit(X, y).score(X_test, y_test)
    assert ours >= max(theirs, 0.9)


def test_a_forecast_from_its_own_forecasts_stays_where_the_series_is():
    t = np.arange(400)
    series = 1000 + 50 * np.sin(t / 8) + rng().normal(size=400)
    lags = np.lib.stride_tricks.sliding_window_view(series, 12)
    net = MLPRegressor(hidden_layer_sizes=(50,), random_state=0).fit(lags[:-1], series[12:])
    window = list(series[-12:])
    for _ in range(100):
        window.append(net.predict([window[-12:]])[0])
    assert 900 < min(window) < max(window) < 1100


# The published network ---------------------------------------------------------------------------


def forward(net, X):
    for W, b in zip(net.coefs_[:-1], net.intercepts_[:-1], strict=True):
        X = np.maximum(X @ W.astype(float) + b, 0)
    return X @ net.coefs_[-1].astype(float) + net.intercepts_[-1]


@pytest.mark.parametrize("name", REGRESSIONS)
@pytest.mark.parametrize("early_stopping", [False, True])
def test_the_weights_are_those_of_a_plain_network(name, early_stopping):
    X, y = REGRESSIONS[name]()
    net = MLPRegressor(
        hidden_layer_sizes=(9, 5), max_iter=20, early_stopping=early_stopping, dtype="float64",
        random_state=0,
    ).fit(X, y)  # fmt: skip
    assert_allclose(net.predict(X), forward(net, X).ravel(), rtol=1e-7, atol=1e-9 * y.std())


@pytest.mark.parametrize("parameters", [{}, {"input_dropout": 0.2}, {"solver": "lbfgs"}], ids=str)
def test_units_make_no_difference(parameters):
    """Shifting and scaling columns that are far from order changes nothing but rounding."""
    X, y = linear()
    defaults = {"hidden_layer_sizes": (20,), "max_iter": 20, "dtype": "float64", "random_state": 0}
    nets = [MLPRegressor(**defaults | parameters) for _ in range(2)]
    Z = X * [1e3, 1.0, 10.0, 100.0] + [1e5, 0.0, -50.0, 1e4]
    predicted = [net.fit(A, y).predict(A) for net, A in zip(nets, (X, Z), strict=True)]
    assert_allclose(*predicted, rtol=1e-4 if parameters.get("solver") else 1e-7, atol=1e-6)


# What is left alone ------------------------------------------------------------------------------

DIGITS = load_digits().data
IN_ORDER = {
    "standardised": scale(load_diabetes(scaled=False).data),
    "more or less standardised": scale(load_iris().data)[:110] * 1.5 + 0.3,
    "pixels": DIGITS / 16,
    "between -1 and 1": MinMaxScaler((-1, 1)).fit_transform(load_iris().data),
    "uniform": rng().uniform(size=(200, 3)),
    "one-hot": OneHotEncoder(sparse_output=False).fit_transform(rng().integers(0, 40, (300, 2))),
    "sparse one-hot": OneHotEncoder().fit_transform(rng().integers(0, 40, (300, 2))).tocsr(),
    "shares of words": sparse.random_array(
        (300, 50), density=0.05, random_state=rng(), format="csr"
    ),
    "flags": (rng().random((300, 4)) < [0.01, 0.3, 0.7, 0.99]).astype(float),
    "constant": np.column_stack([np.ones(100), np.zeros(100), rng().normal(size=100)]),
}


@pytest.mark.parametrize("name", IN_ORDER)
def test_columns_in_order_are_left_alone_by_normalize_x(name):
    X = IN_ORDER[name]
    assert measure(X, None, None) is None
    y = rng().integers(0, 2, X.shape[0])
    nets = [MLPClassifier((8,), max_iter=3, normalize_X=n, random_state=0) for n in (True, False)]
    for a, b in zip(*(net.fit(X, y).coefs_ for net in nets), strict=True):
        assert_array_equal(a, b)


@pytest.mark.parametrize("solver", ["adam", "sgd", "lbfgs"])
def test_a_linear_model_keeps_its_penalty_with_normalize_x(solver):
    X, y = mixed()
    net = MLPRegressor(hidden_layer_sizes=(), solver=solver, random_state=0, max_iter=2)
    nets = [net.set_params(normalize_X=n, learning_rate_init=1e-9).fit(X, y) for n in (True, False)]
    assert_array_equal(nets[0].coefs_[0], nets[1].coefs_[0])


# Shift and scale ---------------------------------------------------------------------------------


def columns():
    g, n = rng(3), 400
    rare = np.where(g.random(n) < 0.03, g.normal(5e4, 1e4, n), 0.0)
    return np.column_stack(
        [g.normal(50, 7, n), g.exponential(1e4, n), rare, 9.0 - 2 * (g.random(n) < 0.2), rare / 1e9]
    )


@pytest.mark.parametrize("weighted", [False, True])
def test_mean_and_standard_deviation_of_dense_columns(weighted):
    X, weight = columns(), rng(4).integers(0, 4, 400).astype(float) if weighted else None
    found = measure(X, None, weight)
    expected = StandardScaler().fit(X, sample_weight=weight)
    assert_allclose(found.shift[:2], expected.mean_[:2], rtol=1e-10)
    assert_allclose(found.scale[:2], expected.scale_[:2], rtol=1e-10)


def test_columns_of_mostly_one_value_keep_it():
    X = columns()
    found = measure(X, None, None)
    assert_array_equal(found.shift[2:], [0.0, 9.0, 0.0])
    for j in (2, 4):
        others = X[:, j][X[:, j] != 0]
        assert_allclose(found.scale[j], np.sqrt(np.mean(others**2)))


@pytest.mark.parametrize("convert", [np.asarray, sparse.csr_array], ids=["dense", "sparse"])
@pytest.mark.parametrize("number", [lambda x: x, lambda x: 50 + 7 * x], ids=["standardised", "raw"])
def test_rare_flags_beside_numbers_are_made_smaller(number, convert):
    g = rng(6)
    flags = (g.random((500, 4)) < [0.05, 0.2, 0.4, 0.9]).astype(float)
    X = convert(np.column_stack([number(g.normal(size=500)), flags]))
    found = measure(X, None, None)
    of_zeros = [3.0, 1.0] if convert is np.asarray else [1.0, 0.0]  # sparse columns stay at 0
    assert_allclose(found.scale[1:4], [3.0, 3.0, 1.0])
    assert_allclose([found.scale[4], found.shift[4]], of_zeros)
    alone = measure(convert(flags), None, None)
    assert alone is None


def test_rare_flags_are_the_same_in_any_code():
    g = rng(7)
    flag, y = (g.random(600) < 0.1).astype(float), g.normal(size=600)
    number = g.normal(size=600)
    nets = [
        MLPRegressor(hidden_layer_sizes=(8,), max_iter=5, dtype="float64", random_state=0).fit(
            np.column_stack([number, code]), y
        )
        for code in (flag, scale(flag), 2 + 5 * flag)
    ]
    for net in nets[1:]:
        assert_allclose(net.loss_curve_, nets[0].loss_curve_, rtol=1e-9)


@pytest.mark.parametrize("convert", [np.asarray, sparse.csr_array], ids=["dense", "sparse"])
def test_weights_are_repeated_rows(convert):
    X, weight = columns(), rng(5).integers(0, 4, 400)
    X = X if convert is np.asarray else X * (X > 1e3)
    weighted = measure(convert(X), np.flatnonzero(weight), weight.astype(float))
    repeated = measure(convert(np.repeat(X, weight, axis=0)), None, None)
    assert_allclose(weighted.shift, repeated.shift, rtol=1e-10)
    assert_allclose(weighted.scale, repeated.scale, rtol=1e-10)


def test_sparse_columns_are_not_centred():
    X = sparse.random_array((300, 8), density=0.2, random_state=rng(), format="csr") * 500
    y = X.toarray() @ np.arange(8.0)
    found = measure(X, None, None)
    assert not found.shift.any()
    dense = measure(X.toarray(), None, None)
    assert_allclose(found.scale, dense.scale)
    net = MLPRegressor(hidden_layer_sizes=(20,), max_iter=30, random_state=0)
    assert_allclose(net.fit(X, y).predict(X), net.fit(X.toarray(), y).predict(X), rtol=1e-3)
    X_before = X.copy()
    net.fit(X, y)
    assert_array_equal(X.data, X_before.data)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    "column",
    [
        5 + 1e-9 * rng().normal(size=300),
        np.where(rng().random(300) < 0.5, 1e5, np.nextafter(1e5, np.inf)),
        np.full(300, 1e6),
        -3e4 * (1 + 1e-8 * rng().random(300)),
    ],
    ids=["noise", "one ulp", "constant", "rounding"],
)
def test_near_constant_columns_are_not_blown_up(column, dtype):
    X, y = linear()
    X, y = np.column_stack([X[:300], column]), y[:300]
    net = MLPRegressor(
        hidden_layer_sizes=(20,), dtype=dtype, learning_rate_init=0.01, random_state=0
    )
    net.fit(X, y)
    assert net.score(X, y) > 0.99
    Z = X.copy()
    Z[:, -1] *= 1 + 1e-4
    assert_allclose(net.predict(Z), net.predict(X), atol=0.05 * y.std())


SPANS = {"five minutes": 300, "an hour": 3600, "a month": 3e6}


@pytest.mark.slow
@pytest.mark.parametrize("span", SPANS)
@pytest.mark.parametrize("unit", [1, 1e3, 1e9], ids=["s", "ms", "ns"])
@pytest.mark.parametrize("as_frame", [False, True])
def test_times_since_1970(span, unit, as_frame):
    g, n = rng(3), 500
    t, z = g.uniform(size=n), g.normal(size=n)
    X, y = np.column_stack([unit * (1.7e9 + SPANS[span] * t), z]), np.sin(6 * t) + z
    X = pd.DataFrame(X, columns=["t", "z"]) if as_frame else X
    parameters = {"hidden_layer_sizes": (30,), "learning_rate_init": 0.01, "random_state": 0}
    assert MLPRegressor(dtype="float64", **parameters).fit(X, y).score(X, y) > 0.95
    net = MLPRegressor(**parameters)
    if span == "a month":
        assert net.fit(X, y).score(X, y) > 0.95
    else:
        with pytest.warns(UserWarning, match="1 of 2 columns of X vary so little.*dtype='float64'"):
            net.fit(X, y)


def test_only_rows_of_training_count():
    X, y = mixed()
    X_val, weight = X[-200:] * 1e3, np.r_[np.ones(1000), np.zeros(300)]
    more = {"X_val": X_val, "y_val": y[-200:]}
    nets = [MLPRegressor(hidden_layer_sizes=(8,), max_iter=2, random_state=0) for _ in range(2)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of other units
        nets[0].fit(np.vstack([X[:1000], 1e9 * X[:300]]), np.r_[y[:1000], y[:300]], weight, **more)
        nets[1].fit(X[:1000], y[:1000])
    for a, b in zip(nets[0].coefs_, nets[1].coefs_, strict=True):
        assert_array_equal(a, b)


# Going on ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("life", ["warm_start", "partial_fit", "pickle", "checkpoint"])
@pytest.mark.parametrize("convert", [np.asarray, sparse.csr_array], ids=["dense", "sparse"])
def test_resuming_is_exact(life, convert, tmp_path):
    X, y = mixed()
    X = convert(X)
    net = MLPRegressor(
        hidden_layer_sizes=(8,),
        max_iter=6,
        n_iter_no_change=np.inf,
        warm_start=True,
        random_state=0,
    )
    whole = net.fit(X, y)
    other = MLPRegressor(**net.get_params())
    if life == "partial_fit":
        for _ in range(6):
            other.partial_fit(X, y)
    elif life == "checkpoint":
        path = tmp_path / "net.ckpt"
        other.set_params(max_iter=3).set_callbacks(Checkpoint(path)).fit(X, y)
        other = load_checkpoint(path).fit(X, y)
    else:
        other.set_params(max_iter=3).fit(X, y)
        if life == "pickle":
            other = pickle.loads(pickle.dumps(other))
        other.fit(X, y)
    for a, b in zip(other.coefs_, whole.coefs_, strict=True):
        assert_array_equal(a, b)
    assert_array_equal(other.predict(X), whole.predict(X))


def test_partial_fit_keeps_the_units_of_its_first_rows():
    X, y = mixed()
    net = MLPRegressor(hidden_layer_sizes=(30,), learning_rate_init=0.01, random_state=0)
    for _ in range(30):
        for rows in np.array_split(np.arange(len(X)), 5):
            net.partial_fit(X[rows], y[rows])
    assert net.score(X, y) > 0.9


@pytest.mark.parametrize("first, then", [(np.asarray, sparse.csr_array), (sparse.csr_array,) * 2])
@pytest.mark.parametrize("parameters", [{}, {"solver": "lbfgs"}, {"input_dropout": 0.1}], ids=str)
def test_sparse_rows_after_dense_ones(first, then, parameters):
    """What the columns go through was measured once; the same numbers are the same network."""
    X, y = mixed()
    nets = [
        MLPRegressor(hidden_layer_sizes=(8,), max_iter=3, warm_start=True, random_state=0)
        for _ in range(2)
    ]
    for net, convert in zip(nets, (first, then), strict=True):
        net.set_params(**parameters).fit(first(X), y).fit(convert(X), y)
        if not parameters:
            net.partial_fit(convert(X[:50]), y[:50])
    assert r_squared(nets[1], X, y) == pytest.approx(r_squared(nets[0], X, y), abs=0.05)
    assert_allclose(nets[1].predict(X), nets[0].predict(X), atol=0.3 * y.std())


@pytest.mark.parametrize(
    "train, held_out", [(np.asarray, sparse.csr_array), (sparse.csr_array, np.asarray)]
)
def test_validation_data_sparse_or_not(train, held_out):
    X, y = mixed()
    scores = [
        MLPRegressor(hidden_layer_sizes=(8,), max_iter=4, early_stopping=True, random_state=0)
        .fit(train(X[:1000]), y[:1000], X_val=convert(X[1000:]), y_val=y[1000:])
        .validation_scores_
        for convert in (train, held_out)
    ]
    assert_allclose(scores[1], scores[0], rtol=1e-4)


STREAMS = {
    "standardised": lambda X: scale(X),
    "unit": lambda X: X,
    "in other units": lambda X: 1000 * X + 300,
}


def streamed(model, X, y, first):
    for epoch in range(25):
        start = 0
        while start < len(y):
            rows = slice(start, start + (first if epoch == start == 0 else 50))
            model.partial_fit(X[rows], y[rows])
            start = rows.stop
    return model.score(X, y)


@pytest.mark.slow
@pytest.mark.parametrize("units", STREAMS)
@pytest.mark.parametrize("ordered", [False, True])
@pytest.mark.parametrize("first", [1, 2, 3, 5])
def test_a_stream_whose_first_rows_tell_little(units, ordered, first):
    """Few rows, be they the smallest of a column."""
    X, y = make_friedman1(600, noise=0.3, random_state=1)
    order = np.argsort(X[:, 0]) if ordered else np.arange(len(y))
    X, y = STREAMS[units](X)[order], scale(y)[order]
    ours = MLPRegressor(normalize_y=False, random_state=0)
    assert streamed(ours, X, y, first) > streamed(TheirRegressor(random_state=0), X, y, first) - 0.1


def test_training_goes_on_in_the_units_it_began_in():
    X, y = mixed()
    net = MLPRegressor(hidden_layer_sizes=(8,), max_iter=2, warm_start=True, random_state=0)
    before = net.fit(X, y).predict(X)
    with pytest.raises(ValueError, match="normalize_X=False"):
        net.set_params(normalize_X=False).fit(X, y)
    assert_array_equal(net.predict(X), before)


def test_few_rows_that_are_alike_by_chance_make_no_small_scale():
    """Two rows are alike by chance more often than five are."""
    alike = measure(np.array([[1000.0], [1000.1]]), None, None)
    assert alike.scale > 100
    spread = np.array([[970.0], [1030.0], [985.0], [1010.0], [1005.0]])
    assert_allclose(measure(spread, None, None).scale, spread.std(), rtol=1e-6)


def test_one_row_tells_no_scale():
    X, y = linear()
    net = MLPRegressor(hidden_layer_sizes=(8,), random_state=0).partial_fit(X[:1], y[:1])
    net.partial_fit(X, y)
    assert np.isfinite(net.predict(X)).all()


# The range of the numbers -----------------------------------------------------------------------

FACTORS = [1e-300, 1e-50, 1e-40, 1e-36, 1e-30, 1e-10, 1e10, 1e30, 3e36, 3e37]


@pytest.mark.slow
@pytest.mark.parametrize("factor", FACTORS)
@pytest.mark.parametrize("part", ["X", "one column of X", "y", "sample_weight"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_right_numbers_or_a_word_on_the_range(part, factor, dtype):
    X = rng().normal(size=(300, 3))
    y, weight = X @ [1.0, 2.0, 3.0], np.ones(300)
    if part == "X":
        X = X * factor
    elif part == "y":
        y = y * factor
    elif part == "sample_weight":
        weight = weight * factor
    else:
        X = X * [1.0, factor, 1.0]
    net = MLPRegressor(
        hidden_layer_sizes=(30,), learning_rate_init=0.01, alpha=0, dtype=dtype, random_state=0
    )
    try:
        net.fit(X, y, weight)
    except ValueError as error:
        assert part.split()[-1] in str(error)
        assert "float32" in str(error) or (dtype == "float64" and factor < 1e-290)
    else:
        assert net.score(X, y) > 0.98
