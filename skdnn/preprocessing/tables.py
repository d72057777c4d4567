"""Tables of every make, read column by column into numpy arrays.

narwhals reads the frames of pandas, polars and Arrow.  Whatever the make of a table, the values of
a column are an array of numbers, of times (in UTC), of durations or of objects.
"""

import datetime
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np
import pandas as pd
from sklearn.utils import check_array
from sklearn.utils.validation import validate_data

NUMBERS = ("integer", "floating", "mixed-integer-float", "decimal", "timedelta", "timedelta64")
DATES = ("datetime", "datetime64", "date")
INFINITE = (
    "it contains infinity: replace infinite values, for example by NaN or by the largest finite "
    "number."
)


@dataclass(frozen=True)
class Table:
    """Named columns.

    Attributes
    ----------
    names : list
        Names of the columns; their positions if they have none.
    columns : list of narwhals.Series or ndarray
        The columns of a frame, or of an array.
    """

    names: list[Any]
    columns: list[Any]

    @property
    def shape(self) -> tuple[int, int]:
        return len(self.columns[0]), len(self.columns)

    def __iter__(self) -> Iterator[tuple[Any, Any]]:
        return zip(self.names, self.columns, strict=True)


@contextmanager
def about(name: Any) -> Iterator[None]:
    """Let the errors inside begin with the name of the column."""
    try:
        yield
    except (TypeError, ValueError, ArithmeticError) as error:
        raise ValueError(f"Column {name!r} of input X: {error}") from error


def is_frame(X: Any) -> bool:
    """Whether X is a table of pandas, polars, Arrow or another that narwhals knows."""
    return nw.dependencies.is_into_dataframe(X)


def read_table(estimator: Any, X: Any, *, reset: bool, reorder: bool = True) -> Table:
    """Return the columns of X, in the order of `fit`, and remember or check their names."""
    if is_frame(X):
        frame = nw.from_native(X, eager_only=True)
        refuse_empty(frame.shape)
        if reorder and not reset:
            frame = in_order(frame, getattr(estimator, "feature_names_in_", None))
        validate_data(estimator, frame.to_native(), reset=reset, skip_check_array=True)
        return Table(list(frame.columns), list(frame.iter_columns()))
    X = read_array(estimator, X)
    validate_data(estimator, X, reset=reset, skip_check_array=True)
    return Table([*range(X.shape[1])], [*X.T])


def read_array(estimator: Any, X: Any) -> np.ndarray:
    """Return an array or list as an array whose text is objects."""
    if isinstance(nw.from_native(X, pass_through=True), nw.LazyFrame):
        raise TypeError("X is a lazy table: collect it first.")
    options = {"ensure_all_finite": False, "estimator": estimator, "input_name": "X"}
    read = check_array(X, dtype=None, **options)
    if read.dtype.kind in "USVT":  # mixed lists become text, but objects keep their types
        read = check_array(X, dtype=object, **options)
    return read


def refuse_empty(shape: tuple[int, int]) -> None:
    """Raise scikit-learn's error about tables without rows or columns."""
    for size, what in zip(shape, ("sample(s)", "feature(s)"), strict=True):
        if size == 0:
            raise ValueError(
                f"Found array with 0 {what} (shape={shape}) while a minimum of 1 is required."
            )


def in_order(frame: Any, known: np.ndarray | None) -> Any:
    """Return the frame with its columns in the known order if it has exactly these."""
    names = list(frame.columns)
    if known is None or names == list(known) or set(names) != set(known):
        return frame
    return frame.select(list(known))


def values_of(column: Any) -> np.ndarray:
    """Return a column as an array of numbers, of times in UTC, of durations or of objects."""
    values = column if isinstance(column, np.ndarray) else values_of_series(column)
    if values.dtype.kind == "c":
        raise ValueError("complex numbers are not supported.")
    return values if values.dtype.kind in "biufMmO" else values.astype(object)


def values_of_series(series: Any) -> np.ndarray:
    """Return the values of a narwhals.Series."""
    if series.implementation.is_pyarrow() and series.dtype == nw.Categorical:
        native = series.to_native()  # its codes of missing values are anything
        return nw.from_native(native.cast(native.type.value_type), series_only=True).to_numpy()
    values = series.to_numpy()
    if values.dtype.kind == "O" and series.dtype == nw.Decimal:
        return series.cast(nw.Float64).to_numpy()
    return values


def kind_of(column: Any, values: np.ndarray, *, from_dtype: bool) -> str:
    """Return what a column holds: "number", "date" or "category".

    Categories of numbers are numbers unless the dtype is to decide.
    """
    categorical = isinstance(column, nw.Series) and column.dtype in (nw.Categorical, nw.Enum)
    if (categorical and from_dtype) or values.dtype.kind == "b":
        return "category"
    if values.dtype.kind == "O":
        inferred = type_of_objects(values)
        if inferred == "complex":
            raise ValueError("complex numbers are not supported.")
        numeric = inferred in (*NUMBERS, "time")
        return "number" if numeric else "date" if inferred in DATES else "category"
    return "date" if values.dtype.kind == "M" else "number"


def type_of_objects(values: np.ndarray) -> str:
    """Return what pandas infers from objects, whatever stands for missing ones among them."""
    return pd.api.types.infer_dtype(values[~pd.isna(values)])


def as_numbers(values: np.ndarray) -> np.ndarray:
    """Return numbers in float64; what is missing is NaN, durations and times are seconds."""
    if values.dtype.kind == "M":
        raise ValueError("dates are no numbers.")
    if values.dtype.kind == "m":
        return values / np.timedelta64(1, "s")
    if values.dtype.kind != "O":
        return values.astype(np.float64, copy=False)
    inferred = type_of_objects(values)
    if inferred in ("timedelta", "timedelta64"):
        return pd.to_timedelta(pd.Series(values)).to_numpy() / np.timedelta64(1, "s")
    missing = pd.isna(values)
    numbers = np.full(len(values), np.nan)
    present = values[~missing]
    numbers[~missing] = [seconds(t) for t in present] if inferred == "time" else present
    return numbers


def seconds(time: datetime.time) -> float:
    """Return the seconds since midnight of a `datetime.time`."""
    return (time.hour * 60 + time.minute) * 60 + time.second + time.microsecond / 1e6


def zone_of(column: Any) -> str | None:
    """Return the time zone of a column of dates, or None."""
    if isinstance(column, np.ndarray):
        return None
    zone = getattr(column.dtype, "time_zone", None)
    if zone is None:  # narwhals does not read every zone off the dtypes of pandas
        zone = getattr(getattr(column.to_native(), "dtype", None), "tz", None)
    return None if zone is None else str(zone)


def as_dates(values: np.ndarray, zone: str | None) -> np.ndarray:
    """Return times in microseconds, read off a clock in a zone; times without one are in UTC."""
    if values.dtype.kind == "O":
        instants = pd.to_datetime(pd.Series(values), utc=True, format="ISO8601")
        values = instants.dt.tz_localize(None).to_numpy()
    elif values.dtype.kind != "M":
        if not np.all(pd.isna(values)):
            raise ValueError("numbers are no dates.")
        values = np.full(len(values), "NaT", "M8[us]")
    values = values.astype("M8[us]")
    if zone is None or zone == "UTC":
        return values
    return pd.DatetimeIndex(values, tz="UTC").tz_convert(zone).tz_localize(None).to_numpy()


def categorical_mask(parameter: Any, names: list[Any]) -> np.ndarray:
    """Return which columns a mask, indices or names choose; none for "from_dtype" and None."""
    chosen = np.zeros(len(names), dtype=bool)
    if parameter is None or (isinstance(parameter, str) and parameter == "from_dtype"):
        return chosen
    wanted = np.asarray(parameter)
    if wanted.size == 0:
        return chosen
    if wanted.ndim != 1 or wanted.dtype.kind not in "biuUO":
        raise ValueError(
            "categorical_features must be 'from_dtype', None, or an array-like of bool, int or "
            f"str. Got {parameter!r} instead."
        )
    if wanted.dtype.kind == "b":
        if len(wanted) != len(names):
            raise ValueError(
                f"categorical_features set as a boolean mask must have shape ({len(names)},). "
                f"Got {wanted.shape} instead."
            )
        return wanted
    if wanted.dtype.kind in "UO":
        lacking = [name for name in wanted.tolist() if name not in names]
        if lacking:
            raise ValueError(f"categorical_features has {lacking[0]!r}, which is no column of X.")
        wanted = np.array([names.index(name) for name in wanted.tolist()])
    elif np.any((wanted < 0) | (wanted >= len(names))):
        raise ValueError(
            f"categorical_features set as integer indices must be in [0, {len(names) - 1}]. "
            f"Got {parameter!r} instead."
        )
    chosen[wanted] = True
    return chosen
