"""Parameters, weights and numbers as a user hands them in."""

import warnings
from collections.abc import Sequence
from inspect import signature
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np
from scipy import sparse
from sklearn.utils import check_array
from sklearn.utils.validation import check_consistent_length, validate_data

from skdnn.preprocessing.tables import (
    INFINITE,
    about,
    as_numbers,
    is_frame,
    read_table,
    values_of,
)

FLOATS = (np.dtype(np.float64), np.dtype(np.float32))


def check_parameter(estimator: Any, name: str, valid: bool, expected: str) -> None:
    """Raise a ValueError that says what a parameter must be, unless it is valid."""
    if not valid:
        raise ValueError(
            f"The {name!r} parameter of {type(estimator).__name__} must be {expected}. "
            f"Got {getattr(estimator, name)!r} instead."
        )


def warn_of_no_effect(estimator: Any, condition: str, *names: str) -> None:
    """Warn of changed parameters that a condition, which holds, leaves without effect."""
    parameters = signature(type(estimator)).parameters
    changed = [name for name in names if getattr(estimator, name) != parameters[name].default]
    if changed:
        warnings.warn(f"{', '.join(changed)}: no effect with {condition}.", UserWarning)


def is_real(value: Any) -> bool:
    """Whether the value is a number, and not a boolean or NaN."""
    number = isinstance(value, int | float | np.integer | np.floating)
    return number and not isinstance(value, bool) and value == value


def is_integer(value: Any) -> bool:
    """Whether the value is an integer, and not a boolean."""
    return isinstance(value, int | np.integer) and not isinstance(value, bool)


def is_one_of(value: Any, choices: Sequence[str]) -> bool:
    """Whether the value is one of these strings."""
    return isinstance(value, str) and value in choices


def one_of(choices: Sequence[str]) -> str:
    """Return the choices as words."""
    return " or ".join(map(repr, choices))


def output_dtype(estimator: Any, given: Any = np.float64) -> np.dtype:
    """Return the dtype of the output; None is that of X if it is a float of 32 or 64 bits."""
    if estimator.dtype is None:
        return np.dtype(given) if given in FLOATS else np.dtype(np.float64)
    try:
        dtype = np.dtype(estimator.dtype)
    except TypeError:
        dtype = np.dtype(object)
    check_parameter(estimator, "dtype", dtype in FLOATS, "'float32', 'float64' or None")
    return dtype


def check_weight(sample_weight: Any, X: Any) -> np.ndarray | None:
    """Return the weights in float64; None is all ones."""
    if sample_weight is None:
        return None
    if is_real(sample_weight):
        sample_weight = np.full(X.shape[0], sample_weight)
    weight = check_array(
        sample_weight, ensure_2d=False, dtype=np.float64, input_name="sample_weight"
    )
    if weight.ndim != 1:
        raise ValueError("sample_weight must be 1D, one weight a row of X.")
    check_consistent_length(X, weight)
    if weight.min() < 0 or weight.max() == 0:
        raise ValueError("sample_weight must not be negative, and not zero for all rows.")
    return None if np.all(weight == 1) else weight


def in_use(weight: np.ndarray | None, *arrays: Any) -> tuple[Any, ...]:
    """Return the weights and arrays without the rows of weight zero; None stays None."""
    if weight is None or weight.min() > 0:
        return weight, *arrays
    rows = np.flatnonzero(weight)
    return weight[rows], *(None if A is None else A[rows] for A in arrays)


def check_y(estimator: Any, y: Any, X: Any) -> np.ndarray:
    """Return y as an array of any type, or say that it is lacking."""
    if y is None:
        name = type(estimator).__name__
        raise ValueError(f"{name} requires y to be passed, but the target y is None.")
    y = check_array(y, ensure_2d=False, dtype=None, input_name="y", estimator=estimator)
    check_consistent_length(X, y)
    return y[:, 0] if y.ndim == 2 and y.shape[1] == 1 else y


def check_numbers(estimator: Any, X: Any, *, reset: bool, accept_sparse: str | bool = False) -> Any:
    """Return X as floats, which may be NaN but not infinite."""
    names = list(nw.from_native(X).columns) if is_frame(X) else None
    if is_frame(X) and not is_plain(X):
        table = read_table(estimator, X, reset=reset, reorder=False)
        X = np.empty(table.shape)
        for j, (name, column) in enumerate(table):
            with about(name):
                X[:, j] = as_numbers(values_of(column))
    else:
        X = validate_data(
            estimator,
            X,
            reset=reset,
            accept_sparse=accept_sparse,
            dtype=FLOATS,
            ensure_all_finite=False,
        )
    refuse_infinity(X, names)
    return X


def is_plain(X: Any) -> bool:
    """Whether a frame is one of pandas with nothing but numbers, which is a matrix already."""
    frame = nw.from_native(X)
    numeric = all(dtype.is_numeric() for dtype in frame.schema.dtypes())
    return frame.implementation.is_pandas() and numeric


def refuse_infinity(X: Any, names: list[Any] | None = None) -> None:
    """Raise a ValueError that names the first column with an infinite value."""
    if sparse.issparse(X):
        X = X.tocoo()
        bad = X.col[np.isinf(X.data)]
    else:
        with np.errstate(all="ignore"):
            suspects = np.flatnonzero(~np.isfinite(X.sum(axis=0, dtype=np.float64)))
        bad = [j for j in suspects if np.isinf(X[:, j]).any()]
    if len(bad):
        name = int(bad[0]) if names is None else names[bad[0]]
        with about(name):
            raise ValueError(INFINITE)
