"""Tables of numbers, categories and dates to columns that a network takes."""

from typing import Any, Self

import numpy as np
from scipy import sparse
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from skdnn.preprocessing.categories import TargetOptions
from skdnn.preprocessing.checks import (
    check_numbers,
    check_parameter,
    check_weight,
    check_y,
    in_use,
    is_integer,
    is_one_of,
    is_real,
    one_of,
    output_dtype,
    warn_of_no_effect,
)
from skdnn.preprocessing.columns import NumberOptions, Output
from skdnn.preprocessing.encodings import (
    Options,
    SparseEncoding,
    TableEncoding,
    TrainingData,
    fit_table,
)
from skdnn.preprocessing.tables import categorical_mask, read_table

CHOICES = {
    "numeric": ("robust", "passthrough"),
    "high_cardinality": ("code", "target"),
    "target_type": ("auto", "continuous", "binary", "multiclass"),
}


class TabularEncoder(TransformerMixin, BaseEstimator):
    """Encode a table of numbers, categories and dates, with gaps, for a network.

    What a column becomes depends on what it holds:

    ==================  ==========================================================================
    numbers, durations  robustly scaled and smoothly clipped as by `RobustSmoothClipScaler`, with
    times of day        0, which is the median, in the place of what is missing; a second column
                        is 1 if it is missing, if something was missing in `fit`
    dates               days since the earliest one, month, day of the month, weekday (Monday is
                        0) and hour, each a column of numbers
    categories, text,   two levels: -1 and +1, 0 if missing or unknown; up to `max_onehot` levels:
    booleans            one-hot code, zeros if missing or unknown; more levels: see
                        `high_cardinality`
    ==================  ==========================================================================

    Columns that are constant, or all missing, are dropped.

    Parameters
    ----------
    categorical_features : "from_dtype", array-like of bool, int or str, or None, \
default="from_dtype"
        Columns whose numbers are categories: those of a categorical dtype, or a mask, indices or
        names.  Text and booleans are categories whatever is said here.
    numeric : {"robust", "passthrough"}, default="robust"
        Whether numbers are scaled, or left as they are, with the median in the place of what is
        missing.
    max_onehot : int, default=9
        Most levels of a one-hot code.
    high_cardinality : {"code", "target"}, default="code"
        What more levels become.  "code": one column of whole numbers for an embedding, 0 if missing
        or unknown, else from 1 on.  "target": the mean of y of the level, shrunk towards that of
        all rows, by scikit-learn's `TargetEncoder`; one column an output of y, or one a class if
        there are more than two.  `fit_transform` encodes each row by rows of other folds, so it is
        not the same as `fit` and `transform`.
    add_indicator : bool, default=True
        Whether numbers and dates that were missing in `fit` get the second column.
    min_range : float, default=1e-6
        A column of numbers is dropped if its range is no more than so large a share of its largest
        absolute value.
    target_type : {"auto", "continuous", "binary", "multiclass"}, default="auto"
        What y is for "target"; "auto" takes whole numbers for classes.
    cv : int, splitter or iterable, default=5
        Folds for "target".
    random_state : int, RandomState instance or None, default=None
        Seed of the folds, if `cv` is a number.
    dtype : {"float32", "float64"} or None, default="float32"
        Precision of the output, or what numpy takes for it; None is float64.

    Attributes
    ----------
    feature_indices_ : ndarray of int of shape (n_features_out,)
        Which column of X an output column is made of.
    feature_kinds_ : ndarray of str of shape (n_features_out,)
        What it is: "number", "missing", "binary", "onehot", "code" or "target".
    code_indices_ : ndarray of int of shape (n_codes,)
        The output columns that are codes.
    cardinalities_ : ndarray of int of shape (n_codes,)
        Number of codes in each of these, the 0 included.
    n_features_in_, feature_names_in_ : int, ndarray of str
        Columns of X; the names only if they all are strings.

    Raises
    ------
    ValueError
        If a parameter is none of its choices, a column has infinite values or what is no number or
        date although it had these in `fit`, columns are lacking or new ones there, or y is lacking
        for "target".  The message names the column.

    See Also
    --------
    RobustSmoothClipScaler : For numbers alone.
    PiecewiseLinearEncoder : More columns a number, for a table of numbers.
    sklearn.compose.ColumnTransformer : To say by hand what each column goes through.

    Notes
    -----
    Frames of pandas, polars and Arrow, arrays and lists are read.  Columns of a frame are matched
    by their names, in any order.  Types need not be those of `fit`: 1, 1.0 and True are one level,
    text that can be read as numbers or dates is, and times without a zone are taken to be in UTC.
    Dates are read off the clock of the zone that they had in `fit`.

    Weights count in medians, quartiles and scales.  Rows of weight zero are left out of `fit`.
    `TargetEncoder` takes no weights, so they do not count there.

    Sparse X may only have numbers.  They are scaled but not centred, what is missing becomes zero,
    and no indicators are added.

    References
    ----------
    D. Holzmüller, L. Grinsztajn and I. Steinwart (2024), "Better by default: strong pre-tuned MLPs
    and boosted trees on tabular data".
    D. Micci-Barreca (2001), "A preprocessing scheme for high-cardinality categorical attributes in
    classification and prediction problems".

    Examples
    --------
    >>> import pandas as pd
    >>> from skdnn.preprocessing import TabularEncoder
    >>> X = pd.DataFrame({
    ...     "age": [31, 45, None, 28, 50],
    ...     "city": ["Bern", "Rome", "Oslo", None, "Rome"],
    ...     "member": [True, False, True, True, False],
    ... })
    >>> encoder = TabularEncoder().set_output(transform="pandas")
    >>> encoder.fit_transform(X).round(2)
        age  age_missing  city_Bern  city_Oslo  city_Rome  member_True
    0 -0.39          0.0        1.0        0.0        0.0          1.0
    1  0.39          0.0        0.0        0.0        1.0         -1.0
    2  0.00          1.0        0.0        1.0        0.0          1.0
    3 -0.55          0.0        0.0        0.0        0.0          1.0
    4  0.65          0.0        0.0        0.0        1.0         -1.0
    >>> encoder.feature_indices_
    array([0, 0, 1, 1, 1, 2])
    """

    def __init__(
        self,
        *,
        categorical_features: Any = "from_dtype",
        numeric: str = "robust",
        max_onehot: int = 9,
        high_cardinality: str = "code",
        add_indicator: bool = True,
        min_range: float = 1e-6,
        target_type: str = "auto",
        cv: Any = 5,
        random_state: Any = None,
        dtype: Any = "float32",
    ) -> None:
        self.categorical_features = categorical_features
        self.numeric = numeric
        self.max_onehot = max_onehot
        self.high_cardinality = high_cardinality
        self.add_indicator = add_indicator
        self.min_range = min_range
        self.target_type = target_type
        self.cv = cv
        self.random_state = random_state
        self.dtype = dtype

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> Self:
        """Learn what the columns hold, and how they are encoded.

        Parameters
        ----------
        X : {dataframe, array-like, sparse} of shape (n_samples, n_features)
            The table.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs) or None, default=None
            Targets, for ``high_cardinality="target"`` only.
        sample_weight : array-like of shape (n_samples,) or None, default=None
            Weights of the rows; None is all ones.

        Returns
        -------
        TabularEncoder
            The encoder itself.
        """
        self._fit(X, y, sample_weight, cross_fit=False)
        return self

    def fit_transform(self, X: Any, y: Any = None, sample_weight: Any = None) -> Any:
        """Fit and encode X; with "target" each row by the y of rows of other folds.

        Parameters
        ----------
        X : {dataframe, array-like, sparse} of shape (n_samples, n_features)
            The table.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs) or None, default=None
            Targets, for ``high_cardinality="target"`` only.
        sample_weight : array-like of shape (n_samples,) or None, default=None
            Weights of the rows; None is all ones.

        Returns
        -------
        ndarray or csr_array of shape (n_samples, n_features_out)
            The encoded table.
        """
        rows, crossed = self._fit(X, y, sample_weight, cross_fit=True)
        out = self._transform(X)
        for j, encoded in crossed.items():
            out[np.ix_(rows, np.flatnonzero(self.feature_indices_ == j))] = encoded
        return out

    def transform(self, X: Any) -> Any:
        """Encode X.

        Parameters
        ----------
        X : {dataframe, array-like, sparse} of shape (n_samples, n_features)
            The table; the columns of a frame may be in another order than in `fit`.

        Returns
        -------
        ndarray or csr_array of shape (n_samples, n_features_out)
            The encoded table.
        """
        check_is_fitted(self)
        return self._transform(X)

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """Return the names of the output columns: age, age_missing, city_Rome, ...

        Parameters
        ----------
        input_features : array-like of str or None, default=None
            Names of the columns of X; None is those of `fit`, or x0, x1, ...

        Returns
        -------
        ndarray of str of shape (n_features_out,)
            Names, each only once.
        """
        names = OneToOneFeatureMixin.get_feature_names_out(self, input_features)
        found = [f"{names[j]}{output.suffix}" for j, output in self._all_outputs()]
        return np.array(each_once(found), dtype=object)

    @property
    def feature_indices_(self) -> np.ndarray:
        return np.array([j for j, _ in self._all_outputs()], dtype=np.intp)

    @property
    def feature_kinds_(self) -> np.ndarray:
        return np.array([output.kind for _, output in self._all_outputs()], dtype=object)

    @property
    def code_indices_(self) -> np.ndarray:
        return np.flatnonzero(self.feature_kinds_ == "code")

    @property
    def cardinalities_(self) -> np.ndarray:
        n_codes = [output.n_codes for _, output in self._all_outputs() if output.kind == "code"]
        return np.array(n_codes, dtype=np.intp)

    def _all_outputs(self) -> list[tuple[int, Output]]:
        """Return every output column, with the column of X that it is made of."""
        outputs = self._encoding.outputs
        return [(j, output) for j, own in enumerate(outputs) for output in own]

    def _check_parameters(self) -> None:
        for name, choices in CHOICES.items():
            check_parameter(self, name, is_one_of(getattr(self, name), choices), one_of(choices))
        valid = is_integer(self.max_onehot) and self.max_onehot >= 0
        check_parameter(self, "max_onehot", valid, "an integer >= 0")
        valid = is_real(self.min_range) and 0 <= self.min_range < 1
        check_parameter(self, "min_range", valid, "a number in [0, 1)")
        output_dtype(self)
        if self.high_cardinality == "code":
            # `cv` is set on any estimator that has it, as `random_state` is
            warn_of_no_effect(self, "high_cardinality='code'", "target_type")

    def _fit(
        self, X: Any, y: Any, sample_weight: Any, *, cross_fit: bool
    ) -> tuple[np.ndarray, dict[int, np.ndarray]]:
        """Return the rows in use, and the cross-fitted encodings by column of X."""
        self._check_parameters()
        y = check_y(self, y, X) if self.high_cardinality == "target" else None
        options = self._options()
        if sparse.issparse(X):
            X = check_numbers(self, X, reset=True, accept_sparse="csr")
            if np.any(categorical_mask(self.categorical_features, [*range(X.shape[1])])):
                raise ValueError("categorical_features must be none if X is sparse.")
            weight, X = in_use(check_weight(sample_weight, X), X)
            self._encoding: TableEncoding | SparseEncoding = SparseEncoding(
                X, weight, options.numbers
            )
            return np.arange(X.shape[0]), {}
        table = read_table(self, X, reset=True)
        rows = np.arange(table.shape[0])
        weight, rows, y = in_use(check_weight(sample_weight, table), rows, y)
        wanted = categorical_mask(self.categorical_features, table.names)
        data = TrainingData(table, rows, weight, y)
        self._encoding, crossed = fit_table(data, wanted, options, cross_fit=cross_fit)
        return rows, crossed

    def _options(self) -> Options:
        scale = self.numeric == "robust"
        numbers = NumberOptions(scale, self.add_indicator, self.min_range)
        cv = self.cv if hasattr(self.cv, "split") or not np.iterable(self.cv) else list(self.cv)
        target = TargetOptions(self.target_type, cv, self.random_state, scale)
        return Options(
            from_dtype=is_one_of(self.categorical_features, ["from_dtype"]),
            numbers=numbers,
            max_onehot=self.max_onehot,
            target=target if self.high_cardinality == "target" else None,
        )

    def _transform(self, X: Any) -> Any:
        dtype = output_dtype(self)
        is_sparse = sparse.issparse(X)
        if is_sparse or isinstance(self._encoding, SparseEncoding):
            X = check_numbers(self, X, reset=False, accept_sparse="csr")
        if isinstance(self._encoding, SparseEncoding):
            return self._encoding.transform(sparse.csr_array(X), dtype)
        table = read_table(self, X.toarray() if is_sparse else X, reset=False)
        return self._encoding.transform(table, dtype)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.categorical = True
        tags.input_tags.string = True
        tags.input_tags.sparse = True
        tags.target_tags.required = self.high_cardinality == "target"
        tags.transformer_tags.preserves_dtype = []
        return tags


def each_once(names: list[str]) -> list[str]:
    """Return names of which those that were there before have a number appended."""
    seen: set[str] = set()
    for i, name in enumerate(names):
        k = 1
        while names[i] in seen:
            k += 1
            names[i] = f"{name}_{k}"
        seen.add(names[i])
    return names
