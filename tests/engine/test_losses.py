import inspect

import numpy as np
import pytest
from engine_cases import LOSSES, LOSSES_AND_OUTPUTS, TRACES, settings_of, slope_along
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy import optimize, special
from sklearn import metrics

from skdnn.engine import losses

seeds = st.integers(0, 2**32 - 1)
every_loss = pytest.mark.parametrize(("name", "k"), LOSSES_AND_OUTPUTS)


def draw(name, k, seed, m=6):
    case, rng = LOSSES[name], np.random.default_rng(seed)
    return case.loss, 2 * rng.normal(size=(m, k)), case.targets(rng, m, k), rng.uniform(0.1, 3, m)


def evaluate(loss, S, Y, weight=None):
    dS = np.full_like(S, np.nan)
    return loss.value_and_gradient(S, Y, weight, dS), dS


def test_the_table_of_the_tests_holds_every_loss():
    defined = {
        kind
        for _, kind in inspect.getmembers(losses, inspect.isclass)
        if losses.Loss in kind.__mro__[1:] and kind is not losses.Given
    }
    assert {type(case.loss) for case in LOSSES.values()} == defined


@pytest.mark.parametrize("i", range(len(settings_of("loss"))))
def test_like_torch(i):
    name, parameters, kind = settings_of("loss")[i]
    loss = getattr(losses, name)(**parameters)
    value, dS = evaluate(loss, TRACES["loss_S"], TRACES[f"loss_{kind}"], TRACES["loss_weight"])
    assert_allclose(value, TRACES["loss_values"][i], rtol=1e-12)
    assert_allclose(dS, TRACES["loss_gradients"][i], rtol=1e-10, atol=1e-15)


@every_loss
@given(seed=seeds)
def test_gradient(name, k, seed):
    loss, S, Y, weight = draw(name, k, seed)
    d = np.random.default_rng(seed).normal(size=S.shape)
    for w in (None, weight):
        _, dS = evaluate(loss, S, Y, w)
        slope = slope_along(lambda S, w=w: evaluate(loss, S, Y, w)[0], S, d)
        assert_allclose(np.vdot(dS, d), slope, rtol=1e-6, atol=1e-6 * np.linalg.norm(dS))


@pytest.mark.slow
@every_loss
@given(seed=seeds)
def test_nonnegative(name, k, seed):
    loss, S, Y, _ = draw(name, k, seed)
    for i in range(len(S)):
        assert evaluate(loss, S[i : i + 1], Y[i : i + 1])[0] >= -1e-14


@pytest.mark.slow
@every_loss
@given(seed=seeds)
def test_weights_of_one_are_none(name, k, seed):
    loss, S, Y, _ = draw(name, k, seed)
    for a, b in zip(evaluate(loss, S, Y), evaluate(loss, S, Y, np.ones(len(S))), strict=True):
        assert_allclose(a, b, rtol=1e-13, atol=1e-15)


@pytest.mark.slow
@every_loss
@given(seed=seeds)
def test_a_weight_is_a_number_of_repetitions(name, k, seed):
    loss, S, Y, _ = draw(name, k, seed)
    times = np.random.default_rng(seed).integers(0, 4, len(S))
    times[0] = 2  # not all of them zero
    rows = np.repeat(np.arange(len(S)), times)
    value, dS = evaluate(loss, S, Y, times.astype(float))
    value_repeated, dS_repeated = evaluate(loss, S[rows], Y[rows])
    assert_allclose(value, value_repeated, rtol=1e-12)
    summed = np.zeros_like(S)
    np.add.at(summed, rows, dS_repeated)
    assert_allclose(dS, summed, rtol=1e-12, atol=1e-15)
    assert not dS[times == 0].any()


@every_loss
def test_single_precision_stays(name, k):
    loss, S, Y, weight = draw(name, k, 0)
    expected = evaluate(loss, S, Y, weight)
    single = [A.astype("f") if A.dtype.kind == "f" else A for A in (S, Y, weight)]
    assert loss.predict(single[0]).dtype == np.float32
    value, dS = evaluate(loss, *single)
    assert type(value) is float
    assert dS.dtype == np.float32
    assert_allclose(value, expected[0], rtol=1e-4)
    assert_allclose(dS, expected[1], rtol=1e-4, atol=1e-5)


@every_loss
def test_scores_and_targets_stay(name, k):
    loss, S, Y, weight = draw(name, k, 0)
    for A in (S, Y, weight):
        A.flags.writeable = False
    evaluate(loss, S, Y, weight)
    loss.predict(S)


@every_loss
def test_predictions_are_the_inverse_link(name, k):
    loss, S, _, _ = draw(name, k, 0)
    links = {
        "identity": lambda S: S,
        "exp": np.exp,
        "logistic": special.expit,
        "softmax": lambda S: special.softmax(S, axis=1),
    }
    link = links[loss.out_activation]
    if isinstance(loss, losses.MeanOverMembers):
        expected = sum(link(part) for part in np.hsplit(S, loss.k)) / loss.k
    elif isinstance(loss, losses.PerOutput):
        expected = np.hstack([link(part) for part in np.hsplit(S, np.cumsum(loss.sizes)[:-1])])
    else:
        expected = link(S)
    assert_allclose(loss.predict(S), expected, rtol=1e-12)


# Beside scikit-learn ------------------------------------------------------------------------------


@given(seed=seeds)
def test_log_loss(seed):
    for name, k in [("softmax", 3), ("logistic", 1)]:
        loss, S, Y, weight = draw(name, k, seed, m=20)
        classes = [0.0, 1.0] if k == 1 else [0, 1, 2]
        P = loss.predict(S)
        P = np.hstack([1 - P, P]) if k == 1 else P
        expected = metrics.log_loss(Y.ravel(), P, sample_weight=weight, labels=classes)
        assert_allclose(evaluate(loss, S, Y, weight)[0], expected, rtol=1e-9)


@pytest.mark.parametrize(
    ("name", "deviance"),
    [
        ("poisson", metrics.mean_poisson_deviance),
        ("gamma", metrics.mean_gamma_deviance),
        ("squared error", metrics.mean_squared_error),
    ],
)
@given(seed=seeds)
def test_half_deviances(name, deviance, seed):
    loss, S, Y, weight = draw(name, 1, seed)
    expected = 0.5 * deviance(Y[:, 0], loss.predict(S)[:, 0], sample_weight=weight)
    assert_allclose(evaluate(loss, S, Y, weight)[0], expected, rtol=1e-10)


@pytest.mark.parametrize("q", [0.1, 0.5, 0.95])
@given(seed=seeds)
def test_pinball_loss(q, seed):
    _, S, Y, weight = draw("squared error", 1, seed)
    expected = metrics.mean_pinball_loss(Y, S, sample_weight=weight, alpha=q)
    assert_allclose(evaluate(losses.Quantile(q), S, Y, weight)[0], expected, rtol=1e-12)


@given(seed=seeds)
def test_absolute_error(seed):
    _, S, Y, weight = draw("squared error", 1, seed)
    expected = metrics.mean_absolute_error(Y, S, sample_weight=weight)
    assert_allclose(evaluate(losses.AbsoluteError(), S, Y, weight)[0], expected, rtol=1e-12)


@given(seed=seeds)
def test_hinge_loss(seed):
    loss, S, Y, weight = draw("hinge", 1, seed)
    Y[:2, 0] = 0, 1
    expected = metrics.hinge_loss(Y.ravel(), S.ravel(), sample_weight=weight)
    assert_allclose(evaluate(loss, S, Y, weight)[0], expected, rtol=1e-12)
    loss, S, Y, weight = draw("multiclass hinge", 3, seed)
    expected = metrics.hinge_loss(Y, S, sample_weight=weight, labels=[0, 1, 2])
    assert_allclose(evaluate(loss, S, Y, weight)[0], expected, rtol=1e-12)


@pytest.mark.parametrize("kind", [losses.Hinge, losses.MulticlassHinge])
@pytest.mark.parametrize("margin", [0.0, 0.5, 2.0])
@given(seed=seeds, c=st.sampled_from([0.25, 2.0, 8.0]))
def test_margin_is_in_units_of_the_scores(kind, margin, seed, c):
    name, k = ("hinge", 1) if kind is losses.Hinge else ("multiclass hinge", 3)
    _, S, Y, weight = draw(name, k, seed)
    value, dS = evaluate(kind(margin), S, Y, weight)
    value_scaled, dS_scaled = evaluate(kind(c * margin), c * S, Y, weight)
    assert_allclose(value_scaled, c * value, rtol=1e-12)
    assert np.array_equal(dS_scaled, dS)


@given(seed=seeds)
def test_brier_score(seed):
    _, S, Y, weight = draw("logistic", 1, seed)
    p = special.expit(S[:, 0])
    expected = metrics.brier_score_loss(Y[:, 0], p, sample_weight=weight, labels=[0.0, 1.0])
    assert_allclose(evaluate(losses.LogisticSquaredError(), S, Y, weight)[0], expected, rtol=1e-12)
    _, S, Y, weight = draw("softmax", 3, seed)
    expected = 0.5 * metrics.brier_score_loss(
        Y, special.softmax(S, axis=1), sample_weight=weight, labels=[0, 1, 2], scale_by_half=False
    )
    assert_allclose(evaluate(losses.SoftmaxSquaredError(), S, Y, weight)[0], expected, rtol=1e-12)


# Closed forms -------------------------------------------------------------------------------------


@pytest.mark.parametrize("q", [0.1, 0.5, 0.9])
def test_quantile_loss_is_least_at_the_quantile(q, rng):
    Y = rng.normal(size=(1001, 1))
    best = optimize.minimize_scalar(
        lambda s: evaluate(losses.Quantile(q), np.full_like(Y, s), Y)[0], bounds=(-4, 4)
    )
    assert_allclose(best.x, np.quantile(Y, q), atol=0.01)


def test_huber_is_scipys(rng):
    S, Y = 3 * rng.normal(size=(2, 20, 1))
    expected = special.huber(0.7, (S - Y)).mean()
    assert_allclose(evaluate(losses.Huber(0.7), S, Y)[0], expected, rtol=1e-12)


def test_smoothed_cross_entropy_is_least_at_the_smoothed_target():
    eps, K = 0.3, 4
    target = np.full(K, eps / K)
    target[2] += 1 - eps
    value, dS = evaluate(losses.SoftmaxCrossEntropy(eps), np.log(target)[None], np.array([2]))
    assert_allclose(dS, 0, atol=1e-15)
    assert_allclose(value, special.entr(target).sum())
    loss = losses.LogisticCrossEntropy(eps)
    value, dS = evaluate(loss, special.logit([[1 - eps / 2]]), np.array([[1.0]]))
    assert_allclose(dS, 0, atol=1e-15)


@pytest.mark.parametrize("S", [1e4, -1e4])
def test_huge_scores_are_finite(S):
    for name, Y in [("logistic", [[1.0]]), ("logistic squared error", [[1.0]])]:
        value, dS = evaluate(LOSSES[name].loss, np.array([[S]]), np.array(Y))
        assert np.isfinite(value)
        assert np.isfinite(dS).all()
    for name in ("softmax", "softmax smoothed", "softmax squared error"):
        value, dS = evaluate(LOSSES[name].loss, np.array([[S, 0.0, -S]]), np.array([1]))
        assert np.isfinite(value)
        assert np.isfinite(dS).all()


def test_subgradients_at_the_kinks():
    S = Y = np.zeros((1, 1))
    for loss in (losses.AbsoluteError(), losses.Quantile(0.2), losses.Huber(1.0)):
        value, dS = evaluate(loss, S, Y)
        assert value == dS.item() == 0
    # An undecided perceptron learns, or zero weights would never move.
    assert evaluate(losses.Hinge(0.0), S, np.ones((1, 1)))[1].item() == -1
    _, dS = evaluate(losses.MulticlassHinge(0.0), np.zeros((1, 3)), np.array([1]))
    assert dS.tolist() == [[1, -1, 0]]


def test_members_are_networks_of_their_own(rng):
    """The value is the mean of the members', and each member gets a k-th of its own gradient."""
    one = losses.SoftmaxCrossEntropy()
    S, T, weight = rng.normal(size=(6, 9)), rng.integers(0, 3, 6), rng.uniform(0.1, 3, 6)
    value, dS = evaluate(losses.MeanOverMembers(one, 3), S, T, weight)
    parts = [evaluate(one, S[:, j : j + 3].copy(), T, weight) for j in (0, 3, 6)]
    assert_allclose(value, np.mean([part[0] for part in parts]))
    assert_allclose(dS, np.hstack([part[1] for part in parts]) / 3)


def test_per_output_adds_up_its_parts(rng):
    one = losses.SoftmaxCrossEntropy(0.1)
    S, Y = rng.normal(size=(6, 5)), np.column_stack([rng.integers(0, k, 6) for k in (2, 3)])
    value, dS = evaluate(losses.PerOutput(one, (2, 3)), S, Y)
    left, right = evaluate(one, S[:, :2].copy(), Y[:, 0]), evaluate(one, S[:, 2:].copy(), Y[:, 1])
    assert_allclose(value, left[0] + right[0])
    assert_allclose(dS, np.hstack([left[1], right[1]]))


@pytest.mark.parametrize("name", ["SoftmaxCrossEntropy", "SoftmaxSquaredError", "MulticlassHinge"])
@pytest.mark.parametrize("weight", [None, np.array([1.0, 3.0])])
def test_one_class_alone_costs_nothing(name, weight):
    loss, S = getattr(losses, name)(0.1), np.array([[-3.0], [5.0]])
    value, dS = evaluate(loss, S, np.zeros(2, int), weight)
    assert value == pytest.approx(0, abs=1e-12)
    np.testing.assert_allclose(dS, 0, atol=1e-12)
