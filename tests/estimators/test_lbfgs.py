"""Where L-BFGS ends: as scikit-learn's does, and closer to the minimum if `tol` asks for it."""

import warnings

import numpy as np
import pytest
from sklearn.datasets import load_wine, make_moons
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier as TheirClassifier
from sklearn.preprocessing import scale

from skdnn import MLPClassifier

RNG = np.random.default_rng(0)
NOISE = RNG.normal(size=(100, 3)), RNG.integers(0, 2, 100)
WINE, MOONS = load_wine(return_X_y=True), make_moons(200, noise=0.3, random_state=0)


def fitted(cls, data, **parameters):
    """Return the estimator and its warnings."""
    X, y = scale(data[0]), data[1]
    with warnings.catch_warnings(record=True) as record:
        warnings.simplefilter("always")
        model = cls(**{"solver": "lbfgs", "random_state": 0} | parameters).fit(X, y)
    return model, model.score(X, y), [str(warning.message) for warning in record]


@pytest.mark.slow
@pytest.mark.parametrize("random_state", [0, 1])
@pytest.mark.parametrize("sizes", [(5,), (50,), (20, 20)])
@pytest.mark.parametrize("data", [NOISE, WINE, MOONS], ids=["noise", "wine", "moons"])
def test_no_warning_where_scikit_learn_has_none(data, sizes, random_state):
    """Kinks of ReLU units keep the gradient from getting small: the fall of the loss ends it."""
    more = {"hidden_layer_sizes": sizes, "alpha": 1.0, "max_iter": 2000}
    more["random_state"] = random_state
    theirs, their_score, their_warnings = fitted(TheirClassifier, data, **more)
    ours, score, messages = fitted(MLPClassifier, data, **more)
    assert not messages or their_warnings
    assert score >= their_score - 0.1 or data is NOISE  # which has as many minima as seeds
    if not their_warnings:
        assert ours.n_iter_ <= 3 * theirs.n_iter_ + 50


@pytest.mark.parametrize("data", [NOISE, WINE, MOONS], ids=["noise", "wine", "moons"])
def test_a_smaller_tol_is_closer_to_the_minimum(data):
    """A linear model has one minimum, and logistic regression finds it."""
    X, y = scale(data[0]), data[1]
    exact = LogisticRegression(C=1.0, tol=1e-12, max_iter=10_000).fit(X, y)

    def penalised(predicted, coefs):
        rows = np.arange(len(y))
        return -np.log(predicted.predict_proba(X)[rows, y]).mean() + coefs / 2 / len(y)

    gaps = []
    for tol in (1e-2, 1e-4, 1e-10):
        model, _, messages = fitted(
            MLPClassifier, data, hidden_layer_sizes=(), alpha=1.0, tol=tol, max_iter=10_000
        )
        assert not messages
        gaps.append(penalised(model, np.sum(model.coefs_[0] ** 2)))
    best = penalised(exact, np.sum(exact.coef_**2))
    assert gaps[2] == pytest.approx(best, abs=1e-11)
    assert gaps[0] >= gaps[1] - 1e-12 >= gaps[2] - 2e-12
    assert gaps[1] == pytest.approx(best, abs=1e-4)
