"""Weights of rows and of classes, in training and in validation, and how they get there."""

import numpy as np
import pytest
import sklearn
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_array
from sklearn.base import clone
from sklearn.datasets import make_classification, make_multilabel_classification, make_regression
from sklearn.metrics import accuracy_score, d2_absolute_error_score, log_loss, make_scorer, r2_score
from sklearn.model_selection import GridSearchCV, KFold
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import compute_class_weight, compute_sample_weight

from skdnn import MLPClassifier, MLPRegressor

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

X, Y = make_classification(90, 6, n_informative=4, n_classes=3, weights=[0.6, 0.3], random_state=0)
X_VAL, Y_VAL = X[60:], Y[60:]
LABELS = make_multilabel_classification(90, n_classes=4, random_state=0)[1]
COLUMNS = np.column_stack([Y, (X[:, 0] > 0) + 2 * (X[:, 1] > 0), X[:, 2] > 0.5])
_, NUMBERS = make_regression(90, 6, n_targets=2, random_state=1)
COUNTS = np.abs(NUMBERS[:, 0]).round()
WEIGHT = np.random.default_rng(0).choice([0.0, 0.5, 1.0, 3.0], size=90)
WEIGHT_VAL = WEIGHT[60:]

SMALL = {"hidden_layer_sizes": (7,), "max_iter": 4, "batch_size": 16, "random_state": 0}
TASKS = {
    "binary": (MLPClassifier(**SMALL), Y > 0),
    "multiclass": (MLPClassifier(**SMALL), Y),
    "multilabel": (MLPClassifier(**SMALL), LABELS),
    "multi-output classes": (MLPClassifier(**SMALL), COLUMNS),
    "hinge": (MLPClassifier(**SMALL, loss="hinge"), Y),
    "multiclass squared error": (MLPClassifier(**SMALL, loss="squared_error"), Y),
    "random layers": (MLPClassifier(**SMALL, batch_norm=True, dropout=0.3, input_dropout=0.1), Y),
    "normalize_y": (MLPRegressor(**SMALL), NUMBERS[:, 0]),
    "several numbers": (MLPRegressor(**SMALL, batch_norm=True), NUMBERS),
    "quantile": (MLPRegressor(**SMALL, loss="quantile", quantile=0.8), NUMBERS[:, 0]),
    "poisson": (MLPRegressor(**SMALL, loss="poisson"), COUNTS),
    "early stopping": (MLPClassifier(**SMALL, early_stopping=True, validation_fraction=0.3), Y),
    "early stopping of numbers": (
        MLPRegressor(**SMALL, early_stopping=True, validation_fraction=0.3, scoring="loss"),
        NUMBERS,
    ),
    "lbfgs": (MLPClassifier((7,), solver="lbfgs", max_iter=4, random_state=0), Y),
}


def assert_same(a, b):
    """Compare parameters and histories bit for bit."""
    for one, other in zip(a.coefs_ + a.intercepts_, b.coefs_ + b.intercepts_, strict=True):
        np.testing.assert_array_equal(one, other)
    for name in a.history_.keys() - {"seconds"}:
        assert a.history_[name] == b.history_[name], name


def assert_close(a, b, rtol=1e-7, atol=1e-9):
    for one, other in zip(a.coefs_ + a.intercepts_, b.coefs_ + b.intercepts_, strict=True):
        np.testing.assert_allclose(one, other, rtol=rtol, atol=atol)
    np.testing.assert_allclose(a.loss_curve_, b.loss_curve_, rtol=rtol)


def differ(a, b):
    return any(not np.allclose(*pair) for pair in zip(a.coefs_, b.coefs_, strict=True))


# Weights of rows ---------------------------------------------------------------------------------


@pytest.mark.parametrize("task", TASKS)
def test_ones_equal_none(task):
    net, y = TASKS[task]
    ones = np.ones(len(y))
    assert_same(clone(net).fit(X, y), clone(net).fit(X, y, ones))
    if hasattr(net, "partial_fit") and not net.early_stopping:
        classes = (
            {} if isinstance(net, MLPRegressor) else {"classes": clone(net).fit(X, y).classes_}
        )
        a, b = clone(net), clone(net)
        for weight in (ones, None):
            a.partial_fit(X, y, weight, **classes), b.partial_fit(X, y, None, **classes)
        assert_same(a, b)


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("weight", [WEIGHT, (WEIGHT > 0).astype(float)], ids=["any", "0 and 1"])
def test_weight_zero_equals_removed(task, weight):
    net, y = TASKS[task]
    rest = weight > 0
    removed = clone(net).fit(X[rest], y[rest], weight[rest])
    weighted = clone(net).fit(X, y, weight)
    assert_same(removed, weighted)
    assert weighted.t_ == removed.t_ and weighted.score(X, y) == removed.score(X, y)
    assert differ(weighted, clone(net).fit(X, y))


@settings(max_examples=20, deadline=None)
@given(
    zeros=st.sets(st.integers(0, 89), max_size=60), task=st.sampled_from(["binary", "normalize_y"])
)
def test_any_rows_of_weight_zero(zeros, task):
    net, y = TASKS[task]
    weight = np.where(np.isin(np.arange(90), list(zeros)), 0.0, 2.0)
    rest = weight > 0
    assert_same(clone(net).fit(X[rest], y[rest], weight[rest]), clone(net).fit(X, y, weight))


@pytest.mark.parametrize("task", sorted(set(TASKS) - {"random layers", "several numbers", "lbfgs"}))
@pytest.mark.parametrize("solver", ["lbfgs", "sgd"])
def test_integer_weights_equal_repeated_rows(task, solver):
    """Full batches; not with batch norm and dropout, which treat a repeated row as two."""
    net, y = TASKS[task]
    if net.early_stopping:
        given = {"X_val": X_VAL, "y_val": y[60:]}
        net = clone(net).set_params(validation_fraction=0.1)
    else:
        given = {}
    net = clone(net).set_params(
        solver=solver, dtype="float64", max_iter=8, batch_size="auto", tol=0
    )
    times = np.random.default_rng(1).integers(0, 3, size=90)
    weighted = clone(net).fit(X, y, times, **given)
    repeated = clone(net).fit(np.repeat(X, times, axis=0), np.repeat(y, times, axis=0), **given)
    assert_close(weighted, repeated, rtol=1e-6)
    assert differ(weighted, clone(net).fit(X, y, **given))


@pytest.mark.parametrize("task", ["multiclass", "normalize_y", "several numbers"])
def test_a_common_factor_of_the_weights_is_one_of_the_penalty(task):
    """The loss is a mean; only alpha is divided by the sum of the weights."""
    net, y = TASKS[task]
    net = clone(net).set_params(dtype="float64", alpha=0.5)
    once, twice = (
        clone(net).set_params(alpha=a).fit(X, y, w) for a, w in ((0.5, WEIGHT), (2, 4 * WEIGHT))
    )
    assert_close(once, twice)


# Weights in validation ---------------------------------------------------------------------------


@pytest.mark.parametrize("weight", [None, WEIGHT_VAL])
@pytest.mark.parametrize("task", ["binary", "multiclass"])
def test_weights_weigh_the_validation(task, weight):
    net, y = TASKS[task]
    net = clone(net).set_params(dtype="float64")
    net.fit(X[:60], y[:60], X_val=X_VAL, y_val=y[60:], sample_weight_val=weight)
    expected = log_loss(y[60:], net.predict_proba(X_VAL), sample_weight=weight, labels=net.classes_)
    assert net.history_["validation_loss"][-1] == pytest.approx(expected, rel=1e-12)
    accuracy = accuracy_score(y[60:], net.predict(X_VAL), sample_weight=weight)
    assert net.history_["validation_score"][-1] == pytest.approx(accuracy, rel=1e-12)


@pytest.mark.parametrize("weight", [None, WEIGHT_VAL])
@pytest.mark.parametrize("normalize_y", [False, True])
def test_weights_weigh_the_validation_of_numbers(normalize_y, weight):
    y, parameters = NUMBERS[:, 0], {**SMALL, "dtype": "float64", "normalize_y": normalize_y}
    net = MLPRegressor(**parameters, early_stopping=True)
    net.set_params(n_iter_no_change=np.inf, max_iter=6)
    given = {"X_val": X_VAL, "y_val": y[60:], "sample_weight_val": weight}
    net.fit(X[:60], y[:60], **given)
    r2 = r2_score(y[60:], net.predict(X_VAL), sample_weight=weight)
    assert net.best_validation_score_ == pytest.approx(r2, rel=1e-12)
    unit = y[:60].std() if normalize_y else 1.0
    loss = 0.5 * np.average(((y[60:] - net.predict(X_VAL)) / unit) ** 2, weights=weight)
    assert net.history_["validation_loss"][net.best_iter_ - 1] == pytest.approx(loss, rel=1e-12)
    net.set_params(scoring="neg_mean_absolute_error").fit(X[:60], y[:60], **given)
    error = np.average(np.abs(y[60:] - net.predict(X_VAL)), weights=weight)
    assert net.best_validation_score_ == pytest.approx(-error, rel=1e-12)


def test_weight_zero_equals_removed_from_the_validation():
    net, y = TASKS["multiclass"]
    rest = WEIGHT_VAL > 0
    some, all_rows = (
        clone(net).fit(X[:60], y[:60], X_val=A, y_val=b, sample_weight_val=w)
        for A, b, w in ((X_VAL[rest], Y_VAL[rest], WEIGHT_VAL[rest]), (X_VAL, Y_VAL, WEIGHT_VAL))
    )
    assert_same(some, all_rows)


def test_class_weights_weigh_the_validation_loss_not_the_score():
    weights = {0: 1.0, 1: 5.0, 2: 0.2}
    net = MLPClassifier(**SMALL, class_weight=weights, dtype="float64")
    net.fit(X[:60], Y[:60], X_val=X_VAL, y_val=Y_VAL)
    of_rows = compute_sample_weight(weights, Y_VAL)
    expected = log_loss(Y_VAL, net.predict_proba(X_VAL), sample_weight=of_rows)
    assert net.history_["validation_loss"][-1] == pytest.approx(expected, rel=1e-12)
    assert net.history_["validation_score"][-1] == net.score(X_VAL, Y_VAL)


# Weights of classes ------------------------------------------------------------------------------


@pytest.mark.parametrize("weight", [None, WEIGHT])
@pytest.mark.parametrize("classes", [[0, 1, 2], ["a", "b", "c"], [-1.0, 2.0, 7.0]])
def test_class_weight_is_a_weight_of_rows(classes, weight):
    y = np.array(classes)[Y]
    factors = dict(zip(classes, [0.5, 2.0, 7.0], strict=True))
    of_rows = np.array([factors[label] for label in y.tolist()]) * (1 if weight is None else weight)
    by_class = MLPClassifier(**SMALL, class_weight=factors).fit(X, y, weight)
    assert_same(by_class, MLPClassifier(**SMALL).fit(X, y, of_rows))
    assert differ(by_class, MLPClassifier(**SMALL).fit(X, y, weight))


def test_balanced_as_class_weight():
    net = MLPClassifier(**SMALL, class_weight="balanced").fit(X, Y)
    assert_same(net, MLPClassifier(**SMALL).fit(X, Y, compute_sample_weight("balanced", Y)))


def test_balanced_counts_the_weights_of_rows_as_class_weight():
    classes = np.arange(3)
    weights = compute_class_weight("balanced", classes=classes, y=Y, sample_weight=WEIGHT)
    net = MLPClassifier(**SMALL, class_weight="balanced").fit(X, Y, WEIGHT)
    assert_same(net, MLPClassifier(**SMALL).fit(X, Y, WEIGHT * weights[Y]))


@pytest.mark.parametrize("y", [(Y + 1) % 3, Y > 0, LABELS], ids=["other", "two classes", "labels"])
def test_balanced_anew_in_every_fit_as_class_weight(y):
    net = MLPClassifier(**SMALL, class_weight="balanced").fit(X, Y)
    assert_same(net.fit(X, y), clone(net).fit(X, y))


@pytest.mark.parametrize("early_stopping", [False, True])
@pytest.mark.parametrize("y", [Y, LABELS, COLUMNS], ids=["classes", "labels", "columns"])
def test_balanced_by_the_training_rows(y, early_stopping):
    """The held-out rows get the weights of the classes in training, not of their own shares."""
    columns = y[:60] if y.ndim == 2 else y[:60, None]
    shares = [
        dict(
            zip(
                np.unique(c),
                compute_class_weight("balanced", classes=np.unique(c), y=c),
                strict=True,
            )
        )
        for c in columns.T
    ]
    balanced, by_hand = (
        MLPClassifier(**SMALL, class_weight=w, early_stopping=early_stopping).fit(
            X[:60], y[:60], X_val=X[70:], y_val=y[70:]
        )
        for w in ("balanced", shares if y.ndim == 2 else shares[0])
    )
    assert_same(balanced, by_hand)


def test_a_class_may_be_missing_from_the_validation_with_class_weight():
    some = Y_VAL != 2
    net = MLPClassifier(**SMALL, class_weight="balanced")
    net.fit(X[:60], Y[:60], X_val=X_VAL[some], y_val=Y_VAL[some])
    assert_same(
        net,
        clone(net)
        .set_params(class_weight="balanced")
        .fit(X[:60], Y[:60], X_val=X_VAL, y_val=Y_VAL, sample_weight_val=some.astype(float)),
    )


@pytest.mark.parametrize("y", [Y, LABELS, COLUMNS], ids=["classes", "labels", "columns"])
def test_rows_of_weight_zero_do_not_count_as_balance_in_class_weight(y):
    net, rest = MLPClassifier(**SMALL, class_weight="balanced"), WEIGHT > 0
    removed = clone(net).fit(X[rest], y[rest], np.full(rest.sum(), 2.0))
    assert_same(removed, clone(net).fit(X, y, 2.0 * rest))


@pytest.mark.parametrize("class_weight", [None, "balanced", {0: 1, 1: 2, 2: 3}])
def test_weight_zero_can_remove_a_class(class_weight):
    net, rest = MLPClassifier(**SMALL, class_weight=class_weight), Y != 2
    removed = clone(net).fit(X[rest], Y[rest], np.full(rest.sum(), 2.0))
    weighted = clone(net).fit(X, Y, 2.0 * rest)
    assert weighted.classes_.tolist() == [0, 1]
    assert_same(removed, weighted)


def test_a_class_of_weight_zero():
    """A batch of such rows only is no reason to move."""
    plain = {**SMALL, "solver": "sgd", "momentum": 0, "alpha": 0, "shuffle": False, "batch_size": 1}
    rest = Y != 2
    ignored = MLPClassifier(**plain, class_weight={0: 1, 1: 2, 2: 0})
    removed = MLPClassifier(**plain, class_weight={0: 1, 1: 2, 2: 5})
    for _ in range(2):
        ignored.partial_fit(X, Y, classes=[0, 1, 2])
        removed.partial_fit(X[rest], Y[rest], classes=[0, 1, 2])
    for a, b in zip(ignored.coefs_, removed.coefs_, strict=True):
        np.testing.assert_array_equal(a, b)
    assert ignored.loss_curve_ == pytest.approx(removed.loss_curve_)


PER_COLUMN = {
    "multilabel": (LABELS, [{0: 1.0, 1: 2.0}] * 3 + [{0: 1.0, 1: 0.5}]),
    "multi-output classes": (
        COLUMNS,
        [{0: 1, 1: 2, 2: 3}, {0: 1, 1: 1, 2: 0.5, 3: 4}, {0: 1, 1: 2}],
    ),
}


@pytest.mark.parametrize("balanced", [False, True])
@pytest.mark.parametrize("task", PER_COLUMN)
def test_class_weights_of_several_columns_multiply(task, balanced):
    """As in scikit-learn's forests and trees."""
    y, class_weight = PER_COLUMN[task]
    class_weight, weight = ("balanced", np.ones(90)) if balanced else (class_weight, WEIGHT)
    net = MLPClassifier(**SMALL, class_weight=class_weight).fit(X, y, weight)
    of_rows = compute_sample_weight(class_weight, y) * weight
    assert_same(net, MLPClassifier(**SMALL).fit(X, y, of_rows))


@pytest.mark.parametrize("weight", [None, WEIGHT])
@pytest.mark.parametrize("class_weight", [None, "balanced", PER_COLUMN["multilabel"][1]])
def test_sparse_labels_weigh_the_same_with_class_weight(class_weight, weight):
    net = MLPClassifier(**SMALL, class_weight=class_weight)
    dense, sparse = (clone(net).fit(X, y, weight) for y in (LABELS, csr_array(LABELS)))
    assert_same(dense, sparse)


@pytest.mark.parametrize("k", [2, 3])
@pytest.mark.parametrize("smoothing", [0.1, 0.5])
def test_label_smoothing_is_training_on_soft_targets(k, smoothing):
    """The soft target (1 - ε) onehot + ε / K is every row K times, weighted by it."""
    y = Y % k
    linear = {"solver": "lbfgs", "tol": 1e-9, "alpha": 0.1, "max_iter": 1000}
    smooth = MLPClassifier((), **linear, label_smoothing=smoothing).fit(X, y)
    soft = (1 - smoothing) * np.eye(k)[y] + smoothing / k
    hard = MLPClassifier((), **linear).fit(
        np.repeat(X, k, axis=0), np.tile(np.arange(k), 90), soft.ravel()
    )
    np.testing.assert_allclose(smooth.predict_proba(X), hard.predict_proba(X), atol=1e-6)
    assert smooth.loss_ == pytest.approx(hard.loss_, rel=1e-8)


# Metadata routing --------------------------------------------------------------------------------


@pytest.fixture
def routing():
    with sklearn.config_context(enable_metadata_routing=True):
        yield


ROUTED = dict.fromkeys(("sample_weight", "X_val", "y_val", "sample_weight_val"), True)
GIVEN = {
    "sample_weight": WEIGHT[:60],
    "X_val": 5 * X_VAL + 1,
    "y_val": Y_VAL,
    "sample_weight_val": WEIGHT_VAL,
}


def test_pipeline_passes_weights_and_transforms_the_validation_data(routing):
    net = MLPClassifier(**SMALL, early_stopping=True).set_fit_request(**ROUTED)
    scaler = StandardScaler().set_fit_request(sample_weight=False)
    raw = 5 * X[:60] + 1
    pipeline = make_pipeline(scaler, net, transform_input=["X_val"]).fit(raw, Y[:60], **GIVEN)
    by_hand = StandardScaler().fit(raw)
    given = GIVEN | {"X_val": by_hand.transform(GIVEN["X_val"])}
    expected = clone(net).fit(by_hand.transform(raw), Y[:60], **given)
    assert_same(pipeline[-1], expected)
    with pytest.warns(UserWarning, match="X_val seems to be in other units"):
        untransformed = make_pipeline(scaler, net).fit(raw, Y[:60], **GIVEN)
    assert untransformed[-1].history_["validation_loss"] != expected.history_["validation_loss"]


@pytest.mark.parametrize("estimator", [MLPClassifier, MLPRegressor])
def test_what_is_not_requested_is_refused(estimator, routing):
    net = estimator(**SMALL).set_fit_request(X_val=True, y_val=True)
    with pytest.raises(ValueError, match="sample_weight"):
        Pipeline([("net", net)]).fit(X, Y, sample_weight=WEIGHT)


@pytest.mark.parametrize("estimator", [MLPClassifier, MLPRegressor])
def test_requests_of_partial_fit_and_score(estimator, routing):
    net = (
        estimator()
        .set_partial_fit_request(sample_weight=True)
        .set_score_request(sample_weight=True)
    )
    request = net.get_metadata_routing()
    assert request.partial_fit.requests["sample_weight"] is True
    assert request.score.requests["sample_weight"] is True
    assert request.fit.requests["X_val"] is None


@pytest.mark.parametrize(
    ("net", "y", "score"),
    [
        (MLPClassifier(**SMALL), Y, accuracy_score),
        (MLPRegressor(**SMALL), NUMBERS[:, 0], d2_absolute_error_score),
    ],
)
def test_grid_search_routes_weights_to_fits_and_scores(net, y, score, routing):
    net = net.set_fit_request(sample_weight=True)
    scorer = make_scorer(score).set_score_request(sample_weight=True)
    grid, folds = {"alpha": [1e-4, 100.0]}, KFold(3)
    search = GridSearchCV(net, grid, scoring=scorer, cv=folds).fit(X, y, sample_weight=WEIGHT)
    for i, alpha in enumerate(grid["alpha"]):
        for fold, (train, test) in enumerate(folds.split(X)):
            by_hand = clone(net).set_params(alpha=alpha).fit(X[train], y[train], WEIGHT[train])
            expected = score(y[test], by_hand.predict(X[test]), sample_weight=WEIGHT[test])
            found = search.cv_results_[f"split{fold}_test_score"][i]
            assert found == pytest.approx(expected, rel=1e-12)
    assert_same(search.best_estimator_, clone(search.best_estimator_).fit(X, y, WEIGHT))
