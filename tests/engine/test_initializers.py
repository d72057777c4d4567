import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import stats

from skdnn.engine.initializers import (
    ALIASES,
    BIAS_INITIALIZERS,
    INITIALIZERS,
    Normal,
    Orthogonal,
    get_initializer,
)

N_IN, N_OUT = 300, 200
VARIANCES = {  # of the papers, for 300 inputs and 200 outputs
    "glorot_uniform": 2 / 500,
    "glorot_normal": 2 / 500,
    "he_uniform": 2 / 300,
    "he_normal": 2 / 300,
    "lecun_uniform": 1 / 300,
    "lecun_normal": 1 / 300,
    "normal": 1e-4,
    "orthogonal": 1 / 300,
    "zeros": 0.0,
}


@pytest.mark.parametrize("name", INITIALIZERS)
def test_shape_and_seed(name):
    W, again, other = (INITIALIZERS[name](np.random.default_rng(seed), 7, 5) for seed in (1, 1, 2))
    assert W.shape == (7, 5)
    assert W.dtype == np.float64
    assert np.array_equal(W, again)
    assert name == "zeros" or not np.array_equal(W, other)


@pytest.mark.parametrize("name", INITIALIZERS)
def test_mean_and_variance(name, rng):
    W = INITIALIZERS[name](rng, N_IN, N_OUT)
    assert abs(W.mean()) <= 4 * np.sqrt(VARIANCES[name] / W.size)
    assert_allclose(W.var(), VARIANCES[name], rtol=0.03)


@pytest.mark.parametrize(
    ("name", "limit"),
    [
        ("glorot_uniform", np.sqrt(6 / 500)),
        ("he_uniform", np.sqrt(6 / 300)),
        ("lecun_uniform", np.sqrt(3 / 300)),
    ],
)
def test_uniform_fills_its_interval(name, limit, rng):
    W = INITIALIZERS[name](rng, N_IN, N_OUT).ravel()
    assert stats.kstest(W, stats.uniform(-limit, 2 * limit).cdf).pvalue > 1e-3
    assert np.abs(W).max() <= limit


@pytest.mark.parametrize("name", ["glorot_normal", "he_normal", "lecun_normal", "normal"])
def test_normal_is_normal(name, rng):
    W = INITIALIZERS[name](rng, N_IN, N_OUT).ravel()
    assert stats.kstest(W, stats.norm(0, np.sqrt(VARIANCES[name])).cdf).pvalue > 1e-3


@pytest.mark.parametrize(("n_in", "n_out"), [(6, 4), (4, 6), (5, 5), (1, 3), (3, 1)])
def test_orthogonal(n_in, n_out, rng):
    Q = Orthogonal()(rng, n_in, n_out)
    assert Q.shape == (n_in, n_out)
    product = Q.T @ Q if n_in >= n_out else Q @ Q.T
    assert_allclose(product, np.eye(min(n_in, n_out)), atol=1e-14)


def test_orthogonal_prefers_no_direction(rng):
    draws = np.array([Orthogonal()(rng, 3, 3) for _ in range(500)])
    assert np.abs(draws.mean(axis=0)).max() < 5 * np.sqrt(1 / 3 / 500)


def test_normal_takes_its_deviation(rng):
    assert_allclose(Normal(3.0)(rng, N_IN, N_OUT).std(), 3.0, rtol=0.02)


def test_he_keeps_the_size_of_relu_signals(rng):
    X = rng.normal(size=(100, 400))
    size = np.mean(X**2)
    for _ in range(10):
        X = np.maximum(X @ INITIALIZERS["he_normal"](rng, 400, 400), 0)
    # E x² of relu(s) is half of E s²; He's factor 2 undoes the halving
    assert 0.5 < np.mean(X**2) / size < 2


@pytest.mark.parametrize("alias", ALIASES)
def test_alias(alias):
    assert get_initializer(alias) is INITIALIZERS[ALIASES[alias]]


LIMITS = {
    "zeros": 0.0,
    "glorot_uniform": np.sqrt(6 / 20_003),
    "fan_in": 1 / np.sqrt(3),
    "uniform": 1,
}


@pytest.mark.parametrize("name", BIAS_INITIALIZERS)
def test_biases_fill_their_interval(name, rng):
    b, limit = BIAS_INITIALIZERS[name](rng, 3, 20_000), LIMITS[name]
    assert b.shape == (20_000,)
    assert np.abs(b).max() <= limit
    if limit:
        assert stats.kstest(b, stats.uniform(-limit, 2 * limit).cdf).pvalue > 1e-3
