"""Losses that do not mind outliers: nor does the scale of y that they are trained in."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.optimize import minimize_scalar
from scipy.stats import norm
from sklearn.linear_model import QuantileRegressor
from sklearn.preprocessing import RobustScaler

from skdnn import MLPRegressor
from skdnn.estimators.spread import moments, quartiles

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
]

RNG = np.random.default_rng(0)
X = RNG.normal(size=(600, 3))
CLEAN = X[:, 0] - 0.5 * np.abs(X[:, 1])
NOISY = CLEAN + 0.1 * RNG.normal(size=600)
LOSSES = ["absolute_error", "huber", "quantile"]


def spoil(y, share, value, signs=(1,)):
    """Return y with outliers in some rows, evenly spread."""
    y = y.copy()
    rows = np.arange(0, len(y), round(1 / share))
    y[rows] += value * np.resize(signs, len(rows))
    return y


OUTLIERS = {
    "one side": spoil(NOISY, 0.05, 1e3),
    "far away": spoil(NOISY, 0.05, -1e9),
    "both sides": spoil(NOISY, 0.1, 1e4, (1, -1)),
    "one row": spoil(NOISY, 1 / 600, 1e7),
    "heavy tails": CLEAN + 0.1 * np.random.default_rng(1).standard_cauchy(600),
    "far from zero": 1e4 + spoil(NOISY, 0.05, 1e6),
}


def net(loss, **parameters):
    defaults = {"hidden_layer_sizes": (32,), "max_iter": 300, "random_state": 0}
    rate = {} if parameters.get("solver") == "lbfgs" else {"learning_rate_init": 0.01}
    return MLPRegressor(loss=loss, **defaults | rate | parameters)


def median_error(model, y):
    return np.median(np.abs(model.predict(X) - y))


# Outliers ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", OUTLIERS)
@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("solver", ["adam", "lbfgs", "sgd"])
def test_outliers_do_no_harm(loss, kind, solver):
    true = CLEAN + (1e4 if kind == "far from zero" else 0)
    parameters = {"dtype": "float64"} if kind == "far from zero" else {}
    model = net(loss, solver=solver, **parameters).fit(X, OUTLIERS[kind])
    assert median_error(model, true) < 0.35  # that of a constant is 0.7


@pytest.mark.parametrize("loss", LOSSES)
def test_every_column_has_a_scale_of_its_own(loss):
    Y = np.c_[OUTLIERS["one side"], 1e6 * NOISY, 1e-6 * OUTLIERS["both sides"]]
    predicted = net(loss).fit(X, Y).predict(X) / [1.0, 1e6, 1e-6]
    assert np.median(np.abs(predicted - CLEAN[:, None]), axis=0).max() < 0.25


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("way", ["partial_fit", "warm_start", "early_stopping"])
def test_outliers_do_no_harm_bit_by_bit(loss, way):
    y, model = OUTLIERS["one side"], net(loss, max_iter=100, n_iter_no_change=np.inf)
    if way == "early_stopping":
        model.set_params(early_stopping=True, scoring="neg_median_absolute_error").fit(X, y)
    elif way == "warm_start":
        model.set_params(warm_start=True, max_iter=50).fit(X, y).fit(X, y)
    else:
        for _ in range(100):
            model.partial_fit(X, y)
    assert median_error(model, CLEAN) < 0.3


@pytest.mark.parametrize("loss", LOSSES)
def test_how_far_away_an_outlier_is_makes_no_difference(loss):
    near, far = (net(loss, max_iter=30).fit(X, spoil(NOISY, 0.05, v)) for v in (1e3, 1e5))
    assert_allclose(near.predict(X), far.predict(X), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("y", OUTLIERS.values(), ids=OUTLIERS)
def test_linear_models_agree(y):
    """The same minimum as scikit-learn's quantile regression, whose scale is the unit."""
    linear = MLPRegressor("quantile", (), quantile=0.3, solver="lbfgs", alpha=0, max_iter=3000)
    theirs = QuantileRegressor(quantile=0.3, alpha=0).fit(X, y)

    def mean_loss(model):
        r = y - model.predict(X)
        return np.mean(np.maximum(0.3 * r, -0.7 * r))

    assert_allclose(mean_loss(linear.fit(X, y)), mean_loss(theirs), rtol=5e-3)


# The unit ---------------------------------------------------------------------------------------


def test_for_normal_numbers_the_scale_is_the_standard_deviation():
    y = 5 + 3 * norm.ppf((np.arange(10_000) + 0.5) / 10_000)[:, None]
    for spread in (moments, quartiles):
        centre, scale = spread(y, None)
        assert_allclose([centre[0], scale[0]], [5, 3], rtol=1e-3)


def test_the_scale_is_that_of_the_robust_scaler():
    y = OUTLIERS["one side"][:, None]
    scaler = RobustScaler(unit_variance=True).fit(y)
    centre, scale = quartiles(y, None)
    assert_allclose(centre, scaler.center_, atol=0.02)
    assert_allclose(scale, scaler.scale_, rtol=0.02)


@pytest.mark.parametrize("delta", [0.2, 1.35, 4.0])
@pytest.mark.parametrize("unit", [1.0, 1e-5, 1e5])
def test_huber_delta_counts_robust_standard_deviations(delta, unit):
    """With nothing to learn from X, the prediction is Huber's centre of y."""
    y = unit * (np.random.default_rng(3).standard_t(2, size=501) + 4)
    q1, q3 = np.quantile(y, [0.25, 0.75], method="inverted_cdf")
    bound = delta * (q3 - q1) / (norm.ppf(0.75) - norm.ppf(0.25))

    def objective(centre):
        r = np.abs(y - centre)
        return np.sum(np.where(r <= bound, 0.5 * r**2, bound * (r - 0.5 * bound)))

    expected = minimize_scalar(objective, (q1, q3), tol=1e-12).x
    model = MLPRegressor("huber", (), huber_delta=delta, solver="lbfgs", tol=1e-9, alpha=0)
    assert_allclose(model.fit(np.zeros((501, 1)), y).predict([[0.0]]), expected, rtol=1e-6)


# Most of y the same -----------------------------------------------------------------------------

RARE = X[:, 2] > 1.0  # 16 %
ALIKE = {
    "zero-inflated": np.where(RARE, 50 * (X[:, 2] - 0.5), 0.0),
    "half constant": np.where(X[:, 2] > 0, 3 + X[:, 2], 3.0),
    "zeros and outliers": spoil(np.where(RARE, X[:, 2], 0.0), 0.01, 1e6),
    "far from zero": 1e3 + np.where(RARE, X[:, 2], 0.0),
    "two values": np.where(RARE, 7.0, -2.0),
}


@pytest.mark.parametrize("y", ALIKE.values(), ids=ALIKE)
def test_quartiles_that_coincide_are_no_scale(y):
    centre, scale = quartiles(y[:, None], None)
    others = np.abs(y - np.median(y))[y != np.median(y)]
    assert centre[0] == np.median(y)
    assert others.min() < 2 * scale[0] and scale[0] < 10 * np.median(others)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("kind", sorted(set(ALIKE) - {"zeros and outliers"}))
def test_what_differs_from_most_is_learned(loss, kind):
    y = ALIKE[kind]
    model = net(loss).fit(X, y)
    assert model.score(X, y) > (0.5 if kind == "two values" else 0.8)


# Weights ----------------------------------------------------------------------------------------

COUNTS = np.random.default_rng(2).integers(0, 4, size=600)
COLUMNS = np.c_[NOISY, ALIKE["zero-inflated"], ALIKE["half constant"], np.full(600, 2.0)]


@pytest.mark.parametrize("spread", [moments, quartiles])
@pytest.mark.parametrize("n", [1, 2, 3, 10, 600])
@pytest.mark.parametrize("factor", [1, 4, 0.25])
def test_weights_are_repeated_rows(spread, n, factor):
    used = np.flatnonzero(COUNTS)[:n]
    weighted = spread(COLUMNS[used], factor * COUNTS[used].astype(float))
    repeated = spread(np.repeat(COLUMNS[used], COUNTS[used], axis=0), None)
    for one, other in zip(weighted, repeated, strict=True):
        assert_allclose(one, other, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("y", [NOISY, OUTLIERS["one side"], ALIKE["zero-inflated"], COLUMNS])
def test_a_fit_with_weights_is_one_with_repeated_rows(loss, y):
    full = {"solver": "lbfgs", "max_iter": 5, "hidden_layer_sizes": (4,), "activation": "tanh"}
    weighted = net(loss, **full).fit(X, y, COUNTS)
    repeated = net(loss, **full).fit(np.repeat(X, COUNTS, axis=0), np.repeat(y, COUNTS, axis=0))
    assert_allclose(weighted.predict(X), repeated.predict(X), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("loss", LOSSES)
def test_rows_of_weight_zero_are_removed(loss):
    weight = (np.arange(600) % 3 > 0).astype(float)
    y = np.where(weight > 0, NOISY, 1e9)
    rest = weight > 0
    weighted = net(loss, max_iter=5).fit(X, y, weight)
    removed = net(loss, max_iter=5).fit(X[rest], y[rest])
    assert_array_equal(weighted.predict(X), removed.predict(X))
