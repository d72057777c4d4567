"""KeyboardInterrupt always leaves `fit` and `partial_fit`, and nothing learned is lost."""

import copy
import pickle
import signal
import threading
import time
import warnings
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest
from estimator_cases import by_class, small_network
from numpy.testing import assert_array_equal
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import make_classification
from sklearn.ensemble import BaggingClassifier, BaggingRegressor, StackingClassifier
from sklearn.feature_selection import SequentialFeatureSelector
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import (
    GridSearchCV,
    cross_val_predict,
    cross_val_score,
    learning_curve,
    validation_curve,
)
from sklearn.multiclass import OneVsRestClassifier
from sklearn.multioutput import MultiOutputRegressor

from skdnn import MLPClassifier, MLPRegressor
from skdnn.engine.activations import Tanh
from skdnn.engine.parameters import ParameterVector

X, LABELS = make_classification(
    90, 5, n_informative=4, n_redundant=0, n_classes=3, flip_y=0.1, random_state=0
)

pytestmark = pytest.mark.slow
NUMBERS = np.tanh(X[:, 0]) * 3 + X[:, 1]


@dataclass(frozen=True)
class Interrupting(Tanh):
    """Ctrl-C in a forward pass, that of a given number, wherever that is."""

    left: ClassVar[float] = np.inf

    def forward(self, S, X):
        Interrupting.left -= 1
        if Interrupting.left == 0:
            raise KeyboardInterrupt
        super().forward(S, X)


@pytest.fixture(autouse=True)
def nobody_interrupts():
    Interrupting.left = np.inf
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Stochastic Optimizer|lbfgs failed")
        yield


def net(cls, **parameters):
    batches = {} if parameters.get("solver") == "lbfgs" else {"batch_size": 30}
    return small_network(cls, **{"activation": Interrupting()} | batches | parameters)


y_for = by_class(LABELS, NUMBERS)


def interrupted(call, after):
    """Whether Ctrl-C in that forward pass leaves the call, which makes more of them."""
    Interrupting.left = after
    with pytest.raises(KeyboardInterrupt):
        call()
    reached, Interrupting.left = Interrupting.left == 0, np.inf
    return reached


# Whoever calls ------------------------------------------------------------------------------------


def own_loop(model, X, y):
    for _ in range(3):
        clone(model).fit(X, y)


CALLERS = {
    "cross_val_score": lambda model, X, y: cross_val_score(model, X, y, cv=3),
    "cross_val_predict": lambda model, X, y: cross_val_predict(model, X, y, cv=3),
    "learning_curve": lambda model, X, y: learning_curve(model, X, y, cv=3, train_sizes=[0.5, 1.0]),
    "validation_curve": lambda model, X, y: validation_curve(
        model, X, y, param_name="alpha", param_range=[0.1, 1.0], cv=2
    ),
    "grid search": lambda model, X, y: GridSearchCV(model, {"alpha": [0.1, 1.0]}, cv=2).fit(X, y),
    "feature selection": lambda model, X, y: SequentialFeatureSelector(model, cv=2).fit(X, y),
    "a loop of one's own": own_loop,
}
CALLERS_OF_CLASSIFIERS = {
    "bagging": lambda model, X, y: BaggingClassifier(model, 3).fit(X, y),
    "stacking": lambda model, X, y: StackingClassifier(
        [("net", model), ("line", LogisticRegression())]
    ).fit(X, y),
    "calibration": lambda model, X, y: CalibratedClassifierCV(model, cv=3).fit(X, y),
    "one against the rest": lambda model, X, y: OneVsRestClassifier(model).fit(X, y),
}
CALLERS_OF_REGRESSORS = {
    "bagging": lambda model, X, y: BaggingRegressor(model, 3).fit(X, y),
    "several outputs": lambda model, X, y: MultiOutputRegressor(model).fit(X, np.c_[y, -y, y**2]),
    "several outputs bit by bit": lambda model, X, y: MultiOutputRegressor(model).partial_fit(
        X, np.c_[y, -y, y**2]
    ),
}


@pytest.mark.parametrize("after", [1, 5, 11])
@pytest.mark.parametrize("solver", ["adam", "sgd", "lbfgs"])
@pytest.mark.parametrize("name", [*CALLERS, *CALLERS_OF_CLASSIFIERS, *CALLERS_OF_REGRESSORS])
def test_an_interrupt_ends_what_runs_the_fits(name, solver, after):
    if name == "several outputs bit by bit" and (solver == "lbfgs" or after > 5):
        pytest.skip("no partial_fit, or over by then")
    for cls, special in (
        (MLPClassifier, CALLERS_OF_CLASSIFIERS),
        (MLPRegressor, CALLERS_OF_REGRESSORS),
    ):
        callers = CALLERS | special
        if name in callers:
            model = net(cls, solver=solver)
            assert interrupted(lambda: callers[name](model, X, y_for(cls)), after)  # noqa: B023


# What is kept -------------------------------------------------------------------------------------


@pytest.mark.parametrize("early_stopping", [False, True])
@pytest.mark.parametrize("solver", ["adam", "sgd", "nadam", "lbfgs"])
@pytest.mark.parametrize("after", [5, 9, 11])
def test_what_was_learned_predicts_and_goes_on(cls, solver, early_stopping, after):
    """Of 3 forward passes an epoch with minibatches, and one more to validate."""
    y, more = y_for(cls), {"solver": solver, "early_stopping": early_stopping}
    model = net(cls, **more, max_iter=12, tol=0.0)
    assert interrupted(lambda: model.fit(X, y), after)
    assert 0 < model.n_iter_ < 12
    assert len(model.loss_curve_) == model.n_iter_
    assert {len(column) for column in model.history_.values()} == {model.n_iter_}
    assert model.t_ == model.n_iter_ * (81 if early_stopping else 90)
    assert np.isfinite(model.score(X, y))
    if early_stopping or solver == "lbfgs":  # whole epochs
        until = net(cls, **more, max_iter=model.n_iter_, tol=0.0).fit(X, y)
        assert_array_equal(model.predict(X), until.predict(X))
    for again in (model, pickle.loads(pickle.dumps(model)), copy.deepcopy(model)):
        again.set_params(warm_start=True).fit(X, y)
        assert len(again.loss_curve_) <= 12
        assert np.isfinite(again.loss_curve_).all()
        if not early_stopping and solver != "lbfgs":
            assert again.n_iter_ == len(again.loss_curve_) == 12


def facts(model):
    """Return all that a fit must not have touched."""
    numbers = [array.copy() for array in (*model.coefs_, *model.intercepts_)]
    return numbers, copy.deepcopy(model.history_), model.n_iter_, model.t_, model.predict(X)


@pytest.mark.parametrize("warm_start", [False, True])
@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
@pytest.mark.parametrize("after", [1, 2, 3])
def test_a_fitted_model_stays_as_it_was_before_an_epoch_is_over(cls, solver, warm_start, after):
    y = y_for(cls)
    model = net(cls, solver=solver, warm_start=warm_start).fit(X, y)
    before, undisturbed = facts(model), copy.deepcopy(model)
    if solver == "lbfgs":
        after = 1  # the second evaluation may be an iteration already
    assert interrupted(lambda: model.fit(X, y), after)
    np.testing.assert_equal(facts(model), before)
    np.testing.assert_equal(facts(model.fit(X, y))[0], facts(undisturbed.fit(X, y))[0])


def test_an_interrupt_while_a_score_is_computed(cls):
    y, calls = y_for(cls), []

    def scoring(estimator, X, y):
        calls.append(1)
        if len(calls) == 4:  # that of the third epoch: the first is before training
            raise KeyboardInterrupt
        return estimator.score(X, y)

    model = net(cls, early_stopping=True, scoring=scoring, warm_start=True, tol=0.0)
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, y)
    assert (model.n_iter_, model.t_, len(model.validation_scores_)) == (2, 2 * 81, 2)
    model.fit(X, y)
    assert len(model.loss_curve_) == 6
    assert model.t_ == 6 * 81


@pytest.mark.parametrize("solver", ["adam", "sgd", "rmsprop", "nadam"])
@pytest.mark.parametrize("after", [1, 2, 3])
@pytest.mark.parametrize("before", ["partial_fit", "fit", "warm fit"])
def test_partial_fit_is_all_or_nothing(cls, solver, after, before):
    y = y_for(cls)
    model = net(cls, solver=solver, dropout=0.2, batch_norm=True)
    if before == "partial_fit":
        model.partial_fit(X, y, **({"classes": [0, 1, 2]} if cls is MLPClassifier else {}))
    else:
        model.set_params(warm_start=before == "warm fit").fit(X, y)
    undisturbed = copy.deepcopy(model)
    assert interrupted(lambda: model.partial_fit(X, y), after)
    for _ in range(2):
        a, b = facts(model), facts(undisturbed)
        a[1].pop("seconds"), b[1].pop("seconds")
        np.testing.assert_equal(a, b)
        model.partial_fit(X, y)
        undisturbed.partial_fit(X, y)


def test_the_next_fit_says_what_it_drops(cls):
    model = net(cls)
    assert interrupted(lambda: model.fit(X, y_for(cls)), 8)
    with pytest.warns(UserWarning, match="cut short after 2 epochs is dropped.*warm_start=True"):
        model.fit(X, y_for(cls))
    fresh = net(cls).fit(X, y_for(cls))
    np.testing.assert_equal(facts(model)[0], facts(fresh)[0])


def test_a_key_that_is_pressed(cls):
    """A real signal, in a fit that would take minutes."""
    model = net(cls, activation="relu", max_iter=10**6, n_iter_no_change=np.inf, batch_size=1)
    timer = threading.Timer(0.5, signal.raise_signal, [signal.SIGINT])
    timer.start()
    start = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, y_for(cls))
    assert time.monotonic() - start < 60
    assert model.n_iter_ > 0
    assert np.isfinite(model.score(X, y_for(cls)))


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
@pytest.mark.parametrize("cls", [MLPClassifier, MLPRegressor])
def test_an_interrupt_while_buffers_are_let_go(cls, method, monkeypatch):
    """Wherever the numbers of a network are shared out to its layers anew, it stays whole."""
    y, cut = LABELS if cls is MLPClassifier else NUMBERS, ParameterVector.cut
    net = cls((4,)) if cls is MLPClassifier else cls(hidden_layer_sizes=(4,))
    net.set_params(random_state=0, max_iter=2, warm_start=True).fit(X, y)
    for k in range(1, 40):
        twin, calls = copy.deepcopy(net), []

        def interrupted(self, vector, k=k, calls=calls):
            calls.append(1)
            if len(calls) == k:
                raise KeyboardInterrupt
            return cut(self, vector)

        with monkeypatch.context() as m:
            m.setattr(ParameterVector, "cut", interrupted)
            try:
                getattr(twin, method)(X, y)
            except KeyboardInterrupt:
                pass
            else:
                break
        if method == "partial_fit":
            assert_array_equal(twin.predict(X), net.predict(X))
        getattr(twin, method)(X, y)
        if method == "partial_fit":
            once = copy.deepcopy(net).partial_fit(X, y)
            assert_array_equal(twin.predict(X), once.predict(X))
    assert k > 3
