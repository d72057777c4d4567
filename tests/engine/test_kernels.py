import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.testing import assert_allclose
from scipy import special, stats

from skdnn.engine import kernels
from skdnn.engine.activations import ACTIVATIONS, Step

DTYPES = ["float32", "float64"]
scores = arrays(
    "float64", st.tuples(st.integers(1, 5), st.integers(2, 4)), elements=st.floats(-30, 30)
)


def tolerance(dtype):
    return {"rtol": 1e-4, "atol": 1e-5} if dtype == "float32" else {"rtol": 1e-12, "atol": 1e-13}


def output(activation, S):
    X = np.empty_like(S)
    activation.forward(S, X)
    return X


@pytest.mark.parametrize("shape", [(9,), (9, 3)])
@pytest.mark.parametrize("dtype", [*DTYPES, "int64"])
def test_gather(shape, dtype, rng):
    A, rows = (10 * rng.normal(size=shape)).astype(dtype), np.array([8, 0, 3, 3])
    out = np.empty((4, *shape[1:]), dtype)
    kernels.gather(A, rows, out)
    assert out.tolist() == [A[row].tolist() for row in rows]


@pytest.mark.parametrize("shape", [(9,), (9, 3)])
def test_gather_rounds(shape, rng):
    A, rows = rng.normal(size=shape), np.array([8, 0, 3, 3])
    out = np.empty((4, *shape[1:]), "float32")
    kernels.gather(A, rows, out)
    assert out.tolist() == [np.float32(A[row]).tolist() for row in rows]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("activation", ACTIVATIONS.values(), ids=repr)
def test_dense(activation, dtype, rng):
    X, W, dY = (rng.normal(size=shape).astype(dtype) for shape in [(6, 4), (4, 3), (6, 3)])
    b, (S, Y, D) = rng.normal(size=3).astype(dtype), np.empty((3, 6, 3), dtype)
    S = Y if activation.from_output else S
    kernels.dense_forward(X, W, b, activation, S, Y)
    expected = np.einsum("mi,ij->mj", X, W) + b
    dS = np.empty_like(dY)
    activation.derivative(expected, output(activation, expected), dS)
    dS *= dY
    assert_allclose(Y, output(activation, expected), **tolerance(dtype))
    dW, db, dX = np.empty_like(W), np.empty_like(b), np.empty_like(X)
    given = dY.copy()
    kernels.dense_backward(X, W, activation, S, Y, given, D, dW, db, dX)
    assert_allclose(given, dS, **tolerance(dtype))
    assert_allclose(dW, np.einsum("mi,mj->ij", X, dS), **tolerance(dtype))
    assert_allclose(db, np.einsum("mj->j", dS), **tolerance(dtype))
    assert_allclose(dX, np.einsum("mj,ij->mi", dS, W), **tolerance(dtype))
    before = dW.copy(), db.copy()
    dW.fill(np.nan)
    kernels.dense_backward(X, W, activation, S, Y, dY.copy(), D, dW, db, None)
    assert np.array_equal(dW, before[0])
    assert np.array_equal(db, before[1])


@pytest.mark.parametrize("activation", [a for a in ACTIVATIONS.values() if a != Step()], ids=repr)
def test_dense_hides_no_nan(activation):
    X, Y = np.array([[1.0], [np.nan]]), np.empty((2, 5))
    S = Y if activation.from_output else np.empty_like(Y)
    with np.errstate(invalid="ignore"):
        kernels.dense_forward(X, np.ones((1, 5)), np.zeros(5), activation, S, Y)
    assert np.isfinite(Y[0]).all()
    assert np.isnan(Y[1]).all()


@pytest.mark.parametrize("dtype", DTYPES)
def test_batch_norm_forward(dtype, rng):
    S = (3 + 2 * rng.normal(size=(8, 3))).astype(dtype)
    gamma, beta, mean, var, sigma = rng.normal(size=(5, 3)).astype(dtype)
    S_hat, Y = np.empty_like(S), np.empty_like(S)
    kernels.batch_norm_forward(S, gamma, beta, 1e-30, mean, var, sigma, S_hat, Y)
    assert_allclose(S_hat, stats.zscore(S.astype(float)), **tolerance(dtype))
    assert_allclose(Y, gamma * stats.zscore(S.astype(float)) + beta, **tolerance(dtype))
    assert_allclose(mean, S.mean(0, dtype=float), **tolerance(dtype))
    assert_allclose(var, S.var(0, dtype=float), **tolerance(dtype))


def test_batch_norm_of_a_constant_column_is_finite():
    S, out = np.full((4, 1), 7.0), [np.empty(1) for _ in range(3)]
    S_hat, Y = np.empty((2, 4, 1))
    kernels.batch_norm_forward(S, np.ones(1), np.full(1, 5.0), 1e-5, *out, S_hat, Y)
    assert Y.tolist() == [[5.0]] * 4


@given(S=scores)
def test_softmax(S):
    P = np.empty_like(S)
    log_sum = kernels.softmax(S, P)
    assert_allclose(P.sum(axis=1), 1, rtol=1e-14)
    assert_allclose(P, special.softmax(S, axis=1), rtol=1e-12, atol=1e-300)
    assert_allclose(log_sum, special.logsumexp(S, axis=1), rtol=1e-12, atol=1e-13)


@given(S=scores, shift=st.floats(-1e3, 1e3))
def test_softmax_does_not_see_a_shift(S, shift):
    P, P_shifted = np.empty_like(S), np.empty_like(S)
    log_sum, log_sum_shifted = kernels.softmax(S, P), kernels.softmax(S + shift, P_shifted)
    assert_allclose(P_shifted, P, atol=1e-11)
    assert_allclose(log_sum_shifted, log_sum + shift, atol=1e-11)


@given(S=scores, scale=st.sampled_from([1.0, 1e3, 1e100]), data=st.data())
def test_softmax_cross_entropy_of_huge_scores(S, scale, data):
    S = scale * S
    labels = data.draw(arrays("int64", len(S), elements=st.integers(0, S.shape[1] - 1)))
    dS = np.empty_like(S)
    loss = kernels.softmax_cross_entropy(S, labels, None, 0.0, dS)
    expected = -special.log_softmax(S, axis=1)[np.arange(len(S)), labels].mean()
    assert_allclose(loss, expected, rtol=1e-12, atol=1e-12 * scale)
    assert_allclose(dS.sum(axis=1), 0, atol=1e-14)
    assert np.isfinite(dS).all()


@given(S=scores, scale=st.sampled_from([1.0, 1e3, 1e100]), positive=st.booleans())
def test_logistic_cross_entropy_of_huge_scores(S, scale, positive):
    S = scale * S
    dS, T = np.empty_like(S), np.full_like(S, positive)
    loss = kernels.logistic_cross_entropy(S, T, None, 0.0, dS)
    expected = -special.log_expit(S if positive else -S).sum(axis=1).mean()
    assert_allclose(loss, expected, rtol=1e-12, atol=1e-12 * scale)
    assert_allclose(len(S) * dS, special.expit(S) - positive, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("shape", [(6,), (6, 3)])
@pytest.mark.parametrize("dtype", DTYPES)
def test_mean_over_rows(shape, dtype, rng):
    loss, dS = rng.normal(size=shape).astype(dtype), rng.normal(size=(6, 3)).astype(dtype)
    total, weight = loss.reshape(6, -1).sum(axis=1), np.array([0, 1, 2, 0.5, 3, 0], dtype)
    for w in (None, weight):
        share, mean = np.full(6, 1 / 6) if w is None else w / 6.5, dS.copy()
        value = kernels.mean_over_rows(loss.copy(), w, mean)
        assert type(value) is float
        assert_allclose(value, share @ total, **tolerance(dtype))
        assert_allclose(mean, share[:, None] * dS, **tolerance(dtype))


def test_cross_entropy_of_two_classes_is_the_logistic_one(rng):
    s, labels = 3 * rng.normal(size=(10, 1)), rng.integers(0, 2, 10)
    d2, d1 = np.empty((10, 2)), np.empty((10, 1))
    two = kernels.softmax_cross_entropy(np.hstack([0 * s, s]), labels, None, 0.3, d2)
    one = kernels.logistic_cross_entropy(s, labels[:, None].astype(float), None, 0.3, d1)
    assert_allclose(two, one, rtol=1e-12)
    assert_allclose(d2[:, 1:], d1, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("keep", [1 << 12, 1 << 15, 50000, 65535])
def test_dropout_mask(dtype, keep, rng):
    mask, p = np.empty((400, 251), dtype), keep / 65536
    kernels.dropout_mask(rng, keep, mask)
    assert_allclose(np.unique(mask[mask != 0]), [1 / p], rtol=1e-6)
    n_kept = int((mask != 0).sum())
    assert stats.binomtest(n_kept, mask.size, p).pvalue > 1e-3
    assert abs(mask.mean(dtype=float) - 1) < 4 * np.sqrt((1 / p - 1) / mask.size) + 1e-6


def test_dropout_mask_keeps_exactly_its_share(rng):
    mask = np.empty(1 << 22, "float32")
    kernels.dropout_mask(rng, 1, mask)  # one of the 65536 values, neither none nor two
    assert stats.binomtest(np.count_nonzero(mask), mask.size, 1 / 65536).pvalue > 1e-3
    assert mask.max() == 65536


@pytest.mark.parametrize("kind", ["PCG64", "PCG64DXSM", "SFC64", "Philox", "MT19937"])
def test_dropout_mask_from_any_bit_generator(kind):
    mask = np.empty(10001)
    kernels.dropout_mask(np.random.Generator(getattr(np.random, kind)(0)), 1 << 15, mask)
    assert stats.binomtest(np.count_nonzero(mask), mask.size, 0.5).pvalue > 1e-3


def test_dropout_mask_entries_are_independent(rng):
    mask = np.empty((20000, 5))
    kernels.dropout_mask(rng, 1 << 15, mask)
    correlation = np.corrcoef(np.column_stack([mask[1:], mask[:-1]]), rowvar=False)
    assert np.abs(correlation - np.eye(10)).max() < 5 / np.sqrt(20000)


@pytest.mark.parametrize("shape", [(1, 1), (1, 3), (3, 5), (2, 4), (0,)])
def test_dropout_mask_of_any_size(shape, rng):
    mask = np.full(shape, np.nan)
    kernels.dropout_mask(rng, 1 << 15, mask)
    assert set(np.unique(mask)) <= {0.0, 2.0}


def test_dropout_mask_draws_anew(rng):
    first, second = np.empty((2, 50, 3))
    kernels.dropout_mask(rng, 1 << 15, first)
    kernels.dropout_mask(rng, 1 << 15, second)
    assert not np.array_equal(first, second)


@pytest.mark.parametrize("nesterov", [False, True])
def test_momentum_sums_up_to_its_geometric_series(nesterov):
    theta, v, work = np.zeros((3, 1))
    for _ in range(400):
        before = theta.copy()
        kernels.sgd_step(theta, np.ones(1), 0.1, 0.9, nesterov, v, work)
    assert_allclose(theta - before, -0.1 / (1 - 0.9), rtol=1e-10)


def test_first_step_of_adam_has_the_length_of_the_learning_rate():
    theta, m, v, work = np.zeros((4, 3))
    kernels.adam_step(theta, np.array([1e-3, -5.0, 2.0]), 0.1, 0.9, 0.999, 1e-12, 1, m, v, work)
    assert_allclose(theta, [-0.1, 0.1, -0.1], rtol=1e-8)
