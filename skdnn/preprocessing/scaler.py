"""Robust scaling of numbers, with outliers brought within limits smoothly."""

from collections.abc import Callable
from typing import Any, Self

import numpy as np
from scipy import sparse
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin
from sklearn.utils import check_array
from sklearn.utils.validation import check_is_fitted

from skdnn.preprocessing.checks import (
    FLOATS,
    check_numbers,
    check_parameter,
    check_weight,
    in_use,
    is_real,
    output_dtype,
)
from skdnn.preprocessing.statistics import centre_and_scale, smooth_clip

BLOCK_NUMBERS = 2**16  # numbers of X that are computed in double precision together


class RobustSmoothClipScaler(OneToOneFeatureMixin, TransformerMixin, BaseEstimator):
    """Scale columns by their quartiles, and bring outliers within limits smoothly.

    A number x becomes z / √(1 + (z / limit)²) with z = s (x - median), in which s is
    1 / (q75 - q25), or 2 / (max - min) if the quartiles coincide, or 0 if the column is constant
    but for rounding.  So the middle half of a column is about one wide, whatever outliers there
    are, and no output is beyond ±limit.

    Parameters
    ----------
    limit : float, default=3.0
        What no output is beyond; inf leaves the clipping out.
    dtype : {"float32", "float64"} or None, default=None
        Precision of the output, or what numpy takes for it; None is that of X, and float64 if X is
        not of floats.

    Attributes
    ----------
    center_ : ndarray of shape (n_features,)
        Medians; 0 if X is sparse.
    scale_ : ndarray of shape (n_features,)
        The factors s.
    n_features_in_, feature_names_in_ : int, ndarray of str
        Columns of X; the names only if they all are strings.

    Raises
    ------
    ValueError
        If a parameter is none of its choices, or X has infinite values: the message names the
        column.

    See Also
    --------
    TabularEncoder : Does this to the numbers of a table, and encodes the rest.
    sklearn.preprocessing.RobustScaler : Without weights, clipping, or a rule for quartiles that
        coincide.

    Notes
    -----
    Missing values (NaN) are left out in `fit` and stay missing.  Sparse columns are not centred, so
    that zeros stay zeros; their quartiles are those of all values, zeros included.  Quantiles are
    those of the method "averaged_inverted_cdf" of `numpy.quantile`.

    References
    ----------
    D. Holzmüller, L. Grinsztajn and I. Steinwart (2024), "Better by default: strong pre-tuned MLPs
    and boosted trees on tabular data".

    Examples
    --------
    >>> import numpy as np
    >>> from skdnn.preprocessing import RobustSmoothClipScaler
    >>> X = np.array([[1.0, 0], [2, 0], [3, 0], [4, 0], [1e6, 1]])
    >>> RobustSmoothClipScaler().fit_transform(X).round(2)
    array([[-0.95,  0.  ],
           [-0.49,  0.  ],
           [ 0.  ,  0.  ],
           [ 0.49,  0.  ],
           [ 3.  ,  1.66]])
    """

    def __init__(self, *, limit: float = 3.0, dtype: Any = None) -> None:
        self.limit = limit
        self.dtype = dtype

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> Self:
        """Learn the medians and factors.

        Parameters
        ----------
        X : {array-like, dataframe, sparse} of shape (n_samples, n_features)
            Numbers, which may be missing.
        y : None
            Ignored.
        sample_weight : array-like of shape (n_samples,) or None, default=None
            Weights of the rows; None is all ones.

        Returns
        -------
        RobustSmoothClipScaler
            The scaler itself.
        """
        valid = is_real(self.limit) and self.limit > 0
        check_parameter(self, "limit", valid, "a number > 0")
        output_dtype(self)
        X = check_numbers(self, X, reset=True, accept_sparse="csc")
        weight, X = in_use(check_weight(sample_weight, X), X)
        found = (sparse_scales if sparse.issparse(X) else scales)(X, weight)
        self.center_, self.scale_ = np.array(found, dtype=np.float64).T
        return self

    def transform(self, X: Any) -> Any:
        """Scale and clip X.

        Parameters
        ----------
        X : {array-like, dataframe, sparse} of shape (n_samples, n_features)
            Numbers, which may be missing.

        Returns
        -------
        ndarray or csr_array of shape (n_samples, n_features)
            Numbers within ±limit.
        """
        check_is_fitted(self)
        X = check_numbers(self, X, reset=False, accept_sparse="csr")
        if sparse.issparse(X):
            return self._on_data(X, lambda x, s: smooth_clip(s * x, self.limit))
        return self._in_blocks(
            X, lambda x: smooth_clip((x - self.center_) * self.scale_, self.limit)
        )

    def inverse_transform(self, X: Any) -> Any:
        """Undo `transform`.

        Parameters
        ----------
        X : {array-like, sparse} of shape (n_samples, n_features)
            Numbers within ±limit; at the limits and beyond the inverse is infinite.

        Returns
        -------
        ndarray or csr_array of shape (n_samples, n_features)
            Numbers in the units of `fit`; those of a constant column are its median.
        """
        check_is_fitted(self)
        X = check_array(X, accept_sparse="csr", dtype=FLOATS, ensure_all_finite=False)
        if X.shape[1] != self.n_features_in_:
            raise ValueError(
                f"X has {X.shape[1]} features, but {type(self).__name__} is expecting "
                f"{self.n_features_in_} features as input."
            )
        if sparse.issparse(X):
            return self._on_data(X, self._unscaled)
        return self._in_blocks(X, lambda x: self._unscaled(x, self.scale_) + self.center_)

    def _unscaled(self, x: np.ndarray, scale: np.ndarray) -> np.ndarray:
        t = np.clip(x / self.limit, -1, 1)
        z = x / np.sqrt(1 - t * t)
        return np.divide(z, scale, where=scale > 0, out=np.where(np.isnan(z), z, 0.0))

    def _in_blocks(self, X: np.ndarray, function: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
        """Return a function of blocks of rows, computed in double precision."""
        out = np.empty(X.shape, dtype=output_dtype(self, X.dtype))
        n_block = max(BLOCK_NUMBERS // X.shape[1], 1)
        with np.errstate(all="ignore"):
            for start in range(0, len(X), n_block):
                block = slice(start, start + n_block)
                out[block] = function(X[block])
        return out

    def _on_data(self, X: Any, function: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> Any:
        """Return a sparse X with a function of its stored numbers and their factors."""
        dtype = output_dtype(self, X.dtype)
        with np.errstate(all="ignore"):
            data = function(X.data.astype(np.float64), self.scale_[X.indices])
        return type(X)((data.astype(dtype), X.indices, X.indptr), shape=X.shape)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.sparse = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags


def scales(X: np.ndarray, weight: np.ndarray | None) -> list[tuple[float, float]]:
    """Return median and factor of every column."""
    return [centre_and_scale(X[:, j], weight) for j in range(X.shape[1])]


def sparse_scales(X: Any, weight: np.ndarray | None) -> list[tuple[float, float]]:
    """Return 0 and the factor of every sparse column, whose zeros count as one row of their sum."""
    weight = np.ones(X.shape[0]) if weight is None else weight
    total, found = weight.sum(), []
    X = X.tocsc()
    for start, stop in zip(X.indptr[:-1], X.indptr[1:], strict=True):
        own = weight[X.indices[start:stop]]
        x, w = X.data[start:stop], own
        if len(x) < X.shape[0]:
            x, w = np.append(x, x.dtype.type(0)), np.append(own, max(total - own.sum(), 0.0))
        found.append((0.0, centre_and_scale(x, w)[1]))
    return found
