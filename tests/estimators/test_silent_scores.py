"""Early stopping where the validation score says nothing, and what a scorer may return and gets."""

import math
import re
import warnings

import numpy as np
import pandas as pd
import polars as pl
import pytest
from estimator_cases import small_network
from numpy.testing import assert_array_equal
from scipy.stats import spearmanr
from sklearn.datasets import make_classification
from sklearn.metrics import get_scorer, make_scorer, r2_score

from skdnn import MLPClassifier, MLPRegressor

X, LABELS = make_classification(120, 6, n_informative=4, flip_y=0.2, random_state=0)
NUMBERS = np.tanh(X[:, 0]) * 3 + X[:, 1]
X, X_VAL, LABELS, LABELS_VAL, NUMBERS, NUMBERS_VAL = (
    part for whole in (X, LABELS, NUMBERS) for part in (whole[:80], whole[80:])
)
SOLVERS = ["adam", "sgd", "lbfgs"]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
]


def small(cls, **parameters):
    rate = {} if parameters.get("solver") == "lbfgs" else {"learning_rate_init": 0.02}
    return small_network(cls, **{"max_iter": 60, "early_stopping": True} | rate | parameters)


def assert_same(model, expected):
    for ours, theirs in zip(model.coefs_, expected.coefs_, strict=True):
        assert_array_equal(ours, theirs)
    assert model.n_iter_ == expected.n_iter_
    assert model.best_iter_ == expected.best_iter_


def data_for(cls):
    return (LABELS, LABELS_VAL) if cls is MLPClassifier else (NUMBERS, NUMBERS_VAL)


# The loss decides -------------------------------------------------------------------------------


def r_squared(estimator, X, y):
    return r2_score(y, estimator.predict(X))


def correlation(estimator, X, y):
    return spearmanr(y, estimator.predict(X)).statistic


def no_number(estimator, X, y):
    return math.nan


def infinity(estimator, X, y):
    return np.float32(-np.inf)


ONE_CLASS = np.zeros(len(X_VAL), int)
FIVE = np.full(len(X_VAL), 5.0)
SILENT = [
    (MLPRegressor, None, FIVE, "constant"),
    (MLPRegressor, "r2", FIVE, "constant"),
    (MLPRegressor, "explained_variance", FIVE, "constant"),
    (MLPRegressor, r_squared, FIVE, "constant"),
    (MLPRegressor, make_scorer(r2_score), FIVE, "constant"),
    (MLPRegressor, correlation, FIVE, "constant"),
    (MLPRegressor, no_number, NUMBERS_VAL, "not finite in any epoch"),
    (MLPClassifier, "roc_auc", ONE_CLASS, r"scoring='roc_auc' was not finite.*[Oo]nly one class"),
    (MLPClassifier, no_number, LABELS_VAL, "not finite in any epoch"),
    (MLPClassifier, infinity, LABELS_VAL, "not finite in any epoch"),
]


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("cls, scoring, y_val, reason", SILENT)
def test_the_loss_decides_where_the_score_says_nothing_whatever_scoring(
    cls, scoring, y_val, reason, solver
):
    y = data_for(cls)[0]
    model = small(cls, solver=solver, scoring=scoring)
    with pytest.warns(UserWarning, match=f"early_stopping: .*{reason}.*loss decided") as record:
        model.fit(X, y, X_val=X_VAL, y_val=y_val)
    assert len([w for w in record if w.category is UserWarning]) == 1
    assert not [w for w in record if w.category is RuntimeWarning]
    by_loss = small(cls, solver=solver, scoring="loss").fit(X, y, X_val=X_VAL, y_val=y_val)
    assert_same(model, by_loss)
    assert len(model.validation_scores_) == model.n_iter_


LACKING = np.arange(len(X_VAL)) % 2
THREE = np.where(X[:, 1] > 0.5, 2, LABELS)
AS_TEXT = np.where(LABELS > 0, "yes", "no")


@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
@pytest.mark.parametrize(
    "scoring, y, y_val",
    [
        ("roc_auc_ovr", THREE, LACKING),
        ("neg_log_loss", THREE, LACKING),
        ("top_k_accuracy", THREE, LACKING),
        ("neg_log_loss", LABELS, ONE_CLASS),
        ("neg_log_loss", ONE_CLASS.repeat(2), ONE_CLASS),
        ("f1", np.full(len(X), 3), np.full(len(X_VAL), 3)),
        ("d2_log_loss_score", AS_TEXT, np.full(len(X_VAL), "no")),
    ],
)
def test_the_loss_decides_where_classes_are_missing_whatever_scoring(scoring, y, y_val, solver):
    """Metrics that cannot do without a class that is not there."""
    model = small(MLPClassifier, solver=solver, scoring=scoring, max_iter=15)
    with pytest.warns(UserWarning, match=f"early_stopping: scoring='{scoring}'.*loss decided"):
        model.fit(X, y, X_val=X_VAL, y_val=y_val)
    by_loss = small(MLPClassifier, solver=solver, scoring="loss", max_iter=15)
    assert_same(model, by_loss.fit(X, y, X_val=X_VAL, y_val=y_val))


@pytest.mark.parametrize("scoring", ["roc_auc_ovr", "neg_log_loss", "neg_brier_score"])
def test_a_class_of_one_row_and_a_metric_of_probabilities(scoring):
    y = np.where(np.arange(len(X)) == 7, "rare", AS_TEXT.astype("U4"))
    model = small(MLPClassifier, scoring=scoring, max_iter=10)
    with pytest.warns(UserWarning, match="loss decided"):
        model.fit(X, y)
    assert "rare" in model.classes_


def test_what_a_metric_warns_of_is_shown_once():
    model = small(MLPClassifier, scoring="balanced_accuracy", max_iter=10)
    with pytest.warns(UserWarning, match="not in y_true") as record:
        model.fit(X, THREE, X_val=X_VAL, y_val=LACKING)
    assert len([w for w in record if "not in y_true" in str(w.message)]) == 1


@pytest.mark.parametrize(
    "cls, scoring, y",
    [
        (MLPClassifier, "roc_auc", THREE),
        (MLPClassifier, "f1", AS_TEXT),
        (MLPClassifier, "accuracy", np.column_stack([LABELS + 1, THREE])),
        (MLPRegressor, "accuracy", NUMBERS),
        (MLPRegressor, "neg_max_error", np.column_stack([NUMBERS, NUMBERS])),
    ],
)
def test_a_metric_of_something_else_is_named(cls, scoring, y):
    with pytest.raises(ValueError, match=f"scoring='{scoring}' cannot score the validation data: "):
        small(cls, scoring=scoring, validation_fraction=0.5).fit(X, y)


@pytest.mark.parametrize("error", [KeyError, RuntimeError, FloatingPointError])
def test_a_scorer_that_raises_at_once_is_named_as_scoring(cls, error):
    def scoring(estimator, X, y):
        raise error("out of order")

    with pytest.raises(error, match="out of order") as caught:
        small(cls, scoring=scoring).fit(X, data_for(cls)[0])
    assert caught.value.__notes__[0].startswith("Raised by scoring=")


def test_several_constant_outputs():
    Y, held_out = np.c_[NUMBERS, -NUMBERS], np.c_[FIVE, -FIVE]
    model = small(MLPRegressor)
    with pytest.warns(UserWarning, match="constant"):
        model.fit(X, Y, X_val=X_VAL, y_val=held_out)
    assert_same(model, small(MLPRegressor, scoring="loss").fit(X, Y, X_val=X_VAL, y_val=held_out))
    mixed = np.c_[FIVE, NUMBERS_VAL]  # one that varies says something
    model = small(MLPRegressor).fit(X, Y, X_val=X_VAL, y_val=mixed)
    assert model.best_validation_score_ == max(model.validation_scores_)


def test_weights_may_leave_a_constant():
    y_val, weight = np.where(np.arange(len(X_VAL)) < 9, 5.0, NUMBERS_VAL), np.arange(len(X_VAL)) < 9
    with pytest.warns(UserWarning, match="constant"):
        small(MLPRegressor).fit(
            X, NUMBERS, X_val=X_VAL, y_val=y_val, sample_weight_val=weight.astype(float)
        )


def test_rows_held_out_of_a_y_that_hardly_varies():
    y = np.zeros(80)
    y[3] = 1.0
    with warnings.catch_warnings(record=True) as record:
        warnings.simplefilter("always")
        model = small(MLPRegressor).fit(X, y)
    assert ["constant" in str(w.message) for w in record] == [True]
    assert model.score(X, y) > -1


@pytest.mark.parametrize("scoring", [None, "r2"])
def test_where_all_is_constant_there_is_nothing_to_warn_of(scoring):
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        warnings.filterwarnings("ignore", "Stochastic Optimizer")
        model = small(MLPRegressor, scoring=scoring).fit(X, np.full(80, 7.0))
    np.testing.assert_allclose(model.predict(X), 7.0, atol=1.0)


def test_an_error_of_a_constant_says_something():
    model = small(MLPRegressor, scoring="neg_mean_absolute_error")
    model.fit(X, NUMBERS, X_val=X_VAL, y_val=FIVE)
    assert model.best_validation_score_ == max(model.validation_scores_)


@pytest.mark.parametrize("n_silent", [1, 4, 20])
def test_scores_decide_from_the_first_that_is_a_number(cls, n_silent):
    """Before training it is asked once, to see whether it can score at all."""
    y, y_val = data_for(cls)
    asked = []

    def scoring(estimator, X, y):
        asked.append(1)
        return estimator.score(X, y) if len(asked) > n_silent else math.nan

    model = small(cls, scoring=scoring, n_iter_no_change=30, tol=0.0)
    model.fit(X, y, X_val=X_VAL, y_val=y_val)
    scores = model.validation_scores_
    assert np.isnan(scores[: n_silent - 1]).all()
    assert model.best_iter_ == np.nanargmax(scores) + 1
    assert model.best_validation_score_ == np.nanmax(scores)
    assert model.score(X_VAL, y_val) == pytest.approx(model.best_validation_score_)


def test_a_score_that_is_a_number_now_and_then(cls):
    y, y_val = data_for(cls)
    asked = []

    def scoring(estimator, X, y):
        asked.append(1)
        return estimator.score(X, y) if len(asked) % 3 == 0 else math.nan

    model = small(cls, scoring=scoring, n_iter_no_change=12, tol=0.0)
    model.fit(X, y, X_val=X_VAL, y_val=y_val)
    assert model.best_validation_score_ == np.nanmax(model.validation_scores_)


def test_a_warm_start_goes_on_by_the_loss():
    parameters = {"scoring": "loss", "warm_start": True, "max_iter": 5}
    by_loss, silent = small(MLPRegressor, **parameters), small(MLPRegressor, **parameters)
    silent.set_params(scoring=None)
    for _ in range(3):
        by_loss.fit(X, NUMBERS, X_val=X_VAL, y_val=FIVE)
        with pytest.warns(UserWarning, match="constant"):
            silent.fit(X, NUMBERS, X_val=X_VAL, y_val=FIVE)
    assert_same(silent, by_loss)


# What a scorer returns --------------------------------------------------------------------------

NO_NUMBERS = [None, np.zeros(3), [0.5], "0.5", {"a": 0.5}, 1j, (0.5, 0.5)]


@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
@pytest.mark.parametrize("score", NO_NUMBERS, ids=str)
def test_a_scorer_must_return_a_number_as_scoring(cls, score, solver):
    y, y_val = data_for(cls)
    model = small(cls, solver=solver, scoring=lambda estimator, X, y: score)
    with pytest.raises(ValueError, match=r"scoring=.* must return a number. Got"):
        model.fit(X, y, X_val=X_VAL, y_val=y_val)
    with pytest.raises(ValueError, match=r"scoring=.* must return a number. Got"):
        model.fit(X, y)
    assert not hasattr(model, "n_iter_")


@pytest.mark.parametrize("of", [float, np.float32, np.float64, np.array, int, bool])
def test_numbers_of_any_kind_from_scoring(cls, of):
    model = small(cls, max_iter=3, scoring=lambda estimator, X, y: of(1))
    model.fit(X, data_for(cls)[0])
    assert model.validation_scores_ == [1.0] * 3


@pytest.mark.parametrize(
    "error", [ValueError, RuntimeError, KeyError, FloatingPointError, TypeError]
)
def test_a_scorer_that_raises_in_the_middle_says_so_as_scoring(cls, error):
    asked = []

    def scoring(estimator, X, y):
        asked.append(1)
        if len(asked) == 4:
            raise error("out of order")
        return 0.5 + len(asked)

    with pytest.raises(error, match="out of order") as caught:
        small(cls, scoring=scoring).fit(X, data_for(cls)[0])
    (note,) = caught.value.__notes__
    assert re.fullmatch(r"Raised by scoring=<.*scoring.*> after epoch 3 of fit\.", note)


def test_predictions_that_overflow_are_not_shown_to_a_scorer():
    """exp of a raw score beyond 88 is infinite in float32; what metrics think of that is known."""
    y = np.exp(X[:, 0])
    model = small(
        MLPRegressor, loss="gamma", scoring="neg_mean_absolute_error", solver="sgd",
        learning_rate_init=50.0, max_iter=30, batch_size=10,
    )  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        warnings.simplefilter("ignore", UserWarning)
        try:
            model.fit(X, y)
        except ValueError as error:
            assert "Solver produced non-finite" in str(error)


# What a scorer gets -----------------------------------------------------------------------------

NAMES = list("abcdef")


def pandas(A):
    frame = pd.DataFrame(A, columns=NAMES, index=[f"row {i}" for i in range(len(A))])
    return frame.assign(f=np.arange(len(A)))


def polars(A):
    return pl.DataFrame(pandas(A).reset_index(drop=True).to_dict("list"))


@pytest.mark.parametrize("frame", [pandas, polars])
@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
@pytest.mark.parametrize("how", ["X_val", "held out", "held out of some"])
def test_a_scorer_gets_the_rows_of_the_frame(cls, frame, solver, how):
    y, y_val = data_for(cls)
    given, seen = frame(X), []

    def scoring(estimator, X, y, sample_weight=None):
        seen.append((X, y))
        return get_scorer("accuracy" if cls is MLPClassifier else "r2")(estimator, X, y)

    validation = {"X_val": frame(X_VAL), "y_val": y_val} if how == "X_val" else {}
    weight = (np.arange(len(X)) % 4 > 0).astype(float) if how == "held out of some" else None
    model = small(cls, solver=solver, scoring=scoring, max_iter=4)
    with warnings.catch_warnings():
        warnings.filterwarnings("error", "X (does not have|has)")
        model.fit(given, y, weight, **validation)
    for frame_seen, labels in seen:
        assert type(frame_seen) is type(given)
        assert list(frame_seen.columns) == NAMES
        assert "int" in str(frame_seen["f"].dtype).lower()
        if how == "X_val":
            assert frame_seen is validation["X_val"]
        else:
            rows = np.asarray(frame_seen["f"])
            assert len(rows) == (8 if how == "held out" else 6)
            assert_array_equal(labels, y[rows])
            assert weight is None or weight[rows].all()
            if frame is pandas:
                pd.testing.assert_frame_equal(frame_seen, given.iloc[rows])


def test_names_on_one_side_only(cls):
    """One warning says that they are missing; the predictions for the scorer do not repeat it."""
    y, y_val = data_for(cls)
    scoring = "accuracy" if cls is MLPClassifier else "r2"
    for A, B in ((pandas(X), X_VAL), (X, pandas(X_VAL))):
        with warnings.catch_warnings(record=True) as record:
            warnings.simplefilter("always")
            small(cls, scoring=scoring, max_iter=3).fit(A, y, X_val=B, y_val=y_val)
        assert sum("feature names" in str(w.message) for w in record) == 1


@pytest.mark.parametrize("array", [np.asarray, lambda A: A.tolist(), lambda A: pd.DataFrame(A)])
def test_a_scorer_of_what_has_no_names(cls, array):
    y, y_val = data_for(cls)
    model = small(cls, scoring=lambda estimator, X, y: estimator.score(X, y), max_iter=3)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", "Stochastic Optimizer")
        model.fit(array(X), y, X_val=array(X_VAL), y_val=y_val)
    assert model.best_validation_score_ == pytest.approx(model.score(X_VAL, y_val))
