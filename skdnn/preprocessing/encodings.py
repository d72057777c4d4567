"""All columns of a table together."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import sparse

from skdnn.preprocessing.categories import (
    CategoryColumn,
    Levels,
    TargetOptions,
    embedding_codes,
    few_levels,
    target_means,
)
from skdnn.preprocessing.columns import (
    LIMIT,
    Column,
    DateColumn,
    NumberColumn,
    NumberOptions,
    Output,
    varies,
)
from skdnn.preprocessing.scaler import sparse_scales
from skdnn.preprocessing.statistics import smooth_clip
from skdnn.preprocessing.tables import Table, about, kind_of, values_of, zone_of

BLOCK_ROWS = 2**15  # rows that are encoded together


@dataclass(frozen=True)
class Options:
    """How the columns are encoded.

    Attributes
    ----------
    from_dtype : bool
        Whether columns of a categorical dtype are categories, even if their levels are numbers.
    numbers : NumberOptions
        How numbers and dates are encoded.
    max_onehot : int
        Most levels of a one-hot code.
    target : TargetOptions or None
        How more levels are encoded by the mean of y; None is codes for an embedding.
    """

    from_dtype: bool
    numbers: NumberOptions
    max_onehot: int
    target: TargetOptions | None


@dataclass(frozen=True)
class TrainingData:
    """What is learned from: a table, the rows in use, and their weights and targets."""

    table: Table
    rows: np.ndarray
    weight: np.ndarray | None
    y: np.ndarray | None

    def values(self, column: Any) -> np.ndarray:
        """Return the rows in use of a column."""
        values = values_of(column)
        return values if len(self.rows) == len(values) else values[self.rows]


class TableEncoding:
    """The encodings of the columns of a table, side by side."""

    def __init__(self, columns: list[Column]):
        self.columns = columns

    @property
    def outputs(self) -> list[list[Output]]:
        return [column.outputs for column in self.columns]

    def transform(self, table: Table, dtype: np.dtype) -> np.ndarray:
        """Return the encoded table, of shape (n_samples, n_features_out)."""
        out = np.empty((table.shape[0], sum(map(len, self.outputs))), dtype)
        stop = 0
        for (name, given), column in zip(table, self.columns, strict=True):
            start, stop = stop, stop + len(column.outputs)
            if stop > start:
                with about(name):
                    write_in_blocks(column, given, out[:, start:stop])
        return out


def write_in_blocks(column: Column, given: Any, out: np.ndarray) -> None:
    """Write the output columns of a column of a table, so many rows at a time."""
    for row in range(0, len(out), BLOCK_ROWS):
        rows = slice(row, row + BLOCK_ROWS)
        some = given if len(out) <= BLOCK_ROWS else given[rows]
        column.write(values_of(some), out[rows])


class SparseEncoding:
    """Sparse columns of numbers, scaled but not centred; constant ones are dropped."""

    def __init__(self, X: Any, weight: np.ndarray | None, options: NumberOptions):
        low, high = (getattr(X, f"nan{end}")(axis=0).toarray().ravel() for end in ("min", "max"))
        kept = [varies(np.array(ends), options.min_range) for ends in zip(low, high, strict=True)]
        self.outputs = [[Output("", "number")] if keep else [] for keep in kept]
        self.kept = np.flatnonzero(kept)
        self.scaled = options.scale
        self.factors = np.array([factor for _, factor in sparse_scales(X[:, self.kept], weight)])

    def transform(self, X: Any, dtype: np.dtype) -> sparse.csr_array:
        """Return the encoded csr_array, of shape (n_samples, n_features_out)."""
        X = X[:, self.kept].astype(np.float64)
        if self.scaled:
            X.data = smooth_clip(X.data * self.factors[X.indices], LIMIT)
        X.data[np.isnan(X.data)] = 0
        return X.astype(dtype)


def fit_table(
    data: TrainingData, wanted: np.ndarray, options: Options, *, cross_fit: bool
) -> tuple[TableEncoding, dict[int, np.ndarray]]:
    """Return the encoding of a table.

    Parameters
    ----------
    data : TrainingData
        What is learned from.
    wanted : ndarray of bool of shape (n_features,)
        Which columns are categories whatever they hold.
    options : Options
        How the columns are encoded.
    cross_fit : bool
        Whether the rows are to be encoded by the y of rows of other folds.

    Returns
    -------
    TableEncoding
        The encoding.
    dict of int to ndarray
        The columns that were cross-fitted, with the encoded rows.
    """
    columns: list[Column] = []
    crossed = {}
    for j, (name, given) in enumerate(data.table):
        with about(name):
            values = data.values(given)
            kind = kind_of(given, values, from_dtype=options.from_dtype)
            column: Column
            if wanted[j] or kind == "category":
                column, encoded = fit_category(values, data, options, cross_fit)
                if encoded is not None:
                    crossed[j] = encoded
            elif kind == "date":
                column = DateColumn(values, data.weight, zone_of(given), options.numbers)
            else:
                column = NumberColumn(values, data.weight, options.numbers)
            columns.append(column)
    return TableEncoding(columns), crossed


def fit_category(
    values: np.ndarray, data: TrainingData, options: Options, cross_fit: bool
) -> tuple[CategoryColumn, np.ndarray | None]:
    """Return a column of levels, and its rows if they are cross-fitted."""
    levels = Levels(values)
    codes = levels.codes(values)
    if len(levels) <= max(options.max_onehot, 2):
        return CategoryColumn(levels, few_levels(levels, codes)), None
    if options.target is None or data.y is None:
        return CategoryColumn(levels, embedding_codes(levels)), None
    lookup, encoded = target_means(
        levels, codes, data.y, data.weight, options.target, cross_fit=cross_fit
    )
    return CategoryColumn(levels, lookup), encoded
