"""Whether validation data of the user's own have the columns of X, in the same units."""

import copy
import warnings
from typing import Any

import numpy as np
from scipy import sparse

from skdnn.estimators._sklearn import get_feature_names
from skdnn.estimators.data import Dataset

MOST_ROWS, MOST_COLUMNS = 500, 1000  # of either data are looked at
FEW_ROWS = 10  # fewer may be alike, or all be far away, by chance
FAR = 3.5  # standard deviations between medians, and more if the rows are few
OTHER_SCALE = 10.0  # ratio of the spreads
UNMISTAKABLE = 100.0  # of either, for a single column
SHARE = 0.25  # of the columns, at least


def without_names(estimator: Any, X: Any) -> Any:
    """Return the estimator that is to check X_val.

    If X has names and X_val does not, a warning names X_val, and a copy of the estimator without
    names is returned, because scikit-learn would warn of X.
    """
    if not hasattr(estimator, "feature_names_in_") or get_feature_names(X) is not None:
        return estimator
    warnings.warn(
        f"X_val does not have valid feature names, but {type(estimator).__name__} was fitted with "
        "feature names"
    )
    nameless = copy.copy(estimator)
    del nameless.feature_names_in_
    return nameless


def warn_of_other_units(training: Dataset, held_out: Dataset) -> None:
    """Warn if the columns of the validation data are in other units than the columns of X.

    They are if, for example, a pipeline has scaled X and not X_val.
    """
    X, V = (_some_rows(data) for data in (training, held_out))
    both_sparse = sparse.issparse(X) and sparse.issparse(V)
    found = _sparse_units(X, V) if both_sparse else _dense_units(X, V)
    if found:
        warnings.warn(
            f"X_val seems to be in other units than X: {found}. In a pipeline X goes through the "
            'steps before, but X_val does not, unless the pipeline has transform_input=["X_val"].'
        )


def _some_rows(data: Dataset) -> Any:
    """Return some of the rows in use, evenly spread."""
    step = -(-data.n_samples // MOST_ROWS)
    return data.X[::step] if data.rows is None else data.X[data.rows[::step]]


def _dense_units(X: np.ndarray, V: np.ndarray) -> str:
    """Say how many columns are far away or of another scale, if they are many or unmistakable.

    Medians and quartiles are compared, so that outliers and skewed columns do not count.  Constant
    columns and columns of two values say nothing of units.  Quartiles that coincide say nothing of
    the scale.
    """
    X, V = _some_columns(X), _some_columns(V)
    numeric = _is_numeric(X)
    X, V, few = X[:, numeric], V[:, numeric], len(V) < FEW_ROWS
    if X.shape[1] == 0:
        return ""
    low_X, middle_X, high_X = np.quantile(X, [0.25, 0.5, 0.75], axis=0)
    low_V, middle_V, high_V = np.quantile(V, [0.25, 0.5, 0.75], axis=0)
    distance = np.abs(middle_V - middle_X) / X.std(axis=0)
    ratio = (high_V - low_V) / (high_X - low_X)
    ratio[few | (high_X <= low_X) | (high_V <= low_V)] = 1.0
    ratio = np.maximum(ratio, 1.0 / ratio)
    off = (distance > FAR + 5.0 / len(V)) | (ratio > OTHER_SCALE)
    unmistakable = not few and max(distance.max(), ratio.max()) > UNMISTAKABLE
    if not unmistakable and off.sum() < max(2, SHARE * len(off)):
        return ""
    return (
        f"{off.sum()} of {len(off)} columns have a median more than {FAR:g} standard deviations "
        f"away from that of X, or spread more than {OTHER_SCALE:g} times as widely, or as closely"
    )


def _some_columns(A: Any) -> np.ndarray:
    """Return some of the columns, evenly spread, in double precision."""
    A = A[:, :: -(-A.shape[1] // MOST_COLUMNS)]
    return (A.toarray() if sparse.issparse(A) else A).astype(np.float64, copy=False)


def _is_numeric(X: np.ndarray) -> np.ndarray:
    """Whether a column has more than two values."""
    low, high = X.min(axis=0), X.max(axis=0)
    return np.any((low < X) & (high > X), axis=0)


def _sparse_units(X: Any, V: Any) -> str:
    """Say whether the typical stored number is of another scale."""
    sizes = [np.median(np.abs(A.data[A.data != 0])) if A.nnz else 0.0 for A in (X, V)]
    smaller, larger = min(sizes), max(sizes)
    if smaller == 0 or larger <= OTHER_SCALE * smaller or V.nnz < FEW_ROWS:
        return ""
    return f"the median of what is stored is {sizes[1]:.3g}, in X {sizes[0]:.3g}"
