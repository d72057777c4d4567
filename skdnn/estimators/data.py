"""What a user hands in: rows to learn from."""

import re
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.exceptions import DTypePromotionError
from scipy import sparse
from sklearn.utils import assert_all_finite, check_array
from sklearn.utils.validation import check_consistent_length, validate_data

from skdnn.estimators._sklearn import check_sample_weight, rows_of
from skdnn.estimators.construction import compute_dtype
from skdnn.estimators.splitting import part

LARGE_NUMBERS = 2**25  # numbers in X beyond which it is not copied to be converted


@dataclass(frozen=True)
class Sample:
    """Validated rows.

    Attributes
    ----------
    X : ndarray or csr_array of shape (n_samples, n_features)
        Inputs, in the dtype of the computations; in float64 if they are large.
    y : ndarray of shape (n_samples,) or (n_samples, n_outputs)
        Targets, as the user gave them.
    weight : ndarray of shape (n_samples,) or None
        Weights in float64; None is all ones.
    Y : ndarray of shape (n_samples, ...) or None
        Targets, as the network's target encodes them; rows that are not in use have zeros.
    rows : ndarray of int or None
        The rows in use; None is all of them.  X is not copied to leave some out.
    given : array-like
        X as the user gave it.
    given_rows : ndarray of int or None
        The rows of it that X has; None is all of them.
    """

    X: Any
    y: np.ndarray
    weight: np.ndarray | None
    rows: np.ndarray | None = None
    Y: np.ndarray | None = None
    given: Any = None
    given_rows: np.ndarray | None = None

    @property
    def n(self) -> int:
        return self.X.shape[0] if self.rows is None else len(self.rows)

    def used(self, A):
        """Return the rows in use of an array (None stays None)."""
        return A if A is None or self.rows is None else A[self.rows]

    def named(self):
        """Return the rows in use as a DataFrame if the user gave one, else None."""
        if not hasattr(self.given, "columns"):
            return None
        rows = self._rows_of_given()
        return self.given if rows is None else rows_of(self.given, rows)

    def _rows_of_given(self):
        return self.rows if self.given_rows is None else self.used(self.given_rows)

    def among(self, wanted: np.ndarray) -> "Sample":
        """Return the sample with only the wanted rows in use."""
        if wanted.all():
            return self
        return replace(self, rows=np.flatnonzero(wanted))

    def encoded(self, target) -> "Sample":
        """Return the sample with y encoded for `target`, which sees the rows in use only."""
        Y = target.encode(self.used(self.y))
        if self.rows is not None:
            used, Y = Y, np.zeros((self.X.shape[0], *Y.shape[1:]), Y.dtype)
            Y[self.rows] = used
        return replace(self, Y=Y)

    def compact(self) -> "Sample":
        """Return the rows in use as a sample of their own."""
        X, y, weight, Y = map(self.used, (self.X, self.y, self.weight, self.Y))
        return Sample(X, y, weight, None, Y, self.given, self._rows_of_given())

    def split(self, labels, fraction: float, seed: int) -> tuple["Sample", "Sample"]:
        """Part the rows in use at random, with the shares of their `labels` kept if given."""
        rows = np.arange(self.X.shape[0]) if self.rows is None else self.rows
        train, held_out = part(rows, labels, fraction, seed)
        return replace(self, rows=train), replace(self, rows=held_out).compact()


def check_inputs(estimator, X, *, reset: bool):
    """Return X in the dtype of the computations, row by row in memory, or CSR.

    A large array of doubles is left as it is: its rows are converted batch by batch.
    """
    dtype, given = compute_dtype(estimator), X
    stays = is_large(X) and X.dtype == np.float64 != dtype
    with np.errstate(all="ignore"):  # values beyond float32 get a message
        X = validate_data(
            estimator,
            X,
            reset=reset,
            accept_sparse="csr",
            dtype=X.dtype if stays else dtype,
            order="C",
        )
    if stays:
        check_range(estimator, X, "X")
    elif reset:
        check_underflow(given, X)
    return X


def is_large(X) -> bool:
    """Whether a copy of X costs more than it is worth."""
    return isinstance(X, np.ndarray) and X.flags.c_contiguous and X.size > LARGE_NUMBERS


def read_y(estimator, y, **options) -> np.ndarray:
    """Return y as an array of any type, or as CSR, with nothing missing or infinite in it."""
    options |= {"ensure_2d": False, "ensure_all_finite": False, "estimator": estimator}
    if isinstance(getattr(y, "dtype", None), np.dtypes.StringDType):
        y = y.astype(object)
    if np.ma.is_masked(y):
        raise ValueError("Input y contains NaN: some of its values are masked.")
    try:
        y = check_array(y, dtype=None, input_name="y", **options)
    except (
        DTypePromotionError,
        TypeError,
        ValueError,
    ):  # columns of a frame with no dtype in common
        if not hasattr(y, "columns"):
            raise
        y = check_array(np.asarray(y, dtype=object), dtype=None, input_name="y", **options)
    numbers = y.data if sparse.issparse(y) else y
    if has_missing(numbers):
        raise ValueError("Input y contains NaN.")
    if numbers.dtype.kind == "f":
        assert_all_finite(numbers, input_name="y")
    return y


def has_missing(values: np.ndarray) -> bool:
    """Whether there is None, NaN, NaT or the NA of pandas among objects or times."""
    if values.dtype.kind in "mM":
        return bool(np.isnat(values).any())
    if values.dtype != object:
        return False
    types = {t.__name__ for t in set(map(type, values.ravel().tolist()))}
    return bool(types & {"NoneType", "NAType", "NaTType"}) or bool(np.any(values != values))


def as_numbers(y: np.ndarray) -> np.ndarray:
    """Return y as numbers, or say why it is none."""
    types = {y.dtype.type} if y.dtype != object else set(map(type, y.ravel().tolist()))
    if any(issubclass(t, np.datetime64 | np.timedelta64) for t in types):
        raise ValueError(
            f"Input y must be numbers. Got {y.dtype}: turn times into numbers first, for example "
            "into seconds by (y - y[0]) / np.timedelta64(1, 's')."
        )
    if y.dtype != object:
        return check_array(y, ensure_2d=False, input_name="y")  # has words for text
    try:
        y = y.astype(np.float64)
    except (TypeError, ValueError, OverflowError) as error:
        names = sorted(t.__name__ for t in types)
        raise ValueError(f"Input y must be numbers. Got {', '.join(names)}: {error}") from error
    assert_all_finite(y, input_name="y")
    return y


TOO_SMALL = (
    "{} has only values that are too small for {}, whose smallest is {:.2g}: use larger units or, "
    "if it is float32, dtype='float64'."
)


def check_range(estimator, A, name: str) -> None:
    """Refuse numbers that the dtype of the computations cannot hold."""
    dtype = np.dtype(compute_dtype(estimator))
    largest = max(float(A.max(initial=0)), -float(A.min(initial=0)))
    if largest > float(np.finfo(dtype).max):
        raise ValueError(f"Input {name} contains infinity or a value too large for {dtype!r}.")
    if 0 < largest < float(np.finfo(dtype).tiny):
        raise ValueError(TOO_SMALL.format(f"Input {name}", dtype, np.finfo(dtype).tiny))


def check_scale(estimator, scale, name: str) -> None:
    """Refuse a scale that the weights of a layer cannot take over in the dtype of computations."""
    info = np.finfo(compute_dtype(estimator))
    low, high = float(info.tiny / info.eps), float(info.eps / info.tiny)
    outside = (scale < low) | (scale > high)
    if np.any(outside):
        raise ValueError(
            f"{name} varies by {scale[outside][0]:.2g}. A network in {info.dtype} can take over "
            f"scales from {low:.1g} to {high:.1g}: use other units or, if it is float32, "
            "dtype='float64'."
        )


def check_underflow(given, X) -> None:
    """Refuse X if a column has become zero, or less exact, by being converted."""
    if sparse.issparse(X) or getattr(given, "dtype", None) == X.dtype or len(X) == 0:
        return
    tiny = np.finfo(X.dtype).tiny
    small = np.flatnonzero((X.max(axis=0) < tiny) & (X.min(axis=0) > -tiny))
    if len(small) == 0:
        return
    if np.any(in_double(given, small) != 0):
        raise ValueError(TOO_SMALL.format("A column of input X", X.dtype, tiny))


def in_double(given, columns: np.ndarray) -> np.ndarray:
    """Return some columns of X, as the user gave it, in double precision."""
    some = given.iloc[:, columns] if hasattr(given, "iloc") else np.asarray(given)[:, columns]
    return np.asarray(some, dtype=np.float64)


@contextmanager
def about(name: str, suffix: str):
    """Let the errors inside name the parameter with its suffix: X_val instead of X, for example.

    An error that names no parameter is preceded by `name` with the suffix.
    """
    try:
        yield
    except (TypeError, ValueError) as error:
        if not suffix:
            raise
        words = re.sub(r"\b(X|y|sample_weight)\b", rf"\1{suffix}", str(error))
        kind = ValueError if isinstance(error, ValueError) else TypeError
        raise kind(words if suffix in words else f"{name}{suffix}: {words}") from error


def check_sample(estimator, X, y, sample_weight, *, reset: bool, suffix: str = "") -> Sample:
    """Return the validated rows; those of weight zero are left out.

    `suffix` is what the names of the parameters end with: "_val" for the rows to validate on.
    """
    if y is None:
        name = type(estimator).__name__
        raise ValueError(f"{name} requires y to be passed, but the target y is None.")
    with about("X", suffix):
        given, X = X, check_inputs(estimator, X, reset=reset)
    with about("y", suffix):
        y = estimator._check_y(y)
        check_consistent_length(X, y)
    if sample_weight is None:
        return Sample(X, y, None, given=given)
    with about("sample_weight", suffix):
        weight = check_sample_weight(sample_weight, X, dtype=np.float64, ensure_non_negative=True)
        check_range(estimator, weight, "sample_weight")
        if weight.sum() > float(np.finfo(compute_dtype(estimator)).max):
            raise ValueError(
                f"The sum of sample_weight is too large for {compute_dtype(estimator)}: divide "
                "all weights by the same number."
            )
    sample = Sample(X, y, weight, given=given).among(weight > 0)
    return replace(sample, weight=None) if np.all(sample.used(weight) == 1) else sample
