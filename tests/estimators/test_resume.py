"""Training that goes on: warm starts, bit by bit, after a change of mind, after an error."""

import warnings
from functools import partial

import numpy as np
import pytest
from estimator_cases import LABELS, X, small_network, y_for
from numpy.testing import assert_allclose, assert_array_equal
from sklearn import config_context
from sklearn.exceptions import ConvergenceWarning

from skdnn import MLPClassifier, MLPRegressor
from skdnn.engine.training import Trainer

unconverged = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

small = partial(small_network, max_iter=4)


def classes_for(cls):
    return {"classes": [0, 1]} if cls is MLPClassifier else {}


# The best so far ----------------------------------------------------------------------------------


@unconverged
@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({"early_stopping": True}, {"scoring": "loss"}),
        ({"early_stopping": True, "scoring": "loss"}, {"scoring": None}),
        ({"early_stopping": True}, {"early_stopping": False}),
        ({}, {"early_stopping": True}),
        ({"early_stopping": True, "scoring": "loss"}, {"loss": "other"}),
        ({}, {"loss": "other"}),
    ],
)
def test_scores_of_something_else_do_not_compete(cls, first, second):
    """A best score of the first call would be out of reach of, or unfair to, the second."""
    if "loss" in second:
        second = {"loss": "squared_error" if cls is MLPClassifier else "huber"}
    model = small(cls, warm_start=True, **first).fit(X, y_for(cls))
    model.set_params(**second).fit(X, y_for(cls))
    assert 4 < model.best_iter_ <= 8
    if model.early_stopping:
        assert model.best_validation_score_ == max(model.validation_scores_[4:])
        assert model.best_loss_ is None
    else:
        assert model.best_loss_ == min(model.loss_curve_[4:])
        assert model.best_validation_score_ is None


@unconverged
def test_scores_of_the_same_compete_with_warm_start(cls):
    """… so that the test above is about the change."""
    model = small(cls, warm_start=True, learning_rate_init=0.01).fit(X, y_for(cls))
    best = model.best_loss_
    model.set_params(learning_rate_init=10.0, batch_size=20).fit(X, y_for(cls))
    assert min(model.loss_curve_[4:]) > best
    assert (model.best_loss_, model.best_iter_) == (best, 4)


@unconverged
def test_tol_and_n_iter_no_change_may_change_between_fits(cls):
    model = small_network(cls, warm_start=True, tol=0.0, n_iter_no_change=50).fit(X, y_for(cls))
    assert model.n_iter_ == 6  # max_iter, for every epoch improves by 0 at least
    model.set_params(tol=1e9, n_iter_no_change=2).fit(X, y_for(cls))
    assert model.n_iter_ == 3  # no epoch improves by so much
    model.set_params(tol=0.0, n_iter_no_change=50).fit(X, y_for(cls))
    assert model.n_iter_ == 6


@unconverged
def test_the_best_loss_is_that_of_the_whole_history_when_partial_fit_goes_on(cls):
    model = small(cls, max_iter=30, learning_rate_init=0.02, batch_size=20).fit(X, y_for(cls))
    best, epoch = model.best_loss_, model.best_iter_
    model.set_params(learning_rate_init=10.0)  # only worse epochs follow
    for k in range(1, 4):
        model.partial_fit(X, y_for(cls))
        assert len(model.loss_curve_) == 30 + k
        assert model.best_loss_ <= min(model.loss_curve_)
    assert min(model.loss_curve_[30:]) > best
    assert (model.best_loss_, model.best_iter_) == (best, epoch)


# Changes on the way -------------------------------------------------------------------------------


def test_a_schedule_at_its_end_says_that_nothing_is_learned(cls):
    model = small(cls, learning_rate="cosine", warm_start=True).fit(X, y_for(cls))
    before = model._network.parameters.values.copy()
    with pytest.warns(UserWarning, match=r"'cosine' is at its end after 4 epochs") as record:
        model.fit(X, y_for(cls))
    assert len(record) == 1
    assert_array_equal(model._network.parameters.values, before)
    model.set_params(max_iter=16).fit(X, y_for(cls))  # as the warning says
    assert model.history_["learning_rate"][8] > 0
    assert not np.array_equal(model._network.parameters.values, before)


@unconverged
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_rows_in_their_order_from_the_next_call_on(cls, method):
    """Without shuffling, whatever the generator, the next epoch is the same."""
    ends = []
    for draws in (0, 7):
        model = small(cls, warm_start=True, batch_size=20).fit(X, y_for(cls))
        model._run.trainer.shuffling.random(draws)
        model.set_params(shuffle=False)
        for _ in range(2):
            getattr(model, method)(X, y_for(cls))
        ends.append(model._network.parameters.values.copy())
    assert_array_equal(*ends)


@unconverged
def test_rows_are_shuffled_by_the_generator_in_later_calls(cls):
    """The test above would hold of a training that does not depend on the order at all."""
    ends = []
    for draws in (0, 7):
        model = small(cls, warm_start=True, batch_size=20).fit(X, y_for(cls))
        model._run.trainer.shuffling.random(draws)
        ends.append(model.fit(X, y_for(cls))._network.parameters.values.copy())
    assert not np.array_equal(*ends)


@unconverged
def test_from_single_to_double_precision(cls):
    single = small(cls, warm_start=True, batch_size=30).fit(X, y_for(cls))
    weights = [W.copy() for W in single.coefs_]
    assert weights[0].dtype == np.float32
    model = single.set_params(dtype="float64").fit(X, y_for(cls))
    trainer = model._run.trainer
    assert trainer.network.dtype == np.float64
    assert all(moment.dtype == np.float64 for moment in trainer.state.moments)
    assert all(W.dtype == np.float64 for W in model.coefs_)
    assert not any(np.array_equal(W, V) for W, V in zip(model.coefs_, weights, strict=True))
    assert model.loss_curve_[4] < model.loss_curve_[0]  # it began where the first call ended
    assert len(model.loss_curve_) == 8
    assert model.predict(X).dtype == (LABELS.dtype if cls is MLPClassifier else np.float64)


@pytest.mark.parametrize("value", [0.01, 1])
def test_a_number_as_learning_rate_between_calls(cls, value):
    model = small(cls).partial_fit(X, y_for(cls), **classes_for(cls))
    before = model._network.parameters.values.copy()
    model.set_params(learning_rate=value)
    with pytest.raises(ValueError, match=f"learning_rate_init={value}"):
        model.partial_fit(X, y_for(cls))
    assert_array_equal(model._network.parameters.values, before)
    assert len(model.loss_curve_) == 1


@pytest.mark.parametrize(
    "change",
    [
        {"learning_rate_init": 5.0},
        {"alpha": 100.0},
        {"solver": "sgd", "learning_rate_init": 5.0},
        {"weight_decay": 0.5, "clip_norm": 0.1},
        {"dtype": "float64"},
    ],
    ids=str,
)
def test_a_failed_partial_fit_leaves_the_training_as_it_was(cls, change):
    """The parameters of a call that fails for its data do not stay behind in the training."""
    failed, other = (small(cls).partial_fit(X, y_for(cls), **classes_for(cls)) for _ in range(2))
    before = {name: failed.get_params()[name] for name in change}
    descent = failed._run.trainer.descent
    failed.set_params(**change)
    for X_bad, y_bad in [(X[:, :2], y_for(cls)), (X, y_for(cls)[:5]), (X * np.nan, y_for(cls))]:
        with pytest.raises(ValueError):
            failed.partial_fit(X_bad, y_bad)
        assert failed._run.trainer.descent == descent
    failed.set_params(**before)
    for model in (failed, other):
        model.partial_fit(X, y_for(cls))
    assert_array_equal(failed._network.parameters.values, other._network.parameters.values)
    assert failed.loss_curve_ == other.loss_curve_


# Targets of chunks --------------------------------------------------------------------------------


def test_a_chunk_of_zeros_and_ones_may_be_of_more_classes():
    Y = np.column_stack([np.arange(120) % 3, np.arange(120) // 2 % 3])
    first = (Y < 2).all(axis=1)
    model = small(MLPClassifier, learning_rate_init=0.02)
    model.partial_fit(X[first], Y[first], classes=[[0, 1, 2], [0, 1, 2]])
    assert [classes.tolist() for classes in model.classes_] == [[0, 1, 2], [0, 1, 2]]
    X_of_Y = np.column_stack([k == Y for k in range(3)]).astype(float)[:, :5]
    for _ in range(200):
        model.partial_fit(X_of_Y, Y)
    P = model.predict_proba(X_of_Y)
    assert [P_j.shape for P_j in P] == [(120, 3), (120, 3)]
    assert model.score(X_of_Y, Y) == 1.0
    assert set(model.predict(X_of_Y).ravel()) == {0, 1, 2}


@pytest.mark.slow
@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
@pytest.mark.parametrize("at", [1, 4])
@pytest.mark.parametrize(
    "change",
    [
        {"loss": {MLPClassifier: "hinge", MLPRegressor: "huber"}}, {"dtype": "float64"},
        {"solver": "sgd"}, {"activation": "tanh"}, {"tol": 1.0, "alpha": 1.0}, {"dropout": 0.5},
        {"learning_rate": lambda progress, n_samples: 0.5, "learning_rate_init": 1.0},
    ],
    ids=lambda change: ", ".join(change),
)  # fmt: skip
def test_a_failed_change_of_mind_leaves_the_training_as_it_was(cls, change, at, error, monkeypatch):
    """What a partial_fit with other parameters had begun to change is undone with the rest."""
    change = {k: v[cls] if isinstance(v, dict) else v for k, v in change.items()}
    failed, other = (small(cls, batch_size=20, learning_rate_init=0.05) for _ in range(2))
    for model in (failed, other):
        for _ in range(3):
            model.partial_fit(X, y_for(cls), **classes_for(cls))
    step, calls = Trainer.step, []

    def broken(self, *args):
        calls.append(1)
        if len(calls) == at:
            raise error
        return step(self, *args)

    with monkeypatch.context() as m:
        m.setattr(Trainer, "step", broken)
        before = failed.get_params()
        with pytest.raises(error):
            failed.set_params(**change).partial_fit(X, y_for(cls))
    failed.set_params(**before)
    for model in (failed, other):
        for _ in range(2):
            model.partial_fit(X, y_for(cls))
    assert_array_equal(failed.predict(X), other.predict(X))
    assert failed.loss_curve_ == other.loss_curve_
    assert (failed.best_loss_, failed.best_iter_) == (other.best_loss_, other.best_iter_)


@pytest.mark.parametrize(
    "change",
    [
        {"alpha": -1.0}, {"loss": "no such loss"}, {"momentum": 1.5}, {"learning_rate_init": 0.0},
        {"batch_size": 0}, {"clip_norm": -1.0}, {"shuffle": "yes"}, {"tol": np.nan},
    ],
    ids=lambda change: ", ".join(change),
)  # fmt: skip
@pytest.mark.parametrize("first", ["fit", "partial_fit"])
def test_what_was_set_between_two_calls_of_partial_fit_is_validated(cls, first, change):
    """scikit-learn looks in the first call only."""
    model = small(cls, solver="sgd")
    if first == "fit":
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            model.fit(X, y_for(cls))
    else:
        model.partial_fit(X, y_for(cls), **classes_for(cls))
    for _ in range(2):
        model.partial_fit(X, y_for(cls))
    valid, predicted = model.get_params(), model.predict(X)
    for _ in range(2):
        with pytest.raises(ValueError, match=next(iter(change))):
            model.set_params(**change).partial_fit(X, y_for(cls))
    assert_array_equal(model.predict(X), predicted)
    model.set_params(**valid).partial_fit(X, y_for(cls))
    with config_context(skip_parameter_validation=True):
        model.set_params(tol=-1.0).partial_fit(X, y_for(cls))


def test_a_chunk_may_lack_a_class_with_warm_start():
    y = np.arange(120) % 3
    warm, cold = (small(MLPClassifier, warm_start=w) for w in (True, False))
    for model in (warm, cold):
        model.partial_fit(X, y, classes=[0, 1, 2])
        model.partial_fit(X[y < 2], y[y < 2])
        model.partial_fit(X[y == 2], y[y == 2])
    assert_array_equal(warm.classes_, [0, 1, 2])
    assert warm.loss_curve_ == cold.loss_curve_
    assert_array_equal(warm._network.parameters.values, cold._network.parameters.values)


# Prediction after a change of mind ----------------------------------------------------------------


@unconverged
@pytest.mark.parametrize(
    ("fitted", "other"),
    [("poisson", "squared_error"), ("gamma", "huber"), ("squared_error", "poisson")],
)
def test_the_fitted_loss_predicts(fitted, other):
    y = np.exp(0.5 * X[:, 0]) + 0.1
    model = small(MLPRegressor, loss=fitted).fit(X, y)
    expected = model.predict(X)
    S = X @ model.coefs_[0] + model.intercepts_[0]
    S = (np.maximum(S, 0) @ model.coefs_[1] + model.intercepts_[1]).ravel()
    by_hand = S if fitted == "squared_error" else np.exp(S)
    assert_allclose(expected, by_hand, rtol=1e-4, atol=1e-5)
    model.set_params(loss=other)
    assert_array_equal(model.predict(X), expected)


@unconverged
@pytest.mark.parametrize("scoring", [None, "neg_mean_absolute_error"])
@pytest.mark.parametrize("loss", ["poisson", "gamma"])
def test_a_deviance_is_stopped_by_the_score_of_the_prediction(loss, scoring):
    y = np.exp(0.5 * X[:, 0]) + 0.1
    model = small(
        MLPRegressor, loss=loss, early_stopping=True, scoring=scoring, learning_rate_init=0.02
    )
    model.fit(X[:80], y[:80], X_val=X[80:], y_val=y[80:])
    if scoring is None:
        expected = model.score(X[80:], y[80:])
    else:
        expected = -np.abs(model.predict(X[80:]) - y[80:]).mean()
    assert_allclose(model.best_validation_score_, expected, rtol=1e-5)


# An interrupt -------------------------------------------------------------------------------------


@pytest.mark.parametrize("at", [3, 12])
@pytest.mark.parametrize("warm_start", [False, True])
def test_an_interrupt_of_a_diverging_epoch_keeps_finite_parameters(
    cls, warm_start, at, monkeypatch
):
    """Of 6 steps an epoch, one makes the parameters infinite and the next is interrupted."""
    step, calls = Trainer.step, []

    def broken(self, *args):
        calls.append(1)
        if len(calls) == at:
            raise KeyboardInterrupt
        value = step(self, *args)
        if len(calls) == at - 1:
            self.network.parameters.values[:] = np.inf
        return value

    model = small(cls, batch_size=20, warm_start=warm_start)
    with monkeypatch.context() as m:
        m.setattr(Trainer, "step", broken)
        with pytest.raises(KeyboardInterrupt):
            model.fit(X, y_for(cls))
    assert len(calls) == at
    assert np.isfinite(model._network.parameters.values).all()
    if at > 6:  # one epoch was over: its parameters are those that stay
        with pytest.warns(ConvergenceWarning):
            until = small(cls, batch_size=20, max_iter=1).fit(X, y_for(cls))
        assert_array_equal(model.predict(X), until.predict(X))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", category=ConvergenceWarning)
        warnings.filterwarnings("ignore", "A training that was cut short after 1 epochs is dropped")
        model.fit(X, y_for(cls))
    assert np.isfinite(model.loss_curve_).all()


# Statistics of L-BFGS -----------------------------------------------------------------------------


@unconverged
@pytest.mark.parametrize("max_iter", [1, 7, 200])
def test_running_statistics_after_lbfgs_are_those_of_the_data_with_batch_norm(cls, max_iter):
    model = small(
        cls, solver="lbfgs", batch_norm=True, hidden_layer_sizes=(6, 4), max_iter=max_iter,
        activation="tanh", alpha=0.1,
    ).fit(X, y_for(cls))  # fmt: skip
    layers, Z = model._network.layers, X
    for dense, norm in ((layers[0], layers[1]), (layers[3], layers[4])):
        S = Z @ dense.W + dense.b
        assert_allclose(norm.mean, S.mean(axis=0), rtol=1e-9, atol=1e-12)
        assert_allclose(norm.var, S.var(axis=0, ddof=1), rtol=1e-9)
        S_hat = (S - S.mean(axis=0)) / np.sqrt(S.var(axis=0) + norm.epsilon)  # as in training
        Z = np.tanh(S_hat * norm.gamma + norm.beta)
