"""A training that goes wrong says so, names the cause, and keeps what is best."""

import warnings
from itertools import product

import numpy as np
import pytest
from sklearn.metrics import mean_gamma_deviance, mean_poisson_deviance

from skdnn import MLPClassifier, MLPRegressor
from skdnn.engine.training import Trainer

RNG = np.random.default_rng(0)
X = RNG.normal(size=(300, 4))
DEVIANCE = {"poisson": mean_poisson_deviance, "gamma": mean_gamma_deviance}


def fitted(model, y, weight=None, **validation):
    """Return the model, and what it warned of."""
    with warnings.catch_warnings(record=True) as record:
        warnings.simplefilter("always")
        model.fit(X, y, weight, **validation)
    assert not [w for w in record if w.category is RuntimeWarning]
    return model, " ".join(str(w.message) for w in record)


# Losses of a logarithmic link ---------------------------------------------------------------------


def is_far_off(loss, scale, solver, early_stopping, rate):
    """Whether this training ends far from y, of which it then has to warn."""
    y = scale * np.exp(X[:, 0]) + 0.01
    model = MLPRegressor(
        loss=loss, hidden_layer_sizes=(20,), solver=solver, learning_rate_init=rate,
        early_stopping=early_stopping, max_iter=60, random_state=0,
    )  # fmt: skip
    try:
        model, said = fitted(model, y)
    except ValueError as error:
        assert "Solver produced non-finite" in str(error)
        return False
    predicted = np.clip(model.predict(X).astype(float), 1e-300, 1e300)
    far_off = DEVIANCE[loss](y, predicted) > 3 * DEVIANCE[loss](y, np.full(len(y), np.e * y.mean()))
    if far_off:
        assert "ran off" in said or "diverged" in said or "hasn't converged" in said
    if "ran off" in said or "diverged" in said:
        assert f"learning_rate_init={rate}" in said
    return far_off


@pytest.mark.slow
@pytest.mark.parametrize("loss", ["poisson", "gamma"])
def test_predictions_far_from_y_are_warned_of(loss):
    solvers, rates = ["sgd", "adam", "rmsprop", "adagrad"], [0.01, 0.1, 1.0, 10.0, 100.0]
    cases = [*product([1.0, 1000.0], solvers, [False, True], rates)]
    n_far_off = sum(is_far_off(loss, *case) for case in cases)
    assert 0 < n_far_off < len(cases)


@pytest.mark.slow
@pytest.mark.parametrize("loss", ["poisson", "gamma"])
@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e3])
@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_a_good_training_says_nothing(loss, scale, solver):
    y = scale * np.exp(X[:, 0])
    model = MLPRegressor(loss=loss, solver=solver, max_iter=3000, random_state=0, alpha=0.0)
    if solver == "adam":
        model.set_params(
            learning_rate_init=0.01, learning_rate="cosine", max_iter=400, n_iter_no_change=np.inf
        )
    model, said = fitted(model, y)
    assert said == ""


def test_a_slow_training_is_no_divergence():
    model = MLPRegressor(loss="gamma", learning_rate_init=1e-4, max_iter=3, random_state=0)
    _, said = fitted(model, 1e6 * np.exp(X[:, 0]))
    assert "hasn't converged" in said
    assert "ran off" not in said


# A loss that comes back ---------------------------------------------------------------------------

LABELS = (X[:, 0] > 0).astype(int)


def stumbling(monkeypatch, at, factor):
    """Let one step throw the weights far away."""
    step, calls = Trainer.step, []

    def stumble(self, *args):
        calls.append(1)
        if len(calls) == at:
            self.network.parameters.values *= factor
        return step(self, *args)

    monkeypatch.setattr(Trainer, "step", stumble)


@pytest.mark.parametrize("cls, y", [(MLPClassifier, LABELS), (MLPRegressor, X[:, 0])])
@pytest.mark.parametrize("early_stopping", [False, True])
def test_a_loss_that_recovers_is_nothing_to_warn_of(cls, y, early_stopping, monkeypatch):
    model = cls(
        (20,) if cls is MLPClassifier else "squared_error", solver="adam", max_iter=500, tol=0.0,
        learning_rate="cosine", learning_rate_init=0.03, n_iter_no_change=np.inf, random_state=0,
        early_stopping=early_stopping, alpha=0.0,
    )  # fmt: skip
    stumbling(monkeypatch, 20, -20.0 if cls is MLPClassifier else 3.0)
    model, said = fitted(model, y)
    losses = model.loss_curve_
    peak = int(np.argmax(losses[5:])) + 5
    assert losses[peak] > 10 * min(losses[:peak]) + 1  # it had blown up
    assert losses[-1] < min(losses[:peak])
    assert said == ""
    assert model.loss_ == losses[-1]
    assert model.n_iter_ == 500


def test_a_loss_that_recovers_by_half_gives_way_to_what_was_better(monkeypatch):
    model = MLPClassifier(
        (20,), max_iter=40, learning_rate_init=0.03, n_iter_no_change=np.inf, random_state=0,
        learning_rate="step", alpha=0.0,
    )  # fmt: skip
    stumbling(monkeypatch, 2 * 38, -30.0)
    model, said = fitted(model, LABELS)
    monkeypatch.undo()
    assert "diverged in epoch 38; the parameters of epoch 37" in said
    P = model.predict_proba(X)
    assert -np.log(P[np.arange(300), LABELS]).mean() < 2 * min(model.loss_curve_)


# The cause ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("total", [1e-3, 1e-6])
@pytest.mark.parametrize("cls, y", [(MLPClassifier, LABELS), (MLPRegressor, X[:, 0])])
def test_a_penalty_over_a_tiny_sum_of_weights_is_named(cls, y, total):
    model = cls(solver="sgd", alpha=10.0, learning_rate_init=0.1, max_iter=30, random_state=0)
    weight = np.full(300, total / 300)
    try:
        _, said = fitted(model, y, weight)
    except ValueError as error:
        said = str(error)
    assert "alpha=10.0 is divided by the sum of the weights" in said
    assert "sample_weight" in said
    assert "learning rate that is too high" not in said


def test_a_penalty_that_is_too_large_for_the_rows_is_named():
    model = MLPClassifier(solver="sgd", alpha=1e5, learning_rate_init=0.1, max_iter=9)
    try:
        _, said = fitted(model, LABELS)
    except ValueError as error:
        said = str(error)
    assert "alpha=100000.0 is divided by the number of rows" in said


def test_a_learning_rate_is_named_where_it_is_the_cause():
    model = MLPRegressor(solver="sgd", learning_rate_init=100.0, max_iter=30, random_state=0)
    try:
        _, said = fitted(model, X[:, 0], np.full(300, 2.0))
    except ValueError as error:
        said = str(error)
    assert "learning rate that is too high (learning_rate_init=100.0)" in said
