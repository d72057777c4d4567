"""How a training runs, ends, goes wrong, is watched and is kept."""

import copy
import io
import math
import pickle
import re
import subprocess
import sys
import textwrap
import warnings
from contextlib import redirect_stdout

import numpy as np
import pytest
from estimator_cases import (
    ANNEALING,
    LEARNING_RATES,
    MINIBATCH_SOLVERS,
    PEER,
    SOLVERS,
    Callback,
    by_class,
    interrupt,
    values,
)
from estimator_cases import (
    small_network as small,
)
from numpy.testing import assert_allclose, assert_array_equal
from scipy.stats import loguniform
from sklearn.callback import ProgressBar, ScoringMonitor
from sklearn.datasets import make_classification, make_regression
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import get_scorer, log_loss, roc_auc_score
from sklearn.model_selection import GridSearchCV, RandomizedSearchCV

from skdnn import MLPClassifier, MLPRegressor
from skdnn.engine import schedules
from skdnn.engine.schedules import SCHEDULES, Constant, Cosine, Exponential, WarmUp, rises
from skdnn.engine.training import Trainer

unconverged = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

X, LABELS = make_classification(150, 6, n_informative=4, flip_y=0.2, random_state=0)
X_TEST, LABELS_TEST = X[100:], LABELS[100:]
X, LABELS = X[:100], LABELS[:100]
NUMBERS = np.tanh(X[:, 0]) * 3 + X[:, 1]

y_for = by_class(LABELS, NUMBERS)


# Attributes -------------------------------------------------------------------------------------


@unconverged
@pytest.mark.parametrize("solver", ["adam", "sgd", "lbfgs"])
@pytest.mark.parametrize("early_stopping", [False, True])
def test_there_is_every_attribute_of_scikit_learn(cls, solver, early_stopping):
    if solver == "lbfgs" and early_stopping:
        peer_parameters = {"solver": "adam", "early_stopping": True}
    else:
        peer_parameters = {"solver": solver, "early_stopping": early_stopping}
    peer_class = PEER[cls]
    peer = small(peer_class, **peer_parameters).fit(X, y_for(cls))
    model = small(cls, solver=solver, early_stopping=early_stopping).fit(X, y_for(cls))
    theirs = {n for n in dir(peer) if n.endswith("_") and not n.startswith("_")}
    assert theirs - {"n_iter_no_change_"} <= set(dir(model))
    for name in ("n_features_in_", "n_layers_", "n_outputs_", "out_activation_"):
        assert getattr(model, name) == getattr(peer, name), name
    for name in ("coefs_", "intercepts_"):
        assert [a.shape for a in getattr(model, name)] == [a.shape for a in getattr(peer, name)]
    if not early_stopping:
        assert (model.validation_scores_, model.best_validation_score_) == (None, None)
    assert (model.best_loss_ is None) == early_stopping


@unconverged
@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("early_stopping", [False, True])
def test_every_list_has_one_entry_an_epoch(cls, solver, early_stopping):
    model = small(cls, solver=solver, early_stopping=early_stopping).fit(X, y_for(cls))
    assert 1 <= model.n_iter_ <= 6
    assert {len(column) for column in model.history_.values()} == {model.n_iter_}
    assert model.loss_curve_ == model.history_["loss"]
    assert model.loss_ == model.loss_curve_[-1]
    assert ("validation_loss" in model.history_) == early_stopping
    if early_stopping:
        assert model.validation_scores_ == model.history_["validation_score"]
        assert model.best_validation_score_ == max(model.validation_scores_)
        assert model.best_iter_ == np.argmax(model.validation_scores_) + 1
    else:
        assert model.best_loss_ == min(model.loss_curve_)
        assert model.best_iter_ == np.argmin(model.loss_curve_) + 1
    assert model.t_ == model.n_iter_ * (90 if early_stopping else 100)


@unconverged
@pytest.mark.parametrize("solver", SOLVERS)
def test_the_loss_falls(cls, solver):
    more = {}
    if solver != "lbfgs":
        more = {"learning_rate_init": LEARNING_RATES[solver], "batch_size": 20}
    model = small(cls, solver=solver, max_iter=40, tol=0.0, **more).fit(X, y_for(cls))
    assert model.loss_ < 0.9 * model.loss_curve_[0]
    assert np.mean(np.diff(model.loss_curve_) < 0) > 0.5


@unconverged
def test_the_loss_of_full_batches_is_that_of_the_model_before(cls):
    """One batch an epoch: entry k + 1 of the curve is the objective after k epochs."""
    parameters = {"batch_size": 100, "alpha": 0.0, "dtype": "float64"}
    two = small(cls, max_iter=2, **parameters).fit(X, y_for(cls))
    one = small(cls, max_iter=1, **parameters).fit(X, y_for(cls))
    if cls is MLPClassifier:
        expected = log_loss(LABELS, one.predict_proba(X))
    else:
        expected = np.mean((NUMBERS - one.predict(X)) ** 2) / 2 / NUMBERS.var()
    assert two.loss_curve_[1] == pytest.approx(expected, rel=1e-6)


# Early stopping ---------------------------------------------------------------------------------


def negative_spread(estimator, X, y):
    return -float(np.abs(estimator.predict(X) - y).mean())


SCORINGS = [
    (MLPClassifier, None), (MLPClassifier, "loss"), (MLPClassifier, "roc_auc"),
    (MLPClassifier, negative_spread), (MLPClassifier, "neg_log_loss"),
    (MLPRegressor, None), (MLPRegressor, "loss"), (MLPRegressor, negative_spread),
    (MLPRegressor, "neg_root_mean_squared_error"),
]  # fmt: skip


@pytest.mark.parametrize("solver", ["adam", "sgd", "lbfgs"])
@pytest.mark.parametrize("cls, scoring", SCORINGS)
def test_early_stopping_gives_back_the_best_epoch(cls, scoring, solver):
    y = y_for(cls)
    y_val = LABELS_TEST if cls is MLPClassifier else np.tanh(X_TEST[:, 0]) * 3 + X_TEST[:, 1]
    more = {} if solver == "lbfgs" else {"learning_rate_init": 0.03}
    if solver == "sgd":
        more["alpha"] = 0.0
    model = small(
        cls, solver=solver, early_stopping=True, scoring=scoring, max_iter=500, n_iter_no_change=5,
        hidden_layer_sizes=(30,), **more,
    ).fit(X, y, X_val=X_TEST, y_val=y_val)  # fmt: skip
    assert model.n_iter_ < 500
    if scoring == "loss":
        scores = [-loss for loss in model.history_["validation_loss"]]
        assert model.validation_scores_ == scores
        score = model.best_validation_score_
        if cls is MLPClassifier:
            score = -log_loss(y_val, model.predict_proba(X_TEST))
        else:
            score = -np.mean((y_val - model.predict(X_TEST)) ** 2) / 2 / y.var()
    else:
        score = get_scorer(scoring) if isinstance(scoring, str) else scoring or cls.score
        score = score(model, X_TEST, y_val)
    assert score == pytest.approx(model.best_validation_score_, rel=1e-4)
    assert model.best_validation_score_ == max(model.validation_scores_)


def test_roc_auc_by_hand():
    model = small(MLPClassifier, early_stopping=True, scoring="roc_auc", max_iter=200, tol=0.01)
    model.fit(X, LABELS, X_val=X_TEST, y_val=LABELS_TEST)
    by_hand = roc_auc_score(LABELS_TEST, model.decision_function(X_TEST))
    assert by_hand == pytest.approx(model.best_validation_score_)


@pytest.mark.parametrize("n_iter_no_change", [1, 4])
def test_patience_is_counted_from_the_best_epoch_with_n_iter_no_change(cls, n_iter_no_change):
    model = small(
        cls, early_stopping=True, max_iter=500, tol=0.0, n_iter_no_change=n_iter_no_change,
        learning_rate_init=0.05, scoring="loss",
    ).fit(X, y_for(cls), X_val=X_TEST, y_val=y_for(cls)[:50])  # fmt: skip
    assert model.n_iter_ == model.best_iter_ + n_iter_no_change + 1


@unconverged
@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_validation_data_alone_are_but_recorded(cls, solver):
    y_val = y_for(cls)[:50]
    watched = small(cls, solver=solver, max_iter=25).fit(X, y_for(cls), X_val=X_TEST, y_val=y_val)
    plain = small(cls, solver=solver, max_iter=25).fit(X, y_for(cls))
    assert_array_equal(values(watched), values(plain))
    assert watched.loss_curve_ == plain.loss_curve_
    assert len(watched.history_["validation_score"]) == watched.n_iter_ == plain.n_iter_
    assert watched.history_["validation_score"][-1] == pytest.approx(watched.score(X_TEST, y_val))
    assert watched.validation_scores_ is None


def test_weights_count_in_validation():
    """Rows of weight zero are as good as absent."""
    weight = (np.arange(50) < 20).astype(float)
    weighted, fewer = (small(MLPClassifier, early_stopping=True, max_iter=300) for _ in range(2))
    weighted.fit(X, LABELS, X_val=X_TEST, y_val=LABELS_TEST, sample_weight_val=weight)
    fewer.fit(X, LABELS, X_val=X_TEST[:20], y_val=LABELS_TEST[:20])
    losses = (model.history_["validation_loss"] for model in (weighted, fewer))
    assert_allclose(*losses, rtol=1e-6)
    assert_array_equal(values(weighted), values(fewer))


# Divergence -------------------------------------------------------------------------------------

UNSCALED = X * [1, 1, 1, 1, 1, 3000.0]


def only_warning(record):
    assert len(record) == 1, [str(w.message) for w in record]
    assert record[0].category is ConvergenceWarning
    return str(record[0].message)


@pytest.mark.parametrize("data", [X, UNSCALED], ids=["scaled", "unscaled"])
@pytest.mark.parametrize("early_stopping", [False, True])
def test_divergence_keeps_the_best_epoch_and_says_why(cls, data, early_stopping):
    y = y_for(cls)
    model = small(
        cls, solver="sgd", learning_rate_init=10, max_iter=50, alpha=10.0, batch_size=20,
        early_stopping=early_stopping, activation="tanh", normalize_X=False,
    )  # fmt: skip
    with warnings.catch_warnings(record=True) as record:
        warnings.simplefilter("always")
        model.fit(data, y)
    message = only_warning(record)
    diverged_in = int(re.search(r"diverged in epoch (\d+)", message)[1])
    assert 1 <= diverged_in <= model.n_iter_ == len(model.loss_curve_) < 50
    assert re.search(r"parameters (of epoch \d+|of the last|with which).* are kept", message)
    assert "learning_rate_init=10" in message
    assert ("differ in scale by a factor of" in message) == (data is UNSCALED)
    assert np.isfinite(values(model)).all()
    assert np.isfinite(model.predict(data)).all()
    assert model.loss_ == min(filter(math.isfinite, model.loss_curve_))
    if not early_stopping:
        assert model.loss_ == model.best_loss_


def test_not_one_finite_epoch_is_an_error(cls):
    model = small(cls, solver="sgd", learning_rate_init=1e20, batch_size=10, normalize_X=False)
    with pytest.raises(ValueError, match=r"non-finite .*learning_rate_init=1e\+20") as caught:
        model.fit(UNSCALED, y_for(cls))
    assert "differ in scale by a factor of" in str(caught.value)
    assert not hasattr(model, "n_iter_")


@pytest.mark.slow
@unconverged
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.FitFailedWarning")
@pytest.mark.filterwarnings("ignore:One or more of the test scores are non-finite")
@pytest.mark.parametrize("solver", ["sgd", "adam", "rmsprop"])
@pytest.mark.parametrize("scale", [1.0, 100.0])
def test_a_random_search_over_learning_rate_init_runs_to_its_end(cls, solver, scale):
    search = RandomizedSearchCV(
        small(cls, solver=solver, max_iter=10, batch_size=20),
        {"learning_rate_init": loguniform(1e-6, 10)},
        n_iter=15,
        cv=2,
        random_state=0,
    ).fit(scale * X, y_for(cls))
    scores = search.cv_results_["mean_test_score"]
    assert np.isfinite(search.best_score_)
    assert search.best_score_ == np.nanmax(scores)
    if solver == "adam" and scale == 1.0:
        assert np.isfinite(scores).all()
    assert np.isfinite(search.predict(scale * X)).all()


@pytest.mark.slow
@unconverged
@pytest.mark.parametrize("solver", ["sgd", "adam", "rmsprop"])
@pytest.mark.parametrize("exponent", range(-6, 9))
def test_predictions_are_finite_at_any_learning_rate_init(cls, solver, exponent):
    model = small(cls, solver=solver, max_iter=10, batch_size=20, learning_rate_init=10.0**exponent)
    try:
        model.fit(X, y_for(cls))
    except ValueError as e:
        assert "Solver produced non-finite parameter weights" in str(e)
        assert exponent >= 0  # at such rates not even the first epoch needs to be finite
        return
    S = model.predict(X) if cls is MLPRegressor else model.decision_function(X)
    assert np.isfinite(S).all()
    if cls is MLPClassifier:
        assert np.isfinite(model.predict_proba(X)).all()


# At these learning rates (activation, rate) a training by sgd goes wrong, after one epoch or more.
DIVERGING = {
    MLPClassifier: [("relu", 10.0), ("relu", 100.0), ("relu", 1e4)],
    MLPRegressor: [("tanh", 1.0), ("tanh", 10.0), ("tanh", 100.0), ("tanh", 1e4)],
}


@unconverged
@pytest.mark.parametrize(
    "cls, activation, rate", [(cls, *case) for cls, cases in DIVERGING.items() for case in cases]
)
def test_what_is_kept_is_no_worse_than_the_start_at_any_learning_rate_init(cls, activation, rate):
    """Whatever the learning rate, a training that went wrong has not made things worse."""
    parameters = {"batch_size": 20, "activation": activation, "alpha": 0.0, "solver": "sgd"}
    start = small(cls, **parameters, max_iter=1, learning_rate_init=1e-12).fit(X, y_for(cls))
    model = small(cls, **parameters, max_iter=30, learning_rate_init=rate)
    with pytest.warns(ConvergenceWarning, match="diverged"):
        model.fit(X, y_for(cls))
    if cls is MLPClassifier:
        worse, better = (log_loss(LABELS, m.predict_proba(X)) for m in (start, model))
    else:
        worse, better = (-m.score(X, NUMBERS) for m in (start, model))
    assert better <= worse + 1e-3


@unconverged
def test_training_goes_on_after_a_divergence_with_warm_start(cls):
    model = small(cls, solver="sgd", learning_rate_init=10, alpha=10.0, max_iter=20, batch_size=20)
    n = model.set_params(warm_start=True, activation="tanh").fit(X, y_for(cls)).n_iter_
    assert n < 20
    model.set_params(learning_rate_init=1e-3).fit(X, y_for(cls))
    assert len(model.loss_curve_) == n + model.n_iter_
    assert model.loss_ < model.loss_curve_[n]


# The end of the epochs ----------------------------------------------------------------------------


@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
@pytest.mark.parametrize(
    "ratio, scaled", [(500.0, False), (3000.0, False), (1e6, False), (1e6, True)]
)
def test_an_early_end_names_the_scales_of_the_columns_without_normalize_x(
    cls, solver, ratio, scaled
):
    Z, hint = X / X.std(axis=0), ratio > 1000 and not scaled
    Z[:, 2] *= ratio
    with pytest.warns(ConvergenceWarning) as record:
        small(cls, solver=solver, max_iter=2, normalize_X=scaled).fit(Z, y_for(cls))
    message = only_warning(record)
    assert "failed to converge" in message or "Maximum iterations (2) reached" in message
    factor = re.search(r"differ in scale by a factor of ([\d.e+]+)", message)
    assert (factor is not None) == hint
    if hint:
        assert float(factor[1]) == pytest.approx(ratio, rel=0.05)
        assert "StandardScaler" in message


@pytest.mark.parametrize("schedule", ANNEALING)
@pytest.mark.parametrize("solver", ["adam", "sgd"])
def test_a_schedule_that_ends_at_max_iter_is_no_lack_of_convergence_of_learning_rate(
    cls, schedule, solver
):
    model = small(cls, solver=solver, learning_rate=schedule)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.fit(X, y_for(cls))
    assert model.n_iter_ == 6


@pytest.mark.parametrize("schedule", sorted({*SCHEDULES} - {*ANNEALING}))
def test_other_schedules_warn_at_max_iter_of_learning_rate(cls, schedule):
    with pytest.warns(ConvergenceWarning, match=r"Maximum iterations \(6\) reached"):
        small(cls, learning_rate=schedule).fit(X, y_for(cls))


# Ctrl-C -----------------------------------------------------------------------------------------


class Recorder(Callback):
    """A callback that remembers the epochs, and does what it is told at the end of one."""

    def __init__(self, action=None, epoch=None):
        self.action, self.epoch, self.seen, self.models, self.tasks = action, epoch, 0, [], []

    def teardown(self, estimator, context):
        self.tasks.append("teardown")

    def on_fit_task_begin(self, estimator, context):
        self.tasks.append(f"begin {context.task_name}")

    def on_fit_task_end(self, estimator, context, *, fitted_estimator=None):
        self.tasks.append(f"end {context.task_name}")
        if context.task_name != "epoch":
            return False
        self.seen += 1
        self.models.append(fitted_estimator)
        if self.seen != self.epoch:
            return False
        return self.action()


@pytest.mark.parametrize("solver", ["adam", "sgd", "lbfgs"])
@pytest.mark.parametrize("k", [1, 3])
def test_an_interrupt_keeps_what_was_learned(cls, solver, k):
    model = small(cls, solver=solver, max_iter=20).set_callbacks(Recorder(interrupt, k))
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, y_for(cls))
    assert model.n_iter_ == len(model.loss_curve_) == k
    with pytest.warns(ConvergenceWarning):
        until = small(cls, solver=solver, max_iter=k).fit(X, y_for(cls))
    assert_array_equal(model.predict(X), until.predict(X))


@pytest.mark.parametrize("early_stopping", [False, True])
def test_an_interrupt_within_an_epoch(cls, early_stopping, monkeypatch):
    step, calls = Trainer.step, []

    def broken(self, *args):
        calls.append(1)
        if len(calls) == 14:  # of 5 an epoch
            raise KeyboardInterrupt
        return step(self, *args)

    monkeypatch.setattr(Trainer, "step", broken)
    model = small(cls, batch_size=20, early_stopping=early_stopping)
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, y_for(cls))
    assert model.n_iter_ == len(model.loss_curve_) == 2
    assert np.isfinite(model.predict(X)).all()


@pytest.mark.parametrize("warm_start", [False, True])
def test_an_interrupt_before_the_first_epoch_is_over(cls, warm_start, monkeypatch):
    with monkeypatch.context() as m:
        m.setattr(Trainer, "step", lambda *args: interrupt())
        model = small(cls, warm_start=warm_start)
        with pytest.raises(KeyboardInterrupt):
            model.fit(X, y_for(cls))
    assert np.isfinite(model.predict(X)).all()
    assert model.n_iter_ == 0
    with pytest.warns(ConvergenceWarning):
        model.fit(X, y_for(cls))
    assert model.n_iter_ == 6


def test_an_interrupt_of_partial_fit(cls, monkeypatch):
    more = {"classes": [0, 1]} if cls is MLPClassifier else {}
    model = small(cls, batch_size=20, dropout=0.2).partial_fit(X, y_for(cls), **more)
    undisturbed = copy.deepcopy(model)
    step, calls = Trainer.step, []

    def broken(self, *args):
        calls.append(1)
        return interrupt() if len(calls) == 3 else step(self, *args)

    with monkeypatch.context() as m:
        m.setattr(Trainer, "step", broken)
        with pytest.raises(KeyboardInterrupt):
            model.partial_fit(X, y_for(cls))
    for _ in range(3):
        assert_array_equal(values(model), values(undisturbed))
        assert model.loss_curve_ == undisturbed.loss_curve_
        assert (model.n_iter_, model.t_) == (undisturbed.n_iter_, undisturbed.t_)
        for one in (model, undisturbed):
            one.partial_fit(X, y_for(cls))


@pytest.mark.parametrize("after", [8, 15])
def test_an_interrupt_of_lbfgs_within_an_iteration(cls, after, monkeypatch):
    from skdnn.engine.lbfgs import FullObjective

    evaluate, calls = FullObjective.__call__, []

    def broken(self, theta):
        calls.append(1)
        return interrupt() if len(calls) == after else evaluate(self, theta)

    monkeypatch.setattr(FullObjective, "__call__", broken)
    model = small(cls, solver="lbfgs", max_iter=50)
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, y_for(cls))
    monkeypatch.undo()
    with pytest.warns(ConvergenceWarning):
        until = small(cls, solver="lbfgs", max_iter=model.n_iter_).fit(X, y_for(cls))
    assert_allclose(model.predict(X), until.predict(X))


# Schedules --------------------------------------------------------------------------------------


@pytest.mark.slow
@unconverged
@pytest.mark.parametrize("solver", MINIBATCH_SOLVERS)
@pytest.mark.parametrize("schedule", sorted(SCHEDULES))
@pytest.mark.parametrize("warmup", [0.0, 0.3])
def test_every_schedule_with_every_solver(solver, schedule, warmup):
    if rises(schedule):
        warmup = 0.0
    parameters = {"solver": solver, "learning_rate": schedule, "warmup": warmup}
    model = small(MLPClassifier, learning_rate_init=0.01, batch_size=50, **parameters)
    rates = model.fit(X, LABELS).history_["learning_rate"]
    assert np.isfinite(rates).all()
    assert min(rates) >= 0
    assert max(rates) <= 0.01
    bit_by_bit = small(MLPClassifier, learning_rate_init=0.01, batch_size=50, **parameters)
    for _ in range(6):
        bit_by_bit.partial_fit(X, LABELS, classes=[0, 1])
    assert bit_by_bit.history_["learning_rate"] == rates
    assert_array_equal(values(bit_by_bit), values(model))


RATES = {  # of the last of 4 steps an epoch, over 8 epochs
    "constant": lambda p, t: 1.0,
    "exponential": lambda p, t: 10 ** (-2 * p),
    "step": lambda p, t: [1.0, 0.1, 0.01][(p >= 0.5) + (p >= 0.75)],
    "cosine": lambda p, t: math.cos(math.pi * p / 2) ** 2,
    "coslog4": lambda p, t: math.sin(math.pi * math.log2(1 + 15 * p)) ** 2,
    "invscaling": lambda p, t: (t / 10_000 + 1) ** -0.5,  # with an adaptive solver
}


@unconverged
@pytest.mark.parametrize("schedule", RATES)
def test_the_history_shows_the_schedule_of_learning_rate(cls, schedule):
    model = small(
        cls, learning_rate=schedule, learning_rate_init=0.02, batch_size=25, max_iter=8, tol=0.0
    ).fit(X, y_for(cls))
    expected = [0.02 * RATES[schedule]((k + 0.75) / 8, 100 * k) for k in range(8)]
    assert_allclose(model.history_["learning_rate"], expected, rtol=1e-9, atol=1e-15)


def test_warm_up_rises_and_one_cycle_peaks(cls):
    def rates(**parameters):
        model = small(cls, max_iter=20, learning_rate_init=1.0, batch_size=25, **parameters)
        model.set_params(n_iter_no_change=np.inf)  # hardly anything is learned
        return model.set_params(clip_norm=1e-6).fit(X, y_for(cls)).history_["learning_rate"]

    rising = rates(learning_rate="cosine", warmup=0.5)
    assert_allclose(rising[:10], (np.arange(10) + 0.75) / 10)
    assert np.all(np.diff(rising[10:]) < 0)
    cycle = rates(learning_rate="one_cycle")
    assert np.argmax(cycle) in (5, 6)
    assert cycle[-1] < 0.02 * cycle[0]


def test_the_adaptive_rule_divides_by_five_the_learning_rate():
    model = small(
        MLPClassifier, solver="sgd", learning_rate="adaptive", learning_rate_init=0.5, tol=0.1,
        n_iter_no_change=2, max_iter=500,
    ).fit(X, LABELS)  # fmt: skip
    rates = np.array(model.history_["learning_rate"])
    falls = rates[1:][np.diff(rates) != 0] / rates[:-1][np.diff(rates) != 0]
    assert_allclose(falls, 0.2)
    assert rates[-1] <= 1e-6 < rates[-1] * 5
    assert model.n_iter_ < 500


@unconverged
def test_a_schedule_may_be_an_object_as_learning_rate(cls):
    by_name = small(cls, learning_rate="cosine").fit(X, y_for(cls))
    as_object = small(cls, learning_rate=schedules.Cosine()).fit(X, y_for(cls))
    assert_array_equal(values(as_object), values(by_name))
    constant = small(cls, learning_rate=lambda progress, n: 0.5, learning_rate_init=0.02)
    half = small(cls, learning_rate_init=0.01).fit(X, y_for(cls))
    assert_array_equal(values(constant.fit(X, y_for(cls))), values(half))


# Precision --------------------------------------------------------------------------------------


@unconverged
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("solver", ["adam", "sgd", "lbfgs"])
@pytest.mark.parametrize("given", [np.float32, np.float64])
def test_the_parameter_dtype_decides(cls, dtype, solver, given):
    model = small(cls, solver=solver, dtype=dtype, batch_norm=True).fit(X.astype(given), y_for(cls))
    expected = np.float64 if solver == "lbfgs" else np.dtype(dtype)
    assert {a.dtype for a in (*model.coefs_, *model.intercepts_)} == {np.dtype(expected)}


@unconverged
def test_both_precisions_agree_with_dtype(cls):
    single, double = (small(cls, dtype=d).fit(X, y_for(cls)) for d in ("float32", "float64"))
    assert_allclose(single.loss_curve_, double.loss_curve_, rtol=1e-4)
    assert_allclose(single.coefs_[0], double.coefs_[0], atol=1e-4)


# Size -------------------------------------------------------------------------------------------


def pickled(model):
    return len(pickle.dumps(model))


def without_history(model):
    """Return the size of the model once its lists are cut to one entry."""
    model = pickle.loads(pickle.dumps(model))
    for column in model.history_.values():
        del column[1:]
    return pickled(model)


def test_only_the_history_grows_with_partial_fit(cls):
    model = small(cls, dropout=0.1, batch_norm=True)
    more = {"classes": [0, 1]} if cls is MLPClassifier else {}
    sizes = {}
    for k in range(1, 201):
        model.partial_fit(X, y_for(cls), **more)
        if k in (10, 200):
            sizes[k] = without_history(model)
    assert sizes[200] <= sizes[10] + 200
    assert len(model.loss_curve_) == 200
    assert model.n_iter_ == 1


SIZES = {
    "default": {"hidden_layer_sizes": (100,)},
    "200 epochs": {"max_iter": 200, "tol": 0.0, "n_iter_no_change": np.inf},
    "early stopping": {"early_stopping": True, "max_iter": 50},
    "batch norm": {"batch_norm": True, "hidden_layer_sizes": (64, 64), "dropout": 0.1},
    "large": {"hidden_layer_sizes": (400, 400), "max_iter": 2},
    "large, early stopping": {
        "hidden_layer_sizes": (400, 400), "max_iter": 2, "early_stopping": True
    },
    "lbfgs": {"solver": "lbfgs", "hidden_layer_sizes": (100, 100)},
}  # fmt: skip


@unconverged
@pytest.mark.parametrize("parameters", SIZES.values(), ids=SIZES)
def test_a_pickled_model_is_little_more_than_its_weights(cls, parameters):
    model = small(cls, **parameters).fit(X, y_for(cls))
    weights = sum(a.nbytes for a in (*model.coefs_, *model.intercepts_))
    assert pickled(model) <= 1.3 * weights + 20_000
    again = pickle.loads(pickle.dumps(model))
    assert_array_equal(again.predict(X), model.predict(X))
    assert again.history_ == model.history_


@unconverged
def test_a_warm_start_carries_the_optimizer_along(cls):
    cold, warm = (
        small(cls, hidden_layer_sizes=(100, 100), warm_start=warm_start).fit(X, y_for(cls))
        for warm_start in (False, True)
    )
    weights = sum(a.nbytes for a in (*cold.coefs_, *cold.intercepts_))
    assert pickled(warm) > pickled(cold) + 1.9 * weights  # Adam's two moments
    again = pickle.loads(pickle.dumps(warm))
    for model in (warm, again):
        model.fit(X, y_for(cls))
    assert_array_equal(values(again), values(warm))
    whole = small(cls, hidden_layer_sizes=(100, 100), max_iter=12).fit(X, y_for(cls))
    assert_array_equal(values(again), values(whole))


PEAK = """
    import resource, sys
    import numpy as np
    from skdnn import MLPRegressor

    rng = np.random.default_rng(0)
    X = rng.standard_normal((500, 50))
    model = MLPRegressor(hidden_layer_sizes=(512, 512), max_iter=1, learning_rate="cosine")
    model.fit(X, X[:, 0]).predict(X)
    X = rng.standard_normal((1_000_000, 50), dtype=sys.argv[1])
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    model.predict(X)
    print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024)
"""


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_prediction_needs_little_memory(dtype):
    pytest.importorskip("resource")
    code = textwrap.dedent(PEAK)
    run = subprocess.run([sys.executable, "-c", code, dtype], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    assert float(run.stdout) < 50.0


# Callbacks --------------------------------------------------------------------------------------


@unconverged
@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
@pytest.mark.parametrize("early_stopping", [False, True])
def test_a_scoring_monitor_logs_a_row_an_epoch(cls, solver, early_stopping):
    scoring = "neg_log_loss" if cls is MLPClassifier else "neg_mean_absolute_error"
    monitor, recorder = ScoringMonitor(scoring=scoring), Recorder()
    model = small(cls, solver=solver, early_stopping=early_stopping)
    model.set_callbacks(monitor, recorder).fit(X, y_for(cls))
    rows = [row for row in monitor.get_logs().data if row["task_name"] == "epoch"]
    assert len(rows) == model.n_iter_
    scorer = get_scorer(scoring)
    by_hand = [scorer(m, X, y_for(cls)) for m in recorder.models]
    assert_allclose([row[scoring] for row in rows], by_hand)
    assert len(set(by_hand)) == model.n_iter_
    (whole,) = [row for row in monitor.get_logs().data if row["task_name"] == "fit"]
    assert whole[scoring] == pytest.approx(scorer(model, X, y_for(cls)))


@unconverged
@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_the_monitor_sees_the_models_of_shorter_trainings(cls, solver):
    recorder = Recorder()
    small(cls, solver=solver).set_callbacks(recorder).fit(X, y_for(cls))
    for k, seen in enumerate(recorder.models, start=1):
        until = small(cls, solver=solver, max_iter=k).fit(X, y_for(cls))
        assert_allclose(seen.predict(X), until.predict(X), rtol=1e-6)
        assert seen.n_iter_ == len(seen.loss_curve_) == len(seen.history_["loss"]) == k


@unconverged
def test_callbacks_do_not_change_the_training(cls):
    watched = small(cls).set_callbacks(Recorder(), ScoringMonitor(scoring=["r2"]))
    assert_array_equal(values(watched.fit(X, y_for(cls))), values(small(cls).fit(X, y_for(cls))))


@unconverged
def test_callbacks_are_told_of_every_task_in_order(cls):
    recorder = Recorder()
    small(cls, max_iter=2).set_callbacks(recorder).fit(X, y_for(cls))
    epochs = ["begin epoch", "end epoch"] * 2
    assert recorder.tasks == ["begin fit", *epochs, "end fit", "teardown"]


@pytest.mark.parametrize("solver", ["adam", "sgd", "lbfgs"])
def test_a_callback_may_stop_the_training(cls, solver):
    model = small(cls, solver=solver, max_iter=50).set_callbacks(Recorder(lambda: True, 3))
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # it was asked for: nothing to warn of
        model.fit(X, y_for(cls))
    assert model.n_iter_ == 3
    with pytest.warns(ConvergenceWarning):
        until = small(cls, solver=solver, max_iter=3).fit(X, y_for(cls))
    assert_allclose(model.predict(X), until.predict(X), rtol=1e-6)


@unconverged
@pytest.mark.parametrize("n_jobs", [1, 2])
def test_callbacks_under_a_grid_search(cls, n_jobs):
    scoring = "accuracy" if cls is MLPClassifier else "r2"
    monitor = ScoringMonitor(scoring=scoring)
    net = small(cls, max_iter=3).set_callbacks(monitor)
    search = GridSearchCV(net, {"alpha": [0.1, 1.0]}, cv=2, n_jobs=n_jobs)
    with redirect_stdout(io.StringIO()):
        search.set_callbacks(ProgressBar()).fit(X, y_for(cls))
    logs = monitor.get_logs(select="all")
    rows = [row for log in logs for row in log.data if row["task_name"] == "epoch"]
    assert len(rows) == 3 * (2 * 2 + 1)  # candidates × folds, and the refit
    assert all(np.isfinite(row[scoring]) for row in rows)


@unconverged
@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_a_progress_bar(cls, solver, capsys):
    small(cls, solver=solver, max_iter=3).set_callbacks(ProgressBar()).fit(X, y_for(cls))
    shown = capsys.readouterr().out
    assert cls.__name__ in shown
    assert "100%" in shown


@unconverged
@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_verbose_prints_the_numbers_of_every_epoch(cls, solver, capsys):
    model = small(cls, solver=solver, verbose=True, early_stopping=True).fit(X, y_for(cls))
    lines = capsys.readouterr().out.strip().splitlines()
    assert len(lines) == 3 * model.n_iter_
    columns = model.history_
    for k, (line, score, new) in enumerate(zip(lines[::3], lines[1::3], lines[2::3], strict=True)):
        assert line == f"Iteration {k + 1}, loss = {model.loss_curve_[k]:.8f}"
        assert score == f"Validation score: {model.validation_scores_[k]:f}"
        assert f"(validation objective: {columns['validation_loss'][k]:.8g}, " in new
        rate, seconds = (columns[name][k] for name in ("learning_rate", "seconds"))
        assert new.endswith(f"learning rate: {rate:.4g}, seconds: {seconds:.3g})")
    small(cls, solver=solver).fit(X, y_for(cls))
    assert capsys.readouterr().out == ""


def form(line):
    """Return a line with its numbers left out."""
    return re.sub(r"-?\d+(\.\d+)?(e-\d+)?", "0", line)


@unconverged
@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"early_stopping": True},
        {"tol": 10.0, "n_iter_no_change": 2, "max_iter": 20},
        {"tol": 10.0, "n_iter_no_change": 2, "max_iter": 20, "early_stopping": True},
        {"tol": 10.0, "n_iter_no_change": 1, "max_iter": 60, "learning_rate": "adaptive"},
    ],
    ids=str,
)
def test_scikit_learns_lines_are_there_for_programs_that_read_them(cls, parameters, capsys):
    theirs = PEER[cls]
    parameters = {"solver": "sgd", "verbose": True} | parameters
    small(theirs, **parameters).fit(X, y_for(cls))
    expected = [form(line) for line in capsys.readouterr().out.splitlines()]
    model = small(cls, **parameters).fit(X, y_for(cls))
    lines = capsys.readouterr().out.splitlines()
    printed = [form(line) for line in lines if not line.startswith(" ")]
    assert printed == expected
    curve = [float(line.split("loss = ")[-1]) for line in lines if "loss = " in line]
    assert_allclose(curve, model.loss_curve_, atol=5e-9)
    scores = [float(line.split(":")[1]) for line in lines if line.startswith("Validation score:")]
    assert_allclose(scores, model.validation_scores_ or [], atol=5e-7)
    assert not any("loss" in line for line in lines if line.startswith(" "))


# The rest ---------------------------------------------------------------------------------------


@unconverged
@pytest.mark.parametrize("parameters", [{}, {"solver": "lbfgs"}, {"early_stopping": True}])
def test_fit_starts_anew(cls, parameters):
    A, b = make_regression(60, 3, random_state=0)
    model = small(cls, **parameters).fit(A, b if cls is MLPRegressor else b > 0)
    model.fit(X, y_for(cls))
    fresh = small(cls, **parameters).fit(X, y_for(cls))
    assert_array_equal(values(model), values(fresh))
    assert model.loss_curve_ == fresh.loss_curve_
    assert model.n_features_in_ == 6


@pytest.mark.parametrize("schedule", [Cosine(), Exponential(0.1), WarmUp(0.2, Cosine())])
def test_a_schedule_object_that_anneals_ends_without_a_warning_as_learning_rate(schedule):
    model = small(MLPClassifier, max_iter=3, learning_rate=schedule)
    rates = model.fit(X, y_for(MLPClassifier)).history_["learning_rate"]
    assert rates[-1] < max(rates)
    with pytest.warns(ConvergenceWarning, match="Maximum iterations"):
        small(MLPClassifier, max_iter=3, learning_rate=Constant()).fit(X, y_for(MLPClassifier))
