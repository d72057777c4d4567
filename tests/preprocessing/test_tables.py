"""Tables of every make are the same table."""

import datetime
import decimal

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from skdnn.preprocessing import TabularEncoder

BERLIN = datetime.timezone(datetime.timedelta(hours=1))
COLUMNS = {
    "whole": [1, 2, None, 4, 7],
    "number": [0.5, None, 2.5, -1.0, 3.0],
    "money": [decimal.Decimal(a) if a else None for a in ("1.50", "", "3.00", "1.00", "")],
    "flag": [True, False, None, True, True],
    "word": ["a", "b", None, "c", "a"],
    "level": ["lo", None, "hi", "lo", "hi"],
    "many": ["p", "q", "r", "s", None],
    "time": [datetime.datetime(2020, month, 3, 4 * month) for month in (1, 2, 4, 5)] + [None],
    "zoned": [None]
    + [datetime.datetime(2020, month, 3, 4 * month, tzinfo=BERLIN) for month in (1, 2, 4, 5)],
    "day": [datetime.date(2020, month, 2 * month) for month in (1, 2, 4, 5)] + [None],
    "span": [datetime.timedelta(hours=h) for h in (1, 2, 30)] + [None, datetime.timedelta()],
    "clock": [datetime.time(h, 30) for h in (1, 2, 13)] + [None, datetime.time(23)],
    "nothing": [None] * 5,
    "constant": ["same"] * 5,
}


def objects():
    return pd.DataFrame({name: pd.Series(c, dtype=object) for name, c in COLUMNS.items()})


def with_na():
    return objects().astype(object).where(objects().notna(), pd.NA)


def inferred():
    return pd.DataFrame(COLUMNS).astype({"level": "category"})


def nullable():
    return objects().astype({"whole": "Int64", "number": "Float64", "flag": "boolean"})


def other_levels():
    level = pd.CategoricalDtype(["other", "hi", "lo"])
    return objects().astype({"level": level, "word": "string", "many": "category"})


def polars():
    level = pl.Series("level", COLUMNS["level"], dtype=pl.Enum(["lo", "hi"]))
    many = pl.Series("many", COLUMNS["many"], dtype=pl.Categorical)
    return pl.DataFrame(COLUMNS).with_columns(level, many)


def arrow():
    level = pa.array(COLUMNS["level"]).dictionary_encode()
    return pa.table(COLUMNS).set_column(5, "level", level)


def arrow_in_pandas():
    return arrow().to_pandas(types_mapper=pd.ArrowDtype)


FRAMES = [
    objects,
    with_na,
    inferred,
    nullable,
    other_levels,
    polars,
    arrow,
    arrow_in_pandas,
]
PLAIN = {"array": lambda: objects().to_numpy(), "lists": lambda: objects().to_numpy().tolist()}


def encoder():
    return TabularEncoder(max_onehot=3, dtype="float64")


@pytest.fixture(scope="module")
def expected():
    return encoder().fit_transform(objects())


@pytest.mark.slow
@pytest.mark.parametrize("seen_later", FRAMES)
@pytest.mark.parametrize("seen_first", FRAMES)
def test_types_may_differ_between_fit_and_transform(seen_first, seen_later, expected):
    fitted = encoder().fit(seen_first())
    assert_allclose(fitted.transform(seen_later()), expected)
    assert set(fitted.feature_indices_) == set(range(12))
    assert_array_equal(fitted.cardinalities_, [5])


@pytest.mark.parametrize("make", PLAIN.values(), ids=PLAIN)
def test_arrays_and_lists_of_objects(make, expected):
    fitted = encoder().fit(make())
    assert_allclose(fitted.transform(make()), expected)
    assert fitted.get_feature_names_out()[0] == "x0"
    assert encoder().fit(objects()).get_feature_names_out()[0] == "whole"


@pytest.mark.parametrize("frame", [inferred(), polars()], ids=["pandas", "polars"])
@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_output_in_a_frame(frame, library, expected):
    out = encoder().set_output(transform=library).fit_transform(frame)
    assert type(out).__module__.split(".")[0] == library
    assert_allclose(out.to_numpy(), expected)
    assert list(out.columns[:4]) == ["whole", "whole_missing", "number", "number_missing"]


NUMBERS = {
    "int": np.array([3, 1, 2, 3]),
    "int8": np.array([3, 1, 2, 3], "i1"),
    "float": np.array([3.0, 1, 2, 3]),
    "text": np.array(["3", "1", "2", "3"]),
    "objects": np.array([3, 1.0, decimal.Decimal(2), np.float32(3)], dtype=object),
    "sparse": pd.arrays.SparseArray([3, 1, 2, 3]),
    "categories": pd.Categorical([3, 1, 2, 3]),
    "unsigned": pd.array([3, 1, 2, 3], "UInt8"),
}


@pytest.mark.parametrize("name", NUMBERS)
def test_numbers_of_every_type(name):
    fitted = encoder().fit(pd.DataFrame({"a": NUMBERS["int"]}))
    same = pd.DataFrame({"a": NUMBERS[name]})
    scaled = fitted.transform(pd.DataFrame({"a": NUMBERS["int"]}))
    assert_array_equal(fitted.transform(same), scaled)
    assert_array_equal(scaled[:, 0] > 0, [True, False, False, True])


@pytest.mark.parametrize("name", sorted(NUMBERS.keys() - {"text"}))
def test_levels_that_are_numbers_of_every_type(name):
    levels = TabularEncoder(categorical_features=["a"]).fit(pd.DataFrame({"a": NUMBERS["int"]}))
    expected = np.eye(3)[[2, 0, 1, 2]]
    assert_array_equal(levels.transform(pd.DataFrame({"a": NUMBERS[name]})), expected)


def test_whole_numbers_beyond_doubles_are_levels_apart():
    X = pd.DataFrame({"id": [2**60, 2**60 + 1, 2**60 + 2]})
    levels = TabularEncoder(categorical_features=["id"])
    assert_array_equal(levels.fit_transform(X), np.eye(3))


@pytest.mark.parametrize("index", [[3, 3, 3, 3, 3], list("edcba")])
def test_the_index_of_a_frame_does_not_matter(index, expected):
    X = objects().set_axis(index)
    assert_allclose(encoder().fit(X).transform(X), expected)
    out = encoder().set_output(transform="pandas").fit_transform(X)
    assert list(out.index) == index


REFUSED = {
    "Found array with 0 sample": pd.DataFrame({"a": []}),
    "Found array with 0 feature": pd.DataFrame(index=[1, 2]),
    "Expected a 2-dimensional container": pd.Series([1, 2]),
    "Expected 2D array": [1, 2],
    "Column 'c' of input X: complex numbers are not supported": pd.DataFrame({"c": [1j, 2]}),
    "Column 'o' .* complex": pd.DataFrame({"o": pd.Series([1j, None, 2j], dtype=object)}),
    "unique": pd.DataFrame([[1, 2]], columns=["a", "a"]),
    "collect": pl.LazyFrame({"a": [1, 2]}),
}


@pytest.mark.parametrize("message", REFUSED)
def test_what_is_no_table(message):
    with pytest.raises((ValueError, TypeError), match=message):
        TabularEncoder().fit(REFUSED[message])


def test_names_that_are_no_strings():
    X = pd.DataFrame({0: [1, 2, 3], 7: ["a", "b", "a"]})
    fitted = TabularEncoder().fit(X)
    assert not hasattr(fitted, "feature_names_in_")
    assert list(fitted.get_feature_names_out()) == ["x0", "x1_b"]
    X[0] = X[0].astype(float)
    X.loc[1, 0] = np.inf
    with pytest.raises(ValueError, match="Column 0 of input X: it contains infinity"):
        fitted.transform(X)
