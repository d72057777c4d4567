"""Floating point is our own business: no warning of it, whatever `numpy.errstate` says."""

import warnings

import numpy as np
import pytest
from estimator_cases import SOLVERS, losses_of
from numpy.testing import assert_array_equal
from sklearn.exceptions import ConvergenceWarning

from skdnn import MLPClassifier, MLPRegressor
from skdnn.engine.activations import ACTIVATIONS, Tanh

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 4))
BINARY, CLASSES = (X[:, 0] > 0).astype(int), np.digitize(X[:, 0], [-0.5, 0.5])
POSITIVE = np.abs(X[:, 0]) + 0.1

MODELS = [
    *((MLPClassifier, loss, y) for loss in losses_of(MLPClassifier)
      for y in (BINARY, CLASSES, np.c_[BINARY, 1 - BINARY], np.c_[CLASSES, BINARY])),
    *((MLPRegressor, loss, y) for loss in losses_of(MLPRegressor)
      for y in (POSITIVE, np.c_[POSITIVE, 2 * POSITIVE])),
]  # fmt: skip


def use(model, y, weight=None):
    """Call all that there is, with rows far from those of the fit too."""
    try:
        model.fit(X, y, weight)
    except ValueError as error:
        assert "Solver produced non-finite parameter weights" in str(error)
        return
    model.score(X, y)
    for method in ("predict", "predict_proba", "predict_log_proba", "decision_function"):
        if hasattr(model, method):
            for Z in (X, 100 * X, 1e6 * X.astype(np.float32)):
                getattr(model, method)(Z)
    if model.solver != "lbfgs":
        model.set_params(early_stopping=False)
        try:
            model.partial_fit(X, y, weight)
        except ValueError as error:
            assert "Solver produced non-finite parameter weights" in str(error)


def use_all(solver, activation, rate):
    for cls, loss, y in MODELS:
        for early_stopping in (False, True):
            model = cls(
                hidden_layer_sizes=(5,), activation=activation, solver=solver, loss=loss,
                early_stopping=early_stopping, learning_rate_init=rate, max_iter=5, random_state=0,
            )  # fmt: skip
            if early_stopping and cls is MLPRegressor:
                model.set_params(scoring="neg_mean_absolute_error")
            use(model, y, 1e-3 + X[:, 1] ** 2 if early_stopping else None)


@pytest.mark.slow
@pytest.mark.parametrize("rate", [1e-3, 1.0, 1e3])
@pytest.mark.parametrize("solver", SOLVERS)
def test_no_warning_but_our_own(solver, rate):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        warnings.filterwarnings("ignore", "learning_rate_init: no effect|early_stopping: ")
        for activation in ("relu", "softplus"):
            use_all(solver, activation, rate)


@pytest.mark.slow
@pytest.mark.parametrize("activation", sorted(ACTIVATIONS))
@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_it_works_where_the_caller_raises(activation, solver):
    with warnings.catch_warnings(), np.errstate(all="raise"):
        warnings.simplefilter("ignore", ConvergenceWarning)
        warnings.filterwarnings("ignore", "learning_rate_init: no effect|early_stopping: ")
        use_all(solver, activation, 1.0)


@pytest.mark.parametrize("activation", sorted(ACTIVATIONS))
def test_the_numbers_do_not_depend_on_it(activation):
    def predicted():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            model = MLPClassifier((20,), activation=activation, max_iter=20, random_state=0)
            return model.fit(30 * X, CLASSES).predict_proba(300 * X)

    expected = predicted()
    for how in ("raise", "warn", "ignore"):
        with np.errstate(all=how):
            assert_array_equal(predicted(), expected)


def test_the_callers_settings_are_as_before():
    with warnings.catch_warnings(), np.errstate(over="raise", under="warn", divide="print"):
        warnings.simplefilter("ignore", ConvergenceWarning)
        before = np.geterr()
        model = MLPClassifier((5,), max_iter=2).fit(X, BINARY)
        model.predict(X)
        with pytest.raises(ValueError, match="2"):
            model.predict(X[:, :2])
        assert np.geterr() == before


@pytest.mark.parametrize("how", ["raise", "warn", "ignore"])
def test_values_beyond_the_dtype_are_still_named(how):
    with warnings.catch_warnings(), np.errstate(all=how):
        warnings.simplefilter("ignore", ConvergenceWarning)
        model = MLPRegressor(hidden_layer_sizes=(5,), max_iter=2).fit(X, POSITIVE)
        for scale in (1e300, -1e39):
            with pytest.raises(ValueError, match="X contains infinity or a value too large"):
                model.predict(scale * X)
        for scale in (1e-300, 1e-45):  # as good as zero
            np.testing.assert_allclose(model.predict(scale * X), model.predict(0 * X), rtol=1e-6)


class Broken(Tanh):
    """An activation of the user's own, with an error of its own."""

    def forward(self, S, X):
        raise FloatingPointError("mine")


def test_an_exception_of_somebody_else_passes():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model = MLPRegressor(hidden_layer_sizes=(5,), activation=Tanh(), max_iter=2)
        model.fit(X, POSITIVE)
        model._network.layers[0].activation = Broken()
        with pytest.raises(FloatingPointError, match="mine"):
            model.predict(X)
        with pytest.raises(FloatingPointError, match="mine"):
            model.set_params(activation=Broken()).fit(X, POSITIVE)


# Probabilities ----------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("scale", [1e5, 1e15, 1e30, 1e38])
@pytest.mark.parametrize("y", [BINARY, CLASSES, np.c_[BINARY, 1 - BINARY], np.c_[CLASSES, BINARY]])
def test_huge_weights_give_probabilities_in_either_dtype(y, scale, dtype):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model = MLPClassifier((6, 6, 6), dtype=dtype, max_iter=3, random_state=0).fit(X, y)
    for W in model.coefs_:
        W *= scale
    P = model.predict_proba(100 * X)
    for p in P if isinstance(P, list) else [P]:
        assert np.isfinite(p).all()
        assert p.min() >= 0
        if y.ndim == 1 or isinstance(P, list):  # else the labels do not exclude each other
            np.testing.assert_allclose(p.sum(axis=1), 1)
    assert model.predict(100 * X).shape == y.shape


def test_huge_weights_give_the_probabilities_of_double_precision():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        single, double = (
            MLPClassifier((6, 6), dtype=dtype, max_iter=3, random_state=0).fit(X, CLASSES)
            for dtype in ("float32", "float64")
        )
    for model in (single, double):
        for W, exact in zip(model.coefs_, single.coefs_, strict=True):
            W[:] = exact
        for b, exact in zip(model.intercepts_, single.intercepts_, strict=True):
            b[:] = exact
        for W in model.coefs_:
            W *= np.float32(1e18)
    assert_array_equal(single.predict(X), double.predict(X))
    np.testing.assert_allclose(single.predict_proba(X), double.predict_proba(X), atol=1e-12)
