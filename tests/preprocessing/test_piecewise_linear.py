"""The piecewise-linear encoding."""

import tracemalloc
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.datasets import make_multilabel_classification
from sklearn.linear_model import LinearRegression
from sklearn.preprocessing import KBinsDiscretizer, OrdinalEncoder
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from skdnn.preprocessing import PiecewiseLinearEncoder

COLUMN = arrays(
    np.float64, st.tuples(st.integers(2, 60), st.just(1)), elements=st.floats(-1e3, 1e3)
)


def by_the_definition(x, edges):
    """Gorishniy et al. (2022), equation 1, within the edges: one number after the other."""
    rows = []
    for value in x:
        row = []
        for low, high in pairwise(edges):
            filled = 0.0 if value < low else 1.0 if value >= high else (value - low) / (high - low)
            row.append(filled)
        rows.append(row)
    return np.array(rows)


def test_it_is_its_definition(rng):
    X = rng.normal(size=(200, 2))
    encoder = PiecewiseLinearEncoder(n_bins=7).fit(X)
    Z = rng.normal(size=(50, 2)) * 2
    expected = np.hstack([by_the_definition(Z[:, j], encoder.bin_edges_[j]) for j in (0, 1)])
    assert_allclose(encoder.transform(Z), expected, atol=1e-12)


@pytest.mark.parametrize("weighted", [False, True])
def test_edges_are_those_of_kbins(rng, weighted):
    X = rng.lognormal(size=(300, 3))
    weight = rng.integers(1, 5, 300) if weighted else None
    theirs = KBinsDiscretizer(8, encode="ordinal").fit(X, sample_weight=weight)
    ours = PiecewiseLinearEncoder(8).fit(X, sample_weight=weight)
    for edges, expected in zip(ours.bin_edges_, theirs.bin_edges_, strict=True):
        assert_allclose(edges, expected)
    filled = ours.transform(X).reshape(300, 3, 8)
    assert_array_equal((filled >= 1)[:, :, :-1].sum(axis=2), theirs.transform(X))


def test_few_distinct_values_get_a_bin_each():
    X = np.array([[5.0], [1.0], [1.0], [2.0], [5.0], [1.0], [1.0]])
    encoder = PiecewiseLinearEncoder(n_bins=4)
    expected = np.tri(3, 2, -1)[OrdinalEncoder().fit_transform(X).ravel().astype(int)]
    assert_array_equal(encoder.fit_transform(X), expected)
    y = np.arange(7.0)
    encoder.set_params(strategy="tree")
    assert_array_equal(encoder.fit_transform(X, y), expected)


@given(COLUMN, st.integers(2, 20))
def test_sums_increase_with_the_number_and_tell_numbers_apart(X, n_bins):
    encoder = PiecewiseLinearEncoder(n_bins=n_bins).fit(X)
    out = encoder.transform(X)
    assert out.min() >= 0 and out.max() <= 1
    order = np.argsort(X[:, 0])
    assert np.all(np.diff(out[order], axis=0) >= 0)
    assert np.all(np.diff(out, axis=1) <= 0)  # bins fill from the left
    edges = encoder.bin_edges_[0]
    if len(edges) > 1:
        assert_allclose(edges[0] + out @ np.diff(edges), X[:, 0], atol=1e-9)


def test_a_linear_model_of_it_is_a_broken_line(rng):
    X = rng.uniform(-1, 1, (500, 1))
    y = np.abs(X[:, 0])
    encoder = PiecewiseLinearEncoder(n_bins=2)
    encoder.fit(np.array([[-1.0], [0.0], [1.0]]))
    assert LinearRegression().fit(encoder.transform(X), y).score(encoder.transform(X), y) > 0.9999
    assert LinearRegression().fit(X, y).score(X, y) < 0.1


TARGETS = {
    "binary": (lambda x: (np.sin(x) > 0).astype(int), DecisionTreeClassifier),
    "words": (lambda x: np.where(np.sin(x) > 0, "yes", "no"), DecisionTreeClassifier),
    "numbers": (lambda x: np.sin(x) + 0.5, DecisionTreeRegressor),
    "columns": (lambda x: np.column_stack([np.sin(x), x]) + 0.5, DecisionTreeRegressor),
}


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("weighted", [False, True])
def test_edges_are_the_splits_of_a_tree(rng, target, weighted):
    make, cls = TARGETS[target]
    x = rng.uniform(0, 9, (400, 1)).astype(np.float32).astype(np.float64)
    weight = rng.random(400) + 0.1 if weighted else None
    tree = cls(max_leaf_nodes=6, min_samples_leaf=10, random_state=0)
    tree.fit(x, make(x[:, 0]), sample_weight=weight)
    splits = np.sort(tree.tree_.threshold[tree.tree_.feature >= 0])
    encoder = PiecewiseLinearEncoder(6, strategy="tree", min_samples_leaf=10)
    encoder.fit(x, make(x[:, 0]), sample_weight=weight)
    assert_allclose(encoder.bin_edges_[0], [x.min(), *splits, x.max()], rtol=1e-6)


def test_a_tree_tells_numbers_apart_that_single_precision_does_not():
    x = 1e9 + np.arange(100.0)[:, None]
    y = (x[:, 0] >= 1e9 + 37).astype(int)
    encoder = PiecewiseLinearEncoder(2, strategy="tree", min_samples_leaf=1).fit(x, y)
    assert_array_equal(encoder.bin_edges_[0] - 1e9, [0, 36.5, 99])


def test_whole_numbers_are_classes_unless_it_is_said(rng):
    x = rng.normal(size=(300, 1))
    y = np.round(10 * x[:, 0] ** 2)
    auto, numbers = (
        PiecewiseLinearEncoder(5, strategy="tree", target_type=kind).fit(x, y).bin_edges_[0]
        for kind in ("auto", "regression")
    )
    classes = PiecewiseLinearEncoder(5, strategy="tree").fit(x, y.astype(str)).bin_edges_[0]
    assert_array_equal(auto, classes)
    assert not np.array_equal(auto, numbers)


def test_several_labels():
    X, Y = make_multilabel_classification(200, 4, random_state=0)
    X += np.random.default_rng(0).normal(size=X.shape)
    encoder = PiecewiseLinearEncoder(4, strategy="tree").fit(X, Y)
    assert encoder.transform(X).shape == (200, encoder.n_bins_.sum())


def test_rows_of_weight_zero_are_not_seen(rng):
    X, weight = rng.normal(size=(100, 1)), np.repeat([1.0, 0.0], 50)
    y = rng.integers(0, 2, 100)
    for strategy in ("quantile", "tree"):
        encoder = PiecewiseLinearEncoder(4, strategy=strategy)
        edges = encoder.fit(X, y, sample_weight=weight).bin_edges_[0]
        assert_array_equal(edges, encoder.fit(X[:50], y[:50]).bin_edges_[0])


def test_missing_values_fill_no_bin_and_the_raw_value_stays(rng):
    X = rng.normal(size=(100, 2))
    X[::3, 0] = np.nan
    out = PiecewiseLinearEncoder(4, keep_raw=True).fit_transform(X)
    assert_array_equal(out[:, [0, 5]], X)
    assert_array_equal(out[::3, 1:5], 0)
    seen = PiecewiseLinearEncoder(4).fit(X[~np.isnan(X[:, 0])])
    both = PiecewiseLinearEncoder(4).fit(X)
    assert_array_equal(both.bin_edges_[0], seen.bin_edges_[0])


def test_names_and_indices():
    X = pd.DataFrame({"a": [1.0, 2, 3], "same": [4.0, 4, 4]})
    encoder = PiecewiseLinearEncoder(4, keep_raw=True).fit(X)
    names = ["a", "a_bin0", "a_bin1", "same", "same_bin0"]
    assert list(encoder.get_feature_names_out()) == names
    assert_array_equal(encoder.feature_indices_, [0, 0, 0, 1, 1])
    assert_array_equal(encoder.transform(X)[:, 4], 0)


def test_extreme_numbers():
    x = np.linspace(-1, 1, 21)[:, None] * 1.7e308
    out = PiecewiseLinearEncoder(4).fit_transform(x)
    assert_allclose(out, PiecewiseLinearEncoder(4).fit_transform(x / 1.7e308), atol=1e-12)


def test_y_lacking_or_missing():
    X = np.arange(50.0)[:, None]
    encoder = PiecewiseLinearEncoder(4, strategy="tree")
    with pytest.raises(ValueError, match="requires y to be passed"):
        encoder.fit(X)
    with pytest.raises(ValueError, match="Input y contains NaN"):
        encoder.fit(X, np.where(X[:, 0] > 3, 1.0, np.nan))


def test_no_second_copy_of_the_output(rng):
    encoder = PiecewiseLinearEncoder(dtype="float32").fit(X := rng.normal(size=(50_000, 6)))
    tracemalloc.start()
    out = encoder.transform(X)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert out.dtype == np.float32 and peak < 1.2 * out.nbytes


@pytest.mark.parametrize(("n_values", "n_edges"), [(5, 5), (6, 3)])
def test_a_tree_is_grown_only_if_there_are_more_values_than_edges(n_values, n_edges):
    """Four bins have five edges; the tree may part in the middle only, for its leaves are large."""
    x = np.repeat(np.arange(n_values, dtype=float), 10)[:, None]
    y = (x[:, 0] > 2).astype(float)
    encoder = PiecewiseLinearEncoder(4, strategy="tree", min_samples_leaf=len(x) // 2).fit(x, y)
    assert len(encoder.bin_edges_[0]) == n_edges


def test_sparse_columns_are_refused_by_name():
    with pytest.raises(TypeError, match="Sparse data was passed for X"):
        PiecewiseLinearEncoder().fit(sparse.eye_array(5, format="csr"))
