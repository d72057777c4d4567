"""Encoding a table: what each column becomes."""

import tracemalloc

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.model_selection import KFold
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, TargetEncoder

from skdnn.preprocessing import RobustSmoothClipScaler, TabularEncoder


def encoder(**parameters):
    return TabularEncoder(**{"dtype": "float64"} | parameters)


def words(n_levels, n, rng):
    """Return n words of so many levels, each of them at least once."""
    rest = rng.integers(0, n_levels, n - n_levels)
    return np.array([f"w{i}" for i in [*range(n_levels), *rest]], dtype=object)


# Numbers ----------------------------------------------------------------------------------------


def test_numbers_are_scaled_as_by_the_scaler(rng):
    X = rng.standard_t(2, size=(99, 3)) * [1, 1e-6, 1e9]
    weight = rng.integers(0, 3, 99)
    expected = RobustSmoothClipScaler().fit(X, sample_weight=weight).transform(X)
    assert_array_equal(encoder().fit(X, sample_weight=weight).transform(X), expected)


def test_missing_numbers_become_the_median_and_have_an_indicator():
    X = pd.DataFrame({"a": [1.0, None, 3.0, 10.0], "b": [1.0, 2.0, 3.0, 4.0]})
    plain = encoder(numeric="passthrough").fit(X)
    assert list(plain.get_feature_names_out()) == ["a", "a_missing", "b"]
    assert list(plain.feature_kinds_) == ["number", "missing", "number"]
    out = plain.transform(X)
    assert_array_equal(out, [[1, 0, 1], [3, 1, 2], [3, 0, 3], [10, 0, 4]])
    assert_array_equal(plain.transform(X.assign(b=None))[:, 2], 2.5)  # not missing in fit
    assert_array_equal(encoder().fit(X).transform(X)[1, :2], [0, 1])
    assert encoder(add_indicator=False).fit(X).transform(X).shape == (4, 2)


@pytest.mark.parametrize(("low", "kept"), [(0.0, True), (1e5, True), (1e7, False), (-1e7, False)])
def test_near_constant_numbers_are_dropped(low, kept):
    X = np.array([[low], [low + 1], [low]])
    assert encoder().fit(X).transform(X).shape == (3, int(kept))
    assert encoder(min_range=0.0).fit(X).transform(X).shape == (3, 1)


def test_what_float32_cannot_hold_is_refused_unless_it_is_scaled():
    X = pd.DataFrame({"big": [1e300, 2e300, 3e300]})
    assert np.isfinite(TabularEncoder().fit(X).transform(X)).all()
    with pytest.raises(ValueError, match=r"Column 'big' of input X: .* too large for dtype"):
        TabularEncoder(numeric="passthrough").fit(X).transform(X)


# Categories -------------------------------------------------------------------------------------


def test_two_levels_are_one_column():
    X = pd.DataFrame({"a": ["no", "yes", None, "no"]})
    fitted = encoder().fit(X)
    assert list(fitted.get_feature_names_out()) == ["a_yes"]
    new = pd.DataFrame({"a": ["yes", "no", "perhaps", None]})
    assert_array_equal(fitted.transform(new)[:, 0], [1, -1, 0, 0])


def test_one_level_or_none():
    X = pd.DataFrame({"a": ["x", None, "x"], "b": ["y"] * 3, "c": [None] * 3, "n": [1, 2, 3]})
    fitted = encoder().fit(X)
    assert list(fitted.get_feature_names_out()) == ["a_x", "n"]
    assert_array_equal(fitted.transform(X)[:, 0], [1, 0, 1])


@pytest.mark.parametrize("max_onehot", [3, 9])
def test_one_hot_is_scikit_learns(rng, max_onehot):
    X = words(max_onehot, 60, rng)[:, None]
    new = np.array([[f"w{i}"] for i in range(20)], dtype=object)
    theirs = OneHotEncoder(handle_unknown="ignore", sparse_output=False).fit(X)
    ours = encoder(max_onehot=max_onehot).fit(X)
    assert_array_equal(ours.transform(new), theirs.transform(new))
    assert list(ours.get_feature_names_out()) == list(theirs.get_feature_names_out())
    assert encoder(max_onehot=max_onehot - 1).fit(X).transform(X).shape == (60, 1)


def test_codes_are_those_of_the_ordinal_encoder_plus_one(rng):
    X = np.column_stack([words(30, 200, rng), words(10, 200, rng), np.arange(200)])
    theirs = OrdinalEncoder().fit(X[:, :2])
    ours = encoder().fit(X)
    assert_array_equal(ours.code_indices_, [0, 1])
    assert_array_equal(ours.cardinalities_, [31, 11])
    assert_array_equal(ours.transform(X)[:, :2], theirs.transform(X[:, :2]) + 1)
    new = np.array([["new", None, 1], [np.nan, pd.NA, 2]], dtype=object)
    assert_array_equal(ours.transform(new)[:, :2], 0)


def test_ten_thousand_levels(rng):
    X = pd.DataFrame({"id": words(10_000, 20_000, rng), "n": rng.normal(size=20_000)})
    ours = TabularEncoder().fit(X)
    assert_array_equal(ours.cardinalities_, [10_001])
    codes = ours.transform(X)[:, 0]
    assert len(np.unique(codes)) == 10_000 and codes.min() == 1 and codes.max() == 10_000


def test_levels_of_several_types_have_an_order_of_their_own(rng):
    X = np.array([1, "a", 2.5, b"c", ("t",), 1.0, True, "b", None] * 2, dtype=object)
    out = encoder().fit(X[:, None]).transform(X[:, None])
    order = rng.permutation(len(X))
    again = encoder().fit(X[order][:, None]).transform(X[:, None])
    assert_array_equal(again, out)
    assert out.shape[1] == 6  # 1, 1.0 and True are one level
    assert_array_equal(out[0], out[5])


def test_values_that_cannot_be_levels_are_refused_by_name():
    X = pd.DataFrame({"tags": [["a"], ["b"], []]})
    with pytest.raises(ValueError, match=r"Column 'tags' of input X: .*unhashable"):
        encoder().fit(X)


def test_which_columns_are_categories():
    numbers = [3, 1, 2, 3, 1]
    X = pd.DataFrame({"a": pd.Categorical(numbers), "b": numbers, "c": list("xyxyx")})

    def kinds(parameter):
        return list(encoder(categorical_features=parameter).fit(X).feature_kinds_)

    onehot = ["onehot"] * 3
    assert kinds("from_dtype") == [*onehot, "number", "binary"]
    assert kinds(None) == kinds([]) == ["number", "number", "binary"]
    for parameter in ([1], ["b"], [False, True, False], pd.Index(["b"]), np.array([1])):
        assert kinds(parameter) == ["number", *onehot, "binary"]
    assert kinds([0, 1]) == [*onehot, *onehot, "binary"]


def test_names_are_given_only_once():
    X = pd.DataFrame({"a": ["b_c", "x", "y"], "a_b": ["c", "x", "y"], "a_b_c": [1, 2, 3]})
    names = list(encoder().fit(X).get_feature_names_out())
    assert len(set(names)) == len(names) == 7
    assert names[0] == "a_b_c" and names[3] == "a_b_c_2" and names[6] == "a_b_c_3"


# Means of y -------------------------------------------------------------------------------------

FOLDS = KFold(5, shuffle=True, random_state=7)


def target_encoder(**parameters):
    return encoder(numeric="passthrough", high_cardinality="target", cv=FOLDS, **parameters)


@pytest.mark.parametrize("kind", ["continuous", "binary", "multiclass"])
def test_means_are_those_of_the_target_encoder(rng, kind):
    X = words(40, 400, rng)[:, None]
    X[::11] = None
    number = rng.normal(size=400) + np.array([hash(str(x)) % 7 for x in X[:, 0]])
    y = {"continuous": number, "binary": number > 3, "multiclass": number.astype(int) % 3}[kind]
    theirs = TargetEncoder(cv=FOLDS)
    ours = target_encoder()
    assert_allclose(ours.fit_transform(X, y), theirs.fit_transform(X, y))
    assert_allclose(ours.transform(X), theirs.transform(X))
    new = np.array([["new"], [None]], dtype=object)
    assert_allclose(ours.transform(new), theirs.transform(new))
    assert_allclose(target_encoder().fit(X, y).transform(X), ours.transform(X))
    n_columns = 3 if kind == "multiclass" else 1
    assert list(ours.feature_kinds_) == ["target"] * n_columns


def test_noise_is_not_learned_from_the_rows_own_y(rng):
    X, y = words(300, 600, rng)[:, None], rng.normal(size=600)
    crossed = target_encoder().fit_transform(X, y)[:, 0]
    own = target_encoder().fit(X, y).transform(X)[:, 0]
    assert np.corrcoef(own, y)[0, 1] > 0.3
    assert abs(np.corrcoef(crossed, y)[0, 1]) < 0.15


def test_every_output_of_y_has_its_means(rng):
    X = words(20, 200, rng)[:, None]
    Y = rng.normal(size=(200, 2))
    out = target_encoder().fit_transform(X, Y)
    for k in (0, 1):
        assert_array_equal(out[:, [k]], target_encoder().fit_transform(X, Y[:, k]))
    assert list(target_encoder().fit(X, Y).get_feature_names_out()) == ["x0_0", "x0_1"]


def test_means_are_scaled_as_numbers_are(rng):
    X, y = words(20, 200, rng)[:, None], 1e6 * rng.normal(size=200)
    raw = target_encoder().fit(X, y).transform(X)
    scaled = encoder(high_cardinality="target").fit(X, y).transform(X)
    assert_allclose(scaled, RobustSmoothClipScaler().fit_transform(raw))
    means = {"high_cardinality": "target", "random_state": 0}
    ours, millionth = encoder(**means), encoder(**means)
    assert_allclose(ours.fit_transform(X, y), millionth.fit_transform(X, y / 1e6))


def test_rows_of_weight_zero_are_encoded_but_not_learned_from(rng):
    X, y = words(20, 200, rng)[:, None], rng.normal(size=200)
    weight = np.repeat([1.0, 0.0], 100)
    ours = target_encoder()
    out = ours.fit_transform(X, y, sample_weight=weight)
    assert_array_equal(out[100:], ours.transform(X[100:]))
    assert_array_equal(out[:100], target_encoder().fit_transform(X[:100], y[:100]))


def test_folds_may_be_an_iterable_or_a_splitter(rng):
    X = np.column_stack([words(20, 200, rng), words(30, 200, rng)])
    y = rng.normal(size=200)
    expected = target_encoder().fit_transform(X, y)
    splits = FOLDS.split(X)
    means = {"numeric": "passthrough", "high_cardinality": "target"}
    assert_array_equal(encoder(cv=splits, **means).fit_transform(X, y), expected)
    assert_array_equal(encoder(cv=5, random_state=7, **means).fit_transform(X, y), expected)


def test_means_need_y_and_few_rows_are_enough():
    X = np.array([["a"], ["b"], ["c"]], dtype=object)
    means = encoder(high_cardinality="target", max_onehot=2)
    with pytest.raises(ValueError, match="requires y to be passed"):
        means.fit(X)
    assert means.fit_transform(X, [0.5, 1.5, 2.5]).shape == (3, 1)
    assert means.fit_transform(X, ["x", "y", "y"]).shape == (3, 1)


# Dates ------------------------------------------------------------------------------------------


def dates(n=50):
    start = pd.Timestamp("2019-11-05 07:30")
    return pd.Series(start + pd.to_timedelta(45_072 * np.arange(n), unit="min"), name="when")


def test_dates_become_parts_and_age():
    when = dates()
    when[3] = None
    fitted = encoder(numeric="passthrough").fit(when.to_frame())
    names = ["when_age", "when_missing", "when_month", "when_day", "when_weekday", "when_hour"]
    assert list(fitted.get_feature_names_out()) == names
    assert_array_equal(fitted.feature_indices_, 0)
    out = fitted.transform(when.to_frame())
    d = when.dt
    hour = d.hour + d.minute / 60 + d.second / 3600 + d.microsecond / 3.6e9
    age = (when - when.min()) / pd.Timedelta("1D")
    expected = np.column_stack([age, when.isna(), d.month, d.day, d.day_of_week, hour])
    seen = when.notna()
    assert_allclose(out[seen], expected[seen], atol=1e-9)
    assert_allclose(out[3], [*np.nanmedian(expected, axis=0)[[0]], 1, *out[3, 2:]])


def test_dates_in_arrays():
    when = dates().to_frame()
    expected = encoder().fit_transform(when)
    for array in (when.to_numpy(), when.to_numpy().astype("M8[s]"), when.to_numpy(object)):
        assert_allclose(encoder().fit_transform(array), expected, atol=1e-6)


def test_days_alone_have_no_hour():
    days = dates().dt.normalize().to_frame()
    assert "when_hour" not in encoder().fit(days).get_feature_names_out()


@pytest.mark.parametrize("zone", ["Europe/Berlin", "UTC", "America/New_York", "+05:30"])
def test_the_zone_of_fit_reads_the_clock(zone):
    local = dates().dt.tz_localize(zone)
    fitted = encoder().fit(local.to_frame())
    wall = encoder().fit(dates().to_frame())
    assert_allclose(fitted.transform(local.to_frame()), wall.transform(dates().to_frame()))
    utc = local.dt.tz_convert("UTC")
    for same in (utc, utc.dt.tz_localize(None), utc.astype("datetime64[ns, UTC]"), utc.astype(str)):
        out = fitted.transform(same.to_frame("when"))
        assert_allclose(out, fitted.transform(local.to_frame()))
    objects = pd.Series([t.to_pydatetime() for t in local], dtype=object, name="when")
    assert_allclose(fitted.transform(objects.to_frame()), fitted.transform(local.to_frame()))


def test_numbers_and_dates_are_not_mixed_up():
    number, date = pd.DataFrame({"a": [1.0, 2, 3]}), dates(3).to_frame("a")
    with pytest.raises(ValueError, match="Column 'a' of input X: dates are no numbers"):
        encoder().fit(number).transform(date)
    with pytest.raises(ValueError, match="Column 'a' of input X: numbers are no dates"):
        encoder().fit(date).transform(number)
    with pytest.raises(ValueError, match="Column 'a' of input X"):
        encoder().fit(date).transform(pd.DataFrame({"a": ["yesterday", "x", "y"]}))
    with pytest.raises(ValueError, match="Column 'a' of input X: could not convert"):
        encoder().fit(number).transform(pd.DataFrame({"a": ["one", "x", "y"]}))


# Tables -----------------------------------------------------------------------------------------


def mixed(rng, n=40):
    X = pd.DataFrame(
        {
            "number": rng.normal(size=n),
            "whole": rng.integers(0, 5, n),
            "flag": rng.random(n) < 0.5,
            "few": rng.choice(["x", "y", "z"], n),
            "many": words(15, n, rng),
            "when": dates(n),
        }
    )
    return X.mask(rng.random(X.shape) < 0.1)


def test_columns_may_come_in_another_order(rng):
    X = mixed(rng)
    fitted = encoder().fit(X)
    other = X[X.columns[::-1]]
    assert_array_equal(fitted.transform(other), fitted.transform(X))
    assert_allclose(fitted.transform(pl.from_pandas(other)), fitted.transform(X))


def test_rows_are_encoded_one_by_one(rng):
    X = mixed(rng)
    fitted = encoder().fit(X)
    order = rng.permutation(len(X))
    shuffled = X.iloc[order]
    assert_array_equal(fitted.transform(shuffled), fitted.transform(X)[order])
    assert_array_equal(encoder().fit(shuffled).transform(X), fitted.transform(X))
    assert_array_equal(fitted.transform(X.iloc[[3]]), fitted.transform(X)[[3]])


def test_rows_beyond_one_block(rng, monkeypatch):
    X = mixed(rng)
    expected = encoder().fit_transform(X)
    monkeypatch.setattr("skdnn.preprocessing.encodings.BLOCK_ROWS", 7)
    assert_array_equal(encoder().fit_transform(X), expected)


def test_every_output_column_depends_on_its_input_column_alone(rng):
    X = mixed(rng, 80)
    fitted = encoder().fit(X)
    out = fitted.transform(X)
    for j, name in enumerate(X):
        changed = fitted.transform(X.assign(**{name: X[name].to_numpy()[::-1]}))
        assert set(fitted.feature_indices_[np.any(changed != out, axis=0)]) == {j}


VALUES = {
    "number": st.one_of(st.none(), st.floats(-1e6, 1e6)),
    "word": st.one_of(st.none(), st.text(max_size=2)),
    "flag": st.one_of(st.none(), st.booleans()),
    "object": st.one_of(st.none(), st.integers(-3, 3), st.text(max_size=1), st.just(pd.NA)),
    "date": st.one_of(st.none(), st.datetimes(pd.Timestamp(1970, 1, 1), pd.Timestamp(2100, 1, 1))),
}


@given(st.data(), st.integers(1, 12), st.sampled_from([0, 2, 9]))
def test_whatever_is_in_a_table_the_output_is_finite(data, n, max_onehot):
    frame, other = (
        pd.DataFrame(
            {
                name: pd.Series(data.draw(st.lists(value, min_size=m, max_size=m)), dtype=object)
                for name, value in VALUES.items()
            }
        )
        for m in (n, 5)
    )
    fitted = TabularEncoder(max_onehot=max_onehot).fit(frame)
    kinds = fitted.feature_kinds_
    assert len(kinds) == len(fitted.feature_indices_) == len(set(fitted.get_feature_names_out()))
    assert np.isfinite(fitted.transform(frame)).all()
    try:
        out = fitted.transform(other)
    except ValueError as error:  # a column of text only in fit may be one of numbers later
        assert "of input X" in str(error)
    else:
        assert np.isfinite(out).all()


def test_no_columns_are_left():
    X = pd.DataFrame({"a": [None, None], "b": [1, 1], "c": ["x", "x"]})
    fitted = encoder().set_output(transform="pandas").fit(X)
    assert fitted.transform(X).shape == (2, 0)
    assert len(fitted.feature_indices_) == len(fitted.cardinalities_) == 0


def test_many_columns_of_few_rows(rng):
    X = pd.DataFrame(rng.normal(size=(30, 2000))).rename(columns=str)
    out = TabularEncoder().fit_transform(X)
    assert_allclose(out, RobustSmoothClipScaler().fit_transform(X), rtol=1e-5, atol=1e-6)


def test_memory_beyond_the_table_is_that_of_the_output(rng):
    n = 200_000
    X = pd.DataFrame(rng.normal(size=(n, 6))).rename(columns=str)
    X["text"] = rng.choice(["a", "b", "c", "d"], n)
    X["when"] = pd.Timestamp(2020, 1, 1) + pd.to_timedelta(rng.integers(0, 10**7, n), unit="s")
    fitted = TabularEncoder().fit(X)
    tracemalloc.start()
    out = fitted.transform(X)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert out.dtype == np.float32 and peak < 1.5 * out.nbytes


# Sparse -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("numeric", ["robust", "passthrough"])
def test_sparse_numbers_are_scaled_but_not_centred(rng, numeric):
    X = np.where(rng.random((60, 4)) < [0.1, 0.7, 0.0, 1.0], rng.normal(size=(60, 4)) + 3, 0.0)
    X[:, 3] = 5.0
    X[1, 0] = np.nan
    fitted = encoder(numeric=numeric).fit(sparse.csr_array(X))
    assert_array_equal(fitted.feature_indices_, [0, 1])
    assert list(fitted.get_feature_names_out()) == ["x0", "x1"]
    out = fitted.transform(sparse.csc_matrix(X))
    scaler = RobustSmoothClipScaler().fit(sparse.csr_array(X))
    expected = scaler.transform(sparse.csr_array(X)).toarray() if numeric == "robust" else X
    assert sparse.issparse(out)
    assert_allclose(out.toarray(), np.nan_to_num(expected)[:, :2])
    assert_array_equal(fitted.transform(X).toarray(), out.toarray())
    dense = encoder().fit(X)
    assert_array_equal(dense.transform(sparse.csr_array(X)), dense.transform(X))
    with pytest.raises(ValueError, match="must be none if X is sparse"):
        encoder(categorical_features=[0]).fit(sparse.csr_array(X))


def test_sparse_columns_without_anything_to_learn():
    X = sparse.csr_array([[0.0, np.nan, 4.0, 1.0, 0.0], [0.0, np.nan, 4.0, np.nan, 2.0]])
    fitted = encoder().fit(X)
    assert_array_equal(fitted.feature_indices_, [4])
    assert encoder().fit(X[:, :4]).transform(X[:, :4]).shape == (2, 0)
