"""Slips of the hand get an answer that says what to write instead, or simply work."""

import pickle
import warnings
from functools import partial

import numpy as np
import pytest
from estimator_cases import small_network
from numpy.testing import assert_allclose, assert_array_equal

from skdnn import MLPClassifier
from skdnn.engine.activations import LeakyReLU
from skdnn.engine.schedules import Cosine, OneCycle

RNG = np.random.default_rng(0)
X = RNG.normal(size=(120, 5))
LABELS = (X[:, 0] > 0).astype(int)


small = partial(small_network, learning_rate="exponential")


# Learning rates -----------------------------------------------------------------------------------


class Triangle:
    """A schedule of a user's own with a rise."""

    rises = anneals = True

    def __call__(self, progress, n_samples_seen):
        return 1 - abs(2 * progress - 1)


@pytest.mark.parametrize("schedule", ["one_cycle", "coslog4", OneCycle(), Triangle()])
def test_a_schedule_with_a_rise_of_its_own_needs_no_warm_up(cls, schedule):
    without = small(cls, learning_rate=schedule).fit(X, LABELS)
    model = small(cls, learning_rate=schedule, warmup=0.3)
    with pytest.warns(UserWarning, match="warmup: no effect with learning_rate") as record:
        model.fit(X, LABELS)
    assert len(record) == 1
    assert model.history_["learning_rate"] == without.history_["learning_rate"]
    assert max(model.history_["learning_rate"]) > 0.5 * model.learning_rate_init
    assert model.loss_curve_ == without.loss_curve_


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_a_schedule_is_no_class_as_learning_rate(cls, method):
    more = {"classes": [0, 1]} if (cls, method) == (MLPClassifier, "partial_fit") else {}
    with pytest.raises(ValueError, match=r"'learning_rate' .*not its class: write Cosine\(\)"):
        getattr(small(cls, learning_rate=Cosine), method)(X, LABELS, **more)
    named, made = (small(cls, learning_rate=s).fit(X, LABELS) for s in ("cosine", Cosine()))
    assert named.loss_curve_ == made.loss_curve_


# Activations --------------------------------------------------------------------------------------


@pytest.mark.parametrize("activation", [LeakyReLU, [LeakyReLU]])
def test_an_activation_is_no_class(cls, activation):
    with pytest.raises(ValueError, match=r"activation .*not its class: write LeakyReLU\(\)"):
        small(cls, activation=activation).fit(X, LABELS)
    made = small(cls, activation=LeakyReLU()).fit(X, LABELS)
    assert np.isfinite(made.loss_)


class OwnTanh:
    """σ(s) = tanh(s), with nothing but what it needs; σ' is written in terms of S."""

    def forward(self, S, X):
        np.tanh(S, out=X)

    def derivative(self, S, X, D):
        np.divide(1, np.cosh(S) ** 2, out=D)


@pytest.mark.parametrize(
    "parameters",
    [{}, {"batch_norm": True}, {"dropout": 0.2, "hidden_layer_sizes": (8, 4)}, {"solver": "lbfgs"}],
    ids=str,
)
def test_an_activation_of_ones_own_is_two_functions(cls, parameters):
    if "solver" in parameters:
        parameters = parameters | {"learning_rate": "constant", "alpha": 1.0, "max_iter": 300}
    y = LABELS if cls is MLPClassifier else np.tanh(X[:, 0]) + X[:, 1]
    own, known = (
        small(cls, activation=a, init="glorot_uniform", **parameters).fit(X, y)
        for a in (OwnTanh(), "tanh")
    )
    assert_allclose(own.loss_curve_[:20], known.loss_curve_[:20], rtol=1e-4)
    unsaid = small(cls, activation=OwnTanh(), **parameters).fit(X, y)
    assert unsaid.loss_curve_ == own.loss_curve_
    again = pickle.loads(pickle.dumps(own))
    assert_array_equal(again.predict(X), own.predict(X))
    assert isinstance(again.activation, OwnTanh)


def test_an_activation_of_ones_own_trains_on_after_pickle(cls):
    more = {"classes": [0, 1]} if cls is MLPClassifier else {}
    model = small(cls, activation=OwnTanh()).partial_fit(X, LABELS, **more)
    again = pickle.loads(pickle.dumps(model))
    for either in (model, again):
        either.partial_fit(X, LABELS)
    assert_array_equal(again.predict(X), model.predict(X))
    assert again.loss_curve_ == model.loss_curve_
    assert again.loss_ < again.loss_curve_[0]


# Class weights ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("class_weight", "words"),
    [
        ([{0: 1, 1: 2}], "class_weight of one output must be a dict"),
        ([1, 2], "class_weight of one output must be a dict|class_weight"),
        ({0: "heavy", 1: 1}, "class_weight must be numbers"),
        ({0: None, 1: 1}, "class_weight must be numbers"),
        ({0: np.nan, 1: 1}, "class_weight must be finite"),
        ({0: np.inf, 1: 1}, "class_weight must be finite"),
        ({0: -1, 1: 1}, "not negative"),
    ],
    ids=str,
)
def test_class_weights_are_finite_numbers_by_class(class_weight, words):
    model = small(MLPClassifier, class_weight=class_weight)
    with pytest.raises(ValueError, match=words):
        model.fit(X, LABELS)
    assert not hasattr(model, "classes_")


@pytest.mark.parametrize("labels", [LABELS, np.arange(120) % 3], ids=["two", "three"])
def test_validation_rows_need_some_weight(labels):
    held_out = labels == 0
    model = small(MLPClassifier, class_weight={0: 0.0}, early_stopping=True)
    X_val, y_val = X[held_out], labels[held_out]
    with pytest.raises(ValueError, match="Every validation row has weight zero"):
        model.fit(X, labels, X_val=X_val, y_val=y_val)
    if len(np.unique(labels)) == 3:  # two classes of weight are left to learn
        some = np.append(np.flatnonzero(held_out), np.flatnonzero(labels == 1)[:2])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", category=UserWarning)
            model.fit(X, labels, X_val=X[some], y_val=labels[some])
        assert np.isfinite(model.history_["validation_loss"]).all()
