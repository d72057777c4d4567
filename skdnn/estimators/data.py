"""What a user hands in: rows to learn from."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.exceptions import DTypePromotionError
from scipy import sparse
from sklearn.utils import assert_all_finite, check_array
from sklearn.utils.validation import validate_data

from skdnn.estimators._sklearn import check_sample_weight, rows_of
from skdnn.estimators.hyperparameters import compute_dtype
from skdnn.estimators.splitting import part

LARGE_NUMBERS = 2**25  # numbers in X beyond which it is not copied to be converted


@dataclass(frozen=True)
class Dataset:
    """Validated rows.

    Attributes
    ----------
    X : ndarray or csr_array of shape (n, n_features)
        Inputs, in the dtype of the computations; in float64 if they are large.
    y : ndarray of shape (n,) or (n, n_outputs)
        Targets, as the user gave them.
    weight : ndarray of shape (n,) or None
        Weights in float64; None is all ones.
    rows : ndarray of int or None
        The rows in use; None is all of them.  X is not copied to leave some out.
    T : ndarray of shape (n, ...) or None
        Targets, as the estimator's target encodes them; rows that are not in use have zeros.
    given : array-like
        X as the user gave it.
    given_rows : ndarray of int or None
        The rows of it that X has; None is all of them.
    """

    X: Any
    y: np.ndarray
    weight: np.ndarray | None
    rows: np.ndarray | None = None
    T: Any = None
    given: Any = None
    given_rows: np.ndarray | None = None

    @property
    def n_samples(self) -> int:
        """Number of rows in use."""
        return self.X.shape[0] if self.rows is None else len(self.rows)

    def rows_of(self, A: Any) -> Any:
        """Return the rows in use of an array; None stays None."""
        return A if A is None or self.rows is None else A[self.rows]

    def named(self) -> Any:
        """Return the rows in use as a DataFrame if the user gave one, else None."""
        if not hasattr(self.given, "columns"):
            return None
        rows = self._rows_of_given()
        return self.given if rows is None else rows_of(self.given, rows)

    def _rows_of_given(self) -> np.ndarray | None:
        return self.rows if self.given_rows is None else self.rows_of(self.given_rows)

    def where(self, wanted: np.ndarray) -> "Dataset":
        """Return the data with only the wanted rows in use."""
        return self if wanted.all() else replace(self, rows=np.flatnonzero(wanted))

    def encoded(self, target: Any) -> "Dataset":
        """Return the data with y encoded by `target`, which sees the rows in use only."""
        T = target.encode(self.rows_of(self.y))
        if self.rows is not None:
            used, T = T, np.zeros((self.X.shape[0], *T.shape[1:]), T.dtype)
            T[self.rows] = used
        return replace(self, T=T)

    def compact(self) -> "Dataset":
        """Return the rows in use as data of their own."""
        X, y, weight, T = map(self.rows_of, (self.X, self.y, self.weight, self.T))
        return Dataset(X, y, weight, None, T, self.given, self._rows_of_given())

    def split(
        self, labels: np.ndarray | None, fraction: float, seed: int
    ) -> tuple["Dataset", "Dataset"]:
        """Part the rows in use at random, with the shares of their `labels` kept if given."""
        rows = np.arange(self.X.shape[0]) if self.rows is None else self.rows
        train, held_out = part(rows, labels, fraction, seed)
        return replace(self, rows=train), replace(self, rows=held_out).compact()


def check_inputs(estimator: Any, X: Any, *, reset: bool) -> Any:
    """Return X in the dtype of the computations, row by row in memory, or CSR.

    A large array of doubles is left as it is: its rows are converted batch by batch.
    """
    dtype, given = compute_dtype(estimator), X
    stays = is_large(X) and X.dtype == np.float64 and dtype != "float64"
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
        check_range(X, dtype, "X")
    elif reset:
        check_underflow(given, X)
    return X


def is_large(X: Any) -> bool:
    """Whether a copy of X costs more than it is worth."""
    return isinstance(X, np.ndarray) and X.flags.c_contiguous and X.size > LARGE_NUMBERS


def read_y(y: Any, estimator_name: str, **options: Any) -> Any:
    """Return y as an array of any type, or as CSR, with nothing missing or infinite in it."""
    options |= {"ensure_2d": False, "ensure_all_finite": False, "estimator": estimator_name}
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


def check_range(A: Any, compute_dtype: str, name: str) -> None:
    """Refuse numbers that the dtype of the computations cannot hold."""
    dtype = np.dtype(compute_dtype)
    largest = max(float(A.max(initial=0)), -float(A.min(initial=0)))
    if largest > float(np.finfo(dtype).max):
        raise ValueError(f"Input {name} contains infinity or a value too large for {dtype!r}.")
    if 0 < largest < float(np.finfo(dtype).tiny):
        raise ValueError(TOO_SMALL.format(f"Input {name}", dtype, np.finfo(dtype).tiny))


def check_scale(scale: np.ndarray, dtype: str, name: str) -> None:
    """Refuse a scale that the weights of a layer cannot take over in the dtype of computations."""
    info = np.finfo(dtype)
    low, high = float(info.tiny / info.eps), float(info.eps / info.tiny)
    outside = (scale < low) | (scale > high)
    if np.any(outside):
        raise ValueError(
            f"{name} varies by {scale[outside][0]:.2g}. A network in {info.dtype} can take over "
            f"scales from {low:.1g} to {high:.1g}: use other units or, if it is float32, "
            "dtype='float64'."
        )


def check_underflow(given: Any, X: Any) -> None:
    """Refuse X if a column has become zero, or less exact, by being converted."""
    if sparse.issparse(X) or getattr(given, "dtype", None) == X.dtype or len(X) == 0:
        return
    tiny = np.finfo(X.dtype).tiny
    small = np.flatnonzero((X.max(axis=0) < tiny) & (X.min(axis=0) > -tiny))
    if len(small) == 0:
        return
    if np.any(in_double(given, small) != 0):
        raise ValueError(TOO_SMALL.format("A column of input X", X.dtype, tiny))


def in_double(given: Any, columns: np.ndarray) -> np.ndarray:
    """Return some columns of X, as the user gave it, in double precision."""
    some = given.iloc[:, columns] if hasattr(given, "iloc") else np.asarray(given)[:, columns]
    return np.asarray(some, dtype=np.float64)


@contextmanager
def about(name: str, suffix: str) -> Iterator[None]:
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


def check_weight(sample_weight: Any, X: Any, dtype: str) -> np.ndarray:
    """Return the weights of the rows of X in float64, one a row and none negative."""
    weight = check_sample_weight(sample_weight, X, dtype=np.float64, ensure_non_negative=True)
    check_range(weight, dtype, "sample_weight")
    if weight.sum() > float(np.finfo(dtype).max):
        raise ValueError(
            f"The sum of sample_weight is too large for {dtype}: divide all weights by the same "
            "number."
        )
    return weight


def with_weight(X: Any, y: np.ndarray, weight: np.ndarray | None, given: Any) -> Dataset:
    """Return the data without the rows of weight zero; weights that are all one are None."""
    if weight is None:
        return Dataset(X, y, None, given=given)
    data = Dataset(X, y, weight, given=given).where(weight > 0)
    return replace(data, weight=None) if np.all(data.rows_of(weight) == 1) else data
