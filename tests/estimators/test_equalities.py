"""Networks that equal other models: linear ones, Rosenblatt's perceptron, worked examples."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.datasets import load_diabetes, load_iris
from sklearn.linear_model import (
    GammaRegressor,
    HuberRegressor,
    LogisticRegression,
    Perceptron,
    PoissonRegressor,
    QuantileRegressor,
    Ridge,
)
from sklearn.preprocessing import scale

from skdnn import MLPClassifier, MLPRegressor
from skdnn.engine.losses import SoftmaxCrossEntropy, SoftmaxSquaredError

unconverged = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

# Linear models -----------------------------------------------------------------------------------

X_IRIS, Y_IRIS = load_iris(return_X_y=True)
X_IRIS = scale(X_IRIS)
LABELS = {
    "binary": (X_IRIS[50:], Y_IRIS[50:]),
    "multiclass": (X_IRIS, Y_IRIS),
    "imbalanced": (X_IRIS[:110], np.array(["a", "b", "c"])[Y_IRIS[:110]]),
}
X, Y = load_diabetes(return_X_y=True, scaled=False)
X = scale(X)
# So close to the minimum that rounding may end the last line search before `tol` is reached; where
# that leaves the solution is what the tests compare.
pytestmark = pytest.mark.filterwarnings("ignore:lbfgs failed to converge .*ABNORMAL")
PRECISE = {"solver": "lbfgs", "tol": 1e-9, "max_iter": 5000}
WEIGHT = np.random.default_rng(0).integers(0, 4, size=len(X)).astype(float)


def linear_classifier(**parameters):
    return MLPClassifier((), **PRECISE, **parameters)


def linear_regressor(**parameters):
    return MLPRegressor(hidden_layer_sizes=(), **PRECISE, **parameters)


def assert_same_line(net, linear, rtol=1e-4, atol=1e-5):
    np.testing.assert_allclose(
        net.coefs_[0].T.reshape(linear.coef_.shape), linear.coef_, rtol=rtol, atol=atol
    )
    np.testing.assert_allclose(net.intercepts_[0], linear.intercept_, rtol=rtol, atol=atol)


@pytest.mark.parametrize("class_weight", [None, "balanced", "dict"])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("alpha", [0.1, 10.0])
@pytest.mark.parametrize("labels", LABELS)
def test_log_loss_is_logistic_regression_with_class_weight(labels, alpha, weighted, class_weight):
    X, y = LABELS[labels]
    if class_weight == "dict":
        class_weight = dict(zip(np.unique(y), [1.0, 3.0, 0.5], strict=False))
    weight = WEIGHT[: len(y)] if weighted else None
    net = linear_classifier(alpha=alpha, class_weight=class_weight).fit(X, y, weight)
    logistic = LogisticRegression(
        C=1 / alpha, class_weight=class_weight, tol=1e-9, max_iter=5000
    ).fit(X, y, weight)
    np.testing.assert_allclose(net.predict_proba(X), logistic.predict_proba(X), atol=1e-5)
    if labels == "binary":
        assert_same_line(net, logistic)
    else:  # softmax does not tell where the scores of all classes start
        centred = net.intercepts_[0] - net.intercepts_[0].mean()
        np.testing.assert_allclose(net.coefs_[0].T, logistic.coef_, atol=1e-4)
        np.testing.assert_allclose(centred, logistic.intercept_, atol=1e-4)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("normalize_y", [False, True])
@pytest.mark.parametrize("n_outputs", [1, 3])
def test_squared_error_is_ridge_without_normalize_y(n_outputs, normalize_y, weighted):
    """½ Σ (s - y)² + ½ alpha ‖W‖²; standardising y changes the unit of W on both sides."""
    y = Y if n_outputs == 1 else np.column_stack([Y, 3 * Y**0.5, X[:, 2] - Y / 100])
    weight = WEIGHT if weighted else None
    net = linear_regressor(alpha=30.0, normalize_y=normalize_y).fit(X, y, weight)
    assert_same_line(net, Ridge(alpha=30.0, solver="cholesky").fit(X, y, weight), atol=1e-4)


@pytest.mark.parametrize("alpha", [0.0, 50.0])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(
    ("loss", "linear"), [("poisson", PoissonRegressor), ("gamma", GammaRegressor)]
)
def test_deviance_is_a_generalised_linear_model(loss, linear, weighted, alpha):
    """Half the mean deviance + ½ alpha ‖w‖²: their penalty is not divided by the weights' sum."""
    weight = WEIGHT if weighted else np.ones(len(Y))
    net = linear_regressor(loss=loss, alpha=alpha).fit(X, Y, weight)
    glm = linear(alpha=alpha / weight.sum(), tol=1e-9, max_iter=5000).fit(X, Y, weight)
    assert_same_line(net, glm)
    np.testing.assert_allclose(net.predict(X), glm.predict(X), rtol=1e-5)
    assert net.score(X, Y) != glm.score(X, Y)  # R², as in scikit-learn's MLP, not D²


@pytest.mark.parametrize("quantile", [0.1, 0.5, 0.9])
def test_quantile_is_quantile_regression(quantile):
    y = scale(Y)
    net = MLPRegressor(
        loss="quantile", quantile=quantile, hidden_layer_sizes=(), alpha=0, batch_size=32,
        learning_rate="cosine", learning_rate_init=0.05, max_iter=600, n_iter_no_change=np.inf,
        random_state=0, dtype="float64",
    ).fit(X, y)  # fmt: skip
    linear = QuantileRegressor(quantile=quantile, alpha=0).fit(X, y)

    def pinball(model):
        r = y - model.predict(X)
        return np.mean(np.maximum(quantile * r, (quantile - 1) * r))

    assert pinball(linear) <= pinball(net) * (1 + 1e-9) <= pinball(linear) * 1.002
    np.testing.assert_allclose(net.predict(X), linear.predict(X), atol=0.15)


@pytest.mark.parametrize(
    ("parameters", "q"),
    [({"loss": "absolute_error"}, 0.5)]
    + [({"loss": "quantile", "quantile": q}, q) for q in (0.05, 0.25, 0.5, 0.8)],
)
@pytest.mark.parametrize("normalize_y", [False, True])
def test_a_constant_is_the_empirical_quantile(parameters, q, normalize_y):
    """Without anything to tell the rows apart, the best prediction is the quantile of y."""
    y = np.sort(np.random.default_rng(1).gamma(2.0, size=401))
    net = MLPRegressor(
        **parameters, hidden_layer_sizes=(), normalize_y=normalize_y, learning_rate="cosine",
        learning_rate_init=0.05, max_iter=300, n_iter_no_change=np.inf, random_state=0,
        batch_size=401, dtype="float64",
    ).fit(np.zeros((401, 1)), y)  # fmt: skip
    (predicted,) = net.predict([[0.0]])
    assert abs(np.searchsorted(y, predicted) - 400 * q) <= 4


@pytest.mark.parametrize("alpha", [0.0, 2.0])
def test_huber_is_huber_regression(alpha):
    """HuberRegressor also estimates a scale σ; in its unit the two objectives agree.

    Its objective is Σ σ + σ H(r / σ) + alpha ‖w‖², H twice our loss below δ.
    """
    y = scale(Y)
    y[::20] += 15  # outliers
    theirs = HuberRegressor(epsilon=1.35, alpha=alpha, tol=1e-8, max_iter=5000).fit(X, y)
    sigma = theirs.scale_
    net = linear_regressor(
        loss="huber", huber_delta=1.35 * sigma, alpha=alpha * sigma, normalize_y=False
    )
    assert_same_line(net.fit(X, y), theirs, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("normalize_y", [False, True])
def test_huber_between_mean_and_median(normalize_y):
    """A δ beyond all residuals gives Ridge; the unit of δ is that of the standardised y."""
    delta = 10 if normalize_y else 10 * Y.std()
    net = linear_regressor(loss="huber", huber_delta=delta, alpha=5.0, normalize_y=normalize_y)
    assert_same_line(net.fit(X, Y), Ridge(alpha=5.0).fit(X, Y), atol=1e-4)


# Rosenblatt's perceptron --------------------------------------------------------------------------

ROSENBLATT = {
    "hidden_layer_sizes": (),
    "loss": "perceptron",
    "init": "zeros",
    "solver": "sgd",
    "momentum": 0,
    "batch_size": 1,
    "learning_rate_init": 1.0,
    "alpha": 0,
    "n_iter_no_change": np.inf,
    "dtype": "float64",
}


@unconverged
@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**31), n_epochs=st.integers(1, 4), n=st.integers(4, 40))
def test_perceptron_bit_for_bit(seed, n_epochs, n):
    rng = np.random.default_rng(seed)
    X, y = rng.normal(size=(n, 3)), rng.permutation(np.arange(n) % 2)
    net = MLPClassifier(**ROSENBLATT, shuffle=False, max_iter=n_epochs).fit(X, y)
    theirs = Perceptron(shuffle=False, max_iter=n_epochs, tol=None).fit(X, y)
    np.testing.assert_array_equal(net.coefs_[0].T, theirs.coef_)
    np.testing.assert_array_equal(net.intercepts_[0], theirs.intercept_)


CORNERS = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
GATES = {"and": [0, 0, 0, 1], "or": [0, 1, 1, 1], "nand": [1, 1, 1, 0], "nor": [1, 0, 0, 0]}
XOR = np.array([0, 1, 1, 0])


@unconverged
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("gate", GATES)
def test_perceptron_learns_linear_gates(gate, seed):
    """The convergence theorem: where a line can part the classes, it is found."""
    net = MLPClassifier(**ROSENBLATT, max_iter=30, random_state=seed).fit(CORNERS, GATES[gate])
    assert net.predict(CORNERS).tolist() == GATES[gate]
    assert net.loss_curve_[-1] == 0


@unconverged
@pytest.mark.parametrize(
    "net",
    [
        MLPClassifier(**ROSENBLATT, max_iter=100, random_state=0),
        MLPClassifier((), solver="lbfgs", alpha=0),
        MLPClassifier((), loss="hinge", learning_rate_init=0.1),
        MLPClassifier((5,), "identity", solver="lbfgs", random_state=0),
    ],
    ids=["perceptron", "logistic", "hinge", "two linear layers"],
)
def test_no_line_separates_xor(net):
    assert net.fit(CORNERS, XOR).score(CORNERS, XOR) <= 3 / 4
    assert net.fit(CORNERS, GATES["and"]).score(CORNERS, GATES["and"]) == 1


@unconverged
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    "parameters",
    [
        {"activation": "tanh"},
        {"activation": "relu"},
        {"activation": "step"},
        {"activation": "tanh", "loss": "squared_error"},
        {"activation": "relu", "loss": "hinge"},
    ],
    ids=str,
)
def test_one_hidden_layer_learns_xor(parameters, seed):
    net = MLPClassifier(
        32,
        **parameters,
        learning_rate_init=0.05,
        max_iter=300,
        n_iter_no_change=np.inf,
        random_state=seed,
    ).fit(CORNERS, XOR)
    assert net.predict(CORNERS).tolist() == XOR.tolist()


# The lecture's example of two networks ------------------------------------------------------------

TARGETS = np.array([2, 1, 0])
OUTPUTS = {
    "NN1": [[0.3, 0.3, 0.4], [0.3, 0.4, 0.3], [0.1, 0.2, 0.7]],
    "NN2": [[0.1, 0.2, 0.7], [0.1, 0.7, 0.2], [0.3, 0.4, 0.3]],
}


@pytest.mark.parametrize(
    ("network", "cross_entropy", "squared_error"), [("NN1", 1.38, 0.81), ("NN2", 0.64, 0.34)]
)
def test_lectures_worked_example(network, cross_entropy, squared_error):
    """Equally many errors, but cross entropy and squared error tell the networks apart."""
    S = np.log(OUTPUTS[network])  # whose softmax are the outputs again
    loss = SoftmaxCrossEntropy().value_and_gradient(S, TARGETS, None, np.empty_like(S))
    assert loss == pytest.approx(cross_entropy, abs=0.005)
    loss = SoftmaxSquaredError().value_and_gradient(S, TARGETS, None, np.empty_like(S))
    # The lecture's table leaves out the ½ of the lecture's own formula.
    assert 2 * loss == pytest.approx(squared_error, abs=0.005)
    assert np.mean(S.argmax(axis=1) != TARGETS) == pytest.approx(1 / 3)
