"""The robust scaler, and the quantiles that it is made of."""

import decimal
import tracemalloc

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.preprocessing import RobustScaler

from skdnn.preprocessing import RobustSmoothClipScaler
from skdnn.preprocessing.statistics import quantiles

NUMBERS = st.floats(-1e6, 1e6)
COLUMNS = arrays(np.float64, st.tuples(st.integers(1, 30), st.just(2)), elements=NUMBERS)
PROBABILITIES = np.array([0.0, 0.1, 0.25, 1 / 3, 0.5, 0.75, 1.0])


@given(arrays(np.float64, st.integers(1, 40), elements=NUMBERS))
def test_quantiles_are_those_of_numpy(x):
    theirs = np.quantile(x, PROBABILITIES, method="averaged_inverted_cdf")
    assert_allclose(quantiles(x, PROBABILITIES), theirs)


@given(COLUMNS, st.data())
def test_whole_numbers_as_weights_repeat(X, data):
    weight = data.draw(arrays(np.int64, len(X), elements=st.integers(1, 5)))
    repeated = quantiles(X[:, 0].repeat(weight), PROBABILITIES)
    assert_array_equal(quantiles(X[:, 0], PROBABILITIES, weight.astype(float)), repeated)
    assert_array_equal(quantiles(X[:, 0], PROBABILITIES, weight / 7), repeated)


def test_without_clipping_it_is_the_robust_scaler(rng):
    X = rng.lognormal(size=(101, 4)) * [1e-5, 1, 1e3, 1e9]  # 4k + 1 rows: no two quantiles differ
    theirs = RobustScaler().fit_transform(X)
    assert_allclose(RobustSmoothClipScaler(limit=np.inf).fit_transform(X), theirs, rtol=1e-10)


@pytest.mark.parametrize("limit", [0.5, 3.0])
def test_the_clip_is_its_formula(rng, limit):
    X = rng.standard_t(1, size=(1001, 2))
    z = RobustScaler().fit_transform(X)
    expected = z / np.sqrt(1 + (z / limit) ** 2)
    assert_allclose(RobustSmoothClipScaler(limit=limit).fit_transform(X), expected, rtol=1e-10)


def test_if_the_quartiles_coincide_half_the_range_is_the_scale():
    x = np.array([0.0] * 20 + [-1.0, 7.0])[:, None]
    z = RobustSmoothClipScaler(limit=np.inf).fit_transform(x)
    assert_allclose(z, x * 2 / 8)


@given(COLUMNS, st.floats(1e-3, 1e3), NUMBERS)
def test_units_do_not_matter(X, unit, shift):
    X = X.round(2)  # so that there is no spread that the shift would round away
    z = RobustSmoothClipScaler().fit_transform(X)
    moved = RobustSmoothClipScaler().fit_transform((X + round(shift, 2)) * unit)
    assert_allclose(moved, z, atol=1e-4)


@given(COLUMNS)
def test_order_stays_and_limits_hold(X):
    z = RobustSmoothClipScaler().fit_transform(X)
    assert np.abs(z).max() <= 3
    order = np.argsort(X[:, 0])
    assert np.all(np.diff(z[order, 0]) >= 0)


@given(arrays(np.float64, st.tuples(st.integers(1, 30), st.just(2)), elements=st.floats(-9, 9)))
def test_inverse(X):
    scaler = RobustSmoothClipScaler().fit(X)
    back = scaler.inverse_transform(scaler.transform(X))
    inside = np.abs((X - scaler.center_) * scaler.scale_) < 1e3
    assert_allclose(back[inside], X[inside], atol=1e-6)


def test_inverse_at_the_limits_and_of_constants():
    scaler = RobustSmoothClipScaler().fit([[0.0, 4.0], [1.0, 4.0], [2.0, 4.0]])
    assert_array_equal(scaler.inverse_transform([[3.0, 0.5], [-4.0, np.nan]])[0], [np.inf, 4.0])
    assert_array_equal(scaler.inverse_transform([[3.0, 0.5], [-4.0, np.nan]])[1], [-np.inf, np.nan])
    with pytest.raises(ValueError, match="X has 1 features"):
        scaler.inverse_transform([[0.0]])


def test_missing_values_are_left_out_and_stay(rng):
    X = rng.normal(size=(50, 2))
    gaps = np.vstack([X, np.full((7, 2), np.nan)])
    out = RobustSmoothClipScaler().fit_transform(gaps)
    assert_array_equal(out[:50], RobustSmoothClipScaler().fit_transform(X))
    assert np.isnan(out[50:]).all()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_differences_of_rounding_are_none(dtype):
    x = np.full((10, 1), 1e5, dtype)
    x[::2] = np.nextafter(dtype(1e5), dtype(np.inf))
    assert_array_equal(RobustSmoothClipScaler().fit_transform(x), 0.0)


@pytest.mark.parametrize("size", [1e-323, 1e-300, 1e300, 1.7e308])
def test_extreme_numbers(size):
    x = np.array([[-1.0], [-0.5], [0.0], [0.5], [1.0]]) * size
    out = RobustSmoothClipScaler().fit_transform(x)
    assert np.isfinite(out).all() and np.all(np.diff(out[:, 0]) >= 0)
    if 1e-308 < size < 1e308:
        assert_allclose(out, RobustSmoothClipScaler().fit_transform(x / size))


@pytest.mark.parametrize("weighted", [False, True])
def test_sparse_is_dense_without_the_median(rng, weighted):
    X = np.where(rng.random((80, 5)) < [0.0, 0.1, 0.6, 0.9, 1.0], rng.normal(size=(80, 5)), 0.0)
    weight = rng.integers(0, 3, 80) if weighted else None
    dense = RobustSmoothClipScaler(limit=np.inf).fit(X, sample_weight=weight)
    for make in (sparse.csr_array, sparse.csc_array, sparse.coo_matrix):
        scaler = RobustSmoothClipScaler(limit=np.inf).fit(make(X), sample_weight=weight)
        assert_allclose(scaler.scale_, dense.scale_)
        out = scaler.transform(make(X))
        assert_allclose(out.toarray(), X * dense.scale_)
        assert_allclose(scaler.inverse_transform(out).toarray(), X * (dense.scale_ > 0))


def test_frames_of_every_make_are_the_same():
    columns = {
        "whole": [1, 2, None, 5],
        "flag": [True, None, False, True],
        "money": [decimal.Decimal(a) if a else None for a in ("1.5", "", "2.0", "9.0")],
        "span": pd.to_timedelta([1, 2, None, 7], unit="h").to_pytimedelta().tolist(),
    }
    columns["span"][2] = None
    expected = np.array(
        [[1, 1, 1.5, 3600], [2, np.nan, np.nan, 7200], [np.nan, 0, 2, np.nan], [5, 1, 9, 25200]]
    )
    expected = RobustSmoothClipScaler().fit_transform(expected)
    objects = pd.DataFrame({name: pd.Series(c, dtype=object) for name, c in columns.items()})
    objects.loc[2, "whole"] = pd.NA
    nullable = objects.astype({"whole": "Int64", "flag": "boolean"})
    arrow = pa.table(columns)
    for frame in (objects, nullable, pl.DataFrame(columns), arrow, arrow.to_pandas()):
        scaler = RobustSmoothClipScaler().fit(frame)
        assert_allclose(scaler.transform(frame), expected)
        assert list(scaler.feature_names_in_) == list(columns)


def test_text_is_refused_by_the_name_of_its_column():
    with pytest.raises(ValueError, match="Column 'word' of input X: could not convert"):
        RobustSmoothClipScaler().fit(pd.DataFrame({"number": [1, 2], "word": ["a", "b"]}))


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_no_second_copy(rng, dtype):
    X = rng.normal(size=(400_000, 10))
    scaler = RobustSmoothClipScaler(dtype=dtype).fit(X)
    tracemalloc.start()
    out = scaler.transform(X)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert out.dtype == dtype and peak < 1.3 * out.nbytes
