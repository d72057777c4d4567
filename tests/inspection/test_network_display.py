"""The diagram of a network: units, lines, names, captions, and that all of it can be read."""

import re
import sys
from itertools import combinations, pairwise

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skdnn import MLPClassifier, MLPRegressor
from skdnn.inspection import NetworkDisplay
from skdnn.inspection.network import unit_heights

RNG = np.random.default_rng(0)
NAMES = [
    "age",
    "duration_of_the_last_call",
    "$_in_$",
    *(f"column {i}" for i in range(8)),
    "the_last_of_them",
]
X = pd.DataFrame(RNG.normal(size=(40, 12)), columns=NAMES)
LABELS = np.array(["setosa", "versicolor", "virginica", "something else entirely"])[
    np.arange(40) % 4
]
SHORT = {"max_iter": 2, "learning_rate": "cosine", "random_state": 0}
SIZES = [(), (3,), (64, 64), (512, 256, 128, 64), (10,) * 9]


@pytest.fixture(autouse=True)
def closed_figures():
    yield
    plt.close("all")


def fitted(sizes, X=X, y=LABELS, cls=MLPClassifier, **parameters):
    return cls(hidden_layer_sizes=sizes, **SHORT | parameters).fit(X, y)


def texts(display):
    return [text.get_text() for text in display.ax_.texts]


# Where units are ----------------------------------------------------------------------------------


@pytest.mark.parametrize("n_units", [*range(1, 40), 64, 100, 1000, 10**6])
def test_units_stand_in_a_symmetric_column_and_never_too_close(n_units):
    heights = unit_heights(n_units)
    assert_allclose(heights, -heights[::-1], atol=1e-12)
    gaps = -np.diff(heights)
    if n_units <= 8:
        assert len(heights) == n_units
        assert_allclose(gaps, 1)
    else:
        assert len(heights) < n_units
        assert gaps.argmax() == len(heights) // 2 - 1  # room for dots in the middle
        assert 1.5 <= gaps.max() < 3.6
        assert_allclose(np.delete(gaps, gaps.argmax()), 1)


def test_wider_layers_have_longer_columns():
    tops = [unit_heights(n)[0] for n in range(1, 2000)]
    assert np.all(np.diff(tops) > 0)
    assert_allclose(2 * unit_heights(128)[0], 2 * unit_heights(64)[0] + 1)


# What is drawn ------------------------------------------------------------------------------------


@pytest.mark.parametrize("sizes", SIZES)
def test_units_and_lines(sizes):
    display = NetworkDisplay.from_estimator(fitted(sizes))
    widths = [12, *sizes, 4]
    for x, (n, units) in enumerate(zip(widths, display.units_, strict=True)):
        expected = np.column_stack([np.full(len(unit_heights(n)), x), unit_heights(n)])
        assert_allclose(units.get_offsets(), expected)
    for (a, b), lines in zip(pairwise(display.units_), display.edges_, strict=True):
        ends = [(tuple(p), tuple(q)) for p, q in lines.get_segments()]
        everything = {(tuple(p), tuple(q)) for p in a.get_offsets() for q in b.get_offsets()}
        assert len(ends) == len(set(ends))
        assert set(ends) == everything
    dotted = [line.get_xdata()[0] for line in display.ax_.lines]
    assert dotted == [x for x, n in enumerate(widths) if n > 8]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("sizes", "batch_norm"), [*((s, False) for s in SIZES), *((s, True) for s in SIZES[1:])]
)
def test_numbers_of_parameters(sizes, batch_norm):
    net = fitted(sizes, batch_norm=batch_norm)
    display = NetworkDisplay.from_estimator(net)
    numbers = [
        int(re.search(r"([\d,]+) parameters", text.get_text())[1].replace(",", ""))
        for text in display.captions_[1:]
    ]
    of_units = [2 * batch_norm * n for n in sizes] + [0]
    assert numbers == [
        W.size + b.size + more
        for W, b, more in zip(net.coefs_, net.intercepts_, of_units, strict=True)
    ]
    assert display.ax_.get_title() == f"{sum(numbers):,} parameters"


def test_captions():
    net = fitted((1, 1500), activation=["tanh", "relu"], dropout=[0, 0.25], batch_norm=True)
    display = NetworkDisplay.from_estimator(net)
    assert [text.get_text().splitlines() for text in display.captions_] == [
        ["12 features"],
        ["1 unit", "batch norm", "tanh", "15 parameters", "2 statistics"],
        [
            "1,500 units",
            "batch norm",
            "relu",
            "dropout 0.25",
            "6,000 parameters",
            "3,000 statistics",
        ],
        ["4 units", "softmax", "6,004 parameters"],
    ]
    assert {"Input", "Hidden 1", "Hidden 2", "Output"} < set(texts(display))


def test_names_of_features_and_classes():
    drawn = texts(NetworkDisplay.from_estimator(fitted((3,))))
    shown = [
        *("age", "duration_of_the_las…", "$_in_$", "column 0"),
        *("column 5", "column 6", "column 7", "the_last_of_them"),
    ]
    assert [text for text in drawn if text in shown] == shown
    assert not {"column 1", "column 4"} & set(drawn)
    classes = ["setosa", "something else enti…", "versicolor", "virginica"]
    assert [text for text in drawn if text in classes] == classes


def test_a_name_stands_beside_its_unit():
    display = NetworkDisplay.from_estimator(fitted((3,)))
    places = {text.get_text(): text.get_position() for text in display.ax_.texts}
    inputs, outputs = display.units_[0].get_offsets(), display.units_[-1].get_offsets()
    for name, unit, side in [
        ("age", inputs[0], -1),
        ("the_last_of_them", inputs[-1], -1),
        ("setosa", outputs[0], 1),
        ("virginica", outputs[-1], 1),
    ]:
        x, y = places[name]
        assert y == unit[1]
        assert 0 < side * (x - unit[0]) < 0.5


@pytest.mark.parametrize(
    ("y", "names"),
    [
        (np.where(LABELS == "setosa", "yes", "no"), ["yes"]),
        (np.column_stack([LABELS == "setosa", LABELS == "virginica"]).astype(int), ["0", "1"]),
        (
            np.column_stack([np.arange(40) % 3, np.arange(40) % 2]),
            ["0: 0", "0: 1", "0: 2", "1: 0", "1: 1"],
        ),
    ],
)
def test_names_of_outputs(y, names):
    display = NetworkDisplay.from_estimator(fitted((3,), X.to_numpy(), y))
    assert len(display.units_[-1].get_offsets()) == len(names)
    others = {"Input", "Hidden 1", "Output"} | {text.get_text() for text in display.captions_}
    assert [text for text in texts(display) if text not in others] == names


def test_without_names():
    display = NetworkDisplay.from_estimator(
        fitted((3,), X.to_numpy(), np.arange(40.0), MLPRegressor)
    )
    assert len(display.ax_.texts) == 2 * 3  # name and caption of every layer


@pytest.mark.slow
@pytest.mark.parametrize("sizes", SIZES)
@pytest.mark.parametrize("named", [True, False])
def test_no_text_is_cut_off_or_runs_into_another(sizes, named):
    rows, y = (X, LABELS) if named else (X.to_numpy(), np.arange(40.0))
    cls = MLPClassifier if named else MLPRegressor
    net = fitted(sizes, rows, y, cls, **({"dropout": 0.5, "batch_norm": True} if sizes else {}))
    display = NetworkDisplay.from_estimator(net)
    display.figure_.canvas.draw()
    drawn = [display.ax_.title, *display.ax_.texts]
    boxes = [text.get_window_extent() for text in drawn]
    frame = display.figure_.bbox
    assert all(frame.x0 <= box.x0 < box.x1 <= frame.x1 for box in boxes)
    assert all(frame.y0 <= box.y0 < box.y1 <= frame.y1 for box in boxes)
    overlapping = [
        (a.get_text(), b.get_text())
        for (a, box_a), (b, box_b) in combinations(zip(drawn, boxes, strict=True), 2)
        if box_a.overlaps(box_b)
    ]
    assert not overlapping


# Axes, styles, other estimators -------------------------------------------------------------------


def test_axes_and_styles_of_ones_own():
    figure, ax = plt.subplots()
    display = NetworkDisplay.from_estimator(
        fitted((3,)), ax=ax, unit_kw={"color": "black"}, edge_kw={"linewidths": 2.0}
    )
    assert display.ax_ is ax
    assert display.figure_ is figure
    assert not ax.axison
    for units in display.units_:
        assert_array_equal(units.get_facecolors(), [[0, 0, 0, 1]])
    assert {width for lines in display.edges_ for width in lines.get_linewidths()} == {2.0}


def test_pipelines_and_searches():
    pipeline = make_pipeline(StandardScaler(), MLPClassifier((6,), **SHORT))
    search = GridSearchCV(pipeline, {"mlpclassifier__alpha": [0.1]}, cv=2).fit(X, LABELS)
    expected = texts(NetworkDisplay.from_estimator(search.best_estimator_[-1]))
    assert texts(NetworkDisplay.from_estimator(search)) == expected
    assert texts(NetworkDisplay.from_estimator(search.best_estimator_)) == expected


def test_bad_input():
    with pytest.raises(NotFittedError, match="MLPRegressor"):
        NetworkDisplay.from_estimator(MLPRegressor())
    with pytest.raises(NotFittedError, match="MLPClassifier"):
        NetworkDisplay.from_estimator(make_pipeline(StandardScaler(), MLPClassifier()))
    with pytest.raises(TypeError, match="estimator must be"):
        NetworkDisplay.from_estimator(LogisticRegression())


def test_without_matplotlib(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    with pytest.raises(ImportError, match=r'NetworkDisplay .*pip install "skdnn\[plot\]"'):
        NetworkDisplay.from_estimator(fitted((3,)))


@pytest.mark.parametrize(
    "unit_kw",
    [{"c": "red"}, {"color": "red"}, {"facecolor": "red"}, {"fc": "red"}],
    ids=str,
)
def test_keyword_arguments_by_any_of_their_names(unit_kw):
    net = MLPClassifier((3,), learning_rate="cosine", max_iter=2).fit(np.eye(4), [0, 1, 0, 1])
    display = NetworkDisplay.from_estimator(
        net,
        unit_kw=unit_kw | {"edgecolor": "blue", "lw": 3},
        edge_kw={"edgecolor": "lime", "lw": 2},
    )
    for units in display.units_:
        assert to_hex(units.get_facecolor()[0]) == "#ff0000"
        assert to_hex(units.get_edgecolor()[0]) == "#0000ff"
        assert_array_equal(units.get_linewidth(), [3])
    for edges in display.edges_:
        assert to_hex(edges.get_edgecolor()[0]) == "#00ff00"
        assert_array_equal(edges.get_linewidth(), [2])
