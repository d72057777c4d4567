"""Weights that people set: what is written to `coefs_` and `intercepts_` is what counts."""

import copy
import json
import pickle

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.base import clone
from sklearn.neural_network import MLPClassifier as SklearnClassifier
from sklearn.neural_network import MLPRegressor as SklearnRegressor

from skdnn import MLPClassifier, MLPRegressor, load_checkpoint
from skdnn.callback import Checkpoint

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
]

RNG = np.random.default_rng(0)
X = RNG.normal(size=(120, 4))
NUMBERS = 1e3 + 70 * np.tanh(X[:, 0] - X[:, 1])
LABELS = np.digitize(X[:, 0] + 0.3 * RNG.normal(size=120), [-0.4, 0.4])

NETS = {
    "two classes": (MLPClassifier(), LABELS > 0),
    "classes": (MLPClassifier(), LABELS),
    "several columns of classes": (MLPClassifier(), np.c_[LABELS, LABELS > 1]),
    "numbers": (MLPRegressor(), NUMBERS),
    "several numbers": (MLPRegressor(), np.c_[NUMBERS, 1e-3 * X[:, 1]]),
    "numbers as they are": (MLPRegressor(normalize_y=False), NUMBERS),
    "absolute error": (MLPRegressor(loss="absolute_error"), NUMBERS),
    "counts": (MLPRegressor(loss="poisson"), LABELS),
    "double": (MLPRegressor(dtype="float64"), NUMBERS),
    "batch norm": (MLPRegressor(batch_norm=True), NUMBERS),
    "linear": (MLPRegressor(hidden_layer_sizes=()), NUMBERS),
}
SMALL = {"hidden_layer_sizes": (6, 5), "max_iter": 4, "random_state": 0, "batch_size": 30}
STILL = {"learning_rate_init": 1e-30, "alpha": 0.0}  # training that leaves everything as it is


def make(name, **parameters):
    """Return an unfitted network and y."""
    net, y = NETS[name]
    own = {k: v for k, v in SMALL.items() if (name, k) != ("linear", "hidden_layer_sizes")}
    return clone(net).set_params(**own | parameters), y


def fitted(name, way="fit", **parameters):
    net, y = make(name, **parameters)
    if way == "partial_fit":
        classes = net_classes(net, y)
        return net.partial_fit(X, y, **classes), y
    return net.fit(X, y), y


def net_classes(net, y):
    if isinstance(net, MLPRegressor):
        return {}
    classes = np.unique(y) if y.ndim == 1 else [np.unique(y_j) for y_j in y.T]
    return {"classes": classes}


def others(net):
    """Return weights and biases of the right shapes, unlike those of the network."""
    rng = np.random.default_rng(1)
    coefs = [rng.normal(size=W.shape) for W in net.coefs_]
    return coefs, [rng.normal(size=b.shape) for b in net.intercepts_]


def whole(net, coefs, intercepts):
    net.coefs_, net.intercepts_ = coefs, intercepts


def by_item(net, coefs, intercepts):
    for i in range(len(coefs)):
        net.coefs_[i] = coefs[i]
        net.intercepts_[i - len(coefs)] = intercepts[i]


def into_views(net, coefs, intercepts):
    for given, views in ((coefs, net.coefs_), (intercepts, net.intercepts_)):
        for value, view in zip(given, views, strict=True):
            view[:] = value


def by_slice(net, coefs, intercepts):
    net.coefs_[:], net.intercepts_[:1] = coefs, intercepts[:1]
    net.intercepts_[1:] = iter(intercepts[1:])


def from_json(net, coefs, intercepts):
    text = json.dumps([[W.tolist() for W in coefs], [b.tolist() for b in intercepts]])
    net.coefs_, net.intercepts_ = json.loads(text)


def from_pairs(net, coefs, intercepts):
    """As Keras hands them out: W and b by turns, in float32."""
    weights = [np.float32(A) for pair in zip(coefs, intercepts, strict=True) for A in pair]
    net.coefs_, net.intercepts_ = weights[::2], tuple(weights[1::2])


def from_one_vector(net, coefs, intercepts):
    """As genetic algorithms have them."""
    genes, parts = np.concatenate([A.ravel() for A in coefs + intercepts]), []
    for A in net.coefs_ + net.intercepts_:
        part, genes = np.split(genes, [A.size])
        parts.append(part.reshape(A.shape))
    net.coefs_, net.intercepts_ = parts[: len(coefs)], parts[len(coefs) :]


WAYS = [whole, by_item, into_views, by_slice, from_json, from_pairs, from_one_vector]


def assert_has(net, coefs, intercepts, rtol=1e-6, atol=1e-7):
    for ours, given in ((net.coefs_, coefs), (net.intercepts_, intercepts)):
        for A, expected in zip(ours, given, strict=True):
            assert_allclose(A, expected, rtol=rtol, atol=atol)


def predictions(net):
    return net.decision_function(X) if hasattr(net, "decision_function") else net.predict(X)


# What is set is what is there -------------------------------------------------------------------


@pytest.mark.parametrize("write", WAYS)
@pytest.mark.parametrize("name", NETS)
def test_what_is_set_predicts(name, write):
    net, _ = fitted(name)
    coefs, intercepts = others(net)
    write(net, coefs, intercepts)
    assert_has(net, coefs, intercepts)
    if name in ("batch norm", "counts") or isinstance(predictions(net), list):
        return
    S = X
    for W, b in zip(coefs[:-1], intercepts[:-1], strict=True):
        S = np.maximum(S @ W + b, 0)
    expected = S @ coefs[-1] + intercepts[-1]
    assert_allclose(
        predictions(net), expected.reshape(predictions(net).shape), rtol=1e-4, atol=1e-4
    )


@pytest.mark.parametrize("write", [whole, by_item, into_views])
@pytest.mark.parametrize("name", NETS)
@pytest.mark.parametrize(
    ("first", "then", "parameters"),
    [
        ("partial_fit", "partial_fit", {}),
        ("partial_fit", "fit", {"warm_start": True}),
        ("fit", "partial_fit", {}),
        ("fit", "fit", {"warm_start": True}),
        ("fit", "partial_fit", {"warm_start": True}),
        ("fit", "fit", {"warm_start": True, "early_stopping": True, "validation_fraction": 0.3}),
        ("fit", "fit", {"warm_start": True, "solver": "sgd", "momentum": 0.0}),
    ],
    ids=str,
)
def test_training_goes_on_from_what_is_set(name, first, then, parameters, write):
    """Where it learns nothing, what is there afterwards is what was set."""
    net, y = fitted(name, first, **parameters)
    coefs, intercepts = others(net)
    if name != "counts":  # whose scores are logarithms
        coefs[-1], intercepts[-1] = 50 * coefs[-1], intercepts[-1] + 1e3
    write(net, coefs, intercepts)
    getattr(net.set_params(**STILL), then)(X, y)
    assert_has(net, coefs, intercepts, rtol=1e-5, atol=1e-3)


# The running statistics of batch norm are a past of their own.
@pytest.mark.parametrize("name", [name for name in NETS if name != "batch norm"])
@pytest.mark.parametrize("solver", ["lbfgs", "adam"])
def test_the_next_iterations_start_there(name, solver):
    """Two nets of other pasts learn the same from the same weights."""
    big = {"alpha": 0.0, "batch_size": "auto", "shuffle": False} if solver == "adam" else {}
    start = {"solver": solver, "warm_start": False, "batch_size": "auto"} | big
    pasts = [fitted(name, **start, **more)[0] for more in ({}, {"random_state": 7})]
    y = NETS[name][1]
    for net in pasts:
        net.coefs_, net.intercepts_ = others(net)
        net.set_params(warm_start=True, random_state=0).fit(X, y)
    one, other = pasts
    assert_has(one, other.coefs_, other.intercepts_, rtol=1e-4, atol=1e-4)
    assert not np.allclose(one.coefs_[0], others(one)[0][0], atol=1e-4)


@pytest.mark.parametrize("name", ["classes", "numbers"])
def test_what_was_seen_before_does_not_count(name):
    """Weights that are worse than those before are improved on as long as there is something."""
    net, y = fitted(name, warm_start=True, max_iter=200, learning_rate_init=0.02)
    before = net.n_iter_
    net.coefs_, net.intercepts_ = others(net)
    net.set_params(max_iter=60, n_iter_no_change=5, learning_rate_init=0.002).fit(X, y)
    assert net.n_iter_ > 40
    assert net.best_iter_ > before


def test_the_best_of_the_old_weights_is_not_put_back():
    net, y = fitted("numbers", warm_start=True, early_stopping=True, max_iter=100)
    net.coefs_, net.intercepts_ = others(net)
    shown = [W.copy() for W in net.coefs_]
    net.set_params(max_iter=1).fit(X, y)
    assert max(np.abs(W - A).max() for W, A in zip(net.coefs_, shown, strict=True)) < 20


@pytest.mark.parametrize("name", NETS)
@pytest.mark.parametrize("early_stopping", [False, True])
def test_writing_what_is_there_changes_nothing(name, early_stopping):
    """… not even the last bit."""
    nets = [fitted(name, warm_start=True, early_stopping=early_stopping)[0] for _ in range(2)]
    nets[0].coefs_ = [W.copy() for W in nets[0].coefs_]
    nets[0].intercepts_[0] = nets[0].intercepts_[0].tolist()
    one, other = (net.fit(X, NETS[name][1]) for net in nets)
    assert_has(one, other.coefs_, other.intercepts_, rtol=0, atol=0)


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda net: pickle.loads(pickle.dumps(net))])
@pytest.mark.parametrize("name", ["classes", "numbers"])
def test_a_copy_remembers_what_was_set(name, copied):
    net, y = fitted(name, "partial_fit")
    before = [W.copy() for W in net.coefs_]
    other = copied(net)
    other.coefs_, other.intercepts_ = others(net)
    assert_array_equal(net.coefs_[0], before[0])
    again = copied(other)
    again.set_params(**STILL).partial_fit(X, y)
    assert_has(again, *others(net), rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("name", ["classes", "numbers"])
@pytest.mark.parametrize("early_stopping", [False, True])
def test_weights_set_in_what_a_checkpoint_has_kept(name, early_stopping, tmp_path):
    path = tmp_path / "net.ckpt"
    net, y = make(name, early_stopping=early_stopping, max_iter=9)

    class StopError(Exception):
        pass

    counted = []

    class CountingCheckpoint(Checkpoint):
        def on_fit_task_end(self, estimator, context):
            super().on_fit_task_end(estimator, context)
            counted.append(0)
            if len(counted) == 3:
                raise StopError

    with pytest.raises(StopError):
        net.set_callbacks(CountingCheckpoint(path)).fit(X, y)
    begun = load_checkpoint(path)
    begun.coefs_, begun.intercepts_ = others(begun)
    begun.set_params(warm_start=True, **STILL).fit(X, y)
    assert begun.n_iter_ == 9
    assert_has(begun, *others(begun), rtol=1e-4, atol=1e-3)


# Federated averaging ----------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["classes", "numbers"])
def test_federated_averaging(name):
    """Two clients that never see each other's rows learn what either alone does not."""
    left, y = X[:, 0] < 0, NETS[name][1]
    parts = [(X[rows], y[rows]) for rows in (left, ~left)]
    alpha = {"solver": "sgd", "learning_rate_init": 0.05, "batch_size": 20}
    clients = [fitted(name, "partial_fit", **alpha)[0] for _ in parts]
    for _ in range(60):
        for client, (X_i, y_i) in zip(clients, parts, strict=True):
            client.partial_fit(X_i, y_i)
        mean = [np.mean(layer, axis=0) for layer in zip(*(c.coefs_ for c in clients), strict=True)]
        for client in clients:
            client.coefs_ = mean
            client.intercepts_ = [
                sum(layer) / 2 for layer in zip(*(c.intercepts_ for c in clients), strict=True)
            ]
    alone = clone(clients[0])
    for _ in range(60):
        alone.partial_fit(*parts[0], **net_classes(alone, y))
    assert clients[0].score(X, y) > max(0.75, min(alone.score(X, y) + 0.05, 0.95))


# Shapes and types -------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["classes", "numbers"])
@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda W: W[:-1], r"coefs_ of 3 layers cannot be set to 2 arrays.*\(4, 6\), \(6, 5\)"),
        (lambda W: [], "coefs_ of 3 layers cannot be set to 0 arrays"),
        (lambda W: [*W, W[-1]], "coefs_ of 3 layers cannot be set to 4 arrays"),
        (lambda W: [W[0], W[1].T, W[2]], r"coefs_\[1\] has shape \(6, 5\).*\(5, 6\)"),
        (lambda W: [W[0], W[1], W[2].ravel()], r"coefs_\[2\] has shape \(5, "),
        (lambda W: [W[0], W[1], 0.0], r"coefs_\[2\] has shape .*\(\)"),
        (lambda W: [W[0], np.nan * W[1], W[2]], r"coefs_\[1\] must be finite"),
        (lambda W: [W[0] * np.float64(1e39), W[1], W[2]], r"coefs_\[0\] must be finite"),
        (lambda W: [W[0], W[1].astype(str), W[2]], r"coefs_\[1\] must be an array of numbers"),
        (lambda W: [W[0], W[1] + 0j, W[2]], r"coefs_\[1\] must be an array of numbers"),
        (lambda W: [W[0], [[1.0], [1.0, 2.0]], W[2]], r"coefs_\[1\] must be an array of numbers"),
        (lambda W: [W[0], None, W[2]], r"coefs_\[1\] (must be an array|has shape|must be finite)"),
        (lambda W: None, "coefs_ must be a list of arrays"),
        (lambda W: 3.0, "coefs_ must be a list of arrays"),
    ],
)
def test_what_does_not_fit_is_refused_and_nothing_is_written(name, spoil, words):
    net, _ = fitted(name)
    before = [W.copy() for W in net.coefs_]
    with pytest.raises(ValueError, match=words):
        net.coefs_ = spoil([W + 1 for W in net.coefs_])
    assert_has(net, before, net.intercepts_, rtol=0, atol=0)


def test_entries_and_biases_are_checked_too():
    net, _ = fitted("classes")
    with pytest.raises(ValueError, match=r"intercepts_\[1\] has shape \(5,\).*\(1, 5\)"):
        net.intercepts_[1] = np.zeros((1, 5))
    with pytest.raises(ValueError, match=r"coefs_\[2\] has shape \(5, 3\).*\(3, 5\)"):
        net.coefs_[-1] = np.zeros((3, 5))
    with pytest.raises(IndexError):
        net.coefs_[3] = np.zeros((5, 3))
    with pytest.raises(TypeError):
        net.coefs_["first"] = np.zeros((4, 6))


@pytest.mark.parametrize(
    "kind",
    [np.asarray, np.asfortranarray, pd.DataFrame, np.ndarray.tolist, sparse.csr_array],
)
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "int64", "bool", object])
def test_any_array_of_numbers_will_do(kind, dtype):
    net, _ = fitted("numbers")
    new = [np.arange(W.size).reshape(W.shape) % 2 for W in net.coefs_]
    if kind is sparse.csr_array and dtype in (object, "float16"):
        pytest.skip("scipy has no such sparse arrays")
    net.coefs_ = [kind(W.astype(dtype)) for W in new]
    assert {W.dtype for W in net.coefs_} == {np.dtype("float32")}
    assert_has(net, new, net.intercepts_)


def test_what_is_set_is_a_copy():
    net, _ = fitted("classes")
    given = [W + 1 for W in net.coefs_]
    net.coefs_ = given
    given[0][:] = 7.0
    assert not (net.coefs_[0] == 7.0).any()
    twin = fitted("classes", random_state=5)[0]
    twin.coefs_ = net.coefs_
    twin.coefs_[0][:] = 7.0
    assert not (net.coefs_[0] == 7.0).any()


def test_there_is_nothing_to_set_before_fit():
    with pytest.raises(AttributeError, match=r"coefs_.*not fitted.*first fit or partial_fit"):
        MLPClassifier().coefs_ = [np.ones((4, 1))]
    with pytest.raises(AttributeError, match=r"intercepts_.*not fitted"):
        MLPRegressor().intercepts_ = [np.ones(1)]


# A list like any other ---------------------------------------------------------------------------


def test_it_is_read_like_the_lists_of_scikit_learn():
    net, y = fitted("classes")
    theirs = SklearnClassifier((6, 5), max_iter=1).fit(X, y)
    for ours, expected in ((net.coefs_, theirs.coefs_), (net.intercepts_, theirs.intercepts_)):
        assert isinstance(ours, list) and len(ours) == len(expected) == 3
        assert [A.shape for A in ours] == [A.shape for A in expected]
        assert [A.shape for A in ours[1:]] == [A.shape for A in expected[1:]]
        assert ours[-1].shape == ours[2].shape
        assert np.array(ours, dtype=object).shape == np.array(expected, dtype=object).shape
        assert np.concatenate([A.ravel() for A in ours + ours]).ndim == 1
    text = json.dumps([W.tolist() for W in net.coefs_])
    assert_has(net, json.loads(text), net.intercepts_)


@pytest.mark.parametrize(
    "kept",
    [copy.deepcopy, lambda A: pickle.loads(pickle.dumps(A)), lambda A: [W.copy() for W in A]],
)
def test_a_copy_of_the_list_is_a_list_of_its_own(kept):
    net, y = fitted("numbers", "partial_fit")
    best = kept(net.coefs_)
    assert type(best) is list
    expected = [W.copy() for W in net.coefs_]
    net.partial_fit(X, y)
    assert_has(net, best, net.intercepts_, atol=10)
    assert not np.array_equal(net.coefs_[0], best[0])
    best.append(None)  # it may be anything
    net.coefs_ = best[:-1]
    assert_has(net, expected, net.intercepts_, rtol=0, atol=0)


@pytest.mark.parametrize(
    "change",
    [
        lambda A: A.append(A[0]), lambda A: A.extend(A), lambda A: A.insert(0, A[0]),
        lambda A: A.pop(), lambda A: A.clear(), lambda A: A.reverse(), lambda A: A.sort(),
        lambda A: A.remove(A[0]), lambda A: A.__delitem__(0), lambda A: A.__iadd__([1]),
        lambda A: A.__imul__(2), lambda A: A.__delitem__(slice(None)),
    ],
)  # fmt: skip
def test_what_would_change_the_number_of_layers_is_refused(change):
    net, _ = fitted("classes")
    with pytest.raises(TypeError, match=r"number of layers is fixed.*coefs_\[0\] = W"):
        change(net.coefs_)
    assert len(net.coefs_) == 3
    with pytest.raises(ValueError, match="coefs_ of 1 layers cannot be set to 2 arrays"):
        net.coefs_[:1] = net.coefs_[:2]


def test_entries_in_place():
    net, _ = fitted("numbers")
    before = [W.copy() for W in net.coefs_]
    net.coefs_[1] *= 2
    net.coefs_[-1] += 1
    for W in net.intercepts_:
        W[:] = 0
    net.intercepts_[1][3] = 5.0
    assert_allclose(net.coefs_[1], 2 * before[1])
    assert_allclose(net.coefs_[2], before[2] + 1)
    assert sum(np.sum(b) for b in net.intercepts_) == 5.0


@pytest.mark.parametrize("parameters", [{}, {"early_stopping": True}])
def test_early_stopping_and_warm_start_as_in_scikit_learn(parameters):
    """A warm start begins with the weights that were shown, as scikit-learn's does."""
    more = {"warm_start": True, "early_stopping": True, "validation_fraction": 0.3, "max_iter": 30}
    for net in (
        MLPRegressor(hidden_layer_sizes=(6,), learning_rate_init=0.05, random_state=0, **more),
        SklearnRegressor(hidden_layer_sizes=(6,), learning_rate_init=0.05, random_state=0, **more),
    ):
        y = np.tanh(X[:, 0]) + 0.3 * np.random.default_rng(3).normal(size=120)
        net.fit(X, y)
        shown = [W.copy() for W in net.coefs_]
        net.set_params(max_iter=1, learning_rate_init=1e-12).fit(X, y)
        assert_has(net, shown, net.intercepts_, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", NETS)
def test_a_view_that_is_held_stays_a_view(name):
    """Pruning by a mask, between calls of partial_fit."""
    net, y = fitted(name, "partial_fit")
    W, mask = net.coefs_[0], np.arange(net.coefs_[0].size).reshape(net.coefs_[0].shape) % 2
    for _ in range(3):
        net.partial_fit(X, y)
        assert np.all(net.coefs_[0][mask == 0] != 0)
        W *= mask
        assert_array_equal(net.coefs_[0], W)
