"""Histograms of activations: what they count, who is dead or saturated, how it is drawn."""

import sys
from itertools import combinations, pairwise

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.sparse import csr_array, csr_matrix
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skdnn import MLPClassifier, MLPRegressor
from skdnn.engine.activations import ACTIVATIONS
from skdnn.inspection import ActivationDisplay
from skdnn.inspection.activations import Distribution, LayerActivations, hidden_layers

RNG = np.random.default_rng(0)
X = RNG.normal(size=(80, 5))
LABELS = np.arange(80) % 3
SHORT = {"max_iter": 3, "learning_rate": "cosine", "batch_size": 20, "random_state": 0}


@pytest.fixture(autouse=True)
def closed_figures():
    yield
    plt.close("all")


def fitted(sizes=(7, 4), X=X, y=LABELS, cls=MLPClassifier, **parameters):
    return cls(hidden_layer_sizes=sizes, dtype="float64", **SHORT | parameters).fit(X, y)


def assert_same(a, b):
    """Compare what two displays have drawn."""
    for one, other in zip(a.histograms_.flat, b.histograms_.flat, strict=True):
        assert_allclose(one.get_data().values, other.get_data().values)
        assert_allclose(one.get_data().edges, other.get_data().edges)


# What is counted ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"activation": "identity"},
        {"batch_norm": True},
        {"batch_norm": True, "activation": ["identity", "tanh"]},
        {"dropout": 0.4, "input_dropout": 0.2},
        {"batch_norm": True, "dropout": 0.4, "activation": ["gelu", "step"]},
    ],
)
def test_the_layers_are_those_of_the_prediction(parameters):
    net = fitted(**parameters)
    layers = list(hidden_layers(net._network, X))
    assert [S.shape for _, S, _ in layers] == [(80, 7), (80, 4)]
    for sigma, S, A in layers:
        expected = np.empty_like(S)
        sigma.forward(S, expected)
        assert_array_equal(A, expected)
    last = layers[-1][2]
    assert_allclose(last @ net.coefs_[-1] + net.intercepts_[-1], net.decision_function(X))
    if not net.batch_norm:
        assert_allclose(layers[0][1], X @ net.coefs_[0] + net.intercepts_[0])


def test_the_histograms_count_all_but_the_outermost_entries():
    net = fitted(activation="tanh")
    display = ActivationDisplay.from_estimator(net, X, bins=20)
    S = X @ net.coefs_[0] + net.intercepts_[0]
    layer = display.layers[0]
    for A, seen, drawn in zip(
        (S, np.tanh(S)), (layer.S, layer.X), display.histograms_[:, 0], strict=True
    ):
        outermost = np.sort(A.ravel())[[0, -1]]  # one of 560 entries at each end
        values, edges, _ = drawn.get_data()
        assert values.sum() == pytest.approx(558 / 560)
        assert outermost[0] < edges[0] < edges[-1] < outermost[1]
        for value, (low, high) in zip(values, pairwise(edges), strict=True):
            assert value == pytest.approx(np.mean((low <= A) & (high > A)))
        assert_allclose([seen.mean, seen.std], [A.mean(), A.std()])


def test_at_most_so_many_rows():
    """Powers of two, whose sum says which of them are in it."""
    net = fitted((1,))
    net.coefs_[0][:], net.intercepts_[0][:] = 0.0, 0.0
    net.coefs_[0][0] = 1.0
    rows = 2.0 ** np.arange(40)[:, None] * np.ones((1, 5))

    def seen(max_rows, random_state=None):
        options = {"max_rows": max_rows, "random_state": random_state}
        display = ActivationDisplay.from_estimator(net, rows, **options)
        return round(display.layers[0].S.mean * min(max_rows, 40))

    assert seen(10).bit_count() == 10
    assert seen(10, random_state=1) == seen(10, random_state=1) != seen(10, random_state=2)
    assert seen(39).bit_count() == 39
    assert seen(40) == seen(10_000) == 2**40 - 1


# Dead and saturated -------------------------------------------------------------------------------


def test_three_of_ten_units_are_dead():
    net = fitted((10,))
    net.coefs_[0][:] = 0.0
    net.coefs_[0][0] = 1.0
    bias = np.full(10, -X[:, 0].max())
    bias[[2, 3, 7]] -= 1e-6  # just below zero on every row, where others just reach it
    bias[[0, 1, 4, 5, 6, 8, 9]] += 1e-6
    net.intercepts_[0][:] = bias
    display = ActivationDisplay.from_estimator(net, X)
    assert_array_equal(np.flatnonzero(display.layers[0].dead), [2, 3, 7])
    assert display.layers[0].saturated is None
    assert display.axes_[1, 0].get_title().splitlines()[-1] == "3 of 10 dead (30%)"


def test_a_unit_is_dead_only_if_no_row_moves_it():
    net = fitted((2,), activation="relu")
    net.coefs_[0][:], net.intercepts_[0][:] = 0.0, [-1.0, -1.0]
    net.coefs_[0][0, 1] = 1.0
    layer = ActivationDisplay.from_estimator(net, np.eye(5) * 5).layers[0]
    assert layer.dead.tolist() == [True, False]


@pytest.mark.parametrize(
    ("activation", "edge"),
    [
        ("tanh", np.arctanh(np.sqrt(0.95))),  # 1 - tanh² = 0.05
        ("logistic", 2 * np.arctanh(np.sqrt(0.95))),  # the same stretched: σ(s) = (1 + tanh(s/2))/2
        ("step", 1.0),  # trained as if its derivative were 1 as far as here
    ],
)
def test_share_of_saturated_entries(activation, edge):
    net = fitted((1,), activation=activation)
    net.coefs_[0][:], net.intercepts_[0][:] = 0.0, 0.0
    net.coefs_[0][0] = 1.0
    grid = np.linspace(-6, 6, 1000)
    display = ActivationDisplay.from_estimator(net, grid[:, None] * np.ones((1, 5)))
    expected = np.mean(np.abs(grid) > edge)
    assert_allclose(display.layers[0].saturated, expected)
    title = display.axes_[1, 0].get_title()
    assert title.endswith(f"0 of 1 dead (0%), {expected:.0%} saturated")


@pytest.mark.parametrize("activation", sorted(set(ACTIVATIONS) - {"tanh", "logistic", "step"}))
def test_an_activation_that_does_not_level_off_is_never_saturated(activation):
    net = fitted((6,), activation=activation)
    layer = ActivationDisplay.from_estimator(net, 100 * X).layers[0]
    assert layer.saturated is None
    assert layer.activation == activation


def test_a_network_that_is_dead_altogether_is_drawn():
    net = fitted((4, 3))
    for b in net.intercepts_[:-1]:
        b[:] = -1e3
    display = ActivationDisplay.from_estimator(net, X)
    display.figure_.canvas.draw()
    assert all(layer.dead.all() for layer in display.layers)
    assert display.axes_[1, 1].get_title() == "0 ± 0\n3 of 3 dead (100%)"


# Inputs -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("container", [csr_array, csr_matrix, pd.DataFrame, np.ndarray.tolist])
def test_all_kinds_of_inputs(container):
    net, rows = fitted(), np.where(np.abs(X) > 0.7, X, 0.0)
    expected = ActivationDisplay.from_estimator(net, rows)
    assert_same(ActivationDisplay.from_estimator(fitted(X=container(X)), container(rows)), expected)
    some = {"max_rows": 30, "random_state": 0}
    expected = ActivationDisplay.from_estimator(net, rows, **some)
    display = ActivationDisplay.from_estimator(fitted(X=container(X)), container(rows), **some)
    assert_same(display, expected)


def test_pipelines_transform_and_searches_give_their_best():
    scaler = StandardScaler().fit(X)
    pipeline = make_pipeline(StandardScaler(), MLPRegressor(hidden_layer_sizes=(4,), **SHORT))
    pipeline.fit(X, LABELS)
    expected = ActivationDisplay.from_estimator(pipeline[-1], scaler.transform(2 * X))
    assert_same(ActivationDisplay.from_estimator(pipeline, 2 * X), expected)
    search = GridSearchCV(pipeline, {"mlpregressor__alpha": [0.5]}, cv=2).fit(X, LABELS)
    expected = ActivationDisplay.from_estimator(search.best_estimator_, X)
    assert_same(ActivationDisplay.from_estimator(search, X), expected)


# Drawing ------------------------------------------------------------------------------------------


def test_the_figure():
    display = ActivationDisplay.from_estimator(fitted((7, 4, 6), activation="tanh"), X)
    display.figure_.canvas.draw()
    assert display.axes_.shape == display.histograms_.shape == (2, 3)
    assert display.bounding_ax_.figure is display.figure_
    titles = [ax.get_title().splitlines()[0] for ax in display.axes_[0]]
    assert titles == ["Hidden 1", "Hidden 2", "Hidden 3"]
    assert {ax.get_xlabel() for ax in display.axes_[0]} == {"pre-activation"}
    assert {ax.get_xlabel() for ax in display.axes_[1]} == {"tanh"}
    assert [ax.get_ylabel() for ax in display.axes_[:, 0]] == ["share of entries"] * 2
    mean, std = display.layers[1].S.mean, display.layers[1].S.std
    assert display.axes_[0, 1].get_title().splitlines()[1] == f"{mean:.2g} ± {std:.2g}".replace(
        "-", "−"
    )


def test_titles_do_not_run_into_one_another():
    net = fitted((200, 200), activation="tanh")
    for b in net.intercepts_:
        b[:] = -1e3
    display = ActivationDisplay.from_estimator(net, -X)
    display.figure_.canvas.draw()
    assert display.axes_[1, 0].get_title() == "−1 ± 0\n200 of 200 dead (100%), 100% saturated"
    for left, right in display.axes_:
        assert left.title.get_window_extent().x1 < right.title.get_window_extent().x0
        assert right.title.get_window_extent().x1 < display.figure_.bbox.x1
    assert display.axes_[1, 0].title.get_window_extent().x0 > 0


@pytest.mark.parametrize(("peak", "beside", "side"), [(0, 0.1, "left"), (9, 0.9, "right")])
def test_a_bar_far_above_the_others_is_cut_off(peak, beside, side):
    edges, shares = np.linspace(0, 1, 11), np.full(10, 0.1)
    even = Distribution(shares, edges, 0.5, 0.3)
    shares = np.where(np.arange(10) == peak, 0.82, 0.02)
    high = Distribution(shares, edges, 0.5, 0.3)
    layer = LayerActivations("relu", even, high, np.zeros(4, bool), None)
    display = ActivationDisplay(layers=[layer]).plot()
    top, bottom = display.axes_[:, 0]
    assert bottom.get_ylim() == pytest.approx((0, 3 * 0.02))
    (share,) = bottom.texts
    assert share.get_text().strip() == "82%"
    assert share.get_ha() == side
    assert share.get_position()[0] == pytest.approx(beside)
    assert top.get_ylim()[1] > 0.1
    assert not top.texts


@pytest.mark.slow
def test_axes_of_ones_own():
    net = fitted((7, 4))
    figure, axes = plt.subplots(2, 2)
    display = ActivationDisplay.from_estimator(net, X, ax=axes, hist_kw={"color": "black"})
    assert display.figure_ is figure
    assert_array_equal(display.axes_, axes)
    assert {drawn.get_facecolor() for drawn in display.histograms_.flat} == {(0, 0, 0, 1)}
    figure, (left, right) = plt.subplots(1, 2)
    display.plot(left)
    assert display.bounding_ax_ is left
    assert not left.axison
    assert display.axes_.shape == (2, 2)
    assert max(ax.get_position().x1 for ax in display.axes_.flat) < right.get_position().x0


@pytest.mark.slow
def test_axes_without_a_grid():
    ax = plt.figure(figsize=(9, 6)).add_axes((0.1, 0.2, 0.8, 0.7))
    display = ActivationDisplay.from_estimator(fitted((7, 4)), X, ax=ax)
    display.figure_.canvas.draw()
    assert display.bounding_ax_ is ax
    assert_same(display, ActivationDisplay.from_estimator(fitted((7, 4)), X))
    box = ax.get_window_extent()
    boxes = [panel.get_tightbbox() for panel in display.axes_.flat]
    assert all(box.y0 <= inner.y0 and inner.y1 <= box.y1 for inner in boxes)
    for one, other in combinations(boxes, 2):
        assert not one.overlaps(other)


def test_keyword_arguments_by_any_of_their_names():
    for name in ("facecolor", "fc", "color"):
        display = ActivationDisplay.from_estimator(fitted(), X, hist_kw={name: "black", "lw": 2})
        assert {drawn.get_facecolor() for drawn in display.histograms_.flat} == {(0, 0, 0, 1)}
        assert {drawn.get_linewidth() for drawn in display.histograms_.flat} == {2}
        plt.close("all")


def test_axes_that_do_not_fit():
    figure, axes = plt.subplots(2, 3)
    with pytest.raises(ValueError, match=r"ax must be .* shape \(2, 2\)\. Got \(2, 3\)\."):
        ActivationDisplay.from_estimator(fitted((7, 4)), X, ax=axes)
    with pytest.raises(ValueError, match=r"ax must be .* shape \(2, 3\)\. Got \(3, 2\)\."):
        ActivationDisplay.from_estimator(fitted((7, 4, 3)), X, ax=axes.T)
    for some in (axes, axes.ravel(), list(axes.ravel()), axes.tolist()):
        display = ActivationDisplay.from_estimator(fitted((7, 4, 3)), X, ax=some)
        assert (display.axes_ == axes).all()
        assert display.bounding_ax_ is None and display.figure_ is figure


# Errors -------------------------------------------------------------------------------------------


def test_bad_input():
    with pytest.raises(NotFittedError):
        ActivationDisplay.from_estimator(MLPClassifier(), X)
    with pytest.raises(TypeError, match="estimator must be"):
        ActivationDisplay.from_estimator(LogisticRegression(), X)
    with pytest.raises(ValueError, match="max_rows"):
        ActivationDisplay.from_estimator(fitted(), X, max_rows=0)
    with pytest.raises(ValueError, match="bins"):
        ActivationDisplay.from_estimator(fitted(), X, bins=1)
    with pytest.raises(ValueError, match="no hidden layers"):
        ActivationDisplay.from_estimator(fitted(()), X)
    with pytest.raises(ValueError, match="5 features"):
        ActivationDisplay.from_estimator(fitted(), X[:, :4])
    with pytest.raises(ValueError, match="2D array"):
        ActivationDisplay.from_estimator(fitted(), 3.0)


@pytest.mark.parametrize("values", [[3e38] * 5, [[1.7e38] * 5, [-1.7e38] * 5]])
def test_pre_activations_that_overflow(values):
    net = MLPClassifier((7,), **SHORT).fit(X, LABELS)
    net.coefs_[0][:] = np.eye(5, 7) * 1.5
    with pytest.raises(ValueError, match="pre-activations overflow float32"):
        net.coefs_[0][:, 0] = 1.5
        ActivationDisplay.from_estimator(net, np.atleast_2d(values))


def test_without_matplotlib(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    with pytest.raises(ImportError, match=r'ActivationDisplay .*pip install "skdnn\[plot\]"'):
        ActivationDisplay.from_estimator(fitted(), X)
