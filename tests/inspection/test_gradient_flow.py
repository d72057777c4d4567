"""Norms of the gradient, against finite differences, closed forms and the steps of `fit`."""

import pickle
import sys

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.sparse import csr_array
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skdnn import MLPClassifier, MLPRegressor
from skdnn.inspection import GradientFlowDisplay
from skdnn.inspection.steps import split_steps

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 4))
LABELS = np.repeat([0, 1, 2], [30, 20, 10])
NUMBERS = 1e3 * (np.sin(X[:, 0]) + X[:, 1]) + 500
WEIGHT = RNG.uniform(0.5, 2.0, size=60)
SMOOTH = {"hidden_layer_sizes": (5, 3), "activation": "tanh", "dtype": "float64"}
SHORT = {"max_iter": 3, "learning_rate": "cosine", "random_state": 0}

few_iterations = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


@pytest.fixture(autouse=True)
def closed_figures():
    yield
    plt.close("all")


def norms(net, X=X, y=LABELS, **options):
    display = GradientFlowDisplay.from_estimator(net, X, y, **options)
    plt.close(display.figure_)
    return display.gradients[type(split_steps(net)[1]).__name__]


def rms(gradients):
    return [np.sqrt(np.mean(np.square(g))) for g in gradients]


def finite_differences(objective, W, h=1e-5):
    """Return the central differences of the objective by every entry of W."""
    g = np.empty_like(W)
    for i in np.ndindex(W.shape):
        value = W[i]
        W[i] = value + h
        above = objective()
        W[i] = value - h
        g[i] = (above - objective()) / (2 * h)
        W[i] = value
    return g


# Against other ways to the gradient ---------------------------------------------------------------


@pytest.mark.slow
@few_iterations
@pytest.mark.parametrize("class_weight", [None, "balanced"])
@pytest.mark.parametrize("weight", [None, WEIGHT])
def test_finite_differences_of_a_classifier(weight, class_weight):
    net = MLPClassifier(
        **SMOOTH, solver="lbfgs", alpha=2.0, class_weight=class_weight, max_iter=2, random_state=0
    )
    net.fit(X, LABELS, weight)
    of_rows = np.ones(60) if weight is None else weight
    if class_weight:
        # balanced over the weighted rows
        totals = np.bincount(LABELS, of_rows)
        of_rows = of_rows * (of_rows.sum() / (3 * totals))[LABELS]

    def objective():
        loss = log_loss(LABELS, net.predict_proba(X), sample_weight=of_rows)
        return loss + sum(np.sum(W**2) for W in net.coefs_) / of_rows.sum()

    expected = rms([finite_differences(objective, W) for W in net.coefs_])
    assert_allclose(norms(net, sample_weight=weight), expected, rtol=1e-5)


@few_iterations
@pytest.mark.parametrize("normalize_y", [True, False])
def test_finite_differences_of_a_regressor(normalize_y):
    """On the scale on which it is trained, to which the last weights do not belong after `fit`."""
    scale = NUMBERS.std() if normalize_y else 1.0
    net = MLPRegressor(**SMOOTH, alpha=0.5, normalize_y=normalize_y, **SHORT).fit(X, NUMBERS)

    def objective():
        *hidden, last = net.coefs_
        penalty = sum(np.sum(W**2) for W in [*hidden, last / scale])
        loss = 0.5 * np.mean(((net.predict(X) - NUMBERS) / scale) ** 2)
        return loss + 0.25 * penalty / 60

    *expected, last = (finite_differences(objective, W) for W in net.coefs_)
    assert_allclose(norms(net, y=NUMBERS), rms([*expected, scale * last]), rtol=1e-5)


@few_iterations
@pytest.mark.parametrize(
    ("net", "y"),
    [
        (MLPClassifier(**SMOOTH), LABELS),
        (MLPClassifier(**SMOOTH, batch_norm=True, alpha=1.0), LABELS > 0),
        (MLPClassifier(**SMOOTH, batch_norm=True, class_weight="balanced", loss="hinge"), LABELS),
        (MLPClassifier(**SMOOTH), np.column_stack([LABELS, LABELS > 1])),
        (MLPRegressor(**SMOOTH, batch_norm=True), NUMBERS),
        (MLPRegressor(**SMOOTH, loss="poisson"), LABELS),
    ],
)
def test_the_gradient_before_the_first_step_is_that_of_the_first_step(net, y):
    """One full batch of plain gradient descent moves the weights by minus the rate times it."""
    net.set_params(solver="sgd", momentum=0, random_state=3)
    assert_step_is_gradient(net, y, norms(net, y=y))


def assert_step_is_gradient(net, y, gradients):
    step = {"max_iter": 1, "batch_size": 60, "shuffle": False}
    rates = 0.5, 1.0
    one, two = (
        clone(net).set_params(learning_rate_init=rate, **step).fit(X, y).coefs_ for rate in rates
    )
    scale = y.std() if isinstance(net, MLPRegressor) and net.loss != "poisson" else 1.0
    steps = [2 * (W - V) for V, W in zip(one, two, strict=True)]
    steps[-1] /= scale
    assert_allclose(gradients, rms(steps), rtol=1e-8)


def test_a_linear_model_in_closed_form():
    """∂L/∂W = Xᵀ (P - Y) / n, and P = 1/3 where all weights are zero."""
    net = MLPClassifier((), init="zeros", dtype="float64")
    expected = rms([X.T @ (1 / 3 - np.eye(3)[LABELS]) / 60])
    assert_allclose(norms(net), expected)


def test_batch_norm_takes_the_statistics_of_the_rows():
    """Of a shifted and stretched first layer nothing remains but its scale, in ∂L/∂W inverted."""
    net = MLPClassifier(**SMOOTH, batch_norm=True, alpha=0, **SHORT).fit(X, LABELS)
    before = norms(net)
    net.coefs_[0][:] *= 10
    net.intercepts_[0][:] += 5
    assert_allclose(norms(net), before / [10, 1, 1], rtol=1e-4)  # but for ε in the variance


@pytest.mark.parametrize("fits", [True, False])
def test_dropout_is_left_out(fits):
    nets = [MLPClassifier(**SMOOTH, dropout=p, input_dropout=p, **SHORT) for p in (0.0, 0.5)]
    if fits:
        for net in nets:
            net.fit(X, LABELS)
        for one, other in zip(nets[0].coefs_, nets[1].coefs_, strict=True):
            other[:] = one
        for one, other in zip(nets[0].intercepts_, nets[1].intercepts_, strict=True):
            other[:] = one
    assert_array_equal(*map(norms, nets))


def test_the_gradient_vanishes_in_deep_logistic_networks_only():
    deep = {"hidden_layer_sizes": [32] * 6, "alpha": 0, "random_state": 0}
    logistic = norms(MLPClassifier(activation="logistic", **deep))
    assert np.all(np.diff(np.log10(logistic)) > 0.3)
    relu = norms(MLPClassifier(activation="relu", **deep))
    assert np.ptp(np.log10(relu)) < 1


# Nothing is changed -------------------------------------------------------------------------------


@pytest.mark.parametrize("random_state", [0, None, "instance"])
def test_an_estimator_that_is_not_fitted_stays_so(random_state):
    if random_state == "instance":
        random_state = np.random.RandomState(7)
    net = MLPClassifier(**SMOOTH, random_state=random_state)
    pipeline = make_pipeline(StandardScaler(), net)
    before = pickle.dumps(pipeline)
    norms(pipeline)
    assert pickle.dumps(pipeline) == before


@few_iterations
def test_the_gradient_is_that_of_the_fit_to_come_even_with_a_generator():
    net = MLPClassifier(**SMOOTH, solver="sgd", momentum=0)
    gradients = norms(net.set_params(random_state=np.random.RandomState(7)))
    net.set_params(random_state=np.random.RandomState(7))
    assert_step_is_gradient(net, LABELS, gradients)


def test_a_fitted_estimator_stays_as_it_is():
    net = MLPRegressor(**SMOOTH, batch_norm=True, dropout=0.2, warm_start=True, **SHORT)
    net.set_params(random_state=np.random.RandomState(0)).fit(X, NUMBERS)
    before = pickle.dumps(net)
    norms(net, y=NUMBERS, max_rows=20)
    assert pickle.dumps(net) == before


# Inputs -------------------------------------------------------------------------------------------


def test_pipelines_and_searches():
    Z = StandardScaler().fit_transform(5 * X + 3)
    pipeline = make_pipeline(StandardScaler(), MLPClassifier(**SMOOTH, **SHORT))
    assert_allclose(norms(pipeline, 5 * X + 3), norms(pipeline[-1], Z))
    pipeline.fit(5 * X + 3, LABELS)
    half = slice(0, None, 2)  # the scaler is that of all rows
    expected = norms(pipeline[-1], Z[half], LABELS[half])
    assert_allclose(norms(pipeline, (5 * X + 3)[half], LABELS[half]), expected)
    search = GridSearchCV(pipeline, {"mlpclassifier__alpha": [0.5]}, cv=2).fit(X, LABELS)
    assert_allclose(norms(search), norms(search.best_estimator_))


@pytest.mark.parametrize("fits", [True, False])
def test_sparse_input(fits):
    rows = np.where(np.abs(X) > 0.7, X, 0.0)
    net = MLPClassifier(**SMOOTH, **SHORT)
    if fits:
        net.fit(rows, LABELS)
    assert_allclose(norms(net, csr_array(rows)), norms(net, rows))


def test_a_precision_changed_after_the_fit():
    net = MLPClassifier((5, 3), batch_norm=True, **SHORT).fit(X, LABELS)
    single = norms(net)
    assert_allclose(norms(net.set_params(dtype="float64")), single, rtol=1e-4)
    net.set_params(hidden_layer_sizes=(5,))
    with pytest.raises(ValueError, match="hidden_layer_sizes"):
        norms(net)


@pytest.mark.parametrize("batch_norm", [True, False])
def test_at_most_so_many_rows(batch_norm):
    net = MLPClassifier(**SMOOTH, batch_norm=batch_norm, batch_size=7, alpha=0, **SHORT)
    net.fit(X, LABELS)
    assert_allclose(norms(net, max_rows=60, random_state=1), norms(net), rtol=1e-9)
    some = norms(net, max_rows=10, random_state=1)
    assert_array_equal(norms(net, max_rows=10, random_state=1), some)
    assert not np.allclose(norms(net, max_rows=10, random_state=2), some)
    if not batch_norm:  # one row: one of the gradients of the rows
        of_rows = [norms(net, X[[i]], LABELS[[i]]) for i in range(10)]
        assert np.isclose(norms(net, X[:10], LABELS[:10], max_rows=1), of_rows).all(axis=1).any()


@pytest.mark.parametrize("max_rows", [10_000, 20])
def test_large_doubles_for_a_network_of_single_precision(max_rows, monkeypatch):
    net = MLPClassifier((5, 3), **SHORT).fit(X, LABELS)
    options = {"max_rows": max_rows, "random_state": 0}
    expected = norms(net, np.float32(X), **options)
    monkeypatch.setattr("skdnn.estimators.data.LARGE_NUMBERS", 100)
    assert_array_equal(norms(net, X, **options), expected)


def test_rows_of_weight_zero_are_as_good_as_removed():
    net = MLPClassifier(**SMOOTH, batch_norm=True, **SHORT)
    weight = np.where(np.arange(60) % 4, WEIGHT, 0.0)
    kept = weight > 0
    expected = norms(net, X[kept], LABELS[kept], sample_weight=weight[kept])
    assert_allclose(norms(net, sample_weight=weight), expected)
    net.set_params(class_weight={0: 0.0})
    rest = LABELS > 0
    assert_allclose(norms(net.fit(X, LABELS)), norms(net, X[rest], LABELS[rest]))


# Drawing ------------------------------------------------------------------------------------------


def test_the_figure():
    nets = {"deep": MLPClassifier((5, 4, 3)), "flat": MLPClassifier(())}
    display = GradientFlowDisplay.from_estimators(nets, X, LABELS, line_kw={"linewidth": 3})
    display.figure_.canvas.draw()
    assert display.ax_.get_yscale() == "log"
    assert "weight matrix" in display.ax_.get_xlabel()
    assert "∂L/∂W" in display.ax_.get_ylabel()
    assert [text.get_text() for text in display.ax_.get_legend().get_texts()] == ["deep", "flat"]
    for line, gradients in zip(display.lines_, display.gradients.values(), strict=True):
        assert_array_equal(line.get_xdata(), np.arange(1, len(gradients) + 1))
        assert_array_equal(line.get_ydata(), gradients)
        assert line.get_linewidth() == 3
    assert [len(line.get_xdata()) for line in display.lines_] == [4, 1]


@pytest.mark.parametrize(
    "line_kw", [{"c": "red", "lw": 3}, {"color": "red", "linewidth": 3, "marker": "x"}]
)
def test_keyword_arguments_by_any_of_their_names(line_kw):
    display = GradientFlowDisplay.from_estimator(MLPClassifier(), X, LABELS, line_kw=line_kw)
    assert display.lines_[0].get_color() == "red"
    assert display.lines_[0].get_linewidth() == 3


def test_names_and_axes():
    _, ax = plt.subplots()
    nets = [MLPClassifier(), make_pipeline(StandardScaler(), MLPRegressor())]
    display = GradientFlowDisplay.from_estimators(nets, X, LABELS, ax=ax)
    assert list(display.gradients) == ["MLPClassifier 1", "MLPRegressor 2"]
    assert display.ax_ is ax
    display = GradientFlowDisplay.from_estimators(iter(nets), X, LABELS)
    assert list(display.gradients) == ["MLPClassifier 1", "MLPRegressor 2"]
    display = GradientFlowDisplay.from_estimator(nets[1], X, LABELS, ax=ax)
    assert list(display.gradients) == ["MLPRegressor"]
    display = GradientFlowDisplay.from_estimator(nets[0], X, LABELS, ax=ax, name="mine")
    assert len(ax.lines) == 4
    assert ax.get_legend().get_texts()[-1].get_text() == "mine"


def test_all_estimators_get_the_same_rows():
    net = MLPClassifier(**SMOOTH, **SHORT)
    display = GradientFlowDisplay.from_estimators([net, net], X, LABELS, max_rows=10)
    assert_array_equal(*display.gradients.values())


def test_a_gradient_of_zero_has_no_point():
    net = MLPClassifier((4, 4), init="zeros", random_state=0)
    display = GradientFlowDisplay.from_estimator(net, X, LABELS)
    display.figure_.canvas.draw()
    assert_array_equal(display.gradients["MLPClassifier"], np.zeros(3))
    assert np.isnan(display.lines_[0].get_ydata()).all()
    net = MLPClassifier((4, 4), alpha=0, **SHORT).fit(X, LABELS)
    net.intercepts_[0][:] = -1e3  # only the biases behind the first layer reach the output
    net.intercepts_[1][:] = 1.0
    display = GradientFlowDisplay.from_estimator(net, X, LABELS)
    display.figure_.canvas.draw()
    assert_array_equal(np.isnan(display.lines_[0].get_ydata()), [True, True, False])


# Errors -------------------------------------------------------------------------------------------


def test_bad_input():
    from_estimator = GradientFlowDisplay.from_estimator
    with pytest.raises(TypeError, match="estimator must be"):
        from_estimator(LogisticRegression(), X, LABELS)
    with pytest.raises(NotFittedError, match="GridSearchCV"):
        from_estimator(GridSearchCV(MLPClassifier(), {}), X, LABELS)
    with pytest.raises(ValueError, match="max_rows"):
        from_estimator(MLPClassifier(), X, LABELS, max_rows=0)
    with pytest.raises(ValueError, match="activation"):
        from_estimator(MLPClassifier(activation="rleu"), X, LABELS)
    with pytest.raises(ValueError, match="dropout has 1 entries"):
        from_estimator(MLPClassifier((4, 4), dropout=[0.1]), X, LABELS)
    fitted = MLPClassifier(**SHORT).fit(X, LABELS)
    with pytest.raises(ValueError, match=r"classes not in `self\.classes_`"):
        from_estimator(fitted, X, LABELS + 1)
    with pytest.raises(ValueError, match="4 features"):
        from_estimator(fitted, X[:, :3], LABELS)


def test_without_matplotlib(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    with pytest.raises(ImportError, match=r'GradientFlowDisplay .*pip install "skdnn\[plot\]"'):
        GradientFlowDisplay.from_estimator(MLPClassifier(), X, LABELS)
