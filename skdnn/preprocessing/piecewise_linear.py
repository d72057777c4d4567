"""Piecewise-linear encoding of numbers."""

from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin
from sklearn.utils.multiclass import type_of_target
from sklearn.utils.validation import check_is_fitted

from skdnn.preprocessing.bins import make_tree, quantile_edges, tree_edges
from skdnn.preprocessing.checks import (
    check_numbers,
    check_parameter,
    check_weight,
    check_y,
    in_use,
    is_integer,
    is_one_of,
    one_of,
    output_dtype,
    warn_of_no_effect,
)

STRATEGIES = ("quantile", "tree")
BLOCK_ROWS = 2**12  # rows that are encoded together
TARGET_TYPES = ("auto", "classification", "regression")


class PiecewiseLinearEncoder(TransformerMixin, BaseEstimator):
    """Encode every number by how far it fills the bins of its column.

    A number fills the bins below it with 1, its own bin with its relative position in it, and those
    above it with 0.  A linear function of that is a continuous piecewise linear function of the
    number, with a kink at every edge, so a network needs not learn where to bend.

    Parameters
    ----------
    n_bins : int, default=16
        Bins of a column at most.  A column of no more than ``n_bins + 1`` distinct values has its
        edges at these values: then every value but the smallest has a bin of its own.
    strategy : {"quantile", "tree"}, default="quantile"
        Where the edges are: at quantiles, so that all bins have about as many rows; or where a
        decision tree of `n_bins` leaves on this column alone splits it to predict y.
    keep_raw : bool, default=False
        Whether the number itself stands before its bins.
    min_samples_leaf : int, default=20
        Rows that a bin of "tree" has at least; without effect for "quantile".
    target_type : {"auto", "classification", "regression"}, default="auto"
        What y is for "tree"; "auto" asks `sklearn.utils.multiclass.type_of_target`, which takes
        whole numbers for classes.  Without effect for "quantile".
    dtype : {"float32", "float64"} or None, default=None
        Precision of the output, or what numpy takes for it; None is that of X, and float64 if X is
        not of floats.

    Attributes
    ----------
    bin_edges_ : list of ndarray
        Edges of every column, increasing; one at most if the column is constant.
    n_bins_ : ndarray of int of shape (n_features,)
        Output columns that are bins: one fewer than edges, but at least one.
    feature_indices_ : ndarray of int of shape (n_features_out,)
        Which column of X an output column is made of.
    n_features_in_, feature_names_in_ : int, ndarray of str
        Columns of X; the names only if they all are strings.

    Raises
    ------
    ValueError
        If a parameter is none of its choices, y is lacking for "tree", or X has infinite values:
        the message names the column.

    See Also
    --------
    sklearn.preprocessing.KBinsDiscretizer : Tells only in which bin a number is.
    sklearn.preprocessing.SplineTransformer : Smooth functions instead of broken lines.

    Notes
    -----
    A missing value (NaN) fills no bin; the raw value stays missing.  Numbers beyond those of `fit`
    are encoded as the smallest or largest one: the encoding stays within [0, 1].  A constant column
    has one bin that nothing fills.  Rows of weight zero are left out, and so are y of other rows
    than those of `fit`: nothing leaks if that is called on training rows only, as in a pipeline.

    References
    ----------
    Y. Gorishniy, I. Rubachev and A. Babenko (2022), "On embeddings for numerical features in
    tabular deep learning".

    Examples
    --------
    >>> import numpy as np
    >>> from skdnn.preprocessing import PiecewiseLinearEncoder
    >>> X = np.arange(9.0)[:, None]
    >>> encoder = PiecewiseLinearEncoder(n_bins=2).fit(X)
    >>> encoder.bin_edges_
    [array([0., 4., 8.])]
    >>> encoder.transform([[1.0], [6.0], [100.0]])
    array([[0.25, 0.  ],
           [1.  , 0.5 ],
           [1.  , 1.  ]])
    """

    def __init__(
        self,
        n_bins: int = 16,
        *,
        strategy: str = "quantile",
        keep_raw: bool = False,
        min_samples_leaf: int = 20,
        target_type: str = "auto",
        dtype: Any = None,
    ) -> None:
        self.n_bins = n_bins
        self.strategy = strategy
        self.keep_raw = keep_raw
        self.min_samples_leaf = min_samples_leaf
        self.target_type = target_type
        self.dtype = dtype

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> Self:
        """Learn the edges.

        Parameters
        ----------
        X : {array-like, dataframe} of shape (n_samples, n_features)
            Numbers, which may be missing.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs) or None, default=None
            Targets, for "tree" only.
        sample_weight : array-like of shape (n_samples,) or None, default=None
            Weights of the rows; None is all ones.

        Returns
        -------
        PiecewiseLinearEncoder
            The encoder itself.
        """
        self._check_parameters()
        X = check_numbers(self, X, reset=True)
        y = check_y(self, y, X) if self.strategy == "tree" else None
        weight, X, y = in_use(check_weight(sample_weight, X), X, y)
        columns = (X[:, j] for j in range(X.shape[1]))
        if y is None:
            self.bin_edges_ = [quantile_edges(x, self.n_bins, weight) for x in columns]
        else:
            tree = make_tree(self._has_classes(y), self.n_bins, self.min_samples_leaf)
            self.bin_edges_ = [tree_edges(x, self.n_bins, weight, y, tree) for x in columns]
        self.n_bins_ = np.array([max(len(edges) - 1, 1) for edges in self.bin_edges_])
        return self

    def transform(self, X: Any) -> Any:
        """Encode X.

        Parameters
        ----------
        X : {array-like, dataframe} of shape (n_samples, n_features)
            Numbers, which may be missing.

        Returns
        -------
        ndarray of shape (n_samples, n_features_out)
            Numbers in [0, 1], and the raw numbers if they are kept.
        """
        check_is_fitted(self)
        X = check_numbers(self, X, reset=False)
        out = np.zeros((len(X), len(self.feature_indices_)), dtype=output_dtype(self, X.dtype))
        stop = 0
        for j, (edges, n_bins) in enumerate(zip(self.bin_edges_, self.n_bins_, strict=True)):
            if self.keep_raw:
                out[:, stop] = X[:, j]
                stop += 1
            start, stop = stop, stop + n_bins
            if len(edges) > 1:
                fill(X[:, j], edges, out[:, start:stop])
        return out

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """Return the names of the output columns: age_bin0, age_bin1, ...; age if it is kept.

        Parameters
        ----------
        input_features : array-like of str or None, default=None
            Names of the columns of X; None is those of `fit`, or x0, x1, ...

        Returns
        -------
        ndarray of str of shape (n_features_out,)
            Names.
        """
        names = OneToOneFeatureMixin.get_feature_names_out(self, input_features)
        found = []
        for name, n_bins in zip(names, self.n_bins_, strict=True):
            found += [name] * self.keep_raw + [f"{name}_bin{i}" for i in range(n_bins)]
        return np.array(found, dtype=object)

    @property
    def feature_indices_(self) -> np.ndarray:
        return np.repeat(np.arange(len(self.n_bins_)), self.n_bins_ + bool(self.keep_raw))

    def _check_parameters(self) -> None:
        valid = is_integer(self.n_bins) and self.n_bins >= 2
        check_parameter(self, "n_bins", valid, "an integer >= 2")
        for name, choices in (("strategy", STRATEGIES), ("target_type", TARGET_TYPES)):
            check_parameter(self, name, is_one_of(getattr(self, name), choices), one_of(choices))
        valid = is_integer(self.min_samples_leaf) and self.min_samples_leaf >= 1
        check_parameter(self, "min_samples_leaf", valid, "an integer >= 1")
        output_dtype(self)
        if self.strategy == "quantile":
            warn_of_no_effect(self, "strategy='quantile'", "min_samples_leaf", "target_type")

    def _has_classes(self, y: np.ndarray) -> bool:
        if self.target_type != "auto":
            return self.target_type == "classification"
        return not type_of_target(y, input_name="y").startswith("continuous")

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.target_tags.required = self.strategy == "tree"
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags


def fill(x: np.ndarray, edges: np.ndarray, out: np.ndarray) -> None:
    """Write how far the numbers fill the bins between the edges."""
    low = edges[:-1] / 2  # halves, so that no difference is beyond the range of doubles
    width = edges[1:] / 2 - low
    for start in range(0, len(x), BLOCK_ROWS):
        rows = slice(start, start + BLOCK_ROWS)
        filled = (x[rows, None] / 2 - low) / width
        np.clip(filled, 0, 1, out=filled)
        filled[np.isnan(x[rows])] = 0
        out[rows] = filled
