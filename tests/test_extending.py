"""The recipes of docs/extending.md, carried out: nothing but what the page says is touched."""

import io
import pickle
import re
import sys
import types
import warnings
from contextlib import redirect_stdout
from pathlib import Path

import numpy as np
import pytest
import skops.io
from numpy.testing import assert_allclose
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV

from skdnn import MLPClassifier, MLPRegressor
from skdnn.engine.activations import ACTIVATIONS, get_activation
from skdnn.engine.batches import Batch
from skdnn.engine.initializers import get_initializer
from skdnn.engine.layers import Dense
from skdnn.engine.losses import REGRESSION_LOSSES, Given, SquaredError
from skdnn.engine.network import Network
from skdnn.engine.optimizers import OPTIMIZERS
from skdnn.engine.schedules import SCHEDULES, get_schedule

PAGE = Path(__file__).parents[1] / "docs" / "extending.md"
TABLES = ACTIVATIONS, OPTIMIZERS, REGRESSION_LOSSES, SCHEDULES
RNG = np.random.default_rng(0)
X = RNG.normal(size=(90, 4))
LABELS = (X[:, 0] > 0).astype(int)
NUMBERS = 1e3 + 50 * X[:, 0] * X[:, 1]
WEIGHT = RNG.uniform(0.1, 3, 90)


@pytest.fixture(scope="module")
def page():
    """Run the snippets as a module, and take what they register out of the tables afterwards."""
    module = types.ModuleType("extending_page")
    sys.modules[module.__name__] = module
    before = [dict(table) for table in TABLES]
    snippets = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text("utf-8"), re.M | re.S)
    printed = io.StringIO()
    with warnings.catch_warnings(), redirect_stdout(printed):
        warnings.simplefilter("error")
        for snippet in snippets:
            exec(snippet, vars(module))
    said = re.findall(r"^print\(.*\)  # (.*)$", "".join(snippets), re.M)
    assert printed.getvalue().split() == said
    yield module
    for table, entries in zip(TABLES, before, strict=True):
        table.clear()
        table.update(entries)
    del sys.modules[module.__name__]


def small(cls, **parameters):
    few = {"hidden_layer_sizes": (6, 5), "max_iter": 3, "random_state": 0}
    return cls(**few | parameters)


@pytest.fixture(autouse=True)
def _few_epochs():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        yield


def slope(f, x, d, h=1e-6):
    return (f(x + h * d) - f(x - h * d)) / (2 * h)


# Found by name ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("parameter", "name"),
    [("loss", "expectile"), ("activation", "softsign"), ("solver", "sign"),
     ("learning_rate", "polynomial")],
)  # fmt: skip
def test_what_is_registered_is_found_and_validated_by_name(page, parameter, name):
    net = small(MLPRegressor, **{parameter: name}).fit(X, NUMBERS)
    assert np.isfinite(net.predict(X)).all()
    assert not np.allclose(net.predict(X), small(MLPRegressor).fit(X, NUMBERS).predict(X))
    with pytest.raises(ValueError, match=f"'{parameter}' parameter of MLPRegressor.*'{name}'"):
        small(MLPRegressor, **{parameter: f"no {name}"}).fit(X, NUMBERS)


@pytest.mark.parametrize(
    ("parameter", "name", "kind"),
    [("loss", "expectile", "Expectile"), ("activation", "softsign", "Softsign"),
     ("learning_rate", "polynomial", "Polynomial")],
)  # fmt: skip
def test_by_name_and_as_an_object_are_the_same(page, parameter, name, kind):
    made = vars(page)[kind]()
    named, given = (small(MLPRegressor, **{parameter: v}).fit(X, NUMBERS) for v in (name, made))
    assert named.loss_curve_ == given.loss_curve_
    assert np.array_equal(named.predict(X), given.predict(X))


def test_a_schedule_that_anneals_ends_without_a_warning(page):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        small(MLPRegressor, learning_rate="polynomial").fit(X, NUMBERS)
    assert get_schedule("polynomial")()(0.5, 0) == 0.25


def test_a_registered_optimizer_has_its_hyperparameters(page):
    def weights(**parameters):
        net = small(MLPRegressor, solver="sign", normalize_X=False, **parameters)
        return net.fit(X, NUMBERS).coefs_[0]

    far, near = (weights(max_iter=1, learning_rate_init=lr) for lr in (0.75, 0.5))
    steps = np.abs(far - near)  # of one batch: the learning rate, or none for a unit that is off
    assert_allclose(steps, 0.25 * np.rint(4 * steps), atol=1e-6)
    assert set(np.rint(4 * steps).ravel()) <= {0.0, 1.0}
    assert not np.array_equal(*(weights(batch_size=5, beta_1=beta_1) for beta_1 in (0.0, 0.9)))


# Gradients ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("k", [1, 3])
@pytest.mark.parametrize(("kind", "T"), [("FocalLoss", "bits"), ("Expectile", "numbers")])
def test_the_gradient_of_a_loss_is_its_slope(page, kind, T, k, rng):
    loss = Given(vars(page)[kind]())
    S = rng.normal(size=(6, k))
    T = rng.integers(0, 2, (6, k)).astype(float) if T == "bits" else 2 * rng.normal(size=(6, k))
    d, dS = rng.normal(size=S.shape), np.empty_like(S)
    for weight in (None, rng.uniform(0.1, 3, 6)):
        value = loss.value_and_gradient(S, T, weight, dS)
        assert value > 0
        assert_allclose(loss.value(S, T, weight), value)
        along = slope(lambda S, w=weight: loss.value(S, T, w), S, d)
        assert_allclose(np.vdot(dS, d), along, rtol=1e-6)


def test_the_gradient_of_an_activation_is_its_slope(page):
    sigma, S, h = get_activation("softsign"), np.linspace(-3, 3, 12), 1e-6
    Y, up, down, D = (np.empty_like(S) for _ in range(4))
    for at, out in ((S, Y), (S + h, up), (S - h, down)):
        sigma.forward(at, out)
    sigma.derivative(S, Y, D)
    assert_allclose(D, (up - down) / (2 * h), rtol=1e-6)


def test_the_gradient_of_a_layer_is_its_slope(page, rng):
    init = get_initializer("glorot_uniform")
    sigma = get_activation("softsign")
    network = Network([Dense(4, 3, init, sigma), page.Gain(3), Dense(3, 2, init)], "float64")
    network.initialize(rng)
    network.parameters.theta += 0.3 * rng.normal(size=network.parameters.theta.size)
    network.prepare_training(rng)
    start, batch = network.parameters.theta.copy(), Batch.of(X[:9], rng.normal(size=(9, 2)))

    def objective(theta):
        network.parameters.theta[:] = theta
        return network.loss_and_gradient(batch, SquaredError(), 0.3)

    d = rng.normal(size=start.size)
    objective(start)
    assert_allclose(network.gradient @ d, slope(objective, start, d), rtol=1e-6)
    assert np.array_equal(network.infer_in_chunks(X), network.infer(X))


# A loss as an object ------------------------------------------------------------------------------


def test_focal_loss_without_focus_is_the_cross_entropy(page):
    focal, plain = (
        small(MLPClassifier, loss=loss, dtype="float64").fit(X, LABELS)
        for loss in (page.FocalLoss(gamma=0.0), "log_loss")
    )
    assert_allclose(focal.loss_curve_, plain.loss_curve_, rtol=1e-12)
    assert_allclose(focal.predict_proba(X), plain.predict_proba(X), rtol=1e-9)


def test_an_expectile_of_one_half_is_half_the_squared_error(page):
    parameters = {"solver": "lbfgs", "alpha": 0, "max_iter": 200}
    nets = [
        small(MLPRegressor, loss=loss, hidden_layer_sizes=(), **parameters).fit(X, NUMBERS)
        for loss in (page.Expectile(0.5), "squared_error")
    ]
    assert_allclose(*(net.predict(X) for net in nets), rtol=1e-3)


@pytest.mark.parametrize("more", [{}, {"early_stopping": True}, {"solver": "lbfgs"}], ids=str)
@pytest.mark.parametrize("weight", [None, WEIGHT], ids=["", "weighted"])
@pytest.mark.parametrize("several", [False, True], ids=["one output", "several"])
def test_a_loss_of_ones_own_works_everywhere(page, several, weight, more):
    for cls, loss, y in [
        (MLPClassifier, page.FocalLoss(), LABELS),
        (MLPRegressor, page.Expectile(), NUMBERS),
    ]:
        y = np.column_stack([y, y[::-1]]) if several else y
        net = clone(small(cls, loss=loss, **more)).fit(X, y, sample_weight=weight)
        assert net.predict(X).shape == y.shape
        again = pickle.loads(pickle.dumps(net))
        assert np.array_equal(again.predict(X), net.predict(X))
        trusted = skops.io.get_untrusted_types(data=skops.io.dumps(net))
        assert any(name.endswith(type(loss).__name__) for name in trusted)
        if cls is MLPClassifier and not several:
            assert_allclose(net.predict_proba(X).sum(axis=1), 1.0)


def test_a_search_over_losses(page):
    grid = {"loss": [page.FocalLoss(1.0), page.FocalLoss(4.0), "log_loss"]}
    search = GridSearchCV(small(MLPClassifier), grid, cv=2, error_score="raise").fit(X, LABELS)
    assert search.best_params_["loss"] in grid["loss"]


def test_a_run_is_resumed_under_an_equal_loss(page):
    straight = small(MLPClassifier, loss=page.FocalLoss(), max_iter=4).fit(X, LABELS)
    halves = small(MLPClassifier, loss=page.FocalLoss(), max_iter=2, warm_start=True)
    halves = pickle.loads(pickle.dumps(halves.fit(X, LABELS))).fit(X, LABELS)
    assert halves.loss_curve_ == straight.loss_curve_


class NoGradient:
    def value(self, S, T, weight):
        return 0.0


class TwoArguments:
    def value_and_gradient(self, S, T):
        return 0.0


class UnknownLink(TwoArguments):
    out_activation = "probit"

    def value_and_gradient(self, S, T, weight, dS):
        return 0.0


class WrongStandard(UnknownLink):
    out_activation, standardised_by = "identity", "median"


class WrongRange(UnknownLink):
    out_activation, y_range = "identity", (0, 1)


@pytest.mark.parametrize(
    ("loss", "words"),
    [
        (NoGradient(), "'loss' parameter .* implementing 'value_and_gradient'"),
        (UnknownLink, r"an object, not its class: write UnknownLink\(\)"),
        (TwoArguments(), r"must have a method value_and_gradient\(S, T, weight, dS\): too many"),
        (UnknownLink(), "out_activation of the loss must be one of 'identity', .* Got 'probit'"),
        (WrongStandard(), "standardised_by of the loss must be one of 'moments', .* Got 'median'"),
        (WrongRange(), "y_range of the loss must be a Range"),
    ],
)
@pytest.mark.parametrize("cls", [MLPClassifier, MLPRegressor])
def test_a_loss_that_lacks_something_is_told_so(cls, loss, words):
    with pytest.raises(ValueError, match=words):
        small(cls, loss=loss).fit(X, LABELS)


def test_a_loss_for_another_kind_of_labels_is_told_so(page):
    with pytest.raises(ValueError, match=r"'logistic'\. .* 'softmax' or 'identity'"):
        small(MLPClassifier, loss=page.FocalLoss()).fit(X, np.arange(90) % 3)
